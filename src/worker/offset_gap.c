/*
 * offset_gap.c
 *		Gaps: offsets that the log no longer contains (see offset_gap.h).
 *
 * With on_gap 'skip', if the log starts after the offset to be read: one transaction locks the stream's row,
 * compares the positions with the stored ones, records the gap in streambatch.gap, and moves the partition's
 * position to the start of the log. After a crash before its commit, the gap is found again.
 *
 * With on_gap 'stop', the worker stops in state error. If the log ends before the offset, the topic has changed
 * (topic_check.c), and the worker stops whatever on_gap says.
 *
 * A broker may also report an offset as out of range that its log contains, for example after a change of the
 * leader. Then the same offset is read again: positions never move back.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/snapmgr.h"
#include "worker/offset_gap.h"
#include "worker/stream_errors.h"
#include "worker/topic_check.h"

#define RETRY_MS 100

static void read_again(Worker *w, Position *p);
static void skip(Worker *w, int32 partition, int64 low);

void
offset_gap_handle(Worker *w)
{
	int32 partition = consumer_state(w->consumer)->error_partition;
	Position *p = &w->positions.items[partition];
	int64 low;
	int64 high;
	WorkerError error;

	switch (topic_check_range(w, partition, &low, &high))
	{
		case RANGE_UNKNOWN:
			return;
		case RANGE_HOLDS:
			read_again(w, p);
			return;
		case RANGE_GONE:
			break;
	}
	if (!w->d.stream->on_gap_skip)
	{
		stream_error_gap(w->d.stream, partition, p->next_offset, low, high, &error);
		worker_stop(w, &error, false);
	}
	worker_forget(w);
	skip(w, partition, low);
	p->unverified = false;
	positions_assign(&w->positions, w->consumer);
}

/*
 * The log contains the offset to be read, although the broker has reported it as out of range: read it again. Or it was
 * the offset of the last message that was taken, which is gone; then there is nothing to verify.
 */
static void
read_again(Worker *w, Position *p)
{
	worker_forget(w);
	if (p->unverified)
		topic_check_gone(w);
	else
		positions_doubt(&w->positions);
	positions_assign(&w->positions, w->consumer);
	/* the broker may report it again at once */
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, RETRY_MS, PG_WAIT_EXTENSION);
}

/* Continue at low. As in a flush, positions_check() detects another owner of the positions. */
static void
skip(Worker *w, int32 partition, int64 low)
{
	Position *p = &w->positions.items[partition];
	StreamRow row;

	worker_begin_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (catalog_lock_stream(w->d.relid, &row))
	{
		positions_check(&w->positions, w->d.relid);
		Assert(low > p->next_offset);
		catalog_insert_gap(w->d.relid, row.topic_epoch, partition, p->next_offset, low, "skip");
		p->next_offset = low;
		positions_write(&w->positions, w->d.relid);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	positions_stored(&w->positions);
}

/*
 * offset_gap.c
 *		Offsets that the log does not hold any more (see offset_gap.h).
 *
 * With on_gap 'skip', where the log begins behind the offset to be read: one transaction under the stream's
 * lock compares the positions with those stored, notes the gap in streambatch.gap, and moves the partition's
 * position to the beginning of the log. A crash before its commit finds the gap again.
 *
 * With on_gap 'stop', the worker stops in state error. It always does where the offset lies behind the log's
 * end: then the topic is another one than the positions are of, and to skip would be to wait for its offsets
 * to catch up.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"
#include "worker/offset_gap.h"
#include "worker/stream_errors.h"

static void skip(Worker *w, int32 partition, int64 low);

void
offset_gap_handle(Worker *w)
{
	const ConsumerState *state = consumer_state(w->consumer);
	int32 partition = state->error_partition;
	int64 offset = state->error_offset;
	int64 low;
	int64 high;
	WorkerError error;

	if (!consumer_query_range(w->consumer, partition, &low, &high, ANSWER_MS))
		return;
	if (!w->d.stream->on_gap_skip || offset > high)
	{
		stream_error_gap(w->d.stream, partition, offset, low, high, &error);
		worker_stop(w, &error);
	}
	worker_rewind(w);
	skip(w, partition, low);
	positions_assign(&w->positions, w->consumer);
}

/* Go on at low. Another owner of the positions is found out here, as in a flush. */
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
		catalog_insert_gap(w->d.relid, partition, p->next_offset, low, "skip");
		p->next_offset = low;
		positions_write(&w->positions, w->d.relid);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	positions_stored(&w->positions);
}

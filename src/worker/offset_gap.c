/*
 * offset_gap.c
 *		Gaps: offsets that the log no longer contains (see offset_gap.h).
 *
 * With on_gap 'skip', if the log starts after the offset to be read: one transaction locks the stream's row,
 * compares the positions with the stored ones, records the gap in streambatch.gap, and moves the partition's
 * position to the start of the log. After a crash before its commit, the gap is found again.
 *
 * With on_gap 'stop', the worker stops in state error. It always does so if the offset is after the log's
 * end: then the positions belong to another topic, and skipping would mean to wait until its offsets catch
 * up.
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
		catalog_insert_gap(w->d.relid, partition, p->next_offset, low, "skip");
		p->next_offset = low;
		positions_write(&w->positions, w->d.relid);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	positions_stored(&w->positions);
}

/*
 * housekeeping.c
 *		Periodic work of a worker (see housekeeping.h).
 *
 * It checks the catalog: if the stream was paused or dropped, the worker exits; if the set of views has
 * changed, the definition is reloaded. It flushes a watermark that moves without messages because partitions
 * become idle. It starts reading new partitions of the topic.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/clock.h"
#include "utils/snapmgr.h"
#include "worker/abandoned_shadows.h"
#include "worker/flush_transaction.h"
#include "worker/housekeeping.h"
#include "worker/topic_check.h"
#include "worker/watermark.h"

#define PARTITIONS_MS 5000

static bool check_catalog(Worker *w, StreamRow *row);
static void flush_watermark(Worker *w, const StreamRow *row);
static void add_new_partitions(Worker *w);

void
housekeeping_run(Worker *w)
{
	int64 now = clock_now();
	StreamRow row;

	if (now - w->last_housekeeping < HOUSEKEEPING_MS * 1000)
		return;
	w->last_housekeeping = now;
	if (!check_catalog(w, &row))
	{
		worker_load(w);
		return;
	}
	/* suspends views that could not be loaded */
	if (w->d.failed != NIL && flush_transaction_begin(w))
		flush_transaction_end(w);
	flush_watermark(w, &row);
	if (w->d.shadows != NIL && abandoned_shadows_drop(w->d.shadows))
	{
		worker_load(w);
		return;
	}
	if (now - w->last_partitions > PARTITIONS_MS * INT64CONST(1000))
	{
		w->last_partitions = now;
		add_new_partitions(w);
	}
}

/* Read the stream's row. Returns false if the loaded definition is outdated. */
static bool
check_catalog(Worker *w, StreamRow *row)
{
	bool current;

	worker_begin_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	current = definition_current(&w->d, row);
	PopActiveSnapshot();
	CommitTransactionCommand();
	worker_check_definition(w);
	MemoryContextSwitchTo(w->context);
	return current;
}

static void
flush_watermark(Worker *w, const StreamRow *row)
{
	TimestampTz limit;

	if (w->d.stream->event_time != 0 && watermark_limit(&w->positions, w->d.stream, &limit) &&
		limit > row->watermark_limit && flush_transaction_begin(w))
		flush_transaction_end(w);
}

static void
add_new_partitions(Worker *w)
{
	int count = consumer_partition_count(w->consumer, 0); /* from cached metadata, without waiting */

	/* fewer than there were: ask, and ask again soon */
	if (count > 0 && count < positions_known(&w->positions) &&
		(count = consumer_partition_count(w->consumer, ANSWER_MS)) > 0 && !topic_check_partitions(w, count))
		w->last_partitions = 0;
	if (count <= w->positions.n)
		return;
	if (positions_grow(&w->positions, count))
		positions_assign(&w->positions, w->consumer);
}

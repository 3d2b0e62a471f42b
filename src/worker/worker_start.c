/*
 * worker_start.c
 *		Determining where a worker starts reading (see worker_start.h).
 *
 * A stream that was read before continues at its stored positions. Any other starts at the beginning of the
 * log, or, with start 'latest', at the current log end offsets. Those are stored at once, under the lock on
 * the stream's row, so that every later start continues there.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/catalog_topic.h"
#include "common/clock.h"
#include "common/log_ends.h"
#include "miscadmin.h"
#include "worker/lag.h"
#include "worker/stream_errors.h"
#include "worker/topic_check.h"
#include "worker/worker_start.h"

static bool try_start(Worker *w);
static int get_partition_count(Worker *w);
static bool begin_positions(Worker *w, int count, const int64 *ends);
static bool has_named(Worker *w, int count);

/*
 * Requests to brokers are sent outside transactions, so that no lock is held meanwhile, and once a second at
 * most. In between the catalog is checked.
 */
void
worker_start(Worker *w)
{
	w->positions.named = partition_set_copy(w->d.stream->partitions);
	while (!try_start(w))
	{
		worker_load(w);
		worker_check_definition(w);
	}
	log_ends_limit(w->slot, w->positions.n);
	lag_ask(w);
	positions_assign(&w->positions, w->consumer);
	w->last_partitions = clock_now();
}

/* Try once, waiting ANSWER_MS at most for each answer. Returns false if it must be tried again. */
static bool
try_start(Worker *w)
{
	int64 requested = clock_now();
	bool need_ends = w->d.stream->start != START_EARLIEST && !w->d.row.started;
	int count = get_partition_count(w);
	int64 *ends = NULL;
	bool begun = false;

	if (count > 0 && need_ends && (ends = consumer_log_ends(w->consumer, count, ANSWER_MS)) == NULL)
		(void) worker_check_consumer(w);
	if (count == 0 || (need_ends && ends == NULL))
		worker_idle(w, Max(HOUSEKEEPING_MS - (clock_now() - requested) / 1000, 1));
	else
		begun = begin_positions(w, count, ends) && topic_check_partitions(w, count) && has_named(w, count);
	if (w->doubts > 0)
		worker_idle(w, HOUSEKEEPING_MS);
	if (ends != NULL)
		pfree(ends);
	return begun;
}

/* Get the number of partitions. Returns 0 if no broker answers in time, and reports the error in the slot. */
static int
get_partition_count(Worker *w)
{
	int count = consumer_partition_count(w->consumer, ANSWER_MS);
	WorkerError error;

	CHECK_FOR_INTERRUPTS();
	/* a late answer is in the statistics by now */
	if (count < 0)
		count = consumer_partition_count(w->consumer, 0);
	if (count > 0)
		return count;
	if (worker_check_consumer(w))
	{
		stream_error_no_topic(w->d.stream, &error);
		slots_set_state(w->slot, WORKER_RECONNECTING);
		slots_set_error(w->slot, &error);
	}
	return 0;
}

/*
 * Load the stored positions, or store the first ones. Returns false if the catalog has changed since it was
 * loaded.
 */
static bool
begin_positions(Worker *w, int count, const int64 *ends)
{
	StreamRow row; /* not the definition's, whose generation is the one that the views were loaded at */
	bool begun;
	MemoryContext old;

	worker_begin_transaction();
	old = MemoryContextSwitchTo(w->context);
	begun = catalog_lock_stream(w->d.relid, &row) && row.topic_epoch == w->d.row.topic_epoch &&
			(row.started || w->d.stream->start == START_EARLIEST || ends != NULL);
	if (begun && !row.started)
	{
		if (ends != NULL)
			positions_store_ends(&w->positions, w->d.relid, count, ends);
		catalog_set_started(w->d.relid);
	}
	if (begun)
		catalog_clear_stop(w->d.relid);
	if (begun)
		positions_load(&w->positions, w->d.relid, count);
	MemoryContextSwitchTo(old);
	CommitTransactionCommand();
	return begun;
}

/* Whether the topic has all partitions that the stream names. If not, reports the error in the slot, and waits. */
static bool
has_named(Worker *w, int count)
{
	int32 missing = partition_set_missing(w->positions.named, count);
	WorkerError error;

	if (missing < 0)
		return true;
	stream_error_no_partition(w->d.stream, missing, count, &error);
	slots_set_state(w->slot, WORKER_RECONNECTING);
	slots_set_error(w->slot, &error);
	worker_idle(w, HOUSEKEEPING_MS);
	return false;
}

/*
 * worker_start.c
 *		Finding out where a worker begins to read (see worker_start.h).
 *
 * A stream that has been read before goes on at its stored positions. One that has not begins at the beginning
 * of the log, or, with start 'latest', at the ends that the log has now; those are stored at once, under the
 * stream's lock, so that whatever comes next begins there, too.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "worker/stream_errors.h"
#include "worker/worker_start.h"

static bool try_start(Worker *w);
static int ask_partitions(Worker *w);
static bool begin_positions(Worker *w, int count, const int64 *ends);

/*
 * Brokers are asked outside transactions, so that no lock is held meanwhile, and once a second at most; in
 * between the catalog is looked at.
 */
void
worker_start(Worker *w)
{
	while (!try_start(w))
	{
		worker_load(w);
		worker_check_definition(w);
	}
	positions_assign(&w->positions, w->consumer);
	w->last_partitions = GetCurrentTimestamp();
}

/* One try, without waiting longer than ANSWER_MS for an answer. False: to be tried again. */
static bool
try_start(Worker *w)
{
	TimestampTz asked = GetCurrentTimestamp();
	bool need_ends = w->d.stream->start != START_EARLIEST && !w->d.row.started;
	int count = ask_partitions(w);
	int64 *ends = NULL;
	bool begun = false;

	if (count > 0 && need_ends && (ends = consumer_log_ends(w->consumer, count, ANSWER_MS)) == NULL)
		(void) worker_check_consumer(w);
	if (count == 0 || (need_ends && ends == NULL))
		worker_idle(w, Max(HOUSEKEEPING_MS - (GetCurrentTimestamp() - asked) / 1000, 1));
	else
		begun = begin_positions(w, count, ends);
	if (ends != NULL)
		pfree(ends);
	return begun;
}

/* The number of partitions; 0, and noted why, when no broker tells in time. */
static int
ask_partitions(Worker *w)
{
	int count = consumer_partition_count(w->consumer, ANSWER_MS);
	WorkerError error;

	CHECK_FOR_INTERRUPTS();
	/* an answer that came too late is in the statistics by now */
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

/* Take the stored positions, or the first ones. False: the catalog is not what it was when it was loaded. */
static bool
begin_positions(Worker *w, int count, const int64 *ends)
{
	StreamRow row; /* not the definition's, whose generation is the one that the views were loaded at */
	bool begun;
	MemoryContext old;

	worker_begin_transaction();
	old = MemoryContextSwitchTo(w->context);
	begun = catalog_lock_stream(w->d.relid, &row) &&
			(row.started || w->d.stream->start == START_EARLIEST || ends != NULL);
	if (begun && !row.started)
	{
		if (ends != NULL)
			positions_store_ends(&w->positions, w->d.relid, count, ends);
		catalog_set_started(w->d.relid);
	}
	if (begun)
		positions_load(&w->positions, w->d.relid, count);
	MemoryContextSwitchTo(old);
	CommitTransactionCommand();
	return begun;
}

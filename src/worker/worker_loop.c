/*
 * worker_loop.c
 *		The main loop of a worker (see worker_loop.h).
 *
 * One transaction per flush (flush_transaction.c): it begins with the first message after the last flush, and
 * takes micro-batches until the flush is due. Without messages no transaction is open, and housekeeping
 * (housekeeping.c) runs once a second.
 *
 * A flush is due if the queue is empty and ten times the last flush's duration have passed since its end, so
 * that flushing takes about a tenth of the time at most; or if max_staleness is reached; or if folds and dead
 * letters exceed streambatch.work_mem.
 *
 * Messages are folded optimistically, without subtransactions. After an error everything since the last flush is
 * read again carefully: in subtransactions, so that the event at fault becomes a dead letter and nothing else is
 * lost. Careful mode lasts for CAREFUL_BATCHES micro-batches. If combining with stored states has failed in the
 * flush, views have folds of their own meanwhile, and each row is compared with the stored states.
 */
#include "postgres.h"

#include "common/clock.h"
#include "common/compat.h"
#include "common/settings.h"
#include "miscadmin.h"
#include "worker/catch_up.h"
#include "worker/flush_transaction.h"
#include "worker/housekeeping.h"
#include "worker/lag.h"
#include "worker/offset_gap.h"
#include "worker/stream_errors.h"
#include "worker/user_code.h"
#include "worker/topic_check.h"
#include "worker/worker_loop.h"

static bool take_batch(Worker *w);
static bool fold_messages(Worker *w);
static bool fold_optimistically(Worker *w);
static bool fold_carefully(Worker *w);
static void continue_transaction(Worker *w, bool queue_empty);
static int64 flush_due(const Worker *w, bool queue_empty);
static Size fold_size(const Worker *w);
static void report_state(Worker *w);
pg_noreturn static void stop_too_large(Worker *w);
static void between_transactions(Worker *w);

void
worker_loop(Worker *w)
{
	for (;;)
	{
		bool taken = take_batch(w);

		CHECK_FOR_INTERRUPTS();
		lag_report(w);
		if (w->in_transaction)
			continue_transaction(w, !taken);
		else if (!taken)
			between_transactions(w);
	}
}

/* Take a micro-batch of messages and fold it. Returns false if there is none. */
static bool
take_batch(Worker *w)
{
	bool folded;

	w->d.decoded.nmessages = consumer_take(w->consumer, w->d.decoded.messages, DECODED_BATCH_MAX, 0);
	if (topic_check_interrupted(w) || w->d.decoded.nmessages == 0)
		return false;
	topic_check_messages(w);
	if (w->d.decoded.nmessages == 0)
	{
		consumer_release(w->consumer);
		return true;
	}
	folded = fold_messages(w);
	consumer_release(w->consumer);
	if (!folded)
		return true;
	decoded_batch_clear(&w->d.decoded);
	if (w->careful > 0)
		w->careful--;
	return true;
}

/*
 * Fold the messages just taken, in the open transaction or a new one. Returns false if they are not folded; then
 * reading restarts at the stored positions.
 */
static bool
fold_messages(Worker *w)
{
	int n = w->d.decoded.nmessages;
	bool alone = !w->in_transaction;

	if (alone && !flush_transaction_begin(w))
		return false;
	if (w->careful == 0 && !w->d.apart)
	{
		if (fold_optimistically(w))
			return true;
		w->careful = CAREFUL_BATCHES;
		if (!alone)
		{
			worker_rewind(w);
			return false;
		}
		/* if only these few messages are lost, they are still in memory and need not be read again */
		worker_forget(w);
		if (!flush_transaction_begin(w))
			return false;
		w->d.decoded.nmessages = n;
	}
	return fold_carefully(w);
}

/* Without subtransactions. Returns false on an error: careful mode finds the event or the view at fault, if any. */
static bool
fold_optimistically(Worker *w)
{
	volatile bool done = true;

	PG_TRY();
	{
		flush_transaction_fold(w);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(w->context);
		(void) user_code_end();
		FlushErrorState();
		done = false;
	}
	PG_END_TRY();
	return done;
}

/* Returns false if users' code has given way; then reading restarts at the stored positions. */
static bool
fold_carefully(Worker *w)
{
	volatile bool done = true;

	PG_TRY();
	{
		flush_transaction_fold(w);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(w->context);
		if (user_code_end() != USER_CODE_GAVE_WAY)
			PG_RE_THROW();
		FlushErrorState();
		done = false;
	}
	PG_END_TRY();
	if (!done)
		worker_rewind(w);
	return done;
}

/* Flush the open transaction when it is due; wait for that only if the queue is empty. */
static void
continue_transaction(Worker *w, bool queue_empty)
{
	int64 due = flush_due(w, queue_empty);

	if (due <= 0)
	{
		(void) positions_poll(&w->positions, w->consumer);
		flush_transaction_end(w);
		report_state(w);
		(void) catch_up_run(w);
	}
	else if (queue_empty)
		worker_idle(w, due / 1000 + 1);
}

/* Microseconds until the flush of the open transaction is due; 0 or less: now. */
static int64
flush_due(const Worker *w, bool queue_empty)
{
	int64 now = clock_now();
	int64 stretch = Min(10 * w->flush_cost, w->d.max_staleness);

	if (fold_size(w) > (Size) setting_work_mem_kb * 1024)
		return 0;
	if (queue_empty)
		return w->last_flush_end + stretch - now;
	return w->transaction_start + w->d.max_staleness - now;
}

static Size
fold_size(const Worker *w)
{
	Size size = dead_letters_memory(&w->d.dead_letters);
	ListCell *lc;

	foreach (lc, w->d.views)
	{
		const WorkerView *view = lfirst(lc);

		size += view->leader == NULL ? fold_memory(view->fold) : 0;
	}
	return size;
}

/* Report the worker's state in its slot; handle gaps. */
static void
report_state(Worker *w)
{
	bool at_end = positions_all_at_end(&w->positions);

	if (consumer_state(w->consumer)->error == CONSUMER_OUT_OF_RANGE)
	{
		offset_gap_handle(w);
		return;
	}
	if (consumer_state(w->consumer)->error == CONSUMER_TOO_LARGE)
		stop_too_large(w);
	if (!topic_check_run(w) || !worker_check_consumer(w))
		return;
	/* until then, the state remains what it was */
	if (!positions_verified(&w->positions))
		return;
	if (at_end)
		slots_note_success(w->slot);
	slots_set_state(w->slot, at_end ? WORKER_STREAMING : WORKER_CATCHING_UP);
}

static void
stop_too_large(Worker *w)
{
	WorkerError error;

	(void) stream_error_of_consumer(consumer_state(w->consumer), w->d.stream, &error);
	worker_stop(w, &error, false);
}

/* Called if no transaction is open and the queue is empty. */
static void
between_transactions(Worker *w)
{
	/* positions may advance without messages, past control records */
	if (positions_poll(&w->positions, w->consumer) && flush_transaction_begin(w))
		flush_transaction_end(w);
	/* first, since report_state() may wait for a broker */
	housekeeping_run(w);
	report_state(w);
	if (!w->in_transaction)
	{
		int wait_ms = catch_up_run(w);

		if (wait_ms > 0)
			worker_idle(w, wait_ms);
	}
}

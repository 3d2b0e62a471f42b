/*
 * flush_transaction.c
 *		The transaction of a flush (see flush_transaction.h).
 *
 * It first takes all of its table locks, so that it never waits for a lock while the stream's row is locked.
 * Then it writes the archive's rows, micro-batch by micro-batch, and ends with flush_write() (flush.c
 * describes what is written under which lock). Memory used for messages is freed with the transaction; folds,
 * dead letters and positions are reset after it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/catalog_ddl.h"
#include "common/catalog_view.h"
#include "common/clock.h"
#include "common/guard.h"
#include "common/locks.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/flush.h"
#include "worker/flush_transaction.h"
#include "worker/fold_query.h"
#include "worker/user_code.h"

static void take_locks(Worker *w);
static void fold_compared(Worker *w, WorkerView *view);
static void commit(Worker *w, int64 flush_start);
static void await_stream(Worker *w);

bool
flush_transaction_begin(Worker *w)
{
	StreamRow row;
	bool current;
	MemoryContext old;

	worker_begin_transaction();
	take_locks(w);
	PushActiveSnapshot(GetTransactionSnapshot());
	slots_clear_give_way(w->slot);
	current = definition_current(&w->d, &row);
	if (current && OidIsValid(w->d.row.archive))
	{
		old = MemoryContextSwitchTo(TopTransactionContext);
		w->archive = archive_writer_open(w->d.stream, w->d.row.archive, w->d.row.topic_epoch);
		MemoryContextSwitchTo(old);
	}
	PopActiveSnapshot();
	worker_check_definition(w);
	MemoryContextSwitchTo(w->context);
	w->in_transaction = true;
	w->transaction_start = clock_now();
	if (!current)
		worker_reload(w);
	return current;
}

void
flush_transaction_fold(Worker *w)
{
	/* as subtransactions have contexts of their own: what the rows leave behind */
	MemoryContext context =
		AllocSetContextCreate(TopTransactionContext, "streambatch micro-batch", ALLOCSET_DEFAULT_SIZES);
	Guard guard;
	ListCell *lc;

	MemoryContextSwitchTo(context);
	PushActiveSnapshot(GetTransactionSnapshot());
	w->d.decoded.careful = w->careful > 0 || w->d.apart;
	/* the types of the columns and the archive's triggers are the stream's owner's */
	user_code_begin(InvalidOid, 0);
	guard_enter(&guard, w->d.stream->owner, w->d.row.settings);
	decoded_batch_decode(&w->d.decoded, &w->positions, &w->d.dead_letters, &w->counts);
	if (w->archive != NULL)
		archive_writer_write(w->archive, &w->d.decoded, &w->d.dead_letters, &w->counts);
	guard_leave(&guard);
	(void) user_code_end();
	memset(w->taken, ROW_FILTERED, w->d.decoded.batch.nrows);
	foreach (lc, w->d.views)
	{
		if (w->d.apart)
			fold_compared(w, lfirst(lc));
		else
			fold_query_run(lfirst(lc), &w->d.decoded, w->taken, &w->d.dead_letters);
	}
	fold_query_count(w->taken, w->d.decoded.batch.nrows, &w->counts);
	PopActiveSnapshot();
	MemoryContextSwitchTo(w->context);
	MemoryContextDelete(context);
}

void
flush_transaction_end(Worker *w)
{
	int64 start = clock_now();
	FlushJob job = {w->d.stream, w->d.row.generation, w->d.row.topic_epoch, w->d.views,
					w->d.failed, &w->positions,		  &w->d.dead_letters,	&w->counts};

	pgstat_report_activity(STATE_RUNNING, "flush");
	if (w->archive != NULL)
		archive_writer_close(w->archive);
	w->archive = NULL;
	MemoryContextSwitchTo(TopTransactionContext);
	switch (flush_write(&job))
	{
		case FLUSH_DONE:
			commit(w, start);
			break;
		case FLUSH_STALE:
			worker_reload(w);
			break;
		case FLUSH_RETRY:
			w->careful = CAREFUL_BATCHES;
			w->d.apart = true;
			worker_reload(w);
			break;
		case FLUSH_BUSY:
			worker_rewind(w);
			await_stream(w);
			break;
	}
}

static void
take_locks(Worker *w)
{
	List *to_read = NIL;
	List *to_write = list_make2_oid(w->d.relid, w->d.row.archive);
	ListCell *lc;

	foreach (lc, w->d.views)
	{
		const WorkerView *view = lfirst(lc);

		to_read = list_concat(to_read, view->relations);
		to_write = lappend_oid(to_write, view->state_table);
	}
	locks_take(to_read, list_concat(to_write, catalog_written_tables()));
}

/*
 * Fold a micro-batch for a view, and compare each row with the states that are stored of its group in the present
 * epoch. The flush writes them only if it is still that epoch.
 */
static void
fold_compared(Worker *w, WorkerView *view)
{
	ListCell *lc;
	int64 epoch = 0;

	foreach (lc, catalog_views_of(w->d.relid))
	{
		if (((ViewRow *) lfirst(lc))->id == view->row.id)
			epoch = ((ViewRow *) lfirst(lc))->epoch;
	}
	/* dropped, or a cut has come in between: the flush finds it so, too */
	if (epoch == 0 || (view->compared_epoch != 0 && view->compared_epoch != epoch))
		return;
	flush_fold_compared(view, epoch, &w->d.decoded, w->taken, &w->d.dead_letters);
}

/* Commit what flush_write() has written, and mark it as stored. */
static void
commit(Worker *w, int64 flush_start)
{
	ListCell *lc;
	bool suspended = w->d.failed != NIL;

	CommitTransactionCommand();
	MemoryContextSwitchTo(w->context);
	w->in_transaction = false;
	positions_stored(&w->positions);
	dead_letters_clear(&w->d.dead_letters);
	memset(&w->counts, 0, sizeof(w->counts));
	foreach (lc, w->d.views)
	{
		worker_view_stored(lfirst(lc));
		suspended |= worker_view_failure(lfirst(lc)) != NULL;
	}
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	w->last_flush_end = clock_now();
	w->flush_cost = w->last_flush_end - flush_start;
	slots_note_success(w->slot);
	if (suspended || (w->d.apart && w->careful == 0))
	{
		w->d.apart = w->careful > 0;
		worker_load(w);
	}
}

/* Wait for the lock on the stream's row, without holding any other lock. */
static void
await_stream(Worker *w)
{
	StreamRow row;

	worker_begin_transaction();
	(void) catalog_lock_stream(w->d.relid, &row);
	CommitTransactionCommand();
	MemoryContextSwitchTo(w->context);
}

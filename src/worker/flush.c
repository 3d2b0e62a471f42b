/*
 * flush.c
 *		The flush (see flush.h), and the protocol by which worker and batch layer count each event exactly once.
 *
 * The result of a view is its batch rows merged with its stream rows. Events come late, so event times cannot
 * decide which events are in which layer; offsets do. Three numbers keep the layers consistent:
 *
 *		positions	the next offset of each partition, one row each: every event below it is archived, if the
 *					stream has an archive, and is in the states of every view, or a dead letter. They belong to
 *					one topic epoch (stream/topic_epoch.c), and never move back in it; everything of an earlier
 *					topic epoch is below them
 *		epoch		in the view's row, counts its cuts; a stream row contains the epoch that it was written under
 *		generation	in the stream's row, counts changes to the set of its views
 *
 * States of an event, for one view. Each arrow is one commit, which a reader's snapshot sees or does not see:
 *
 *		folded		in the worker's memory only, beyond the stored positions
 *		-> flush	in a stream row of the view's epoch e and in the archive; below the positions
 *		-> cut		the positions are stored as the cut C; e is closed: flushes now write e + 1
 *		-> chunk	in a batch row, computed from the archive below C; stream rows up to epoch e are deleted
 *
 * Who writes what, under which lock. "The row" is the stream's row in the catalog. It is locked FOR NO KEY
 * UPDATE until commit, after all table locks:
 *
 *		flush (here)			the row: archive, stream rows of the current epoch, dead letters, positions,
 *								watermark, counts
 *		cut (refresh.c)			the row: the epoch, of a view that is not suspended
 *		chunk (chunk_run.c)		the view's advisory lock, held during the whole refresh:
 *								dirty marks (deleted), batch rows, stream rows of closed epochs (deleted), coverage
 *		a correction (dirty_marks.c)	the stream's corrections, in share mode: archive, dirty marks of all views
 *		outside_begin.c			the view's advisory lock, then the row: the epoch, of a view that is not suspended
 *		outside_publish.c		the view's advisory lock, until commit: as a chunk, as of the cut of its run, but no
 *								dirty marks
 *		create_view.c			the stream's corrections, exclusively: its rows of both layers, for events below
 *								positions that it has read;
 *								then the row: its stream rows from there to the current positions, generation
 *		rebuild.c				the row: a view's shadow, and the generation; at the end: which states are the view's, and
 *								the generation
 *		resume (refresh.c)		the row, at the end: of a suspended view, stream rows of the current epoch, state,
 *								generation
 *		catch-up (catch_up.c)	the row, as a flush: of a suspended view, stream rows of the current epoch, dead
 *								letters, suspended_at; at the end state and generation
 *		retry_dead_letters.c	the stream's past, exclusively, and the row: archive, stream rows of the current
 *								epoch, dead letters, counts, generation
 *		DROP, new owner			the row: generation (event triggers)
 *		worker_start.c			the row: the first positions
 *		offset_gap.c			the row: a position after a gap
 *		topic_epoch.c			the archive's column for the topic epoch, if it is missing; then the row: the topic
 *								epoch, its positions (deleted), generation
 *		worker_state.c			the row: what has stopped the worker
 *		stream_setup.c, first use	the foreign table: the row itself, the positions of an existing archive
 *
 * A flush, step by step:
 *
 *		1. Lock the row. A cut waits for us, or we for it, but only briefly: we hold table locks, and a session
 *		   that has locked the row (in pause(), for example) may next wait for one of these tables.
 *		2. Compare generation and positions with those that the fold started from. If the set of views or the
 *		   owner of the positions has changed, write nothing.
 *		3. Only now read each view's epoch: a committed cut has raised it, and the states are of events after
 *		   that cut.
 *		4. Write states, dead letters, positions, counts and watermark. The archive's rows are already in the
 *		   same transaction.
 *
 * For example, count(*) with a cut after five events, and two more events while it is refreshed:
 *
 *		flush of offsets 0 to 4		stream rows: 5 of epoch 1							a reader sees 5
 *		cut at offset 5				the view's epoch becomes 2							5
 *		flush of offsets 5 and 6	stream rows: 5 of epoch 1, 2 of epoch 2				7
 *		chunk						batch row: 5; stream rows: 2 of epoch 2				7
 *
 * A suspended view, whose query fails, has a position vector of its own, suspended_at: it has the events below,
 * and the flushes, which leave it out, move only the stream's positions. It is set, to the positions before that
 * flush, in the transaction that suspends the view; a catch-up step moves it in the transaction that writes the
 * states of the events between; and it ends where it meets the stream's. Whoever moves it compares it with what it
 * began from, as a flush compares the positions. No cut is taken meanwhile: the archive below it has events that
 * the view lacks.
 *
 * A retried dead letter is an event below all positions and cuts that comes later than they do. Its stream row is of
 * the current epoch, so that a chunk of a later cut replaces it by what it computes. A chunk of an earlier cut
 * would see it in the archive, too: so a refresh holds the lock on the stream's past in share mode from before its
 * cut to its end, and so does create_view().
 *
 * Crashes. A crash during a flush leaves nothing of it: states, archive and positions go back together, also
 * when a standby is promoted or a backup restored, and the log is read again. A crash during a refresh leaves
 * nothing before its cut; after its cut, a closed epoch, whose rows readers merge as before, and the
 * committed chunks. The next refresh takes its own cut, which closes one more epoch; its chunks delete the
 * rows of both.
 *
 * Eight rules, and what would go wrong without them:
 *
 *		1. The flush locks the row first, and only then reads the epochs. Otherwise it writes into an epoch that
 *		   has just been closed, and the chunk deletes rows of events that are in no batch row.
 *		2. The fold is valid for one generation, and is dropped when it changes. Otherwise the positions move
 *		   past events that a view created in between never receives.
 *		3. The first position of a new partition is inserted under the same lock: locks on the positions of the
 *		   known partitions would not prevent it. Otherwise its events are written under an epoch that is being
 *		   closed by a cut without them, and the chunk deletes them.
 *		4. A chunk is computed from archive rows below its cut, even if it sees more. Those above are in stream
 *		   rows of the next epoch, and would be counted twice.
 *		5. A chunk deletes stream rows up to the epoch that its cut closed, not all rows of its panes. Those of
 *		   the next epoch are of events that are in no batch row.
 *		6. The dirty mark of a pane is cleared before the pane is computed, never after. Otherwise a correction in
 *		   between is lost. (The stream rows of closed epochs, by which a refresh finds panes with late events,
 *		   may be deleted afterwards: no more rows are added to them.)
 *		7. A pane is never computed at an earlier cut than before. Otherwise the events between the two cuts,
 *		   whose stream rows were deleted by a chunk of the later one, are in neither layer. So only one refresh
 *		   of a view runs at a time, and each takes its own cut, whatever an interrupted one has left; and a batch
 *		   that another engine has computed is published only if no pane of its range is as of a later cut.
 *		8. Who computes a view that others do not see yet holds the stream's corrections exclusively, from before
 *		   the snapshot that it computes from until others see the view. Otherwise a correction that it does not see
 *		   marks the other views only.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/clock.h"
#include "common/guard.h"
#include "common/settings.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/flush.h"
#include "worker/fold_query.h"
#include "worker/state_table.h"
#include "worker/user_code.h"
#include "worker/watermark.h"

#define REPORT_MS 10000
/* Less than deadlock_timeout: a deadlock that we resolve ourselves is not reported. */
#define LOCK_WAIT_MS 200

static FlushResult result_of_error(WorkerView *view);
static void check_limit(const FlushJob *job);
static void suspend(const FlushJob *job, Oid view, const ErrorData *error);
static int64 epoch_of(List *rows, int32 view_id);
static void report_dead_letters(const FlushJob *job);

FlushResult
flush_write(const FlushJob *job)
{
	Oid stream = job->stream->relid;
	FlushResult result = flush_lock(stream, job->generation);
	List *views;
	ListCell *lc;
	TimestampTz limit = 0;
	bool has_limit;

	if (result != FLUSH_DONE)
		return result;
	positions_check(job->positions, stream);
	views = catalog_views_of(stream);
	foreach (lc, job->views)
	{
		WorkerView *view = lfirst(lc);
		const ErrorData *failure = worker_view_failure(view);

		if (failure != NULL)
			suspend(job, view->row.view, failure);
		else
			result = flush_view(view, epoch_of(views, view->row.id));
		if (result != FLUSH_DONE)
			return result;
	}
	foreach (lc, job->failed)
	{
		const FailedView *failed = lfirst(lc);

		suspend(job, failed->view, failed->error);
	}
	check_limit(job);
	catalog_insert_dead_letters(stream, job->stream->topic, job->topic_epoch, job->dead_letters->items,
								job->dead_letters->n);
	positions_write(job->positions, stream);
	has_limit = job->stream->event_time != 0 && watermark_limit(job->positions, job->stream, &limit);
	catalog_flushed(stream, job->counts, has_limit, limit);
	report_dead_letters(job);
	return FLUSH_DONE;
}

FlushResult
flush_lock(Oid stream, int64 generation)
{
	int64 start = clock_now();
	StreamRow row;

	while (!catalog_try_lock_stream(stream))
	{
		if (!catalog_stream(stream, &row))
			return FLUSH_STALE;
		if (clock_passed(start, LOCK_WAIT_MS))
			return FLUSH_BUSY;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(1000);
	}
	return catalog_stream(stream, &row) && row.generation == generation ? FLUSH_DONE : FLUSH_STALE;
}

void
flush_fold_compared(WorkerView *view, int64 epoch, DecodedBatch *decoded, char *taken,
					DeadLetters *dead_letters)
{
	Relation rel = table_open(view->state_table, RowExclusiveLock);
	StateReader *reader;
	Guard guard;

	Assert(decoded->careful);
	view->compared_epoch = epoch;
	/* the table belongs to the view's owner, and so do the functions of its types */
	guard_enter(&guard, view->owner, view->row.settings);
	reader = state_table_open_reader(rel, view->def, epoch);
	guard_leave(&guard);
	fold_set_stored(view->fold, state_table_find, reader);
	fold_query_run(view, decoded, taken, dead_letters);
	fold_set_stored(view->fold, NULL, NULL);
	state_table_close_reader(reader);
	table_close(rel, NoLock);
}

FlushResult
flush_view(WorkerView *view, int64 epoch)
{
	MemoryContext context = CurrentMemoryContext;
	volatile FlushResult result = FLUSH_DONE;

	if (view->compared_epoch != 0 && view->compared_epoch != epoch)
		return FLUSH_RETRY;
	if (fold_is_empty(view->fold))
		return FLUSH_DONE;
	PG_TRY();
	{
		Guard guard;
		Relation rel = table_open(view->state_table, RowExclusiveLock);

		/* the table belongs to the view's owner, and so do its triggers and index functions */
		user_code_begin(view->row.view, view->time_limit);
		guard_enter(&guard, view->owner, view->row.settings);
		PushActiveSnapshot(GetTransactionSnapshot());
		state_table_write(rel, view->def, view->fold, view->filter, epoch);
		PopActiveSnapshot();
		guard_leave(&guard);
		(void) user_code_end();
		table_close(rel, NoLock);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		/* no subtransaction: the caller aborts the whole transaction */
		result = result_of_error(view);
		if (result == FLUSH_DONE)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return result;
}

/* What becomes of a flush when the writing of a view's states has raised an error; FLUSH_DONE: raise it again. */
static FlushResult
result_of_error(WorkerView *view)
{
	WorkerView *leader = view->leader != NULL ? view->leader : view;
	UserCodeEnd end = user_code_end();

	if (end == USER_CODE_GAVE_WAY)
		return FLUSH_BUSY;
	if (end == USER_CODE_EXCEEDED)
		leader->failure = worker_view_time_limit_error(view);
	else if (dead_letters_is_system_error(geterrcode()))
	{
		MemoryContext old = MemoryContextSwitchTo(leader->errors);
		ErrorData *error = CopyErrorData();

		MemoryContextSwitchTo(old);
		if (!user_code_raised(error))
			return FLUSH_DONE;
		leader->failure = error;
	}
	else
		return view->compared_epoch != 0 ? FLUSH_DONE : FLUSH_RETRY;
	return FLUSH_BUSY;
}

/*
 * Raises an error if the stream has as many dead letters as it may have: nobody looks at them, and they fill the
 * disk. They are counted only when the number that we know, which includes those deleted since, is too high.
 */
static void
check_limit(const FlushJob *job)
{
	static int64 known = -1; /* of this worker's stream */
	int n = job->dead_letters->n;

	if (n == 0 || setting_max_dead_letters == 0)
		return;
	if (known < 0 || known >= setting_max_dead_letters)
		known = catalog_count_dead_letters(job->stream->relid);
	if (known >= setting_max_dead_letters)
		ereport(
			ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("stream \"%s\" has too many dead letters: %lld", job->stream->name, (long long) known),
			 errhint(
				 "Use streambatch.retry_dead_letters() or streambatch.discard_dead_letters(), or increase streambatch.max_dead_letters.")));
	known += n;
}

/* What was folded of the view is dropped: it has its events up to the stored positions. */
static void
suspend(const FlushJob *job, Oid view, const ErrorData *error)
{
	catalog_suspend_view(view, error->sqlerrcode, error->message);
	dead_letters_remove_view(job->dead_letters, view);
	ereport(LOG, (errcode(error->sqlerrcode),
				  errmsg("hybrid view \"%s\" has been suspended because of an error: %s",
						 get_rel_name(view) != NULL ? get_rel_name(view) : "?", error->message)));
}

static int64
epoch_of(List *rows, int32 view_id)
{
	ListCell *lc;

	foreach (lc, rows)
	{
		const ViewRow *row = lfirst(lc);

		if (row->id == view_id)
			return row->epoch;
	}
	elog(ERROR, "could not find hybrid view %d", view_id);
}

/* Log at most one line in REPORT_MS; all dead letters are in streambatch.dead_letter. */
static void
report_dead_letters(const FlushJob *job)
{
	static int64 reported = 0;
	static unsigned long unreported = 0;
	const DeadLetter *first = &job->dead_letters->items[0];

	unreported += job->dead_letters->n;
	if (job->dead_letters->n == 0 || (reported != 0 && !clock_passed(reported, REPORT_MS)))
		return;
	ereport(LOG, (errmsg_plural("stream \"%s\": %lu message became a dead letter",
								"stream \"%s\": %lu messages became dead letters", unreported,
								job->stream->name, unreported),
				  errdetail("For example, at partition %d, offset %lld: %s", first->partition,
							(long long) first->offset, first->message)));
	reported = clock_now();
	unreported = 0;
}

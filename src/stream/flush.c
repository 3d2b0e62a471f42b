/*
 * flush.c
 *		The flush (see flush.h), step by step as the cut protocol demands (docs/design.md):
 *
 *		1. lock the stream's row; a cut waits for us, or we for it, though not for long: we hold table locks, and a session that
 *		   has the row (by pause(), say) may go on to wait for one of these tables
 *		2. compare generation and positions with those that the fold began from: another set of views, or another owner, and nothing is written
 *		3. only now read each view's epoch: a cut that has committed has raised it, and what we write is behind that cut
 *		4. states, dead letters, positions, counts and watermark; the archive's rows are in the same transaction already
 *
 * The first row of a new partition is inserted under the same lock, so that a cut sees either the row and its
 * events, or neither.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/guard.h"
#include "miscadmin.h"
#include "stream/flush.h"
#include "stream/states.h"
#include "stream/watermark.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define REPORT_MS 10000
#define PATIENCE_MS 200 /* less than a deadlock_timeout: nobody is told of a deadlock that we end ourselves */

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
	elog(ERROR, "hybrid view %d has no row in an unchanged generation", view_id);
}

/* One view's states. False where combining them with the stored ones raises. */
static bool
write_view(ViewFold *vf, int64 epoch)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = true;

	PG_TRY();
	{
		Guard guard;
		Relation rel = table_open(vf->state_table, RowExclusiveLock);

		/* the table is the view owner's, and so is what hangs on it */
		guard_enter(&guard, vf->owner, vf->row.settings);
		PushActiveSnapshot(GetTransactionSnapshot());
		states_write(rel, vf->def, vf->fold, vf->written, epoch, vf->append);
		PopActiveSnapshot();
		guard_leave(&guard);
		table_close(rel, NoLock);
	}
	PG_CATCH();
	{
		/* no subtransaction: whoever gets false aborts the whole transaction */
		if (vf->append || letters_nobodys(geterrcode()))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		vf->append = true;
		done = false;
	}
	PG_END_TRY();
	return done;
}

/* One line each REPORT_MS at most, however many there are: they can be read in streambatch.dead_letter. */
static void
report_dead_letters(const FlushJob *job)
{
	static TimestampTz reported = 0;
	static unsigned long unreported = 0;
	const DeadLetter *first = &job->letters->items[0];
	TimestampTz now = GetCurrentTimestamp();

	unreported += job->letters->n;
	if (job->letters->n == 0 || !TimestampDifferenceExceeds(reported, now, REPORT_MS))
		return;
	ereport(LOG, (errmsg_plural("stream \"%s\": %lu message became a dead letter",
								"stream \"%s\": %lu messages became dead letters", unreported,
								job->stream->name, unreported),
				  errdetail("The latest, at partition %d offset %lld: %s", first->partition,
							(long long) first->offset, first->message)));
	reported = now;
	unreported = 0;
}

/* Lock the stream's row, if it is to be had soon and is what the fold began from: FLUSH_DONE. */
static FlushResult
lock_stream(Oid stream, int64 generation)
{
	TimestampTz start = GetCurrentTimestamp();
	StreamRow row;

	while (!catalog_try_lock_stream(stream))
	{
		if (!catalog_stream(stream, &row))
			return FLUSH_STALE;
		if (TimestampDifferenceExceeds(start, GetCurrentTimestamp(), PATIENCE_MS))
			return FLUSH_BUSY;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(1000);
	}
	return catalog_stream(stream, &row) && row.generation == generation ? FLUSH_DONE : FLUSH_STALE;
}

FlushResult
flush_write(const FlushJob *job)
{
	Oid stream = job->stream->relid;
	FlushResult result = lock_stream(stream, job->generation);
	List *views;
	ListCell *lc;
	TimestampTz watermark = 0;
	bool has_watermark;

	if (result != FLUSH_DONE)
		return result;
	positions_check(job->positions, stream);
	views = catalog_views_of(stream);
	foreach (lc, job->views)
	{
		ViewFold *vf = lfirst(lc);
		const ErrorData *failure = viewfold_failure(vf);

		if (failure != NULL)
			catalog_suspend_view(vf->row.view, failure->sqlerrcode, failure->message);
		else if (!write_view(vf, epoch_of(views, vf->row.id)))
			return FLUSH_RETRY;
	}
	catalog_insert_dead_letters(stream, job->stream->topic, job->letters->items, job->letters->n);
	positions_write(job->positions, stream);
	has_watermark =
		job->stream->event_time != 0 && watermark_compute(job->positions, job->stream, &watermark);
	catalog_flushed(stream, job->counts, has_watermark, watermark);
	report_dead_letters(job);
	return FLUSH_DONE;
}

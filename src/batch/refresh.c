/*
 * refresh.c
 *		CALL streambatch.refresh(view, from, to, full): recompute panes exactly from the archive.
 *
 * The protocol of cuts, epochs and generations is described in worker/flush.c.
 *
 * The cut is one transaction. The panes are divided into chunks of about streambatch.refresh_chunk_rows events,
 * and each chunk is one transaction, which also records the coverage. If the session ends between two chunks,
 * the finished ones remain; the next refresh computes what is not covered. A second refresh of the same view
 * raises a NOTICE and returns: a session-level advisory lock is held from the beginning to the end.
 *
 * A view that is suspended because its query fails lacks the events since (suspended_at). Its refresh adds
 * them first, as stream rows of the current epoch, and the view is active again; this is one more transaction,
 * which has locked the stream's row at its end, as create_view() has. Where that fails, the view remains suspended
 * with that error. A cut is taken of an active view only: the panes that a chunk computes would contain some of
 * the missed events, and nobody would know which.
 *
 * Each transaction is READ COMMITTED whatever the session's default: after the stream's row has been locked,
 * statements must see what the previous holder of the lock committed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "batch/archive_index.h"
#include "batch/chunk_plan.h"
#include "batch/computation.h"
#include "catalog/pg_class.h"
#include "common/catalog_batch.h"
#include "common/catalog_ddl.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/locks.h"
#include "common/subtransaction.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "query/view_relations.h"
#include "storage/lock.h"
#include "stream/stream.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* The fourth field of an advisory lock's tag: user-level functions use 1 and 2. */
#define REFRESH_LOCK 3

typedef struct Run
{
	Oid view;
	Oid archive;
	bool holds_past;
	MemoryContext context; /* survives the transactions */
	Computation *c;
	Cut *cut;
	TimestampTz cut_at;
	int64 closed_epoch;
	int64 id;
	TimeRanges chunks;
	RefreshRange requested;
} Run;

typedef struct ChunkJob
{
	const Run *run;
	const Coverage *chunk;
} ChunkJob;

typedef struct ResumeJob
{
	const Run *run;
	const ViewRow *row;
	bool overtaken; /* by the worker */
} ResumeJob;

static void refresh(Run *run, ViewRow *row);
static void resume_view(const Run *run, const ViewRow *row);
static void add_missed(void *arg);
static void next_transaction(void);
static void lock_relations(const Run *run, const ViewRow *row);
static void check_view_exists(const Run *run);
static void check_arguments(const ViewRow *row, const Run *run, const ViewDef *def);
static void take_cut(Run *run, const ViewRow *row, StreamRow *stream);
static bool plan_chunks(Run *run, const ViewRow *row, const StreamRow *stream);
static void refresh_chunk(const Run *run, const Coverage *chunk);
static void compute_and_cover(void *arg);
static bool lock_refresh(const ViewRow *row, bool lock);

STREAMBATCH_FUNCTION(streambatch_refresh);

Datum
streambatch_refresh(PG_FUNCTION_ARGS)
{
	CallContext *call = (CallContext *) fcinfo->context;
	ViewRow row;
	Run run = {0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("view and full must not be null")));
	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(
			ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("refresh cannot run inside a transaction block or a function"),
			 errhint(
				 "Use CALL streambatch.refresh(…) as a statement of its own; it commits after each chunk.")));
	run.view = PG_GETARG_OID(0);
	run.requested.has_from = !PG_ARGISNULL(1) && !TIMESTAMP_IS_NOBEGIN(PG_GETARG_TIMESTAMPTZ(1));
	run.requested.has_to = !PG_ARGISNULL(2);
	run.requested.from = run.requested.has_from ? PG_GETARG_TIMESTAMPTZ(1) : 0;
	run.requested.to = run.requested.has_to ? PG_GETARG_TIMESTAMPTZ(2) : 0;
	run.requested.full = PG_GETARG_BOOL(3);
	catalog_require_view(run.view, &row);
	if (!compat_class_ownercheck(run.view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(run.view));
	if (!lock_refresh(&row, true))
	{
		ereport(NOTICE, (errmsg("another refresh of hybrid view \"%s\" is already running, skipping",
								get_rel_name(run.view))));
		PG_RETURN_VOID();
	}
	run.context = AllocSetContextCreate(TopMemoryContext, "streambatch refresh", ALLOCSET_DEFAULT_SIZES);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	PG_TRY();
	{
		refresh(&run, &row);
	}
	PG_FINALLY();
	{
		if (run.holds_past)
			locks_release_past(row.stream);
		lock_refresh(&row, false);
		MemoryContextDelete(run.context);
	}
	PG_END_TRY();
	SPI_finish();
	PG_RETURN_VOID();
}

static void
refresh(Run *run, ViewRow *row)
{
	StreamRow stream;
	MemoryContext old;

	/* nobody adds events below the cut meanwhile */
	locks_hold_past(row->stream);
	run->holds_past = true;
	if (catalog_stream(row->stream, &stream))
		run->archive = stream.archive;
	next_transaction();
	if (row->suspended)
		resume_view(run, row);
	lock_relations(run, row);
	old = MemoryContextSwitchTo(run->context);
	run->c = compute_open(row);
	MemoryContextSwitchTo(old);
	check_arguments(row, run, run->c->def);
	compute_check_row_security(run->c->archive, run->c->owner);
	next_transaction();
	take_cut(run, row, &stream);
	archive_index_summarise(run->c->archive);
	next_transaction();
	if (!plan_chunks(run, row, &stream))
	{
		ereport(NOTICE,
				(errmsg("hybrid view \"%s\" has no windows to refresh", get_rel_name(run->view)),
				 run->c->def->has_window && !run->requested.has_to && !stream.has_watermark
					 ? errdetail("The stream has no watermark yet, so no window has ended.")
				 : run->requested.full || run->requested.has_from || run->requested.has_to
					 ? errdetail("No window in the range has ended before the watermark.")
					 : errdetail("All windows that have ended are already covered, and none has changed.")));
		return;
	}
	for (int i = 0; i < run->chunks.n; i++)
	{
		refresh_chunk(run, &run->chunks.items[i]);
		next_transaction();
	}
	catalog_end_run(run->id, NULL);
	next_transaction();
}

/* Bring a suspended view back, with the events that it lacks. An error is recorded in its row. */
static void
resume_view(const Run *run, const ViewRow *row)
{
	ErrorData *error;
	ResumeJob job = {run, row};

	do
	{
		job.overtaken = false;
		error = subtransaction_run(add_missed, &job, PortalContext);
		if (error != NULL && !job.overtaken && OidIsValid(run->archive))
			catalog_set_view_error(run->view, error->sqlerrcode, error->message);
		next_transaction();
	} while (job.overtaken);
	if (error != NULL)
		ReThrowError(error);
}

/* Most of them without a lock on the stream's row, the rest, few, with it. */
static void
add_missed(void *arg)
{
	ResumeJob *job = arg;
	const Run *run = job->run;
	StreamRow stream;
	ViewRow before;
	ViewRow locked;
	Computation *c;
	Cut *from;
	Cut *to;

	lock_relations(run, job->row);
	if (!catalog_view(run->view, &before) || !before.suspended)
		return;
	c = compute_open(&before);
	from = cut_of_array(before.suspended_at, before.suspended_epoch);
	to = cut_read(before.stream);
	(void) compute_between(c, from, to, before.epoch);
	if (!catalog_lock_stream(before.stream, &stream))
		elog(ERROR, "could not find stream %u", before.stream);
	job->overtaken = !catalog_view(run->view, &locked) || !locked.suspended || locked.epoch != before.epoch ||
					 !cut_equal(cut_of_array(locked.suspended_at, locked.suspended_epoch), from);
	if (job->overtaken)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("hybrid view \"%s\" has been changed by another process", get_rel_name(run->view))));
	(void) compute_between(c, to, cut_read(before.stream), before.epoch);
	catalog_resume_view(run->view);
	catalog_raise_generation(before.stream);
}

/* Commit, and start a READ COMMITTED transaction. */
static void
next_transaction(void)
{
	SPI_commit();
	XactIsoLevel = XACT_READ_COMMITTED;
	EnsurePortalSnapshotExists();
}

/*
 * Lock the view and all relations that its query reads until the end of the transaction, so that they cannot be
 * dropped meanwhile.
 */
static void
lock_relations(const Run *run, const ViewRow *row)
{
	locks_take(
		list_concat(list_make3_oid(row->stream, run->view, run->archive), view_relations_read(row->id)),
		catalog_written_tables());
	check_view_exists(run);
	if (run->c != NULL)
		compute_read_archive(run->c);
}

static void
check_view_exists(const Run *run)
{
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(run->view)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the hybrid view was dropped during the refresh")));
}

static void
check_arguments(const ViewRow *row, const Run *run, const ViewDef *def)
{
	const char *name = get_rel_name(row->view);

	if (!def->has_window && (run->requested.has_from || run->requested.has_to))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("cannot refresh a range of hybrid view \"%s\" because it has no window", name),
						errhint("Use CALL streambatch.refresh('%s') to refresh the whole view.", name)));
	if (run->requested.has_from && run->requested.has_to && run->requested.from > run->requested.to)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("refresh range must not end before it begins"),
						errhint("Specify the earlier time first.")));
}

/*
 * Short, because the worker waits for the stream's row meanwhile. Holds no lock that a holder of the row could
 * wait for.
 */
static void
take_cut(Run *run, const ViewRow *row, StreamRow *stream)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);
	ViewRow now;

	locks_take(NIL, catalog_written_tables());
	if (!catalog_lock_stream(row->stream, stream))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the stream of the hybrid view was dropped")));
	check_view_exists(run);
	if (catalog_view(run->view, &now) && now.suspended)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("hybrid view \"%s\" has been suspended again", get_rel_name(run->view)),
						errhint("streambatch.stat_view shows the error.")));
	run->cut = cut_read(row->stream);
	run->cut_at = GetCurrentTimestamp();
	run->closed_epoch = catalog_raise_epoch(run->view);
	catalog_fail_abandoned_runs(row->id);
	MemoryContextSwitchTo(old);
	next_transaction();
}

/* Plan the chunks to compute as of the cut. Returns false if there are none. */
static bool
plan_chunks(Run *run, const ViewRow *row, const StreamRow *stream)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);
	TimeRanges ranges;

	lock_relations(run, row);
	compute_leave_out(run->c);
	ranges = chunk_plan_ranges(run->c, run->requested, run->closed_epoch, stream);
	if (ranges.n > 0)
	{
		run->id = catalog_begin_run(row->id, run->view, "refresh", run->closed_epoch, cut_array(run->cut),
									ranges.items[0].from, ranges.items[ranges.n - 1].to);
		run->chunks = chunk_plan_chunks(run->c, run->cut, ranges);
		catalog_run_chunks(run->id, run->chunks.n);
	}
	MemoryContextSwitchTo(old);
	next_transaction();
	return ranges.n > 0;
}

/* Compute one chunk; an error is recorded in the run before it is raised again. */
static void
refresh_chunk(const Run *run, const Coverage *chunk)
{
	ChunkJob job = {run, chunk};
	/* must outlive the run's context: ReThrowError() does not copy all of the error */
	ErrorData *error = subtransaction_run(compute_and_cover, &job, PortalContext);

	if (error == NULL)
		return;
	catalog_end_run(run->id, error);
	next_transaction();
	ReThrowError(error);
}

static void
compute_and_cover(void *arg)
{
	const ChunkJob *job = arg;
	const Run *run = job->run;
	int64 rows;

	CHECK_FOR_INTERRUPTS();
	lock_relations(run, &run->c->view);
	rows = compute_chunk(run->c, run->cut, run->closed_epoch, job->chunk->from, job->chunk->to);
	catalog_cover(run->c->view.id, job->chunk->from, job->chunk->to, run->closed_epoch, run->cut_at);
	catalog_run_progress(run->id, rows);
}

static bool
lock_refresh(const ViewRow *row, bool lock)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, row->id, 0, REFRESH_LOCK);
	if (lock)
		return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
	return LockRelease(&tag, ExclusiveLock, true);
}

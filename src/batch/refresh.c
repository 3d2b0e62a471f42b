/*
 * refresh.c
 *		CALL streambatch.refresh(view, from, to, full): recompute panes exactly from the archive.
 *
 * The protocol of cuts, epochs and generations is described in worker/flush.c.
 *
 * The cut is one transaction. The panes to compute (chunk_plan.h) are divided into chunks, and each chunk is one
 * transaction, which also records the coverage (chunk_run.c). If the session ends between two chunks, the finished
 * ones remain; the next refresh computes what is not covered or has changed. A second refresh of the same view raises
 * a NOTICE and returns: a session-level advisory lock is held from the beginning to the end.
 *
 * Without a range, when all is done, everything that is covered is covered as of this cut: what has changed has been
 * computed, and of the rest the stream layer has no rows of closed epochs, so the batch layer holds all events below
 * the cut. Each chunk of changed panes records that of the panes before it, the last transaction of those that follow.
 * So the coverage is one interval again, but for panes that failed or were kept (changed_panes.h).
 *
 * A view that is suspended because its query fails lacks the events since (suspended_at). Its refresh adds
 * them first, as stream rows of the current epoch, and the view is active again; this is one more transaction,
 * which has locked the stream's row at its end, as create_view() has. Where that fails, the view remains suspended
 * with that error. A cut is taken of an active view only: the panes that a chunk computes would contain some of
 * the missed events, and nobody would know which.
 */
#include "postgres.h"

#include "access/xact.h"
#include "batch/archive_index.h"
#include "batch/batch_source.h"
#include "batch/chunk_run.h"
#include "batch/failing_pane.h"
#include "batch/refresh.h"
#include "catalog/pg_class.h"
#include "common/archive_triggers.h"
#include "common/catalog_shadow.h"
#include "common/catalog_batch.h"
#include "common/catalog_ddl.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/locks.h"
#include "common/settings.h"
#include "common/subtransaction.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "stream/stream.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

typedef struct ResumeJob
{
	const Run *run;
	const ViewRow *row;
	bool overtaken; /* by the worker */
} ResumeJob;

typedef struct PlanJob
{
	Run *run;
	const ViewRow *row;
	const StreamRow *stream;
} PlanJob;

static void refresh(Run *run, ViewRow *row);
static void resume_view(const Run *run, const ViewRow *row);
static void add_missed(void *arg);
static bool is_left_out(const Run *run, const ViewDef *def);
static void check_arguments(const ViewRow *row, const Run *run, const ViewDef *def);
static void check_archive_complete(const ViewRow *row, const Run *run, const ViewDef *def);
static void take_cut(Run *run, const ViewRow *row, StreamRow *stream);
static bool plan_chunks(Run *run, const ViewRow *row, const StreamRow *stream);
static void make_plan(void *arg);
static void run_chunks(Run *run);
static void finish(Run *run, Chunk *rest);
static void say_nothing_to_do(const Run *run, const StreamRow *stream);
static void say_kept(const Run *run);

STREAMBATCH_FUNCTION(streambatch_refresh);

Datum
streambatch_refresh(PG_FUNCTION_ARGS)
{
	RefreshRange requested;

	for (int i = 0; i < PG_NARGS(); i++)
	{
		if (PG_ARGISNULL(i) && i != 1 && i != 2)
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("only \"from\" and \"to\" of refresh can be null")));
	}
	refresh_check_commits(fcinfo, "refresh");
	requested = refresh_range_of(fcinfo, 1);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	refresh_view(PG_GETARG_OID(0), requested);
	SPI_finish();
	PG_RETURN_VOID();
}

void
refresh_check_commits(FunctionCallInfo fcinfo, const char *name)
{
	CallContext *call = (CallContext *) fcinfo->context;

	if (call == NULL || !IsA(call, CallContext) || call->atomic || IsSubTransaction())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run inside a transaction block or a function", name),
				 errhint("Use CALL streambatch.%s(…) as a statement of its own; it commits after each chunk.",
						 name)));
}

RefreshRange
refresh_range_of(FunctionCallInfo fcinfo, int first)
{
	RefreshRange range = {0};

	range.has_from = !PG_ARGISNULL(first) && !TIMESTAMP_IS_NOBEGIN(PG_GETARG_TIMESTAMPTZ(first));
	range.has_to = !PG_ARGISNULL(first + 1);
	range.from = range.has_from ? PG_GETARG_TIMESTAMPTZ(first) : 0;
	range.to = range.has_to ? PG_GETARG_TIMESTAMPTZ(first + 1) : 0;
	range.full = PG_GETARG_BOOL(first + 2);
	/* version 0.1.0 has four arguments */
	range.force = PG_NARGS() > first + 3 && PG_GETARG_BOOL(first + 3);
	range.newest_first = PG_NARGS() > first + 4 && PG_GETARG_BOOL(first + 4);
	return range;
}

void
refresh_view(Oid view, RefreshRange requested)
{
	ViewRow row;
	Run run = {.kind = "refresh",
			   .view = view,
			   .recorded = view,
			   .requested = requested,
			   .track_drift = setting_track_drift != DRIFT_OFF};

	catalog_require_view(run.view, &row);
	if (!compat_class_ownercheck(run.view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(run.view));
	if (!locks_hold_refresh(row.id))
	{
		ereport(NOTICE, (errmsg("another refresh of hybrid view \"%s\" is already running, skipping",
								get_rel_name(run.view))));
		return;
	}
	run.context = AllocSetContextCreate(TopMemoryContext, "streambatch refresh", ALLOCSET_DEFAULT_SIZES);
	PG_TRY();
	{
		refresh(&run, &row);
	}
	PG_FINALLY();
	{
		if (run.holds_past)
			locks_release_past(row.stream);
		locks_release_refresh(row.id);
		chunk_plan_free(&run.plan);
		MemoryContextDelete(run.context);
	}
	PG_END_TRY();
}

void
refresh_compute(Run *run, ViewRow *row)
{
	StreamRow stream;
	MemoryContext old;

	refresh_lock_relations(run, row);
	old = MemoryContextSwitchTo(run->context);
	run->c = compute_open_source(row, run->source);
	run->archive = run->c->archive;
	MemoryContextSwitchTo(old);
	if (is_left_out(run, run->c->def))
		return;
	check_arguments(row, run, run->c->def);
	compute_check_row_security(run->c->archive, run->c->owner);
	refresh_next_transaction();
	take_cut(run, row, &stream);
	if (!run->c->source.log)
		archive_index_summarise(run->c->archive);
	refresh_next_transaction();
	if (plan_chunks(run, row, &stream))
		run_chunks(run);
	else
		say_nothing_to_do(run, &stream);
}

static void
refresh(Run *run, ViewRow *row)
{
	StreamRow stream;

	/* nobody adds events below the cut meanwhile */
	locks_hold_past(row->stream);
	run->holds_past = true;
	if (catalog_stream(row->stream, &stream))
		run->archive = stream.archive;
	archive_triggers_add(run->archive);
	refresh_next_transaction();
	if (row->suspended)
		resume_view(run, row);
	refresh_compute(run, row);
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
		refresh_next_transaction();
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

	refresh_lock_relations(run, job->row);
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
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("hybrid view \"%s\" has been changed by another process",
							   catalog_view_name(run->view))));
	(void) compute_between(c, to, cut_read(before.stream), before.epoch);
	catalog_resume_view(run->view);
	catalog_raise_generation(before.stream);
}

/* refresh_all() leaves out views that have no range. */
static bool
is_left_out(const Run *run, const ViewDef *def)
{
	if (!run->requested.of_all || def->has_window || (!run->requested.has_from && !run->requested.has_to))
		return false;
	ereport(NOTICE,
			(errmsg("hybrid view \"%s\" has no window and so no range, skipping", get_rel_name(run->view))));
	return true;
}

static void
check_arguments(const ViewRow *row, const Run *run, const ViewDef *def)
{
	const char *name = catalog_view_name(row->view);

	if (!def->has_window && (run->requested.has_from || run->requested.has_to))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("cannot refresh a range of hybrid view \"%s\" because it has no window", name),
						errhint("Use CALL streambatch.refresh('%s') to refresh the whole view.", name)));
	if (run->requested.has_from && run->requested.has_to && run->requested.from > run->requested.to)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("refresh range must not end before it begins"),
						errhint("Specify the earlier time first.")));
	if (def->has_window && !run->requested.force)
		check_archive_complete(row, run, def);
}

/* What retain() has removed would be lost. What the call does not name is left alone (changed_panes.h). */
static void
check_archive_complete(const ViewRow *row, const Run *run, const ViewDef *def)
{
	const RefreshRange *range = &run->requested;
	TimestampTz from = batch_source_complete_from(run->c);
	const char *time;

	if (!(range->full || range->has_from || range->has_to) || TIMESTAMP_IS_NOBEGIN(from) ||
		(range->has_from && window_pane_start(&((ViewDef *) def)->window, range->from) >= from))
		return;
	time = pstrdup(timestamptz_to_str(from));
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("the archive no longer contains all events of the range for hybrid view \"%s\"",
				catalog_view_name(row->view)),
		 errdetail("The archive is complete from %s on; earlier events have been removed by retain().", time),
		 errhint("Name a range that begins there or later, or use force => true to compute from what the "
				 "archive contains.")));
}

/*
 * Short, because the worker waits for the stream's row meanwhile. Holds no lock that a holder of the row could
 * wait for.
 */
static void
take_cut(Run *run, const ViewRow *row, StreamRow *stream)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);
	RunRow begun = {.kind = run->kind, .from = DT_NOBEGIN, .to = DT_NOEND};
	ViewRow now;

	locks_take(NIL, catalog_written_tables());
	if (!catalog_lock_stream(row->stream, stream))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the stream of the hybrid view was dropped")));
	refresh_check_view_exists(run);
	if (catalog_view(run->view, &now) && now.suspended)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("hybrid view \"%s\" has been suspended again", catalog_view_name(run->view)),
						errhint("streambatch.stat_view shows the error.")));
	run->cut = cut_read(row->stream);
	run->cut_at = GetCurrentTimestamp();
	run->closed_epoch = catalog_raise_epoch(run->view);
	catalog_fail_abandoned_runs(row->id);
	begun.cut_epoch = run->closed_epoch;
	begun.cut = cut_array(run->cut);
	begun.topic_epoch = run->cut->topic_epoch;
	run->id = catalog_begin_run(row->id, run->recorded, &begun);
	MemoryContextSwitchTo(old);
	refresh_next_transaction();
}

/* Plan the chunks to compute as of the cut. Returns false if there are none: then there was no run. */
static bool
plan_chunks(Run *run, const ViewRow *row, const StreamRow *stream)
{
	PlanJob job = {run, row, stream};
	ErrorData *error = subtransaction_run(make_plan, &job, PortalContext);

	if (error != NULL)
		refresh_fail(run, error);
	refresh_next_transaction();
	return run->plan.nchunks > 0;
}

static void
make_plan(void *arg)
{
	PlanJob *job = arg;
	Run *run = job->run;
	ChunkPlan *plan = &run->plan;
	MemoryContext old = MemoryContextSwitchTo(run->context);

	refresh_lock_relations(run, job->row);
	compute_leave_out(run->c);
	batch_source_cut(run->c, run->cut, run->requested.force);
	chunk_plan_make(plan, run->c, run->cut, run->requested, run->closed_epoch, job->stream);
	if (plan->nchunks > 0)
		catalog_plan_run(run->id, plan->from, plan->to, plan->nchunks, chunk_plan_panes(plan, run->c));
	else
		catalog_forget_run(run->id);
	MemoryContextSwitchTo(old);
}

static void
run_chunks(Run *run)
{
	ChunkPlan *plan = &run->plan;
	Chunk chunk = {0};

	for (int i = 0; i < plan->nranges; i++)
		chunk_run(run, &plan->ranges[run->requested.newest_first ? plan->nranges - 1 - i : i]);
	while (plan->changed != NULL && changed_panes_next(plan->changed, &chunk))
		chunk_run(run, &chunk);
	finish(run, &chunk);
}

/* End the run. What follows the last chunk, and the panes at its end that are kept, are in "rest". */
static void
finish(Run *run, Chunk *rest)
{
	if (run->plan.changed != NULL)
	{
		refresh_lock_relations(run, &run->c->view);
		rest->advance_to = run->plan.before;
		chunk_advance(run, rest);
		run->kept += run->plan.changed->nkept;
	}
	say_kept(run);
	drift_say_failure(run->drift, get_rel_name(run->view));
	if (run->failed > 0)
		failing_panes_raise(run, false);
	/* a rebuild ends with the swap */
	if (!run->strict)
		catalog_end_run(run->id, NULL);
	refresh_next_transaction();
}

static void
say_nothing_to_do(const Run *run, const StreamRow *stream)
{
	const char *detail = "All windows that have ended are already covered, and none has changed.";

	if (run->c->def->has_window && !run->requested.has_to && !stream->has_watermark)
		detail = "The stream has no watermark yet, so no window has ended.";
	else if (run->requested.full || run->requested.has_from || run->requested.has_to)
		detail = "No window in the range has ended before the watermark.";
	else if (run->plan.changed != NULL && run->plan.changed->nkept > 0)
		detail = "The archive no longer contains the events of those that have changed.";
	ereport(NOTICE, (errmsg("hybrid view \"%s\" has no windows to refresh", catalog_view_name(run->view)),
					 errdetail_internal("%s", detail)));
}

static void
say_kept(const Run *run)
{
	const char *name = catalog_view_name(run->view);
	unsigned long n = (unsigned long) run->kept;

	if (n == 0)
		return;
	ereport(NOTICE, (run->c->def->window.assembled
						 ? errmsg_plural("%lu pane of hybrid view \"%s\" keeps its value",
										 "%lu panes of hybrid view \"%s\" keep their values", n, n, name)
						 : errmsg_plural("%lu window of hybrid view \"%s\" keeps its value",
										 "%lu windows of hybrid view \"%s\" keep their values", n, n, name),
					 errdetail("The archive no longer contains the events."),
					 errhint("To compute from what it contains, use force => true.")));
}

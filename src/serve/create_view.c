/*
 * create_view.c
 *		streambatch.create_view(): a hybrid view from one query.
 *
 * Everything happens in the caller's transaction. A view named v with id 1 consists of
 *
 *		v, v_layers							the views for users, owned by the creator
 *		streambatch_state.query_1			the query, as a view: stores the objects that its names refer to
 *		streambatch_state.stream_1, batch_1	the states of both layers
 *		streambatch_state.merged_1			the states of both layers, merged per group
 *
 * query_1 and v_layers have internal dependencies on v, so DROP VIEW v drops them, and dropping the stream with
 * CASCADE drops v. The event trigger streambatch_on_drop drops the other objects, on which v depends.
 *
 * The history of a stream that has been read before: states are computed from the archive below the positions
 * C0 that this transaction sees, without holding the stream's lock; batch rows for panes that have ended, stream
 * rows for open panes. Then, with the stream's row locked, stream rows of the events between C0 and the current
 * positions C1 are added, and the generation is raised. The worker's next flush finds the new generation, and
 * the worker folds this view from C1 on: each event is counted once.
 *
 * Corrections of the archive that are committed are in what is computed; others wait, and mark the view when they see it
 * (batch/dirty_marks.c).
 *
 * Events of the history that the view's query fails on become dead letters of the view, as they would have become
 * had it been there. So a view can be dropped and created again, or restored, whatever its dead letters were.
 */
#include "postgres.h"

#include "access/xact.h"
#include "batch/dirty_marks.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "common/catalog_batch.h"
#include "common/catalog_ddl.h"
#include "common/catalog_retention.h"
#include "common/catalog_restore.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/guard.h"
#include "common/locks.h"
#include "common/subtransaction.h"
#include "common/view_parts.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "query/serving_sql.h"
#include "serve/complete_from.h"
#include "serve/creation.h"
#include "serve/failing_events.h"
#include "serve/stream_setup.h"
#include "serve/view_comments.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#include "worker/dead_letters.h"

/* Limit of max_staleness and allowed_lateness: a longer interval could overflow when added to a time. */
#define MAX_DELAY_DAYS 36525

/* A part of the view's history: what is below a cut, or between two. */
typedef struct HistoryJob
{
	const Creation *creation;
	Computation *computation;
	const Cut *from; /* NULL: everything below the other */
	const Cut *to;
	TimestampTz closed;
	int64 rows;
} HistoryJob;

static void check_interval(const Interval *interval, const char *name);
static void parse_name(Creation *c, text *name);
static void create_views(Creation *c);
static void link_objects(const Creation *c);
static bool lock_if_unread(const Creation *c);
static bool archive_has_rows(const Creation *c, const StreamRow *stream);
static void compute_or_leave_out(HistoryJob *job);
static void compute_part(void *arg);
static void warn_incomplete(const Creation *c);
static void compute_history_of_view(const Creation *c, const StreamRow *stream, const Cut *before);

STREAMBATCH_FUNCTION(streambatch_create_view);

Datum
streambatch_create_view(PG_FUNCTION_ARGS)
{
	Creation c = {0};
	StreamRow stream;
	Cut *before;
	bool history;
	bool fresh;

	for (int i = 0; i < 5; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("arguments of create_view must not be null")));
	}
	c.owner = GetUserId();
	c.row.max_staleness = *PG_GETARG_INTERVAL_P(2);
	c.row.allowed_lateness = *PG_GETARG_INTERVAL_P(3);
	history = PG_GETARG_BOOL(4);
	check_interval(&c.row.max_staleness, "max_staleness");
	check_interval(&c.row.allowed_lateness, "allowed_lateness");
	parse_name(&c, PG_GETARG_TEXT_PP(0));
	c.row.settings = guard_note_settings();
	creation_analyse(&c, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	creation_check_privileges(&c, NULL, false);
	fresh = !catalog_stream(c.def->stream, &stream);
	stream_setup(c.def->stream, &stream);
	if (history && !OidIsValid(stream.archive))
		stream.archive = catalog_require_archive(c.def->stream);
	creation_check_privileges(&c, &stream, fresh);
	if (!stream.paused)
		stream_check_limit(c.def->stream);
	stream_setup_warn(c.def->stream);
	/* a correction sees this view, and marks its panes, or is in what it is computed from */
	locks_take_corrections(c.def->stream, true);

	c.row.id = catalog_next_view_id();
	c.row.stream = c.def->stream;
	c.row.epoch = 1;
	creation_create_parts(&c);
	create_views(&c);
	link_objects(&c);
	catalog_insert_view(&c.row);
	catalog_set_view_query(c.row.view, creation_trim(text_to_cstring(PG_GETARG_TEXT_PP(1))));
	catalog_follow_owners();
	CommandCounterIncrement();
	(void) locks_take_past(c.def->stream, false, true);
	before = cut_read(c.def->stream);
	/* if the worker has started since, all events that it has read are above the positions in "before" */
	if (history && (!cut_is_empty(before) || !lock_if_unread(&c) || archive_has_rows(&c, &stream)))
		compute_history_of_view(&c, &stream, before);
	/* an older snapshot may lack corrections that are committed */
	if (history && IsolationUsesXactSnapshot())
		dirty_marks_all(c.row.id);
	catalog_raise_generation(c.def->stream);
	if (!history)
		complete_from_record(&c.row, c.def, stream.archive);
	if (!stream.paused)
		stream_want_at_commit(c.def->stream);
	PG_RETURN_OID(c.row.view);
}

static void
check_interval(const Interval *interval, const char *name)
{
	if (compat_interval_is_infinite(interval))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must be finite", name)));
	if (interval->time < 0 || interval->day < 0 || interval->month < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must not be negative", name)));
	if (interval->time / USECS_PER_DAY + interval->day + interval->month * INT64CONST(30) > MAX_DELAY_DAYS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must not be longer than %d days", name, MAX_DELAY_DAYS)));
}

static void
parse_name(Creation *c, text *name)
{
	RangeVar *rv = makeRangeVarFromNameList(textToQualifiedNameList(name));
	char *layers;
	Oid existing;

	/* checks CREATE on the schema */
	c->namespace = RangeVarGetAndCheckCreationNamespace(rv, NoLock, &existing);
	if (OidIsValid(existing))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE), errmsg("relation \"%s\" already exists", rv->relname),
				 errhint("Choose another name, or use DROP VIEW %s first.", quote_identifier(rv->relname))));
	if (rv->relpersistence == RELPERSISTENCE_TEMP || isTempNamespace(c->namespace))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a hybrid view cannot be temporary")));
	c->relname = rv->relname;
	layers = psprintf("%s_layers", rv->relname);
	if (strlen(layers) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name \"%s\" is too long for a hybrid view", rv->relname),
				 errhint("The name \"%s\" must not be longer than %d bytes.", layers, NAMEDATALEN - 1)));
	if (OidIsValid(get_relname_relid(layers, c->namespace)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE), errmsg("relation \"%s\" already exists", layers),
				 errhint("create_view also creates this view; choose another name for the hybrid view.")));
	c->name = quote_qualified_identifier(get_namespace_name(c->namespace), rv->relname);
	c->layers = quote_qualified_identifier(get_namespace_name(c->namespace), layers);
}

/* Create the views for users, as the calling user. */
static void
create_views(Creation *c)
{
	Guard guard;
	Oid merged = view_part(c->row.id, "merged");

	guard_enter(&guard, c->owner, c->row.settings);
	SPI_connect();
	creation_execute(sql_serving_view(c->def, c->row.id, c->name, merged));
	creation_execute(sql_layers_view(c->def, c->row.id, c->layers, merged, creation_lateness(c)));
	SPI_finish();
	guard_leave(&guard);
	c->row.view = get_relname_relid(c->relname, c->namespace);
}

/*
 * Comments on all objects of the view; dependencies not for the state tables and the merged view, on which the
 * view depends: with a circular dependency, DROP TYPE … CASCADE of the type of a key fails. The event trigger
 * drops them.
 */
static void
link_objects(const Creation *c)
{
	Oid layers = get_relname_relid(psprintf("%s_layers", c->relname), c->namespace);

	creation_make_part(view_part(c->row.id, "query"), c->row.view);
	creation_make_part(layers, c->row.view);
	view_comments_add(c->row.id, c->row.view, layers);
}

/* Lock the stream's row, and return whether the stream has never been read; the lock prevents that it is. */
static bool
lock_if_unread(const Creation *c)
{
	StreamRow locked;

	if (!catalog_lock_stream(c->def->stream, &locked))
		elog(ERROR, "stream %u has no row", c->def->stream);
	return cut_is_empty(cut_read(c->def->stream));
}

/* Whether the archive of a stream that was never read has rows, for example loaded by a user: they are below every cut. */
static bool
archive_has_rows(const Creation *c, const StreamRow *stream)
{
	Guard guard;
	bool result;

	if (!OidIsValid(stream->archive))
		return false;
	guard_enter(&guard, c->owner, c->row.settings);
	SPI_connect();
	if (SPI_execute(psprintf("SELECT FROM %s", quote_qualified_identifier(
												   get_namespace_name(get_rel_namespace(stream->archive)),
												   get_rel_name(stream->archive))),
					true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not query the archive");
	result = SPI_processed > 0;
	SPI_finish();
	guard_leave(&guard);
	return result;
}

/* Compute a part; again without the events that the query fails on. */
static void
compute_or_leave_out(HistoryJob *job)
{
	const Cut none = {0};
	const Cut *from = job->from != NULL ? job->from : &none;
	ArchiveSlice slice = {0};
	const ViewRow *row = &job->creation->row;
	ErrorData *error = subtransaction_run(compute_part, job, CurrentMemoryContext);
	int n;

	if (error == NULL)
		return;
	if (!dead_letters_is_data_error(error->sqlerrcode))
		ReThrowError(error);
	slice.from = cut_array(from);
	slice.from_epoch = from->topic_epoch;
	slice.to = cut_array(job->to);
	slice.to_epoch = job->to->topic_epoch;
	n = failing_events_record(row, job->computation->archive, &slice);
	if (n == 0)
		ReThrowError(error);
	ereport(
		WARNING,
		(errmsg_plural("%d event of the archive is a dead letter of hybrid view \"%s\"",
					   "%d events of the archive are dead letters of hybrid view \"%s\"", n, n,
					   job->creation->relname),
		 errdetail("For example: %s", error->message),
		 errhint(
			 "They are in streambatch.dead_letter. Correct the query or the events, and use SELECT streambatch.retry_dead_letters('%s').",
			 job->creation->name)));
	compute_leave_out(job->computation);
	compute_part(job);
}

static void
compute_part(void *arg)
{
	HistoryJob *job = arg;

	job->rows += job->from == NULL ? compute_history(job->computation, job->to, job->closed, 0)
								   : compute_between(job->computation, job->from, job->to, 1);
}

/* Of the history, what retain() has removed is missing. */
static void
warn_incomplete(const Creation *c)
{
	TimestampTz from = catalog_archive_from(c->def->stream);

	if (TIMESTAMP_IS_NOBEGIN(from))
		return;
	ereport(WARNING,
			(errmsg("hybrid view \"%s\" is complete from %s on", c->relname, timestamptz_to_str(from)),
			 errdetail("Earlier events have been removed from the archive by retain().")));
}

/* Compute the history of the view (see the head of this file). Locks the stream's row. */
static void
compute_history_of_view(const Creation *c, const StreamRow *stream, const Cut *before)
{
	Computation *computation;
	TimestampTz closed = DT_NOEND;
	TimestampTz started = GetCurrentTimestamp();
	HistoryJob job = {0};
	RunRow row = {"history", 0, cut_array(before), before->topic_epoch, DT_NOBEGIN};
	int64 run;
	StreamRow locked;

	if (!OidIsValid(stream->archive))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot compute the history of the hybrid view because stream \"%s\" has no archive",
					get_rel_name(c->def->stream)),
			 errhint(
				 "Use create_view(…, history => false) to start from the current position of the stream.")));
	computation = compute_open(&c->row);
	if (c->def->has_window)
		closed = stream->has_watermark ? window_pane_start(&c->def->window, stream->watermark) : DT_NOBEGIN;
	warn_incomplete(c);
	job.creation = c;
	job.computation = computation;
	job.to = before;
	job.closed = closed;
	compute_or_leave_out(&job);
	if (!catalog_lock_stream(c->def->stream, &locked))
		elog(ERROR, "stream %u has no row", c->def->stream);
	job.from = before;
	job.to = cut_read(c->def->stream);
	compute_or_leave_out(&job);
	row.to = closed;
	run = catalog_begin_run(c->row.id, c->row.view, &row);
	catalog_cover(c->row.id, &(Coverage){DT_NOBEGIN, closed, 0}, started);
	catalog_plan_run(run, DT_NOBEGIN, closed, 1, -1);
	catalog_run_progress(run, &(RunProgress){.chunks = 1, .rows = job.rows});
	catalog_end_run(run, NULL);
}

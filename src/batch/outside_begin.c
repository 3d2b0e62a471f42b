/*
 * outside_begin.c
 *		streambatch.begin_batch(): a cut, and the query that an engine outside of PostgreSQL computes as of it.
 *
 * The engine reads the same topic up to the offsets of the cut, or files that have the events with their positions, and
 * writes groups to a staging table; outside_publish.c replaces the panes by them. Between the two, hours later perhaps, no
 * session holds anything: the open batch is a run of kind "outside" whose state is "running".
 *
 * All is one transaction, the caller's: the query is analysed and the table created first; the stream's row is locked
 * last, as by create_view(), so that the worker waits only until the caller commits. No refresh may be running: it would
 * have an earlier cut, and could clear the dirty mark of a correction that the engine does not see. The protocol is in worker/flush.c. What
 * the query leaves out are the dead letters as of the cut. One that is retried later becomes a stream row of a later
 * epoch, which the publication keeps: the event is in neither the engine's rows nor lost.
 */
#include "postgres.h"

#include "access/xact.h"
#include "batch/cut.h"
#include "batch/outside.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "commands/comment.h"
#include "common/catalog_batch.h"
#include "common/catalog_ddl.h"
#include "common/catalog_stream.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/locks.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "query/staging_sql.h"
#include "query/view_relations.h"
#include "stream/stream.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Of ranges of positions in one query. */
#define MAX_LEFT_OUT 10000

typedef struct Begin
{
	ViewRow row;
	ViewDef *def;
	Stream *stream;
	StreamRow stream_row; /* as of the cut */
	Cut *cut;
	OutsideRun run;
	char *query;
	Oid staging;
} Begin;

static void open_view(Begin *begin);
static void find_range(Begin *begin, FunctionCallInfo fcinfo);
static void take_cut(Begin *begin);
static char *positions(const Begin *begin);
static void append_cut(StringInfo buf, const Begin *begin, const char *partition, const char *offset);
static void append_left_out(StringInfo buf, const Begin *begin, const char *partition, const char *offset);
static void create_staging(Begin *begin);
static Datum result(FunctionCallInfo fcinfo, const Begin *begin);

STREAMBATCH_FUNCTION(streambatch_begin_batch);

Datum
streambatch_begin_batch(PG_FUNCTION_ARGS)
{
	Begin begin = {0};
	Guard guard;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("view must not be null")));
	outside_check_isolation("begin_batch");
	begin.run.view = PG_GETARG_OID(0);
	catalog_require_view(begin.run.view, &begin.row);
	if (!compat_class_ownercheck(begin.run.view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(begin.run.view));
	/* one that has begun earlier would compute panes, and clear their dirty marks, as of an earlier cut */
	if (!locks_take_refresh(begin.row.id))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("cannot begin a batch of hybrid view \"%s\" while a refresh of it is running",
							   get_rel_name(begin.run.view)),
						errhint("Try again when the refresh has ended.")));
	open_view(&begin);
	guard_enter(&guard, InvalidOid, begin.row.settings);
	/* without the cut: what cannot be written is refused before the row is locked */
	(void) portable_query(begin.def, "", DT_NOBEGIN, DT_NOEND);
	find_range(&begin, fcinfo);
	take_cut(&begin);
	begin.query = portable_query(begin.def, positions(&begin), begin.run.from, begin.run.to);
	guard_leave(&guard);
	create_staging(&begin);
	PG_RETURN_DATUM(result(fcinfo, &begin));
}

/* The view's definition, with all its relations locked. */
static void
open_view(Begin *begin)
{
	Oid owner;
	Guard guard;

	locks_take(
		list_concat(list_make2_oid(begin->row.stream, begin->run.view), view_relations_read(begin->row.id)),
		catalog_written_tables());
	owner = guard_owner_of(begin->run.view);
	if (!OidIsValid(owner))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the hybrid view was dropped")));
	begin->stream = stream_open(begin->row.stream);
	/* which offset that was is recorded nowhere */
	if (begin->stream->start == START_LATEST)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot compute hybrid view \"%s\" outside of PostgreSQL", get_rel_name(begin->run.view)),
			 errdetail(
				 "Stream \"%s\" has begun to read at the end of its topic, which contains earlier messages.",
				 begin->stream->name),
			 errhint("Use CALL streambatch.refresh() for this hybrid view.")));
	guard_enter(&guard, InvalidOid, begin->row.settings);
	begin->def = analyse_stored(begin->row.id, owner);
	guard_leave(&guard);
}

/* Whole panes, up to the watermark unless the caller names an end, as in a refresh. */
static void
find_range(Begin *begin, FunctionCallInfo fcinfo)
{
	StreamWindow *window = &begin->def->window;
	OutsideRun *run = &begin->run;
	StreamRow row;

	run->from = PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1);
	run->to = PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2);
	if (!begin->def->has_window)
	{
		if (!PG_ARGISNULL(1) || !PG_ARGISNULL(2))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("cannot compute a range of hybrid view \"%s\" because it has no window",
								   get_rel_name(run->view)),
							errhint("Omit \"from\" and \"to\" to compute the whole view.")));
		return;
	}
	if (!catalog_stream(begin->row.stream, &row))
		elog(ERROR, "stream %u has no row", begin->row.stream);
	if (PG_ARGISNULL(2) && !row.has_watermark)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("hybrid view \"%s\" has no windows to compute", get_rel_name(run->view)),
						errdetail("The stream has no watermark yet, so no window has ended."),
						errhint("Specify the end of the range.")));
	run->from = window_pane_start(window, run->from);
	if (PG_ARGISNULL(2))
		run->to = window_pane_start(window, row.watermark);
	else if (window_pane_start(window, run->to) != run->to)
		run->to = window_pane_end(window, run->to);
	if (run->from >= run->to)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the range contains no window that has ended"),
						errhint("Specify an earlier beginning, or a later end.")));
}

/* As that of a refresh (refresh.c). The row remains locked until the caller commits. */
static void
take_cut(Begin *begin)
{
	OutsideRun *run = &begin->run;
	ViewRow now;
	RunRow begun;

	if (!catalog_lock_stream(begin->row.stream, &begin->stream_row))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the stream of the hybrid view was dropped")));
	if (!catalog_view(run->view, &now) || now.suspended)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("hybrid view \"%s\" is suspended", get_rel_name(run->view)),
			 errhint(
				 "streambatch.stat_view shows the error. CALL streambatch.refresh() brings the view back.")));
	begin->cut = cut_read(begin->row.stream);
	run->cut_epoch = catalog_raise_epoch(run->view);
	begun = (RunRow){OUTSIDE_RUN, run->cut_epoch, cut_array(begin->cut), begin->cut->topic_epoch,
					 run->from,	  run->to};
	run->id = catalog_begin_run(begin->row.id, run->view, &begun);
}

/* The condition on an event's position: below the cut, and no dead letter. */
static char *
positions(const Begin *begin)
{
	const char *partition;
	const char *offset;
	StringInfoData buf;

	stream_position_columns(begin->stream, &partition, &offset);
	partition = quote_identifier(partition);
	offset = quote_identifier(offset);
	initStringInfo(&buf);
	/* an export of the archive has rows that people have added */
	appendStringInfo(&buf, "(%s IS NULL", partition);
	if (begin->cut->topic_epoch > 0)
		appendStringInfo(&buf, "\n    OR kafka_epoch < %d OR kafka_epoch = %d AND (1 = 0",
						 begin->cut->topic_epoch, begin->cut->topic_epoch);
	append_cut(&buf, begin, partition, offset);
	appendStringInfoString(&buf, begin->cut->topic_epoch > 0 ? "))" : ")");
	append_left_out(&buf, begin, partition, offset);
	return buf.data;
}

static void
append_cut(StringInfo buf, const Begin *begin, const char *partition, const char *offset)
{
	for (int i = 0; i < begin->cut->n; i++)
	{
		if (begin->cut->offsets[i] >= 0)
			appendStringInfo(buf, "\n    OR %s = %d AND %s < " INT64_FORMAT, partition, i, offset,
							 begin->cut->offsets[i]);
	}
}

static void
append_left_out(StringInfo buf, const Begin *begin, const char *partition, const char *offset)
{
	int n;
	LeftOut *ranges = catalog_left_out(begin->row.stream, begin->run.view, &n);

	if (n > MAX_LEFT_OUT)
		ereport(
			ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("cannot compute hybrid view \"%s\" outside of PostgreSQL", get_rel_name(begin->run.view)),
			 errdetail("A query cannot leave out more than %d ranges of dead letters, and there are %d.",
					   MAX_LEFT_OUT, n),
			 errhint("Use CALL streambatch.refresh() for this hybrid view.")));
	for (int i = 0; i < n; i++)
	{
		const LeftOut *range = &ranges[i];

		/* a null position is no dead letter */
		appendStringInfo(buf, "\n  AND (%s IS NULL OR NOT (", partition);
		if (begin->cut->topic_epoch > 0)
			appendStringInfo(buf, "kafka_epoch = %d AND ", range->topic_epoch);
		appendStringInfo(buf, "%s = %d AND ", partition, range->partition);
		if (range->to == range->from + 1)
			appendStringInfo(buf, "%s = " INT64_FORMAT "))", offset, range->from);
		else
			appendStringInfo(buf, "%s >= " INT64_FORMAT " AND %s < " INT64_FORMAT "))", offset, range->from,
							 offset, range->to);
	}
}

/* The table, of the view's owner; its comment is the query. */
static void
create_staging(Begin *begin)
{
	Guard guard;

	guard_enter(&guard, BOOTSTRAP_SUPERUSERID, begin->row.settings);
	SPI_connect();
	if (SPI_execute(sql_staging_table(begin->def, begin->row.id, begin->run.id), false, 0) < 0)
		elog(ERROR, "could not create the staging table");
	SPI_finish();
	guard_leave(&guard);
	catalog_follow_owners();
	CommandCounterIncrement();
	begin->staging = get_relname_relid(staging_name(begin->row.id, begin->run.id),
									   get_namespace_oid("streambatch_state", false));
	CreateComments(begin->staging, RelationRelationId, 0, begin->query);
}

static Datum
result(FunctionCallInfo fcinfo, const Begin *begin)
{
	const OutsideRun *run = &begin->run;
	TupleDesc desc;
	Datum values[8];
	bool nulls[8] = {0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != lengthof(values))
		elog(ERROR, "return type must be a row type of %d columns", (int) lengthof(values));
	values[0] = Int64GetDatum(run->id);
	values[1] = CStringGetTextDatum(begin->stream_row.topic);
	values[2] = PointerGetDatum(cut_array(begin->cut));
	values[3] = Int32GetDatum(begin->cut->topic_epoch);
	values[4] = TimestampTzGetDatum(run->from);
	nulls[4] = TIMESTAMP_NOT_FINITE(run->from);
	values[5] = TimestampTzGetDatum(run->to);
	nulls[5] = TIMESTAMP_NOT_FINITE(run->to);
	values[6] = CStringGetTextDatum(begin->query);
	values[7] = ObjectIdGetDatum(begin->staging);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * catalog_views.c
 *		Hybrid views and their batch layers in the extension's own tables (see catalog_views.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_views.h"
#include "common/statement.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* ---- views ---- */

int32
catalog_next_view_id(void)
{
	static Statement s = {"SELECT pg_catalog.nextval('streambatch._view_id')::int", 0, {0}};
	StatementCall call;
	bool isnull;
	int32 id;

	statement_run(&call, &s, NULL, NULL);
	id = DatumGetInt32(statement_get(0, 1, &isnull));
	statement_finish(&call);
	return id;
}

void
catalog_insert_view(const ViewRow *row)
{
	static Statement s = {
		"INSERT INTO streambatch._view (view, id, stream, epoch, max_staleness, allowed_lateness, settings) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7)",
		7,
		{REGCLASSOID, INT4OID, REGCLASSOID, INT8OID, INTERVALOID, INTERVALOID, TEXTARRAYOID}};
	Datum values[7] = {ObjectIdGetDatum(row->view),
					   Int32GetDatum(row->id),
					   ObjectIdGetDatum(row->stream),
					   Int64GetDatum(row->epoch),
					   IntervalPGetDatum(&row->max_staleness),
					   IntervalPGetDatum(&row->allowed_lateness),
					   PointerGetDatum(row->settings)};

	statement_run_only(&s, values, NULL);
}

#define VIEW_COLUMNS                                                                                                      \
	"SELECT view::oid, id, stream::oid, epoch, max_staleness, allowed_lateness, state = 'suspended', state <> 'active', " \
	"  settings FROM streambatch._view "

static void
get_view(StatementCall *call, uint64 i, ViewRow *row)
{
	bool isnull;

	row->view = DatumGetObjectId(statement_get(i, 1, &isnull));
	row->id = DatumGetInt32(statement_get(i, 2, &isnull));
	row->stream = DatumGetObjectId(statement_get(i, 3, &isnull));
	row->epoch = statement_get_int64(i, 4, 0);
	row->max_staleness = *DatumGetIntervalP(statement_get(i, 5, &isnull));
	row->allowed_lateness = *DatumGetIntervalP(statement_get(i, 6, &isnull));
	row->suspended = DatumGetBool(statement_get(i, 7, &isnull));
	row->incomplete = DatumGetBool(statement_get(i, 8, &isnull));
	row->settings = statement_get_array(call, i, 9);
}

bool
catalog_view(Oid view, ViewRow *row)
{
	static Statement s = {VIEW_COLUMNS "WHERE view = $1", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	StatementCall call;
	bool found;

	statement_run(&call, &s, values, NULL);
	found = call.nrows == 1;
	if (found)
		get_view(&call, 0, row);
	statement_finish(&call);
	return found;
}

static List *
list_views(Statement *statement, Datum *values)
{
	StatementCall call;
	List *result = NIL;

	statement_run(&call, statement, values, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(call.caller);
		ViewRow *row = palloc(sizeof(ViewRow));

		result = lappend(result, row);
		MemoryContextSwitchTo(old);
		get_view(&call, i, row);
	}
	statement_finish(&call);
	return result;
}

List *
catalog_views_of(Oid stream)
{
	static Statement s = {VIEW_COLUMNS "WHERE stream = $1 ORDER BY id", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};

	return list_views(&s, values);
}

int64
catalog_raise_epoch(Oid view)
{
	static Statement s = {
		"UPDATE streambatch._view SET epoch = epoch + 1 WHERE view = $1 RETURNING epoch - 1",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	StatementCall call;
	int64 closed;

	statement_run(&call, &s, values, NULL);
	if (call.nrows != 1)
		elog(ERROR, "hybrid view %u has no row", view);
	closed = statement_get_int64(0, 1, 0);
	statement_finish(&call);
	return closed;
}

void
catalog_suspend_view(Oid view, int sqlerrcode, const char *message)
{
	static Statement s = {
		"UPDATE streambatch._view SET state = 'suspended', error_sqlstate = $2, error_message = $3 WHERE view = $1",
		3,
		{REGCLASSOID, TEXTOID, TEXTOID}};
	Datum values[3] = {ObjectIdGetDatum(view), CStringGetTextDatum(unpack_sql_state(sqlerrcode)),
					   CStringGetTextDatum(message)};

	statement_run_only(&s, values, NULL);
}

void
catalog_set_view_state(Oid view, const char *state)
{
	static Statement s = {
		"UPDATE streambatch._view SET state = $2, error_sqlstate = NULL, error_message = NULL WHERE view = $1 AND state <> $2 "
		/* one that the worker has suspended again meanwhile is not whole */
		"AND ($2 <> 'active' OR state = 'building')",
		2,
		{REGCLASSOID, TEXTOID}};
	Datum values[2] = {ObjectIdGetDatum(view), CStringGetTextDatum(state)};

	statement_run_only(&s, values, NULL);
}

int64
catalog_view_dead_letters(Oid view, Datum *partitions, Datum *offsets)
{
	static Statement s = {
		"SELECT pg_catalog.count(*), coalesce(pg_catalog.array_agg(kafka_partition), '{}'), "
		"  coalesce(pg_catalog.array_agg(kafka_offset), '{}') FROM streambatch._dead_letter WHERE view = $1",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	StatementCall call;
	int64 n;

	statement_run(&call, &s, values, NULL);
	n = statement_get_int64(0, 1, 0);
	*partitions = PointerGetDatum(statement_get_array(&call, 0, 2));
	*offsets = PointerGetDatum(statement_get_array(&call, 0, 3));
	statement_finish(&call);
	return n;
}

void
catalog_follow_owners(void)
{
	static Statement s = {"SELECT streambatch._follow_owners()", 0, {0}};

	statement_run_only(&s, NULL, NULL);
}

List *
catalog_dropped_views(void)
{
	static Statement s = {
		"SELECT v.id FROM streambatch._view v JOIN pg_catalog.pg_event_trigger_dropped_objects() d ON d.objid = v.view::oid "
		"WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0",
		0,
		{0}};
	StatementCall call;
	List *result = NIL;

	statement_run(&call, &s, NULL, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		bool isnull;
		int32 id = DatumGetInt32(statement_get(i, 1, &isnull));
		MemoryContext old = MemoryContextSwitchTo(call.caller);

		result = lappend_int(result, id);
		MemoryContextSwitchTo(old);
	}
	statement_finish(&call);
	return result;
}

List *
catalog_forget_dropped(void)
{
	static Statement affected = {
		"WITH dropped AS (SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() "
		"  WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objsubid = 0) "
		"SELECT s.stream::oid, s.stream::oid IN (SELECT objid FROM dropped), "
		"  (SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class c WHERE c.oid = s.archive) FROM streambatch._stream s "
		"WHERE s.stream::oid IN (SELECT objid FROM dropped) "
		"OR EXISTS (SELECT FROM streambatch._view v JOIN dropped d ON d.objid = v.view::oid WHERE v.stream = s.stream) "
		"ORDER BY s.stream",
		0,
		{0}};
	static Statement forget[] = {
#define DROPPED                                                                                              \
	"(SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() "                                      \
	"WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objsubid = 0)"
		{"DELETE FROM streambatch._coverage c USING streambatch._view v WHERE v.id = c.view_id AND v.view::oid IN " DROPPED},
		{"DELETE FROM streambatch._run WHERE view::oid IN " DROPPED},
		{"DELETE FROM streambatch._dead_letter WHERE view::oid IN " DROPPED " OR stream::oid IN " DROPPED},
		{"UPDATE streambatch._stream SET generation = generation + 1 WHERE stream IN "
		 "(SELECT stream FROM streambatch._view WHERE view::oid IN " DROPPED ")"},
		{"DELETE FROM streambatch._view WHERE view::oid IN " DROPPED},
		{"DELETE FROM streambatch._progress WHERE stream::oid IN " DROPPED},
		{"DELETE FROM streambatch._gap WHERE stream::oid IN " DROPPED},
		{"DELETE FROM streambatch._stream WHERE stream::oid IN " DROPPED},
#undef DROPPED
	};
	StatementCall call;
	List *result = NIL;

	statement_run(&call, &affected, NULL, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		bool isnull;
		bool gone = DatumGetBool(statement_get(i, 2, &isnull));
		Datum archive = statement_get(i, 3, &isnull);
		MemoryContext old = MemoryContextSwitchTo(call.caller);

		result = lappend_oid(result, DatumGetObjectId(statement_get(i, 1, &(bool){false})));
		if (gone && !isnull)
			ereport(NOTICE,
					(errmsg("the archive %s of the dropped stream is left", TextDatumGetCString(archive)),
					 errhint("DROP TABLE it if its events are needed no more.")));
		MemoryContextSwitchTo(old);
	}
	statement_finish(&call);
	for (int i = 0; result != NIL && i < lengthof(forget); i++)
		statement_run_only(&forget[i], NULL, NULL);
	return result;
}

/* ---- batch layer ---- */

Coverage *
catalog_coverage(int32 view_id, int *n)
{
	static Statement s = {
		"SELECT from_time, to_time FROM streambatch._coverage WHERE view_id = $1 ORDER BY from_time",
		1,
		{INT4OID}};
	Datum values[1] = {Int32GetDatum(view_id)};
	StatementCall call;
	Coverage *rows;

	statement_run(&call, &s, values, NULL);
	*n = (int) call.nrows;
	rows = MemoryContextAlloc(call.caller, (*n + 1) * sizeof(Coverage));
	for (int i = 0; i < *n; i++)
	{
		rows[i].from = statement_get_int64(i, 1, 0);
		rows[i].to = statement_get_int64(i, 2, 0);
	}
	statement_finish(&call);
	return rows;
}

/* Note that [from, to) is covered as of a cut: what covered parts of it before is cut back or split. */
void
catalog_cover(int32 view_id, TimestampTz from, TimestampTz to, int64 cut_epoch, TimestampTz cut_at)
{
	static Statement split = {
		"INSERT INTO streambatch._coverage SELECT view_id, $3, to_time, cut_epoch, cut_at FROM streambatch._coverage "
		"WHERE view_id = $1 AND from_time < $2 AND to_time > $3",
		3,
		{INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID}};
	static Statement trim_end = {
		"UPDATE streambatch._coverage SET to_time = $2 WHERE view_id = $1 AND from_time < $2 AND to_time > $2",
		2,
		{INT4OID, TIMESTAMPTZOID}};
	static Statement trim_start = {
		"WITH gone AS (DELETE FROM streambatch._coverage WHERE view_id = $1 AND from_time >= $2 AND from_time < $3 RETURNING *) "
		"INSERT INTO streambatch._coverage SELECT view_id, $3, to_time, cut_epoch, cut_at FROM gone WHERE to_time > $3",
		3,
		{INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID}};
	static Statement put = {
		"WITH before AS (DELETE FROM streambatch._coverage WHERE view_id = $1 AND to_time = $2 AND cut_epoch = $4 RETURNING from_time) "
		"INSERT INTO streambatch._coverage VALUES ($1, coalesce((SELECT from_time FROM before), $2), $3, $4, $5)",
		5,
		{INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID}};
	Datum range[3] = {Int32GetDatum(view_id), TimestampTzGetDatum(from), TimestampTzGetDatum(to)};
	Datum row[5] = {Int32GetDatum(view_id), TimestampTzGetDatum(from), TimestampTzGetDatum(to),
					Int64GetDatum(cut_epoch), TimestampTzGetDatum(cut_at)};

	statement_run_only(&split, range, NULL);
	statement_run_only(&trim_end, range, NULL);
	statement_run_only(&trim_start, range, NULL);
	statement_run_only(&put, row, NULL);
}

int64
catalog_begin_run(int32 view_id, Oid view, const char *kind, int64 cut_epoch, ArrayType *cut,
				  TimestampTz from, TimestampTz to)
{
	static Statement s = {
		"INSERT INTO streambatch._run (view_id, view, kind, state, cut_epoch, cut, cut_at, from_time, to_time, started_at) "
		"VALUES ($1, $2, $3, 'running', $4, $5, pg_catalog.clock_timestamp(), $6, $7, pg_catalog.clock_timestamp()) RETURNING id",
		7,
		{INT4OID, REGCLASSOID, TEXTOID, INT8OID, INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};
	Datum values[7] = {Int32GetDatum(view_id),	 ObjectIdGetDatum(view), CStringGetTextDatum(kind),
					   Int64GetDatum(cut_epoch), PointerGetDatum(cut),	 TimestampTzGetDatum(from),
					   TimestampTzGetDatum(to)};
	StatementCall call;
	int64 id;

	statement_run(&call, &s, values, NULL);
	id = statement_get_int64(0, 1, 0);
	statement_finish(&call);
	return id;
}

void
catalog_run_chunks(int64 run, int chunks)
{
	static Statement s = {"UPDATE streambatch._run SET chunks = $2 WHERE id = $1", 2, {INT8OID, INT4OID}};
	Datum values[2] = {Int64GetDatum(run), Int32GetDatum(chunks)};

	statement_run_only(&s, values, NULL);
}

void
catalog_run_progress(int64 run, int64 rows)
{
	static Statement s = {
		"UPDATE streambatch._run SET chunks_done = chunks_done + 1, rows = rows + $2 WHERE id = $1",
		2,
		{INT8OID, INT8OID}};
	Datum values[2] = {Int64GetDatum(run), Int64GetDatum(rows)};

	statement_run_only(&s, values, NULL);
}

void
catalog_end_run(int64 run, const char *error)
{
	static Statement s = {
		"UPDATE streambatch._run SET state = CASE WHEN $2 IS NULL THEN 'done' ELSE 'failed' END, error = $2, "
		"  ended_at = pg_catalog.clock_timestamp() WHERE id = $1",
		2,
		{INT8OID, TEXTOID}};
	Datum values[2] = {Int64GetDatum(run), error ? CStringGetTextDatum(error) : (Datum) 0};

	statement_run_only(&s, values, error ? NULL : " n");
}

/* A run that says "running" while nobody holds the view's refresh lock was killed. */
void
catalog_fail_abandoned_runs(int32 view_id)
{
	static Statement s = {
		"UPDATE streambatch._run SET state = 'failed', error = 'interrupted', ended_at = pg_catalog.clock_timestamp() "
		"WHERE view_id = $1 AND state = 'running'",
		1,
		{INT4OID}};
	Datum values[1] = {Int32GetDatum(view_id)};

	statement_run_only(&s, values, NULL);
}

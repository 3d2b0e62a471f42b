/*
 * catalog_batch.c
 *		The batch layers of hybrid views in the extension's tables (see catalog_batch.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_batch.h"
#include "common/catalog_statement.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

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
	Datum id = 0;

	(void) statement_run_value(&s, values, &id);
	return DatumGetInt64(id);
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

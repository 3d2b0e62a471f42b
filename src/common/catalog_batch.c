/*
 * catalog_batch.c
 *		The batch layers of hybrid views in the extension's tables (see catalog_batch.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_batch.h"
#include "common/catalog_statement.h"
#include "common/catalog_version.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

Coverage *
catalog_coverage(int32 view_id, int *n)
{
	static Statement s = {
		"SELECT from_time, to_time, cut_epoch FROM streambatch._coverage WHERE view_id = $1 ORDER BY from_time",
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
		rows[i].cut_epoch = statement_get_int64(i, 3, 0);
	}
	statement_finish(&call);
	return rows;
}

/*
 * Intervals that overlap [$2, $3), and those beside it that are of the same cut, are replaced by what they cover
 * outside of it and by a part within it, in as few intervals as possible.
 */
#define REPLACE_COVERAGE(within)                                                                                  \
	"WITH old AS (DELETE FROM streambatch._coverage WHERE view_id = $1 AND (from_time < $3 AND to_time > $2 "     \
	"  OR cut_epoch = $4 AND (to_time = $2 OR from_time = $3)) RETURNING *), "                                    \
	"part AS (SELECT from_time, least(to_time, $2) AS to_time, cut_epoch, cut_at FROM old WHERE from_time < $2 "  \
	"  UNION ALL SELECT greatest(from_time, $3), to_time, cut_epoch, cut_at FROM old WHERE to_time > $3 "         \
	"  UNION ALL " within ") "                                                                                    \
	"INSERT INTO streambatch._coverage SELECT $1, lower(r), upper(r), cut_epoch, cut_at FROM (SELECT cut_epoch, " \
	"  cut_at, unnest(range_agg(tstzrange(from_time, to_time))) AS r FROM part GROUP BY 1, 2) i"

void
catalog_cover(int32 view_id, const Coverage *range, TimestampTz cut_at)
{
	static Statement s = {REPLACE_COVERAGE("SELECT $2, $3, $4, $5"),
						  5,
						  {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID}};
	Datum values[5] = {Int32GetDatum(view_id), TimestampTzGetDatum(range->from),
					   TimestampTzGetDatum(range->to), Int64GetDatum(range->cut_epoch),
					   TimestampTzGetDatum(cut_at)};

	if (range->from < range->to)
		statement_run_only(&s, values, NULL);
}

void
catalog_advance_coverage(int32 view_id, const Coverage *range, TimestampTz cut_at)
{
	static Statement s = {
		REPLACE_COVERAGE("SELECT greatest(from_time, $2), least(to_time, $3), $4, $5 FROM old "
						 "WHERE from_time < $3 AND to_time > $2"),
		5,
		{INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID}};
	Datum values[5] = {Int32GetDatum(view_id), TimestampTzGetDatum(range->from),
					   TimestampTzGetDatum(range->to), Int64GetDatum(range->cut_epoch),
					   TimestampTzGetDatum(cut_at)};

	if (range->from < range->to)
		statement_run_only(&s, values, NULL);
}

int64
catalog_begin_run(int32 view_id, Oid view, const RunRow *run)
{
	static Statement s = {
		"INSERT INTO streambatch._run (view_id, view, kind, state, cut_epoch, cut, cut_at, from_time, to_time, started_at) "
		"VALUES ($1, $2, $3, 'running', $4, $5, pg_catalog.clock_timestamp(), $6, $7, pg_catalog.clock_timestamp()) RETURNING id",
		7,
		{INT4OID, REGCLASSOID, TEXTOID, INT8OID, INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};
	static Statement topic_epoch = {
		"UPDATE streambatch._run SET cut_topic_epoch = $2, phase = 'planning' WHERE id = $1",
		2,
		{INT8OID, INT4OID}};
	Datum values[7] = {Int32GetDatum(view_id),		   ObjectIdGetDatum(view),
					   CStringGetTextDatum(run->kind), Int64GetDatum(run->cut_epoch),
					   PointerGetDatum(run->cut),	   TimestampTzGetDatum(run->from),
					   TimestampTzGetDatum(run->to)};
	Datum more[2] = {0, Int32GetDatum(run->topic_epoch)};

	(void) statement_run_value(&s, values, &more[0]);
	if (!catalog_is_first_version())
		statement_run_only(&topic_epoch, more, NULL);
	return DatumGetInt64(more[0]);
}

void
catalog_plan_run(int64 run, TimestampTz from, TimestampTz to, int chunks, int64 panes)
{
	static Statement s = {
		"UPDATE streambatch._run SET from_time = $2, to_time = $3, chunks = $4 WHERE id = $1",
		4,
		{INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID}};
	static Statement more = {
		"UPDATE streambatch._run SET panes = nullif($2, -1), phase = 'computing' WHERE id = $1",
		2,
		{INT8OID, INT8OID}};
	Datum values[4] = {Int64GetDatum(run), TimestampTzGetDatum(from), TimestampTzGetDatum(to),
					   Int32GetDatum(chunks)};
	Datum added[2] = {Int64GetDatum(run), Int64GetDatum(panes)};

	statement_run_only(&s, values, NULL);
	if (!catalog_is_first_version())
		statement_run_only(&more, added, NULL);
}

void
catalog_run_phase(int64 run, const char *phase)
{
	static Statement s = {"UPDATE streambatch._run SET phase = $2 WHERE id = $1", 2, {INT8OID, TEXTOID}};
	Datum values[2] = {Int64GetDatum(run), CStringGetTextDatum(phase)};

	if (!catalog_is_first_version())
		statement_run_only(&s, values, NULL);
}

void
catalog_forget_run(int64 run)
{
	static Statement s = {"DELETE FROM streambatch._run WHERE id = $1", 1, {INT8OID}};
	Datum values[1] = {Int64GetDatum(run)};

	statement_run_only(&s, values, NULL);
}

ArrayType *
catalog_run_cut(int32 view_id, int64 cut_epoch, int32 *topic_epoch)
{
	static Statement s = {
		"SELECT cut, cut_topic_epoch FROM streambatch._run WHERE view_id = $1 AND cut_epoch = $2 "
		"AND cut_topic_epoch IS NOT NULL ORDER BY id DESC LIMIT 1",
		2,
		{INT4OID, INT8OID}};
	Datum values[2] = {Int32GetDatum(view_id), Int64GetDatum(cut_epoch)};
	StatementCall call;
	ArrayType *cut = NULL;

	if (catalog_is_first_version())
		return NULL;
	statement_run(&call, &s, values, NULL);
	if (call.nrows > 0)
	{
		bool isnull;

		cut = statement_get_array(&call, 0, 1);
		*topic_epoch = DatumGetInt32(statement_get(0, 2, &isnull));
	}
	statement_finish(&call);
	return cut;
}

void
catalog_run_progress(int64 run, const RunProgress *done)
{
	static Statement s = {
		"UPDATE streambatch._run SET chunks_done = chunks_done + $2, rows = rows + $3, panes_done = panes_done + $4, "
		"  progress_at = pg_catalog.clock_timestamp(), drift = coalesce($5::jsonb, drift), "
		"  compared = CASE WHEN $5 IS NULL THEN compared ELSE $6 END, differed = CASE WHEN $5 IS NULL THEN differed ELSE $7 END "
		"WHERE id = $1",
		7,
		{INT8OID, INT4OID, INT8OID, INT8OID, TEXTOID, INT8OID, INT8OID}};
	static Statement first_version = {
		"UPDATE streambatch._run SET chunks_done = chunks_done + $2, rows = rows + $3 WHERE id = $1",
		3,
		{INT8OID, INT4OID, INT8OID}};
	Datum values[7] = {Int64GetDatum(run),
					   Int32GetDatum(done->chunks),
					   Int64GetDatum(done->rows),
					   Int64GetDatum(done->panes),
					   done->drift ? CStringGetTextDatum(done->drift) : 0,
					   Int64GetDatum(done->compared),
					   Int64GetDatum(done->differed)};

	if (catalog_is_first_version())
		statement_run_only(&first_version, values, NULL);
	else
		statement_run_only(&s, values, done->drift ? NULL : "    n  ");
}

void
catalog_end_run(int64 run, const ErrorData *error)
{
	static Statement s = {
		"UPDATE streambatch._run SET state = CASE WHEN $2 IS NULL THEN 'done' ELSE 'failed' END, error_sqlstate = $2, "
		"  error = $3, ended_at = pg_catalog.clock_timestamp() WHERE id = $1",
		3,
		{INT8OID, TEXTOID, TEXTOID}};
	Datum values[3] = {Int64GetDatum(run), 0, 0};

	if (error != NULL)
	{
		values[1] = CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
		values[2] = CStringGetTextDatum(error->message ? error->message : "unknown error");
	}
	statement_run_only(&s, values, error ? NULL : " nn");
}

void
catalog_fail_abandoned_runs(int32 view_id)
{
	static Statement s = {
		"UPDATE streambatch._run SET state = 'failed', error_sqlstate = '57P01', error = 'interrupted', ended_at = pg_catalog.clock_timestamp() "
		"WHERE view_id = $1 AND state = 'running' AND kind <> 'outside'",
		1,
		{INT4OID}};
	Datum values[1] = {Int32GetDatum(view_id)};

	statement_run_only(&s, values, NULL);
}

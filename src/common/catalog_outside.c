/*
 * catalog_outside.c
 *		Batches that are computed outside of PostgreSQL in the extension's tables (see catalog_outside.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_outside.h"
#include "common/catalog_statement.h"
#include "utils/timestamp.h"

#define OUTSIDE_RUNS                                                                                         \
	"SELECT view_id, view::oid, state = 'running', cut_epoch, cut_topic_epoch, cut_at, from_time, to_time "  \
	"FROM streambatch._run WHERE id = $1 AND kind = '" OUTSIDE_RUN "'"

bool
catalog_outside_run(int64 id, bool lock, OutsideRun *run)
{
	static Statement read = {OUTSIDE_RUNS, 1, {INT8OID}};
	static Statement locked = {OUTSIDE_RUNS " FOR UPDATE", 1, {INT8OID}};
	Datum values[1] = {Int64GetDatum(id)};
	StatementCall call;
	bool found;
	bool isnull;

	statement_run(&call, lock ? &locked : &read, values, NULL);
	found = call.nrows > 0;
	if (found)
	{
		run->id = id;
		run->view_id = DatumGetInt32(statement_get(0, 1, &isnull));
		run->view = DatumGetObjectId(statement_get(0, 2, &isnull));
		run->open = DatumGetBool(statement_get(0, 3, &isnull));
		run->cut_epoch = statement_get_int64(0, 4, 0);
		run->topic_epoch = DatumGetInt32(statement_get(0, 5, &isnull));
		run->cut_at = DatumGetTimestampTz(statement_get(0, 6, &isnull));
		run->from = DatumGetTimestampTz(statement_get(0, 7, &isnull));
		run->to = DatumGetTimestampTz(statement_get(0, 8, &isnull));
	}
	statement_finish(&call);
	return found;
}

LeftOut *
catalog_left_out(Oid stream, Oid view, int *n)
{
	static Statement s = {
		"SELECT e, p, lower(r), upper(r) FROM (SELECT e, p, unnest(range_agg(int8range(a, b))) AS r FROM "
		"  (SELECT topic_epoch AS e, kafka_partition AS p, kafka_offset AS a, kafka_offset + 1 AS b "
		"     FROM streambatch._dead_letter WHERE view = $2 OR stream = $1 AND view IS NULL "
		"   UNION ALL SELECT topic_epoch, kafka_partition, from_offset, to_offset FROM streambatch._gap WHERE stream = $1) o "
		"  WHERE a < b GROUP BY e, p) i ORDER BY 1, 2, 3",
		2,
		{REGCLASSOID, REGCLASSOID}};
	Datum values[2] = {ObjectIdGetDatum(stream), ObjectIdGetDatum(view)};
	StatementCall call;
	LeftOut *result;
	bool isnull;

	statement_run(&call, &s, values, NULL);
	*n = (int) call.nrows;
	result = MemoryContextAllocHuge(call.caller, (*n + 1) * sizeof(LeftOut));
	for (int i = 0; i < *n; i++)
	{
		result[i].topic_epoch = DatumGetInt32(statement_get(i, 1, &isnull));
		result[i].partition = DatumGetInt32(statement_get(i, 2, &isnull));
		result[i].from = statement_get_int64(i, 3, 0);
		result[i].to = statement_get_int64(i, 4, 0);
	}
	statement_finish(&call);
	return result;
}

List *
catalog_staging_tables(int32 view_id)
{
	static Statement s = {
		"SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = 'streambatch_state'::regnamespace "
		"AND pg_catalog.starts_with(relname, 'staging_' || $1 || '_')",
		1,
		{INT4OID}};
	Datum values[1] = {Int32GetDatum(view_id)};

	return statement_run_list(&s, values);
}

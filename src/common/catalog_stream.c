/*
 * catalog_stream.c
 *		Streams in the extension's tables (see catalog_stream.h).
 *
 * A holder of the lock on the stream's row reads what the previous holder committed, because each statement takes
 * a new snapshot (catalog_statement.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_statement.h"
#include "common/catalog_stream.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

bool
catalog_stream(Oid stream, StreamRow *row)
{
	static Statement s = {
		"SELECT s.generation, s.archive, s.resumed, s.paused OR s.database <> $2, s.started, s.settings, "
		"  greatest(s.watermark, CASE WHEN s.watermark_limit IS NOT NULL THEN "
		"    least(s.watermark_limit, clock_timestamp()) END), s.watermark_limit, "
		"  (SELECT count(*)::int FROM streambatch._view v WHERE v.stream = s.stream) "
		"FROM streambatch._stream s WHERE s.stream = $1",
		2,
		{REGCLASSOID, OIDOID}};
	Datum values[2] = {ObjectIdGetDatum(stream), ObjectIdGetDatum(MyDatabaseId)};
	StatementCall call;
	bool isnull;
	bool found;

	statement_run(&call, &s, values, NULL);
	found = call.nrows == 1;
	if (found)
	{
		row->generation = statement_get_int64(0, 1, 0);
		row->archive = DatumGetObjectId(statement_get(0, 2, &isnull));
		if (isnull)
			row->archive = InvalidOid;
		row->resumed = DatumGetBool(statement_get(0, 3, &isnull));
		row->paused = DatumGetBool(statement_get(0, 4, &isnull));
		row->started = DatumGetBool(statement_get(0, 5, &isnull));
		row->settings = statement_get_array(&call, 0, 6);
		row->watermark = DatumGetTimestampTz(statement_get(0, 7, &isnull));
		row->has_watermark = !isnull;
		row->watermark_limit = DatumGetTimestampTz(statement_get(0, 8, &isnull));
		if (isnull)
			row->watermark_limit = DT_NOBEGIN;
		row->nviews = DatumGetInt32(statement_get(0, 9, &isnull));
	}
	statement_finish(&call);
	return found;
}

bool
catalog_lock_stream(Oid stream, StreamRow *row)
{
	static Statement lock = {
		"SELECT FROM streambatch._stream WHERE stream = $1 FOR NO KEY UPDATE", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};

	statement_run_only(&lock, values, NULL);
	return catalog_stream(stream, row);
}

bool
catalog_try_lock_stream(Oid stream)
{
	static Statement s = {
		"SELECT true FROM streambatch._stream WHERE stream = $1 FOR NO KEY UPDATE SKIP LOCKED",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};
	Datum locked;

	return statement_run_value(&s, values, &locked);
}

Oid
catalog_stream_of_archive(Oid archive)
{
	static Statement s = {"SELECT stream::oid FROM streambatch._stream WHERE archive = $1", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(archive)};
	Datum stream;

	return statement_run_value(&s, values, &stream) ? DatumGetObjectId(stream) : InvalidOid;
}

void
catalog_insert_stream(Oid stream, Oid archive, ArrayType *settings)
{
	/* in REPEATABLE READ a concurrently inserted row is not visible, and raises a serialization failure */
	static Statement s = {
		"INSERT INTO streambatch._stream (stream, archive, settings, database) VALUES ($1, $2, $3, $4) "
		"ON CONFLICT (stream) DO NOTHING",
		4,
		{REGCLASSOID, REGCLASSOID, TEXTARRAYOID, OIDOID}};
	Datum values[4] = {ObjectIdGetDatum(stream), ObjectIdGetDatum(archive), PointerGetDatum(settings),
					   ObjectIdGetDatum(MyDatabaseId)};

	statement_run_only(&s, values, OidIsValid(archive) ? NULL : " n  ");
}

void
catalog_raise_generation(Oid stream)
{
	static Statement s = {
		"UPDATE streambatch._stream SET generation = generation + 1 WHERE stream = $1", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};

	statement_run_only(&s, values, NULL);
}

void
catalog_set_paused(Oid stream, bool paused, bool resumed)
{
	static Statement s = {
		"UPDATE streambatch._stream SET paused = $2, resumed = resumed OR $3, database = $4 WHERE stream = $1",
		4,
		{REGCLASSOID, BOOLOID, BOOLOID, OIDOID}};
	Datum values[4] = {ObjectIdGetDatum(stream), BoolGetDatum(paused), BoolGetDatum(resumed),
					   ObjectIdGetDatum(MyDatabaseId)};

	statement_run_only(&s, values, NULL);
}

void
catalog_set_started(Oid stream)
{
	static Statement s = {
		"UPDATE streambatch._stream SET started = true WHERE stream = $1", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};

	statement_run_only(&s, values, NULL);
}

void
catalog_flushed(Oid stream, const StreamCounts *counts, bool has_limit, TimestampTz limit)
{
	static Statement s = {
		"UPDATE streambatch._stream SET received = received + $2, folded = folded + $3, filtered = filtered + $4, "
		"  dead = dead + $5, skipped = skipped + $6, flushes = flushes + 1, watermark_limit = $7, "
		"  watermark = greatest(watermark, CASE WHEN watermark_limit IS NOT NULL THEN least(watermark_limit, "
		"    clock_timestamp()) END, CASE WHEN $7 IS NOT NULL THEN least($7, clock_timestamp()) END), "
		"  flushed_at = clock_timestamp() WHERE stream = $1",
		7,
		{REGCLASSOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID}};
	Datum values[7] = {ObjectIdGetDatum(stream),	  Int64GetDatum(counts->received),
					   Int64GetDatum(counts->folded), Int64GetDatum(counts->filtered),
					   Int64GetDatum(counts->dead),	  Int64GetDatum(counts->skipped),
					   TimestampTzGetDatum(limit)};

	statement_run_only(&s, values, has_limit ? NULL : "      n");
}

List *
catalog_runnable_streams(void)
{
	static Statement s = {
		"SELECT s.stream::oid FROM streambatch._stream s WHERE NOT s.paused AND s.database = $1 "
		"AND EXISTS (SELECT FROM pg_catalog.pg_foreign_table f WHERE f.ftrelid = s.stream) "
		"AND (s.resumed OR EXISTS (SELECT FROM streambatch._view v WHERE v.stream = s.stream))",
		1,
		{OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(MyDatabaseId)};

	return statement_run_list(&s, values);
}

ProgressRow *
catalog_progress(Oid stream, int *n)
{
	static Statement s = {
		"SELECT kafka_partition, next_offset, log_end, max_event_time FROM streambatch._progress WHERE stream = $1 "
		"ORDER BY kafka_partition",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};
	StatementCall call;
	ProgressRow *rows;

	statement_run(&call, &s, values, NULL);
	*n = (int) call.nrows;
	rows = MemoryContextAllocZero(call.caller, (*n + 1) * sizeof(ProgressRow));
	for (int i = 0; i < *n; i++)
	{
		bool isnull;

		rows[i].partition = DatumGetInt32(statement_get(i, 1, &isnull));
		rows[i].next_offset = statement_get_int64(i, 2, 0);
		rows[i].log_end = statement_get_int64(i, 3, -1);
		rows[i].max_event_time = DatumGetTimestampTz(statement_get(i, 4, &isnull));
		rows[i].has_event_time = !isnull;
	}
	statement_finish(&call);
	return rows;
}

void
catalog_put_progress(Oid stream, const ProgressRow *rows, int n)
{
	static Statement s = {
		"INSERT INTO streambatch._progress AS p "
		"SELECT $1, t.a, t.b, nullif(t.c, -1), t.d FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), "
		"  pg_catalog.unnest($4), pg_catalog.unnest($5)) AS t (a, b, c, d) ORDER BY t.a "
		"ON CONFLICT (stream, kafka_partition) DO UPDATE SET next_offset = excluded.next_offset, "
		"  log_end = coalesce(excluded.log_end, p.log_end), max_event_time = excluded.max_event_time",
		5,
		{REGCLASSOID, INT4ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID}};
	Datum *columns = palloc(4 * n * sizeof(Datum));
	bool *nulls = palloc(n * sizeof(bool));
	int dims[1] = {n};
	int lbs[1] = {1};
	Datum values[5];

	for (int i = 0; i < n; i++)
	{
		columns[i] = Int32GetDatum(rows[i].partition);
		columns[n + i] = Int64GetDatum(rows[i].next_offset);
		columns[2 * n + i] = Int64GetDatum(rows[i].log_end);
		columns[3 * n + i] = TimestampTzGetDatum(rows[i].max_event_time);
		nulls[i] = !rows[i].has_event_time;
	}
	values[0] = ObjectIdGetDatum(stream);
	values[1] = PointerGetDatum(construct_array(columns, n, INT4OID, 4, true, TYPALIGN_INT));
	values[2] =
		PointerGetDatum(construct_array(columns + n, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[3] =
		PointerGetDatum(construct_array(columns + 2 * n, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[4] = PointerGetDatum(construct_md_array(columns + 3 * n, nulls, 1, dims, lbs, TIMESTAMPTZOID, 8,
												   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	statement_run_only(&s, values, NULL);
}

void
catalog_insert_gap(Oid stream, int32 partition, int64 from, int64 to, const char *action)
{
	static Statement s = {
		"INSERT INTO streambatch._gap VALUES ($1, $2, $3, $4, pg_catalog.clock_timestamp(), $5)",
		5,
		{REGCLASSOID, INT4OID, INT8OID, INT8OID, TEXTOID}};
	Datum values[5] = {ObjectIdGetDatum(stream), Int32GetDatum(partition), Int64GetDatum(from),
					   Int64GetDatum(to), CStringGetTextDatum(action)};

	statement_run_only(&s, values, NULL);
}

void
catalog_insert_dead_letters(Oid stream, const char *topic, const DeadLetter *dead_letters, int n)
{
	static Statement s = {
		"INSERT INTO streambatch._dead_letter (stream, view, topic, kafka_partition, kafka_offset, kafka_timestamp, key, payload, "
		"  sqlstate, message, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		11,
		{REGCLASSOID, REGCLASSOID, TEXTOID, INT4OID, INT8OID, TIMESTAMPTZOID, BYTEAOID, BYTEAOID, TEXTOID,
		 TEXTOID, TEXTOID}};

	for (int i = 0; i < n; i++)
	{
		const DeadLetter *dead_letter = &dead_letters[i];
		char nulls[12] = "           ";
		Datum values[11] = {ObjectIdGetDatum(stream),
							ObjectIdGetDatum(dead_letter->view),
							CStringGetTextDatum(topic),
							Int32GetDatum(dead_letter->partition),
							Int64GetDatum(dead_letter->offset),
							TimestampTzGetDatum(dead_letter->timestamp),
							PointerGetDatum(dead_letter->key),
							PointerGetDatum(dead_letter->payload),
							CStringGetTextDatum(unpack_sql_state(dead_letter->sqlerrcode)),
							CStringGetTextDatum(dead_letter->message),
							(Datum) 0};

		if (dead_letter->detail != NULL)
			values[10] = CStringGetTextDatum(dead_letter->detail);
		nulls[1] = OidIsValid(dead_letter->view) ? ' ' : 'n';
		nulls[5] = dead_letter->has_timestamp ? ' ' : 'n';
		nulls[6] = dead_letter->key != NULL ? ' ' : 'n';
		nulls[7] = dead_letter->payload != NULL ? ' ' : 'n';
		nulls[10] = dead_letter->detail != NULL ? ' ' : 'n';
		statement_run_only(&s, values, nulls);
	}
}

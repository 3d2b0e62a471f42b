/*
 * catalog_stream.c
 *		Streams in the extension's tables (see catalog_stream.h).
 *
 * A holder of the lock on the stream's row reads what the previous holder committed, because each statement takes
 * a new snapshot (catalog_statement.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_restore.h"
#include "common/catalog_statement.h"
#include "common/catalog_stream.h"
#include "common/catalog_version.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static Datum array_of(Datum *elems, bool *nulls, int n, Oid type);

bool
catalog_stream(Oid stream, StreamRow *row)
{
	static Statement s = {
		"SELECT s.generation, s.archive, s.resumed, s.paused OR s.database <> $2, s.started, s.settings, "
		"  greatest(s.watermark, CASE WHEN s.watermark_limit IS NOT NULL THEN "
		"    least(s.watermark_limit, clock_timestamp()) END), s.watermark_limit, "
		"  (SELECT count(*)::int FROM streambatch._view v WHERE v.stream = s.stream), s.topic, s.topic_epoch, s.stop_lasts "
		"FROM streambatch._stream s WHERE s.stream = $1",
		2,
		{REGCLASSOID, OIDOID}};
	Datum values[2] = {ObjectIdGetDatum(stream), ObjectIdGetDatum(catalog_this_database())};
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
		row->topic = statement_get_text(&call, 0, 10);
		row->topic_epoch = DatumGetInt32(statement_get(0, 11, &isnull));
		row->stop_lasts = DatumGetBool(statement_get(0, 12, &isnull));
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
catalog_insert_stream(Oid stream, Oid archive, const char *topic, ArrayType *settings)
{
	/* in REPEATABLE READ a concurrently inserted row is not visible, and raises a serialization failure */
	static Statement s = {
		"INSERT INTO streambatch._stream (stream, archive, topic, settings, database) VALUES ($1, $2, $3, $4, $5) "
		"ON CONFLICT (stream) DO NOTHING",
		5,
		{REGCLASSOID, REGCLASSOID, TEXTOID, TEXTARRAYOID, OIDOID}};
	Datum values[5] = {ObjectIdGetDatum(stream), ObjectIdGetDatum(archive), CStringGetTextDatum(topic),
					   PointerGetDatum(settings), ObjectIdGetDatum(catalog_this_database())};

	statement_run_only(&s, values, OidIsValid(archive) ? NULL : " n   ");
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
					   ObjectIdGetDatum(catalog_this_database())};

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

void
catalog_retried(Oid stream, int64 retried, const StreamCounts *counts)
{
	static Statement s = {
		"UPDATE streambatch._stream SET folded = folded + $3, filtered = filtered + $4, dead = dead - $2 + $5 WHERE stream = $1",
		5,
		{REGCLASSOID, INT8OID, INT8OID, INT8OID, INT8OID}};
	Datum values[5] = {ObjectIdGetDatum(stream), Int64GetDatum(retried), Int64GetDatum(counts->folded),
					   Int64GetDatum(counts->filtered),
					   Int64GetDatum(retried - counts->folded - counts->filtered)};

	statement_run_only(&s, values, NULL);
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
	Datum values[1] = {ObjectIdGetDatum(catalog_this_database())};

	return statement_run_list(&s, values);
}

ProgressRow *
catalog_progress(Oid stream, int *n, int32 *topic_epoch)
{
	/* one statement: epoch and positions are of one snapshot */
	static Statement s = {
		"SELECT p.kafka_partition, p.next_offset, p.log_end, p.max_event_time, p.last_offset, p.last_timestamp, p.last_hash, "
		"  s.topic_epoch FROM streambatch._stream s LEFT JOIN streambatch._progress p ON p.stream = s.stream WHERE s.stream = $1 "
		"ORDER BY p.kafka_partition",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};
	StatementCall call;
	ProgressRow *rows;

	statement_run(&call, &s, values, NULL);
	rows = MemoryContextAllocZero(call.caller, (call.nrows + 1) * sizeof(ProgressRow));
	*n = 0;
	for (int i = 0; i < call.nrows; i++)
	{
		bool isnull;

		if (topic_epoch != NULL)
			*topic_epoch = DatumGetInt32(statement_get(i, 8, &isnull));
		rows[i].partition = DatumGetInt32(statement_get(i, 1, &isnull));
		if (isnull)
			break; /* the row of a stream without positions */
		rows[i].next_offset = statement_get_int64(i, 2, 0);
		rows[i].log_end = statement_get_int64(i, 3, -1);
		rows[i].max_event_time = DatumGetTimestampTz(statement_get(i, 4, &isnull));
		rows[i].has_event_time = !isnull;
		rows[i].last.offset = statement_get_int64(i, 5, -1);
		rows[i].last.timestamp = statement_get_int64(i, 6, 0);
		(void) statement_get(i, 6, &isnull);
		rows[i].last.has_timestamp = !isnull;
		rows[i].last.hash = statement_get_int64(i, 7, 0);
		rows[i].last.known = rows[i].last.offset >= 0;
		(*n)++;
	}
	statement_finish(&call);
	return rows;
}

void
catalog_put_progress(Oid stream, const ProgressRow *rows, int n)
{
	static Statement s = {
		"INSERT INTO streambatch._progress AS p "
		"SELECT $1, t.a, t.b, nullif(t.c, -1), t.d, t.e, t.f, t.g FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), "
		"  pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8)) "
		"  AS t (a, b, c, d, e, f, g) ORDER BY t.a "
		"ON CONFLICT (stream, kafka_partition) DO UPDATE SET next_offset = excluded.next_offset, "
		"  log_end = coalesce(excluded.log_end, p.log_end), max_event_time = excluded.max_event_time, "
		"  last_offset = excluded.last_offset, last_timestamp = excluded.last_timestamp, last_hash = excluded.last_hash",
		8,
		{REGCLASSOID, INT4ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID,
		 TIMESTAMPTZARRAYOID, INT8ARRAYOID}};
	static const Oid types[] = {INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8OID};
	Datum *columns = palloc(lengthof(types) * n * sizeof(Datum));
	bool *nulls = palloc0(lengthof(types) * n * sizeof(bool));
	Datum values[1 + lengthof(types)] = {ObjectIdGetDatum(stream)};

	for (int i = 0; i < n; i++)
	{
		const ProgressRow *row = &rows[i];

		columns[i] = Int32GetDatum(row->partition);
		columns[n + i] = Int64GetDatum(row->next_offset);
		columns[2 * n + i] = Int64GetDatum(row->log_end);
		columns[3 * n + i] = TimestampTzGetDatum(row->max_event_time);
		nulls[3 * n + i] = !row->has_event_time;
		columns[4 * n + i] = Int64GetDatum(row->last.offset);
		columns[5 * n + i] = TimestampTzGetDatum(row->last.timestamp);
		columns[6 * n + i] = Int64GetDatum(row->last.hash);
		nulls[4 * n + i] = nulls[6 * n + i] = !row->last.known;
		nulls[5 * n + i] = !row->last.known || !row->last.has_timestamp;
	}
	for (int c = 0; c < lengthof(types); c++)
		values[1 + c] = array_of(columns + c * n, nulls + c * n, n, types[c]);
	statement_run_only(&s, values, NULL);
}

void
catalog_set_first_offset(Oid stream, int32 partition, int64 offset)
{
	static Statement s = {
		"UPDATE streambatch._progress SET first_offset = $3 WHERE stream = $1 AND kafka_partition = $2",
		3,
		{REGCLASSOID, INT4OID, INT8OID}};
	Datum values[3] = {ObjectIdGetDatum(stream), Int32GetDatum(partition), Int64GetDatum(offset)};

	statement_run_only(&s, values, NULL);
}

int64 *
catalog_first_offsets(Oid stream, int n)
{
	static Statement s = {"SELECT kafka_partition::pg_catalog.int8, first_offset FROM streambatch._progress "
						  "WHERE stream = $1 AND first_offset IS NOT NULL AND kafka_partition < $2",
						  2,
						  {REGCLASSOID, INT4OID}};
	Datum values[2] = {ObjectIdGetDatum(stream), Int32GetDatum(n)};
	int64 *offsets = palloc0((n + 1) * sizeof(int64));
	StatementCall call;

	if (catalog_is_first_version())
		return offsets;
	statement_run(&call, &s, values, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
		offsets[statement_get_int64(i, 1, 0)] = statement_get_int64(i, 2, 0);
	statement_finish(&call);
	return offsets;
}

void
catalog_insert_gap(Oid stream, int32 topic_epoch, int32 partition, int64 from, int64 to, const char *action)
{
	static Statement s = {
		"INSERT INTO streambatch._gap VALUES ($1, $2, $3, $4, pg_catalog.clock_timestamp(), $5, $6)",
		6,
		{REGCLASSOID, INT4OID, INT8OID, INT8OID, TEXTOID, INT4OID}};
	Datum values[6] = {ObjectIdGetDatum(stream), Int32GetDatum(partition),	  Int64GetDatum(from),
					   Int64GetDatum(to),		 CStringGetTextDatum(action), Int32GetDatum(topic_epoch)};

	statement_run_only(&s, values, NULL);
}

static Datum
array_of(Datum *elems, bool *nulls, int n, Oid type)
{
	int dims[1] = {n};
	int lbs[1] = {1};
	bool int4 = type == INT4OID;

	return PointerGetDatum(construct_md_array(elems, nulls, 1, dims, lbs, type, int4 ? 4 : 8,
											  int4 || FLOAT8PASSBYVAL,
											  int4 ? TYPALIGN_INT : TYPALIGN_DOUBLE));
}

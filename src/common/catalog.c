/*
 * catalog.c
 *		The extension's own tables, row by row (see catalog.h).
 *
 * Each function runs one fixed statement through SPI, planned once per session. Every name in them is qualified and they run under the
 * guard's search_path, so that nothing a user creates can stand in for what is meant. In READ COMMITTED each statement has a snapshot of its
 * own: that is what makes "lock, then read" see what the last holder of the lock committed.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "common/catalog.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define MAX_ARGS 12

typedef struct Statement
{
	const char *sql;
	int			nargs;
	Oid			types[MAX_ARGS];
	SPIPlanPtr	plan;			/* kept for the session */
} Statement;

typedef struct Call
{
	Guard		guard;
	MemoryContext caller;
	uint64		nrows;
	bool		snapshot;		/* we pushed one: SPI wants an outer one */
} Call;

/* Run a statement; its rows can be read with the get_ functions until finish(). nulls as SPI wants them, or NULL. */
static void
run(Call *call, Statement *statement, Datum *values, const char *nulls)
{
	int			rc;

	call->caller = CurrentMemoryContext;
	guard_enter(&call->guard, BOOTSTRAP_SUPERUSERID, NULL);
	call->snapshot = !ActiveSnapshotSet();
	if (call->snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->sql, statement->nargs, statement->types);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", statement->sql, SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		statement->plan = plan;
	}
	rc = SPI_execute_plan(statement->plan, values, nulls, false, 0);
	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", statement->sql, SPI_result_code_string(rc));
	call->nrows = SPI_processed;
}

static void
finish(Call *call)
{
	SPI_finish();
	if (call->snapshot)
		PopActiveSnapshot();
	guard_leave(&call->guard);
}

static void
run_only(Statement *statement, Datum *values, const char *nulls)
{
	Call		call;

	run(&call, statement, values, nulls);
	finish(&call);
}

static Datum
get(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

static int64
get_int64(uint64 row, int column, int64 when_null)
{
	bool		isnull;
	Datum		d = get(row, column, &isnull);

	return isnull ? when_null : DatumGetInt64(d);
}

static ArrayType *
get_array(Call *call, uint64 row, int column)
{
	bool		isnull;
	Datum		d = get(row, column, &isnull);
	MemoryContext old = MemoryContextSwitchTo(call->caller);
	ArrayType  *result = isnull ? NULL : DatumGetArrayTypePCopy(d);

	MemoryContextSwitchTo(old);
	return result;
}

/* ---- streams ---- */

static bool
read_stream(Statement *statement, Oid stream, StreamRow *row)
{
	Call		call;
	Datum		values[1] = {ObjectIdGetDatum(stream)};
	bool		isnull;
	bool		found;

	run(&call, statement, values, NULL);
	found = call.nrows == 1;
	if (found)
	{
		row->generation = get_int64(0, 1, 0);
		row->archive = DatumGetObjectId(get(0, 2, &isnull));
		if (isnull)
			row->archive = InvalidOid;
		row->resumed = DatumGetBool(get(0, 3, &isnull));
		row->paused = DatumGetBool(get(0, 4, &isnull));
		row->started = DatumGetBool(get(0, 5, &isnull));
		row->watermark = DatumGetTimestampTz(get(0, 6, &isnull));
		row->has_watermark = !isnull;
		row->settings = get_array(&call, 0, 7);
		row->nviews = DatumGetInt32(get(0, 8, &isnull));
	}
	finish(&call);
	return found;
}

#define STREAM_COLUMNS \
	"SELECT s.generation, s.archive, s.resumed, s.paused, s.started, s.watermark, s.settings, " \
	"  (SELECT count(*)::int FROM streambatch._view v WHERE v.stream = s.stream) " \
	"FROM streambatch._stream s WHERE s.stream = $1"

bool
catalog_stream(Oid stream, StreamRow *row)
{
	static Statement s = {STREAM_COLUMNS, 1, {REGCLASSOID}};

	return read_stream(&s, stream, row);
}

bool
catalog_lock_stream(Oid stream, StreamRow *row)
{
	static Statement lock = {"SELECT FROM streambatch._stream WHERE stream = $1 FOR NO KEY UPDATE", 1, {REGCLASSOID}};
	Datum		values[1] = {ObjectIdGetDatum(stream)};

	run_only(&lock, values, NULL);
	return catalog_stream(stream, row);
}

void
catalog_insert_stream(Oid stream, Oid archive, ArrayType *settings)
{
	static Statement s = {
		"INSERT INTO streambatch._stream (stream, archive, settings) VALUES ($1, $2, $3)",
		3, {REGCLASSOID, REGCLASSOID, TEXTARRAYOID}
	};
	Datum		values[3] = {ObjectIdGetDatum(stream), ObjectIdGetDatum(archive), PointerGetDatum(settings)};

	run_only(&s, values, OidIsValid(archive) ? NULL : " n ");
}

void
catalog_raise_generation(Oid stream)
{
	static Statement s = {
		"UPDATE streambatch._stream SET generation = generation + 1 WHERE stream = $1", 1, {REGCLASSOID}
	};
	Datum		values[1] = {ObjectIdGetDatum(stream)};

	run_only(&s, values, NULL);
}

void
catalog_set_paused(Oid stream, bool paused, bool resumed)
{
	static Statement s = {
		"UPDATE streambatch._stream SET paused = $2, resumed = resumed OR $3 WHERE stream = $1",
		3, {REGCLASSOID, BOOLOID, BOOLOID}
	};
	Datum		values[3] = {ObjectIdGetDatum(stream), BoolGetDatum(paused), BoolGetDatum(resumed)};

	run_only(&s, values, NULL);
}

void
catalog_set_started(Oid stream)
{
	static Statement s = {"UPDATE streambatch._stream SET started = true WHERE stream = $1", 1, {REGCLASSOID}};
	Datum		values[1] = {ObjectIdGetDatum(stream)};

	run_only(&s, values, NULL);
}

void
catalog_flushed(Oid stream, const StreamCounts *counts, bool has_watermark, TimestampTz watermark)
{
	static Statement s = {
		"UPDATE streambatch._stream SET received = received + $2, folded = folded + $3, filtered = filtered + $4, "
		"  dead = dead + $5, skipped = skipped + $6, watermark = greatest(watermark, $7), flushes = flushes + 1, "
		"  flushed_at = clock_timestamp() WHERE stream = $1",
		7, {REGCLASSOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID}
	};
	Datum		values[7] = {
		ObjectIdGetDatum(stream), Int64GetDatum(counts->received), Int64GetDatum(counts->folded),
		Int64GetDatum(counts->filtered), Int64GetDatum(counts->dead), Int64GetDatum(counts->skipped),
		TimestampTzGetDatum(watermark)
	};

	run_only(&s, values, has_watermark ? NULL : "      n");
}

List *
catalog_runnable_streams(void)
{
	static Statement s = {
		"SELECT s.stream::oid FROM streambatch._stream s WHERE NOT s.paused "
		"AND EXISTS (SELECT FROM pg_catalog.pg_foreign_table f WHERE f.ftrelid = s.stream) "
		"AND (s.resumed OR EXISTS (SELECT FROM streambatch._view v WHERE v.stream = s.stream))", 0, {0}
	};
	Call		call;
	List	   *result = NIL;

	run(&call, &s, NULL, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		bool		isnull;
		Oid			stream = DatumGetObjectId(get(i, 1, &isnull));
		MemoryContext old = MemoryContextSwitchTo(call.caller);

		result = lappend_oid(result, stream);
		MemoryContextSwitchTo(old);
	}
	finish(&call);
	return result;
}

ProgressRow *
catalog_progress(Oid stream, int *n)
{
	static Statement s = {
		"SELECT kafka_partition, next_offset, log_end, max_event_time FROM streambatch._progress WHERE stream = $1 "
		"ORDER BY kafka_partition", 1, {REGCLASSOID}
	};
	Datum		values[1] = {ObjectIdGetDatum(stream)};
	Call		call;
	ProgressRow *rows;

	run(&call, &s, values, NULL);
	*n = (int) call.nrows;
	rows = MemoryContextAllocZero(call.caller, (*n + 1) * sizeof(ProgressRow));
	for (int i = 0; i < *n; i++)
	{
		bool		isnull;

		rows[i].partition = DatumGetInt32(get(i, 1, &isnull));
		rows[i].next_offset = get_int64(i, 2, 0);
		rows[i].log_end = get_int64(i, 3, -1);
		rows[i].max_event_time = DatumGetTimestampTz(get(i, 4, &isnull));
		rows[i].has_event_time = !isnull;
	}
	finish(&call);
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
		5, {REGCLASSOID, INT4ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID}
	};
	Datum	   *columns = palloc(4 * n * sizeof(Datum));
	bool	   *nulls = palloc(n * sizeof(bool));
	int			dims[1] = {n};
	int			lbs[1] = {1};
	Datum		values[5];

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
	values[2] = PointerGetDatum(construct_array(columns + n, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[3] = PointerGetDatum(construct_array(columns + 2 * n, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[4] = PointerGetDatum(construct_md_array(columns + 3 * n, nulls, 1, dims, lbs, TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL,
												   TYPALIGN_DOUBLE));
	run_only(&s, values, NULL);
}

void
catalog_insert_gap(Oid stream, int32 partition, int64 from, int64 to, const char *action)
{
	static Statement s = {
		"INSERT INTO streambatch._gap VALUES ($1, $2, $3, $4, pg_catalog.clock_timestamp(), $5)",
		5, {REGCLASSOID, INT4OID, INT8OID, INT8OID, TEXTOID}
	};
	Datum		values[5] = {
		ObjectIdGetDatum(stream), Int32GetDatum(partition), Int64GetDatum(from), Int64GetDatum(to), CStringGetTextDatum(action)
	};

	run_only(&s, values, NULL);
}

void
catalog_insert_dead_letters(Oid stream, const char *topic, const DeadLetter *letters, int n)
{
	static Statement s = {
		"INSERT INTO streambatch._dead_letter (stream, view, topic, kafka_partition, kafka_offset, kafka_timestamp, key, payload, "
		"  sqlstate, message, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		11, {
			REGCLASSOID, REGCLASSOID, TEXTOID, INT4OID, INT8OID, TIMESTAMPTZOID, BYTEAOID, BYTEAOID, TEXTOID, TEXTOID, TEXTOID
		}
	};

	for (int i = 0; i < n; i++)
	{
		const DeadLetter *l = &letters[i];
		char		nulls[12] = "           ";
		Datum		values[11] = {
			ObjectIdGetDatum(stream), ObjectIdGetDatum(l->view), CStringGetTextDatum(topic), Int32GetDatum(l->partition),
			Int64GetDatum(l->offset), TimestampTzGetDatum(l->timestamp), PointerGetDatum(l->key), PointerGetDatum(l->payload),
			CStringGetTextDatum(unpack_sql_state(l->sqlerrcode)), CStringGetTextDatum(l->message), (Datum) 0
		};

		if (l->detail != NULL)
			values[10] = CStringGetTextDatum(l->detail);
		nulls[1] = OidIsValid(l->view) ? ' ' : 'n';
		nulls[5] = l->has_timestamp ? ' ' : 'n';
		nulls[6] = l->key != NULL ? ' ' : 'n';
		nulls[7] = l->payload != NULL ? ' ' : 'n';
		nulls[10] = l->detail != NULL ? ' ' : 'n';
		run_only(&s, values, nulls);
	}
}

/* ---- views ---- */

int32
catalog_next_view_id(void)
{
	static Statement s = {"SELECT pg_catalog.nextval('streambatch._view_id')::int", 0, {0}};
	Call		call;
	bool		isnull;
	int32		id;

	run(&call, &s, NULL, NULL);
	id = DatumGetInt32(get(0, 1, &isnull));
	finish(&call);
	return id;
}

void
catalog_insert_view(const ViewRow *row)
{
	static Statement s = {
		"INSERT INTO streambatch._view (view, id, stream, epoch, max_staleness, allowed_lateness, settings) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7)",
		7, {REGCLASSOID, INT4OID, REGCLASSOID, INT8OID, INTERVALOID, INTERVALOID, TEXTARRAYOID}
	};
	Datum		values[7] = {
		ObjectIdGetDatum(row->view), Int32GetDatum(row->id), ObjectIdGetDatum(row->stream), Int64GetDatum(row->epoch),
		IntervalPGetDatum(&row->max_staleness), IntervalPGetDatum(&row->allowed_lateness), PointerGetDatum(row->settings)
	};

	run_only(&s, values, NULL);
}

#define VIEW_COLUMNS \
	"SELECT view::oid, id, stream::oid, epoch, max_staleness, allowed_lateness, state = 'suspended', state <> 'active', " \
	"  settings FROM streambatch._view "

static void
get_view(Call *call, uint64 i, ViewRow *row)
{
	bool		isnull;

	row->view = DatumGetObjectId(get(i, 1, &isnull));
	row->id = DatumGetInt32(get(i, 2, &isnull));
	row->stream = DatumGetObjectId(get(i, 3, &isnull));
	row->epoch = get_int64(i, 4, 0);
	row->max_staleness = *DatumGetIntervalP(get(i, 5, &isnull));
	row->allowed_lateness = *DatumGetIntervalP(get(i, 6, &isnull));
	row->suspended = DatumGetBool(get(i, 7, &isnull));
	row->incomplete = DatumGetBool(get(i, 8, &isnull));
	row->settings = get_array(call, i, 9);
}

bool
catalog_view(Oid view, ViewRow *row)
{
	static Statement s = {VIEW_COLUMNS "WHERE view = $1", 1, {REGCLASSOID}};
	Datum		values[1] = {ObjectIdGetDatum(view)};
	Call		call;
	bool		found;

	run(&call, &s, values, NULL);
	found = call.nrows == 1;
	if (found)
		get_view(&call, 0, row);
	finish(&call);
	return found;
}

List *
catalog_views_of(Oid stream)
{
	static Statement s = {VIEW_COLUMNS "WHERE stream = $1 ORDER BY id", 1, {REGCLASSOID}};
	Datum		values[1] = {ObjectIdGetDatum(stream)};
	Call		call;
	List	   *result = NIL;

	run(&call, &s, values, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(call.caller);
		ViewRow    *row = palloc(sizeof(ViewRow));

		result = lappend(result, row);
		MemoryContextSwitchTo(old);
		get_view(&call, i, row);
	}
	finish(&call);
	return result;
}

int64
catalog_raise_epoch(Oid view)
{
	static Statement s = {
		"UPDATE streambatch._view SET epoch = epoch + 1 WHERE view = $1 RETURNING epoch - 1", 1, {REGCLASSOID}
	};
	Datum		values[1] = {ObjectIdGetDatum(view)};
	Call		call;
	int64		closed;

	run(&call, &s, values, NULL);
	if (call.nrows != 1)
		elog(ERROR, "hybrid view %u has no row", view);
	closed = get_int64(0, 1, 0);
	finish(&call);
	return closed;
}

void
catalog_suspend_view(Oid view, int sqlerrcode, const char *message)
{
	static Statement s = {
		"UPDATE streambatch._view SET state = 'suspended', error_sqlstate = $2, error_message = $3 WHERE view = $1",
		3, {REGCLASSOID, TEXTOID, TEXTOID}
	};
	Datum		values[3] = {
		ObjectIdGetDatum(view), CStringGetTextDatum(unpack_sql_state(sqlerrcode)), CStringGetTextDatum(message)
	};

	run_only(&s, values, NULL);
}

void
catalog_set_view_state(Oid view, const char *state)
{
	static Statement s = {
		"UPDATE streambatch._view SET state = $2, error_sqlstate = NULL, error_message = NULL WHERE view = $1 AND state <> $2",
		2, {REGCLASSOID, TEXTOID}
	};
	Datum		values[2] = {ObjectIdGetDatum(view), CStringGetTextDatum(state)};

	run_only(&s, values, NULL);
}

int64
catalog_view_dead_letters(Oid view, Datum *partitions, Datum *offsets)
{
	static Statement s = {
		"SELECT pg_catalog.count(*), coalesce(pg_catalog.array_agg(kafka_partition), '{}'), "
		"  coalesce(pg_catalog.array_agg(kafka_offset), '{}') FROM streambatch._dead_letter WHERE view = $1", 1, {REGCLASSOID}
	};
	Datum		values[1] = {ObjectIdGetDatum(view)};
	Call		call;
	int64		n;

	run(&call, &s, values, NULL);
	n = get_int64(0, 1, 0);
	*partitions = PointerGetDatum(get_array(&call, 0, 2));
	*offsets = PointerGetDatum(get_array(&call, 0, 3));
	finish(&call);
	return n;
}

List *
catalog_forget_dropped(void)
{
	static Statement affected = {
		"WITH dropped AS (SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() "
		"  WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objsubid = 0) "
		"SELECT s.stream::oid, s.stream::oid IN (SELECT objid FROM dropped), s.archive::text FROM streambatch._stream s "
		"WHERE s.stream::oid IN (SELECT objid FROM dropped) "
		"OR EXISTS (SELECT FROM streambatch._view v JOIN dropped d ON d.objid = v.view::oid WHERE v.stream = s.stream) "
		"ORDER BY s.stream", 0, {0}
	};
	static Statement forget[] = {
#define DROPPED "(SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() " \
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
	Call		call;
	List	   *result = NIL;

	run(&call, &affected, NULL, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		bool		isnull;
		bool		gone = DatumGetBool(get(i, 2, &isnull));
		Datum		archive = get(i, 3, &isnull);
		MemoryContext old = MemoryContextSwitchTo(call.caller);

		result = lappend_oid(result, DatumGetObjectId(get(i, 1, &(bool) {false})));
		if (gone && !isnull)
			ereport(NOTICE,
					(errmsg("the archive %s of the dropped stream is left", TextDatumGetCString(archive)),
					 errhint("DROP TABLE it if its events are needed no more.")));
		MemoryContextSwitchTo(old);
	}
	finish(&call);
	for (int i = 0; result != NIL && i < lengthof(forget); i++)
		run_only(&forget[i], NULL, NULL);
	return result;
}

/* ---- batch layer ---- */

Coverage *
catalog_coverage(int32 view_id, int *n)
{
	static Statement s = {
		"SELECT from_time, to_time FROM streambatch._coverage WHERE view_id = $1 ORDER BY from_time", 1, {INT4OID}
	};
	Datum		values[1] = {Int32GetDatum(view_id)};
	Call		call;
	Coverage   *rows;

	run(&call, &s, values, NULL);
	*n = (int) call.nrows;
	rows = MemoryContextAlloc(call.caller, (*n + 1) * sizeof(Coverage));
	for (int i = 0; i < *n; i++)
	{
		rows[i].from = get_int64(i, 1, 0);
		rows[i].to = get_int64(i, 2, 0);
	}
	finish(&call);
	return rows;
}

/* Note that [from, to) is covered as of a cut: what covered parts of it before is cut back or split. */
void
catalog_cover(int32 view_id, TimestampTz from, TimestampTz to, int64 cut_epoch, TimestampTz cut_at)
{
	static Statement split = {
		"INSERT INTO streambatch._coverage SELECT view_id, $3, to_time, cut_epoch, cut_at FROM streambatch._coverage "
		"WHERE view_id = $1 AND from_time < $2 AND to_time > $3", 3, {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static Statement trim_end = {
		"UPDATE streambatch._coverage SET to_time = $2 WHERE view_id = $1 AND from_time < $2 AND to_time > $2",
		2, {INT4OID, TIMESTAMPTZOID}
	};
	static Statement trim_start = {
		"WITH gone AS (DELETE FROM streambatch._coverage WHERE view_id = $1 AND from_time >= $2 AND from_time < $3 RETURNING *) "
		"INSERT INTO streambatch._coverage SELECT view_id, $3, to_time, cut_epoch, cut_at FROM gone WHERE to_time > $3",
		3, {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static Statement put = {
		"WITH before AS (DELETE FROM streambatch._coverage WHERE view_id = $1 AND to_time = $2 AND cut_epoch = $4 RETURNING from_time) "
		"INSERT INTO streambatch._coverage VALUES ($1, coalesce((SELECT from_time FROM before), $2), $3, $4, $5)",
		5, {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID}
	};
	Datum		range[3] = {Int32GetDatum(view_id), TimestampTzGetDatum(from), TimestampTzGetDatum(to)};
	Datum		row[5] = {
		Int32GetDatum(view_id), TimestampTzGetDatum(from), TimestampTzGetDatum(to), Int64GetDatum(cut_epoch),
		TimestampTzGetDatum(cut_at)
	};

	run_only(&split, range, NULL);
	run_only(&trim_end, range, NULL);
	run_only(&trim_start, range, NULL);
	run_only(&put, row, NULL);
}

int64
catalog_begin_run(int32 view_id, Oid view, const char *kind, int64 cut_epoch, ArrayType *cut, TimestampTz from, TimestampTz to)
{
	static Statement s = {
		"INSERT INTO streambatch._run (view_id, view, kind, state, cut_epoch, cut, cut_at, from_time, to_time, started_at) "
		"VALUES ($1, $2, $3, 'running', $4, $5, pg_catalog.clock_timestamp(), $6, $7, pg_catalog.clock_timestamp()) RETURNING id",
		7, {INT4OID, REGCLASSOID, TEXTOID, INT8OID, INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		values[7] = {
		Int32GetDatum(view_id), ObjectIdGetDatum(view), CStringGetTextDatum(kind), Int64GetDatum(cut_epoch), PointerGetDatum(cut),
		TimestampTzGetDatum(from), TimestampTzGetDatum(to)
	};
	Call		call;
	int64		id;

	run(&call, &s, values, NULL);
	id = get_int64(0, 1, 0);
	finish(&call);
	return id;
}

void
catalog_run_chunks(int64 run, int chunks)
{
	static Statement s = {"UPDATE streambatch._run SET chunks = $2 WHERE id = $1", 2, {INT8OID, INT4OID}};
	Datum		values[2] = {Int64GetDatum(run), Int32GetDatum(chunks)};

	run_only(&s, values, NULL);
}

void
catalog_run_progress(int64 run, int64 rows)
{
	static Statement s = {
		"UPDATE streambatch._run SET chunks_done = chunks_done + 1, rows = rows + $2 WHERE id = $1", 2, {INT8OID, INT8OID}
	};
	Datum		values[2] = {Int64GetDatum(run), Int64GetDatum(rows)};

	run_only(&s, values, NULL);
}

void
catalog_end_run(int64 run, const char *error)
{
	static Statement s = {
		"UPDATE streambatch._run SET state = CASE WHEN $2 IS NULL THEN 'done' ELSE 'failed' END, error = $2, "
		"  ended_at = pg_catalog.clock_timestamp() WHERE id = $1", 2, {INT8OID, TEXTOID}
	};
	Datum		values[2] = {Int64GetDatum(run), error ? CStringGetTextDatum(error) : (Datum) 0};

	run_only(&s, values, error ? NULL : " n");
}

/* A run that says "running" while nobody holds the view's refresh lock was killed. */
void
catalog_fail_abandoned_runs(int32 view_id)
{
	static Statement s = {
		"UPDATE streambatch._run SET state = 'failed', error = 'interrupted', ended_at = pg_catalog.clock_timestamp() "
		"WHERE view_id = $1 AND state = 'running'", 1, {INT4OID}
	};
	Datum		values[1] = {Int32GetDatum(view_id)};

	run_only(&s, values, NULL);
}

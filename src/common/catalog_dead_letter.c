/*
 * catalog_dead_letter.c
 *		Dead letters in the extension's tables (see catalog_dead_letter.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_dead_letter.h"
#include "common/catalog_statement.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* The dead letters that a filter's values $1 to $4 select. */
#define FILTER                                                                                               \
	"d.stream = $1 AND d.view IS NOT DISTINCT FROM $2 AND ($3 IS NULL OR d.kafka_partition = $3) "           \
	"AND ($4 IS NULL OR d.kafka_offset = $4) AND NOT d.discarded"

/* Whether a dead letter of the stream $1 is of its current topic epoch. */
#define CURRENT_EPOCH "d.topic_epoch = (SELECT s.topic_epoch FROM streambatch._stream s WHERE s.stream = $1)"

static void filter_values(const DeadLetterFilter *filter, Datum *values, char *nulls);
static struct varlena *copy_varlena(uint64 row, int column);

void
catalog_insert_dead_letters(Oid stream, const char *topic, int32 topic_epoch, const DeadLetter *dead_letters,
							int n)
{
	static Statement s = {
		"INSERT INTO streambatch._dead_letter (stream, view, topic, kafka_partition, kafka_offset, kafka_timestamp, key, payload, "
		"  sqlstate, message, detail, headers, topic_epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
		13,
		{REGCLASSOID, REGCLASSOID, TEXTOID, INT4OID, INT8OID, TIMESTAMPTZOID, BYTEAOID, BYTEAOID, TEXTOID,
		 TEXTOID, TEXTOID, JSONBOID, INT4OID}};

	for (int i = 0; i < n; i++)
	{
		const DeadLetter *l = &dead_letters[i];
		char nulls[14] = "             ";
		Datum values[13] = {ObjectIdGetDatum(stream),
							ObjectIdGetDatum(l->view),
							CStringGetTextDatum(topic),
							Int32GetDatum(l->partition),
							Int64GetDatum(l->offset),
							TimestampTzGetDatum(l->timestamp),
							PointerGetDatum(l->key),
							PointerGetDatum(l->payload),
							CStringGetTextDatum(unpack_sql_state(l->sqlerrcode)),
							CStringGetTextDatum(l->message),
							l->detail != NULL ? CStringGetTextDatum(l->detail) : (Datum) 0,
							PointerGetDatum(l->headers),
							Int32GetDatum(topic_epoch)};

		nulls[1] = OidIsValid(l->view) ? ' ' : 'n';
		nulls[5] = l->has_timestamp ? ' ' : 'n';
		nulls[6] = l->key != NULL ? ' ' : 'n';
		nulls[7] = l->payload != NULL ? ' ' : 'n';
		nulls[10] = l->detail != NULL ? ' ' : 'n';
		nulls[11] = l->headers != NULL ? ' ' : 'n';
		statement_run_only(&s, values, nulls);
	}
}

int64
catalog_view_dead_letters(Oid view, Datum *topic_epochs, Datum *partitions, Datum *offsets)
{
	static Statement s = {
		"SELECT pg_catalog.count(*), coalesce(pg_catalog.array_agg(kafka_partition), '{}'), "
		"  coalesce(pg_catalog.array_agg(kafka_offset), '{}'), coalesce(pg_catalog.array_agg(topic_epoch), '{}') "
		"FROM streambatch._dead_letter WHERE view = $1",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	StatementCall call;
	int64 n;

	statement_run(&call, &s, values, NULL);
	n = statement_get_int64(0, 1, 0);
	*partitions = PointerGetDatum(statement_get_array(&call, 0, 2));
	*offsets = PointerGetDatum(statement_get_array(&call, 0, 3));
	*topic_epochs = PointerGetDatum(statement_get_array(&call, 0, 4));
	statement_finish(&call);
	return n;
}

void
catalog_log_dead_letters(Oid stream, Oid view, int32 topic_epoch, Datum *partitions, Datum *offsets)
{
	static Statement s = {
		"SELECT coalesce(pg_catalog.array_agg(kafka_partition), '{}'), coalesce(pg_catalog.array_agg(kafka_offset), '{}') "
		"FROM streambatch._dead_letter WHERE stream = $1 AND (view IS NULL OR view = $2) AND topic_epoch = $3",
		3,
		{REGCLASSOID, REGCLASSOID, INT4OID}};
	Datum values[3] = {ObjectIdGetDatum(stream), ObjectIdGetDatum(view), Int32GetDatum(topic_epoch)};
	StatementCall call;

	statement_run(&call, &s, values, NULL);
	*partitions = PointerGetDatum(statement_get_array(&call, 0, 1));
	*offsets = PointerGetDatum(statement_get_array(&call, 0, 2));
	statement_finish(&call);
}

int64
catalog_count_dead_letters(Oid stream)
{
	static Statement s = {
		"SELECT pg_catalog.count(*) FROM streambatch._dead_letter WHERE stream = $1 AND NOT discarded",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};
	Datum count = 0;

	(void) statement_run_value(&s, values, &count);
	return DatumGetInt64(count);
}

DeadLetter *
catalog_lock_dead_letters(const DeadLetterFilter *filter, int *n)
{
	static Statement s = {
		"SELECT d.kafka_partition, d.kafka_offset, d.kafka_timestamp, d.key, d.payload, d.headers "
		"FROM streambatch._dead_letter d WHERE " FILTER " AND " CURRENT_EPOCH
		" ORDER BY d.kafka_partition, d.kafka_offset FOR UPDATE",
		4,
		{REGCLASSOID, REGCLASSOID, INT4OID, INT8OID}};
	Datum values[4];
	char nulls[5];
	StatementCall call;
	DeadLetter *result;

	filter_values(filter, values, nulls);
	statement_run(&call, &s, values, nulls);
	*n = (int) call.nrows;
	result = MemoryContextAllocExtended(call.caller, (*n + 1) * sizeof(DeadLetter),
										MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < *n; i++)
	{
		MemoryContext old;
		bool isnull;

		result[i].view = filter->view;
		result[i].partition = DatumGetInt32(statement_get(i, 1, &isnull));
		result[i].offset = statement_get_int64(i, 2, 0);
		result[i].timestamp = DatumGetTimestampTz(statement_get(i, 3, &isnull));
		result[i].has_timestamp = !isnull;
		old = MemoryContextSwitchTo(call.caller);
		result[i].key = (bytea *) copy_varlena(i, 4);
		result[i].payload = (bytea *) copy_varlena(i, 5);
		result[i].headers = copy_varlena(i, 6);
		MemoryContextSwitchTo(old);
	}
	statement_finish(&call);
	return result;
}

void
catalog_delete_dead_letter(const DeadLetterFilter *filter, const DeadLetter *dead_letter)
{
	static Statement s = {"DELETE FROM streambatch._dead_letter d WHERE " FILTER " AND " CURRENT_EPOCH,
						  4,
						  {REGCLASSOID, REGCLASSOID, INT4OID, INT8OID}};
	Datum values[4];
	char nulls[5];

	filter_values(filter, values, nulls);
	values[2] = Int32GetDatum(dead_letter->partition);
	values[3] = Int64GetDatum(dead_letter->offset);
	nulls[2] = nulls[3] = ' ';
	statement_run_only(&s, values, nulls);
}

void
catalog_replace_error(const DeadLetterFilter *filter, const DeadLetter *dead_letter)
{
	static Statement s = {
		"UPDATE streambatch._dead_letter d SET sqlstate = $5, message = $6, detail = $7, at = pg_catalog.clock_timestamp() "
		"WHERE " FILTER " AND " CURRENT_EPOCH,
		7,
		{REGCLASSOID, REGCLASSOID, INT4OID, INT8OID, TEXTOID, TEXTOID, TEXTOID}};
	Datum values[7];
	char nulls[8] = "       ";

	filter_values(filter, values, nulls);
	values[2] = Int32GetDatum(dead_letter->partition);
	values[3] = Int64GetDatum(dead_letter->offset);
	nulls[2] = nulls[3] = nulls[4] = nulls[5] = ' ';
	values[4] = CStringGetTextDatum(unpack_sql_state(dead_letter->sqlerrcode));
	values[5] = CStringGetTextDatum(dead_letter->message);
	values[6] = dead_letter->detail != NULL ? CStringGetTextDatum(dead_letter->detail) : (Datum) 0;
	nulls[6] = dead_letter->detail != NULL ? ' ' : 'n';
	statement_run_only(&s, values, nulls);
}

int64
catalog_discard_dead_letters(const DeadLetterFilter *filter)
{
	/* whatever reads the log or the archive again must continue to leave it out */
	static Statement s = {
		"WITH kept AS (UPDATE streambatch._dead_letter d SET discarded = true, key = NULL, payload = NULL, headers = NULL, "
		"    message = '', detail = NULL WHERE " FILTER " RETURNING 1) SELECT pg_catalog.count(*) FROM kept",
		4,
		{REGCLASSOID, REGCLASSOID, INT4OID, INT8OID}};
	Datum values[4];
	char nulls[5];
	StatementCall call;
	int64 n;

	filter_values(filter, values, nulls);
	statement_run(&call, &s, values, nulls);
	n = statement_get_int64(0, 1, 0);
	statement_finish(&call);
	return n;
}

static void
filter_values(const DeadLetterFilter *filter, Datum *values, char *nulls)
{
	values[0] = ObjectIdGetDatum(filter->stream);
	values[1] = ObjectIdGetDatum(filter->view);
	values[2] = Int32GetDatum(filter->partition);
	values[3] = Int64GetDatum(filter->offset);
	nulls[0] = ' ';
	nulls[1] = OidIsValid(filter->view) ? ' ' : 'n';
	nulls[2] = filter->has_partition ? ' ' : 'n';
	nulls[3] = filter->has_offset ? ' ' : 'n';
	nulls[4] = '\0';
}

/* A column of a row in the current context, detoasted; NULL: it is null. */
static struct varlena *
copy_varlena(uint64 row, int column)
{
	bool isnull;
	Datum value = statement_get(row, column, &isnull);

	return isnull ? NULL : PG_DETOAST_DATUM_COPY(value);
}

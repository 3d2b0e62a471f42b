/*
 * archive_reader.c
 *		Reading events back from the archive (see archive_reader.h).
 *
 * What a view has left out or missed is evaluated again by its fold query, row by row, as the worker does it with
 * messages: so what fails is found event by event.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "stream/topic_epoch.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "worker/archive_reader.h"

struct ArchiveReader
{
	const Stream *stream;
	Oid role;
	Portal portal;
	int *column_of; /* of each column of the result but the last three: index of the stream's column */
	int ncolumns;
	SPITupleTable *rows; /* fetched */
	int nrows;
	int next;
};

static void fetch(ArchiveReader *reader);
static int32 row_epoch(const ArchiveReader *reader, HeapTuple tuple);
static char *reader_query(ArchiveReader *reader, Oid archive, bool listed);
static char *position_below(const char *partition, const char *offset, const char *epoch, int cut);
static void copy_row(const ArchiveReader *reader, HeapTuple tuple, DecodedBatch *decoded, int row);

ArchiveReader *
archive_reader_open(const Stream *stream, Oid archive, Oid role, const ArchiveSlice *slice)
{
	ArchiveReader *reader = palloc0(sizeof(ArchiveReader));
	Oid types[] = {slice->listed ? INT4ARRAYOID : INT8ARRAYOID, INT8ARRAYOID, INT4OID, INT4OID};
	Datum values[] = {slice->listed ? slice->partitions : PointerGetDatum(slice->from),
					  slice->listed ? slice->offsets : PointerGetDatum(slice->to),
					  Int32GetDatum(slice->from_epoch), Int32GetDatum(slice->to_epoch)};
	Guard guard;
	char *query;

	reader->stream = stream;
	reader->role = role;
	reader->column_of = palloc((stream->desc->natts + 1) * sizeof(int));
	query = reader_query(reader, archive, slice->listed);
	guard_enter(&guard, role, NULL);
	SPI_connect();
	reader->portal = SPI_cursor_open_with_args(NULL, query, lengthof(types), types, values, NULL, true,
											   CURSOR_OPT_NO_SCROLL);
	guard_leave(&guard);
	return reader;
}

bool
archive_reader_next(ArchiveReader *reader, DecodedBatch *decoded)
{
	int n = 0;

	decoded_batch_clear(decoded);
	if (reader->next == reader->nrows)
		fetch(reader);
	while (reader->next < reader->nrows)
	{
		int32 topic_epoch = row_epoch(reader, reader->rows->vals[reader->next]);

		if (n > 0 && topic_epoch != decoded->batch.topic_epoch)
			break;
		decoded->batch.topic_epoch = topic_epoch;
		copy_row(reader, reader->rows->vals[reader->next++], decoded, n++);
	}
	decoded->nmessages = decoded->batch.nrows = n;
	return n > 0;
}

void
archive_reader_close(ArchiveReader *reader)
{
	SPI_cursor_close(reader->portal);
	SPI_finish();
}

static void
fetch(ArchiveReader *reader)
{
	Guard guard;

	if (reader->rows != NULL)
		SPI_freetuptable(reader->rows);
	guard_enter(&guard, reader->role, NULL);
	SPI_cursor_fetch(reader->portal, true, DECODED_BATCH_MAX);
	guard_leave(&guard);
	reader->rows = SPI_tuptable;
	reader->nrows = (int) SPI_processed;
	reader->next = 0;
}

static int32
row_epoch(const ArchiveReader *reader, HeapTuple tuple)
{
	bool isnull;

	return DatumGetInt32(SPI_getbinval(tuple, reader->rows->tupdesc, reader->ncolumns + 3, &isnull));
}

static char *
reader_query(ArchiveReader *reader, Oid archive, bool listed)
{
	const Stream *stream = reader->stream;
	const char *column = topic_epoch_column(stream, archive);
	const char *epoch = column != NULL ? psprintf("coalesce(event.%s, 0)", column) : "0";
	const char *partition;
	const char *offset;
	StringInfoData buf;

	stream_position_columns(stream, &partition, &offset);
	partition = psprintf("event.%s", quote_identifier(partition));
	offset = psprintf("event.%s", quote_identifier(offset));
	initStringInfo(&buf);
	appendStringInfoString(&buf, "SELECT ");
	for (int i = 0; i < stream->desc->natts; i++)
	{
		if (stream->layout.columns[i].dropped)
			continue;
		reader->column_of[reader->ncolumns++] = i;
		appendStringInfo(&buf, "event.%s, ", quote_identifier(stream->layout.columns[i].name));
	}
	appendStringInfo(
		&buf, "%s::pg_catalog.int4, %s::pg_catalog.int8, %s FROM %s event ", partition, offset, epoch,
		quote_qualified_identifier(get_namespace_name(get_rel_namespace(archive)), get_rel_name(archive)));
	if (listed)
		appendStringInfo(
			&buf,
			"JOIN ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS d (p, o) ON d.p = %s AND d.o = %s AND %s = $4",
			partition, offset, epoch);
	else
		appendStringInfo(&buf, "WHERE %s IS NOT NULL AND %s IS NOT NULL AND %s AND NOT %s", partition, offset,
						 position_below(partition, offset, epoch, 2),
						 position_below(partition, offset, epoch, 1));
	if (column != NULL)
		appendStringInfo(&buf, " ORDER BY %s", epoch);
	return buf.data;
}

/* Condition: a position is below cut 1 or 2, whose topic epochs are $3 and $4. */
static char *
position_below(const char *partition, const char *offset, const char *epoch, int cut)
{
	return psprintf("(%1$s < $%4$d OR %1$s = $%4$d AND coalesce(%2$s < ($%5$d)[%3$s + 1], false))", epoch,
					offset, partition, cut + 2, cut);
}

static void
copy_row(const ArchiveReader *reader, HeapTuple tuple, DecodedBatch *decoded, int row)
{
	TupleDesc desc = reader->rows->tupdesc;
	MicroBatch *batch = &decoded->batch;
	Datum *values = batch->values + (Size) row * batch->natts;
	bool *nulls = batch->nulls + (Size) row * batch->natts;
	Message *message = &decoded->messages[row];
	MemoryContext old = MemoryContextSwitchTo(decoded->context);
	bool isnull;

	memset(nulls, true, batch->natts * sizeof(bool));
	for (int i = 0; i < reader->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int column = reader->column_of[i];
		Datum value = SPI_getbinval(tuple, desc, i + 1, &nulls[column]);

		if (!nulls[column])
			values[column] = datumCopy(value, att->attbyval, att->attlen);
	}
	MemoryContextSwitchTo(old);
	memset(message, 0, sizeof(*message));
	message->partition = DatumGetInt32(SPI_getbinval(tuple, desc, reader->ncolumns + 1, &isnull));
	message->offset = DatumGetInt64(SPI_getbinval(tuple, desc, reader->ncolumns + 2, &isnull));
	batch->partitions[row] = message->partition;
	batch->offsets[row] = message->offset;
	decoded->message_of[row] = row;
}

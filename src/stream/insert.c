/*
 * insert.c
 *		INSERT and COPY into a stream: each row becomes a message.
 *
 * Each statement has its own producer (producer.h). It ends when the brokers have acknowledged all of its messages
 * on all in-sync replicas, or with an error for the first failure.
 *
 * This is not transactional: acknowledged messages remain when the transaction is rolled back or the statement
 * fails, and other readers see them before the transaction commits. RETURNING returns the inserted row, without
 * the offset assigned by the broker.
 *
 * The payload is encoded from the columns that are fields (encode.c); in format 'raw' it is the value column
 * (NULL: a tombstone). The metadata columns key, partition, timestamp and headers are set in the message; offset
 * and topic cannot be inserted.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "common/compat.h"
#include "common/int.h"
#include "executor/executor.h"
#include "kafka/producer.h"
#include "mb/pg_wchar.h"
#include "message/encode.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "stream/insert.h"
#include "stream/stream.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define UNIX_TO_PG_USECS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

typedef struct StreamInsert
{
	Producer *producer;
	Stream *stream;
	Encoder *encoder; /* NULL for raw streams */
	AttrNumber value; /* of raw streams; 0: none */
	MemoryContext row_context;
} StreamInsert;

static List *plan_modify(PlannerInfo *root, ModifyTable *plan, Index relation, int subplan);
static void begin_modify(ModifyTableState *mtstate, ResultRelInfo *rri, List *private, int subplan,
						 int eflags);
static void begin_insert(ModifyTableState *mtstate, ResultRelInfo *rri);
static TupleTableSlot *insert_row(EState *estate, ResultRelInfo *rri, TupleTableSlot *slot,
								  TupleTableSlot *plan_slot);
static void send_row(StreamInsert *insert, TupleTableSlot *slot);
static StringInfo bytes_of(const Stream *stream, AttrNumber attnum, TupleTableSlot *slot);
static int32 partition_of(const Stream *stream, AttrNumber attnum, TupleTableSlot *slot);
static int64 milliseconds_of(const Stream *stream, AttrNumber attnum, TupleTableSlot *slot);
static void refuse_value(const Stream *stream, MessageMeta meta, TupleTableSlot *slot);
static void end_modify(EState *estate, ResultRelInfo *rri);
static int updatable(Relation rel);
static void explain_modify(ModifyTableState *mtstate, ResultRelInfo *rri, List *private, int subplan,
						   ExplainState *es);

void
insert_set_routines(FdwRoutine *routine)
{
	routine->PlanForeignModify = plan_modify;
	routine->BeginForeignModify = begin_modify;
	routine->ExecForeignInsert = insert_row;
	routine->EndForeignModify = end_modify;
	routine->BeginForeignInsert = begin_insert;
	routine->EndForeignInsert = end_modify;
	routine->IsForeignRelUpdatable = updatable;
	routine->ExplainForeignModify = explain_modify;
}

static List *
plan_modify(PlannerInfo *root, ModifyTable *plan, Index relation, int subplan)
{
	if (plan->onConflictAction != ONCONFLICT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("ON CONFLICT is not supported for streams"),
				 errdetail("A Kafka topic has no unique constraints.")));
	return NIL;
}

static void
begin_modify(ModifyTableState *mtstate, ResultRelInfo *rri, List *private, int subplan, int eflags)
{
	if (!(eflags & EXEC_FLAG_EXPLAIN_ONLY))
		begin_insert(mtstate, rri);
}

/* Also called for COPY and for rows routed to a foreign partition. */
static void
begin_insert(ModifyTableState *mtstate, ResultRelInfo *rri)
{
	EState *estate = mtstate->ps.state;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	StreamInsert *insert = palloc0(sizeof(StreamInsert));
	Stream *stream = stream_open(RelationGetRelid(rri->ri_RelationDesc));

	insert->stream = stream;
	insert->row_context =
		AllocSetContextCreate(CurrentMemoryContext, "stream insert row", ALLOCSET_DEFAULT_SIZES);
	if (stream->layout.format == FORMAT_JSON)
		insert->encoder = encoder_create(&stream->layout);
	else
		insert->value = stream_meta_column(stream, META_NONE);
	insert->producer =
		producer_open(stream->serverid, stream->topic, compat_result_role(rri, estate), stream->name);
	rri->ri_FdwState = insert;
	MemoryContextSwitchTo(old);
}

static TupleTableSlot *
insert_row(EState *estate, ResultRelInfo *rri, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	StreamInsert *insert = rri->ri_FdwState;
	MemoryContext old = MemoryContextSwitchTo(insert->row_context);

	slot_getallattrs(slot);
	send_row(insert, slot);
	MemoryContextSwitchTo(old);
	MemoryContextReset(insert->row_context);
	return slot;
}

static void
send_row(StreamInsert *insert, TupleTableSlot *slot)
{
	const Stream *stream = insert->stream;
	AttrNumber headers = stream_meta_column(stream, META_HEADERS);
	OutgoingMessage message = {0};

	refuse_value(stream, META_OFFSET, slot);
	refuse_value(stream, META_TOPIC, slot);
	if (insert->encoder != NULL)
	{
		message.value = makeStringInfo();
		encoder_encode(insert->encoder, slot, message.value);
	}
	else
		message.value = bytes_of(stream, insert->value, slot);
	message.partition = partition_of(stream, stream_meta_column(stream, META_PARTITION), slot);
	message.timestamp = milliseconds_of(stream, stream_meta_column(stream, META_TIMESTAMP), slot);
	message.key = bytes_of(stream, stream_meta_column(stream, META_KEY), slot);
	if (headers != 0 && !slot->tts_isnull[headers - 1])
		message.headers = headers_parse(slot->tts_values[headers - 1]);
	producer_send(insert->producer, &message);
}

/* The bytes of a text (as UTF-8) or bytea column; NULL if the value is NULL or there is no such column. */
static StringInfo
bytes_of(const Stream *stream, AttrNumber attnum, TupleTableSlot *slot)
{
	StringInfo bytes;
	struct varlena *value;

	if (attnum == 0 || slot->tts_isnull[attnum - 1])
		return NULL;
	bytes = makeStringInfo();
	value = PG_DETOAST_DATUM_PACKED(slot->tts_values[attnum - 1]);
	appendBinaryStringInfo(bytes, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	if (stream->layout.columns[attnum - 1].type == TEXTOID && GetDatabaseEncoding() != PG_UTF8)
	{
		char *utf8 = pg_server_to_any(bytes->data, bytes->len, PG_UTF8);

		if (utf8 != bytes->data)
		{
			resetStringInfo(bytes);
			appendStringInfoString(bytes, utf8);
		}
	}
	return bytes;
}

/* The partition in the row; if NULL, the partition is chosen by the hash of the key, as in Java clients. */
static int32
partition_of(const Stream *stream, AttrNumber attnum, TupleTableSlot *slot)
{
	int64 partition;

	if (attnum == 0 || slot->tts_isnull[attnum - 1])
		return PRODUCER_ANY_PARTITION;
	partition = stream->layout.columns[attnum - 1].type == INT4OID
					? DatumGetInt32(slot->tts_values[attnum - 1])
					: DatumGetInt64(slot->tts_values[attnum - 1]);
	if (partition < 0 || partition > PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("partition " INT64_FORMAT " of topic \"%s\" does not exist", partition,
							   stream->topic)));
	return partition;
}

/* The timestamp of the message in milliseconds since 1970; 0: now. */
static int64
milliseconds_of(const Stream *stream, AttrNumber attnum, TupleTableSlot *slot)
{
	TimestampTz time;
	int64 usecs;

	if (attnum == 0 || slot->tts_isnull[attnum - 1])
		return 0;
	time = DatumGetTimestampTz(slot->tts_values[attnum - 1]);
	if (TIMESTAMP_NOT_FINITE(time) || pg_add_s64_overflow(time, UNIX_TO_PG_USECS, &usecs) || usecs < 1000)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("message timestamp out of range: %s", timestamptz_to_str(time)),
						errdetail("Kafka stores timestamps as milliseconds since 1970-01-01 00:00:00 UTC.")));
	return usecs / 1000;
}

static void
refuse_value(const Stream *stream, MessageMeta meta, TupleTableSlot *slot)
{
	AttrNumber attnum = stream_meta_column(stream, meta);

	if (attnum == 0 || slot->tts_isnull[attnum - 1])
		return;
	ereport(ERROR, (errcode(ERRCODE_GENERATED_ALWAYS),
					errmsg("cannot insert a value into column \"%s\" of stream \"%s\"",
						   stream->layout.columns[attnum - 1].name, stream->name),
					meta == META_OFFSET
						? errdetail("The broker assigns the offset of a message.")
						: errdetail("The topic is set by the option \"topic\" of the foreign table."),
					errhint("Omit the column.")));
}

/* Wait until all messages are acknowledged. */
static void
end_modify(EState *estate, ResultRelInfo *rri)
{
	StreamInsert *insert = rri->ri_FdwState;

	if (insert == NULL)
		return;
	producer_finish(insert->producer);
	rri->ri_FdwState = NULL;
}

static int
updatable(Relation rel)
{
	return 1 << CMD_INSERT;
}

static void
explain_modify(ModifyTableState *mtstate, ResultRelInfo *rri, List *private, int subplan, ExplainState *es)
{
	ExplainPropertyText("Topic", stream_open(RelationGetRelid(rri->ri_RelationDesc))->topic, es);
}

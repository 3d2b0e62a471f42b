/*
 * produce.c
 *		INSERT INTO a stream, and COPY: each row becomes a message.
 *
 * A statement has a producer of its own. Rows are handed to librdkafka, which sends them in batches; the
 * statement ends when the broker has acknowledged all of them on all in-sync replicas, or with the first
 * failure as an error. The producer is idempotent: a message that had to be sent again is in the log once,
 * and the messages of one statement keep their order within a partition.
 *
 * This is outside of the transaction: messages that were acknowledged stay when the transaction is rolled
 * back, or when the statement fails half way, and other readers see them before it commits. RETURNING returns
 * the row as it was given: the broker's offset is not in it.
 *
 * The payload is what encode.c makes of the columns that are fields; in format 'raw' it is the value column
 * (NULL: a tombstone). Of the metadata columns, key, partition, timestamp and headers are given to the
 * message; offset and topic cannot be.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "common/compat.h"
#include "common/int.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "source/connection.h"
#include "source/encode.h"
#include "source/headers.h"
#include "source/produce.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define UNIX_TO_PG_USECS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)
#define POLL_EVERY 1000	 /* rows between looks at delivery reports */
#define WAIT_MS 100		 /* between looks at interrupts */
#define PATIENCE_MS 5000 /* for the first sign of a broker */

typedef struct Producer
{
	Connection connection;
	Stream *stream;
	Encoder *encoder; /* NULL for raw streams */
	AttrNumber value; /* of raw streams; 0: none */
	rd_kafka_topic_t *topic;
	bool found; /* the broker knows the topic */
	MemoryContext row_context;
	int64 rows;
	int64 acknowledged;
	int64 failed;
	TimestampTz opened;
	rd_kafka_resp_err_t error; /* of the first message that failed */
	char words[256];
	MemoryContextCallback callback;
} Producer;

static List *plan_modify(PlannerInfo *root, ModifyTable *plan, Index relation, int subplan);
static void begin_modify(ModifyTableState *mtstate, ResultRelInfo *rri, List *private, int subplan,
						 int eflags);
static void begin_insert(ModifyTableState *mtstate, ResultRelInfo *rri);
static Producer *producer_open(Oid relid, Oid role);
static void find_topic(Producer *producer);
static void close_callback(void *arg);
static void on_delivery(void *arg, const rd_kafka_message_t *message);
static TupleTableSlot *insert_row(EState *estate, ResultRelInfo *rri, TupleTableSlot *slot,
								  TupleTableSlot *plan_slot);
static void send_row(Producer *producer, TupleTableSlot *slot);
static void hand_over(Producer *producer, int32 partition, int64 ms, StringInfo key, StringInfo payload,
					  const HeaderList *headers);
static StringInfo bytes_of(Producer *producer, AttrNumber attnum, TupleTableSlot *slot);
static int32 partition_of(const Stream *stream, AttrNumber attnum, TupleTableSlot *slot);
static int64 milliseconds_of(const Stream *stream, AttrNumber attnum, TupleTableSlot *slot);
static void refuse_given(const Stream *stream, StreamMeta meta, TupleTableSlot *slot);
static void check_progress(Producer *producer);
static void raise_failure(Producer *producer) pg_attribute_noreturn();
static void end_modify(EState *estate, ResultRelInfo *rri);
static int updatable(Relation rel);
static void explain_modify(ModifyTableState *mtstate, ResultRelInfo *rri, List *private, int subplan,
						   ExplainState *es);

void
produce_set_routines(FdwRoutine *routine)
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
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a stream does not support ON CONFLICT"),
				 errdetail("A log has no unique constraints.")));
	return NIL;
}

static void
begin_modify(ModifyTableState *mtstate, ResultRelInfo *rri, List *private, int subplan, int eflags)
{
	if (!(eflags & EXEC_FLAG_EXPLAIN_ONLY))
		begin_insert(mtstate, rri);
}

/* COPY, and rows routed into a foreign partition. */
static void
begin_insert(ModifyTableState *mtstate, ResultRelInfo *rri)
{
	EState *estate = mtstate->ps.state;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);

	rri->ri_FdwState = producer_open(RelationGetRelid(rri->ri_RelationDesc), compat_result_role(rri, estate));
	MemoryContextSwitchTo(old);
}

static Producer *
producer_open(Oid relid, Oid role)
{
	Producer *producer = palloc0(sizeof(Producer));
	Stream *stream = stream_open(relid);

	producer->stream = stream;
	producer->opened = GetCurrentTimestamp();
	producer->row_context =
		AllocSetContextCreate(CurrentMemoryContext, "stream insert row", ALLOCSET_DEFAULT_SIZES);
	if (stream->format == FORMAT_JSON)
		producer->encoder = encoder_create(stream);
	else
		producer->value = stream_meta_column(stream, META_NONE);
	producer->connection.arg = producer;
	producer->connection.on_delivery = on_delivery;
	producer->connection.close = close_callback;
	producer->callback.func = close_callback;
	producer->callback.arg = producer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &producer->callback);
	connection_open(&producer->connection, stream, role, CONNECT_PRODUCE);
	producer->topic = rd_kafka_topic_new(producer->connection.rk, stream->topic, NULL);
	if (producer->topic == NULL)
	{
		producer->error = rd_kafka_last_error();
		strlcpy(producer->words, rd_kafka_err2str(producer->error), sizeof(producer->words));
		raise_failure(producer);
	}
	return producer;
}

/*
 * Before the first message: is there such a topic? Asked rather than left to librdkafka, which would wait for
 * it to appear.
 */
static void
find_topic(Producer *producer)
{
	if (producer->found)
		return;
	producer->found =
		connection_partition_count(&producer->connection, producer->topic, PATIENCE_MS, &producer->error) > 0;
	if (producer->found)
		return;
	strlcpy(producer->words, rd_kafka_err2str(producer->error), sizeof(producer->words));
	raise_failure(producer);
}

/* Also on errors, where messages not yet sent are dropped. */
static void
close_callback(void *arg)
{
	Producer *producer = arg;

	if (producer->connection.rk == NULL)
		return;
	if (producer->topic != NULL)
		rd_kafka_topic_destroy(producer->topic);
	producer->topic = NULL;
	(void) rd_kafka_purge(producer->connection.rk,
						  RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	connection_close(&producer->connection);
}

static void
on_delivery(void *arg, const rd_kafka_message_t *message)
{
	Producer *producer = arg;

	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		producer->acknowledged++;
		return;
	}
	if (producer->failed++ > 0)
		return;
	producer->error = message->err;
	strlcpy(producer->words, rd_kafka_err2str(message->err), sizeof(producer->words));
}

static TupleTableSlot *
insert_row(EState *estate, ResultRelInfo *rri, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	Producer *producer = rri->ri_FdwState;
	MemoryContext old = MemoryContextSwitchTo(producer->row_context);

	slot_getallattrs(slot);
	send_row(producer, slot);
	MemoryContextSwitchTo(old);
	MemoryContextReset(producer->row_context);
	if (++producer->rows % POLL_EVERY == 0)
		connection_poll(&producer->connection, 0);
	if (producer->failed > 0)
		raise_failure(producer);
	return slot;
}

static void
send_row(Producer *producer, TupleTableSlot *slot)
{
	const Stream *stream = producer->stream;
	AttrNumber headers = stream_meta_column(stream, META_HEADERS);
	StringInfo payload;

	refuse_given(stream, META_OFFSET, slot);
	refuse_given(stream, META_TOPIC, slot);
	if (producer->encoder != NULL)
	{
		payload = makeStringInfo();
		encoder_encode(producer->encoder, slot, payload);
	}
	else
		payload = bytes_of(producer, producer->value, slot);
	hand_over(producer, partition_of(stream, stream_meta_column(stream, META_PARTITION), slot),
			  milliseconds_of(stream, stream_meta_column(stream, META_TIMESTAMP), slot),
			  bytes_of(producer, stream_meta_column(stream, META_KEY), slot), payload,
			  headers != 0 && !slot->tts_isnull[headers - 1] ? headers_parse(slot->tts_values[headers - 1])
															 : NULL);
}

/*
 * Give a message to librdkafka, which copies it; wait while its queue is full. A key or payload of NULL is
 * none.
 */
static void
hand_over(Producer *producer, int32 partition, int64 ms, StringInfo key, StringInfo payload,
		  const HeaderList *headers)
{
	void *key_bytes = key != NULL ? key->data : NULL;
	void *payload_bytes = payload != NULL ? payload->data : NULL;
	size_t key_len = key != NULL ? key->len : 0;
	size_t payload_len = payload != NULL ? payload->len : 0;
	rd_kafka_resp_err_t err;

	find_topic(producer);
	for (;;)
	{
		rd_kafka_headers_t *list = headers != NULL ? headers_make(headers) : NULL;

		err = rd_kafka_producev(producer->connection.rk, RD_KAFKA_V_RKT(producer->topic),
								RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
								RD_KAFKA_V_KEY(key_bytes, key_len),
								RD_KAFKA_V_VALUE(payload_bytes, payload_len), RD_KAFKA_V_TIMESTAMP(ms),
								RD_KAFKA_V_HEADERS(list), RD_KAFKA_V_END);
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
			return; /* the headers are librdkafka's now */
		if (list != NULL)
			rd_kafka_headers_destroy(list);
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		connection_poll(&producer->connection, WAIT_MS);
		check_progress(producer);
	}
	producer->failed++;
	producer->error = err;
	strlcpy(producer->words, rd_kafka_err2str(err), sizeof(producer->words));
	raise_failure(producer);
}

/* The bytes of a text (as UTF-8) or bytea column, NULL where it is NULL or there is no such column. */
static StringInfo
bytes_of(Producer *producer, AttrNumber attnum, TupleTableSlot *slot)
{
	StringInfo bytes;
	struct varlena *value;

	if (attnum == 0 || slot->tts_isnull[attnum - 1])
		return NULL;
	bytes = makeStringInfo();
	value = PG_DETOAST_DATUM_PACKED(slot->tts_values[attnum - 1]);
	appendBinaryStringInfo(bytes, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	if (producer->stream->columns[attnum - 1].type == TEXTOID && GetDatabaseEncoding() != PG_UTF8)
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

/* The partition that the row asks for; otherwise the key's hash decides, as it does in Java's clients. */
static int32
partition_of(const Stream *stream, AttrNumber attnum, TupleTableSlot *slot)
{
	int64 partition;

	if (attnum == 0 || slot->tts_isnull[attnum - 1])
		return RD_KAFKA_PARTITION_UA;
	partition = stream->columns[attnum - 1].type == INT4OID ? DatumGetInt32(slot->tts_values[attnum - 1])
															: DatumGetInt64(slot->tts_values[attnum - 1]);
	if (partition < 0 || partition > PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("topic \"%s\" has no partition " INT64_FORMAT, stream->topic, partition)));
	return partition;
}

/* The message's timestamp in Kafka's milliseconds; 0: now. */
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
						errmsg("timestamp of a message out of range: %s", timestamptz_to_str(time)),
						errdetail("Kafka counts milliseconds since 1970.")));
	return usecs / 1000;
}

static void
refuse_given(const Stream *stream, StreamMeta meta, TupleTableSlot *slot)
{
	AttrNumber attnum = stream_meta_column(stream, meta);

	if (attnum == 0 || slot->tts_isnull[attnum - 1])
		return;
	ereport(ERROR,
			(errcode(ERRCODE_GENERATED_ALWAYS),
			 errmsg("cannot insert a value into column \"%s\" of stream \"%s\"",
					stream->columns[attnum - 1].name, stream->name),
			 meta == META_OFFSET ? errdetail("The broker gives a message its offset.")
								 : errdetail("The option topic of the foreign table says where messages go."),
			 errhint("Leave the column out.")));
}

/*
 * While waiting. A broker that goes away may return until message.timeout.ms is over; one that was never
 * there is a mistake in the options, told sooner.
 */
static void
check_progress(Producer *producer)
{
	const ConnectionEvents *events = &producer->connection.events;

	CHECK_FOR_INTERRUPTS();
	if (producer->failed > 0)
		raise_failure(producer);
	if (producer->acknowledged == 0 && (events->all_down || events->auth_failed) &&
		TimestampDifferenceExceeds(producer->opened, GetCurrentTimestamp(), PATIENCE_MS))
	{
		producer->error = RD_KAFKA_RESP_ERR__TRANSPORT;
		raise_failure(producer);
	}
}

static void
raise_failure(Producer *producer)
{
	const ConnectionEvents *events = &producer->connection.events;
	const char *topic = producer->stream->topic;

	switch (producer->error)
	{
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
			ereport(
				ERROR,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("topic \"%s\" of stream \"%s\" does not exist", topic, producer->stream->name),
				 errhint(
					 "Create the topic, or name another one: ALTER FOREIGN TABLE … OPTIONS (SET topic '…').")));
			break;
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
			ereport(ERROR, (errcode(ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION),
							errmsg("topic \"%s\" has no such partition", topic),
							errhint("Messages that the broker has acknowledged before stay in the topic.")));
			break;
		case RD_KAFKA_RESP_ERR__TRANSPORT:
		case RD_KAFKA_RESP_ERR__TIMED_OUT:
			ereport(ERROR, (errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
							errmsg("could not send to topic \"%s\": the broker does not answer", topic),
							events->message[0] != '\0' ? errdetail("librdkafka: %s", events->message) : 0,
							errhint("Check the options of the server and of the user mapping.")));
			break;
		default:
			ereport(ERROR, (errcode(ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION),
							errmsg("could not send to topic \"%s\": %s", topic, producer->words),
							events->message[0] != '\0' ? errdetail("librdkafka: %s", events->message) : 0,
							errhint("Messages that the broker has acknowledged before stay in the topic.")));
			break;
	}
	pg_unreachable();
}

/* Wait until all is acknowledged. */
static void
end_modify(EState *estate, ResultRelInfo *rri)
{
	Producer *producer = rri->ri_FdwState;

	if (producer == NULL)
		return;
	while (rd_kafka_flush(producer->connection.rk, WAIT_MS) == RD_KAFKA_RESP_ERR__TIMED_OUT)
		check_progress(producer);
	if (producer->failed > 0)
		raise_failure(producer);
	close_callback(producer);
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

/*
 * producer.c
 *		Writing messages to a topic with librdkafka (see producer.h).
 *
 * librdkafka copies messages and sends them in batches. Their outcome arrives in delivery reports, when the
 * connection is polled: every POLL_EVERY messages, while the queue is full, and at the end. The first failure is
 * raised.
 *
 * The existence of the topic is checked before the first message, because librdkafka would wait for it to
 * appear. A broker that becomes unreachable may return until message.timeout.ms has passed; one that was never
 * reachable is probably a mistake in the options, and is reported earlier.
 */
#include "postgres.h"

#include "common/clock.h"
#include "common/compat.h"
#include "kafka/client_abort.h"
#include "kafka/connection.h"
#include "kafka/message_headers.h"
#include "kafka/producer.h"
#include "miscadmin.h"

#define POLL_EVERY 1000		   /* messages between polls for delivery reports */
#define WAIT_MS 100			   /* between checks for interrupts */
#define FIRST_RESPONSE_MS 5000 /* for the first response of a broker */

struct Producer
{
	Connection connection;
	const char *topic_name;
	const char *stream;
	rd_kafka_topic_t *topic;
	bool found; /* the topic exists */
	int64 sent;
	int64 acknowledged;
	int64 failed;
	int64 opened;			   /* by clock.h */
	rd_kafka_resp_err_t error; /* of the first message that failed */
	char errstr[256];
	MemoryContextCallback callback;
};

static void find_topic(Producer *producer);
static void close_callback(void *arg);
static void on_delivery(void *arg, const rd_kafka_message_t *message);
static void check_progress(Producer *producer);
pg_noreturn static void raise_failure(Producer *producer);

Producer *
producer_open(Oid server, const char *topic, Oid role, const char *stream)
{
	Producer *producer = palloc0(sizeof(Producer));

	producer->topic_name = pstrdup(topic);
	producer->stream = pstrdup(stream);
	producer->opened = clock_now();
	producer->connection.arg = producer;
	producer->connection.on_delivery = on_delivery;
	producer->connection.close = close_callback;
	producer->callback.func = close_callback;
	producer->callback.arg = producer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &producer->callback);
	connection_open(&producer->connection, server, role, CONNECT_PRODUCE);
	producer->topic = rd_kafka_topic_new(producer->connection.client.rk, topic, NULL);
	if (producer->topic == NULL)
	{
		producer->error = rd_kafka_last_error();
		strlcpy(producer->errstr, rd_kafka_err2str(producer->error), sizeof(producer->errstr));
		raise_failure(producer);
	}
	return producer;
}

void
producer_send(Producer *producer, const OutgoingMessage *message)
{
	void *key = message->key != NULL ? message->key->data : NULL;
	void *value = message->value != NULL ? message->value->data : NULL;
	size_t key_len = message->key != NULL ? message->key->len : 0;
	size_t value_len = message->value != NULL ? message->value->len : 0;
	rd_kafka_resp_err_t err;

	find_topic(producer);
	for (;;)
	{
		rd_kafka_headers_t *list = message->headers != NULL ? headers_make(message->headers) : NULL;

		err = rd_kafka_producev(producer->connection.client.rk, RD_KAFKA_V_RKT(producer->topic),
								RD_KAFKA_V_PARTITION(message->partition),
								RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key, key_len),
								RD_KAFKA_V_VALUE(value, value_len), RD_KAFKA_V_TIMESTAMP(message->timestamp),
								RD_KAFKA_V_HEADERS(list), RD_KAFKA_V_END);
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
			break; /* librdkafka owns the headers now */
		if (list != NULL)
			rd_kafka_headers_destroy(list);
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
		{
			producer->failed++;
			producer->error = err;
			strlcpy(producer->errstr, rd_kafka_err2str(err), sizeof(producer->errstr));
			raise_failure(producer);
		}
		connection_poll(&producer->connection, WAIT_MS);
		check_progress(producer);
	}
	if (++producer->sent % POLL_EVERY == 0)
		connection_poll(&producer->connection, 0);
	if (producer->failed > 0)
		raise_failure(producer);
}

void
producer_finish(Producer *producer)
{
	while (rd_kafka_flush(producer->connection.client.rk, WAIT_MS) == RD_KAFKA_RESP_ERR__TIMED_OUT)
		check_progress(producer);
	if (producer->failed > 0)
		raise_failure(producer);
	close_callback(producer);
}

static void
find_topic(Producer *producer)
{
	if (producer->found)
		return;
	producer->found = connection_partition_count(&producer->connection, producer->topic, FIRST_RESPONSE_MS,
												 &producer->error) > 0;
	if (producer->found)
		return;
	strlcpy(producer->errstr, rd_kafka_err2str(producer->error), sizeof(producer->errstr));
	raise_failure(producer);
}

/* Also called on error; messages that have not been sent are dropped. */
static void
close_callback(void *arg)
{
	Producer *producer = arg;

	if (producer->connection.client.rk == NULL)
		return;
	if (client_aborted())
	{
		connection_close(&producer->connection);
		return;
	}
	if (producer->topic != NULL)
		rd_kafka_topic_destroy(producer->topic);
	producer->topic = NULL;
	(void) rd_kafka_purge(producer->connection.client.rk,
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
	strlcpy(producer->errstr, rd_kafka_err2str(message->err), sizeof(producer->errstr));
}

static void
check_progress(Producer *producer)
{
	const ConnectionEvents *events = &producer->connection.events;

	CHECK_FOR_INTERRUPTS();
	client_abort_check();
	if (producer->failed > 0)
		raise_failure(producer);
	if (producer->acknowledged == 0 && (events->all_down || events->auth_failed) &&
		clock_passed(producer->opened, FIRST_RESPONSE_MS))
	{
		producer->error = RD_KAFKA_RESP_ERR__TRANSPORT;
		raise_failure(producer);
	}
}

static void
raise_failure(Producer *producer)
{
	const ConnectionEvents *events = &producer->connection.events;
	const char *topic = producer->topic_name;

	switch (producer->error)
	{
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
			ereport(
				ERROR,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("topic \"%s\" of stream \"%s\" does not exist", topic, producer->stream),
				 errhint(
					 "Create the topic, or set another one with ALTER FOREIGN TABLE … OPTIONS (SET topic '…').")));
			break;
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
			ereport(ERROR,
					(errcode(ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION),
					 errmsg("the requested partition of topic \"%s\" does not exist", topic),
					 errhint("Messages that the broker has already acknowledged remain in the topic.")));
			break;
		case RD_KAFKA_RESP_ERR__TRANSPORT:
		case RD_KAFKA_RESP_ERR__TIMED_OUT:
			ereport(
				ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("could not send to topic \"%s\": broker did not respond", topic),
				 events->message[0] != '\0' ? errdetail("librdkafka: %s", events->message) : 0,
				 errhint(
					 "Check the options of the foreign server (ALTER SERVER) and of the user mapping (ALTER USER MAPPING).")));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION),
					 errmsg("could not send to topic \"%s\": %s", topic, producer->errstr),
					 events->message[0] != '\0' ? errdetail("librdkafka: %s", events->message) : 0,
					 errhint("Messages that the broker has already acknowledged remain in the topic.")));
			break;
	}
	pg_unreachable();
}

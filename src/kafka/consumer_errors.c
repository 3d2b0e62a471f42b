/*
 * consumer_errors.c
 *		The error state of a consumer: from errors of requests and partitions, callbacks, and statistics.
 *
 * Unreachable brokers and failed authentication are cleared when a request is answered or the statistics show
 * a broker that is up. Messages do not clear them, since they may have waited in the queue. An offset out of
 * range and an unknown topic are cleared by the next assignment, because only the caller can decide how to
 * continue. A fatal error and a batch that is too large are never cleared: only a new client has other limits.
 */
#include "postgres.h"

#include "kafka/consumer_private.h"

#define PARTITION_MEMBER "\"partition\":"

static bool has_member(const char *text, const char *end, const char *member, int64 *number);

void
consumer_error_set(Consumer *consumer, ConsumerErrorKind error, const char *errstr)
{
	if (error == CONSUMER_UNKNOWN_TOPIC && consumer->state.error != CONSUMER_UNKNOWN_TOPIC)
		consumer->topic_interruptions++;
	consumer->state.error = error;
	strlcpy(consumer->state.message, errstr != NULL ? errstr : "", sizeof(consumer->state.message));
	consumer->state.error_partition = -1;
	consumer->state.error_offset = -1;
}

/* If brokers are unreachable, the connection's last message is more specific than the error code. */
void
consumer_error_set_code(Consumer *consumer, rd_kafka_resp_err_t err)
{
	const char *errstr = rd_kafka_err2str(err);
	const ConnectionEvents *events = &consumer->connection.events;

	if (consumer->state.error == CONSUMER_TOO_LARGE)
		return;
	switch (err)
	{
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
			consumer_error_set(consumer, CONSUMER_UNKNOWN_TOPIC, errstr);
			break;
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
		case RD_KAFKA_RESP_ERR__AUTHENTICATION:
			consumer_error_set(consumer, CONSUMER_AUTH, errstr);
			break;
		case RD_KAFKA_RESP_ERR__FATAL:
			consumer_error_set(consumer, CONSUMER_FATAL, errstr);
			break;
		case RD_KAFKA_RESP_ERR__TIMED_OUT:
		case RD_KAFKA_RESP_ERR__TRANSPORT:
		case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
		case RD_KAFKA_RESP_ERR__RESOLVE:
		case RD_KAFKA_RESP_ERR__WAIT_COORD:
		case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
		case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
			if (consumer->state.error != CONSUMER_AUTH && consumer->state.error != CONSUMER_OUT_OF_RANGE &&
				consumer->state.error != CONSUMER_UNKNOWN_TOPIC)
				consumer_error_set(consumer, CONSUMER_RECONNECTING,
								   events->message[0] != '\0' ? events->message : errstr);
			break;
		default:
			/* temporary error of one fetch: librdkafka retries */
			break;
	}
}

void
consumer_error_clear_connection(Consumer *consumer)
{
	consumer->connection.events.all_down = false;
	consumer->connection.events.auth_failed = false;
	if (!consumer->connection.events.topic_unknown && !consumer->connection.events.fatal)
		consumer->connection.events.message[0] = '\0';
	if (consumer->state.error == CONSUMER_RECONNECTING || consumer->state.error == CONSUMER_AUTH)
		consumer_error_set(consumer, CONSUMER_OK, "");
}

void
consumer_error_refresh(Consumer *consumer)
{
	const ConnectionEvents *events = &consumer->connection.events;

	if (events->fatal)
		consumer_error_set(consumer, CONSUMER_FATAL, events->message);
	else if (consumer->state.error == CONSUMER_TOO_LARGE)
		return;
	else if (events->too_large)
		consumer_error_set(consumer, CONSUMER_TOO_LARGE, "a response of the broker is too large");
	else if (events->topic_unknown && consumer->state.error != CONSUMER_UNKNOWN_TOPIC)
		consumer_error_set(consumer, CONSUMER_UNKNOWN_TOPIC, events->message);
	else if (consumer->state.error == CONSUMER_OUT_OF_RANGE ||
			 consumer->state.error == CONSUMER_UNKNOWN_TOPIC)
		return;
	else if (events->auth_failed)
		consumer_error_set(consumer, CONSUMER_AUTH, events->message);
	else if (events->all_down)
		consumer_error_set(consumer, CONSUMER_RECONNECTING, events->message);
}

/*
 * Evaluate librdkafka's statistics: whether a broker is up, and the last stable offset of each partition. The
 * text has a fixed form: first the brokers, then only our topic, with a flat object per partition that begins
 * with "partition":N.
 */
void
consumer_error_on_stats(void *arg, const char *json)
{
	Consumer *consumer = arg;
	const char *topics = strstr(json, "\"topics\":");
	const char *up = strstr(json, "\"state\":\"UP\"");
	int count = 0;

	if (topics == NULL)
		return;
	if (up != NULL && up < topics)
		consumer_error_clear_connection(consumer);
	for (const char *p = strstr(topics, PARTITION_MEMBER); p != NULL; p = strstr(p, PARTITION_MEMBER))
	{
		int partition = atoi(p + strlen(PARTITION_MEMBER));
		const char *end = strchr(p, '}');

		/* partition -1 is for messages without a partition; unknown ones were requested but do not exist */
		if (partition >= 0 && end != NULL && !has_member(p, end, "\"unknown\":true", NULL))
		{
			int64 stable_end = -1;

			count = Max(count, partition + 1);
			if (partition < consumer->npartitions && has_member(p, end, "\"ls_offset\":", &stable_end))
				consumer->partitions[partition].stable_end = Max(stable_end, -1);
		}
		p += strlen(PARTITION_MEMBER);
	}
	if (count > 0)
		consumer->known_partitions = count;
}

/* Whether the text before end contains this member; *number, if not NULL, is set to the number after it. */
static bool
has_member(const char *text, const char *end, const char *member, int64 *number)
{
	const char *found = strstr(text, member);

	if (found == NULL || found > end)
		return false;
	if (number != NULL)
		*number = strtoll(found + strlen(member), NULL, 10);
	return true;
}

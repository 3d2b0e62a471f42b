/*
 * consumer.c
 *		Reading a topic's partitions with librdkafka, through one queue.
 *
 * Partitions are started one by one at explicit offsets into a common queue (what assign() does too, without a consumer group: no
 * coordinator to ask, no right on a group to have). librdkafka's threads fetch ahead into the queue; consumer_take() empties it in
 * batches and never waits in the network.
 *
 * Where things stand is kept per partition: the position moves past a message when it is taken, and past what holds no message (control
 * records, aborted transactions, compacted ranges) when librdkafka reports the partition's end (EOF). The log end is the last stable
 * offset. librdkafka's rd_kafka_get_watermark_offsets() tells the high watermark, also when reading committed messages only, which an
 * open transaction puts ahead of what can be read; so the last stable offset comes from its statistics, once a second, and from EOF at
 * once. A partition is at its end when EOF said so, or when the position has reached the high watermark.
 *
 * Trouble is what stands in the way at present. Brokers being away and refused authentication end by themselves, when the
 * statistics show a broker that is up or a message arrives; an offset out of range and an unknown topic end with the next assignment.
 */
#include "postgres.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/int.h"
#include "miscadmin.h"
#include "source/connection.h"
#include "source/consumer.h"
#include "utils/timestamp.h"

#define UNIX_TO_PG_USECS	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

#define PARTITION_MEMBER	"\"partition\":"

typedef struct PartitionState
{
	bool		assigned;
	int64		position;		/* negative until the broker has said where reading begins */
	int64		stable_end;		/* last stable offset; -1 not known */
	bool		eof;			/* EOF was the last that came */
	bool		restart;		/* something broken came: to be read on behind it */
} PartitionState;

struct Consumer
{
	Connection	connection;
	const char *topic_name;
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;
	int			wakeup_fd;
	PartitionState *partitions;
	int			npartitions;	/* length of the array */
	rd_kafka_message_t **taken; /* of the last consumer_take() */
	int			taken_size;
	int			ntaken;
	bool		restart;		/* some partition is to be restarted */
	ConsumerState state;
	int			known_partitions;	/* as the statistics tell; -1 before the first */
	MemoryContext context;
	MemoryContextCallback callback;
};

static void close_callback(void *arg);
static void open_wakeup(Consumer *consumer);
static void start_partition(Consumer *consumer, int32 partition, int64 offset);
static PartitionState *partition_state(Consumer *consumer, int32 partition);
static void note_message(Consumer *consumer, const rd_kafka_message_t *from, Message *to);
static bool is_broken(rd_kafka_resp_err_t err);
static bool note_broken(Consumer *consumer, const rd_kafka_message_t *from, Message *to);
static void restart_broken(Consumer *consumer);
static void note_event(Consumer *consumer, const rd_kafka_message_t *event);
static void note_eof(Consumer *consumer, int32 partition, int64 offset);
static void set_trouble(Consumer *consumer, ConsumerTrouble trouble, const char *words);
static void set_request_trouble(Consumer *consumer, rd_kafka_resp_err_t err);
static void clear_connection_trouble(Consumer *consumer);
static void refresh_trouble(Consumer *consumer);
static void on_stats(void *arg, const char *json);
static bool has_member(const char *text, const char *end, const char *member, int64 *number);
static void wait_readable(Consumer *consumer, int timeout_ms);
static rd_kafka_resp_err_t ask_offsets(Consumer *consumer, const int32 *partitions, int64 *offsets, int n, int timeout_ms);

Consumer *
consumer_open(const Stream *stream, Oid role, bool prefetch)
{
	Consumer   *consumer = palloc0(sizeof(Consumer));

	consumer->context = CurrentMemoryContext;
	consumer->topic_name = pstrdup(stream->topic);
	consumer->wakeup_fd = -1;
	consumer->known_partitions = -1;
	consumer->connection.arg = consumer;
	consumer->connection.on_stats = prefetch ? on_stats : NULL;
	consumer->callback.func = close_callback;
	consumer->callback.arg = consumer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &consumer->callback);

	connection_open(&consumer->connection, stream, role, prefetch ? CONNECT_WORKER : CONNECT_SCAN);
	consumer->queue = rd_kafka_queue_new(consumer->connection.rk);
	consumer->topic = rd_kafka_topic_new(consumer->connection.rk, consumer->topic_name, NULL);
	if (consumer->topic == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("could not open topic \"%s\"", consumer->topic_name),
				 errdetail("librdkafka: %s", rd_kafka_err2str(rd_kafka_last_error()))));
	open_wakeup(consumer);
	return consumer;
}

void
consumer_close(Consumer *consumer)
{
	consumer_release(consumer);
	if (consumer->connection.rk == NULL)
		return;
	if (consumer->queue != NULL)
		rd_kafka_queue_io_event_enable(consumer->queue, -1, NULL, 0);
	for (int i = 0; i < consumer->npartitions; i++)
	{
		if (consumer->partitions[i].assigned)
			rd_kafka_consume_stop(consumer->topic, i);
		consumer->partitions[i].assigned = false;
	}
	if (consumer->topic != NULL)
		rd_kafka_topic_destroy(consumer->topic);
	if (consumer->queue != NULL)
		rd_kafka_queue_destroy(consumer->queue);
	consumer->topic = NULL;
	consumer->queue = NULL;
	connection_close(&consumer->connection);
	if (consumer->wakeup_fd >= 0)
		close(consumer->wakeup_fd);
	consumer->wakeup_fd = -1;
}

int
consumer_partition_count(Consumer *consumer, int timeout_ms)
{
	rd_kafka_resp_err_t err;
	int			count;

	if (timeout_ms <= 0)
		return consumer->known_partitions;
	count = connection_partition_count(&consumer->connection, consumer->topic, timeout_ms, &err);
	if (count > 0)
	{
		clear_connection_trouble(consumer);
		consumer->known_partitions = count;
		return count;
	}
	refresh_trouble(consumer);
	set_request_trouble(consumer, err);
	return consumer->state.trouble == CONSUMER_UNKNOWN_TOPIC ? 0 : -1;
}

bool
consumer_query_range(Consumer *consumer, int32 partition, int64 *low, int64 *high, int timeout_ms)
{
	*low = CONSUMER_BEGINNING;
	*high = CONSUMER_END;
	return consumer_query_offsets(consumer, &partition, low, 1, timeout_ms) &&
		consumer_query_offsets(consumer, &partition, high, 1, timeout_ms);
}

bool
consumer_offset_for_time(Consumer *consumer, int32 partition, TimestampTz time, int64 *offset, int timeout_ms)
{
	*offset = consumer_time_query(time);
	if (!consumer_query_offsets(consumer, &partition, offset, 1, timeout_ms))
		return false;
	if (*offset >= 0)
		return true;
	*offset = CONSUMER_END;
	return consumer_query_offsets(consumer, &partition, offset, 1, timeout_ms);
}

bool
consumer_query_offsets(Consumer *consumer, const int32 *partitions, int64 *offsets, int n, int timeout_ms)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;

	/* in growing slices, as connection_partition_count() does */
	for (int slice = 250; timeout_ms > 0; timeout_ms -= slice, slice = Min(slice * 2, Max(timeout_ms, 1)))
	{
		CHECK_FOR_INTERRUPTS();
		slice = Min(slice, timeout_ms);
		err = ask_offsets(consumer, partitions, offsets, n, slice);
		connection_poll(&consumer->connection, 0);
		refresh_trouble(consumer);
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
			return true;
		if (err != RD_KAFKA_RESP_ERR__TIMED_OUT && err != RD_KAFKA_RESP_ERR__TRANSPORT &&
			err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE && err != RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION)
			break;
	}
	set_request_trouble(consumer, err);
	return false;
}

/* Kafka counts milliseconds since 1970: round down, so that nothing is missed. Negative numbers mean other things to it. */
int64
consumer_time_query(TimestampTz time)
{
	int64		unix_usecs;

	if (TIMESTAMP_IS_NOBEGIN(time) || pg_add_s64_overflow(time, UNIX_TO_PG_USECS, &unix_usecs))
		return TIMESTAMP_IS_NOBEGIN(time) ? 0 : PG_INT64_MAX;
	return Max(unix_usecs / 1000, 0);
}

void
consumer_assign(Consumer *consumer, const PartitionPosition *positions, int n)
{
	for (int i = 0; i < consumer->npartitions; i++)
	{
		if (consumer->partitions[i].assigned)
			rd_kafka_consume_stop(consumer->topic, i);
		consumer->partitions[i].assigned = false;
	}
	if (consumer->state.trouble == CONSUMER_OUT_OF_RANGE || consumer->state.trouble == CONSUMER_UNKNOWN_TOPIC)
		set_trouble(consumer, CONSUMER_FINE, "");
	consumer->connection.events.topic_unknown = false;
	for (int i = 0; i < n; i++)
	{
		PartitionState *state = partition_state(consumer, positions[i].partition);

		state->position = positions[i].offset;
		state->eof = false;
		state->restart = false;
		start_partition(consumer, positions[i].partition, positions[i].offset);
	}
}

int
consumer_take(Consumer *consumer, Message *messages, int max, int timeout_ms)
{
	uint64		ignored;
	ssize_t		got;
	int			n = 0;

	consumer_release(consumer);
	if (consumer->taken_size < max)
	{
		if (consumer->taken != NULL)
			pfree(consumer->taken);
		consumer->taken = MemoryContextAlloc(consumer->context, max * sizeof(rd_kafka_message_t *));
		consumer->taken_size = max;
	}

	/* drain the wake-up before looking: what comes after the look rings again */
	if (consumer->wakeup_fd >= 0 && read(consumer->wakeup_fd, &ignored, sizeof(ignored)) < 0 && errno != EAGAIN)
		elog(LOG, "could not read eventfd: %m");
	got = rd_kafka_consume_batch_queue(consumer->queue, 0, consumer->taken, max);
	if (got <= 0 && timeout_ms > 0)
	{
		wait_readable(consumer, timeout_ms);
		got = rd_kafka_consume_batch_queue(consumer->queue, 0, consumer->taken, max);
	}
	consumer->ntaken = Max(got, 0);
	for (int i = 0; i < consumer->ntaken; i++)
	{
		if (consumer->taken[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			note_message(consumer, consumer->taken[i], &messages[n++]);
		else if (is_broken(consumer->taken[i]->err) && note_broken(consumer, consumer->taken[i], &messages[n]))
			n++;
		else
			note_event(consumer, consumer->taken[i]);
	}

	if (consumer->restart)
		restart_broken(consumer);

	/* librdkafka rings only for the first in an empty queue */
	if (consumer->ntaken == max && consumer->wakeup_fd >= 0)
	{
		uint64		one = 1;

		if (write(consumer->wakeup_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
			elog(LOG, "could not write eventfd: %m");
	}
	connection_poll(&consumer->connection, 0);
	refresh_trouble(consumer);
	return n;
}

void
consumer_release(Consumer *consumer)
{
	for (int i = 0; i < consumer->ntaken; i++)
		rd_kafka_message_destroy(consumer->taken[i]);
	consumer->ntaken = 0;
}

void
consumer_position(Consumer *consumer, int32 partition, int64 *position, int64 *log_end, bool *at_end)
{
	PartitionState *state = partition_state(consumer, partition);
	int64		low = -1;
	int64		high = -1;

	/* cached by librdkafka from the last fetch response: no request */
	(void) rd_kafka_get_watermark_offsets(consumer->connection.rk, consumer->topic_name, partition, &low, &high);
	*position = state->position;
	*at_end = state->assigned && state->position >= 0 && (state->eof || (high >= 0 && state->position >= high));
	*log_end = state->stable_end;
	if (state->position >= 0 && (*at_end || (*log_end >= 0 && *log_end < state->position)))
		*log_end = state->position;
}

int
consumer_wakeup_fd(Consumer *consumer)
{
	return consumer->wakeup_fd;
}

const ConsumerState *
consumer_state(Consumer *consumer)
{
	return &consumer->state;
}

static void
close_callback(void *arg)
{
	consumer_close(arg);
}

/* librdkafka writes eight bytes to the descriptor when the queue stops being empty: just what an eventfd takes. */
static void
open_wakeup(Consumer *consumer)
{
	static const uint64 one = 1;

	consumer->wakeup_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (consumer->wakeup_fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create an eventfd: %m")));
	rd_kafka_queue_io_event_enable(consumer->queue, consumer->wakeup_fd, &one, sizeof(one));
}

/* Read a partition from an offset, anew if it is being read. What librdkafka had fetched of it is dropped. */
static void
start_partition(Consumer *consumer, int32 partition, int64 offset)
{
	PartitionState *state = partition_state(consumer, partition);

	if (state->assigned)
		(void) rd_kafka_consume_stop(consumer->topic, partition);
	state->assigned = rd_kafka_consume_start_queue(consumer->topic, partition, offset, consumer->queue) == 0;
	if (!state->assigned)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("could not read partition %d of topic \"%s\" from offset " INT64_FORMAT, partition,
						consumer->topic_name, offset),
				 errdetail("librdkafka: %s", rd_kafka_err2str(rd_kafka_last_error()))));
}

/* The state of a partition, growing the array. */
static PartitionState *
partition_state(Consumer *consumer, int32 partition)
{
	if (partition >= consumer->npartitions)
	{
		int			n = partition + 1;

		if (consumer->partitions == NULL)
			consumer->partitions = MemoryContextAlloc(consumer->context, n * sizeof(PartitionState));
		else
			consumer->partitions = repalloc(consumer->partitions, n * sizeof(PartitionState));
		for (int i = consumer->npartitions; i < n; i++)
			consumer->partitions[i] = (PartitionState)
		{
			.position = CONSUMER_BEGINNING, .stable_end = -1
		};
		consumer->npartitions = n;
	}
	return &consumer->partitions[partition];
}

static void
note_message(Consumer *consumer, const rd_kafka_message_t *from, Message *to)
{
	PartitionState *state = &consumer->partitions[from->partition];
	rd_kafka_timestamp_type_t type;
	int64		ms = rd_kafka_message_timestamp(from, &type);
	int64		usecs;

	state->position = from->offset + 1;
	state->eof = false;

	to->partition = from->partition;
	to->offset = from->offset;
	to->key = from->key;
	to->key_len = from->key_len;
	to->payload = from->payload;
	to->payload_len = from->len;
	to->broken = NULL;
	to->handle = (void *) from;

	/* producers may set any number: one that is no timestamp of ours counts as none */
	to->has_timestamp = type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && ms >= 0 && !pg_mul_s64_overflow(ms, 1000, &usecs);
	to->timestamp = to->has_timestamp ? usecs - UNIX_TO_PG_USECS : 0;
	to->has_timestamp = to->has_timestamp && IS_VALID_TIMESTAMP(to->timestamp);
}

/* Errors that are about the bytes in the log, not about fetching them: librdkafka goes on behind them. */
static bool
is_broken(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR__BAD_MSG || err == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ||
		err == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED || err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
		err == RD_KAFKA_RESP_ERR_INVALID_MSG;
}

/*
 * What lies at a partition's position cannot be read: a broken message, and the partition is to go on behind it. librdkafka may tell
 * of it several times, and for a batch of messages names the first: the position counts, so that each of them is told once.
 */
static bool
note_broken(Consumer *consumer, const rd_kafka_message_t *from, Message *to)
{
	PartitionState *state = partition_state(consumer, from->partition);

	if (state->restart || from->offset < 0)
		return false;
	*to = (Message)
	{
		.partition = from->partition, .offset = Max(from->offset, state->position), .broken = rd_kafka_message_errstr(from)
	};
	state->position = to->offset + 1;
	state->eof = false;
	state->restart = true;
	consumer->restart = true;
	return true;
}

/* Behind something broken librdkafka, as of version 2.0, would fetch the same again for ever. */
static void
restart_broken(Consumer *consumer)
{
	consumer->restart = false;
	for (int i = 0; i < consumer->npartitions; i++)
	{
		PartitionState *state = &consumer->partitions[i];

		if (state->restart && state->assigned)
			start_partition(consumer, i, state->position);
		state->restart = false;
	}
}

/* What stands in the queue beside messages. */
static void
note_event(Consumer *consumer, const rd_kafka_message_t *event)
{
	const char *words = rd_kafka_message_errstr(event);

	switch (event->err)
	{
		case RD_KAFKA_RESP_ERR__PARTITION_EOF:
			note_eof(consumer, event->partition, event->offset);
			break;
		case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
		case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
			set_trouble(consumer, CONSUMER_OUT_OF_RANGE, words);
			consumer->state.trouble_partition = event->partition;
			consumer->state.trouble_offset = event->offset;
			break;
		default:
			set_request_trouble(consumer, event->err);
			if (consumer->state.trouble != CONSUMER_FINE && words != NULL)
				strlcpy(consumer->state.message, words, sizeof(consumer->state.message));
			break;
	}
}

static void
note_eof(Consumer *consumer, int32 partition, int64 offset)
{
	PartitionState *state = partition_state(consumer, partition);

	state->eof = true;
	state->position = Max(state->position, offset);
	state->stable_end = Max(state->stable_end, state->position);
}

static void
set_trouble(Consumer *consumer, ConsumerTrouble trouble, const char *words)
{
	consumer->state.trouble = trouble;
	strlcpy(consumer->state.message, words != NULL ? words : "", sizeof(consumer->state.message));
	consumer->state.trouble_partition = -1;
	consumer->state.trouble_offset = -1;
}

/* What the error of a request or a partition means. Where brokers are away, the connection's own words say more. */
static void
set_request_trouble(Consumer *consumer, rd_kafka_resp_err_t err)
{
	const char *words = rd_kafka_err2str(err);
	const ConnectionEvents *events = &consumer->connection.events;

	switch (err)
	{
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
			set_trouble(consumer, CONSUMER_UNKNOWN_TOPIC, words);
			break;
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
		case RD_KAFKA_RESP_ERR__AUTHENTICATION:
			set_trouble(consumer, CONSUMER_AUTH, words);
			break;
		case RD_KAFKA_RESP_ERR__FATAL:
			set_trouble(consumer, CONSUMER_FATAL, words);
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
			if (consumer->state.trouble != CONSUMER_AUTH)
				set_trouble(consumer, CONSUMER_RECONNECTING, events->message[0] != '\0' ? events->message : words);
			break;
		default:
			/* passing trouble of one fetch: librdkafka tries again */
			break;
	}
}

/* A broker has answered. */
static void
clear_connection_trouble(Consumer *consumer)
{
	consumer->connection.events.all_down = false;
	consumer->connection.events.auth_failed = false;
	if (!consumer->connection.events.topic_unknown && !consumer->connection.events.fatal)
		consumer->connection.events.message[0] = '\0';
	if (consumer->state.trouble == CONSUMER_RECONNECTING || consumer->state.trouble == CONSUMER_AUTH)
		set_trouble(consumer, CONSUMER_FINE, "");
}

static void
refresh_trouble(Consumer *consumer)
{
	const ConnectionEvents *events = &consumer->connection.events;

	if (events->fatal)
		set_trouble(consumer, CONSUMER_FATAL, events->message);
	else if (events->topic_unknown && consumer->state.trouble != CONSUMER_UNKNOWN_TOPIC)
		set_trouble(consumer, CONSUMER_UNKNOWN_TOPIC, events->message);
	else if (consumer->state.trouble == CONSUMER_OUT_OF_RANGE || consumer->state.trouble == CONSUMER_UNKNOWN_TOPIC)
		return;
	else if (events->auth_failed)
		set_trouble(consumer, CONSUMER_AUTH, events->message);
	else if (events->all_down)
		set_trouble(consumer, CONSUMER_RECONNECTING, events->message);
}

/*
 * librdkafka's statistics, every second: whether a broker is up, and of each partition the last stable offset. The text is of a fixed form:
 * brokers come first, then our topic alone, with a flat object per partition that begins with "partition":N.
 */
static void
on_stats(void *arg, const char *json)
{
	Consumer   *consumer = arg;
	const char *topics = strstr(json, "\"topics\":");
	const char *up = strstr(json, "\"state\":\"UP\"");
	int			count = 0;

	if (topics == NULL)
		return;
	if (up != NULL && up < topics)
		clear_connection_trouble(consumer);
	for (const char *p = strstr(topics, PARTITION_MEMBER); p != NULL; p = strstr(p, PARTITION_MEMBER))
	{
		int			partition = atoi(p + strlen(PARTITION_MEMBER));
		const char *end = strchr(p, '}');

		/* -1 stands for messages without a partition; unknown ones are asked for but not there */
		if (partition >= 0 && end != NULL && !has_member(p, end, "\"unknown\":true", NULL))
		{
			int64		stable_end = -1;

			count = Max(count, partition + 1);
			if (partition < consumer->npartitions && has_member(p, end, "\"ls_offset\":", &stable_end))
				consumer->partitions[partition].stable_end = Max(stable_end, -1);
		}
		p += strlen(PARTITION_MEMBER);
	}
	if (count > 0)
		consumer->known_partitions = count;
}

/* Whether the text before end has this member, and, where wanted, the number behind it. */
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

static void
wait_readable(Consumer *consumer, int timeout_ms)
{
	struct pollfd pfd = {.fd = consumer->wakeup_fd, .events = POLLIN};

	/* a signal ends the wait early: the caller looks at its interrupts */
	(void) poll(&pfd, 1, timeout_ms);
}

/* One request for offsets; they are replaced only if all are known. */
static rd_kafka_resp_err_t
ask_offsets(Consumer *consumer, const int32 *partitions, int64 *offsets, int n, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
	rd_kafka_resp_err_t err;

	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, consumer->topic_name, partitions[i])->offset = offsets[i];
	err = rd_kafka_offsets_for_times(consumer->connection.rk, list, timeout_ms);
	for (int i = 0; i < n && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		err = list->elems[i].err;
	for (int i = 0; i < n && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		offsets[i] = list->elems[i].offset;
	rd_kafka_topic_partition_list_destroy(list);
	return err;
}

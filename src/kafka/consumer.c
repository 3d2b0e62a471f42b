/*
 * consumer.c
 *		Reading a topic's partitions with librdkafka, through one queue.
 *
 * Partitions are started one by one at explicit offsets and feed a common queue. assign() does the same, but
 * needs a consumer group, and so a coordinator and privileges on the group. librdkafka's threads prefetch into
 * the queue; consumer_take() reads it in batches and never waits for the network.
 *
 * Positions are kept per partition: the position advances past a message when it is taken, and past offsets
 * without a message (control records, aborted transactions, compacted ranges) when librdkafka reports the
 * partition's end (EOF). The log end is the last stable offset. rd_kafka_get_watermark_offsets() returns the high
 * watermark even under read_committed, which an open transaction puts ahead of what can be read; so the last
 * stable offset is taken from the statistics, once a second, and from EOF immediately. A partition is at its end
 * if EOF was reported, or if the position has reached the high watermark.
 *
 * Errors arrive in the same queue. Most concern fetching and set the error state (consumer_errors.c); some concern
 * the bytes in the log, and are returned as broken messages.
 */
#include "postgres.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/int.h"
#include "common/log_ends.h"
#include "kafka/client_abort.h"
#include "kafka/consumer_private.h"
#include "kafka/queue_memory.h"
#include "miscadmin.h"

static void close_callback(void *arg);
static void open_wakeup(Consumer *consumer);
static void start_partition(Consumer *consumer, int32 partition, int64 offset);
static PartitionState *partition_state(Consumer *consumer, int32 partition);
static void note_message(Consumer *consumer, const rd_kafka_message_t *from, Message *to);
static bool is_broken(rd_kafka_resp_err_t err);
static bool is_too_large(const Consumer *consumer, const rd_kafka_message_t *from);
static bool note_broken(Consumer *consumer, const rd_kafka_message_t *from, Message *to);
static void restart_broken(Consumer *consumer);
static void note_event(Consumer *consumer, const rd_kafka_message_t *event);
static void note_eof(Consumer *consumer, int32 partition, int64 offset);
static void wait_readable(Consumer *consumer, int timeout_ms);

Consumer *
consumer_open(Oid server, const char *topic, Oid role, ConsumerKind kind)
{
	static const ConnectionKind kinds[] = {[CONSUMER_WORKER] = CONNECT_WORKER,
										   [CONSUMER_SCAN] = CONNECT_SCAN,
										   [CONSUMER_REPLAY] = CONNECT_REPLAY};
	Consumer *consumer = palloc0(sizeof(Consumer));

	consumer->context = CurrentMemoryContext;
	consumer->topic_name = pstrdup(topic);
	consumer->wakeup_fd = -1;
	consumer->known_partitions = -1;
	consumer->connection.arg = consumer;
	consumer->connection.close = close_callback;
	consumer->connection.on_stats = kind != CONSUMER_SCAN ? consumer_error_on_stats : NULL;
	consumer->callback.func = close_callback;
	consumer->callback.arg = consumer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &consumer->callback);

	connection_open(&consumer->connection, server, role, kinds[kind]);
	consumer->queue = rd_kafka_queue_new(consumer->connection.client.rk);
	consumer->topic = rd_kafka_topic_new(consumer->connection.client.rk, consumer->topic_name, NULL);
	if (consumer->topic == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR), errmsg("could not open topic \"%s\"", consumer->topic_name),
				 errdetail("librdkafka: %s", rd_kafka_err2str(rd_kafka_last_error()))));
	open_wakeup(consumer);
	return consumer;
}

void
consumer_close(Consumer *consumer)
{
	if (client_aborted())
	{
		connection_close(&consumer->connection);
		return;
	}
	consumer_release(consumer);
	if (consumer->connection.client.rk == NULL)
		return;
	if (consumer->watch != NULL)
		log_end_watch_stop(consumer->watch);
	consumer->watch = NULL;
	if (consumer->queue != NULL)
		rd_kafka_queue_io_event_enable(consumer->queue, -1, NULL, 0);
	consumer_stop(consumer);
	if (consumer->topic != NULL)
		rd_kafka_topic_destroy(consumer->topic);
	if (consumer->queue != NULL)
		rd_kafka_queue_destroy(consumer->queue);
	consumer->topic = NULL;
	consumer->queue = NULL;
	connection_close(&consumer->connection);
	if (consumer->npartitions > 0)
		queue_memory_release();
	if (consumer->wakeup_fd >= 0)
		close(consumer->wakeup_fd);
	consumer->wakeup_fd = -1;
}

void
consumer_assign(Consumer *consumer, const PartitionPosition *positions, int n)
{
	client_abort_check();
	if (consumer->connection.no_memory)
		queue_memory_raise();
	consumer_stop(consumer);
	if (consumer->state.error == CONSUMER_OUT_OF_RANGE || consumer->state.error == CONSUMER_UNKNOWN_TOPIC)
		consumer_error_set(consumer, CONSUMER_OK, "");
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

void
consumer_stop(Consumer *consumer)
{
	for (int i = 0; i < consumer->npartitions; i++)
	{
		if (consumer->partitions[i].assigned)
			rd_kafka_consume_stop(consumer->topic, i);
		consumer->partitions[i].assigned = false;
	}
}

int
consumer_take(Consumer *consumer, Message *messages, int max, int timeout_ms)
{
	uint64 ignored;
	ssize_t got;
	int n = 0;

	client_abort_check();
	consumer_release(consumer);
	if (consumer->taken_size < max)
	{
		if (consumer->taken != NULL)
			pfree(consumer->taken);
		consumer->taken = MemoryContextAlloc(consumer->context, max * sizeof(rd_kafka_message_t *));
		consumer->taken_size = max;
	}

	/* reset the eventfd before reading the queue: messages that arrive later signal it again */
	if (consumer->wakeup_fd >= 0 && read(consumer->wakeup_fd, &ignored, sizeof(ignored)) < 0 &&
		errno != EAGAIN)
		elog(LOG, "could not read from eventfd: %m");
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
		else if (is_too_large(consumer, consumer->taken[i]))
		{
			consumer_error_set(consumer, CONSUMER_TOO_LARGE, rd_kafka_message_errstr(consumer->taken[i]));
			consumer->state.error_partition = consumer->taken[i]->partition;
			consumer->state.error_offset = consumer->taken[i]->offset;
		}
		else if (is_broken(consumer->taken[i]->err) &&
				 note_broken(consumer, consumer->taken[i], &messages[n]))
			n++;
		else
			note_event(consumer, consumer->taken[i]);
	}

	if (consumer->restart)
		restart_broken(consumer);

	/* librdkafka signals only the first message in an empty queue: signal that more may wait */
	if (consumer->ntaken == max && consumer->wakeup_fd >= 0)
	{
		uint64 one = 1;

		if (write(consumer->wakeup_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
			elog(LOG, "could not write to eventfd: %m");
	}
	connection_poll(&consumer->connection, 0);
	consumer_error_refresh(consumer);
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
	int64 low = -1;
	int64 high = -1;

	/* cached by librdkafka from the last fetch response: no request */
	(void) rd_kafka_get_watermark_offsets(consumer->connection.client.rk, consumer->topic_name, partition,
										  &low, &high);
	*position = state->position;
	*at_end =
		state->assigned && state->position >= 0 && (state->eof || (high >= 0 && state->position >= high));
	*log_end = state->stable_end;
	if (state->position >= 0 && (*at_end || (*log_end >= 0 && *log_end < state->position)))
		*log_end = state->position;
}

void
consumer_watch_log_ends(Consumer *consumer, int slot)
{
	consumer->watch =
		log_end_watch_start(consumer->connection.client.rk, consumer->topic_name, log_ends_set, slot);
}

void
consumer_report(Consumer *consumer, int count, const bool *unread, bool known)
{
	if (consumer->watch != NULL)
		log_end_watch_report(consumer->watch, count, unread, known);
}

int
consumer_wakeup_fd(Consumer *consumer)
{
	return consumer->wakeup_fd;
}

uint64
consumer_interruptions(Consumer *consumer)
{
	return consumer->connection.events.interruptions + consumer->topic_interruptions +
		   pg_atomic_read_u64(&consumer->connection.client.argument->metadata.irregular);
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

/* librdkafka writes these eight bytes, the size that an eventfd requires, when the queue becomes non-empty. */
static void
open_wakeup(Consumer *consumer)
{
	static const uint64 one = 1;

	consumer->wakeup_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (consumer->wakeup_fd < 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not create an eventfd: %m")));
	rd_kafka_queue_io_event_enable(consumer->queue, consumer->wakeup_fd, &one, sizeof(one));
}

/* Start or restart reading a partition at an offset. Prefetched messages of the partition are discarded. */
static void
start_partition(Consumer *consumer, int32 partition, int64 offset)
{
	PartitionState *state = partition_state(consumer, partition);

	if (state->assigned)
		(void) rd_kafka_consume_stop(consumer->topic, partition);
	state->assigned = rd_kafka_consume_start_queue(consumer->topic, partition, offset, consumer->queue) == 0;
	if (!state->assigned)
		ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
						errmsg("could not read partition %d of topic \"%s\" from offset " INT64_FORMAT,
							   partition, consumer->topic_name, offset),
						errdetail("librdkafka: %s", rd_kafka_err2str(rd_kafka_last_error()))));
}

/* The state of a partition, growing the array. */
static PartitionState *
partition_state(Consumer *consumer, int32 partition)
{
	if (partition >= consumer->npartitions)
	{
		int n = partition + 1;

		if (consumer->partitions == NULL)
			consumer->partitions = MemoryContextAlloc(consumer->context, n * sizeof(PartitionState));
		else
			consumer->partitions = repalloc(consumer->partitions, n * sizeof(PartitionState));
		for (int i = consumer->npartitions; i < n; i++)
			consumer->partitions[i] = (PartitionState){.position = CONSUMER_BEGINNING, .stable_end = -1};
		consumer->npartitions = n;
	}
	return &consumer->partitions[partition];
}

static void
note_message(Consumer *consumer, const rd_kafka_message_t *from, Message *to)
{
	PartitionState *state = &consumer->partitions[from->partition];
	rd_kafka_timestamp_type_t type;
	int64 ms = rd_kafka_message_timestamp(from, &type);
	int64 usecs;

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
	to->headers = NULL;

	/* producers can set any number: one outside the range of timestamptz counts as no timestamp */
	to->has_timestamp =
		type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && ms >= 0 && !pg_mul_s64_overflow(ms, 1000, &usecs);
	to->timestamp = to->has_timestamp ? usecs - UNIX_TO_PG_USECS : 0;
	to->has_timestamp = to->has_timestamp && IS_VALID_TIMESTAMP(to->timestamp);
}

/* Errors that concern the bytes in the log, not fetching: reading continues after them. */
static bool
is_broken(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR__BAD_MSG || err == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ||
		   err == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED || err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
		   err == RD_KAFKA_RESP_ERR_INVALID_MSG;
}

/*
 * Whether it is a batch that could be read with a higher limit. librdkafka limits unpacked batches only for zstd
 * (codec 4), and gives neither the size nor a code of its own.
 */
static bool
is_too_large(const Consumer *consumer, const rd_kafka_message_t *from)
{
	return from->err == RD_KAFKA_RESP_ERR__BAD_COMPRESSION && consumer->connection.receive_limited &&
		   strstr(rd_kafka_message_errstr(from), "codec 0x4") != NULL;
}

/*
 * Return an unreadable message as a broken message, and restart the partition after it. librdkafka may report
 * it several times, and reports the first offset for a batch of messages: the position is used instead, so that
 * each offset is returned once. False if nothing is to be returned.
 */
static bool
note_broken(Consumer *consumer, const rd_kafka_message_t *from, Message *to)
{
	PartitionState *state = partition_state(consumer, from->partition);

	if (state->restart || from->offset < 0)
		return false;
	*to = (Message){.partition = from->partition,
					.offset = Max(from->offset, state->position),
					.broken = rd_kafka_message_errstr(from)};
	state->position = to->offset + 1;
	state->eof = false;
	state->restart = true;
	consumer->restart = true;
	return true;
}

/* After a broken message, librdkafka (as of version 2.0) would fetch the same data again and again. */
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

/* Process an entry of the queue that is not a message. */
static void
note_event(Consumer *consumer, const rd_kafka_message_t *event)
{
	const char *errstr = rd_kafka_message_errstr(event);

	switch (event->err)
	{
		case RD_KAFKA_RESP_ERR__PARTITION_EOF:
			note_eof(consumer, event->partition, event->offset);
			break;
		case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
		case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
			consumer_error_set(consumer, CONSUMER_OUT_OF_RANGE, errstr);
			consumer->state.error_partition = event->partition;
			consumer->state.error_offset = event->offset;
			break;
		default:
			consumer_error_set_code(consumer, event->err);
			if (consumer->state.error != CONSUMER_OK && errstr != NULL)
				strlcpy(consumer->state.message, errstr, sizeof(consumer->state.message));
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
wait_readable(Consumer *consumer, int timeout_ms)
{
	struct pollfd pfd = {.fd = consumer->wakeup_fd, .events = POLLIN};

	/* a signal ends the wait early: the caller checks for interrupts */
	(void) poll(&pfd, 1, timeout_ms);
}

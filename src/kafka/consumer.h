/*
 * consumer.h
 *		Reading a topic: partitions, positions, messages.
 *
 * A consumer is assigned, never subscribed; it commits nothing to the broker. It is freed with the memory
 * context that it was opened in (reset callback). Broker error is state, not an error: only what no retry
 * can mend is raised.
 */
#ifndef STREAMBATCH_CONSUMER_H
#define STREAMBATCH_CONSUMER_H

#include "kafka/message.h"

typedef struct Consumer Consumer;

typedef struct PartitionPosition
{
	int32 partition;
	int64 offset; /* the next one to read; CONSUMER_BEGINNING or CONSUMER_END to let the broker say */
} PartitionPosition;

#define CONSUMER_BEGINNING (-2)
#define CONSUMER_END (-1)

/* What stands in the way at the moment. */
typedef enum ConsumerErrorKind
{
	CONSUMER_OK,
	CONSUMER_RECONNECTING,	/* brokers away: librdkafka retries by itself */
	CONSUMER_UNKNOWN_TOPIC, /* the topic is not there (any more) */
	CONSUMER_OUT_OF_RANGE,	/* a position is outside the log: error_partition, error_offset say which */
	CONSUMER_AUTH,			/* authentication or authorization failed */
	CONSUMER_FATAL
} ConsumerErrorKind;

typedef struct ConsumerState
{
	ConsumerErrorKind error;
	char message[256]; /* librdkafka's words, without secrets */
	int32 error_partition;
	int64 error_offset;
} ConsumerState;

/*
 * Open a consumer for a topic, with the options of the foreign server and the user mapping of the given role.
 * prefetch: true for the worker (statistics every second), false for an ad hoc scan. Does not wait for
 * the broker. Raises what librdkafka says of the options.
 */
extern Consumer *consumer_open(Oid server, const char *topic, Oid role, bool prefetch);

/* Close now (the context's reset does it too). */
extern void consumer_close(Consumer *consumer);

/*
 * Number of partitions of the topic, or -1 when the broker did not answer in time (the state then says why)
 * or 0 when there is no such topic. With a timeout of 0 it asks nobody: the number that librdkafka learned
 * last, refreshed every 10 s; -1 if it has learned none.
 */
extern int consumer_partition_count(Consumer *consumer, int timeout_ms);

/*
 * Ask the broker for the first offset and the log end (last stable offset) of a partition: slow, waits behind
 * fetches. False: see the state.
 */
extern bool consumer_query_range(Consumer *consumer, int32 partition, int64 *low, int64 *high,
								 int timeout_ms);

/*
 * The offset of the first message at or after a time, or the log end; for ranges on the timestamp. False: see
 * the state.
 */
extern bool consumer_offset_for_time(Consumer *consumer, int32 partition, TimestampTz time, int64 *offset,
									 int timeout_ms);

/*
 * The same for many partitions with one request per broker. On input each offset is CONSUMER_BEGINNING,
 * CONSUMER_END (the last stable offset) or a time made by consumer_time_query(); on output the offset, -1
 * where no message is as late as the time.
 */
extern bool consumer_query_offsets(Consumer *consumer, const int32 *partitions, int64 *offsets, int n,
								   int timeout_ms);
extern int64 consumer_time_query(TimestampTz time);

/*
 * The log ends (last stable offsets) of partitions 0 … count - 1, palloc'd; NULL when no broker tells in
 * time: see the state.
 */
extern int64 *consumer_log_ends(Consumer *consumer, int count, int timeout_ms);

/*
 * Replace the assignment. Reading begins at these positions. Where many partitions begin at their end, ask
 * consumer_query_offsets() first: resolving CONSUMER_END here waits behind fetches.
 */
extern void consumer_assign(Consumer *consumer, const PartitionPosition *positions, int n);

/*
 * Take up to max messages, waiting at most timeout_ms for the first (latch and interrupts are the caller's;
 * keep it short). They stay valid until consumer_release(). Returns their number; messages of one partition
 * come in the order of offsets.
 */
extern int consumer_take(Consumer *consumer, Message *messages, int max, int timeout_ms);
extern void consumer_release(Consumer *consumer);

/*
 * Where reading of a partition stands: *position, the offset after the last message taken, or after what was
 * skipped to the end of the partition (control records, compaction); *log_end, the last stable offset as
 * fetch responses last told, -1 when not yet known; *at_end, true when the partition was read to its end and
 * nothing has come since. Costs no request.
 */
extern void consumer_position(Consumer *consumer, int32 partition, int64 *position, int64 *log_end,
							  bool *at_end);

/*
 * A file descriptor that becomes readable when messages wait (for WaitEventSet); -1 if there is none. Drained
 * by consumer_take.
 */
extern int consumer_wakeup_fd(Consumer *consumer);

/* The present error; refreshed by consumer_take. */
extern const ConsumerState *consumer_state(Consumer *consumer);

#endif /* STREAMBATCH_CONSUMER_H */

/*
 * consumer.h
 *		Reading a topic: partitions, positions, messages.
 *
 * A consumer is assigned, never subscribed; it commits no offsets to the broker. It is freed with the memory
 * context in which it was opened (reset callback). Broker errors are kept as state (ConsumerState); only errors
 * that a retry cannot resolve are raised.
 */
#ifndef STREAMBATCH_CONSUMER_H
#define STREAMBATCH_CONSUMER_H

#include "kafka/message.h"

typedef struct Consumer Consumer;

typedef struct PartitionPosition
{
	int32 partition;
	int64 offset; /* the next one to read; CONSUMER_BEGINNING or CONSUMER_END: resolved by the broker */
} PartitionPosition;

#define CONSUMER_BEGINNING (-2)
#define CONSUMER_END (-1)

/* The current error. */
typedef enum ConsumerErrorKind
{
	CONSUMER_OK,
	CONSUMER_RECONNECTING,	/* brokers are unreachable: librdkafka retries automatically */
	CONSUMER_UNKNOWN_TOPIC, /* the topic does not exist, or was deleted */
	CONSUMER_OUT_OF_RANGE,	/* a position is outside the log: error_partition, error_offset */
	CONSUMER_TOO_LARGE, /* a batch exceeds the limit that streambatch.prefetch and "fetch.max.bytes" set */
	CONSUMER_AUTH,		/* authentication or authorization failed */
	CONSUMER_FATAL
} ConsumerErrorKind;

/* What raises the limit of CONSUMER_TOO_LARGE, as a hint. */
#define CONSUMER_TOO_LARGE_HINT                                                                              \
	"Raise the limit with ALTER SERVER … OPTIONS (ADD \"fetch.max.bytes\" '268435456'), or with SET instead of ADD."

typedef struct ConsumerState
{
	ConsumerErrorKind error;
	char message[256];	   /* librdkafka's message, without secrets */
	int32 error_partition; /* -1: not known */
	int64 error_offset;
} ConsumerState;

typedef enum ConsumerKind
{
	CONSUMER_WORKER, /* reads continuously; statistics every second */
	CONSUMER_SCAN,	 /* reads once, up to a fixed end */
	CONSUMER_REPLAY	 /* the same, but perhaps for hours: statistics every second */
} ConsumerKind;

/*
 * Open a consumer for a topic, with the options of the foreign server and the user mapping of the given role.
 * Does not wait for the broker. Raises an error if librdkafka rejects the options.
 */
extern Consumer *consumer_open(Oid server, const char *topic, Oid role, ConsumerKind kind);

/* From now on, halve the memory that the queues of this process take so many times: it has not been enough. */
extern void consumer_halve_queue(int times);

/* Close now (the reset of the context closes it too). */
extern void consumer_close(Consumer *consumer);

/*
 * Number of partitions of the topic; 0 if the topic does not exist; -1 if the broker did not respond in time
 * (see the state). With a timeout of 0, sends no request and returns the number from librdkafka's last metadata,
 * refreshed every 10 s, or -1 if there is none yet.
 */
extern int consumer_partition_count(Consumer *consumer, int timeout_ms);

/*
 * Request the first offset and the log end (last stable offset) of a partition. Slow: waits behind fetches.
 * False on failure: see the state.
 */
extern bool consumer_query_range(Consumer *consumer, int32 partition, int64 *low, int64 *high,
								 int timeout_ms);

/*
 * The same for many partitions with one request per broker. On input each offset is CONSUMER_BEGINNING,
 * CONSUMER_END (the last stable offset) or a time from consumer_time_query(); on output the offset, -1 if
 * there is no message at or after the time.
 */
extern bool consumer_query_offsets(Consumer *consumer, const int32 *partitions, int64 *offsets, int n,
								   int timeout_ms);
extern int64 consumer_time_query(TimestampTz time);

/*
 * The log ends (last stable offsets) of partitions 0 … count - 1, palloc'd; NULL if the brokers did not respond
 * in time: see the state.
 */
extern int64 *consumer_log_ends(Consumer *consumer, int count, int timeout_ms);

/*
 * Replace the assignment; raises out_of_memory if there is none for a queue. Reading begins at these positions. If many partitions begin at their end, use
 * consumer_query_offsets() first: resolving CONSUMER_END here waits behind fetches.
 */
extern void consumer_assign(Consumer *consumer, const PartitionPosition *positions, int n);

/* Stop reading until the next assignment, and drop the messages fetched. Does not change the error. */
extern void consumer_stop(Consumer *consumer);

/*
 * Take up to max messages, waiting at most timeout_ms for the first (the caller handles latch and interrupts, so
 * keep it short). They are valid until consumer_release(). Returns their number; messages of one partition are
 * in offset order.
 */
extern int consumer_take(Consumer *consumer, Message *messages, int max, int timeout_ms);
extern void consumer_release(Consumer *consumer);

/*
 * The progress of a partition: *position, the offset after the last message taken, or after the offsets skipped
 * at the end of the partition (control records, compaction); *log_end, the last stable offset of the latest
 * fetch responses, -1 if not yet known; *at_end, true if the partition was read to its end and no message has
 * arrived since. Sends no request.
 */
extern void consumer_position(Consumer *consumer, int32 partition, int64 *position, int64 *log_end,
							  bool *at_end);

/*
 * Watch the log ends of the topic, also while the caller does not read: a thread gives them to log_ends_set() of a
 * slot. It needs consumer_report() once a second: the number of partitions, those never read, and whether the caller
 * has set all log ends itself.
 */
extern void consumer_watch_log_ends(Consumer *consumer, int slot);
extern void consumer_report(Consumer *consumer, int count, const bool *unread, bool known);

/*
 * A file descriptor that becomes readable when messages are available (for WaitEventSet); -1 if there is none.
 * Reset by consumer_take().
 */
extern int consumer_wakeup_fd(Consumer *consumer);

/*
 * How often no broker was reachable, the topic or one of its partitions did not exist, or librdkafka had to look for
 * brokers or leaders again: messages fetched
 * afterwards may be those of a recreated topic. Updated by consumer_take(): if the count has changed, the messages
 * that it returned may have been fetched before or after the interruption.
 */
extern uint64 consumer_interruptions(Consumer *consumer);

/* The current error; updated by consumer_take(). */
extern const ConsumerState *consumer_state(Consumer *consumer);

#endif /* STREAMBATCH_CONSUMER_H */

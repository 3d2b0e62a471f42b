/*
 * consumer_private.h
 *		Definitions shared by consumer.c, consumer_offsets.c and consumer_errors.c. Private to them.
 */
#ifndef STREAMBATCH_CONSUMER_PRIVATE_H
#define STREAMBATCH_CONSUMER_PRIVATE_H

#include "kafka/connection.h"
#include "kafka/consumer.h"
#include "kafka/log_end_watch.h"
#include "utils/timestamp.h"

#define UNIX_TO_PG_USECS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

typedef struct PartitionState
{
	bool assigned;
	int64 position;	  /* negative until the broker has resolved where reading begins */
	int64 stable_end; /* last stable offset; -1: not known */
	bool eof;		  /* EOF was the last event */
	bool restart;	  /* restart at position, after a broken message */
} PartitionState;

struct Consumer
{
	Connection connection;
	const char *topic_name;
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;
	int wakeup_fd;
	PartitionState *partitions;
	int npartitions;			/* length of the array */
	rd_kafka_message_t **taken; /* of the last consumer_take() */
	int taken_size;
	int ntaken;
	bool restart; /* some partition is to be restarted */
	ConsumerState state;
	LogEndWatch *watch;			/* NULL: none */
	uint64 topic_interruptions; /* how often the topic or a partition did not exist */
	int known_partitions;		/* from the statistics; -1 before the first */
	MemoryContext context;
	MemoryContextCallback callback;
};

/* Replace the current error; errstr is librdkafka's message or NULL. */
extern void consumer_error_set(Consumer *consumer, ConsumerErrorKind error, const char *errstr);

/* Set the error for an error code of a request or partition; ignores those that librdkafka retries. */
extern void consumer_error_set_code(Consumer *consumer, rd_kafka_resp_err_t err);

/* A broker has responded: clear errors of connection and authentication. */
extern void consumer_error_clear_connection(Consumer *consumer);

/* Update the error from the events of the connection. */
extern void consumer_error_refresh(Consumer *consumer);

/* Callback for librdkafka's statistics; the argument is the consumer. */
extern void consumer_error_on_stats(void *arg, const char *json);

#endif /* STREAMBATCH_CONSUMER_PRIVATE_H */

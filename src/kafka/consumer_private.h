/*
 * consumer_private.h
 *		What consumer.c, consumer_offsets.c and consumer_errors.c share of a consumer. Private to them.
 */
#ifndef STREAMBATCH_CONSUMER_PRIVATE_H
#define STREAMBATCH_CONSUMER_PRIVATE_H

#include "kafka/connection.h"
#include "kafka/consumer.h"
#include "utils/timestamp.h"

#define UNIX_TO_PG_USECS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

typedef struct PartitionState
{
	bool assigned;
	int64 position;	  /* negative until the broker has said where reading begins */
	int64 stable_end; /* last stable offset; -1 not known */
	bool eof;		  /* EOF was the last that came */
	bool restart;	  /* something broken came: to be read on behind it */
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
	int known_partitions; /* as the statistics tell; -1 before the first */
	MemoryContext context;
	MemoryContextCallback callback;
};

/* Put error in the place of what is there, with librdkafka's words. */
extern void consumer_error_set(Consumer *consumer, ConsumerErrorKind error, const char *words);

/* What the error of a request or of a partition means; nothing where librdkafka gets over it by itself. */
extern void consumer_error_of_error(Consumer *consumer, rd_kafka_resp_err_t err);

/* A broker has answered: brokers being away or refusing us is over. */
extern void consumer_error_clear_connection(Consumer *consumer);

/* Look at what the connection's callbacks have noted. */
extern void consumer_error_refresh(Consumer *consumer);

/* The reader of librdkafka's statistics; the argument is the consumer. */
extern void consumer_error_on_stats(void *arg, const char *json);

#endif /* STREAMBATCH_CONSUMER_PRIVATE_H */

/*
 * producer.h
 *		Writing messages to a topic.
 *
 * A producer is idempotent: a message that is sent again appears in the log once, and messages keep their
 * order within a partition. It is freed with the memory context in which it was opened (reset callback);
 * messages that have not been sent by then are dropped.
 */
#ifndef STREAMBATCH_PRODUCER_H
#define STREAMBATCH_PRODUCER_H

#include "lib/stringinfo.h"

#define PRODUCER_ANY_PARTITION (-1) /* by the hash of the key, as in Java clients */

typedef struct Producer Producer;
typedef struct HeaderList HeaderList;

/* A message to be sent. */
typedef struct OutgoingMessage
{
	int32 partition;  /* or PRODUCER_ANY_PARTITION */
	int64 timestamp;  /* milliseconds since 1970; 0: now */
	StringInfo key;	  /* NULL: none */
	StringInfo value; /* NULL: a tombstone */
	const HeaderList *headers;
} OutgoingMessage;

/* Headers from jsonb, in the current context. Raises an error if the value is not an array of headers. */
extern HeaderList *headers_parse(Datum jsonb);

/*
 * Open a producer with the options of the foreign server and the user mapping of the given role; "stream" is
 * for error messages. Does not wait for the broker.
 */
extern Producer *producer_open(Oid server, const char *topic, Oid role, const char *stream);

/*
 * Pass a message to librdkafka, which copies it; waits while its queue is full. Raises an error if the topic does
 * not exist, or if sending an earlier message has failed.
 */
extern void producer_send(Producer *producer, const OutgoingMessage *message);

/* Wait until the brokers have acknowledged all messages, and close. Raises an error if that fails. */
extern void producer_finish(Producer *producer);

#endif /* STREAMBATCH_PRODUCER_H */

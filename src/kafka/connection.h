/*
 * connection.h
 *		A librdkafka client for a foreign server: configuration, errors, shutdown. Private to kafka/.
 */
#ifndef STREAMBATCH_CONNECTION_H
#define STREAMBATCH_CONNECTION_H

#include "kafka/client.h"
#include "lib/ilist.h"

typedef enum ConnectionKind
{
	CONNECT_WORKER, /* reads continuously */
	CONNECT_SCAN,	/* reads once, up to a fixed end */
	CONNECT_REPLAY, /* the same, but perhaps for hours */
	CONNECT_PRODUCE
} ConnectionKind;

/*
 * The last events reported by librdkafka. Written by its callbacks, which run in the backend's own thread,
 * inside connection_poll().
 */
typedef struct ConnectionEvents
{
	bool all_down;		  /* no broker was reachable; reset by the owner when one responds */
	uint64 interruptions; /* how often that happened */
	bool auth_failed;
	bool topic_unknown; /* the topic or one of its partitions; reset by the owner on a new assignment */
	bool fatal;
	bool too_large;	   /* a response was longer than the limit; stays set */
	char message[256]; /* librdkafka's message for the last error */
} ConnectionEvents;

typedef struct Connection
{
	Client client;
	dlist_node node; /* in the list of open connections of this process */
	ConnectionEvents events;
	bool no_memory;		  /* for a queue: a consumer can ask, but not read */
	bool receive_limited; /* "fetch.max.bytes" or streambatch.prefetch can raise the limit of a response */
	void (*on_stats)(
		void *arg,
		const char
			*json); /* set before opening to get statistics every second; called by connection_poll() */
	void (*on_delivery)(void *arg,
						const rd_kafka_message_t *message); /* for producers; called by connection_poll() */
	void (*close)(void *arg); /* closes the owner, which calls connection_close(); set before opening */
	void *arg;				  /* the owner */
} Connection;

/*
 * Fill in connection->client for a foreign server, with the user mapping of the role or of PUBLIC, if any. Raises
 * an error for invalid options and missing privileges, never for an unreachable broker. The caller must close it.
 */
extern void connection_open(Connection *connection, Oid server, Oid role, ConnectionKind kind);

/* Run librdkafka's callbacks: errors, statistics, delivery reports. */
extern int connection_poll(Connection *connection, int timeout_ms);

/*
 * A wait for a broker is divided into slices: the length of the first and of the next slice. Between slices,
 * callbacks run, which report unreachable brokers. A response that arrives after its slice is lost, so slices grow, and a wait of at most one second is not divided.
 */
static inline int
connection_slice(int timeout_ms)
{
	return timeout_ms <= 1000 ? timeout_ms : 250;
}

static inline int
connection_next_slice(int slice, int timeout_ms)
{
	return Min(Min(slice * 2, 2000), Max(timeout_ms, 1));
}

/*
 * Request the number of partitions of a topic. Can be interrupted. Returns -1 on failure, with the reason in
 * *err and possibly in the events.
 */
extern int connection_partition_count(Connection *connection, rd_kafka_topic_t *topic, int timeout_ms,
									  rd_kafka_resp_err_t *err);

/*
 * Destroy the client; waits a moment for its threads (client.h). Safe to call twice. At process exit, the
 * owners of open connections are closed, because the topics, queues and messages that they hold would prevent
 * the client from being destroyed.
 */
extern void connection_close(Connection *connection);

#endif /* STREAMBATCH_CONNECTION_H */

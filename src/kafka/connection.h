/*
 * connection.h
 *		A client of librdkafka for a server: its configuration, its errors, its end. Private to kafka/.
 */
#ifndef STREAMBATCH_CONNECTION_H
#define STREAMBATCH_CONNECTION_H

#include "kafka/client.h"
#include "lib/ilist.h"

typedef enum ConnectionKind
{
	CONNECT_WORKER, /* reads all day */
	CONNECT_SCAN,	/* reads once, to an end */
	CONNECT_PRODUCE
} ConnectionKind;

/*
 * What librdkafka reported last. EpochFilter by its callbacks, which run in the backend's own thread, inside
 * connection_poll().
 */
typedef struct ConnectionEvents
{
	bool all_down; /* no broker was reachable; reset by whoever sees one again */
	bool auth_failed;
	bool topic_unknown; /* the topic or one of its partitions; reset by whoever asks for another */
	bool fatal;
	char message[256]; /* the last error, in librdkafka's words */
} ConnectionEvents;

typedef struct Connection
{
	Client client;
	dlist_node node; /* of all that are open in this process */
	ConnectionEvents events;
	void (*on_stats)(
		void *arg, const char *json); /* set before opening for statistics every second; called by polling */
	void (*on_delivery)(void *arg, const rd_kafka_message_t *message); /* for producers; called by polling */
	void (*close)(void *arg); /* ends the owner, who calls connection_close(); set before opening */
	void *arg;				  /* the owner */
} Connection;

/*
 * Fill in connection->client for a foreign server, with the user mapping of the role, PUBLIC's, or none. Raises
 * on bad options and missing privileges, never for an unreachable broker. The caller closes.
 */
extern void connection_open(Connection *connection, Oid server, Oid role, ConnectionKind kind);

/* Let librdkafka's callbacks run: errors, statistics, delivery reports. */
extern int connection_poll(Connection *connection, int timeout_ms);

/*
 * The slices that a wait for a broker is cut in, first and next. In between callbacks run, which tell of
 * brokers that are away, and a process that exits waits for the slice at hand. A reply that comes after its
 * slice is lost: hence growing ones, and a wait of at most a second in one piece.
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
 * Ask the broker for the number of a topic's partitions; interrupts are heard meanwhile. -1: *err says why,
 * and the events perhaps more.
 */
extern int connection_partition_count(Connection *connection, rd_kafka_topic_t *topic, int timeout_ms,
									  rd_kafka_resp_err_t *err);

/*
 * End the client; waits for its threads, not for the network. Safe to call twice. A process that exits has
 * the owners of those that are open closed: what they hold of the client, topics, queues and messages, would
 * keep it from ending.
 */
extern void connection_close(Connection *connection);

#endif /* STREAMBATCH_CONNECTION_H */

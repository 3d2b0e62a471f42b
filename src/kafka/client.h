/*
 * client.h
 *		The handle of a librdkafka client: made, and destroyed when nobody uses it any more. Private to kafka/.
 */
#ifndef STREAMBATCH_CLIENT_H
#define STREAMBATCH_CLIENT_H

#include <librdkafka/rdkafka.h>

/*
 * What librdkafka's callbacks are given, malloc'ed: its threads read it for as long as there is the client,
 * perhaps after the owner's memory has gone (client_calls.h).
 */
typedef struct ClientArgument
{
	void *owner;								 /* for callbacks in our thread */
	char allowed_brokers[FLEXIBLE_ARRAY_MEMBER]; /* streambatch.allowed_brokers as of opening */
} ClientArgument;

typedef struct ClientCall ClientCall;

typedef struct Client
{
	rd_kafka_t *rk; /* NULL: closed */
	ClientArgument *argument;
	ClientCall *call; /* that waits for its answer, or NULL */
} Client;

extern ClientArgument *client_argument(void *owner, const char *allowed_brokers);

/*
 * Fill in the client. Takes the configuration and the argument over, whatever happens. Raises what librdkafka
 * says of the configuration.
 */
extern void client_create(Client *client, rd_kafka_type_t type, rd_kafka_conf_t *conf,
						  ClientArgument *argument);

/* Waits for its threads, not for the network. In any thread; calls nothing of PostgreSQL. */
extern void client_destroy(rd_kafka_t *rk, ClientArgument *argument);

#endif /* STREAMBATCH_CLIENT_H */

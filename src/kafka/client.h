/*
 * client.h
 *		A librdkafka client handle: creation and destruction. Private to kafka/.
 */
#ifndef STREAMBATCH_CLIENT_H
#define STREAMBATCH_CLIENT_H

#include "kafka/metadata_watch.h"

/*
 * The argument of librdkafka's callbacks. malloc'ed, because its threads read it until the client is
 * destroyed, possibly after the owner's memory context is freed (client_calls.h).
 */
typedef struct ClientArgument
{
	void *owner; /* for callbacks in our thread */
	MetadataWatch metadata;
	char allowed_brokers[FLEXIBLE_ARRAY_MEMBER]; /* streambatch.allowed_brokers as of opening */
} ClientArgument;

typedef struct ClientCall ClientCall;

typedef struct Client
{
	rd_kafka_t *rk; /* NULL: closed */
	ClientArgument *argument;
	ClientCall *call; /* in progress, or NULL */
} Client;

extern ClientArgument *client_argument(void *owner, const char *allowed_brokers);

/*
 * Fill in the client. Takes ownership of the configuration and the argument, also on error. Raises an error if
 * librdkafka rejects the configuration.
 */
extern void client_create(Client *client, rd_kafka_type_t type, rd_kafka_conf_t *conf,
						  ClientArgument *argument);

/* Waits for its threads, not for the network. Can be called in any thread; does not call PostgreSQL. */
extern void client_destroy(rd_kafka_t *rk, ClientArgument *argument);

#endif /* STREAMBATCH_CLIENT_H */

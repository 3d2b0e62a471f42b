/*
 * client.h
 *		A librdkafka client handle: creation and destruction. Private to kafka/.
 */
#ifndef STREAMBATCH_CLIENT_H
#define STREAMBATCH_CLIENT_H

#include <pthread.h>

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

/*
 * Close a client whose topics, queues and messages have been destroyed. Its threads may still wait for a name
 * server; they are given a moment to end, and then left to end by themselves.
 */
extern void client_close(rd_kafka_t *rk, ClientArgument *argument);

/*
 * For a thread that destroys a client itself: client_closing() announces it, in the main thread, and
 * client_destroy() waits for the client's threads, however long. Does not call PostgreSQL.
 */
extern void client_closing(void);
extern void client_destroy(rd_kafka_t *rk, ClientArgument *argument);

/* Start a thread that has all signals but SIGABRT blocked. Returns false if there is none to be had. */
extern bool client_start_thread(pthread_t *thread, void *(*run)(void *), void *arg);

/*
 * For process exit, in a callback of proc_exit(): before the open clients are closed, and after. The second waits
 * a moment for the clients being destroyed; if that is not enough, the process ends without exit()'s handlers.
 */
extern void client_exiting(void);
extern void client_exit(int code);

#endif /* STREAMBATCH_CLIENT_H */

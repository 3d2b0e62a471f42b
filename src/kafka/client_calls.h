/*
 * client_calls.h
 *		Requests to brokers that can be interrupted. Private to kafka/.
 */
#ifndef STREAMBATCH_CLIENT_CALLS_H
#define STREAMBATCH_CLIENT_CALLS_H

#include "kafka/client.h"

/*
 * One request, and its answer; interrupts are heard meanwhile, and after it. The latch, where it was set, is set
 * again. One call at a time per client.
 */
extern rd_kafka_resp_err_t client_partition_count(Client *client, const char *topic, int timeout_ms,
												  int *count);

/* Offsets as consumer_query_offsets() takes them; replaced only if all are known. */
extern rd_kafka_resp_err_t client_offsets(Client *client, const char *topic, const int32 *partitions,
										  int64 *offsets, int n, int timeout_ms);

/*
 * The client is closed. True where its call has no answer yet: the client is destroyed as soon as there is one,
 * and nobody must touch it any more.
 */
extern bool client_calls_leave(Client *client);

/* Wait until no client is left that client_calls_leave() has taken over: before the process exits. */
extern void client_calls_wait_for_left(void);

#endif /* STREAMBATCH_CLIENT_CALLS_H */

/*
 * client_calls.h
 *		Interruptible requests to brokers. Private to kafka/.
 */
#ifndef STREAMBATCH_CLIENT_CALLS_H
#define STREAMBATCH_CLIENT_CALLS_H

#include "kafka/client.h"

/*
 * Send one request and wait for the response. Interrupts are processed during and after the wait. If the latch
 * was set meanwhile, it is set again. One call at a time per client.
 */
extern rd_kafka_resp_err_t client_partition_count(Client *client, const char *topic, int timeout_ms,
												  int *count);

/* Offsets as for consumer_query_offsets(); replaced only if the request succeeds for all partitions. */
extern rd_kafka_resp_err_t client_offsets(Client *client, const char *topic, const int32 *partitions,
										  int64 *offsets, int n, int timeout_ms);

/*
 * End the client's call, if any, before the client is closed. Returns true if the call is still in progress: its
 * thread will destroy the client, and the caller must not use it any more.
 */
extern bool client_calls_abandon(Client *client);

#endif /* STREAMBATCH_CLIENT_CALLS_H */

/*
 * ask.h
 *		Questions to brokers that can be interrupted. Private to source/.
 */
#ifndef STREAMBATCH_ASK_H
#define STREAMBATCH_ASK_H

#include "source/connection.h"

/*
 * One request, and its answer; interrupts are heard meanwhile, and after it. The latch, where it was set, is set
 * again. One question at a time per connection.
 */
extern rd_kafka_resp_err_t ask_partition_count(Connection *connection, const char *topic, int timeout_ms,
											   int *count);

/* Offsets as consumer_query_offsets() takes them; replaced only if all are known. */
extern rd_kafka_resp_err_t ask_offsets(Connection *connection, const char *topic, const int32 *partitions,
									   int64 *offsets, int n, int timeout_ms);

/*
 * The connection closes. Where its question has no answer yet, true: the client is destroyed as soon as it
 * has, and nobody must touch it any more.
 */
extern bool ask_leave(Connection *connection);

/* Wait until no client is left that ask_leave() has taken over: before the process exits. */
extern void ask_wait_for_left(void);

#endif /* STREAMBATCH_ASK_H */

/*
 * headers.h
 *		A message's headers from jsonb. Private to source/; the way back is message_headers() in consumer.h.
 */
#ifndef STREAMBATCH_HEADERS_H
#define STREAMBATCH_HEADERS_H

#include <librdkafka/rdkafka.h>

/* The caller owns the list (rd_kafka_headers_destroy, or librdkafka with a message). Raises where the value is no array of headers. */
extern rd_kafka_headers_t *headers_from_jsonb(Datum jsonb);

#endif							/* STREAMBATCH_HEADERS_H */

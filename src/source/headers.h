/*
 * headers.h
 *		A message's headers from jsonb. Private to source/; the way back is message_headers() in consumer.h.
 */
#ifndef STREAMBATCH_HEADERS_H
#define STREAMBATCH_HEADERS_H

#include <librdkafka/rdkafka.h>

/* UTF-8; a value of NULL is none. */
typedef struct HeaderList
{
	int n;
	char **keys;
	char **values;
} HeaderList;

/* In the current context. Raises where the value is no array of headers. */
extern HeaderList *headers_parse(Datum jsonb);

/*
 * The caller owns the result (rd_kafka_headers_destroy), until librdkafka takes it over with a message.
 * Raises nothing.
 */
extern rd_kafka_headers_t *headers_make(const HeaderList *list);

#endif /* STREAMBATCH_HEADERS_H */

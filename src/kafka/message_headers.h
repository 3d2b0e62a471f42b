/*
 * message_headers.h
 *		Headers of messages to be sent, as librdkafka has them. Private to kafka/.
 */
#ifndef STREAMBATCH_MESSAGE_HEADERS_H
#define STREAMBATCH_MESSAGE_HEADERS_H

#include <librdkafka/rdkafka.h>

#include "kafka/producer.h"

/* UTF-8; a value of NULL is none. */
struct HeaderList
{
	int n;
	char **keys;
	char **values;
};

/*
 * The caller owns the result (rd_kafka_headers_destroy), until librdkafka takes it over with a message.
 * Raises nothing.
 */
extern rd_kafka_headers_t *headers_make(const HeaderList *list);

#endif /* STREAMBATCH_MESSAGE_HEADERS_H */

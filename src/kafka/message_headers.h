/*
 * message_headers.h
 *		Headers of outgoing messages in librdkafka's representation. Private to kafka/.
 */
#ifndef STREAMBATCH_MESSAGE_HEADERS_H
#define STREAMBATCH_MESSAGE_HEADERS_H

#include <librdkafka/rdkafka.h>

#include "kafka/producer.h"

/* UTF-8; a NULL value means no value. */
struct HeaderList
{
	int n;
	char **keys;
	char **values;
};

/*
 * The caller owns the result (rd_kafka_headers_destroy) until it is passed to librdkafka with a message. Raises
 * no error.
 */
extern rd_kafka_headers_t *headers_make(const HeaderList *list);

#endif /* STREAMBATCH_MESSAGE_HEADERS_H */

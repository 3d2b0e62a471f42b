/*
 * message.h
 *		One Kafka message: borrowed bytes and a position.
 */
#ifndef STREAMBATCH_MESSAGE_H
#define STREAMBATCH_MESSAGE_H

#include "datatype/timestamp.h"

typedef struct Message
{
	int32 partition;
	int64 offset;
	bool has_timestamp;
	TimestampTz timestamp; /* microseconds since 2000-01-01, as everywhere in PostgreSQL */
	const char *key;	   /* NULL: no key */
	size_t key_len;
	const char *payload; /* NULL: tombstone, or broken */
	size_t payload_len;
	const char *
		broken; /* NULL, or why librdkafka could not read the message (corrupt or unsupported data): a dead letter */
	void *handle;		 /* private to the consumer (for headers) */
	const void *headers; /* of a message that is not a consumer's: its headers as jsonb; NULL: none */
} Message;

/* The headers of a message as jsonb (array of {"key", "value"}), or *isnull. In the current context. */
extern Datum message_headers(const Message *message, bool *isnull);

#endif /* STREAMBATCH_MESSAGE_H */

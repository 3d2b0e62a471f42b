/*
 * message.h
 *		One Kafka message as the rest of the program sees it: borrowed bytes and a position.
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
		broken; /* NULL, or why librdkafka could not read what lies there: corrupt or unknown bytes, a dead letter */
	void *handle; /* the consumer's own (for headers); never touched by others */
} Message;

/* The headers of a message as a jsonb Datum (array of {"key","value"}), or NULL-flag. Current context. */
extern Datum message_headers(const Message *message, bool *isnull);

#endif /* STREAMBATCH_MESSAGE_H */

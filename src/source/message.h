/*
 * message.h
 *		One Kafka message as the rest of the program sees it: borrowed bytes and a position.
 */
#ifndef STREAMBATCH_MESSAGE_H
#define STREAMBATCH_MESSAGE_H

#include "datatype/timestamp.h"

typedef struct Message
{
	int32		partition;
	int64		offset;
	bool		has_timestamp;
	TimestampTz timestamp;		/* microseconds since 2000-01-01, as everywhere in PostgreSQL */
	const char *key;			/* NULL: no key */
	size_t		key_len;
	const char *payload;		/* NULL: tombstone */
	size_t		payload_len;
	void	   *handle;			/* the consumer's own (for headers); never touched by others */
} Message;

#endif							/* STREAMBATCH_MESSAGE_H */

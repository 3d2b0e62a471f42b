/*
 * fingerprint.c
 *		Fingerprints of messages (see fingerprint.h).
 *
 * A fingerprint consists of offset, timestamp, and a 64-bit hash of key and payload. If a producer sends the same
 * messages to the recreated topic, they differ by their timestamps. The hash function is PostgreSQL's; it does not
 * change, because hash partitioning depends on it.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "worker/fingerprint.h"

static int64 hash_message(const Message *message);
static uint64 hash_part(const char *bytes, size_t length, uint64 seed);

Fingerprint
fingerprint_of(const Message *message)
{
	return (Fingerprint){.known = true,
						 .offset = message->offset,
						 .has_timestamp = message->has_timestamp,
						 .timestamp = message->has_timestamp ? message->timestamp : 0,
						 .hash = hash_message(message)};
}

bool
fingerprint_matches(const Fingerprint *print, const Message *message)
{
	Fingerprint found = fingerprint_of(message);

	return print->offset == found.offset && print->has_timestamp == found.has_timestamp &&
		   print->timestamp == found.timestamp && print->hash == found.hash;
}

static int64
hash_message(const Message *message)
{
	uint64 key = hash_part(message->key, message->key_len, 1);

	return (int64) hash_part(message->payload, message->payload_len, key);
}

/* No bytes and an empty string are different parts. */
static uint64
hash_part(const char *bytes, size_t length, uint64 seed)
{
	if (bytes == NULL)
		return seed + 1;
	return hash_bytes_extended((const unsigned char *) bytes, (int) length, seed);
}

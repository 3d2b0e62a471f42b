/*
 * fingerprint.h
 *		Fingerprints of messages: whether a message that is read again is the same.
 */
#ifndef STREAMBATCH_FINGERPRINT_H
#define STREAMBATCH_FINGERPRINT_H

#include "common/catalog_stream.h"
#include "kafka/message.h"

/* The fingerprint of a message that is not broken. */
extern Fingerprint fingerprint_of(const Message *message);

/* Whether a message at the same offset is the same one. */
extern bool fingerprint_matches(const Fingerprint *print, const Message *message);

#endif /* STREAMBATCH_FINGERPRINT_H */

/*
 * decoded_batch.h
 *		Messages taken from the consumer, as a micro-batch of decoded rows.
 */
#ifndef STREAMBATCH_DECODED_BATCH_H
#define STREAMBATCH_DECODED_BATCH_H

#include "message/decode.h"
#include "stream/micro_batch.h"
#include "stream/stream.h"
#include "worker/dead_letters.h"
#include "worker/positions.h"

#define DECODED_BATCH_MAX 4096

typedef struct DecodedBatch
{
	const Stream *stream;
	Decoder *decoder;
	MemoryContext context; /* the rows' by-reference values; reset by decoded_batch_clear() */
	Message *messages;	   /* borrowed from the consumer until consumer_release() */
	int nmessages;
	MicroBatch batch;
	int *message_of; /* the message of each row */
} DecodedBatch;

/* Buffers in the current context. columns: what to decode (NULL: all). */
extern void decoded_batch_init(DecodedBatch *decoded, const Stream *stream, const Bitmapset *columns);

/*
 * Decode the messages just taken (decoded->messages, nmessages): rows into decoded->batch, what does not decode
 * or has no proper event time into dead_letters. Tombstones are counted and skipped. Notes event times in
 * positions. Runs in subtransactions of the caller's transaction, as the role and under the settings that the
 * caller's guard set.
 */
extern void decoded_batch_decode(DecodedBatch *decoded, Positions *positions, DeadLetters *dead_letters,
								 StreamCounts *counts);

/* Take a row out: the archive refused it. */
extern void decoded_batch_remove(DecodedBatch *decoded, const bool *removed);

extern void decoded_batch_clear(DecodedBatch *decoded);

#endif /* STREAMBATCH_DECODED_BATCH_H */

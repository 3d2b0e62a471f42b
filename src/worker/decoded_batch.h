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
	bool careful; /* an error becomes the dead letter of its message; otherwise it is raised */
	const Stream *stream;
	Decoder *decoder;
	bool names_objects;	   /* a column's type is regclass or its kin: see dead_letters_is_decoding_error() */
	MemoryContext context; /* by-reference values of the rows; reset by decoded_batch_clear() */
	Message *messages;	   /* borrowed from the consumer until consumer_release() */
	int nmessages;
	MicroBatch batch;
	int *message_of; /* the message of each row */
} DecodedBatch;

/* Allocate buffers in the current context. columns: those to decode (NULL: all). */
extern void decoded_batch_init(DecodedBatch *decoded, const Stream *stream, const Bitmapset *columns);

/*
 * Decode decoded->messages (nmessages of them) into rows of decoded->batch. Messages that cannot be decoded
 * or have no valid event time are added to dead_letters; tombstones are counted and skipped. Records offsets
 * and event times in positions. Runs in subtransactions of the caller's transaction, with the role and
 * settings of the caller's guard.
 */
extern void decoded_batch_decode(DecodedBatch *decoded, Positions *positions, DeadLetters *dead_letters,
								 StreamCounts *counts);

/* Remove the rows with removed[row] set, which the archive rejected. */
extern void decoded_batch_remove(DecodedBatch *decoded, const bool *removed);

extern void decoded_batch_clear(DecodedBatch *decoded);

#endif /* STREAMBATCH_DECODED_BATCH_H */

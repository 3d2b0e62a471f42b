/*
 * intake.h
 *		Messages taken from the consumer, as a micro-batch of decoded rows.
 */
#ifndef STREAMBATCH_INTAKE_H
#define STREAMBATCH_INTAKE_H

#include "message/decode.h"
#include "stream/micro_batch.h"
#include "stream/stream.h"
#include "worker/dead_letters.h"
#include "worker/positions.h"

#define INTAKE_MAX 4096

typedef struct Intake
{
	const Stream *stream;
	Decoder *decoder;
	MemoryContext context; /* the rows' by-reference values; reset by intake_clear() */
	Message *messages;	   /* borrowed from the consumer until consumer_release() */
	int nmessages;
	MicroBatch batch;
	int *message_of; /* the message of each row */
} Intake;

/* Buffers in the current context. columns: what to decode (NULL: all). */
extern void intake_init(Intake *intake, const Stream *stream, const Bitmapset *columns);

/*
 * Decode the messages just taken (intake->messages, nmessages): rows into intake->batch, what does not decode
 * or has no proper event time into dead_letters. Tombstones are counted and skipped. Notes event times in
 * positions. Runs in subtransactions of the caller's transaction, as the role and under the settings that the
 * caller's guard set.
 */
extern void intake_decode(Intake *intake, Positions *positions, DeadLetters *dead_letters,
						  StreamCounts *counts);

/* Take a row out: the archive refused it. */
extern void intake_remove(Intake *intake, const bool *removed);

extern void intake_clear(Intake *intake);

#endif /* STREAMBATCH_INTAKE_H */

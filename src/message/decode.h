/*
 * decode.h
 *		Decoding messages to rows: payload fields and metadata as Datums of the stream's column types.
 */
#ifndef STREAMBATCH_DECODE_H
#define STREAMBATCH_DECODE_H

#include "kafka/message.h"
#include "message/layout.h"
#include "nodes/bitmapset.h"

typedef struct Decoder Decoder;

/*
 * Create a decoder for the columns in attnums (Bitmapset of attribute numbers; NULL: all), in the current
 * context. Raises an error if the path or type of a column is not supported.
 */
extern Decoder *decoder_create(const MessageLayout *layout, const Bitmapset *attnums);

/*
 * Decode one message: values and isnull have an element per column of the stream; columns that are not requested
 * are NULL. By-reference Datums are allocated in the current context or point into the message. If the message
 * cannot be decoded, raises an error with the SQLSTATE and message for the dead letter: the caller must be in a
 * subtransaction. A tombstone must not be passed.
 */
extern void decoder_decode(Decoder *decoder, const Message *message, Datum *values, bool *isnull);

#endif /* STREAMBATCH_DECODE_H */

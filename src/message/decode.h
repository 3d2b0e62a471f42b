/*
 * decode.h
 *		Messages into rows: payload fields and metadata as Datums of the stream's column types.
 */
#ifndef STREAMBATCH_DECODE_H
#define STREAMBATCH_DECODE_H

#include "kafka/message.h"
#include "message/layout.h"
#include "nodes/bitmapset.h"

typedef struct Decoder Decoder;

/*
 * A decoder for the columns in attnums (Bitmapset of attribute numbers; NULL: all). Lives in the current
 * context. Raises where a column's path or type cannot work.
 */
extern Decoder *decoder_create(const MessageLayout *layout, const Bitmapset *attnums);

/*
 * Decode one message: values and isnull have an element per column of the stream; those not asked for are
 * NULL. By-reference Datums are allocated in the current context or point into the message. Raises with the
 * SQLSTATE and words for the dead letter where the message does not decode: the caller holds a
 * subtransaction. A tombstone must not be passed.
 */
extern void decoder_decode(Decoder *decoder, const Message *message, Datum *values, bool *isnull);

#endif /* STREAMBATCH_DECODE_H */

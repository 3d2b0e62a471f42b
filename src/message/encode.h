/*
 * encode.h
 *		Encoding rows as JSON payloads: the reverse of decode.h.
 */
#ifndef STREAMBATCH_ENCODE_H
#define STREAMBATCH_ENCODE_H

#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "message/layout.h"

typedef struct Encoder Encoder;

/* Create an encoder for the columns that are fields of the payload, in the current context. */
extern Encoder *encoder_create(const MessageLayout *layout);

/*
 * Append a row as one JSON object in UTF-8; NULL columns are omitted. Temporary memory is in the current context.
 * Raises an error if the path of a non-NULL column indexes an array, or several columns set the same field.
 */
extern void encoder_encode(Encoder *encoder, TupleTableSlot *slot, StringInfo out);

#endif /* STREAMBATCH_ENCODE_H */

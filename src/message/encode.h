/*
 * encode.h
 *		Rows into JSON payloads: the reverse of decode.h.
 */
#ifndef STREAMBATCH_ENCODE_H
#define STREAMBATCH_ENCODE_H

#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "message/layout.h"

typedef struct Encoder Encoder;

/* An encoder for the stream's columns that are fields of the payload. Lives in the current context. */
extern Encoder *encoder_create(const MessageLayout *layout);

/*
 * Append a row as one JSON object in UTF-8; NULL columns are left out. Uses the current context for scratch.
 * Raises where a value has no place: the column's path indexes an array, or two columns would write one
 * field.
 */
extern void encoder_encode(Encoder *encoder, TupleTableSlot *slot, StringInfo out);

#endif /* STREAMBATCH_ENCODE_H */

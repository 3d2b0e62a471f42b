/*
 * watermark.h
 *		The watermark: the event time before which the stream believes to have seen everything.
 */
#ifndef STREAMBATCH_WATERMARK_H
#define STREAMBATCH_WATERMARK_H

#include "worker/positions.h"

/*
 * Compute the time up to which the watermark may move with the clock; it may be earlier than the previous one.
 * Returns false if there is none yet.
 */
extern bool watermark_limit(const Positions *positions, const Stream *stream, TimestampTz *limit);

#endif /* STREAMBATCH_WATERMARK_H */

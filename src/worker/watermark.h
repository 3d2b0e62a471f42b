/*
 * watermark.h
 *		The watermark: the event time before which the stream believes to have seen everything.
 */
#ifndef STREAMBATCH_WATERMARK_H
#define STREAMBATCH_WATERMARK_H

#include "worker/positions.h"

/*
 * Compute the current watermark, which may be earlier than the previous one. Returns false if there is none
 * yet.
 */
extern bool watermark_compute(const Positions *positions, const Stream *stream, TimestampTz *watermark);

#endif /* STREAMBATCH_WATERMARK_H */

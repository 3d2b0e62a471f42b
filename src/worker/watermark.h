/*
 * watermark.h
 *		The watermark: the event time before which the stream believes to have seen everything.
 */
#ifndef STREAMBATCH_WATERMARK_H
#define STREAMBATCH_WATERMARK_H

#include "worker/positions.h"

/* The watermark at this instant, which may be earlier than one before; false: none yet. */
extern bool watermark_compute(const Positions *positions, const Stream *stream, TimestampTz *watermark);

#endif /* STREAMBATCH_WATERMARK_H */

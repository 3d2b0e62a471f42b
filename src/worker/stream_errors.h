/*
 * stream_errors.h
 *		What stands between a worker and its topic, in words for streambatch.stat_stream.
 */
#ifndef STREAMBATCH_STREAM_ERRORS_H
#define STREAMBATCH_STREAM_ERRORS_H

#include "common/slots.h"
#include "kafka/consumer.h"
#include "stream/stream.h"

/* Fill in error; false where nothing stands in the way. */
extern bool stream_error_of_consumer(const ConsumerState *state, const Stream *stream, WorkerError *error);

/* The broker answers, and knows no such topic. */
extern void stream_error_no_topic(const Stream *stream, WorkerError *error);

/* The log holds [low, high) of a partition, and the offset to be read is not in it. */
extern void stream_error_gap(const Stream *stream, int32 partition, int64 offset, int64 low, int64 high,
							 WorkerError *error);

#endif /* STREAMBATCH_STREAM_ERRORS_H */

/*
 * stream_errors.h
 *		Errors of reading a topic, as shown in streambatch.stat_stream.
 */
#ifndef STREAMBATCH_STREAM_ERRORS_H
#define STREAMBATCH_STREAM_ERRORS_H

#include "common/slots.h"
#include "kafka/consumer.h"
#include "stream/stream.h"

/* Fill in the consumer's error. Returns false if there is none. */
extern bool stream_error_of_consumer(const ConsumerState *state, const Stream *stream, WorkerError *error);

/* The broker answers, but the topic does not exist. */
extern void stream_error_no_topic(const Stream *stream, WorkerError *error);

/* The topic has too few partitions: the stream names one that does not exist. */
extern void stream_error_no_partition(const Stream *stream, int32 partition, int count, WorkerError *error);

/* The offset to be read is not in [low, high), the range of offsets in the log. */
extern void stream_error_gap(const Stream *stream, int32 partition, int64 offset, int64 low, int64 high,
							 WorkerError *error);

/* The topic is not the one that the positions are of: how that shows. */
extern void stream_error_topic_changed(const Stream *stream, const char *change, WorkerError *error);

/* What was raised otherwise. */
extern void stream_error_raised(int sqlerrcode, const char *message, const char *hint, WorkerError *error);

#endif /* STREAMBATCH_STREAM_ERRORS_H */

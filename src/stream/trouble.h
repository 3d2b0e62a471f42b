/*
 * trouble.h
 *		What stands between a worker and its topic, in words for streambatch.stat_stream.
 */
#ifndef TROUBLE_H
#define TROUBLE_H

#include "common/slots.h"
#include "source/consumer.h"

/* Fill in error; false where nothing stands in the way. */
extern bool trouble_describe(const ConsumerState *state, const Stream *stream, WorkerError *error);

/* The broker answers, and knows no such topic. */
extern void trouble_no_topic(const Stream *stream, WorkerError *error);

/* The log holds [low, high) of a partition, and the offset to be read is not in it. */
extern void trouble_gap(const Stream *stream, int32 partition, int64 offset, int64 low, int64 high, WorkerError *error);

#endif							/* TROUBLE_H */

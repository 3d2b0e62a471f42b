/*
 * chunk_plan.h
 *		What a refresh computes: the ranges of time, and the chunks that they are divided into.
 *
 * A chunk is computed in one transaction and consists of whole panes. Results are allocated in the current context.
 */
#ifndef STREAMBATCH_CHUNK_PLAN_H
#define STREAMBATCH_CHUNK_PLAN_H

#include "batch/computation.h"
#include "batch/time_ranges.h"
#include "common/catalog_stream.h"

/* The arguments of refresh(). */
typedef struct RefreshRange
{
	bool has_from;
	TimestampTz from;
	bool has_to;
	TimestampTz to;
	bool full; /* including what is already covered */
} RefreshRange;

/*
 * The ranges to compute, for a cut that closed an epoch and the stream's row as of the cut. Raises a NOTICE if
 * the requested range was extended to whole panes.
 */
extern TimeRanges chunk_plan_ranges(const Computation *c, RefreshRange requested, int64 closed_epoch,
									const StreamRow *stream);

/* Divide ranges into chunks of about refresh_chunk_rows events each. */
extern TimeRanges chunk_plan_chunks(const Computation *c, const Cut *cut, TimeRanges ranges);

#endif /* STREAMBATCH_CHUNK_PLAN_H */

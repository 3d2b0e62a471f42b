/*
 * chunk_plan.h
 *		What a refresh computes: the ranges of time, and the chunks that they are cut into.
 *
 * A chunk is computed in one transaction and holds whole panes. Results are allocated in the current context.
 */
#ifndef STREAMBATCH_CHUNK_PLAN_H
#define STREAMBATCH_CHUNK_PLAN_H

#include "batch/computation.h"
#include "batch/time_ranges.h"
#include "common/catalog_stream.h"

/* What the user has asked for. */
typedef struct RefreshRange
{
	bool has_from;
	TimestampTz from;
	bool has_to;
	TimestampTz to;
	bool full; /* also what is covered already */
} RefreshRange;

/*
 * The ranges to compute, as of a cut that closed an epoch, and of the stream as it was then. Notes, as a
 * notice, where whole panes are more than what was asked for.
 */
extern TimeRanges chunk_plan_ranges(const Computation *c, RefreshRange asked, int64 closed_epoch,
									const StreamRow *stream);

/* Ranges cut into chunks that hold about refresh_chunk_rows events each. */
extern TimeRanges chunk_plan_chunks(const Computation *c, const Cut *cut, TimeRanges ranges);

#endif /* STREAMBATCH_CHUNK_PLAN_H */

/*
 * divide_ranges.h
 *		Dividing ranges of time into chunks.
 */
#ifndef STREAMBATCH_DIVIDE_RANGES_H
#define STREAMBATCH_DIVIDE_RANGES_H

#include "batch/chunk.h"
#include "batch/computation.h"

/*
 * Divide ranges into chunks of whole panes with about refresh_chunk_rows events below the cut each, or one pane
 * that has more. Without windows, the range is a chunk. Current context.
 */
extern Chunk *divide_ranges(const Computation *c, const Cut *cut, TimeRanges ranges, int *nchunks);

#endif /* STREAMBATCH_DIVIDE_RANGES_H */

/*
 * gone_panes.h
 *		Panes that were never refreshed, and whose events have left the archive.
 */
#ifndef STREAMBATCH_GONE_PANES_H
#define STREAMBATCH_GONE_PANES_H

#include "batch/chunk.h"
#include "batch/computation.h"

/*
 * After the batch rows of a range have been computed: where the stream layer is all that there is, since the archive
 * has no event. Panes that have no rows at all may be part of a range; npanes counts the others. Current context.
 */
extern TimeRanges gone_panes(const Computation *c, const Cut *cut, int64 closed_epoch, const Chunk *chunk,
							 int64 *npanes);

#endif /* STREAMBATCH_GONE_PANES_H */

/*
 * gone_panes.h
 *		Panes whose events have left the archive.
 *
 * Of a changed pane of which the batch layer has rows, they have left it if the archive has no event below the cut as of
 * which it is covered; of any other pane, if the stream layer has rows of it, and the archive has no event at all.
 */
#ifndef STREAMBATCH_GONE_PANES_H
#define STREAMBATCH_GONE_PANES_H

#include "batch/batch_statement.h"
#include "batch/chunk.h"

/*
 * After the batch rows of a range have been computed: where the stream layer is all that there is, since the archive
 * has no event. Panes that have no rows at all may be part of a range; npanes counts the others. Current context.
 */
extern TimeRanges gone_panes(const Computation *c, const Cut *cut, int64 closed_epoch, const Chunk *chunk,
							 int64 *npanes);

/* What the groups that were computed for a changed pane tell of its events. */
typedef struct PaneEvents
{
	bool any;
	bool earlier; /* than the cut as of which it is covered */
} PaneEvents;

/*
 * Of the changed panes of a chunk, those whose events have left the archive, before their rows are replaced. The archive is
 * read only for panes whose groups do not tell. "earlier" is the cut as of which they are covered.
 */
extern TimeRanges gone_changed_panes(const Computation *c, const BatchParameters *parameters,
									 const Chunk *chunk, const PaneEvents *events, int64 *npanes);

#endif /* STREAMBATCH_GONE_PANES_H */

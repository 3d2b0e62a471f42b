/*
 * computation.h
 *		Exact states of a hybrid view computed from its archive.
 */
#ifndef STREAMBATCH_COMPUTATION_H
#define STREAMBATCH_COMPUTATION_H

#include "batch/chunk.h"
#include "batch/cut.h"
#include "batch/pane_list.h"
#include "common/catalog_view.h"
#include "query/refresh_sql.h"
#include "stream/log_slice.h"

typedef struct Computation
{
	ViewRow view;
	ViewDef *def;
	Oid owner;	 /* of the view; all statements run as this role */
	Oid archive; /* or another relation that it is computed from; InvalidOid: the log */
	BatchSource source;
	LogSlice *slice;   /* of the log; NULL: a relation */
	Datum dead_epochs; /* positions of the view's dead letters: int[], int[], bigint[] */
	Datum dead_partitions;
	Datum dead_offsets;
} Computation;

/*
 * Analyse the stored query, and look up its source. Raises if the view was dropped, the stream has no
 * archive, or the view's owner may not read the stream. Current context.
 */
extern Computation *compute_open(const ViewRow *view);

/*
 * The same for another source (batch_source.h); NULL: the view's own, or the archive, or if there is none the log.
 * Raises also if it cannot be read, or lacks columns of the stream.
 */
extern Computation *compute_open_source(const ViewRow *view, const char *source);

/*
 * Raises feature_not_supported if row-level security would hide rows of the archive from the role that reads it for
 * a hybrid view.
 */
extern void compute_check_row_security(Oid archive, Oid owner);

/*
 * Read the positions of the view's dead letters, which computations skip, as compute_open() does. Called again
 * after the cut, for those added by the flushes before it. Current context.
 */
extern void compute_leave_out(Computation *c);

/*
 * Compute one chunk, in the caller's transaction: replace the batch rows of its panes by states computed from the
 * archive below the cut, and delete their stream rows of epochs up to the one that the cut closed. Without a
 * window: all rows. Returns the number of rows written, and the ranges of the panes that were left as they are
 * (chunk->keep_gone), with their number. Current context.
 */
extern int64 compute_chunk(const Computation *c, const Cut *cut, int64 closed_epoch, const Chunk *chunk,
						   TimeRanges *kept, int64 *nkept);

/* The panes of a chunk as arguments of its statements. Current context. */
extern PaneSet compute_chunk_panes(const Computation *c, const Chunk *chunk, const PaneList **list);

/* Whether an error may be the fault of an event or a group, so that other panes can be computed without it. */
extern bool compute_is_data_error(int sqlerrcode);

/*
 * Compute, from the archive below the cut, batch rows of the panes before "closed" and stream rows, of the
 * given epoch, of all other panes. Returns the number of rows written. The DETAIL of an error that an event raises
 * contains its position.
 */
extern int64 compute_history(const Computation *c, const Cut *cut, TimestampTz closed, int64 epoch);

/* Compute stream rows, of the given epoch, from the archive's events between two cuts. Returns their number. */
extern int64 compute_between(const Computation *c, const Cut *from, const Cut *to, int64 epoch);

#endif /* STREAMBATCH_COMPUTATION_H */

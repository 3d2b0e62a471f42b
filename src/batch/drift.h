/*
 * drift.h
 *		How much the values of a run differ from those that the view returned before.
 *
 * In the transaction of a chunk, before its rows are replaced, the values of its groups are read, which are those of the
 * batch rows merged with the stream rows of closed epochs; afterwards those of the new batch rows. Both come in the order
 * of the keys, so that they can be compared one by one. What was found so far is kept over the transactions of a run, and
 * a copy is extended by each chunk, for a chunk that fails leaves no trace.
 *
 * If a key cannot be sorted, or values cannot be read because an expression over them raises an error, nothing is compared.
 */
#ifndef STREAMBATCH_DRIFT_H
#define STREAMBATCH_DRIFT_H

#include "batch/computation.h"
#include "common/catalog_batch.h"

typedef struct Drift Drift;

/* A copy of what was found so far (NULL: nothing), as a child of this context. */
extern Drift *drift_begin(const Drift *so_far, const Computation *c, MemoryContext parent);

/* Around the computation of a chunk. kept: ranges whose rows were left as they are. A NULL drift: nothing is done. */
extern void drift_before(Drift *drift, int64 closed_epoch, const Chunk *chunk);
extern void drift_after(Drift *drift, const TimeRanges *kept);

/* What was found, for the run's row. Current context. */
extern void drift_store(const Drift *drift, RunProgress *done);

/* A NOTICE if values could not be compared. */
extern void drift_say_failure(const Drift *drift, const char *view);

/* Put another one, or NULL, in the place of one, which is freed unless NULL. */
extern void drift_replace(Drift **drift, Drift *by);

/*
 * Compare all values of two views, as of one snapshot, and store what was found in a run: for a view that replaces
 * another one. Keys and outputs are matched by name. Returns false if the keys are not the same, and so nothing can be
 * compared.
 */
extern bool drift_compare_views(const ViewRow *before, const ViewRow *after, int64 run);

#endif /* STREAMBATCH_DRIFT_H */

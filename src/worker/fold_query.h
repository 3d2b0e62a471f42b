/*
 * fold_query.h
 *		The fold query of a hybrid view, run over the micro-batch; failing rows become dead letters.
 */
#ifndef STREAMBATCH_FOLD_QUERY_H
#define STREAMBATCH_FOLD_QUERY_H

#include "worker/decoded_batch.h"
#include "worker/worker_view.h"

/* What became of a row: the maximum over all views. */
#define ROW_FILTERED 0
#define ROW_DEAD 1
#define ROW_FOLDED 2

/*
 * Run the view's fold query over the micro-batch, and raise taken[row] to what became of each row. Needs an active
 * snapshot.
 *
 * In careful mode (decoded->careful), rows for which the view's expressions or aggregates raise an error are added
 * to dead_letters if it is an error of the data (dead_letters.h); any other is stored in view->failure, and the fold
 * is then incomplete. Otherwise any error is raised, and leaves the fold half-changed.
 */
extern void fold_query_run(WorkerView *view, DecodedBatch *decoded, char *taken, DeadLetters *dead_letters);

/* Run the query over no row at all: raises what it raises before its first row. Needs an active snapshot. */
extern void fold_query_check(WorkerView *view);

/* Add what became of the rows to counts, after the queries of all views were run. */
extern void fold_query_count(const char *taken, int nrows, StreamCounts *counts);

#endif /* STREAMBATCH_FOLD_QUERY_H */

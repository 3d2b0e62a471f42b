/*
 * chunk_run.h
 *		Running the chunks of a refresh.
 */
#ifndef STREAMBATCH_CHUNK_RUN_H
#define STREAMBATCH_CHUNK_RUN_H

#include "batch/refresh_run.h"

/*
 * Compute a chunk and commit. If panes of it raise an error of the data, the others are computed, and the failing
 * ones counted in the run, which keeps the first error. Any other error ends the run.
 */
extern void chunk_run(Run *run, const Chunk *chunk);

/*
 * Record, in the caller's transaction, that the panes around changed ones are as of the cut: what the batch layer
 * covers between advance_from and advance_to, except what is kept.
 */
extern void chunk_advance(const Run *run, const Chunk *chunk);

#endif /* STREAMBATCH_CHUNK_RUN_H */

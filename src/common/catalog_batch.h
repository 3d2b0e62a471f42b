/*
 * catalog_batch.h
 *		The batch layers of hybrid views in the extension's tables: the coverage and the runs (see
 *		catalog_stream.h for what these functions have in common).
 */
#ifndef STREAMBATCH_CATALOG_BATCH_H
#define STREAMBATCH_CATALOG_BATCH_H

#include "datatype/timestamp.h"
#include "utils/array.h"

/* An interval [from, to) of panes; and the epoch that the cut closed, as of which the batch layer contains them. */
typedef struct Coverage
{
	TimestampTz from;
	TimestampTz to;
	int64 cut_epoch;
} Coverage;

typedef struct RunRow
{
	const char *kind;
	int64 cut_epoch;
	ArrayType *cut;
	int32 topic_epoch; /* of the cut */
	TimestampTz from;
	TimestampTz to;
} RunRow;

typedef struct RunProgress
{
	int chunks;
	int64 rows; /* written */
	int64 panes;
	/* of the run so far; drift: jsonb as text, NULL: nothing is compared */
	const char *drift;
	int64 compared;
	int64 differed;
} RunProgress;

/* The ranges that are covered, ordered by time. Current context. */
extern Coverage *catalog_coverage(int32 view_id, int *n);

/*
 * Record that a range is covered as of a cut; and that those parts of it that are covered are covered as of that cut.
 * Ranges that overlap it are shortened or split, and adjacent ones of the same cut are merged. An empty range: nothing.
 */
extern void catalog_cover(int32 view_id, const Coverage *range, TimestampTz cut_at);
extern void catalog_advance_coverage(int32 view_id, const Coverage *range, TimestampTz cut_at);

/* A run begins with the phase "planning". */
extern int64 catalog_begin_run(int32 view_id, Oid view, const RunRow *run);

/* What a run will compute: its range, the number of chunks, and that of panes (-1: not known). It computes from now on. */
extern void catalog_plan_run(int64 run, TimestampTz from, TimestampTz to, int chunks, int64 panes);
/* The phase that stat_progress_refresh shows. */
extern void catalog_run_phase(int64 run, const char *phase);
/* As if a run had not begun. */
extern void catalog_forget_run(int64 run);

/* The cut that closed an epoch, and its topic epoch. NULL if it is not known. Current context. */
extern ArrayType *catalog_run_cut(int32 view_id, int64 cut_epoch, int32 *topic_epoch);

/* Add what is done. */
extern void catalog_run_progress(int64 run, const RunProgress *done);
extern void catalog_end_run(int64 run, const ErrorData *error); /* NULL: successful */

/*
 * Mark running runs as failed, but not open batches (catalog_outside.h), which are bound to no session. The caller holds the
 * view's refresh lock, so their sessions have ended.
 */
extern void catalog_fail_abandoned_runs(int32 view_id);

#endif /* STREAMBATCH_CATALOG_BATCH_H */

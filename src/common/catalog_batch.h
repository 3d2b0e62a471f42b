/*
 * catalog_batch.h
 *		The batch layers of hybrid views in the extension's tables: the coverage and the runs (see
 *		catalog_stream.h for what these functions have in common).
 */
#ifndef STREAMBATCH_CATALOG_BATCH_H
#define STREAMBATCH_CATALOG_BATCH_H

#include "datatype/timestamp.h"
#include "utils/array.h"

typedef struct Coverage
{
	TimestampTz from;
	TimestampTz to;
} Coverage;

/* The ranges that are covered, ordered by time. Current context. */
extern Coverage *catalog_coverage(int32 view_id, int *n);

/* Record that [from, to) is covered as of a cut. Ranges that overlap it are shortened or split. */
extern void catalog_cover(int32 view_id, TimestampTz from, TimestampTz to, int64 cut_epoch,
						  TimestampTz cut_at);

extern int64 catalog_begin_run(int32 view_id, Oid view, const char *kind, int64 cut_epoch, ArrayType *cut,
							   TimestampTz from, TimestampTz to);
extern void catalog_run_chunks(int64 run, int chunks);
/* Add one chunk, and the rows that it wrote. */
extern void catalog_run_progress(int64 run, int64 rows);
extern void catalog_end_run(int64 run, const char *error); /* NULL: successful */

/* Mark running runs as failed. The caller holds the view's refresh lock, so their sessions have ended. */
extern void catalog_fail_abandoned_runs(int32 view_id);

#endif /* STREAMBATCH_CATALOG_BATCH_H */

/*
 * catalog_batch.h
 *		The batch layers of hybrid views in the extension's own tables, row by row; see catalog_stream.h: which
 *		times are covered, and the runs that covered them.
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

/* What is covered, in the order of time. */
extern Coverage *catalog_coverage(int32 view_id, int *n);

/* Note that [from, to) is covered as of a cut: what covered parts of it before is cut back or split. */
extern void catalog_cover(int32 view_id, TimestampTz from, TimestampTz to, int64 cut_epoch,
						  TimestampTz cut_at);

extern int64 catalog_begin_run(int32 view_id, Oid view, const char *kind, int64 cut_epoch, ArrayType *cut,
							   TimestampTz from, TimestampTz to);
extern void catalog_run_chunks(int64 run, int chunks);
/* One chunk more is done, of so many rows. */
extern void catalog_run_progress(int64 run, int64 rows);
extern void catalog_end_run(int64 run, const char *error); /* NULL: it is done */

/* A run that says "running" while nobody holds the view's refresh lock was killed. */
extern void catalog_fail_abandoned_runs(int32 view_id);

#endif /* STREAMBATCH_CATALOG_BATCH_H */

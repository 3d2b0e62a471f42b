/*
 * catalog_views.h
 *		The extension's own tables about hybrid views and their batch layers, row by row; see catalog.h.
 */
#ifndef STREAMBATCH_CATALOG_VIEWS_H
#define STREAMBATCH_CATALOG_VIEWS_H

#include "common/catalog.h"

typedef struct ViewRow
{
	Oid view;
	int32 id;
	Oid stream;
	int64 epoch;
	Interval max_staleness;
	Interval allowed_lateness;
	bool suspended;	 /* it is not folded: its query fails */
	bool incomplete; /* suspended, or being built again: only a refresh of everything makes it whole */
	ArrayType *settings;
} ViewRow;

typedef struct Coverage
{
	TimestampTz from;
	TimestampTz to;
} Coverage;

/* Views */
extern int32 catalog_next_view_id(void);
extern void catalog_insert_view(const ViewRow *row);
extern bool catalog_view(Oid view, ViewRow *row);
extern List *catalog_views_of(Oid stream);	/* of ViewRow *, in the order of their ids */
extern int64 catalog_raise_epoch(Oid view); /* returns the epoch that it closed */
extern void catalog_suspend_view(Oid view, int sqlerrcode, const char *message);
/* Positions of a view's dead letters as int[] and bigint[]; returns their number. */
extern void
catalog_set_view_state(Oid view, const char *state); /* building, or from building active; clears the error */
extern int64 catalog_view_dead_letters(Oid view, Datum *partitions, Datum *offsets);

/*
 * What stands behind hybrid views follows their owners: who owns a view owns its _layers, and may use its
 * internal objects; who owned it may no more. Raises the generation of the streams concerned, so that workers
 * run the views as who owns them now.
 */
extern void catalog_follow_owners(void);

/*
 * In an sql_drop event trigger: the ids of views that are dropped; forget them and streams. The latter
 * returns the streams concerned, of Oids.
 */
extern List *catalog_dropped_views(void);
extern List *catalog_forget_dropped(void);

/* Batch layer */
extern Coverage *catalog_coverage(int32 view_id, int *n);
extern void catalog_cover(int32 view_id, TimestampTz from, TimestampTz to, int64 cut_epoch,
						  TimestampTz cut_at);
extern int64 catalog_begin_run(int32 view_id, Oid view, const char *kind, int64 cut_epoch, ArrayType *cut,
							   TimestampTz from, TimestampTz to);
extern void catalog_run_chunks(int64 run, int chunks);
extern void catalog_run_progress(int64 run, int64 rows);
extern void catalog_end_run(int64 run, const char *error);
extern void catalog_fail_abandoned_runs(int32 view_id);

#endif /* STREAMBATCH_CATALOG_VIEWS_H */

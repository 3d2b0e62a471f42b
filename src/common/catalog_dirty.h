/*
 * catalog_dirty.h
 *		Dirty marks: panes of hybrid views whose archived events have been changed by anybody but the worker (see
 *		catalog_stream.h for what these functions have in common).
 *
 * A mark is a range of panes. Several marks may contain the same pane. One from infinity to infinity stands for the events
 * without a time. Nothing waits for a lock on a mark. In the objects of version 0.1.0 there are none.
 */
#ifndef STREAMBATCH_CATALOG_DIRTY_H
#define STREAMBATCH_CATALOG_DIRTY_H

#include "common/catalog_batch.h"
#include "nodes/pg_list.h"

/* A hybrid view whose panes may be marked. */
typedef struct MarkedView
{
	Oid view;
	int32 id;
	ArrayType *settings;
} MarkedView;

/*
 * The stream whose archive is this table, or has it as a partition or another child; InvalidOid: none. And the hybrid
 * views of a stream, of MarkedView *. Both as of now, whatever snapshot the transaction has. Current context.
 */
extern Oid catalog_stream_changed_by(Oid relation);
extern List *catalog_marked_views(Oid stream);

/*
 * Mark ranges, unless an equal mark is there already that no refresh is about to delete.
 */
extern void catalog_mark(int32 view_id, const Coverage *ranges, int n);

/* The marked ranges, ordered and disjoint, without that of the events without a time. Current context. */
extern Coverage *catalog_marks(int32 view_id, int *n);

/*
 * Remove ranges, which begin at the first "from" and end at the last "to", from the marks; no_time: and that of the events
 * without a time. A mark that another transaction relies on remains. Returns what was removed, ordered and disjoint.
 * Current context.
 */
extern Coverage *catalog_clear_marks(int32 view_id, const Coverage *ranges, int n, bool no_time,
									 int *ncleared);

/* In an sql_drop event trigger: delete the marks of dropped views; the archives of the streams that the command drops, if they remain. */
extern void catalog_forget_marks(void);
extern List *catalog_dropped_archives(void);

/* Whether what follows the rows of a dump (section post-data) has not been restored yet. */
extern bool catalog_is_half_restored(Oid stream);

/*
 * Tables that hybrid views join and track. The streams of the views that track a table, or one above it, as Oids; these
 * views and their shadows, of MarkedView * without settings: both as of now.
 */
extern void catalog_track(Oid view, Oid relation);
extern bool catalog_untrack(Oid view, Oid relation); /* false: it was not tracked */
extern List *catalog_streams_tracking(Oid relation);
extern List *catalog_views_tracking(Oid relation);

/* Whether changes of a table are of interest: it is an archive, or tracked, or a part of such a table. */
extern bool catalog_is_watched(Oid relation);

/*
 * In an sql_drop event trigger: delete the rows of dropped views and tables; returns the tables that no view tracks any
 * more.
 */
extern List *catalog_forget_tracked(void);

/* The archives of all streams. */
extern List *catalog_archives(void);

#endif /* STREAMBATCH_CATALOG_DIRTY_H */

/*
 * catalog_view.h
 *		Hybrid views in the extension's tables (see catalog_stream.h for what these functions have in common).
 */
#ifndef STREAMBATCH_CATALOG_VIEW_H
#define STREAMBATCH_CATALOG_VIEW_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/array.h"

typedef struct ViewRow
{
	Oid view;
	int32 id;
	Oid stream;
	int64 epoch;
	Interval max_staleness;
	Interval allowed_lateness;
	bool suspended;	 /* not folded, because its query fails */
	bool incomplete; /* suspended or building: lacks events until a full refresh is done */
	ArrayType *settings;
} ViewRow;

extern int32 catalog_next_view_id(void);
extern void catalog_insert_view(const ViewRow *row);
/* Raises an error if the relation is not a hybrid view. */
extern void catalog_require_view(Oid view, ViewRow *row);
extern List *catalog_views_of(Oid stream); /* of ViewRow *, in the order of their ids */

extern int64 catalog_raise_epoch(Oid view); /* returns the epoch that it closed */
extern void catalog_suspend_view(Oid view, int sqlerrcode, const char *message);
/* Set the state to "building", or from "building" to "active"; clears the error. */
extern void catalog_set_view_state(Oid view, const char *state);

/* Positions of a view's dead letters as int[], int[] and bigint[]; returns their number. */
extern int64 catalog_view_dead_letters(Oid view, Datum *topic_epochs, Datum *partitions, Datum *offsets);

#endif /* STREAMBATCH_CATALOG_VIEW_H */

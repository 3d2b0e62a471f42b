/*
 * catalog_view.h
 *		Hybrid views in the extension's own tables, row by row; see catalog_stream.h.
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
	bool suspended;	 /* it is not folded: its query fails */
	bool incomplete; /* suspended, or being built again: only a refresh of everything makes it whole */
	ArrayType *settings;
} ViewRow;

extern int32 catalog_next_view_id(void);
extern void catalog_insert_view(const ViewRow *row);
/* Of what a user has named: raises an error where it is no hybrid view. */
extern void catalog_require_view(Oid view, ViewRow *row);
extern List *catalog_views_of(Oid stream); /* of ViewRow *, in the order of their ids */

extern int64 catalog_raise_epoch(Oid view); /* returns the epoch that it closed */
extern void catalog_suspend_view(Oid view, int sqlerrcode, const char *message);
/* "building", or from building "active"; clears the error. */
extern void catalog_set_view_state(Oid view, const char *state);

/* Positions of a view's dead dead_letters as int[] and bigint[]; returns their number. */
extern int64 catalog_view_dead_letters(Oid view, Datum *partitions, Datum *offsets);

#endif /* STREAMBATCH_CATALOG_VIEW_H */

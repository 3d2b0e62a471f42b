/*
 * serving_sql.h
 *		DDL of the views that users read; see print_sql.h.
 */
#ifndef STREAMBATCH_SERVING_SQL_H
#define STREAMBATCH_SERVING_SQL_H

#include "datatype/timestamp.h"
#include "query/analyse.h"

/* The view streambatch_state.merged_<id>: the groups of both layers, merged. */
extern char *sql_merged_view(const ViewDef *def, int32 id);

/*
 * The views streambatch_state.cuts_<id> and clock_<id>: what the batch layer covers as of which cuts; last flush and
 * watermark of the stream. They read tables of the extension for <view>_layers, for this view alone.
 */
extern List *sql_times_views(int32 id);

/* The views that users read, over the merged view (whose OID is needed to print expressions over it). */
extern char *sql_serving_view(const ViewDef *def, int32 id, const char *name, Oid merged);
extern char *sql_layers_view(const ViewDef *def, int32 id, const char *name, Oid merged,
							 const char *lateness);

/* A view's allowed lateness, as an SQL literal that does not depend on IntervalStyle. */
extern char *sql_lateness(const Interval *delay);

/*
 * With SQL_REMOTE for the id, and without a name, the functions above return the SELECT of a view that merges the states
 * of several servers. Where it reads the rows of states, as u, it has one of these characters, which no query contains; u
 * then has the column as_of as well. Clock is a subquery of flushed_at and watermark.
 */
#define SQL_REMOTE 0
#define SQL_REMOTE_SERVED '\001' /* the rows of the layers that the session reads */
#define SQL_REMOTE_ALL '\002'	 /* the rows of both layers */
#define SQL_REMOTE_CLOCK '\003'

#endif /* STREAMBATCH_SERVING_SQL_H */

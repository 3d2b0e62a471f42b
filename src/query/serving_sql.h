/*
 * serving_sql.h
 *		DDL of the views that users read; see print_sql.h.
 */
#ifndef STREAMBATCH_SERVING_SQL_H
#define STREAMBATCH_SERVING_SQL_H

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

/* Whether <view>_layers has three columns for this output column: it is computed from aggregates. */
extern bool sql_is_value(const Node *expr);

/*
 * The parts that these consist of: the query's aggregates, as columns a1, a2, …, merged from rows u of states; and an
 * expression of the query over merged rows m.
 */
extern char *sql_merged_results(const ViewDef *def);
extern char *sql_merged_output(const ViewDef *def, Node *expr, Oid merged);

#endif /* STREAMBATCH_SERVING_SQL_H */

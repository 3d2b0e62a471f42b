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

/*
 * The parts that these consist of: the query's aggregates, as columns a1, a2, …, merged from rows u of states; and an
 * expression of the query over merged rows m.
 */
extern char *sql_merged_results(const ViewDef *def);
extern char *sql_merged_output(const ViewDef *def, Node *expr, Oid merged);

/* Whether <view>_layers has three columns for this output column: it is computed from aggregates. */
extern bool sql_is_value(const Node *expr);

/* A view's allowed lateness, as an SQL literal that does not depend on IntervalStyle. */
extern char *sql_lateness(const Interval *delay);

/*
 * With SQL_REMOTE for the id, and without a name, the functions above return the SELECT of a view that merges the
 * states of several servers. Where a local view reads states, it has one of these characters, which no query contains.
 * They stand for a UNION ALL of what each server has: the rows of its layers, with the columns of the state tables, batch,
 * definition and as_of; or its clock.
 *
 * The rows must satisfy "definition". Where the states are assembled to windows, the characters _SERVED and _ALL stand for
 * rows that do: a condition in each branch of the UNION ALL is where pane_pruning.c adds others. Elsewhere the condition is
 * in the text, behind the character _ROWS, so that PostgreSQL can read from all servers at the same time, as it does when
 * the branches have no conditions of their own.
 */
#define SQL_REMOTE 0
#define SQL_REMOTE_ROWS '\001'
#define SQL_REMOTE_SERVED '\002' /* of the layers that the session reads */
#define SQL_REMOTE_ALL '\003'	 /* of both layers */
#define SQL_REMOTE_CLOCK '\004'
#define SQL_REMOTE_CHARACTERS "\001\002\003\004"

/* The condition that the session reads a row's layer; the layers are looked up once for a query. */
#define SQL_REMOTE_SERVES                                                                                    \
	"CASE WHEN u.batch THEN (SELECT streambatch._serves('batch')) ELSE (SELECT streambatch._serves('stream')) END"

#endif /* STREAMBATCH_SERVING_SQL_H */

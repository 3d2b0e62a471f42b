/*
 * portable_sql.h
 *		The states of a hybrid view's batch layer as a query in portable SQL, for engines outside of PostgreSQL.
 */
#ifndef STREAMBATCH_PORTABLE_SQL_H
#define STREAMBATCH_PORTABLE_SQL_H

#include "query/portable_expr.h"

/* A column of the query's result, and of the staging table that takes it. */
typedef struct PortableColumn
{
	const char *
		name; /* not quoted: the name of the view's column for a key; pane; count, sum_amount, … for a state */
	const char *batch; /* in the batch table: k1, pane, s1, … */
	Oid type;
	int32 typmod;
	Oid collation;
	bool required; /* never null */
} PortableColumn;

/* The columns: keys, then states. Raises feature_not_supported for a state that only PostgreSQL can write. Current context. */
extern PortableColumn *portable_columns(const ViewDef *def, int *n);

/*
 * The query, over a relation "events" with the columns of the stream's archive. positions: a condition on those of the
 * position; the panes in [from, to). Raises feature_not_supported, with the reason, if it cannot be written. Current context.
 */
extern char *portable_query(const ViewDef *def, const char *positions, TimestampTz from, TimestampTz to);

#endif /* STREAMBATCH_PORTABLE_SQL_H */

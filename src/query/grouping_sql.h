/*
 * grouping_sql.h
 *		GROUP BY and GROUPING() of a view's query, over the rows u that are merged; see print_sql.h.
 */
#ifndef STREAMBATCH_GROUPING_SQL_H
#define STREAMBATCH_GROUPING_SQL_H

#include "lib/stringinfo.h"
#include "query/analyse.h"

/* The name of the column with a call of GROUPING(), by its number from 1. */
#define GROUPING_COLUMN "rolled%d"

/* GROUP BY, with the query's own grouping sets; nothing if the query has none. */
extern void sql_append_group_by(StringInfo buf, const ViewDef *def);

/* The calls of GROUPING() as columns. */
extern void sql_append_groupings(StringInfo buf, const ViewDef *def, bool comma);

/* The number, from 1, of a call of GROUPING(). */
extern int sql_grouping_number(const ViewDef *def, const Node *call);

/* Condition of a merged row of grouping sets: it is of one window, and not a total over windows. */
extern char *sql_has_window(const ViewDef *def);

#endif /* STREAMBATCH_GROUPING_SQL_H */

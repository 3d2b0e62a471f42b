/*
 * fold_sql.h
 *		The SQL of the stream layer, generated from a view's definition; see print_sql.h.
 */
#ifndef STREAMBATCH_FOLD_SQL_H
#define STREAMBATCH_FOLD_SQL_H

#include "query/analyse.h"

/* In place of a column number: the event's partition or offset, which is not a column of the query. */
#define FOLD_PARTITION (-1)
#define FOLD_OFFSET (-2)

/* The columns of the fold query with the arguments of a state's transition function. */
typedef struct FoldState
{
	int filter; /* column of the FILTER condition; -1: none */
	int nargs;
	int *args; /* columns, FOLD_PARTITION or FOLD_OFFSET */
} FoldState;

/*
 * The query that the worker folds: returns keys and aggregate arguments, in this order, for each event that
 * passes WHERE.
 */
extern char *sql_fold(const ViewDef *def, FoldState **states);

/* Its columns, as expressions over the stream: keys first, then each distinct filter and argument. */
extern List *sql_fold_columns(const ViewDef *def, FoldState **states);

#endif /* STREAMBATCH_FOLD_SQL_H */

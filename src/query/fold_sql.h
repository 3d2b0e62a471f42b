/*
 * fold_sql.h
 *		The SQL of the stream layer, generated from a view's definition; see print_sql.h.
 */
#ifndef STREAMBATCH_FOLD_SQL_H
#define STREAMBATCH_FOLD_SQL_H

#include "query/analyse.h"

/* What is in place of a column: the event's position, which is no column of the query. */
#define FOLD_PARTITION (-1)
#define FOLD_OFFSET (-2)

/* Where the arguments of a state's transition function stand in a row of the fold query. */
typedef struct FoldState
{
	int filter; /* column of its FILTER condition; -1: none */
	int nargs;
	int *args; /* columns, FOLD_PARTITION or FOLD_OFFSET */
} FoldState;

/*
 * The query that the worker folds: a row of keys and aggregate arguments for each event that passes WHERE.
 * The keys come first.
 */
extern char *sql_fold(const ViewDef *def, FoldState **states);

/* Its columns, expressions over the stream: keys first, then each filter and argument once. */
extern List *sql_fold_columns(const ViewDef *def, FoldState **states);

#endif /* STREAMBATCH_FOLD_SQL_H */

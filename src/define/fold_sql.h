/*
 * fold_sql.h
 *		The SQL of the stream layer, generated from a view's definition; see print_sql.h.
 */
#ifndef FOLD_SQL_H
#define FOLD_SQL_H

#include "define/analyse.h"

/* Where the arguments of a state's transition function stand in a row of the fold query. */
typedef struct FoldState
{
	int filter; /* column of its FILTER condition; -1: none */
	int nargs;
	int *args; /* columns */
} FoldState;

/*
 * The query that the worker folds: a row of keys and aggregate arguments for each event that passes WHERE.
 * The keys come first.
 */
extern char *sql_fold(const ViewDef *def, FoldState **states);

/* Its columns, expressions over the stream: keys first, then each filter and argument once. */
extern List *sql_fold_columns(const ViewDef *def, FoldState **states);

#endif /* FOLD_SQL_H */

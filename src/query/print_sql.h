/*
 * print_sql.h
 *		SQL text of queries derived from a view's query.
 *
 * Callers hold a guard (common/guard.h) while text is generated, here and in the other files *_sql.h, and while
 * it is run: names are printed for that search_path. All results are allocated in the current context.
 */
#ifndef STREAMBATCH_PRINT_SQL_H
#define STREAMBATCH_PRINT_SQL_H

#include "query/analyse.h"

/* A query as text. May modify the query. */
extern char *sql_print(Query *query);

/*
 * A SELECT of expressions with FROM and WHERE of the view's query; reads the stream only, without its children.
 */
extern Query *sql_select(const ViewDef *def, List *exprs);

#endif /* STREAMBATCH_PRINT_SQL_H */

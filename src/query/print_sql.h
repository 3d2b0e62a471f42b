/*
 * print_sql.h
 *		Queries made of a view's own, as text.
 *
 * Callers hold a guard (common/guard.h) while text is generated, here and in the other files *_sql.h, and while
 * it is run: names are printed for that search_path. All results are allocated in the current context.
 */
#ifndef STREAMBATCH_PRINT_SQL_H
#define STREAMBATCH_PRINT_SQL_H

#include "query/analyse.h"

/* A query as text; it may be changed by it. */
extern char *sql_print(Query *query);

/* SELECT of expressions, FROM and WHERE as in the view's query; from the stream itself, and not its children. */
extern Query *sql_select(const ViewDef *def, List *exprs);

#endif /* STREAMBATCH_PRINT_SQL_H */

/*
 * failing_row.h
 *		Which event of the archive makes a computation fail.
 */
#ifndef STREAMBATCH_FAILING_ROW_H
#define STREAMBATCH_FAILING_ROW_H

#include "batch/batch_statement.h"

/*
 * The statement that sql_compute() makes of the same arguments has raised an error: name the event in its
 * detail, if it is one that raises an error by itself. The (sub)transaction of the statement must have ended.
 */
extern void failing_row_find(const Computation *c, const char *cut, PaneRange panes,
							 const BatchParameters *parameters, ErrorData *error);

#endif /* STREAMBATCH_FAILING_ROW_H */

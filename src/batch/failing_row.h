/*
 * failing_row.h
 *		Finding the event that makes a computation fail.
 */
#ifndef STREAMBATCH_FAILING_ROW_H
#define STREAMBATCH_FAILING_ROW_H

#include "batch/batch_statement.h"

/*
 * For an error raised by the statement that sql_compute() generates from the same arguments: if a single event
 * raises an error by itself, name it in the error's detail. The (sub)transaction of the statement must have
 * ended.
 */
extern void failing_row_find(const Computation *c, const char *cut, PaneSet panes,
							 const BatchParameters *parameters, ErrorData *error);

#endif /* STREAMBATCH_FAILING_ROW_H */

/*
 * failing_group.h
 *		Finding the group that makes a computation fail.
 */
#ifndef STREAMBATCH_FAILING_GROUP_H
#define STREAMBATCH_FAILING_GROUP_H

#include "batch/batch_statement.h"

/*
 * For an error raised by the statement that sql_compute() generates from the same arguments: the keys of a group that
 * raises an error by itself, as "(k, …)=(1, …)", without the pane. NULL if none is found, or there are no keys. The
 * (sub)transaction of the statement must have ended. Current context.
 */
extern char *failing_group_keys(const Computation *c, const char *cut, PaneSet panes,
								const BatchParameters *parameters);

#endif /* STREAMBATCH_FAILING_GROUP_H */

/*
 * pane_statistics.h
 *		What the planner is told of the panes that a statement computes.
 */
#ifndef STREAMBATCH_PANE_STATISTICS_H
#define STREAMBATCH_PANE_STATISTICS_H

#include "batch/batch_statement.h"

/* When the library is loaded. */
extern void pane_statistics_install(void);

/* While a statement is planned, for the panes of its parameters; end also after an error. */
extern void pane_statistics_begin(const Computation *c, const BatchParameters *parameters);
extern void pane_statistics_end(void);

#endif /* STREAMBATCH_PANE_STATISTICS_H */

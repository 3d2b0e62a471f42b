/*
 * pane_pruning.h
 *		Deriving conditions on panes from conditions on windows, so that readers of hop() and cumulate() views scan
 *		only the panes that they need.
 */
#ifndef STREAMBATCH_PANE_PRUNING_H
#define STREAMBATCH_PANE_PRUNING_H

/* Called from _PG_init. */
extern void pane_pruning_install(void);

#endif /* STREAMBATCH_PANE_PRUNING_H */

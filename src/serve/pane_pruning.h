/*
 * pane_pruning.h
 *		Conditions on windows that are assembled from panes narrow down the panes that are read.
 */
#ifndef STREAMBATCH_PANE_PRUNING_H
#define STREAMBATCH_PANE_PRUNING_H

/* Called from _PG_init. */
extern void pane_pruning_install(void);

#endif /* STREAMBATCH_PANE_PRUNING_H */

/*
 * pane_list.h
 *		A list of panes, as a statement takes it.
 */
#ifndef STREAMBATCH_PANE_LIST_H
#define STREAMBATCH_PANE_LIST_H

#include "window/query_window.h"

/* A longer list would make planning slow. */
#define PANE_LIST_MAX 10000

/*
 * With more ranges in one condition, evaluating it for each event of the pages that the index finds would take longer than
 * reading more pages.
 */
#define PANE_LIST_READS 16
/* More are not read one by one, either. */
#define PANE_LIST_MAX_READS 1000

typedef struct PaneList
{
	int n;
	const TimestampTz *panes; /* starts, ascending */
	Datum array;			  /* the same as an array of the window's type */
	/* ranges of time that contain the panes, for a condition that can use an index: timestamptz[] */
	int nreads;
	Datum read_from;
	Datum read_to;
} PaneList;

/* A list of panes, which must remain, with so many ranges at most (0: PANE_LIST_READS). Current context. */
extern PaneList *pane_list_make(StreamWindow *window, const TimestampTz *panes, int n, int max_reads);

/* Where a pane is among others in ascending order; -1: it is not. */
extern int pane_position(const TimestampTz *panes, int n, TimestampTz pane);

#endif /* STREAMBATCH_PANE_LIST_H */

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
 * With more ranges, the conditions on each event of the pages that the index finds would take longer than reading more
 * pages.
 */
#define PANE_LIST_READS 16

typedef struct PaneList
{
	int n;
	const TimestampTz *panes; /* starts, ascending */
	Datum array;			  /* the same as an array of the window's type */
	/* at most PANE_LIST_READS ranges of time that contain the panes, for a condition that can use an index: timestamptz[] */
	int nreads;
	Datum read_from;
	Datum read_to;
} PaneList;

/* A list of panes, which must remain. Current context. */
extern PaneList *pane_list_make(StreamWindow *window, const TimestampTz *panes, int n);

#endif /* STREAMBATCH_PANE_LIST_H */

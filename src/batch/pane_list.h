/*
 * pane_list.h
 *		A list of panes, as a statement takes it.
 */
#ifndef STREAMBATCH_PANE_LIST_H
#define STREAMBATCH_PANE_LIST_H

#include "window/query_window.h"

/* A longer list would make planning slow. */
#define PANE_LIST_MAX 10000

typedef struct PaneList
{
	int n;
	const TimestampTz *panes; /* starts, ascending */
	Datum array;			  /* the same as an array of the window's type */
	/* few ranges of time that contain the panes, for a condition that can use an index: timestamptz[] */
	int nreads;
	Datum read_from;
	Datum read_to;
} PaneList;

/* A list of panes, which must remain. Current context. */
extern PaneList *pane_list_make(StreamWindow *window, const TimestampTz *panes, int n);

#endif /* STREAMBATCH_PANE_LIST_H */

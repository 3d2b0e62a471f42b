/*
 * query_window.h
 *		The window of a query: how it is recognised, and the panes that it is made of.
 */
#ifndef STREAMBATCH_QUERY_WINDOW_H
#define STREAMBATCH_QUERY_WINDOW_H

#include "datatype/timestamp.h"
#include "nodes/primnodes.h"
#include "window/window_call.h"
#include "window/window_shape.h"

typedef struct StreamWindow
{
	WindowKind kind;
	Oid type;		  /* of the argument and of windows' starts: timestamptz, timestamp or date */
	Node *argument;	  /* the time that is grouped by window */
	List *parameters; /* the other arguments of the window function: constants */
	Node *pane;		  /* the start of the pane that an event belongs to */
	bool assembled;	  /* when the view is read: from several panes, or from chained panes */
	/* computed by date_trunc() or date_bin(): a pane may start after an event in it where clocks are set back */
	bool by_pane;
	WindowShape shape;
} StreamWindow;

/*
 * The window of a query's grouping expressions: that of its window functions, or else of date_trunc() or
 * date_bin() over the event time (an attribute of relation varno; 0: the stream has none). Returns false if
 * there is none. Raises for arguments that are not constants or not valid for the kind of window, and for more
 * than one window.
 */
extern bool window_find(StreamWindow *window, List *groups, int varno, AttrNumber event_time);

/* Whether the node is a call of this window's function, and which edge it returns. */
extern bool window_edge(const StreamWindow *window, const Node *node, WindowEdge *edge);

/*
 * The start of the pane that contains an instant, and the end of the pane with a given start. Times without
 * time zone are read in UTC. Infinite where out of the range of timestamps.
 */
extern TimestampTz window_pane_start(StreamWindow *window, TimestampTz instant);
extern TimestampTz window_pane_end(StreamWindow *window, TimestampTz start);

/* The instant of a value of the window's type, in UTC where it has no time zone; infinity for a date that is too late. */
extern TimestampTz window_instant(Oid type, Datum value);

/* The number of panes between the starts of two; approximately where panes differ in length. */
extern int64 window_count_panes(StreamWindow *window, TimestampTz from, TimestampTz to);

#endif /* STREAMBATCH_QUERY_WINDOW_H */

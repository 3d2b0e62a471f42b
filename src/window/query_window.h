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
	Node *argument;	  /* the expression whose time is windowed */
	List *parameters; /* the other arguments of the window function: constants */
	Node *pane;		  /* the start of the pane that an event belongs to */
	bool assembled;	  /* of several panes, or of panes that depend on each other: put together by readers */
	bool by_pane; /* a pane may begin behind an event of its own: PostgreSQL's, where clocks are put back */
	WindowShape shape;
} StreamWindow;

/*
 * The window of a query's grouping expressions: that of its window functions, or else of date_trunc() or
 * date_bin() over the event time (an attribute of variable varno; 0: the stream has none). False: none. Raises
 * for arguments that are not constants, for what a kind refuses, and for more than one window.
 */
extern bool window_find(StreamWindow *window, List *groups, int varno, AttrNumber event_time);

/* Whether the node is a call of this window's function, and which edge it returns. */
extern bool window_edge(const StreamWindow *window, const Node *node, WindowEdge *edge);

/*
 * The start of the pane that an instant belongs to, and where the pane that starts there ends (instants and
 * panes as timestamptz: naive times are read in UTC). Infinite where that is no timestamp.
 */
extern TimestampTz window_pane_start(StreamWindow *window, TimestampTz instant);
extern TimestampTz window_pane_end(StreamWindow *window, TimestampTz start);

#endif /* STREAMBATCH_QUERY_WINDOW_H */

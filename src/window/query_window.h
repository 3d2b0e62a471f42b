/*
 * query_window.h
 *		Windows of a query: how they are recognised, the panes that they are made of, and the SQL of both.
 */
#ifndef STREAMBATCH_QUERY_WINDOW_H
#define STREAMBATCH_QUERY_WINDOW_H

#include "datatype/timestamp.h"
#include "nodes/primnodes.h"
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

/* What a call of a window function gives. */
typedef enum WindowEdge
{
	WINDOW_START,
	WINDOW_END
} WindowEdge;

/*
 * The expression with every window call written out: all arguments in their places, sizes, origins and time
 * zones as constants where they can be computed. Evaluates what they call as the current user.
 */
extern Node *window_normalise(Node *expr);

/*
 * The window of a query's grouping expressions: that of its window functions, or else of date_trunc() or
 * date_bin() over the event time (an attribute of variable varno; 0: the stream has none). False: none. Raises
 * for arguments that are not constants, for what a kind refuses, and for more than one window.
 */
extern bool window_find(StreamWindow *window, List *groups, int varno, AttrNumber event_time);

/*
 * Whether the node is a call of a window function; of one whose windows are assembled from panes; of this window,
 * and which edge it gives.
 */
extern bool window_is_call(const Node *node);
extern bool window_is_assembled(const Node *call);
extern WindowEdge window_call_edge(const Node *call);
extern bool window_edge(const StreamWindow *window, const Node *node, WindowEdge *edge);

/* More than an edge of a window can lie away from the pane that the (constant) arguments are for. */
extern Interval window_call_reach(const Node *call);

/* Whether the expression contains a call of a window function. */
extern bool window_contained(Node *expr);

/*
 * The start of the pane that an instant belongs to, and where the pane that starts there ends (instants and
 * panes as timestamptz: naive times are read in UTC). Infinite where that is no timestamp.
 */
extern TimestampTz window_pane_start(StreamWindow *window, TimestampTz instant);
extern TimestampTz window_pane_end(StreamWindow *window, TimestampTz start);

/*
 * SQL that turns a pane column or argument of the window's type into an instant, and the other way round.
 * Current context.
 */
extern char *window_to_instant_sql(const StreamWindow *window, const char *column);
extern char *window_from_instant_sql(const StreamWindow *window, const char *instant);

/* SQL: a call that gives an edge of the windows of another time; a session's gap; more than a pane's length. */
extern char *window_call_sql(const StreamWindow *window, WindowEdge edge, const char *argument);
extern char *window_gap_sql(const StreamWindow *window);
extern char *window_margin_sql(const StreamWindow *window);

#endif /* STREAMBATCH_QUERY_WINDOW_H */

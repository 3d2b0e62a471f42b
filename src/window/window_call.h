/*
 * window_call.h
 *		Calls of the window functions (tumble, hop, cumulate, session and their ends) in a query's expressions.
 */
#ifndef STREAMBATCH_WINDOW_CALL_H
#define STREAMBATCH_WINDOW_CALL_H

#include "datatype/timestamp.h"
#include "nodes/primnodes.h"
#include "window/window_shape.h"

/* What a call of a window function returns. */
typedef enum WindowEdge
{
	WINDOW_START,
	WINDOW_END
} WindowEdge;

/* The functions of a kind of window, in schema streambatch. */
typedef struct WindowFunctions
{
	WindowKind kind;
	const char *start;
	const char *end;
	const char *pane;
	bool has_step; /* slide or step before the size */
	bool has_grid; /* origin and time zone as the last arguments */
} WindowFunctions;

/* The functions of the kind that the node calls, and the edge it returns; NULL if it calls no window function. */
extern const WindowFunctions *window_call_functions(const Node *node, WindowEdge *edge);

/* The functions of a kind of window. */
extern const WindowFunctions *window_functions_of(WindowKind kind);

/* Whether the node is a call of a window function. */
extern bool window_is_call(const Node *node);

/* Of such a call: whether its windows are assembled from panes, and the edge that it returns. */
extern bool window_is_assembled(const Node *call);
extern WindowEdge window_call_edge(const Node *call);

/* Of such a call: whether its origin is a literal of type _origin, after which there is no time zone. */
extern bool window_origin_is_literal(const FuncExpr *call);

/* An upper bound of the distance between an edge of a window and its panes. The arguments must be constants. */
extern Interval window_call_reach(const Node *call);

/* Whether the expression contains a call of a window function. */
extern bool window_contained(Node *expr);

/*
 * The expression with all arguments of window functions in their places, defaults included; sizes, origins and
 * time zones are folded to constants where possible, and zones named as no session's settings can change. Functions in them are executed as the current user.
 */
extern Node *window_normalise(Node *expr);

#endif /* STREAMBATCH_WINDOW_CALL_H */

/*
 * window.h
 *		Window functions: how they are recognised in a query, and the panes that their windows are made of.
 */
#ifndef WINDOW_H
#define WINDOW_H

#include "datatype/timestamp.h"
#include "define/windowshape.h"
#include "nodes/primnodes.h"

typedef struct StreamWindow
{
	WindowKind kind;
	Oid type;		/* of the argument and of pane starts: timestamptz, timestamp or date */
	Node *argument; /* the expression whose time is windowed */
	int64 size;		/* microseconds */
	int64 origin;	/* microseconds since 2000-01-01 00:00 in the window's time zone */
} StreamWindow;

/* What a call of a window function gives. */
typedef enum WindowEdge
{
	WINDOW_START,
	WINDOW_END
} WindowEdge;

/*
 * If expr is a call of one of our window functions, fill def and edge and return true. Raises for arguments
 * that are not constants, for what the kind refuses, and for kinds that no view can have yet.
 */
extern bool window_recognise(Node *expr, StreamWindow *def, WindowEdge *edge);

/* A walker of expressions and queries: raises for a call of a window function that no view can have yet. */
extern bool window_check_available(Node *node, void *context);

/*
 * The expression with every window call written out: all four arguments in their places, sizes, origins and
 * time zones as constants where they can be computed. Evaluates what they call as the current user.
 */
extern Node *window_normalise(Node *expr);

/* Whether the expression contains a call of a window function. */
extern bool window_contained(Node *expr);

extern bool window_equal(const StreamWindow *a, const StreamWindow *b);

/* The call that gives the pane's start, to stand as a grouping key. */
extern Node *window_start_call(const StreamWindow *def, Node *call);

/*
 * The start of the pane that an instant belongs to (instants and panes as timestamptz: naive times are read
 * in UTC).
 */
extern TimestampTz window_pane_start(const StreamWindow *def, TimestampTz instant);

/*
 * SQL that turns a pane column or argument of the window's type into an instant, and the other way round.
 * Current context.
 */
extern char *window_to_instant_sql(const StreamWindow *def, const char *column);
extern char *window_from_instant_sql(const StreamWindow *def, const char *instant);

#endif /* WINDOW_H */

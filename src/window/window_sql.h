/*
 * window_sql.h
 *		SQL text for the windows and panes of a query. All results are allocated in the current context.
 */
#ifndef STREAMBATCH_WINDOW_SQL_H
#define STREAMBATCH_WINDOW_SQL_H

#include "window/query_window.h"

/* Convert a pane column or an argument of the window's type to an instant (timestamptz), and back. */
extern char *window_to_instant_sql(const StreamWindow *window, const char *column);
extern char *window_from_instant_sql(const StreamWindow *window, const char *instant);

/* A call of the window's function over another argument. */
extern char *window_call_sql(const StreamWindow *window, WindowEdge edge, const char *argument);

/* The gap of a session window, to be added to a value of the window's type. */
extern char *window_gap_sql(const StreamWindow *window);

/* An interval longer than any pane of the window. */
extern char *window_margin_sql(const StreamWindow *window);

#endif /* STREAMBATCH_WINDOW_SQL_H */

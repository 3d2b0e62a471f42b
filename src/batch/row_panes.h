/*
 * row_panes.h
 *		The panes of a few changed rows, computed without a query.
 */
#ifndef STREAMBATCH_ROW_PANES_H
#define STREAMBATCH_ROW_PANES_H

#include "commands/trigger.h"
#include "common/catalog_dirty.h"
#include "query/analyse.h"

typedef struct RowPanes
{
	StreamWindow *window;
	int n;
	TimestampTz *panes; /* starts, ascending, distinct */
	bool no_time;		/* there are rows without a time */
} RowPanes;

/*
 * Find the panes of the old and new rows of a statement trigger. Returns false if that needs a query: the view's window
 * is not known, is of an expression, or not of window functions; or there are many rows. Current context.
 */
extern bool row_panes_find(const MarkedView *view, const TriggerData *trigger, RowPanes *result);

/* Remember the window of a view, as its query is now, for the session. */
extern void row_panes_remember(const MarkedView *view, const ViewDef *def);

#endif /* STREAMBATCH_ROW_PANES_H */

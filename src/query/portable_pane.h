/*
 * portable_pane.h
 *		The panes of a hybrid view in portable SQL (portable_expr.h).
 */
#ifndef STREAMBATCH_PORTABLE_PANE_H
#define STREAMBATCH_PORTABLE_PANE_H

#include "query/portable_expr.h"

/*
 * The start of the pane that an event belongs to. Raises feature_not_supported, with the reason, for panes that other
 * engines would find elsewhere. Current context.
 */
extern char *portable_pane(const ViewDef *def);

/* A condition that selects the panes in [from, to), and the null pane if the range has no end; NULL: all. Current context. */
extern char *portable_range(const ViewDef *def, TimestampTz from, TimestampTz to);

#endif /* STREAMBATCH_PORTABLE_PANE_H */

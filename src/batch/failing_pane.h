/*
 * failing_pane.h
 *		What a refresh says of panes that it could not compute.
 */
#ifndef STREAMBATCH_FAILING_PANE_H
#define STREAMBATCH_FAILING_PANE_H

#include "batch/refresh_run.h"
#include "common/compat.h"

/*
 * Complete the error of a pane, which is all of the chunk: the message names window, view and keys, and the DETAIL the
 * event, where a single one raises the error. The transaction holds the locks of a chunk.
 */
extern void failing_pane_name(const Run *run, const Chunk *chunk, ErrorData *error);

/* End a run in which panes have failed with the error of the first one. early: without having tried all of them. */
pg_noreturn extern void failing_panes_raise(Run *run, bool early);

#endif /* STREAMBATCH_FAILING_PANE_H */

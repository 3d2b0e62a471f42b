/*
 * refresh.h
 *		Refreshing views, for other procedures than refresh().
 */
#ifndef STREAMBATCH_REFRESH_H
#define STREAMBATCH_REFRESH_H

#include "batch/refresh_run.h"
#include "fmgr.h"

/* Raises active_sql_transaction if the procedure was called where it cannot commit. */
extern void refresh_check_commits(FunctionCallInfo fcinfo, const char *name);

/* The range and the flags among a procedure's arguments, from this one on. */
extern RefreshRange refresh_range_of(FunctionCallInfo fcinfo, int first);

/*
 * Refresh a view, with commits. The caller has checked that it can commit, and has connected to SPI; it may be in a
 * subtransaction that it has begun after that: then each transaction is in one (refresh_next_transaction()).
 */
extern void refresh_view(Oid view, RefreshRange requested);

/*
 * Take a cut, and compute what the run has requested, likewise. The caller holds the view's right to refresh and the
 * stream's past (locks.h), and has filled in the run up to its context. The view is not suspended.
 */
extern void refresh_compute(Run *run, ViewRow *row);

#endif /* STREAMBATCH_REFRESH_H */

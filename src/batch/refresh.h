/*
 * refresh.h
 *		CALL streambatch.refresh(), for those who refresh several views.
 */
#ifndef STREAMBATCH_REFRESH_H
#define STREAMBATCH_REFRESH_H

#include "batch/chunk_plan.h"
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

#endif /* STREAMBATCH_REFRESH_H */

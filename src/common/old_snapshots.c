/*
 * old_snapshots.c
 *		Waiting until all transactions of the database can see what has been committed (see old_snapshots.h).
 *
 * As CREATE INDEX CONCURRENTLY does before its index is used.
 */
#include "postgres.h"

#include "common/old_snapshots.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

static TransactionId oldest_running(void);

void
old_snapshots_wait(void)
{
	VirtualTransactionId *older;
	int n;

	older = GetCurrentVirtualXIDs(oldest_running(), true, false, PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &n);
	for (int i = 0; i < n; i++)
		(void) VirtualXactLock(older[i], true);
	pfree(older);
}

/* No snapshot that is older than this call has a later one. */
static TransactionId
oldest_running(void)
{
	Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
	TransactionId xmin = snapshot->xmin;

	UnregisterSnapshot(snapshot);
	InvalidateCatalogSnapshot();
	return xmin;
}

/*
 * locks.c
 *		Locking tables without a risk of deadlock (see locks.h).
 *
 * DROP … CASCADE locks relations in an order that other sessions cannot follow. So no lock is waited for while
 * another is held: if one is not available, the locks taken are released, that lock is waited for alone, and
 * all are tried again.
 */
#include "postgres.h"

#include "common/locks.h"
#include "storage/lmgr.h"

static int try_all(const List *relations, LOCKMODE mode);
static void release(const List *relations, int n, LOCKMODE mode);
static void wait_for(Oid relid, LOCKMODE mode);

void
locks_take(const List *read, const List *written)
{
	for (;;)
	{
		int nread = try_all(read, AccessShareLock);
		int nwritten = nread < list_length(read) ? 0 : try_all(written, RowExclusiveLock);

		if (nread == list_length(read) && nwritten == list_length(written))
			return;
		release(read, nread, AccessShareLock);
		release(written, nwritten, RowExclusiveLock);
		if (nread < list_length(read))
			wait_for(list_nth_oid(read, nread), AccessShareLock);
		else
			wait_for(list_nth_oid(written, nwritten), RowExclusiveLock);
	}
}

/* Lock without waiting, up to the first relation whose lock is not available; returns the number before it. */
static int
try_all(const List *relations, LOCKMODE mode)
{
	ListCell *lc;

	foreach (lc, relations)
	{
		if (OidIsValid(lfirst_oid(lc)) && !ConditionalLockRelationOid(lfirst_oid(lc), mode))
			return foreach_current_index(lc);
	}
	return list_length(relations);
}

static void
release(const List *relations, int n, LOCKMODE mode)
{
	for (int i = 0; i < n; i++)
	{
		if (OidIsValid(list_nth_oid(relations, i)))
			UnlockRelationOid(list_nth_oid(relations, i), mode);
	}
}

static void
wait_for(Oid relid, LOCKMODE mode)
{
	LockRelationOid(relid, mode);
	UnlockRelationOid(relid, mode);
}

/*
 * locks.c
 *		Table locks that cannot be half of a deadlock (see locks.h).
 *
 * DROP … CASCADE locks what it finds in an order that nobody else can follow. So all are asked for at once;
 * where one is not to be had, those already taken are given back, that one is waited for alone, and
 * everything begins anew.
 */
#include "postgres.h"

#include "common/locks.h"
#include "storage/lmgr.h"

static int try_all(const List *relations, LOCKMODE mode);
static void give_back(const List *relations, int n, LOCKMODE mode);
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
		give_back(read, nread, AccessShareLock);
		give_back(written, nwritten, RowExclusiveLock);
		if (nread < list_length(read))
			wait_for(list_nth_oid(read, nread), AccessShareLock);
		else
			wait_for(list_nth_oid(written, nwritten), RowExclusiveLock);
	}
}

/* Lock what can be had without waiting; how many there are before the first that cannot. */
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
give_back(const List *relations, int n, LOCKMODE mode)
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

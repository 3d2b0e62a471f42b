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

/* How many of them could be locked. */
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

void
locks_take(const List *relations, LOCKMODE mode)
{
	int n;

	while ((n = try_all(relations, mode)) < list_length(relations))
	{
		Oid missing = list_nth_oid(relations, n);

		for (int i = 0; i < n; i++)
		{
			if (OidIsValid(list_nth_oid(relations, i)))
				UnlockRelationOid(list_nth_oid(relations, i), mode);
		}
		LockRelationOid(missing, mode);
		UnlockRelationOid(missing, mode);
	}
}

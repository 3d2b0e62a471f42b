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
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"

/* The last two fields of an advisory lock's tag; user-level functions have the classes 1 and 2. */
#define REFRESH_KEY 0
#define PAST_KEY 1
#define CORRECTIONS_KEY 2
#define OUR_CLASS 3

static LOCKTAG past_tag(Oid stream);
static LOCKTAG refresh_tag(int32 view_id);
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

bool
locks_take_past(Oid stream, bool exclusive, bool wait)
{
	LOCKTAG tag = past_tag(stream);

	return LockAcquire(&tag, exclusive ? ExclusiveLock : ShareLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
locks_hold_past(Oid stream)
{
	LOCKTAG tag = past_tag(stream);

	(void) LockAcquire(&tag, ShareLock, true, false);
}

void
locks_release_past(Oid stream)
{
	LOCKTAG tag = past_tag(stream);

	(void) LockRelease(&tag, ShareLock, true);
}

void
locks_take_corrections(Oid stream, bool exclusive)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, stream, CORRECTIONS_KEY, OUR_CLASS);
	(void) LockAcquire(&tag, exclusive ? ExclusiveLock : ShareLock, false, false);
}

bool
locks_hold_refresh(int32 view_id)
{
	LOCKTAG tag = refresh_tag(view_id);

	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
locks_release_refresh(int32 view_id)
{
	LOCKTAG tag = refresh_tag(view_id);

	(void) LockRelease(&tag, ExclusiveLock, true);
}

bool
locks_take_refresh(int32 view_id)
{
	LOCKTAG tag = refresh_tag(view_id);

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

static LOCKTAG
past_tag(Oid stream)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, stream, PAST_KEY, OUR_CLASS);
	return tag;
}

static LOCKTAG
refresh_tag(int32 view_id)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, view_id, REFRESH_KEY, OUR_CLASS);
	return tag;
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

/*
 * lock_waiters.c
 *		Who waits for a worker's locks (see lock_waiters.h).
 *
 * DROP and ALTER wait for table locks, pause() and the cut of a refresh for the stream's row, which is a wait for the
 * worker's transaction id. Neither can tell the worker before it has got what it waits for. The lock table tells.
 */
#include "postgres.h"

#include "common/slots.h"
#include "storage/lock.h"
#include "worker/lock_waiters.h"

static bool is_waited_for(const LockData *locks, pid_t pid);
static bool blocks(const LockInstanceData *held, const LockInstanceData *waiting);

bool
lock_waiters_check(void)
{
	LockData *locks = NULL;
	bool any = false;
	pid_t pid;

	for (int slot = 0; slots_next_busy(&slot, &pid); slot++)
	{
		any = true;
		if (locks == NULL)
			locks = GetLockStatusData();
		if (is_waited_for(locks, pid))
			slots_give_way(slot);
	}
	if (locks != NULL)
	{
		pfree(locks->locks);
		pfree(locks);
	}
	return any;
}

static bool
is_waited_for(const LockData *locks, pid_t pid)
{
	for (int i = 0; i < locks->nelements; i++)
	{
		const LockInstanceData *held = &locks->locks[i];

		if (held->pid != pid || held->holdMask == 0)
			continue;
		for (int j = 0; j < locks->nelements; j++)
		{
			if (locks->locks[j].pid != pid && blocks(held, &locks->locks[j]))
				return true;
		}
	}
	return false;
}

static bool
blocks(const LockInstanceData *held, const LockInstanceData *waiting)
{
	if (waiting->waitLockMode == NoLock || memcmp(&held->locktag, &waiting->locktag, sizeof(LOCKTAG)) != 0)
		return false;
	for (LOCKMODE mode = 1; mode <= MaxLockMode; mode++)
	{
		if ((held->holdMask & LOCKBIT_ON(mode)) && DoLockModesConflict(mode, waiting->waitLockMode))
			return true;
	}
	return false;
}

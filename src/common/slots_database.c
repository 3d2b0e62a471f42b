/*
 * slots_database.c
 *		The workers of a database as a whole, and the scans of databases for streams (see slots.h).
 *
 * A database is held while a command needs it without connections: its workers and scanners are stopped, and none
 * starts until it is released.
 */
#include "postgres.h"

#include "common/slots_private.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/wait_event.h"

static bool stop_workers(Oid database);

void
slots_hold_database(Oid database)
{
	bool held = false;

	if (slots_table == NULL)
		return;
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_HOLDS && !held; i++)
	{
		if (slots_table->held[i] == InvalidOid)
		{
			slots_table->held[i] = database;
			held = true;
		}
	}
	LWLockRelease(slots_lock);
	while (!stop_workers(database))
	{
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

void
slots_release_database(Oid database)
{
	pid_t launcher;

	if (slots_table == NULL)
		return;
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_HOLDS; i++)
	{
		if (slots_table->held[i] == database)
		{
			slots_table->held[i] = InvalidOid;
			break;
		}
	}
	launcher = slots_table->launcher;
	LWLockRelease(slots_lock);
	slots_wake(launcher);
}

void
slots_forget_database(Oid database)
{
	if (slots_table == NULL)
		return;
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		if (slots_table->slots[i].database == database && slots_table->slots[i].pid == 0)
			memset(&slots_table->slots[i], 0, sizeof(Slot));
	}
	LWLockRelease(slots_lock);
}

int
slots_scan_begin(Oid database)
{
	int result = -1;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SCANS && result < 0 && !slots_is_held(database); i++)
	{
		if (slots_table->scans[i].database == InvalidOid)
		{
			slots_table->scans[i] = (DatabaseScan){.database = database};
			result = i;
		}
	}
	LWLockRelease(slots_lock);
	return result;
}

bool
slots_scan_end(int i)
{
	bool succeeded;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	succeeded = slots_table->scans[i].succeeded;
	slots_table->scans[i] = (DatabaseScan){0};
	LWLockRelease(slots_lock);
	return succeeded;
}

bool
slots_out_of_slots(void)
{
	bool out;

	LWLockAcquire(slots_lock, LW_SHARED);
	out = slots_table->out_of_slots;
	LWLockRelease(slots_lock);
	return out;
}

void
slots_set_out_of_slots(bool out)
{
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slots_table->out_of_slots = out;
	LWLockRelease(slots_lock);
}

Oid
slots_scan_attach(int i)
{
	Oid database;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	database = slots_table->scans[i].database;
	if (slots_is_held(database))
		database = InvalidOid;
	if (OidIsValid(database))
		slots_table->scans[i].pid = MyProcPid;
	LWLockRelease(slots_lock);
	return database;
}

void
slots_scan_succeeded(int i, Oid database)
{
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	if (slots_table->scans[i].database == database)
		slots_table->scans[i].succeeded = true;
	LWLockRelease(slots_lock);
}

/* Terminate the workers and scanners of a database; returns true if there are none. */
static bool
stop_workers(Oid database)
{
	bool none = true;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot *slot = &slots_table->slots[i];

		if (slot->database != database || slot->pid == 0)
			continue;
		none = false;
		kill(slot->pid, SIGTERM);
	}
	for (int i = 0; i < MAX_SCANS; i++)
	{
		if (slots_table->scans[i].database != database)
			continue;
		none = false;
		if (slots_table->scans[i].pid != 0)
			kill(slots_table->scans[i].pid, SIGTERM);
	}
	LWLockRelease(slots_lock);
	return none;
}

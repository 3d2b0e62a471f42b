/*
 * slots.c
 *		Shared memory of launcher, workers and sessions (see slots.h).
 *
 * The life cycle of a worker: slots_want() marks the slot as wanted; the launcher registers a dynamic background
 * worker with the slot's number; the worker attaches (sets pid), works, and detaches in its exit callback (clears
 * pid). After a crash, which skips the callback, the postmaster reinitializes shared memory. After an error the
 * slot is still wanted, and the launcher starts the next worker after a back-off of 1, 2, 4 … 60 seconds.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "common/clock.h"
#include "common/log_ends.h"
#include "common/slots.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/wait_event.h"

#define MAX_SLOTS 256
#define MAX_HOLDS 8
#define LAUNCHER_MS 5000 /* it starts with the server, and again a second after an error */
#define TRANCHE "pg_streambatch"

typedef struct DatabaseScan
{
	Oid database; /* InvalidOid: free */
	pid_t pid;	  /* of the scanner; 0: not yet running */
	bool succeeded;
} DatabaseScan;

typedef struct SlotTable
{
	pid_t launcher;
	int64 launcher_gone; /* since when there is no launcher, by clock.h */
	bool launcher_seen;	 /* since the server's start */
	bool out_of_slots;	 /* slots_set_out_of_slots() */
	Oid held[MAX_HOLDS];
	DatabaseScan scans[MAX_SCANS];
	Slot slots[MAX_SLOTS];
} SlotTable;

static SlotTable *table = NULL;
static LWLock *lock = NULL;
static int my_slot = -1;
static Oid my_stream = InvalidOid;
static WorkerState final_state; /* set by slots_leave() */
static bool leaving = false;
static shmem_startup_hook_type previous_startup = NULL;
static shmem_request_hook_type previous_request = NULL;

static void request_shmem(void);
static void startup_shmem(void);
static Slot *find_slot(Oid database, Oid stream);
static Slot *find_free_slot(void);
static void wake(pid_t pid);
static bool stop_workers(Oid database);
static bool is_held(Oid database);
static void back_off(Slot *slot);
static void detach(int code, Datum arg);

void
slots_request_shmem(void)
{
	previous_request = shmem_request_hook;
	shmem_request_hook = request_shmem;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
}

bool
slots_available(void)
{
	return table != NULL;
}

void
slots_want(Oid database, Oid stream)
{
	Slot *slot;
	pid_t pid = 0;

	if (table == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	slot = find_slot(database, stream);
	if (slot == NULL && (slot = find_free_slot()) != NULL)
	{
		memset(slot, 0, sizeof(*slot));
		log_ends_forget(slot - table->slots);
		slot->database = database;
		slot->stream = stream;
	}
	if (slot != NULL)
	{
		slot->wanted = true;
		slot->requests++;
		slot->next_start = 0;
		slot->failures = 0;
		slot->memory_failures = 0;
		if (slot->pid == 0)
			slot->state = WORKER_STARTING;
		pid = slot->pid ? slot->pid : table->launcher;
	}
	LWLockRelease(lock);
	if (slot == NULL)
		ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						  errmsg("out of slots for the workers of streams"),
						  errdetail("At most %d streams of a server can have a worker.", MAX_SLOTS)));
	wake(pid);
}

void
slots_nudge(Oid database, Oid stream)
{
	Slot *slot;
	pid_t pid = 0;

	if (table == NULL)
		return;
	LWLockAcquire(lock, LW_SHARED);
	slot = find_slot(database, stream);
	if (slot != NULL)
		pid = slot->pid;
	LWLockRelease(lock);
	wake(pid);
}

void
slots_retry(Oid database, Oid stream)
{
	Slot slot;

	/* slots_want() also counts a request, so that a worker that is about to leave is replaced */
	if (slots_get(database, stream, &slot) && (slot.wanted || slot.state == WORKER_ERROR))
		slots_want(database, stream);
}

bool
slots_get(Oid database, Oid stream, Slot *copy)
{
	Slot *slot;

	if (table == NULL)
		return false;
	LWLockAcquire(lock, LW_SHARED);
	slot = find_slot(database, stream);
	if (slot != NULL)
		*copy = *slot;
	LWLockRelease(lock);
	return slot != NULL;
}

bool
slots_next_visible(int *i, Slot *copy)
{
	for (; table != NULL && *i < MAX_SLOTS; (*i)++)
	{
		LWLockAcquire(lock, LW_SHARED);
		*copy = table->slots[*i];
		LWLockRelease(lock);
		if (copy->database == MyDatabaseId && slots_is_visible(copy->stream))
			return true;
	}
	return false;
}

void
slots_hold_database(Oid database)
{
	bool held = false;

	if (table == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_HOLDS && !held; i++)
	{
		if (table->held[i] == InvalidOid)
		{
			table->held[i] = database;
			held = true;
		}
	}
	LWLockRelease(lock);
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

	if (table == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_HOLDS; i++)
	{
		if (table->held[i] == database)
		{
			table->held[i] = InvalidOid;
			break;
		}
	}
	launcher = table->launcher;
	LWLockRelease(lock);
	wake(launcher);
}

void
slots_forget_database(Oid database)
{
	if (table == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		if (table->slots[i].database == database && table->slots[i].pid == 0)
			memset(&table->slots[i], 0, sizeof(Slot));
	}
	LWLockRelease(lock);
}

void
slots_set_launcher(pid_t pid)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	table->launcher = pid;
	table->launcher_seen |= pid != 0;
	table->launcher_gone = clock_now();
	table->out_of_slots = false;
	/* scanners of the previous launcher may still run, but nobody waits for their result */
	memset(table->scans, 0, sizeof(table->scans));
	LWLockRelease(lock);
}

bool
slots_launcher_missing(WorkerError *error)
{
	bool missing;
	bool seen;

	if (table == NULL || RecoveryInProgress())
		return false;
	LWLockAcquire(lock, LW_SHARED);
	missing = table->launcher == 0 && clock_passed(table->launcher_gone, LAUNCHER_MS);
	seen = table->launcher_seen;
	LWLockRelease(lock);
	if (!missing)
		return false;
	memset(error, 0, sizeof(*error));
	error->sqlerrcode = ERRCODE_INSUFFICIENT_RESOURCES;
	strlcpy(error->message,
			seen ? "the launcher of pg_streambatch is not running"
				 : "out of background worker slots for the launcher of pg_streambatch",
			sizeof(error->message));
	strlcpy(error->hint,
			seen ? "The launcher restarts automatically; look for its error in the server log."
				 : "Increase max_worker_processes and restart the server.",
			sizeof(error->hint));
	return true;
}

int
slots_next_wanted(long *wait_ms, Oid *database)
{
	int64 now = clock_now();
	int result = -1;

	*wait_ms = 60000;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SLOTS && result < 0; i++)
	{
		Slot *slot = &table->slots[i];

		if (slot->database == InvalidOid || !slot->wanted || slot->pid != 0 || is_held(slot->database))
			continue;
		if (slot->next_start > now)
			*wait_ms = Min(*wait_ms, (slot->next_start - now) / 1000 + 1);
		else
		{
			result = i;
			*database = slot->database;
			/* retry if the worker does not attach */
			slot->next_start = now + 5 * USECS_PER_SEC;
		}
	}
	LWLockRelease(lock);
	return result;
}

void
slots_start_failed(int i, const char *message, const char *hint)
{
	Slot *slot = &table->slots[i];

	LWLockAcquire(lock, LW_EXCLUSIVE);
	slot->state = WORKER_ERROR;
	slot->error.sqlerrcode = ERRCODE_INSUFFICIENT_RESOURCES;
	strlcpy(slot->error.message, message, sizeof(slot->error.message));
	strlcpy(slot->error.hint, hint, sizeof(slot->error.hint));
	back_off(slot);
	LWLockRelease(lock);
}

int
slots_scan_begin(Oid database)
{
	int result = -1;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SCANS && result < 0 && !is_held(database); i++)
	{
		if (table->scans[i].database == InvalidOid)
		{
			table->scans[i] = (DatabaseScan){.database = database};
			result = i;
		}
	}
	LWLockRelease(lock);
	return result;
}

bool
slots_scan_end(int i)
{
	bool succeeded;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	succeeded = table->scans[i].succeeded;
	table->scans[i] = (DatabaseScan){0};
	LWLockRelease(lock);
	return succeeded;
}

bool
slots_out_of_slots(void)
{
	bool out;

	LWLockAcquire(lock, LW_SHARED);
	out = table->out_of_slots;
	LWLockRelease(lock);
	return out;
}

void
slots_set_out_of_slots(bool out)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	table->out_of_slots = out;
	LWLockRelease(lock);
}

Oid
slots_scan_attach(int i)
{
	Oid database;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	database = table->scans[i].database;
	if (is_held(database))
		database = InvalidOid;
	if (OidIsValid(database))
		table->scans[i].pid = MyProcPid;
	LWLockRelease(lock);
	return database;
}

void
slots_scan_succeeded(int i, Oid database)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (table->scans[i].database == database)
		table->scans[i].succeeded = true;
	LWLockRelease(lock);
}

bool
slots_attach(int i, Oid *database, Oid *stream)
{
	Slot *slot = &table->slots[i];
	bool wanted;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	wanted = slot->database != InvalidOid && slot->wanted && slot->pid == 0 && !is_held(slot->database);
	if (wanted)
	{
		slot->pid = MyProcPid;
		if (slot->state != WORKER_ERROR)
			slot->state = WORKER_STARTING;
		*database = slot->database;
		*stream = slot->stream;
	}
	LWLockRelease(lock);
	if (wanted)
	{
		my_slot = i;
		my_stream = *stream;
		before_shmem_exit(detach, (Datum) 0);
	}
	return wanted;
}

Oid
slots_my_stream(void)
{
	return my_stream;
}

uint64
slots_requests(int i)
{
	uint64 requests;

	LWLockAcquire(lock, LW_SHARED);
	requests = table->slots[i].requests;
	LWLockRelease(lock);
	return requests;
}

void
slots_set_state(int i, WorkerState state)
{
	Slot *slot = &table->slots[i];

	if (slot->state == state)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	slot->state = state;
	LWLockRelease(lock);
}

void
slots_note_success(int i)
{
	Slot *slot = &table->slots[i];

	if (slot->failures == 0 && slot->error.sqlerrcode == 0)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	slot->failures = 0;
	memset(&slot->error, 0, sizeof(slot->error));
	LWLockRelease(lock);
}

void
slots_set_error(int i, const WorkerError *error)
{
	Slot *slot = &table->slots[i];

	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (error)
		slot->error = *error;
	if (error && error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
		slot->memory_failures++;
	else
		memset(&slot->error, 0, sizeof(slot->error));
	LWLockRelease(lock);
}

void
slots_leave(int i, WorkerState state, uint64 requests)
{
	Slot *slot = &table->slots[i];

	LWLockAcquire(lock, LW_EXCLUSIVE);
	final_state = state;
	leaving = true;
	if (slot->requests == requests)
		slot->wanted = false;
	LWLockRelease(lock);
}

bool
slots_is_visible(Oid stream)
{
	bool missing = false;

	return pg_class_aclcheck_ext(stream, GetUserId(), ACL_SELECT, &missing) == ACLCHECK_OK ||
		   has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

static void
request_shmem(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(add_size(sizeof(SlotTable), log_ends_size(MAX_SLOTS)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

static void
startup_shmem(void)
{
	bool found;

	if (previous_startup)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	table = ShmemInitStruct(TRANCHE, sizeof(SlotTable), &found);
	if (!found)
	{
		memset(table, 0, sizeof(SlotTable));
		table->launcher_gone = clock_now();
	}
	lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	log_ends_startup(MAX_SLOTS);
	LWLockRelease(AddinShmemInitLock);
}

/* The stream's slot, or NULL. Lock held. */
static Slot *
find_slot(Oid database, Oid stream)
{
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		if (table->slots[i].database == database && table->slots[i].stream == stream)
			return &table->slots[i];
	}
	return NULL;
}

/* A free slot, or one that has no worker and is not wanted; NULL: none. Lock held exclusively. */
static Slot *
find_free_slot(void)
{
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		if (table->slots[i].database == InvalidOid)
			return &table->slots[i];
	}
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		if (!table->slots[i].wanted && table->slots[i].pid == 0)
			return &table->slots[i];
	}
	return NULL;
}

static void
wake(pid_t pid)
{
	PGPROC *proc = pid != 0 ? BackendPidGetProc(pid) : NULL;

	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

/* Terminate the workers and scanners of a database; returns true if there are none. */
static bool
stop_workers(Oid database)
{
	bool none = true;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot *slot = &table->slots[i];

		if (slot->database != database || slot->pid == 0)
			continue;
		none = false;
		kill(slot->pid, SIGTERM);
	}
	for (int i = 0; i < MAX_SCANS; i++)
	{
		if (table->scans[i].database != database)
			continue;
		none = false;
		if (table->scans[i].pid != 0)
			kill(table->scans[i].pid, SIGTERM);
	}
	LWLockRelease(lock);
	return none;
}

static bool
is_held(Oid database)
{
	for (int i = 0; i < MAX_HOLDS; i++)
	{
		if (table->held[i] == database)
			return true;
	}
	return false;
}

/* Delay the next start by 1, 2, 4 … 60 seconds. Lock held exclusively. */
static void
back_off(Slot *slot)
{
	slot->next_start = clock_now() + Min(1 << Min(slot->failures, 6), 60) * USECS_PER_SEC;
	slot->failures++;
}

static void
detach(int code, Datum arg)
{
	Slot *slot = &table->slots[my_slot];
	pid_t launcher;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	slot->pid = 0;
	/* not earlier: a stopped or paused state guarantees that the worker makes no more changes */
	if (leaving)
		slot->state = final_state;
	/* after an orderly exit, for example because of new options, the next worker starts at once */
	if (slot->wanted && code == 0)
		slot->next_start = 0;
	else if (slot->wanted)
		back_off(slot);
	launcher = table->launcher;
	LWLockRelease(lock);
	wake(launcher);
}

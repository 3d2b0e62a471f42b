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
#include "common/slots_private.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/wait_event.h"

#define LAUNCHER_MS 5000 /* it starts with the server, and again a second after an error */
#define TRANCHE "pg_streambatch"

SlotTable *slots_table = NULL;
LWLock *slots_lock = NULL;

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
	return slots_table != NULL;
}

void
slots_want(Oid database, Oid stream)
{
	Slot *slot;
	pid_t pid = 0;

	if (slots_table == NULL)
		return;
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot = find_slot(database, stream);
	if (slot == NULL && (slot = find_free_slot()) != NULL)
	{
		memset(slot, 0, sizeof(*slot));
		log_ends_forget(slot - slots_table->slots);
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
		pid = slot->pid ? slot->pid : slots_table->launcher;
	}
	LWLockRelease(slots_lock);
	if (slot == NULL)
		ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						  errmsg("out of slots for the workers of streams"),
						  errdetail("At most %d streams of a server can have a worker.", MAX_SLOTS)));
	slots_wake(pid);
}

void
slots_note_owner(Oid database, Oid stream, Oid owner)
{
	Slot *slot;

	if (slots_table == NULL)
		return;
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot = find_slot(database, stream);
	if (slot != NULL)
		slot->owner = owner;
	LWLockRelease(slots_lock);
}

void
slots_nudge(Oid database, Oid stream)
{
	Slot *slot;
	pid_t pid = 0;

	if (slots_table == NULL)
		return;
	LWLockAcquire(slots_lock, LW_SHARED);
	slot = find_slot(database, stream);
	if (slot != NULL)
	{
		pid = slot->pid;
		slot->give_way = true;
	}
	LWLockRelease(slots_lock);
	slots_wake(pid);
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

	if (slots_table == NULL)
		return false;
	LWLockAcquire(slots_lock, LW_SHARED);
	slot = find_slot(database, stream);
	if (slot != NULL)
		*copy = *slot;
	LWLockRelease(slots_lock);
	return slot != NULL;
}

bool
slots_next_visible(int *i, Slot *copy)
{
	for (; slots_table != NULL && *i < MAX_SLOTS; (*i)++)
	{
		LWLockAcquire(slots_lock, LW_SHARED);
		*copy = slots_table->slots[*i];
		LWLockRelease(slots_lock);
		if (copy->database == MyDatabaseId && slots_is_visible(copy->stream))
			return true;
	}
	return false;
}

void
slots_set_launcher(pid_t pid)
{
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slots_table->launcher = pid;
	slots_table->launcher_seen |= pid != 0;
	slots_table->launcher_gone = clock_now();
	slots_table->out_of_slots = false;
	/* scanners of the previous launcher may still run, but nobody waits for their result */
	memset(slots_table->scans, 0, sizeof(slots_table->scans));
	LWLockRelease(slots_lock);
}

bool
slots_launcher_missing(WorkerError *error)
{
	bool missing;
	bool seen;

	if (slots_table == NULL || RecoveryInProgress())
		return false;
	LWLockAcquire(slots_lock, LW_SHARED);
	missing = slots_table->launcher == 0 && clock_passed(slots_table->launcher_gone, LAUNCHER_MS);
	seen = slots_table->launcher_seen;
	LWLockRelease(slots_lock);
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
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SLOTS && result < 0; i++)
	{
		Slot *slot = &slots_table->slots[i];

		if (slot->database == InvalidOid || !slot->wanted || slot->pid != 0 || slots_is_held(slot->database))
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
	LWLockRelease(slots_lock);
	return result;
}

bool
slots_next_busy(int *i, pid_t *pid)
{
	bool found = false;

	LWLockAcquire(slots_lock, LW_SHARED);
	while (*i < MAX_SLOTS && !found)
	{
		*pid = slots_table->slots[*i].pid;
		found = slots_table->slots[*i].busy && *pid != 0;
		if (!found)
			(*i)++;
	}
	LWLockRelease(slots_lock);
	return found;
}

void
slots_give_way(int i)
{
	slots_table->slots[i].give_way = true;
}

int
slots_count_of(Oid owner, Oid stream)
{
	int n = 0;

	if (slots_table == NULL)
		return 0;
	LWLockAcquire(slots_lock, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		const Slot *slot = &slots_table->slots[i];

		n += slot->database != InvalidOid && slot->owner == owner && (slot->wanted || slot->pid != 0) &&
			 (slot->database != MyDatabaseId || slot->stream != stream);
	}
	LWLockRelease(slots_lock);
	return n;
}

void
slots_start_failed(int i, const char *message, const char *hint)
{
	Slot *slot = &slots_table->slots[i];

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot->state = WORKER_ERROR;
	slot->error_raised = false;
	slot->error.sqlerrcode = ERRCODE_INSUFFICIENT_RESOURCES;
	strlcpy(slot->error.message, message, sizeof(slot->error.message));
	strlcpy(slot->error.hint, hint, sizeof(slot->error.hint));
	back_off(slot);
	LWLockRelease(slots_lock);
}

bool
slots_attach(int i, Oid *database, Oid *stream)
{
	Slot *slot = &slots_table->slots[i];
	bool wanted;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	wanted = slot->database != InvalidOid && slot->wanted && slot->pid == 0 && !slots_is_held(slot->database);
	if (wanted)
	{
		slot->pid = MyProcPid;
		slot->busy = slot->give_way = false;
		if (slot->state != WORKER_ERROR)
			slot->state = WORKER_STARTING;
		*database = slot->database;
		*stream = slot->stream;
	}
	LWLockRelease(slots_lock);
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

	LWLockAcquire(slots_lock, LW_SHARED);
	requests = slots_table->slots[i].requests;
	LWLockRelease(slots_lock);
	return requests;
}

void
slots_set_state(int i, WorkerState state)
{
	Slot *slot = &slots_table->slots[i];

	if (slot->state == state)
		return;
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot->state = state;
	LWLockRelease(slots_lock);
}

void
slots_note_success(int i)
{
	Slot *slot = &slots_table->slots[i];

	if (slot->failures == 0 && slot->error.sqlerrcode == 0)
		return;
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot->failures = 0;
	memset(&slot->error, 0, sizeof(slot->error));
	LWLockRelease(slots_lock);
}

void
slots_set_busy(int i, bool busy)
{
	pid_t launcher = slots_table->launcher;

	slots_table->slots[i].busy = busy;
	/* sets its latch; in a signal handler there is no other way */
	if (busy && launcher != 0)
		kill(launcher, SIGUSR1);
}

bool
slots_must_give_way(int i)
{
	return slots_table->slots[i].give_way;
}

void
slots_blame(int i, Oid view)
{
	slots_table->slots[i].blamed = view;
}

void
slots_clear_give_way(int i)
{
	slots_table->slots[i].give_way = false;
	pg_memory_barrier();
}

Oid
slots_take_blamed(int i)
{
	Oid view = slots_table->slots[i].blamed;

	slots_table->slots[i].blamed = InvalidOid;
	return view;
}

void
slots_set_error(int i, const WorkerError *error)
{
	Slot *slot = &slots_table->slots[i];

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	if (error)
		slot->error = *error;
	else
		memset(&slot->error, 0, sizeof(slot->error));
	if (error && error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
		slot->memory_failures++;
	slot->error_raised = false;
	LWLockRelease(slots_lock);
}

void
slots_set_raised_error(int i, const WorkerError *error)
{
	Slot *slot = &slots_table->slots[i];

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot->error = *error;
	slot->error_raised = true;
	if (error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
		slot->memory_failures++;
	LWLockRelease(slots_lock);
}

void
slots_leave(int i, WorkerState state, uint64 requests)
{
	Slot *slot = &slots_table->slots[i];

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	final_state = state;
	leaving = true;
	if (slot->requests == requests)
		slot->wanted = false;
	LWLockRelease(slots_lock);
}

bool
slots_is_visible(Oid stream)
{
	return slots_is_readable(stream) || has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

bool
slots_is_readable(Oid stream)
{
	bool missing = false;

	return pg_class_aclcheck_ext(stream, GetUserId(), ACL_SELECT, &missing) == ACLCHECK_OK;
}

void
slots_wake(pid_t pid)
{
	PGPROC *proc = pid != 0 ? BackendPidGetProc(pid) : NULL;

	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

bool
slots_is_held(Oid database)
{
	for (int i = 0; i < MAX_HOLDS; i++)
	{
		if (slots_table->held[i] == database)
			return true;
	}
	return false;
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
	slots_table = ShmemInitStruct(TRANCHE, sizeof(SlotTable), &found);
	if (!found)
	{
		memset(slots_table, 0, sizeof(SlotTable));
		slots_table->launcher_gone = clock_now();
	}
	slots_lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	log_ends_startup(MAX_SLOTS);
	LWLockRelease(AddinShmemInitLock);
}

/* The stream's slot, or NULL. Lock held. */
static Slot *
find_slot(Oid database, Oid stream)
{
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		if (slots_table->slots[i].database == database && slots_table->slots[i].stream == stream)
			return &slots_table->slots[i];
	}
	return NULL;
}

/* A free slot, or one that has no worker and is not wanted; NULL: none. Lock held exclusively. */
static Slot *
find_free_slot(void)
{
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		if (slots_table->slots[i].database == InvalidOid)
			return &slots_table->slots[i];
	}
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		if (!slots_table->slots[i].wanted && slots_table->slots[i].pid == 0)
			return &slots_table->slots[i];
	}
	return NULL;
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
	Slot *slot = &slots_table->slots[my_slot];
	pid_t launcher;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot->pid = 0;
	/* not earlier: a stopped or paused state guarantees that the worker makes no more changes */
	if (leaving)
		slot->state = final_state;
	/* after an orderly exit, for example because of new options, the next worker starts at once */
	if (slot->wanted && code == 0)
		slot->next_start = 0;
	else if (slot->wanted)
		back_off(slot);
	launcher = slots_table->launcher;
	LWLockRelease(slots_lock);
	slots_wake(launcher);
}

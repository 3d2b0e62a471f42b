/*
 * slots.h
 *		Shared memory: one slot per stream that has, wants or had a worker in this server's lifetime.
 *
 * What a worker is doing is kept here and not in a table, so that it can be told when nothing can be written.
 * One LWLock guards all slots; it is held for copying only.
 */
#ifndef STREAMBATCH_SLOTS_H
#define STREAMBATCH_SLOTS_H

#include "datatype/timestamp.h"

typedef enum WorkerState
{
	WORKER_STOPPED,
	WORKER_STARTING,
	WORKER_CATCHING_UP,
	WORKER_STREAMING,
	WORKER_PAUSED,
	WORKER_RECONNECTING,
	WORKER_ERROR
} WorkerState;

typedef struct WorkerError
{
	int sqlerrcode; /* 0: none */
	char message[512];
	char hint[256];
} WorkerError;

typedef struct Slot
{
	Oid database; /* InvalidOid: free */
	Oid stream;
	WorkerState state;
	pid_t pid;				/* of the worker; 0: none */
	bool wanted;			/* the launcher starts a worker when there is none */
	uint64 requests;		/* raised by every wish of a session; a worker that leaves compares it */
	TimestampTz next_start; /* back-off after an error */
	int failures;
	WorkerError error;
} Slot;

/* Called from _PG_init. slots_available() is false without shared_preload_libraries. */
extern void slots_request_shmem(void);
extern bool slots_available(void);

/*
 * Sessions. A worker for the stream is wanted; it starts, or looks at its catalog row again, soon after this.
 */
extern void slots_want(Oid database, Oid stream);
/* Where it has stopped with an error, or waits to be started again, that is worth trying now. */
extern void slots_retry(Oid database, Oid stream);
/* The worker that runs, if one does, should look at its catalog row. */
extern void slots_nudge(Oid database, Oid stream);
extern bool slots_get(Oid database, Oid stream, Slot *copy);
/* Stop all workers of a database and start none until released; waits until they are gone. */
extern void slots_hold_database(Oid database);
/* Let them start again: its command is over, or has failed. */
extern void slots_release_database(Oid database);
/* The database is gone: its streams need no worker any more. */
extern void slots_forget_database(Oid database);

/* The launcher. */
extern void slots_set_launcher(pid_t pid);
/* The next slot that wants a worker now; *wait: how long until one will. -1: none. */
extern int slots_next_wanted(long *wait_ms, Oid *database);
extern void slots_start_failed(int slot, const char *message, const char *hint);

/* The worker. */
extern bool slots_attach(int slot, Oid *database, Oid *stream); /* false: no longer wanted */
extern Oid slots_my_stream(void); /* that this process is the worker of; InvalidOid: none */
extern uint64 slots_requests(int slot);
extern void slots_set_state(int slot, WorkerState state);
/*
 * Something was stored, or there is nothing to store: whatever went wrong before is over, and the back-off
 * begins anew.
 */
extern void slots_note_success(int slot);
extern void slots_set_error(int slot, const WorkerError *error); /* NULL: clear */
/*
 * Leave: for good if nobody has asked since "requests" was noted; otherwise the launcher starts another. The
 * state is seen when the process ends, together with its pid's disappearance.
 */
extern void slots_leave(int slot, WorkerState state, uint64 requests);

#endif /* STREAMBATCH_SLOTS_H */

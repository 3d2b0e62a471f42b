/*
 * slots.h
 *		Shared memory: one slot per stream that has, requests or had a worker since the server's start.
 *
 * The state of a worker is kept here and not in a table, so that it can be reported when nothing can be written.
 * One LWLock protects all slots; it is held for short accesses only.
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
	pid_t pid;		  /* of the worker; 0: none */
	bool wanted;	  /* the launcher starts a worker if there is none */
	uint64 requests;  /* number of slots_want() calls; compared by slots_leave() */
	int64 next_start; /* back-off after an error, by clock.h */
	int failures;
	Oid owner;				/* of the stream, as of the last request */
	volatile bool busy;		/* the worker has run users' code for a while */
	volatile bool give_way; /* somebody waits for it */
	volatile Oid blamed;	/* the view whose code had to be ended with the worker; InvalidOid: none */
	int memory_failures; /* errors for lack of memory since the last request: the worker uses less each time */
	WorkerError error;
	bool error_raised; /* by a statement, so that its text may contain data: not one of ours about brokers */
} Slot;

/* At most so many databases are scanned for streams at the same time. */
#define MAX_SCANS 3

/* Called from _PG_init. slots_available() is false without shared_preload_libraries. */
extern void slots_request_shmem(void);
extern bool slots_available(void);

/* For sessions. Request a worker for the stream: it starts, or reads its catalog row again. */
extern void slots_want(Oid database, Oid stream);
/* Restart at once a worker that stopped with an error or waits for the end of a back-off. */
extern void slots_retry(Oid database, Oid stream);
/* Make the running worker, if any, read its catalog row. */
extern void slots_nudge(Oid database, Oid stream);
extern bool slots_get(Oid database, Oid stream, Slot *copy);
/* Note in the slot whose stream it is, for slots_count_of(): how many other streams of a role have or want a worker, in all databases. */
extern void slots_note_owner(Oid database, Oid stream, Oid owner);
extern int slots_count_of(Oid owner, Oid stream);
/* Whether the user may see the worker of a stream; and the texts of errors that may contain data. */
extern bool slots_is_visible(Oid stream);
extern bool slots_is_readable(Oid stream);
/* slots_set_out_of_slots() */
extern bool slots_out_of_slots(void);
/* The next slot from number *i on whose stream is of this database and may be seen by the user; false: none. */
extern bool slots_next_visible(int *i, Slot *copy);
/*
 * Whether the launcher, without which no worker starts, has been missing for some seconds; then *error says why.
 * On a standby it is never missing.
 */
extern bool slots_launcher_missing(WorkerError *error);
/* Stop all workers and scanners of a database, and start none until it is released. Waits until they have exited. */
extern void slots_hold_database(Oid database);
/* Allow workers of the database again. */
extern void slots_release_database(Oid database);
/* Free the slots of a dropped database. */
extern void slots_forget_database(Oid database);

/* For the launcher. */
extern void slots_set_launcher(pid_t pid);
/* The next slot to start a worker for, and its database; -1: none, and *wait_ms is the time until the next start. */
extern int slots_next_wanted(long *wait_ms, Oid *database);
/* The next slot, from *slot on, whose worker says that it is busy; false: none. */
extern bool slots_next_busy(int *slot, pid_t *pid);
/* Have a busy worker give way: what it runs is canceled. */
extern void slots_give_way(int slot);
extern void slots_start_failed(int slot, const char *message, const char *hint);
/* Begin to scan a database for streams. Returns the number of the scan; -1: not now. */
extern int slots_scan_begin(Oid database);
/* End a scan whose process has exited. Returns whether it has succeeded. */
extern bool slots_scan_end(int scan);
/* Whether databases remain unscanned for lack of background worker slots; shown for their streams. */
extern void slots_set_out_of_slots(bool out);

/* For a scanner. The database that it scans; InvalidOid: none any more. */
extern Oid slots_scan_attach(int scan);
extern void slots_scan_succeeded(int scan, Oid database);

/* For the worker. The first three may be called in a signal handler. */
extern void slots_set_busy(int slot, bool busy); /* true wakes the launcher */
extern bool slots_must_give_way(int slot);
extern void slots_blame(int slot, Oid view);
/* Before reading the catalog: what is requested from now on is not yet seen there. */
extern void slots_clear_give_way(int slot);
/* The view whose code the worker before had to be ended for; forgets it. InvalidOid: none. */
extern Oid slots_take_blamed(int slot);
extern bool slots_attach(int slot, Oid *database, Oid *stream); /* false: no longer wanted */
extern Oid slots_my_stream(void); /* the stream of this worker process; InvalidOid: none */
extern uint64 slots_requests(int slot);
extern void slots_set_state(int slot, WorkerState state);
/* After a flush, or if there is nothing to flush: clear the error, and reset the back-off. */
extern void slots_note_success(int slot);
extern void slots_set_error(int slot, const WorkerError *error); /* NULL: clear */
/* The same for an error that was raised: only those who may SELECT the stream are shown its text. */
extern void slots_set_raised_error(int slot, const WorkerError *error);
/*
 * Prepare to exit. Unless a worker was requested since "requests" was read, the slot is no longer wanted; else
 * the launcher starts another worker. The state becomes visible when the process ends, with the removal of its
 * pid.
 */
extern void slots_leave(int slot, WorkerState state, uint64 requests);

#endif /* STREAMBATCH_SLOTS_H */

/*
 * slots_private.h
 *		The shared memory of slots.c and slots_database.c. Private to them.
 */
#ifndef STREAMBATCH_SLOTS_PRIVATE_H
#define STREAMBATCH_SLOTS_PRIVATE_H

#include "common/slots.h"
#include "storage/lwlock.h"

#define MAX_SLOTS 256
#define MAX_HOLDS 8

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

extern SlotTable *slots_table; /* NULL without shared_preload_libraries */
extern LWLock *slots_lock;

/* Set the latch of a process; 0: none. */
extern void slots_wake(pid_t pid);

/* Whether the workers of a database are stopped at present. Lock held. */
extern bool slots_is_held(Oid database);

#endif /* STREAMBATCH_SLOTS_PRIVATE_H */

/*
 * lock_wait.h
 *		Whom a process waits for.
 */
#ifndef STREAMBATCH_LOCK_WAIT_H
#define STREAMBATCH_LOCK_WAIT_H

#include "common/slots.h"

/*
 * If the process waits for a lock at this moment, fill in error with what it waits for and which processes hold
 * it. Returns false if it does not wait for one.
 */
extern bool lock_wait_describe(pid_t pid, WorkerError *error);

#endif /* STREAMBATCH_LOCK_WAIT_H */

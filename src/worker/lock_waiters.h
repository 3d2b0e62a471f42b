/*
 * lock_waiters.h
 *		Who waits for a worker's locks.
 */
#ifndef STREAMBATCH_LOCK_WAITERS_H
#define STREAMBATCH_LOCK_WAITERS_H

/*
 * In the launcher: have workers that have run users' code for a while give way (user_code.h) where somebody waits
 * for a lock that they hold. False: no worker does, and there is nothing to look at until one says so.
 */
extern bool lock_waiters_check(void);

#endif /* STREAMBATCH_LOCK_WAITERS_H */

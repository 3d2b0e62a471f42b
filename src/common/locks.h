/*
 * locks.h
 *		Locking tables without a risk of deadlock.
 */
#ifndef STREAMBATCH_LOCKS_H
#define STREAMBATCH_LOCKS_H

#include "nodes/pg_list.h"

/*
 * Lock relations for reading (AccessShareLock) and for writing (RowExclusiveLock) until the end of the
 * transaction, which should hold no other lock that a DROP could wait for. Never waits for one of the locks while
 * it holds another. Does not check that the relations exist; callers do so afterwards. InvalidOid is ignored.
 */
extern void locks_take(const List *read, const List *written);

#endif /* STREAMBATCH_LOCKS_H */

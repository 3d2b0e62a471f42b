/*
 * locks.h
 *		Table locks that cannot be half of a deadlock.
 */
#ifndef STREAMBATCH_LOCKS_H
#define STREAMBATCH_LOCKS_H

#include "nodes/pg_list.h"

/*
 * Lock relations to read and to write until the end of the transaction, which should hold no other lock that a
 * DROP could wait for. It never waits for one of them while it holds another. Relations may be gone: whoever
 * needs them looks afterwards. InvalidOid is passed over.
 */
extern void locks_take(const List *read, const List *written);

#endif /* STREAMBATCH_LOCKS_H */

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

/*
 * Lock the past of a stream, the events below its positions, until the end of the transaction: exclusively, to add
 * to it, or in share mode, to compute from it. wait: until it is available; false: it is not.
 */
extern bool locks_take_past(Oid stream, bool exclusive, bool wait);

/* The same in share mode for the session, and waiting, until it is released. */
extern void locks_hold_past(Oid stream);
extern void locks_release_past(Oid stream);

/*
 * Lock the corrections of a stream's archive until the end of the transaction, waiting: in share mode by a statement
 * that has changed it, before it looks which views there are to mark; exclusively by who computes states of a view that
 * others do not see yet, before it takes the snapshots that it computes from, and before it locks the stream's row.
 */
extern void locks_take_corrections(Oid stream, bool exclusive);

/*
 * The right to compute a hybrid view's batch layer, one session at a time: hold it over transactions, without waiting;
 * false: another session holds it. And take it until the end of the transaction, likewise.
 */
extern bool locks_hold_refresh(int32 view_id);
extern void locks_release_refresh(int32 view_id);
extern bool locks_take_refresh(int32 view_id);

#endif /* STREAMBATCH_LOCKS_H */

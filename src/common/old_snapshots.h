/*
 * old_snapshots.h
 *		Waiting until all transactions of the database can see what has been committed.
 */
#ifndef STREAMBATCH_OLD_SNAPSHOTS_H
#define STREAMBATCH_OLD_SNAPSHOTS_H

/*
 * Wait for the transactions of this database whose snapshots are older than the call. The caller must have no active
 * snapshot, so that two of them do not wait for each other, and holds no lock that those transactions could wait for.
 */
extern void old_snapshots_wait(void);

#endif /* STREAMBATCH_OLD_SNAPSHOTS_H */

/*
 * flush_transaction.h
 *		The transaction of a flush, from before its first micro-batch to its commit.
 */
#ifndef STREAMBATCH_FLUSH_TRANSACTION_H
#define STREAMBATCH_FLUSH_TRANSACTION_H

#include "worker/worker_state.h"

/*
 * Begin it, with every table lock that it will need. False: the set of views has changed; all is loaded anew,
 * and read from the stored positions.
 */
extern bool flush_transaction_begin(Worker *w);

/*
 * Decode, archive and fold the messages just taken. False: a fold is poisoned, and nothing of the transaction
 * can be kept.
 */
extern bool flush_transaction_fold(Worker *w);

/*
 * Flush and commit. Where that cannot be, abort, and read again from the stored positions. Either way no
 * transaction is open afterwards.
 */
extern void flush_transaction_end(Worker *w);

#endif /* STREAMBATCH_FLUSH_TRANSACTION_H */

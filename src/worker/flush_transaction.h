/*
 * flush_transaction.h
 *		The transaction of a flush, from before its first micro-batch to its commit.
 */
#ifndef STREAMBATCH_FLUSH_TRANSACTION_H
#define STREAMBATCH_FLUSH_TRANSACTION_H

#include "worker/worker_state.h"

/*
 * Begin the transaction, and take every table lock that it will need. Returns false if the set of views has
 * changed; then the definition was reloaded, and reading restarts at the stored positions.
 */
extern bool flush_transaction_begin(Worker *w);

/*
 * Decode, archive and fold the messages just taken: carefully if w->careful is set, so that only errors of the
 * system are raised. Otherwise any error is raised, and the transaction must be aborted.
 */
extern void flush_transaction_fold(Worker *w);

/*
 * Flush and commit; if that fails, abort and read again from the stored positions. No transaction is open
 * afterwards.
 */
extern void flush_transaction_end(Worker *w);

#endif /* STREAMBATCH_FLUSH_TRANSACTION_H */

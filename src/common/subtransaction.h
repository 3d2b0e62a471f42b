/*
 * subtransaction.h
 *		Running code in a subtransaction and catching its errors.
 */
#ifndef STREAMBATCH_SUBTRANSACTION_H
#define STREAMBATCH_SUBTRANSACTION_H

/*
 * Run body(arg) in a subtransaction, in the subtransaction's memory context. Returns NULL if it succeeds. On an
 * error, its changes to the database are rolled back, its changes to memory are not, and the error is returned,
 * copied into the given context. The caller's memory context and resource owner are current again on return.
 * Not for parallel mode.
 */
extern ErrorData *subtransaction_run(void (*body)(void *arg), void *arg, MemoryContext context);

/* The same where "in_subtransaction" is true; otherwise plainly body(arg), whose errors go to the caller. */
extern ErrorData *subtransaction_run_if(bool in_subtransaction, void (*body)(void *arg), void *arg,
										MemoryContext context);

/*
 * Callbacks for each of many items, by number. item runs in a subtransaction. failed gets the error of an item,
 * after the rollback and outside the subtransaction; to stop, it can raise the error again with ReThrowError().
 */
typedef struct SubtransactionItems
{
	void (*item)(void *arg, int i);
	void (*failed)(void *arg, int i, ErrorData *error);
} SubtransactionItems;

/*
 * Run items 0 … n - 1 in as few subtransactions as possible, in the given memory context: all run in one, and
 * after an item that raises an error, a new one begins. For items that only change memory: a rollback also
 * undoes the changes of earlier items to the database.
 */
extern void subtransaction_run_items(const SubtransactionItems *items, int n, void *arg,
									 MemoryContext context);

#endif /* STREAMBATCH_SUBTRANSACTION_H */

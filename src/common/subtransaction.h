/*
 * subtransaction.h
 *		Running code in a subtransaction, and going on when it raises.
 */
#ifndef STREAMBATCH_SUBTRANSACTION_H
#define STREAMBATCH_SUBTRANSACTION_H

/*
 * Run body(arg) in a subtransaction, in a memory context that ends with it. Returns NULL when it succeeds;
 * otherwise the error, copied into the given context, after what the body did to the database has been rolled
 * back. What it did to memory stands. The caller's memory context and resource owner are current again on
 * return.
 */
extern ErrorData *subtransaction_run(void (*body)(void *arg), void *arg, MemoryContext context);

/*
 * What to do with each of many items, by number. item runs in a subtransaction; failed gets the error of an
 * item, after the rollback and outside the subtransaction, and may raise it again (ReThrowError) to end all.
 */
typedef struct SubtransactionItems
{
	void (*item)(void *arg, int i);
	void (*failed)(void *arg, int i, ErrorData *error);
} SubtransactionItems;

/*
 * Run items 0 … n - 1 in as few subtransactions as possible, in the given memory context: one covers all of
 * them as long as none raises; behind one that raises a new subtransaction begins. For items that change
 * memory only: a rollback takes back what earlier items did to the database, too.
 */
extern void subtransaction_run_items(const SubtransactionItems *items, int n, void *arg,
									 MemoryContext context);

#endif /* STREAMBATCH_SUBTRANSACTION_H */

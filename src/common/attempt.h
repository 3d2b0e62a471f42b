/*
 * attempt.h
 *		Doing something in a subtransaction, and going on when it fails.
 */
#ifndef STREAMBATCH_ATTEMPT_H
#define STREAMBATCH_ATTEMPT_H

/*
 * Run body(arg) in a subtransaction, in a memory context that ends with it. Returns NULL where it went well;
 * otherwise the error, copied into the given context, after what the body did to the database has been rolled
 * back. What it did to memory stands. The caller's memory context and resource owner are current again on
 * return.
 */
extern ErrorData *attempt(void (*body)(void *arg), void *arg, MemoryContext context);

#endif /* STREAMBATCH_ATTEMPT_H */

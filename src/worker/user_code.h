/*
 * user_code.h
 *		Running code of users in the worker: how long it may take, and that it gives way.
 */
#ifndef STREAMBATCH_USER_CODE_H
#define STREAMBATCH_USER_CODE_H

#include "utils/elog.h"

typedef enum UserCodeEnd
{
	USER_CODE_ENDED,	/* by itself */
	USER_CODE_EXCEEDED, /* it was cancelled at its time limit */
	USER_CODE_GAVE_WAY	/* it was cancelled for somebody who waits: what was read is to be read again */
} UserCodeEnd;

/* Once, in a worker with this slot. */
extern void user_code_init(int slot);

/*
 * What follows runs code of a view's owner (InvalidOid: of the stream's), for limit_ms at most (0: no limit). Ends
 * with user_code_end(), which must be called after an error too and may be called twice. Nothing outside a worker.
 */
extern void user_code_begin(Oid view, int limit_ms);
extern UserCodeEnd user_code_end(void);

/* What to say of code that has exceeded its limit; in the current context. */
extern char *user_code_limit_message(int limit_ms);

/* The code has come to something: the time limit begins anew. */
extern void user_code_progress(void);

/* Before waiting without a transaction: the timer rests until the next user_code_begin(). */
extern void user_code_rest(void);

/*
 * Whether an error whose SQLSTATE says that it is the server's (dead_letters.h) was raised by the code itself, so
 * that it is the code's alone.
 */
extern bool user_code_raised(const ErrorData *error);

#endif /* STREAMBATCH_USER_CODE_H */

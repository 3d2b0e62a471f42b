/*
 * dead_letters.h
 *		Dead letters of the transaction at hand, until the flush writes them.
 */
#ifndef STREAMBATCH_DEAD_LETTERS_H
#define STREAMBATCH_DEAD_LETTERS_H

#include "common/catalog_stream.h"
#include "kafka/message.h"

typedef struct DeadLetters
{
	MemoryContext context; /* owns all of it; reset by dead_letters_clear() */
	DeadLetter *items;
	int n;
	int allocated;
} DeadLetters;

extern void dead_letters_init(DeadLetters *dead_letters, MemoryContext parent);
extern void dead_letters_clear(DeadLetters *dead_letters);
extern Size dead_letters_memory(const DeadLetters *dead_letters);

/* A message that error keeps out of the stream (view InvalidOid) or out of a view. Copies all it needs. */
extern void dead_letters_add(DeadLetters *dead_letters, const Message *message, Oid view,
							 const ErrorData *error);

/*
 * Whether an error is the fault of data: a value, a constraint, a limit of a key or value, or what a function raises
 * on purpose. Anything else says something about the system.
 */
extern bool dead_letters_is_data(int sqlerrcode);

/* Whether an error is no fault of any data: memory, disk, locks, a cancel, a shutdown. */
extern bool dead_letters_nobodys(int sqlerrcode);

/*
 * Raise an error again that says nothing about the message: out of memory, cancelled, shut down, disk full,
 * deadlock. To make it a dead letter would lose the message.
 */
extern void dead_letters_reject_error(ErrorData *error);

#endif /* STREAMBATCH_DEAD_LETTERS_H */

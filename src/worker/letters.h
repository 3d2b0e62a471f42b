/*
 * letters.h
 *		Dead letters of the transaction at hand, until the flush writes them.
 */
#ifndef STREAMBATCH_LETTERS_H
#define STREAMBATCH_LETTERS_H

#include "common/catalog_stream.h"
#include "kafka/message.h"

typedef struct Letters
{
	MemoryContext context; /* owns all of it; reset by letters_clear() */
	DeadLetter *items;
	int n;
	int allocated;
} Letters;

extern void letters_init(Letters *letters, MemoryContext parent);
extern void letters_clear(Letters *letters);
extern Size letters_memory(const Letters *letters);

/* A message that error keeps out of the stream (view InvalidOid) or out of a view. Copies all it needs. */
extern void letters_add(Letters *letters, const Message *message, Oid view, const ErrorData *error);

/*
 * Whether an error is the fault of data: a value, a constraint, a limit of a key or value, or what a function raises
 * on purpose. Anything else says something about the system.
 */
extern bool letters_is_data(int sqlerrcode);

/* Whether an error is no fault of any data: memory, disk, locks, a cancel, a shutdown. */
extern bool letters_nobodys(int sqlerrcode);

/*
 * Raise an error again that says nothing about the message: out of memory, cancelled, shut down, disk full,
 * deadlock. To make it a dead letter would lose the message.
 */
extern void letters_reject_error(ErrorData *error);

#endif /* STREAMBATCH_LETTERS_H */

/*
 * dead_letters.h
 *		Dead letters of the current transaction, kept in memory until the flush writes them.
 */
#ifndef STREAMBATCH_DEAD_LETTERS_H
#define STREAMBATCH_DEAD_LETTERS_H

#include "common/catalog_dead_letter.h"
#include "common/catalog_stream.h"
#include "kafka/message.h"

/* Longer keys and payloads are cut. */
#define DEAD_LETTER_MAX_BYTES (1024 * 1024)

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

/* Add a message that failed with error, in the stream (view InvalidOid) or in a view. Copies all it needs. */
extern void dead_letters_add(DeadLetters *dead_letters, const Message *message, Oid view,
							 const ErrorData *error);

/* Remove those of a view: it is suspended, and its messages will be read again. */
extern void dead_letters_remove_view(DeadLetters *dead_letters, Oid view);

/*
 * Whether data caused an error: a data exception, a constraint violation, an exceeded limit of a key or
 * value, or an exception that a function raised on purpose. Any other error is a condition of the system.
 */
extern bool dead_letters_is_data_error(int sqlerrcode);

/*
 * The same for an error raised while a message was decoded. names: the stream has a column whose input is the
 * name of a database object.
 */
extern bool dead_letters_is_decoding_error(int sqlerrcode, bool names);

/*
 * Whether an error cannot be caused by data, whatever raised it: out of memory, disk full, deadlock, lock not
 * available, cancel, shutdown.
 */
extern bool dead_letters_is_system_error(int sqlerrcode);

#endif /* STREAMBATCH_DEAD_LETTERS_H */

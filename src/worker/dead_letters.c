/*
 * dead_letters.c
 *		Dead letters of the current transaction (see dead_letters.h).
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "worker/dead_letters.h"

static bytea *copy_bytes(const char *data, size_t len);

void
dead_letters_init(DeadLetters *dead_letters, MemoryContext parent)
{
	memset(dead_letters, 0, sizeof(*dead_letters));
	dead_letters->context = AllocSetContextCreate(parent, "streambatch dead letters", ALLOCSET_DEFAULT_SIZES);
}

void
dead_letters_clear(DeadLetters *dead_letters)
{
	MemoryContextReset(dead_letters->context);
	dead_letters->items = NULL;
	dead_letters->n = dead_letters->allocated = 0;
}

Size
dead_letters_memory(const DeadLetters *dead_letters)
{
	return MemoryContextMemAllocated(dead_letters->context, true);
}

void
dead_letters_add(DeadLetters *dead_letters, const Message *message, Oid view, const ErrorData *error)
{
	MemoryContext old = MemoryContextSwitchTo(dead_letters->context);
	DeadLetter *letter;

	if (dead_letters->n == dead_letters->allocated)
	{
		dead_letters->allocated = Max(16, dead_letters->allocated * 2);
		dead_letters->items =
			dead_letters->items
				? repalloc_huge(dead_letters->items, dead_letters->allocated * sizeof(DeadLetter))
				: palloc(dead_letters->allocated * sizeof(DeadLetter));
	}
	letter = &dead_letters->items[dead_letters->n++];
	letter->view = view;
	letter->partition = message->partition;
	letter->offset = message->offset;
	letter->has_timestamp = message->has_timestamp;
	letter->timestamp = message->timestamp;
	letter->key = copy_bytes(message->key, message->key_len);
	letter->payload = copy_bytes(message->payload, message->payload_len);
	letter->sqlerrcode = error->sqlerrcode;
	letter->message = pstrdup(error->message ? error->message : "unknown error");
	letter->detail = error->detail ? pstrdup(error->detail) : NULL;
	MemoryContextSwitchTo(old);
}

bool
dead_letters_is_data_error(int sqlerrcode)
{
	/* of a stored state that somebody has changed: every event that meets it would be left out */
	if (sqlerrcode == ERRCODE_INVALID_BINARY_REPRESENTATION)
		return false;
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
			return true;
		default:
			return sqlerrcode == ERRCODE_RAISE_EXCEPTION || sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	}
}

bool
dead_letters_is_system_error(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
	}
}

void
dead_letters_rethrow_system_error(ErrorData *error)
{
	if (dead_letters_is_system_error(error->sqlerrcode))
		ReThrowError(error);
}

static bytea *
copy_bytes(const char *data, size_t len)
{
	bytea *result;

	if (data == NULL)
		return NULL;
	/* the beginning is enough to find out what it is, and the rest may not fit in a bytea */
	len = Min(len, DEAD_LETTER_MAX_BYTES);
	result = palloc(len + VARHDRSZ);
	SET_VARSIZE(result, len + VARHDRSZ);
	memcpy(VARDATA(result), data, len);
	return result;
}

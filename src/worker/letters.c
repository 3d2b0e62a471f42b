/*
 * letters.c
 *		Dead letters of the transaction at hand (see letters.h).
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "worker/letters.h"

void
letters_init(Letters *letters, MemoryContext parent)
{
	memset(letters, 0, sizeof(*letters));
	letters->context = AllocSetContextCreate(parent, "streambatch dead letters", ALLOCSET_DEFAULT_SIZES);
}

void
letters_clear(Letters *letters)
{
	MemoryContextReset(letters->context);
	letters->items = NULL;
	letters->n = letters->allocated = 0;
}

Size
letters_memory(const Letters *letters)
{
	return MemoryContextMemAllocated(letters->context, true);
}

static bytea *
copy_bytes(const char *data, size_t len)
{
	bytea *result;

	if (data == NULL)
		return NULL;
	/* a bytea holds less than 1 GB; librdkafka's message.max.bytes keeps us far below */
	result = palloc(len + VARHDRSZ);
	SET_VARSIZE(result, len + VARHDRSZ);
	memcpy(VARDATA(result), data, len);
	return result;
}

void
letters_add(Letters *letters, const Message *message, Oid view, const ErrorData *error)
{
	MemoryContext old = MemoryContextSwitchTo(letters->context);
	DeadLetter *letter;

	if (letters->n == letters->allocated)
	{
		letters->allocated = Max(16, letters->allocated * 2);
		letters->items = letters->items
							 ? repalloc_huge(letters->items, letters->allocated * sizeof(DeadLetter))
							 : palloc(letters->allocated * sizeof(DeadLetter));
	}
	letter = &letters->items[letters->n++];
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
letters_is_data(int sqlerrcode)
{
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
letters_nobodys(int sqlerrcode)
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
letters_reject_error(ErrorData *error)
{
	if (letters_nobodys(error->sqlerrcode))
		ReThrowError(error);
}

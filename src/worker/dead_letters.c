/*
 * dead_letters.c
 *		Dead letters of the current transaction (see dead_letters.h).
 *
 * Whose fault an error is, is decided by its SQLSTATE. What makes a dead letter is a positive list: data
 * exceptions (class 22), constraint violations (23), exceptions that a function raises on purpose (P0001), an
 * exceeded limit of a key or value (54000). Anything else says something about the system, such as a lost
 * connection, a privilege, a missing table, a damaged index, a lock or a full disk, even if this row was the
 * first to meet it. Nothing is skipped for it: for the archive and for decoding the stream's transaction is
 * rolled back and the worker tries again; for a view's query that view is suspended.
 *
 * Decoding is the exception. A type's input function may raise anything for malformed text: PostGIS raises
 * XX000, tsquery and ltree 42601, regclass 42P01. One such message must not stop the stream. So there an error
 * is the data's unless it clearly is the system's, as listed below.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "worker/dead_letters.h"

static struct varlena *copy_headers(const Message *message);
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
	letter->headers = copy_headers(message);
	letter->sqlerrcode = error->sqlerrcode;
	letter->message = pstrdup(error->message ? error->message : "unknown error");
	letter->detail = error->detail ? pstrdup(error->detail) : NULL;
	MemoryContextSwitchTo(old);
}

void
dead_letters_remove_view(DeadLetters *dead_letters, Oid view)
{
	int to = 0;

	for (int from = 0; from < dead_letters->n; from++)
	{
		if (dead_letters->items[from].view != view)
			dead_letters->items[to++] = dead_letters->items[from];
	}
	dead_letters->n = to;
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

bool
dead_letters_is_decoding_error(int sqlerrcode, bool names)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE: /* locks, too */
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_CONFIG_FILE_ERROR:
		case ERRCODE_FDW_ERROR:
			return false;
		default:
			break;
	}
	switch (sqlerrcode)
	{
		case ERRCODE_DATA_CORRUPTED:
		case ERRCODE_INDEX_CORRUPTED:
		case ERRCODE_INSUFFICIENT_PRIVILEGE:
			return false;
		case ERRCODE_UNDEFINED_TABLE:
		case ERRCODE_UNDEFINED_COLUMN:
		case ERRCODE_UNDEFINED_FUNCTION:
		case ERRCODE_UNDEFINED_OBJECT:
		case ERRCODE_UNDEFINED_SCHEMA:
			return names;
		default:
			return true;
	}
}

/* The message's headers as jsonb; NULL: it has none. */
static struct varlena *
copy_headers(const Message *message)
{
	bool isnull;
	Datum headers = message_headers(message, &isnull);

	return isnull ? NULL : (struct varlena *) DatumGetPointer(headers);
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

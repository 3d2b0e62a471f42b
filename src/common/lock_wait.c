/*
 * lock_wait.c
 *		Whom a process waits for (see lock_wait.h).
 *
 * Asked by the one who looks at the statistics: the waiting process cannot tell, and does not know who else queues
 * for the lock meanwhile. So it holds for every lock, wherever it is waited for: tables, rows, also in the statement
 * of a trigger or of a view.
 *
 * Looking at all locks is slow on a busy server, so it is done only for a process whose wait event is a lock.
 */
#include "postgres.h"

#include "common/lock_wait.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/wait_event.h"

#define WAIT_CLASS 0xFF000000 /* of a wait event */

static bool awaited_lock(pid_t pid, LOCKTAG *tag);
static char *lock_name(const LOCKTAG *tag);
static void describe_holders(StringInfo text, const int32 *pids, int n);

bool
lock_wait_describe(pid_t pid, WorkerError *error)
{
	PGPROC *proc = BackendPidGetProc(pid);
	StringInfoData text;
	ArrayType *array;
	const int32 *pids;
	LOCKTAG tag;
	int n;

	if (proc == NULL || (*(volatile uint32 *) &proc->wait_event_info & WAIT_CLASS) != PG_WAIT_LOCK)
		return false;
	array = DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(pid)));
	pids = (const int32 *) ARR_DATA_PTR(array);
	n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	/* granted meanwhile */
	if (n == 0 || !awaited_lock(pid, &tag))
		return false;

	initStringInfo(&text);
	appendStringInfo(&text, "waiting for %s, locked by ", lock_name(&tag));
	describe_holders(&text, pids, n);
	memset(error, 0, sizeof(*error));
	error->sqlerrcode = ERRCODE_LOCK_NOT_AVAILABLE;
	strlcpy(error->message, text.data, sizeof(error->message));
	if (pids[0] != 0)
		snprintf(
			error->hint, sizeof(error->hint),
			"The worker continues when that transaction ends; to end it, use SELECT pg_terminate_backend(%d).",
			pids[0]);
	else
		strlcpy(error->hint,
				"The worker continues when that transaction ends; the view pg_prepared_xacts shows it.",
				sizeof(error->hint));
	return true;
}

/* The lock that a process waits for. */
static bool
awaited_lock(pid_t pid, LOCKTAG *tag)
{
	LockData *locks = GetLockStatusData();

	for (int i = 0; i < locks->nelements; i++)
	{
		const LockInstanceData *lock = &locks->locks[i];

		if (lock->pid == pid && lock->waitLockMode != NoLock)
		{
			*tag = lock->locktag;
			return true;
		}
	}
	return false;
}

static char *
lock_name(const LOCKTAG *tag)
{
	char *name = NULL;

	switch ((LockTagType) tag->locktag_type)
	{
		case LOCKTAG_RELATION:
		case LOCKTAG_RELATION_EXTEND:
		case LOCKTAG_PAGE:
			if (tag->locktag_field1 == MyDatabaseId)
				name = get_rel_name(tag->locktag_field2);
			return name != NULL ? psprintf("relation \"%s\"", name) : pstrdup("a relation");
		case LOCKTAG_TUPLE:
			if (tag->locktag_field1 == MyDatabaseId)
				name = get_rel_name(tag->locktag_field2);
			return name != NULL ? psprintf("a row of relation \"%s\"", name) : pstrdup("a row");
		case LOCKTAG_TRANSACTION:
		case LOCKTAG_SPECULATIVE_TOKEN:
			return pstrdup("a row");
		case LOCKTAG_ADVISORY:
			return pstrdup("an advisory lock");
		default:
			return pstrdup("an object");
	}
}

/* Prepared transactions have pid 0. */
static void
describe_holders(StringInfo text, const int32 *pids, int n)
{
	if (pids[0] == 0)
		appendStringInfoString(text, "a prepared transaction");
	else
		appendStringInfo(text, "process %d", pids[0]);
	if (n > 1)
		appendStringInfo(text, " and %d more", n - 1);
}

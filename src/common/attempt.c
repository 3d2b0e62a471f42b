/*
 * attempt.c
 *		Doing something in a subtransaction, and going on when it fails (see attempt.h).
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/attempt.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

ErrorData *
attempt(void (*body)(void *arg), void *arg, MemoryContext context)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		body(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	CurrentResourceOwner = owner;
	return error;
}

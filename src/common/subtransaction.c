/*
 * subtransaction.c
 *		Running code in a subtransaction and catching its errors (see subtransaction.h).
 *
 * As PL/pgSQL runs a block with an EXCEPTION clause. PostgreSQL does not allow subtransactions in parallel mode.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/subtransaction.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

typedef struct ItemsJob
{
	const SubtransactionItems *items;
	void *arg;
	int n;
	MemoryContext context;
	int i; /* the current item */
} ItemsJob;

static void run_rest(void *arg);

ErrorData *
subtransaction_run(void (*body)(void *arg), void *arg, MemoryContext context)
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

ErrorData *
subtransaction_run_if(bool in_subtransaction, void (*body)(void *arg), void *arg, MemoryContext context)
{
	MemoryContext old = CurrentMemoryContext;

	if (in_subtransaction)
		return subtransaction_run(body, arg, context);
	body(arg);
	MemoryContextSwitchTo(old);
	return NULL;
}

void
subtransaction_run_items(const SubtransactionItems *items, int n, void *arg, MemoryContext context)
{
	ItemsJob job = {items, arg, n, context, 0};

	while (job.i < n)
	{
		ErrorData *error = subtransaction_run(run_rest, &job, context);

		if (error != NULL)
			items->failed(arg, job.i++, error);
	}
}

static void
run_rest(void *arg)
{
	ItemsJob *job = arg;

	MemoryContextSwitchTo(job->context);
	for (; job->i < job->n; job->i++)
		job->items->item(job->arg, job->i);
}

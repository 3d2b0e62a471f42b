/*
 * worker_state.c
 *		Operations on the worker: load, go back to the stored state, wait, exit (see worker_state.h).
 *
 * Recovery from any error is the same as from a crash: abort, drop what is in memory, read again from the
 * stored positions.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/catalog_topic.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "worker/lag.h"
#include "worker/stream_errors.h"
#include "worker/worker_state.h"

static void store_stop(Worker *w, const WorkerError *error, bool lasts);

void
worker_begin_transaction(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
}

void
worker_leave(Worker *w, WorkerState state)
{
	if (IsTransactionState())
		AbortCurrentTransaction();
	slots_leave(w->slot, state, w->requests);
	proc_exit(0);
}

void
worker_stop(Worker *w, const WorkerError *error, bool lasts)
{
	worker_forget(w);
	store_stop(w, error, lasts);
	ereport(LOG, (errcode(error->sqlerrcode),
				  errmsg("worker of stream \"%s\" will stop: %s", w->d.stream->name, error->message),
				  errhint("%s", error->hint)));
	if (w->consumer != NULL)
	{
		consumer_stop(w->consumer);
		lag_ask(w);
	}
	slots_set_error(w->slot, error);
	worker_leave(w, WORKER_ERROR);
}

void
worker_check_definition(Worker *w)
{
	if (!definition_changed(&w->d))
		return;
	if (IsTransactionState())
		AbortCurrentTransaction();
	proc_exit(0);
}

void
worker_load(Worker *w)
{
	w->requests = slots_requests(w->slot);
	switch (definition_load(&w->d))
	{
		case DEFINITION_LOADED:
			break;
		case DEFINITION_PAUSED:
			worker_leave(w, WORKER_PAUSED);
			break;
		case DEFINITION_UNNEEDED:
			worker_leave(w, WORKER_STOPPED);
			break;
	}
	worker_check_definition(w);
	MemoryContextSwitchTo(w->context);
}

void
worker_forget(Worker *w)
{
	ListCell *lc;

	if (IsTransactionState())
		AbortCurrentTransaction();
	MemoryContextSwitchTo(w->context);
	w->in_transaction = false;
	w->archive = NULL;
	memset(&w->counts, 0, sizeof(w->counts));
	dead_letters_clear(&w->d.dead_letters);
	decoded_batch_clear(&w->d.decoded);
	foreach (lc, w->d.views)
		worker_view_dropped(lfirst(lc));
	positions_rewind(&w->positions);
}

void
worker_rewind(Worker *w)
{
	worker_forget(w);
	positions_assign(&w->positions, w->consumer);
}

void
worker_reload(Worker *w)
{
	worker_rewind(w);
	worker_load(w);
}

bool
worker_check_consumer(Worker *w)
{
	WorkerError error;

	if (!stream_error_of_consumer(consumer_state(w->consumer), w->d.stream, &error))
		return true;
	slots_set_state(w->slot, WORKER_RECONNECTING);
	slots_set_error(w->slot, &error);
	return false;
}

void
worker_idle(Worker *w, int timeout_ms)
{
	int fd = consumer_wakeup_fd(w->consumer);
	int events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH | (fd >= 0 ? WL_SOCKET_READABLE : 0);
	int rc;

	rc = WaitLatchOrSocket(MyLatch, events, fd >= 0 ? fd : PGINVALID_SOCKET, timeout_ms, PG_WAIT_EXTENSION);
	if (rc & WL_LATCH_SET)
	{
		ResetLatch(MyLatch);
		/* the session that set it may have changed the catalog */
		w->last_housekeeping = 0;
	}
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/*
 * Store what stops the worker, so that it is known after a restart. If it cannot be written, the worker stops all the
 * same. If another topic epoch has begun meanwhile, there is no reason to stop: a new worker starts with it.
 */
static void
store_stop(Worker *w, const WorkerError *error, bool lasts)
{
	MemoryContext old = CurrentMemoryContext;

	PG_TRY();
	{
		worker_begin_transaction();
		if (!catalog_store_stop(w->d.relid, w->d.row.topic_epoch, error, lasts))
			proc_exit(0);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		/* the process must exit */
		if (geterrcode() == ERRCODE_ADMIN_SHUTDOWN)
			PG_RE_THROW();
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
}

/*
 * worker.c
 *		The background worker of one stream: start and end of its process.
 *
 * States (slots.h): starting, until the partitions are known (worker_start.c); then (worker_loop.c) catching
 * up, until every partition has been read to its end; streaming; reconnecting, while no broker is available
 * (librdkafka retries by itself). The worker exits by itself when the stream is paused, dropped, or has
 * neither views nor resume(). It stops in state error if only a user can fix the cause (offset_gap.c). Any
 * other error ends the process; after a back-off the launcher starts the next one, at the stored positions. A
 * crash at any instant has the same effect. flush.c describes the protocol of positions, epochs and
 * generations by which nothing is lost or counted twice.
 *
 * Memory contexts: "worker" lives as long as the process; the definition's is reset by each load
 * (definition.h); the rows' is reset per micro-batch.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/guard.h"
#include "common/settings.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/user_code.h"
#include "worker/topic_check.h"
#include "worker/worker.h"
#include "worker/worker_loop.h"
#include "worker/worker_start.h"

static Worker *create_worker(int slot, Oid relid);
static void set_options(void);
static void suspend_blamed(Oid view);
static void open_consumer(Worker *w);
static void check_archive(Worker *w);
static void record_error(const Worker *w);

void
streambatch_worker_main(Datum main_arg)
{
	Oid database;
	Oid relid;
	int slot = DatumGetInt32(main_arg);
	Worker *w;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	if (!slots_attach(slot, &database, &relid))
		proc_exit(0);
	settings_end_timeouts();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	w = create_worker(slot, relid);
	set_options();
	user_code_init(slot);
	PG_TRY();
	{
		suspend_blamed(slots_take_blamed(slot));
		worker_load(w);
		topic_check_option(w);
		pgstat_report_appname(psprintf("pg_streambatch %s", w->d.stream->name));
		open_consumer(w);
		worker_start(w);
		check_archive(w);
		worker_loop(w);
	}
	PG_CATCH();
	{
		record_error(w);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static Worker *
create_worker(int slot, Oid relid)
{
	Worker *w = MemoryContextAllocZero(TopMemoryContext, sizeof(Worker));

	w->slot = slot;
	w->context = AllocSetContextCreate(TopMemoryContext, "streambatch worker", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(w->context);
	definition_init(&w->d, relid);
	return w;
}

/* Override settings of the database or of a role. */
static void
set_options(void)
{
	static const char *const options[][2] = {
		/* states and positions are lost together, so a commit need not wait for the disk */
		{"synchronous_commit", "off"},
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"}};

	for (int i = 0; i < lengthof(options); i++)
		SetConfigOption(options[i][0], options[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	worker_begin_transaction();
	guard_own_session();
	CommitTransactionCommand();
}

/* Suspend the view whose code could not be canceled, so that the worker before was ended. */
static void
suspend_blamed(Oid view)
{
	if (!OidIsValid(view))
		return;
	worker_begin_transaction();
	catalog_suspend_view(
		view, ERRCODE_QUERY_CANCELED,
		"the query ran for longer than its time limit, and did not end when it was canceled");
	CommitTransactionCommand();
}

static void
open_consumer(Worker *w)
{
	Slot slot;

	worker_begin_transaction();
	if (slots_get(MyDatabaseId, w->d.relid, &slot))
		consumer_halve_queue(slot.memory_failures);
	MemoryContextSwitchTo(w->context);
	w->consumer =
		consumer_open(w->d.stream->serverid, w->d.stream->topic, w->d.stream->owner, CONSUMER_WORKER);
	consumer_watch_log_ends(w->consumer, w->slot);
	CommitTransactionCommand();
	MemoryContextSwitchTo(w->context);
}

/* An archive that does not match the stream is an error at once, not only at the first message. */
static void
check_archive(Worker *w)
{
	worker_begin_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (get_rel_name(w->d.row.archive) != NULL)
		stream_check_archive(w->d.stream, w->d.row.archive);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(w->context);
}

static void
record_error(const Worker *w)
{
	WorkerError error = {0};
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	ErrorData *data = CopyErrorData();

	error.sqlerrcode = data->sqlerrcode;
	strlcpy(error.message, data->message ? data->message : "unknown error", sizeof(error.message));
	strlcpy(error.hint,
			data->hint ? data->hint
					   : "The worker restarts automatically; fix the cause named in the message.",
			sizeof(error.hint));
	FreeErrorData(data);
	MemoryContextSwitchTo(old);
	slots_set_state(w->slot, WORKER_ERROR);
	slots_set_raised_error(w->slot, &error);
}

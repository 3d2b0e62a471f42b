/*
 * launcher.c
 *		The launcher (see launcher.h).
 *
 * It does not run during recovery. When it starts, it scans every database that accepts connections once
 * (unless streambatch.autostart is off): a short-lived scanner in each requests a worker for each stream that
 * should have one. After that, sessions request workers (slots.h) and wake the launcher. A worker that ended
 * with an error is restarted after the slot's back-off; one that exited by itself is not.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_database.h"
#include "commands/extension.h"
#include "common/catalog_stream.h"
#include "common/settings.h"
#include "common/slots.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/launcher.h"

#define SCAN_RETRY_MS 5000

static void init_worker(BackgroundWorker *worker, const char *type, const char *function, Datum arg);
static void unset_launcher(int code, Datum arg);
static List *list_databases(MemoryContext context);
static List *scan_databases(List *databases);
static bool scan_database(Oid database);
static void start_worker(int slot);

void
launcher_register(void)
{
	BackgroundWorker worker;

	init_worker(&worker, "pg_streambatch launcher", "streambatch_launcher_main", (Datum) 0);
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}

void
streambatch_launcher_main(Datum main_arg)
{
	List *databases = NIL;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	before_shmem_exit(unset_launcher, (Datum) 0);
	slots_set_launcher(MyProcPid);
	if (setting_autostart)
		databases = list_databases(TopMemoryContext);
	for (;;)
	{
		long wait_ms;
		Oid database;
		int slot;

		databases = scan_databases(databases);
		while ((slot = slots_next_wanted(&wait_ms, &database)) >= 0)
			start_worker(slot);
		if (databases != NIL)
			wait_ms = Min(wait_ms, SCAN_RETRY_MS);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait_ms,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}

/* Request the workers of the streams in one database. */
void
streambatch_scanner_main(Datum main_arg)
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(main_arg), InvalidOid, 0);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(get_extension_oid("pg_streambatch", true)))
	{
		List *streams = catalog_runnable_streams();
		ListCell *lc;

		foreach (lc, streams)
			slots_want(MyDatabaseId, lfirst_oid(lc));
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	proc_exit(0);
}

static void
init_worker(BackgroundWorker *worker, const char *type, const char *function, Datum arg)
{
	memset(worker, 0, sizeof(*worker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	worker->bgw_main_arg = arg;
	strlcpy(worker->bgw_library_name, "pg_streambatch", BGW_MAXLEN);
	strlcpy(worker->bgw_function_name, function, BGW_MAXLEN);
	strlcpy(worker->bgw_type, type, BGW_MAXLEN);
	strlcpy(worker->bgw_name, type, BGW_MAXLEN);
}

static void
unset_launcher(int code, Datum arg)
{
	slots_set_launcher(0);
}

static List *
list_databases(MemoryContext context)
{
	List *result = NIL;
	Relation rel;
	TableScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (!database->datallowconn || database->datistemplate || database->datconnlimit == -2)
			continue;
		old = MemoryContextSwitchTo(context);
		result = lappend_oid(result, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	return result;
}

/* Scan databases. Returns those that are to be scanned later, for lack of a worker slot. */
static List *
scan_databases(List *databases)
{
	static bool reported = false;

	while (databases != NIL && scan_database(linitial_oid(databases)))
		databases = list_delete_first(databases);
	if (databases != NIL && !reported)
		ereport(WARNING, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("out of background worker slots"),
						  errdetail("Streams in database %u are not started until a slot is available.",
									linitial_oid(databases)),
						  errhint("Increase max_worker_processes.")));
	reported = databases != NIL;
	return databases;
}

/*
 * Scan a database, and wait for its scanner, so that only one worker slot is used at a time. Returns false if
 * no slot is available.
 */
static bool
scan_database(Oid database)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;

	init_worker(&worker, "pg_streambatch scanner", "streambatch_scanner_main", ObjectIdGetDatum(database));
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		return false;
	if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED)
		proc_exit(1);
	pfree(handle);
	return true;
}

static void
start_worker(int slot)
{
	BackgroundWorker worker;

	init_worker(&worker, "pg_streambatch worker", "streambatch_worker_main", Int32GetDatum(slot));
	if (RegisterDynamicBackgroundWorker(&worker, NULL))
		return;
	ereport(WARNING, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("out of background worker slots"),
					  errdetail("The worker of a stream could not be started."),
					  errhint("Increase max_worker_processes.")));
	slots_start_failed(slot, "out of background worker slots", "Increase max_worker_processes.");
}

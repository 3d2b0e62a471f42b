/*
 * launcher.c
 *		The launcher (see launcher.h).
 *
 * It does not run during recovery. When it starts, it scans every database once (unless streambatch.autostart
 * is off): a short-lived scanner in each requests a worker for each stream that should have one. After that,
 * sessions request workers (slots.h) and wake the launcher. A worker that ended with an error is restarted after
 * the slot's back-off; one that exited by itself is not.
 *
 * A database may be locked, hold locks of a prepared transaction, or refuse connections, for any length of time.
 * The launcher waits for none: up to MAX_SCANS scanners run at a time, each gives up after SCAN_LOCK_TIMEOUT, and
 * a database whose scan has failed, or could not begin, is tried again after 5, 10, 20, 40, 60, 60 … seconds, until
 * it has been scanned or dropped.
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
#include "common/clock.h"
#include "common/guard.h"
#include "common/settings.h"
#include "common/slots.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/launcher.h"
#include "worker/lock_waiters.h"

#define SCAN_RETRY_MS 5000
#define LOCKS_MS 200 /* while a worker is busy, how often the lock table is looked at */
#define SCAN_RETRY_MAX_MS 60000
#define SCAN_LOCK_TIMEOUT "5s"

/* A database that has not been scanned yet. */
typedef struct Unscanned
{
	Oid database;
	BackgroundWorkerHandle *scanner; /* NULL: none */
	int scan;						 /* of the scanner, for slots.h */
	int failures;
	int64 next; /* time of the next attempt, by clock.h */
} Unscanned;

static List *unscanned = NIL; /* of Unscanned *, in TopMemoryContext */

static void init_worker(BackgroundWorker *worker, const char *type, const char *function, Datum arg);
static void unset_launcher(int code, Datum arg);
static void begin_scans(void);
static List *list_databases(bool connectable);
static long scan_databases(void);
static bool end_scan(Unscanned *u);
static bool start_scan(Unscanned *u);
static void try_later(Unscanned *u);
static void report_out_of_slots(const Unscanned *first);
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
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	settings_end_timeouts();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	before_shmem_exit(unset_launcher, (Datum) 0);
	slots_set_launcher(MyProcPid);
	if (setting_autostart)
		begin_scans();
	for (;;)
	{
		long scan_ms = scan_databases();
		long wait_ms;
		Oid database;
		int slot;

		while ((slot = slots_next_wanted(&wait_ms, &database)) >= 0)
			start_worker(slot);
		wait_ms = Min(wait_ms, scan_ms);
		if (lock_waiters_check())
			wait_ms = Min(wait_ms, LOCKS_MS);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait_ms,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			bool autostart = setting_autostart;

			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			if (setting_autostart && !autostart)
				begin_scans();
		}
	}
}

/* Request the workers of the streams in one database. */
void
streambatch_scanner_main(Datum main_arg)
{
	int scan = DatumGetInt32(main_arg);
	Oid database;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	database = slots_scan_attach(scan);
	if (!OidIsValid(database))
		proc_exit(0);
	settings_end_timeouts();
	/* before connecting, which takes locks too */
	SetConfigOption("lock_timeout", SCAN_LOCK_TIMEOUT, PGC_SUSET, PGC_S_OVERRIDE);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(get_extension_oid("pg_streambatch", true)))
	{
		List *streams = catalog_runnable_streams();
		ListCell *lc;

		foreach (lc, streams)
		{
			slots_want(MyDatabaseId, lfirst_oid(lc));
			slots_note_owner(MyDatabaseId, lfirst_oid(lc), guard_owner_of(lfirst_oid(lc)));
		}
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	slots_scan_succeeded(scan, database);
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

/* Scan all databases, also those that refuse connections now. */
static void
begin_scans(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	List *databases = list_databases(false);
	ListCell *lc;

	foreach (lc, databases)
	{
		Unscanned *u = palloc0(sizeof(Unscanned));

		u->database = lfirst_oid(lc);
		unscanned = lappend(unscanned, u);
	}
	list_free(databases);
	MemoryContextSwitchTo(old);
}

/* The databases, or only those that accept connections, in the current context. */
static List *
list_databases(bool connectable)
{
	MemoryContext context = CurrentMemoryContext;
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

		/* a limit of -2: being dropped */
		if (database->datconnlimit == -2 || (connectable && !database->datallowconn))
			continue;
		old = MemoryContextSwitchTo(context);
		result = lappend_oid(result, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return result;
}

/* End and start scans. Returns the time until the next one is due. */
static long
scan_databases(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	long wait_ms = SCAN_RETRY_MAX_MS;
	List *connectable = NIL;
	bool listed = false;
	const Unscanned *out_of_slots = NULL;
	ListCell *lc;

	foreach (lc, unscanned)
	{
		Unscanned *u = lfirst(lc);

		if (u->scanner != NULL && end_scan(u))
		{
			unscanned = foreach_delete_current (unscanned, lc);
			pfree(u);
			continue;
		}
		if (u->scanner == NULL && u->next <= clock_now())
		{
			if (!listed)
				connectable = list_databases(true);
			listed = true;
			if (!list_member_oid(connectable, u->database))
				try_later(u);
			else if (out_of_slots == NULL && !start_scan(u))
				out_of_slots = u;
		}
		if (u->scanner == NULL && u->next > clock_now())
			wait_ms = Min(wait_ms, (u->next - clock_now()) / 1000 + 1);
	}
	report_out_of_slots(out_of_slots);
	list_free(connectable);
	MemoryContextSwitchTo(old);
	return wait_ms;
}

/* Look whether the scanner has exited. Returns true if it has succeeded. */
static bool
end_scan(Unscanned *u)
{
	pid_t pid;
	bool succeeded;

	if (GetBackgroundWorkerPid(u->scanner, &pid) != BGWH_STOPPED)
		return false;
	succeeded = slots_scan_end(u->scan);
	pfree(u->scanner);
	u->scanner = NULL;
	if (!succeeded)
		try_later(u);
	return succeeded;
}

/* Start a scanner, unless too many are running. Returns false if no background worker slot is available. */
static bool
start_scan(Unscanned *u)
{
	BackgroundWorker worker;

	u->scan = slots_scan_begin(u->database);
	/* the end of a scanner wakes us, and that of a command that holds the database, too */
	if (u->scan < 0)
		return true;
	init_worker(&worker, "pg_streambatch scanner", "streambatch_scanner_main", Int32GetDatum(u->scan));
	worker.bgw_notify_pid = MyProcPid;
	if (RegisterDynamicBackgroundWorker(&worker, &u->scanner))
		return true;
	u->scanner = NULL;
	(void) slots_scan_end(u->scan);
	u->next = clock_now() + SCAN_RETRY_MS * 1000;
	return false;
}

static void
try_later(Unscanned *u)
{
	u->next = clock_now() + Min(SCAN_RETRY_MS << Min(u->failures, 4), SCAN_RETRY_MAX_MS) * INT64CONST(1000);
	u->failures++;
}

/* Say once that databases, beginning with this one, are not scanned for lack of a background worker slot. */
static void
report_out_of_slots(const Unscanned *first)
{
	static bool reported = false;

	if (first != NULL && !reported)
		ereport(WARNING, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("out of background worker slots"),
						  errdetail("Streams in database %u are not started until a slot is available.",
									first->database),
						  errhint("Increase max_worker_processes.")));
	if ((first != NULL) != reported)
		slots_set_out_of_slots(first != NULL);
	reported = first != NULL;
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

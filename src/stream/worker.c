/*
 * worker.c
 *		The background worker of one stream: take, decode, archive, fold; flush at the deadline; again.
 *
 * States (slots.h): starting, until partitions are known; catching up, until every partition is read to its
 * end; streaming; reconnecting, while the broker is away (librdkafka retries by itself). It leaves by itself
 * when the stream is paused, dropped, or has neither views nor resume(); and stops in state error for what
 * only a person can mend. Any other error ends the process; the launcher starts the next one after a
 * back-off, which begins at the stored positions.
 *
 * One transaction per flush: it begins with the first message after the last flush, takes its table locks (so
 * that no lock is waited for while the stream's row is locked), receives the archive's rows batch by batch,
 * and ends with flush_write(). Positions in memory run ahead of the stored ones; whatever goes wrong, the
 * transaction is aborted and reading goes back to what is stored. A crash at any instant does the same.
 *
 * Cadence: a flush is due once ten times the last flush's duration have passed since it ended (so that
 * flushing costs at most about a tenth), and the queue is empty or max_staleness is reached, or when the
 * folds and dead letters outgrow streambatch.work_mem.
 *
 * Memory: "worker" for the process; the definition's for what follows from catalog and foreign table
 * (definition.h); the intake's rows per batch.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/guard.h"
#include "common/guc.h"
#include "common/locks.h"
#include "common/slots.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "stream/archive_writer.h"
#include "stream/definition.h"
#include "stream/flush.h"
#include "stream/advice.h"
#include "stream/watermark.h"
#include "stream/worker.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define CAREFUL_ROWS 64 /* batch after a poisoned fold: what a second bad row makes us read again */
#define CAREFUL_BATCHES 64
#define HOUSEKEEPING_MS 1000
#define PARTITIONS_MS 5000
#define ANSWER_MS 800 /* how long a broker may keep us from looking at the catalog: less than a second */

typedef struct Worker
{
	int slot;
	MemoryContext context;
	Definition d;
	Consumer *consumer;
	Positions positions;
	ArchiveWriter *archive; /* while a transaction is open */
	StreamCounts counts;
	bool in_transaction;
	TimestampTz transaction_start;
	TimestampTz last_flush_end;
	int64 flush_cost; /* microseconds */
	int careful;	  /* batches left to be small and flushed one by one */
	TimestampTz last_housekeeping;
	TimestampTz last_partitions;
	uint64 requests;
	char taken[INTAKE_MAX];
} Worker;

static Worker *w;

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
}

/* Stop for good, or until somebody asks again. */
static void
leave(WorkerState state)
{
	if (IsTransactionState())
		AbortCurrentTransaction();
	slots_leave(w->slot, state, w->requests);
	proc_exit(0);
}

/* Stop with an error that only a person can mend. */
static void
stop(const WorkerError *error)
{
	ereport(LOG, (errcode(error->sqlerrcode),
				  errmsg("worker of stream \"%s\" stops: %s", w->d.stream->name, error->message),
				  errhint("%s", error->hint)));
	slots_set_error(w->slot, error);
	leave(WORKER_ERROR);
}

/* Options, columns or secrets are new: a new process begins with them, at the stored positions. */
static void
check_definition(void)
{
	if (!definition_changed(&w->d))
		return;
	if (IsTransactionState())
		AbortCurrentTransaction();
	proc_exit(0);
}

/* ---- loading ---- */

/* Load everything that the catalog says, or leave. */
static void
load(void)
{
	w->requests = slots_requests(w->slot);
	switch (definition_load(&w->d))
	{
		case DEFINITION_LOADED:
			break;
		case DEFINITION_PAUSED:
			leave(WORKER_PAUSED);
			break;
		case DEFINITION_GONE:
			leave(WORKER_STOPPED);
			break;
	}
	MemoryContextSwitchTo(w->context);
}

/* ---- positions ---- */

/* Note what stands in the way in the slot; true where nothing does. */
static bool
note_trouble(void)
{
	WorkerError error;

	if (!advice_for(consumer_state(w->consumer), w->d.stream, &error))
		return true;
	slots_set_state(w->slot, WORKER_RECONNECTING);
	slots_set_error(w->slot, &error);
	return false;
}

static void
idle(int timeout_ms)
{
	int fd = consumer_wakeup_fd(w->consumer);
	int events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH | (fd >= 0 ? WL_SOCKET_READABLE : 0);
	int rc;

	rc = WaitLatchOrSocket(MyLatch, events, fd >= 0 ? fd : PGINVALID_SOCKET, timeout_ms, PG_WAIT_EXTENSION);
	if (rc & WL_LATCH_SET)
	{
		ResetLatch(MyLatch);
		/* whoever set it may have changed the catalog */
		w->last_housekeeping = 0;
	}
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* The number of partitions; 0, and noted why, when no broker tells in time. */
static int
ask_partitions(void)
{
	int count = consumer_partition_count(w->consumer, ANSWER_MS);
	WorkerError error;

	CHECK_FOR_INTERRUPTS();
	/* an answer that came too late is in the statistics by now */
	if (count < 0)
		count = consumer_partition_count(w->consumer, 0);
	if (count > 0)
		return count;
	if (note_trouble())
	{
		advice_no_topic(w->d.stream, &error);
		slots_set_state(w->slot, WORKER_RECONNECTING);
		slots_set_error(w->slot, &error);
	}
	return 0;
}

/* Take the stored positions, or the first ones. False: the catalog is not what it was when it was loaded. */
static bool
begin_positions(int count, const int64 *ends)
{
	StreamRow row; /* not the definition's, whose generation is the one that the views were loaded at */
	bool begun;
	MemoryContext old;

	begin();
	old = MemoryContextSwitchTo(w->context);
	begun = catalog_lock_stream(w->d.relid, &row) &&
			(row.started || w->d.stream->start == START_EARLIEST || ends != NULL);
	if (begun && !row.started)
	{
		if (ends != NULL)
			positions_store_ends(&w->positions, w->d.relid, count, ends);
		catalog_set_started(w->d.relid);
	}
	if (begun)
		positions_load(&w->positions, w->d.relid, count);
	MemoryContextSwitchTo(old);
	CommitTransactionCommand();
	return begun;
}

/*
 * Find out where to begin. Brokers are asked outside transactions, so that no lock is held meanwhile, and once
 * a second at most; in between the catalog is looked at: there may be nothing left to begin for.
 */
static void
load_positions(void)
{
	for (;;)
	{
		TimestampTz asked = GetCurrentTimestamp();
		int count = ask_partitions();
		bool need_ends = w->d.stream->start != START_EARLIEST && !w->d.row.started;
		int64 *ends = NULL;

		if (count > 0 && need_ends && (ends = consumer_log_ends(w->consumer, count, ANSWER_MS)) == NULL)
			(void) note_trouble();
		if (count == 0 || (need_ends && ends == NULL))
			idle(Max(HOUSEKEEPING_MS - (GetCurrentTimestamp() - asked) / 1000, 1));
		else if (begin_positions(count, ends))
			break;
		if (ends != NULL)
			pfree(ends);
		load();
		check_definition();
	}
	positions_assign(&w->positions, w->consumer);
	w->last_partitions = GetCurrentTimestamp();
}

/* Drop what was not stored. */
static void
forget_all(void)
{
	ListCell *lc;

	if (IsTransactionState())
		AbortCurrentTransaction();
	MemoryContextSwitchTo(w->context);
	w->in_transaction = false;
	w->archive = NULL;
	memset(&w->counts, 0, sizeof(w->counts));
	letters_clear(&w->d.letters);
	intake_clear(&w->d.intake);
	foreach (lc, w->d.views)
		viewfold_dropped(lfirst(lc));
	positions_rewind(&w->positions);
}

/* Drop what was not stored, and read it again. */
static void
rewind_all(void)
{
	forget_all();
	positions_assign(&w->positions, w->consumer);
}

/* Reading anew with what the catalog says now. */
static void
reload(void)
{
	rewind_all();
	load();
}

/* ---- one transaction ---- */

/* Begin, with every table lock that it will need. False: the set of views has changed. */
static bool
begin_fold(void)
{
	StreamRow row;
	List *read = NIL;
	List *written;
	ListCell *lc;
	bool current;
	MemoryContext old;

	begin();
	written = list_make2_oid(w->d.relid, w->d.row.archive);
	foreach (lc, w->d.views)
	{
		const ViewFold *vf = lfirst(lc);

		read = list_concat(read, vf->relations);
		written = lappend_oid(written, vf->state_table);
	}
	locks_take(read, list_concat(written, catalog_written_tables()));
	PushActiveSnapshot(GetTransactionSnapshot());
	current = definition_current(&w->d, &row);
	if (current && OidIsValid(w->d.row.archive))
	{
		old = MemoryContextSwitchTo(TopTransactionContext);
		w->archive = archive_writer_open(w->d.stream, w->d.row.archive);
		MemoryContextSwitchTo(old);
	}
	PopActiveSnapshot();
	check_definition();
	MemoryContextSwitchTo(w->context);
	w->in_transaction = true;
	w->transaction_start = GetCurrentTimestamp();
	if (!current)
		reload();
	return current;
}

/* Decode, archive and fold the messages just taken. False: a fold is poisoned. */
static bool
fold_batch(void)
{
	Guard guard;
	ListCell *lc;
	bool clean = true;

	/* what it leaves behind goes with the transaction */
	MemoryContextSwitchTo(TopTransactionContext);
	PushActiveSnapshot(GetTransactionSnapshot());
	guard_enter(&guard, w->d.stream->owner, w->d.row.settings);
	intake_decode(&w->d.intake, &w->positions, &w->d.letters, &w->counts);
	if (w->archive != NULL)
		archive_writer_write(w->archive, &w->d.intake, &w->d.letters, &w->counts);
	guard_leave(&guard);
	memset(w->taken, ROW_FILTERED, w->d.intake.batch.nrows);
	foreach (lc, w->d.views)
	{
		if (clean && viewfold_run(lfirst(lc), &w->d.intake, w->taken, &w->d.letters) == VIEWFOLD_POISONED)
			clean = false;
	}
	viewfold_count(w->taken, w->d.intake.batch.nrows, &w->counts);
	PopActiveSnapshot();
	MemoryContextSwitchTo(w->context);
	return clean;
}

/* Wait until nobody keeps the stream's row, with no other lock. */
static void
await_stream(void)
{
	StreamRow row;

	begin();
	(void) catalog_lock_stream(w->d.relid, &row);
	CommitTransactionCommand();
	MemoryContextSwitchTo(w->context);
}

static void
flush(void)
{
	TimestampTz start = GetCurrentTimestamp();
	FlushJob job = {w->d.stream, w->d.row.generation, w->d.views, &w->positions, &w->d.letters, &w->counts};
	FlushResult result;
	ListCell *lc;
	bool suspended = false;

	pgstat_report_activity(STATE_RUNNING, "flush");
	if (w->archive != NULL)
		archive_writer_close(w->archive);
	w->archive = NULL;
	/* what it leaves behind goes with the transaction */
	MemoryContextSwitchTo(TopTransactionContext);
	result = flush_write(&job);
	if (result == FLUSH_STALE)
	{
		reload();
		return;
	}
	if (result == FLUSH_RETRY || result == FLUSH_BUSY)
	{
		rewind_all();
		if (result == FLUSH_BUSY)
			await_stream();
		return;
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(w->context);
	w->in_transaction = false;
	positions_stored(&w->positions);
	letters_clear(&w->d.letters);
	memset(&w->counts, 0, sizeof(w->counts));
	foreach (lc, w->d.views)
	{
		viewfold_stored(lfirst(lc));
		suspended |= viewfold_failure(lfirst(lc)) != NULL;
	}
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	w->last_flush_end = GetCurrentTimestamp();
	w->flush_cost = w->last_flush_end - start;
	slots_note_success(w->slot);
	if (suspended)
		load();
}

static Size
fold_size(void)
{
	Size size = letters_memory(&w->d.letters);
	ListCell *lc;

	foreach (lc, w->d.views)
	{
		const ViewFold *vf = lfirst(lc);

		size += vf->leader == NULL ? fold_memory(vf->fold) : 0;
	}
	return size;
}

/* Microseconds until the open transaction is to be flushed; at most 0: now. */
static int64
flush_due(bool queue_empty)
{
	TimestampTz now = GetCurrentTimestamp();
	int64 stretch = Min(10 * w->flush_cost, w->d.max_staleness);

	if (w->careful > 0 || fold_size() > (Size) guc_work_mem_kb * 1024)
		return 0;
	if (queue_empty)
		return w->last_flush_end + stretch - now;
	return w->transaction_start + w->d.max_staleness - now;
}

/* Take a batch, if there is one, through to the folds. Returns the number of messages. */
static int
take_batch(void)
{
	int max = w->careful > 0 ? CAREFUL_ROWS : INTAKE_MAX;
	bool alone = !w->in_transaction;
	bool clean;

	w->d.intake.nmessages = consumer_take(w->consumer, w->d.intake.messages, max, 0);
	if (w->d.intake.nmessages == 0)
		return 0;
	if (alone && !begin_fold())
	{
		/* loaded anew, and rewound: these come again, for the views of now */
		consumer_release(w->consumer);
		return 1;
	}
	max = w->d.intake.nmessages;
	clean = fold_batch();
	/* where nothing but a few messages is lost, they are at hand, and need not be read again */
	while (!clean && alone && w->careful > 0)
	{
		CHECK_FOR_INTERRUPTS();
		w->careful = CAREFUL_BATCHES;
		forget_all();
		if (!begin_fold())
		{
			consumer_release(w->consumer);
			return 1;
		}
		w->d.intake.nmessages = max;
		clean = fold_batch();
	}
	consumer_release(w->consumer);
	intake_clear(&w->d.intake);
	if (w->careful > 0)
		w->careful--;
	if (!clean)
	{
		w->careful = CAREFUL_BATCHES;
		rewind_all();
	}
	return max;
}

/* ---- between transactions ---- */

static void
out_of_range(void)
{
	const ConsumerState *state = consumer_state(w->consumer);
	int32 partition = state->trouble_partition;
	int64 offset = state->trouble_offset;
	int64 low;
	int64 high;
	Position *p;
	StreamRow row;
	WorkerError error;

	if (!consumer_query_range(w->consumer, partition, &low, &high, ANSWER_MS))
		return;
	if (!w->d.stream->on_gap_skip || offset > high)
	{
		advice_gap(w->d.stream, partition, offset, low, high, &error);
		stop(&error);
	}
	rewind_all();
	begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	p = &w->positions.items[partition];
	if (catalog_lock_stream(w->d.relid, &row))
	{
		positions_check(&w->positions, w->d.relid);
		catalog_insert_gap(w->d.relid, partition, p->next_offset, low, "skip");
		p->next_offset = low;
		positions_write(&w->positions, w->d.relid);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	positions_stored(&w->positions);
	positions_assign(&w->positions, w->consumer);
}

static void
report_state(void)
{
	if (consumer_state(w->consumer)->trouble == CONSUMER_OUT_OF_RANGE)
	{
		out_of_range();
		return;
	}
	if (!note_trouble())
		return;
	if (positions_all_at_end(&w->positions))
		slots_note_success(w->slot);
	slots_set_state(w->slot, positions_all_at_end(&w->positions) ? WORKER_STREAMING : WORKER_CATCHING_UP);
}

/*
 * Once a second, and when the latch was set: the catalog, partitions, and a watermark that moves without
 * messages.
 */
static void
keep_house(void)
{
	TimestampTz now = GetCurrentTimestamp();
	StreamRow row;
	TimestampTz watermark;
	bool known;

	if (now - w->last_housekeeping < HOUSEKEEPING_MS * 1000)
		return;
	w->last_housekeeping = now;
	begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	known = definition_current(&w->d, &row);
	PopActiveSnapshot();
	CommitTransactionCommand();
	check_definition();
	MemoryContextSwitchTo(w->context);
	if (!known)
	{
		load();
		return;
	}
	if (w->d.stream->event_time != 0 && watermark_compute(&w->positions, w->d.stream, &watermark) &&
		(!row.has_watermark || watermark > row.watermark) && begin_fold())
		flush();
	if (now - w->last_partitions > PARTITIONS_MS * INT64CONST(1000))
	{
		int count = consumer_partition_count(w->consumer, 0); /* as metadata told last: no waiting */

		w->last_partitions = now;
		if (count > w->positions.n)
		{
			positions_grow(&w->positions, count);
			positions_assign(&w->positions, w->consumer);
		}
	}
}

static void
run(void)
{
	for (;;)
	{
		int taken = take_batch();

		CHECK_FOR_INTERRUPTS();
		if (w->in_transaction)
		{
			int64 due = flush_due(taken == 0);

			if (due <= 0)
			{
				(void) positions_poll(&w->positions, w->consumer);
				flush();
				report_state();
			}
			else if (taken == 0)
				idle(due / 1000 + 1);
			continue;
		}
		if (taken > 0)
			continue;
		/* what lies before the end may be control records alone */
		if (positions_poll(&w->positions, w->consumer) && begin_fold())
			flush();
		/* first, for a state may need brokers to answer */
		keep_house();
		report_state();
		if (!w->in_transaction)
			idle(HOUSEKEEPING_MS);
	}
}

static void
record_error(void)
{
	WorkerError error = {0};
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	ErrorData *data = CopyErrorData();

	error.sqlerrcode = data->sqlerrcode;
	strlcpy(error.message, data->message ? data->message : "unknown error", sizeof(error.message));
	strlcpy(error.hint,
			data->hint ? data->hint : "The worker starts again by itself; mend what the message names.",
			sizeof(error.hint));
	FreeErrorData(data);
	MemoryContextSwitchTo(old);
	slots_set_state(w->slot, WORKER_ERROR);
	slots_set_error(w->slot, &error);
}

static void
set_option(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

void
streambatch_worker_main(Datum main_arg)
{
	Oid database;
	Oid relid;
	int slot = DatumGetInt32(main_arg);

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	if (!slots_attach(slot, &database, &relid))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	w = MemoryContextAllocZero(TopMemoryContext, sizeof(Worker));
	w->slot = slot;
	w->context = AllocSetContextCreate(TopMemoryContext, "streambatch worker", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(w->context);
	/* positions go back together with what they stand for, so a commit need not wait for the disk */
	set_option("synchronous_commit", "off");
	set_option("search_path", "pg_catalog, pg_temp");
	set_option("default_transaction_isolation", "read committed");
	set_option("default_transaction_read_only", "off");
	set_option("lock_timeout", "0");
	set_option("statement_timeout", "0");
	set_option("idle_in_transaction_session_timeout", "0");

	definition_init(&w->d, relid);

	PG_TRY();
	{
		load();
		pgstat_report_appname(psprintf("pg_streambatch %s", w->d.stream->name));
		begin();
		MemoryContextSwitchTo(w->context);
		w->consumer = consumer_open(w->d.stream, w->d.stream->owner, true);
		CommitTransactionCommand();
		MemoryContextSwitchTo(w->context);
		load_positions();
		run();
	}
	PG_CATCH();
	{
		record_error();
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * fold_query.c
 *		The fold query of a hybrid view, run over the micro-batch (see fold_query.h).
 *
 * The executor runs the query; its foreign scan returns the micro-batch row by row, and each result row is
 * folded at once. So an error belongs to the row that the scan returned last. Three kinds of error:
 *
 * - while the row was evaluated (WHERE, keys, arguments): the fold is unchanged. The row becomes a dead letter
 *   of the view, and the query continues with the next row.
 * - inside a transition function: the group may be half-changed. The row is remembered; the caller drops
 *   everything since the last flush and reads the log again. When the row comes back, it is skipped and
 *   becomes the dead letter.
 * - before the first row: the query itself fails, for example because a privilege was revoked. The view is
 *   suspended; others continue. If only an object in the query was deparse_again, the query is deparsed again and
 *   retried.
 *
 * After a join, rows come in any order, and there may be many for one event. There the query runs to its end
 * first, each result row carrying the ctid of its event, and then its rows are folded. If it fails, the batch
 * is halved until the failing event is alone.
 */
#include "postgres.h"

#include "common/guard.h"
#include "common/subtransaction.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "worker/fold_query.h"

struct BadRow
{
	int32 partition;
	int64 offset;
	ErrorData *error;
};

/* One run over the micro-batch. */
typedef struct FoldRun
{
	WorkerView *view;
	DecodedBatch *decoded;
	MicroBatchScan scan;
	char *taken;
	DeadLetters *dead_letters;
} FoldRun;

typedef struct QueryJob
{
	FoldRun *run;
	DestReceiver *receiver;
} QueryJob;

/* Folds each row as it comes. */
typedef struct FoldReceiver
{
	DestReceiver pub;
	FoldRun *run;
	bool folding; /* in a transition function */
} FoldReceiver;

/* Stores the rows, detoasted, and their descriptor. */
typedef struct StoreReceiver
{
	DestReceiver pub;
	DestReceiver *store;
	MemoryContext context;
	TupleDesc desc;
} StoreReceiver;

typedef struct StoreJob
{
	FoldRun *run;
	Tuplestorestate *store;
	TupleTableSlot *slot;
	int row; /* being folded */
} StoreJob;

static bool *skip_bad_rows(WorkerView *view, DecodedBatch *decoded, char *taken, DeadLetters *dead_letters);
static void add_dead_letter(const WorkerView *view, const DecodedBatch *decoded, int row, char *taken,
							DeadLetters *dead_letters, const ErrorData *error);
static FoldQueryResult run_plain(FoldRun *run);
static bool fold_received_row(TupleTableSlot *slot, DestReceiver *self);
static void receiver_startup(DestReceiver *self, int operation, TupleDesc typeinfo);
static void receiver_no_op(DestReceiver *self);
static void run_query(void *arg);
static SPIPlanPtr get_plan(WorkerView *view);
static bool deparse_query(WorkerView *view);
static void remember_bad_row(WorkerView *view, const MicroBatch *batch, int row, ErrorData *error);
static void reject_row(FoldRun *run, int row, ErrorData *error);
static bool query_failed(FoldRun *run, ErrorData *error);
static FoldQueryResult run_joined(FoldRun *run, int from, int to);
static bool store_row(TupleTableSlot *slot, DestReceiver *self);
static void store_startup(DestReceiver *self, int operation, TupleDesc typeinfo);
static void store_shutdown(DestReceiver *self);
static void fold_stored_rows(void *arg);

FoldQueryResult
fold_query_run(WorkerView *view, DecodedBatch *decoded, char *taken, DeadLetters *dead_letters)
{
	const MicroBatch *batch = &decoded->batch;
	FoldRun run = {view, decoded, {view->def->stream, batch, NULL, 0, batch->nrows}, taken, dead_letters};

	if (view->leader != NULL || view->failure != NULL || batch->nrows == 0)
		return FOLD_QUERY_DONE;
	run.scan.skip = skip_bad_rows(view, decoded, taken, dead_letters);
	return view->def->joined ? run_joined(&run, 0, batch->nrows) : run_plain(&run);
}

void
fold_query_count(const char *taken, int nrows, StreamCounts *counts)
{
	for (int i = 0; i < nrows; i++)
	{
		counts->folded += taken[i] == ROW_FOLDED;
		counts->dead += taken[i] == ROW_DEAD;
		counts->filtered += taken[i] == ROW_FILTERED;
	}
}

/* Add dead letters for the rows that failed in the fold before. Returns the rows to skip; NULL: none. */
static bool *
skip_bad_rows(WorkerView *view, DecodedBatch *decoded, char *taken, DeadLetters *dead_letters)
{
	bool *skip = NULL;

	for (int b = 0; b < view->nbad; b++)
	{
		for (int row = 0; row < decoded->batch.nrows; row++)
		{
			if (decoded->batch.partitions[row] != view->bad[b].partition ||
				decoded->batch.offsets[row] != view->bad[b].offset)
				continue;
			if (skip == NULL)
				skip = palloc0(decoded->batch.nrows * sizeof(bool));
			skip[row] = true;
			add_dead_letter(view, decoded, row, taken, dead_letters, view->bad[b].error);
		}
	}
	return skip;
}

/* Add a dead letter of the view, and of each view that shares its fold. */
static void
add_dead_letter(const WorkerView *view, const DecodedBatch *decoded, int row, char *taken,
				DeadLetters *dead_letters, const ErrorData *error)
{
	const Message *message = &decoded->messages[decoded->message_of[row]];
	ListCell *lc;

	taken[row] = Max(taken[row], ROW_DEAD);
	dead_letters_add(dead_letters, message, view->row.view, error);
	foreach (lc, view->followers)
		dead_letters_add(dead_letters, message, lfirst_oid(lc), error);
}

/* Without a join, rows arrive in scan order: the row scanned last is the current one. */
static FoldQueryResult
run_plain(FoldRun *run)
{
	FoldReceiver receiver = {
		{fold_received_row, receiver_startup, receiver_no_op, receiver_no_op, DestNone}, run, false};
	QueryJob job = {run, (DestReceiver *) &receiver};

	while (run->scan.next < run->scan.end)
	{
		int start = run->scan.next;
		ErrorData *error = subtransaction_run(run_query, &job, run->view->errors);

		if (error == NULL)
			break;
		dead_letters_rethrow_system_error(error);
		if (receiver.folding)
		{
			remember_bad_row(run->view, run->scan.batch, run->scan.next - 1, error);
			return FOLD_QUERY_POISONED;
		}
		if (run->scan.next > start)
			reject_row(run, run->scan.next - 1, error);
		else if (!query_failed(run, error))
			break;
	}
	return FOLD_QUERY_DONE;
}

static bool
fold_received_row(TupleTableSlot *slot, DestReceiver *self)
{
	FoldReceiver *receiver = (FoldReceiver *) self;
	FoldRun *run = receiver->run;
	const MicroBatch *batch = run->scan.batch;
	int row = run->scan.next - 1;

	receiver->folding = true;
	fold_row(run->view->fold, slot, batch->partitions[row], batch->offsets[row]);
	receiver->folding = false;
	run->taken[row] = ROW_FOLDED;
	return true;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static void
receiver_no_op(DestReceiver *self)
{
}

/* Run the query over the rows that the scan has not yet returned. */
static void
run_query(void *arg)
{
	QueryJob *job = arg;
	WorkerView *view = job->run->view;
	MicroBatchScan *scan = &job->run->scan;
	SPIExecuteOptions options = {0};
	Guard guard;
	int rc;

	guard_enter(&guard, view->owner, view->row.settings);
	SPI_connect();
	scan->begun = false;
	micro_batch_register(scan);
	options.read_only = true;
	options.dest = job->receiver;
	rc = SPI_execute_plan_extended(get_plan(view), &options);
	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", view->query, SPI_result_code_string(rc));
	SPI_finish();
	guard_leave(&guard);
}

static SPIPlanPtr
get_plan(WorkerView *view)
{
	/* replanned from the old text, a name could resolve to another object */
	if (view->plan != NULL && !SPI_plan_is_valid(view->plan))
		(void) deparse_query(view);
	if (view->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(view->query, 0, NULL);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", view->query, SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		view->plan = plan;
	}
	return view->plan;
}

/* Deparse the query again. True if the text has changed, because an object in it was renamed. */
static bool
deparse_query(WorkerView *view)
{
	MemoryContext old = MemoryContextSwitchTo(view->context);
	FoldState *columns;
	Guard guard;
	char *query;
	bool result;

	guard_enter(&guard, InvalidOid, view->row.settings);
	query = sql_fold(view->def, &columns);
	guard_leave(&guard);
	MemoryContextSwitchTo(old);
	result = strcmp(query, view->query) != 0;
	if (result)
		worker_view_close(view);
	view->query = query;
	return result;
}

static void
remember_bad_row(WorkerView *view, const MicroBatch *batch, int row, ErrorData *error)
{
	MemoryContext old = MemoryContextSwitchTo(view->context);

	view->bad = view->bad ? repalloc(view->bad, (view->nbad + 1) * sizeof(struct BadRow))
						  : palloc(sizeof(struct BadRow));
	view->bad[view->nbad].partition = batch->partitions[row];
	view->bad[view->nbad].offset = batch->offsets[row];
	view->bad[view->nbad].error = error;
	view->nbad++;
	MemoryContextSwitchTo(old);
}

static void
reject_row(FoldRun *run, int row, ErrorData *error)
{
	add_dead_letter(run->view, run->decoded, row, run->taken, run->dead_letters, error);
	FreeErrorData(error);
}

/* The query failed before the first row. True if only an object in it was renamed: retry. */
static bool
query_failed(FoldRun *run, ErrorData *error)
{
	if (deparse_query(run->view))
	{
		FreeErrorData(error);
		return true;
	}
	run->view->failure = error;
	return false;
}

/*
 * Run the query over rows [from, to) and fold the result once the query has ended. On an error of the query,
 * halve the range until the failing row is alone.
 */
static FoldQueryResult
run_joined(FoldRun *run, int from, int to)
{
	StoreReceiver receiver = {{store_row, store_startup, store_shutdown, receiver_no_op, DestNone},
							  CreateDestReceiver(DestTuplestore),
							  CurrentMemoryContext,
							  NULL};
	StoreJob store = {run, tuplestore_begin_heap(false, false, work_mem), NULL, 0};
	QueryJob job = {run, (DestReceiver *) &receiver};
	FoldQueryResult result = FOLD_QUERY_DONE;
	ErrorData *error;

	SetTuplestoreDestReceiverParams(receiver.store, store.store, CurrentMemoryContext, true, NULL, NULL);
	do
	{
		run->scan.next = from;
		run->scan.end = to;
		error = subtransaction_run(run_query, &job, run->view->errors);
		if (error != NULL)
			dead_letters_rethrow_system_error(error);
	} while (error != NULL && run->scan.next == from && query_failed(run, error));
	receiver.store->rDestroy(receiver.store);
	if (error == NULL)
	{
		store.slot = MakeSingleTupleTableSlot(receiver.desc, &TTSOpsMinimalTuple);
		error = subtransaction_run(fold_stored_rows, &store, run->view->errors);
		ExecDropSingleTupleTableSlot(store.slot);
		if (error != NULL)
		{
			dead_letters_rethrow_system_error(error);
			remember_bad_row(run->view, run->scan.batch, store.row, error);
			result = FOLD_QUERY_POISONED;
		}
	}
	else if (run->view->failure == NULL && to - from == 1)
		reject_row(run, from, error);
	else if (run->view->failure == NULL)
	{
		/* the failing row raises it again */
		FreeErrorData(error);
		result = run_joined(run, from, from + (to - from) / 2);
		if (result == FOLD_QUERY_DONE && run->view->failure == NULL)
			result = run_joined(run, from + (to - from) / 2, to);
	}
	tuplestore_end(store.store);
	return result;
}

static bool
store_row(TupleTableSlot *slot, DestReceiver *self)
{
	DestReceiver *store = ((StoreReceiver *) self)->store;

	return store->receiveSlot(slot, store);
}

static void
store_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	StoreReceiver *receiver = (StoreReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->context);

	receiver->desc = CreateTupleDescCopy(typeinfo);
	MemoryContextSwitchTo(old);
	receiver->store->rStartup(receiver->store, operation, typeinfo);
}

static void
store_shutdown(DestReceiver *self)
{
	DestReceiver *store = ((StoreReceiver *) self)->store;

	store->rShutdown(store);
}

static void
fold_stored_rows(void *arg)
{
	StoreJob *job = arg;
	WorkerView *view = job->run->view;
	const MicroBatch *batch = job->run->scan.batch;
	int tid = job->slot->tts_tupleDescriptor->natts - 1;
	Guard guard;

	/* transition functions may be user-defined */
	guard_enter(&guard, view->owner, view->row.settings);
	while (tuplestore_gettupleslot(job->store, true, false, job->slot))
	{
		slot_getallattrs(job->slot);
		job->row = micro_batch_tid_row((ItemPointer) DatumGetPointer(job->slot->tts_values[tid]));
		fold_row(view->fold, job->slot, batch->partitions[job->row], batch->offsets[job->row]);
		job->run->taken[job->row] = ROW_FOLDED;
	}
	guard_leave(&guard);
}

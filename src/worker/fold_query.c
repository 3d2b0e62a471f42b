/*
 * fold_query.c
 *		The fold query of a hybrid view, run over the micro-batch (see fold_query.h).
 *
 * The executor runs the query; its foreign scan returns the micro-batch row by row, and each result row is
 * folded at once: without a join, the row that the scan returned last; after a join, where rows come in any
 * order and there may be many for one event, the row whose ctid it carries.
 *
 * In optimistic mode an error goes to the caller, who drops everything since the last flush and repeats it in
 * careful mode. There the query runs in subtransactions, and there are three kinds of error:
 *
 * - while a row is evaluated (WHERE, keys, arguments): the fold is unchanged. The event becomes a dead letter of
 *   the view, and the query continues with the next row.
 * - while a row is folded, or combined with stored states: what was folded of its event is taken back, and the
 *   event becomes a dead letter.
 * - before the first row, or not the data's fault (dead_letters.c): the query itself fails, for example because a
 *   privilege was revoked, or a remote table is away. The view is suspended; others continue. If only an object in the query was renamed, the query is deparsed again and
 *   retried.
 *
 * After a join, careful mode first runs the query to its end; if it fails, the micro-batch is halved until the failing
 * event is alone. Then its rows are folded event by event.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "common/compat.h"
#include "common/guard.h"
#include "common/subtransaction.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "stream/scan_input.h"
#include "tcop/dest.h"
#include "utils/memutils.h"
#include "worker/fold_query.h"
#include "worker/user_code.h"

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
	bool folding; /* or combining; not in the query */
} FoldReceiver;

/* A result row, and its row of the micro-batch. */
typedef struct JoinedRow
{
	int row;
	MinimalTuple tuple;
} JoinedRow;

/* Collects the rows, detoasted, and their descriptor. */
typedef struct CollectReceiver
{
	DestReceiver pub;
	MemoryContext context; /* contains all below; reset for each attempt */
	TupleDesc desc;
	JoinedRow *rows;
	int64 nrows;
	int64 allocated;
} CollectReceiver;

/* The rows of a query that has ended, being folded event by event. */
typedef struct FoldRowsJob
{
	FoldRun *run;
	CollectReceiver *collected;
	TupleTableSlot *slot;
	int64 next; /* first row of the event being folded */
} FoldRowsJob;

static void run_optimistically(FoldRun *run);
static void run_plain(FoldRun *run);
static ErrorData *run_user_code(WorkerView *view, void (*body)(void *arg), void *arg);
static void receiver_startup(DestReceiver *self, int operation, TupleDesc typeinfo);
static bool fold_received_row(TupleTableSlot *slot, DestReceiver *self);
static void receiver_no_op(DestReceiver *self);
static void run_query(void *arg);
static SPIPlanPtr get_plan(WorkerView *view);
static bool deparse_query(WorkerView *view);
static void reject_row(FoldRun *run, int row, ErrorData *error);
static bool query_failed(FoldRun *run, ErrorData *error);
static void run_joined(FoldRun *run, int from, int to);
static int joined_row(TupleTableSlot *slot);
static void collect_startup(DestReceiver *self, int operation, TupleDesc typeinfo);
static bool collect_row(TupleTableSlot *slot, DestReceiver *self);
static void fold_events(FoldRun *run, CollectReceiver *collected);
static int compare_rows(const void *a, const void *b);
static void fold_rest(void *arg);

void
fold_query_run(WorkerView *view, DecodedBatch *decoded, char *taken, DeadLetters *dead_letters)
{
	const MicroBatch *batch = &decoded->batch;
	FoldRun run = {view, decoded, {view->def->stream, batch, NULL, 0, batch->nrows}, taken, dead_letters};

	if (view->leader != NULL || view->failure != NULL || batch->nrows == 0)
		return;
	if (!decoded->careful)
		run_optimistically(&run);
	else if (view->def->joined)
		run_joined(&run, 0, batch->nrows);
	else
		run_plain(&run);
}

void
fold_query_check(WorkerView *view)
{
	MicroBatch batch = {0};
	FoldRun run = {view, NULL, {view->def->stream, &batch, NULL, 0, 0}};
	QueryJob job = {&run, None_Receiver};

	run_query(&job);
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

static void
run_optimistically(FoldRun *run)
{
	FoldReceiver receiver = {
		{fold_received_row, receiver_startup, receiver_no_op, receiver_no_op, DestNone}, run, false};
	QueryJob job = {run, (DestReceiver *) &receiver};

	user_code_begin(run->view->row.view, run->view->time_limit);
	PG_TRY();
	{
		run_query(&job);
	}
	PG_CATCH();
	{
		/* careful mode would come to the same, after as long again */
		if (user_code_end() == USER_CODE_EXCEEDED)
			run->view->failure = worker_view_time_limit_error(run->view);
		PG_RE_THROW();
	}
	PG_END_TRY();
	(void) user_code_end();
}

/* In careful mode, without a join. */
static void
run_plain(FoldRun *run)
{
	FoldReceiver receiver = {
		{fold_received_row, receiver_startup, receiver_no_op, receiver_no_op, DestNone}, run, false};
	QueryJob job = {run, (DestReceiver *) &receiver};

	while (run->scan.next < run->scan.end)
	{
		int start = run->scan.next;
		ErrorData *error = run_user_code(run->view, run_query, &job);
		bool folding;

		if (error == NULL || run->view->failure != NULL)
			break;
		folding = receiver.folding;
		receiver.folding = false;
		if (run->scan.next > start && dead_letters_is_data_error(error->sqlerrcode))
		{
			if (folding)
				fold_undo_event(run->view->fold);
			reject_row(run, run->scan.next - 1, error);
		}
		else if (run->scan.next > start || !query_failed(run, error))
		{
			run->view->failure = error;
			break;
		}
	}
}

/*
 * Run code of the view's owner, in a subtransaction. Returns its error. If it has exceeded its time limit, that is the
 * view's failure; if it was to give way, the error is raised again.
 */
static ErrorData *
run_user_code(WorkerView *view, void (*body)(void *arg), void *arg)
{
	ErrorData *error;
	UserCodeEnd end;

	user_code_begin(view->row.view, view->time_limit);
	error = subtransaction_run(body, arg, view->errors);
	end = user_code_end();
	if (error == NULL)
		return NULL;
	if (end == USER_CODE_GAVE_WAY)
		ReThrowError(error);
	if (end == USER_CODE_EXCEEDED)
		view->failure = worker_view_time_limit_error(view);
	return error;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static bool
fold_received_row(TupleTableSlot *slot, DestReceiver *self)
{
	FoldReceiver *receiver = (FoldReceiver *) self;
	FoldRun *run = receiver->run;
	const MicroBatch *batch = run->scan.batch;
	Fold *fold = run->view->fold;
	int row = run->view->def->joined ? joined_row(slot) : run->scan.next - 1;
	int64 partition_rank = stream_partition_rank(batch->topic_epoch, batch->partitions[row]);

	receiver->folding = true;
	if (run->decoded->careful)
	{
		fold_begin_event(fold);
		fold_row_carefully(fold, slot, partition_rank, batch->offsets[row]);
		fold_finish_row(fold, slot, partition_rank, batch->offsets[row]);
	}
	else
		fold_row(fold, slot, partition_rank, batch->offsets[row]);
	receiver->folding = false;
	run->taken[row] = ROW_FOLDED;
	return true;
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
	scan_input_register(SCAN_INPUT_MICRO_BATCH, scan->stream, scan);
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

/* Add a dead letter of the view, and of each view that shares its fold. */
static void
reject_row(FoldRun *run, int row, ErrorData *error)
{
	const Message *message = &run->decoded->messages[run->decoded->message_of[row]];
	ListCell *lc;

	run->taken[row] = Max(run->taken[row], ROW_DEAD);
	dead_letters_add(run->dead_letters, message, run->view->row.view, error);
	foreach (lc, run->view->followers)
		dead_letters_add(run->dead_letters, message, lfirst_oid(lc), error);
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
 * In careful mode, after a join: run the query over rows [from, to), and fold the result once the query has ended.
 * On an error of the query, halve the range until the failing row is alone.
 */
static void
run_joined(FoldRun *run, int from, int to)
{
	CollectReceiver collected = {
		{collect_row, collect_startup, receiver_no_op, receiver_no_op, DestNone},
		AllocSetContextCreate(CurrentMemoryContext, "streambatch joined rows", ALLOCSET_DEFAULT_SIZES)};
	QueryJob job = {run, (DestReceiver *) &collected};
	ErrorData *error;

	do
	{
		run->scan.next = from;
		run->scan.end = to;
		error = run_user_code(run->view, run_query, &job);
	} while (error != NULL && run->view->failure == NULL && run->scan.next == from &&
			 query_failed(run, error));
	if (error != NULL && run->view->failure == NULL && !dead_letters_is_data_error(error->sqlerrcode))
		run->view->failure = error;
	if (error == NULL)
		fold_events(run, &collected);
	else if (run->view->failure == NULL && to - from == 1)
		reject_row(run, from, error);
	else if (run->view->failure == NULL)
	{
		/* the failing row raises it again */
		FreeErrorData(error);
		run_joined(run, from, from + (to - from) / 2);
		if (run->view->failure == NULL)
			run_joined(run, from + (to - from) / 2, to);
	}
	MemoryContextDelete(collected.context);
}

/* The row of the micro-batch of a result row: its last column is the ctid. */
static int
joined_row(TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	return micro_batch_tid_row(
		(ItemPointer) DatumGetPointer(slot->tts_values[slot->tts_tupleDescriptor->natts - 1]));
}

static void
collect_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	CollectReceiver *receiver = (CollectReceiver *) self;
	MemoryContext old;

	MemoryContextReset(receiver->context);
	old = MemoryContextSwitchTo(receiver->context);
	receiver->desc = CreateTupleDescCopy(typeinfo);
	receiver->nrows = 0;
	receiver->allocated = 1024;
	receiver->rows = palloc(receiver->allocated * sizeof(JoinedRow));
	MemoryContextSwitchTo(old);
}

/* Detoasted, since the rows outlive the snapshot of the query. */
static bool
collect_row(TupleTableSlot *slot, DestReceiver *self)
{
	CollectReceiver *receiver = (CollectReceiver *) self;
	int natts = receiver->desc->natts;
	Datum *values = palloc(natts * sizeof(Datum));
	int row = joined_row(slot);
	MemoryContext old;

	for (int i = 0; i < natts; i++)
	{
		values[i] = slot->tts_values[i];
		if (!slot->tts_isnull[i] && TupleDescAttr(receiver->desc, i)->attlen == -1)
			values[i] = PointerGetDatum(PG_DETOAST_DATUM(values[i]));
	}
	old = MemoryContextSwitchTo(receiver->context);
	if (receiver->nrows == receiver->allocated)
	{
		receiver->allocated *= 2;
		receiver->rows = repalloc_huge(receiver->rows, receiver->allocated * sizeof(JoinedRow));
	}
	receiver->rows[receiver->nrows].row = row;
	receiver->rows[receiver->nrows].tuple =
		compat_form_minimal_tuple(receiver->desc, values, slot->tts_isnull);
	receiver->nrows++;
	MemoryContextSwitchTo(old);
	pfree(values);
	return true;
}

/* Fold the rows event by event. An event of which one row fails is taken back as a whole. */
static void
fold_events(FoldRun *run, CollectReceiver *collected)
{
	FoldRowsJob job = {run, collected, NULL, 0};

	qsort(collected->rows, collected->nrows, sizeof(JoinedRow), compare_rows);
	job.slot = MakeSingleTupleTableSlot(collected->desc, &TTSOpsMinimalTuple);
	while (job.next < collected->nrows)
	{
		ErrorData *error = run_user_code(run->view, fold_rest, &job);
		int row = collected->rows[Min(job.next, collected->nrows - 1)].row;

		if (error == NULL || run->view->failure != NULL)
			break;
		if (!dead_letters_is_data_error(error->sqlerrcode))
		{
			run->view->failure = error;
			break;
		}
		fold_undo_event(run->view->fold);
		reject_row(run, row, error);
		while (job.next < collected->nrows && collected->rows[job.next].row == row)
			job.next++;
	}
	ExecDropSingleTupleTableSlot(job.slot);
}

/* Rows of one event are in one place; in which order makes no difference to what is folded. */
static int
compare_rows(const void *a, const void *b)
{
	return ((const JoinedRow *) a)->row - ((const JoinedRow *) b)->row;
}

static void
fold_rest(void *arg)
{
	FoldRowsJob *job = arg;
	WorkerView *view = job->run->view;
	const MicroBatch *batch = job->run->scan.batch;
	Guard guard;

	/* transition functions may be user-defined */
	guard_enter(&guard, view->owner, view->row.settings);
	while (job->next < job->collected->nrows)
	{
		int row = job->collected->rows[job->next].row;
		int64 partition_rank = stream_partition_rank(batch->topic_epoch, batch->partitions[row]);
		int64 i;

		fold_begin_event(view->fold);
		for (i = job->next; i < job->collected->nrows && job->collected->rows[i].row == row; i++)
		{
			ExecStoreMinimalTuple(job->collected->rows[i].tuple, job->slot, false);
			fold_row_carefully(view->fold, job->slot, partition_rank, batch->offsets[row]);
		}
		for (i = job->next; i < job->collected->nrows && job->collected->rows[i].row == row; i++)
		{
			ExecStoreMinimalTuple(job->collected->rows[i].tuple, job->slot, false);
			fold_finish_row(view->fold, job->slot, partition_rank, batch->offsets[row]);
		}
		job->run->taken[row] = ROW_FOLDED;
		job->next = i;
	}
	guard_leave(&guard);
}

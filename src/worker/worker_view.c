/*
 * worker_view.c
 *		One hybrid view in the worker (see worker_view.h).
 *
 * The executor runs the fold query, whose foreign scan returns the micro-batch row by row; each resulting row
 * goes straight into the fold. So an error tells its row: the one that the scan returned last. Three kinds of
 * error:
 *
 * - while the row was evaluated (WHERE, keys, arguments): the fold has not seen it. It is the view's dead
 *   letter, and the query runs on from the next row.
 * - inside a transition function: the group may be half-changed. The row is noted, the caller drops
 *   everything since the last flush and reads the log again; when the row comes back it is left out, and
 *   becomes the dead letter.
 * - before any row: the query itself fails (a privilege is gone). The view is suspended; others go on. Unless
 *   it only names things by names that they have no more: then it is printed anew.
 *
 * Behind a join rows come in any order, and many of one event. There the query is run to its end first, each
 * row telling its event by ctid, and then its rows are folded; where it fails, the batch is halved until the
 * event that it fails on is alone.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/guard.h"
#include "common/settings.h"
#include "common/subtransaction.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "query/view_relations.h"
#include "tcop/dest.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "worker/worker_view.h"

/* What a view may remember of written groups, as a part of streambatch.work_mem. */
#define EPOCH_FILTER_SHARE 8

struct BadRow
{
	int32 partition;
	int64 offset;
	ErrorData *error;
};

typedef struct FoldReceiver
{
	DestReceiver pub;
	WorkerView *vf;
	const MicroBatchScan *scan;
	char *taken;
	bool folding;
} FoldReceiver;

typedef struct ColumnsUsed
{
	int varno;
	int level;
	Bitmapset *attnums;
} ColumnsUsed;

typedef struct QueryJob
{
	WorkerView *vf;
	MicroBatchScan *scan;
	DestReceiver *receiver;
} QueryJob;

/* What one run over the micro-batch works with. */
typedef struct FoldRun
{
	WorkerView *vf;
	DecodedBatch *decoded;
	MicroBatchScan scan;
	char *taken;
	DeadLetters *dead_letters;
} FoldRun;

/* Keeps the rows, free of pointers into tables, and what they look like. */
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
	int row; /* at hand */
} StoreJob;

static void check_states(const WorkerView *vf);
static bool same_state(const StateDef *a, const FoldState *of_a, const StateDef *b, const FoldState *of_b);
static bool columns_walker(Node *node, ColumnsUsed *used);
static bool *leave_out_bad(WorkerView *vf, DecodedBatch *decoded, char *taken, DeadLetters *dead_letters);
static void row_is_dead(const WorkerView *vf, const DecodedBatch *decoded, int row, char *taken,
						DeadLetters *dead_letters, const ErrorData *error);
static WorkerViewResult run_joined(FoldRun *run, int from, int to);
static bool store_row(TupleTableSlot *slot, DestReceiver *self);
static void store_startup(DestReceiver *self, int operation, TupleDesc typeinfo);
static void store_shutdown(DestReceiver *self);
static void receiver_nothing(DestReceiver *self);
static void run_query(void *arg);
static SPIPlanPtr plan_of(WorkerView *vf);
static bool renamed(WorkerView *vf);
static bool query_failed(FoldRun *run, ErrorData *error);
static void fold_store(void *arg);
static void note_bad(WorkerView *vf, const MicroBatch *batch, int row, ErrorData *error);
static void row_failed(FoldRun *run, int row, ErrorData *error);
static WorkerViewResult run_plain(FoldRun *run);
static bool receive(TupleTableSlot *slot, DestReceiver *self);
static void receiver_startup(DestReceiver *self, int operation, TupleDesc typeinfo);

WorkerView *
worker_view_open(const ViewRow *row)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "streambatch view", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	WorkerView *vf = palloc0(sizeof(WorkerView));
	Oid nsp = get_namespace_oid("streambatch_state", false);
	Guard guard;

	vf->context = context;
	vf->errors = AllocSetContextCreate(context, "streambatch view errors", ALLOCSET_SMALL_SIZES);
	vf->row = *row;
	vf->row.settings = DatumGetArrayTypePCopy(PointerGetDatum(row->settings));
	vf->owner = guard_owner_of(row->view);
	vf->state_table = get_relname_relid(psprintf("stream_%d", row->id), nsp);
	if (!OidIsValid(vf->owner) || !OidIsValid(vf->state_table))
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		return NULL;
	}
	/* under the settings that the query runs under: constants are printed as they are read back */
	guard_enter(&guard, InvalidOid, vf->row.settings);
	vf->relations = view_relations_read(row->id);
	vf->def = analyse_stored(row->id, vf->owner);
	if (vf->def->stream != row->stream)
		elog(ERROR, "the query of hybrid view %d reads another stream", row->id);
	check_states(vf);
	vf->query = sql_fold(vf->def, &vf->columns);
	guard_leave(&guard);
	/* initial values are made by input functions, which may be somebody's */
	guard_enter(&guard, vf->owner, vf->row.settings);
	vf->fold = fold_create(vf->def, vf->columns);
	guard_leave(&guard);
	vf->written = epoch_filter_create((Size) setting_work_mem_kb * 1024 / EPOCH_FILTER_SHARE);
	MemoryContextSwitchTo(old);
	return vf;
}

bool
worker_view_share(WorkerView *vf, WorkerView *leader)
{
	const ViewDef *a = vf->def;
	const ViewDef *b = leader->def;
	MemoryContext old;

	if (leader->leader != NULL || vf->owner != leader->owner || strcmp(vf->query, leader->query) != 0 ||
		a->nkeys != b->nkeys || a->nstates != b->nstates ||
		!datumIsEqual(PointerGetDatum(vf->row.settings), PointerGetDatum(leader->row.settings), false, -1))
		return false;
	for (int i = 0; i < a->nstates; i++)
	{
		if (!same_state(&a->states[i], &vf->columns[i], &b->states[i], &leader->columns[i]))
			return false;
	}
	vf->leader = leader;
	vf->fold = leader->fold;
	old = MemoryContextSwitchTo(leader->context);
	leader->followers = lappend_oid(leader->followers, vf->row.view);
	MemoryContextSwitchTo(old);
	return true;
}

void
worker_view_close(WorkerView *vf)
{
	if (vf->plan != NULL)
		SPI_freeplan(vf->plan);
	vf->plan = NULL;
}

Bitmapset *
worker_view_columns(const WorkerView *vf, Bitmapset *attnums)
{
	ColumnsUsed used = {vf->def->varno, 0, attnums};

	(void) query_tree_walker(vf->def->query, columns_walker, &used, 0);
	return used.attnums;
}

WorkerViewResult
worker_view_run(WorkerView *vf, DecodedBatch *decoded, char *taken, DeadLetters *dead_letters)
{
	const MicroBatch *batch = &decoded->batch;
	FoldRun run = {vf, decoded, {vf->def->stream, batch, NULL, 0, batch->nrows}, taken, dead_letters};

	if (vf->leader != NULL || vf->failure != NULL || batch->nrows == 0)
		return WORKER_VIEW_DONE;
	run.scan.skip = leave_out_bad(vf, decoded, taken, dead_letters);
	return vf->def->joined ? run_joined(&run, 0, batch->nrows) : run_plain(&run);
}

void
worker_view_count(const char *taken, int nrows, StreamCounts *counts)
{
	for (int i = 0; i < nrows; i++)
	{
		counts->folded += taken[i] == ROW_FOLDED;
		counts->dead += taken[i] == ROW_DEAD;
		counts->filtered += taken[i] == ROW_FILTERED;
	}
}

const ErrorData *
worker_view_failure(const WorkerView *vf)
{
	return vf->leader != NULL ? vf->leader->failure : vf->failure;
}

void
worker_view_stored(WorkerView *vf)
{
	worker_view_dropped(vf);
	vf->nbad = 0;
	/* FreeErrorData() leaves some of what CopyErrorData() copies */
	if (vf->failure == NULL)
		MemoryContextReset(vf->errors);
	vf->append = false;
}

void
worker_view_dropped(WorkerView *vf)
{
	if (vf->leader == NULL)
		fold_reset(vf->fold);
}

/* An aggregate that was replaced since the view was made may keep states of another type. */
static void
check_states(const WorkerView *vf)
{
	for (int i = 0; i < vf->def->nstates; i++)
	{
		char *column = psprintf("s%d", i + 1);
		const StateDef *state = &vf->def->states[i];
		AttrNumber att = get_attnum(vf->state_table, column);

		if (att == InvalidAttrNumber || get_atttype(vf->state_table, att) != state->type)
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("the states of %s are not what they were when the view was created",
								   format_procedure(state->folded->aggfnoid)),
							errhint("Drop and create the hybrid view again.")));
	}
}

/* Whether two states are folded the same way from the same columns. */
static bool
same_state(const StateDef *a, const FoldState *of_a, const StateDef *b, const FoldState *of_b)
{
	return equal(a->folded, b->folded) && a->partial == b->partial && a->batch_only == b->batch_only &&
		   a->type == b->type && a->combine == b->combine && of_a->filter == of_b->filter &&
		   of_a->nargs == of_b->nargs &&
		   (of_a->nargs == 0 || memcmp(of_a->args, of_b->args, of_a->nargs * sizeof(int)) == 0);
}

static bool
columns_walker(Node *node, ColumnsUsed *used)
{
	bool result;

	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varno == used->varno && ((Var *) node)->varlevelsup == used->level)
		used->attnums = bms_add_member(used->attnums, ((Var *) node)->varattno);
	if (!IsA(node, Query))
		return expression_tree_walker(node, columns_walker, used);
	used->level++;
	result = query_tree_walker((Query *) node, columns_walker, used, 0);
	used->level--;
	return result;
}

/* Rows that the fold failed on before: dead dead_letters now. */
static bool *
leave_out_bad(WorkerView *vf, DecodedBatch *decoded, char *taken, DeadLetters *dead_letters)
{
	bool *skip = NULL;

	for (int b = 0; b < vf->nbad; b++)
	{
		for (int row = 0; row < decoded->batch.nrows; row++)
		{
			if (decoded->batch.partitions[row] != vf->bad[b].partition ||
				decoded->batch.offsets[row] != vf->bad[b].offset)
				continue;
			if (skip == NULL)
				skip = palloc0(decoded->batch.nrows * sizeof(bool));
			skip[row] = true;
			row_is_dead(vf, decoded, row, taken, dead_letters, vf->bad[b].error);
		}
	}
	return skip;
}

/* A row becomes a dead letter of the view, and of those that share its fold. */
static void
row_is_dead(const WorkerView *vf, const DecodedBatch *decoded, int row, char *taken,
			DeadLetters *dead_letters, const ErrorData *error)
{
	const Message *message = &decoded->messages[decoded->message_of[row]];
	ListCell *lc;

	taken[row] = Max(taken[row], ROW_DEAD);
	dead_letters_add(dead_letters, message, vf->row.view, error);
	foreach (lc, vf->followers)
		dead_letters_add(dead_letters, message, lfirst_oid(lc), error);
}

/*
 * The rows of the batch from one on below another. Nothing is folded before the query has come to its end, so
 * that where it fails the batch can be halved until the row that it fails on is alone.
 */
static WorkerViewResult
run_joined(FoldRun *run, int from, int to)
{
	StoreReceiver receiver = {{store_row, store_startup, store_shutdown, receiver_nothing, DestNone},
							  CreateDestReceiver(DestTuplestore),
							  CurrentMemoryContext,
							  NULL};
	StoreJob store = {run, tuplestore_begin_heap(false, false, work_mem), NULL, 0};
	QueryJob job = {run->vf, &run->scan, (DestReceiver *) &receiver};
	WorkerViewResult result = WORKER_VIEW_DONE;
	ErrorData *error;

	SetTuplestoreDestReceiverParams(receiver.store, store.store, CurrentMemoryContext, true, NULL, NULL);
	do
	{
		run->scan.next = from;
		run->scan.end = to;
		error = subtransaction_run(run_query, &job, run->vf->errors);
		if (error != NULL)
			dead_letters_reject_error(error);
	} while (error != NULL && run->scan.next == from && query_failed(run, error));
	receiver.store->rDestroy(receiver.store);
	if (error == NULL)
	{
		store.slot = MakeSingleTupleTableSlot(receiver.desc, &TTSOpsMinimalTuple);
		error = subtransaction_run(fold_store, &store, run->vf->errors);
		ExecDropSingleTupleTableSlot(store.slot);
		if (error != NULL)
		{
			dead_letters_reject_error(error);
			note_bad(run->vf, run->scan.batch, store.row, error);
			result = WORKER_VIEW_POISONED;
		}
	}
	else if (run->vf->failure == NULL && to - from == 1)
		row_failed(run, from, error);
	else if (run->vf->failure == NULL)
	{
		/* the row that it fails on tells it again */
		FreeErrorData(error);
		result = run_joined(run, from, from + (to - from) / 2);
		if (result == WORKER_VIEW_DONE && run->vf->failure == NULL)
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
receiver_nothing(DestReceiver *self)
{
}

/* The query, over the rows that the scan has left. */
static void
run_query(void *arg)
{
	QueryJob *job = arg;
	WorkerView *vf = job->vf;
	SPIExecuteOptions options = {0};
	Guard guard;
	int rc;

	guard_enter(&guard, vf->owner, vf->row.settings);
	SPI_connect();
	job->scan->begun = false;
	micro_batch_register(job->scan);
	options.read_only = true;
	options.dest = job->receiver;
	rc = SPI_execute_plan_extended(plan_of(vf), &options);
	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", vf->query, SPI_result_code_string(rc));
	SPI_finish();
	guard_leave(&guard);
}

static SPIPlanPtr
plan_of(WorkerView *vf)
{
	/* planned anew from the old text, it could find something else under an old name */
	if (vf->plan != NULL && !SPI_plan_is_valid(vf->plan))
		(void) renamed(vf);
	if (vf->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(vf->query, 0, NULL);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", vf->query, SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		vf->plan = plan;
	}
	return vf->plan;
}

/* Print the query anew: true where something that it names has been renamed meanwhile. */
static bool
renamed(WorkerView *vf)
{
	MemoryContext old = MemoryContextSwitchTo(vf->context);
	FoldState *columns;
	Guard guard;
	char *query;
	bool result;

	guard_enter(&guard, InvalidOid, vf->row.settings);
	query = sql_fold(vf->def, &columns);
	guard_leave(&guard);
	MemoryContextSwitchTo(old);
	result = strcmp(query, vf->query) != 0;
	if (result)
		worker_view_close(vf);
	vf->query = query;
	return result;
}

/* The query failed before any row: true where it was only that something is called otherwise now. */
static bool
query_failed(FoldRun *run, ErrorData *error)
{
	if (renamed(run->vf))
	{
		FreeErrorData(error);
		return true;
	}
	run->vf->failure = error;
	return false;
}

static void
fold_store(void *arg)
{
	StoreJob *job = arg;
	WorkerView *vf = job->run->vf;
	const MicroBatch *batch = job->run->scan.batch;
	int tid = job->slot->tts_tupleDescriptor->natts - 1;
	Guard guard;

	/* transition functions are somebody's */
	guard_enter(&guard, vf->owner, vf->row.settings);
	while (tuplestore_gettupleslot(job->store, true, false, job->slot))
	{
		slot_getallattrs(job->slot);
		job->row = micro_batch_tid_row((ItemPointer) DatumGetPointer(job->slot->tts_values[tid]));
		fold_row(vf->fold, job->slot, batch->partitions[job->row], batch->offsets[job->row]);
		job->run->taken[job->row] = ROW_FOLDED;
	}
	guard_leave(&guard);
}

static void
note_bad(WorkerView *vf, const MicroBatch *batch, int row, ErrorData *error)
{
	MemoryContext old = MemoryContextSwitchTo(vf->context);

	vf->bad = vf->bad ? repalloc(vf->bad, (vf->nbad + 1) * sizeof(BadRow)) : palloc(sizeof(BadRow));
	vf->bad[vf->nbad].partition = batch->partitions[row];
	vf->bad[vf->nbad].offset = batch->offsets[row];
	vf->bad[vf->nbad].error = error;
	vf->nbad++;
	MemoryContextSwitchTo(old);
}

static void
row_failed(FoldRun *run, int row, ErrorData *error)
{
	row_is_dead(run->vf, run->decoded, row, run->taken, run->dead_letters, error);
	FreeErrorData(error);
}

/* Rows come as they are scanned: the one scanned last is the one at hand. */
static WorkerViewResult
run_plain(FoldRun *run)
{
	FoldReceiver receiver = {{receive, receiver_startup, receiver_nothing, receiver_nothing, DestNone},
							 run->vf,
							 &run->scan,
							 run->taken,
							 false};
	QueryJob job = {run->vf, &run->scan, (DestReceiver *) &receiver};

	while (run->scan.next < run->scan.end)
	{
		int start = run->scan.next;
		ErrorData *error = subtransaction_run(run_query, &job, run->vf->errors);

		if (error == NULL)
			break;
		dead_letters_reject_error(error);
		if (receiver.folding)
		{
			note_bad(run->vf, run->scan.batch, run->scan.next - 1, error);
			return WORKER_VIEW_POISONED;
		}
		if (run->scan.next > start)
			row_failed(run, run->scan.next - 1, error);
		else if (!query_failed(run, error))
			break;
	}
	return WORKER_VIEW_DONE;
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	FoldReceiver *receiver = (FoldReceiver *) self;
	const MicroBatch *batch = receiver->scan->batch;
	int row = receiver->scan->next - 1;

	receiver->folding = true;
	fold_row(receiver->vf->fold, slot, batch->partitions[row], batch->offsets[row]);
	receiver->folding = false;
	receiver->taken[row] = ROW_FOLDED;
	return true;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

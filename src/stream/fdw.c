/*
 * fdw.c
 *		The foreign data wrapper streambatch_kafka: planning and executing scans of a stream.
 *
 * A scan has one of two sources, chosen when it begins. If the query environment contains a micro-batch of the
 * stream (scan_input.h, micro_batch.h), the worker is running a view's query: rows are taken from it, and no
 * connection is opened. Otherwise the log is read (log_scan.h): of a slice (log_slice.h), if the batch layer has
 * registered one, and within the range given by the query's conditions on partition, offset and timestamp. The
 * executor checks every condition again.
 *
 * The plan contains the expressions that bound the range (fdw_exprs), how to combine them, and the columns to
 * decode (fdw_private). No request is sent to a broker before the first row is fetched, so that EXPLAIN needs no
 * broker; estimates are therefore constants, but for a slice, whose offsets are known.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "commands/explain.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/slots.h"
#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "stream/insert.h"
#include "stream/log_range.h"
#include "stream/log_scan.h"
#include "stream/micro_batch.h"
#include "stream/scan_input.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Constant estimates, but for a slice: the planner sends no request. */
#define DEFAULT_ROWS 1000
#define STARTUP_COST 100.0
#define COST_PER_ROW 0.05

/* fdw_private of a scan */
enum
{
	PRIVATE_CONDITIONS, /* list of integer lists, see log_range.h */
	PRIVATE_COLUMNS		/* attribute numbers to decode */
};

typedef struct StreamScan
{
	MicroBatchScan *rows; /* the worker's micro-batch; NULL: read the log */
	int first;			  /* first row of this scan */

	Stream *stream;
	Oid role;
	Bitmapset *columns;
	List *conditions;
	List *states;		   /* ExprState of fdw_exprs */
	MemoryContext context; /* of the current pass over the log */
	LogRange *range;
	const LogSlice *slice; /* to read of the log; NULL: all that the range contains */
	LogScan *scan;		   /* NULL before the first row */
	int64 messages;		   /* of completed passes */
	int64 undecodable;
} StreamScan;

static void get_size(PlannerInfo *root, RelOptInfo *rel, Oid relid);
static void get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid);
static double messages(Oid relid);
static ForeignScan *get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *best, List *tlist,
							 List *clauses, Plan *outer);
static List *used_columns(RelOptInfo *rel, const Stream *stream);
static void begin_scan(ForeignScanState *node, int eflags);
static TupleTableSlot *iterate_scan(ForeignScanState *node);
static bool next_of_batch(MicroBatchScan *rows, TupleTableSlot *slot);
static void start_pass(ForeignScanState *node);
static void rescan(ForeignScanState *node);
static void end_pass(StreamScan *state);
static void end_scan(ForeignScanState *node);
static void explain_scan(ForeignScanState *node, ExplainState *es);
static bool has_params(Node *node, void *context);

STREAMBATCH_FUNCTION(streambatch_fdw_handler);

Datum
streambatch_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = get_size;
	routine->GetForeignPaths = get_paths;
	routine->GetForeignPlan = get_plan;
	routine->BeginForeignScan = begin_scan;
	routine->IterateForeignScan = iterate_scan;
	routine->ReScanForeignScan = rescan;
	routine->EndForeignScan = end_scan;
	routine->ExplainForeignScan = explain_scan;
	insert_set_routines(routine);
	PG_RETURN_POINTER(routine);
}

static void
get_size(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	rel->rows = clamp_row_est(messages(relid) *
							  clauselist_selectivity(root, rel->baserestrictinfo, 0, JOIN_INNER, NULL));
}

static void
get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	add_path(rel, (Path *) compat_create_foreignscan_path(root, rel, rel->rows, STARTUP_COST,
														  STARTUP_COST + messages(relid) * COST_PER_ROW));
}

/* An estimate of how many are read. With the constant, a large slice would be sorted instead of hashed. */
static double
messages(Oid relid)
{
	double of_slice = log_slice_planned_messages(relid);

	return of_slice < 0 ? DEFAULT_ROWS : of_slice;
}

static ForeignScan *
get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *best, List *tlist, List *clauses,
		 Plan *outer)
{
	Stream *stream = stream_open(relid);
	List *quals = extract_actual_clauses(clauses, false);
	List *exprs;
	List *conditions;

	log_range_collect(stream, rel->relid, quals, &exprs, &conditions);
	return make_foreignscan(tlist, quals, rel->relid, exprs,
							list_make2(conditions, used_columns(rel, stream)), NIL, NIL, outer);
}

/* The columns used by the query: only those are decoded. */
static List *
used_columns(RelOptInfo *rel, const Stream *stream)
{
	Bitmapset *used = NULL;
	List *columns = NIL;
	ListCell *lc;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &used);
	foreach (lc, rel->baserestrictinfo)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, lc)->clause, rel->relid, &used);
	for (AttrNumber attnum = 1; attnum <= stream->desc->natts; attnum++)
	{
		/* a whole-row reference uses all columns */
		if (!stream->layout.columns[attnum - 1].dropped &&
			(bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, used) ||
			 bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used)))
			columns = lappend_int(columns, attnum);
	}
	return columns;
}

static void
begin_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	StreamScan *state = palloc0(sizeof(StreamScan));
	QueryEnvironment *environment = node->ss.ps.state->es_queryEnv;
	Oid relid = RelationGetRelid(node->ss.ss_currentRelation);
	ListCell *lc;

	node->fdw_state = state;
	state->rows = scan_input_lookup(environment, SCAN_INPUT_MICRO_BATCH, relid);
	if (state->rows != NULL ? state->rows->begun : relid == slots_my_stream())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a hybrid view cannot scan its stream more than once"),
				 errdetail("A function, policy or partition used by the view's query also reads the stream."),
				 errhint("Change it to read another table, for example the stream's archive.")));
	if (state->rows != NULL)
	{
		state->rows->begun = true;
		state->first = state->rows->next;
		return;
	}
	state->stream = stream_open(relid);
	state->slice = scan_input_lookup(environment, SCAN_INPUT_LOG_SLICE, relid);
	state->role = state->slice != NULL ? state->slice->role : compat_scan_role(node);
	state->conditions = list_nth(plan->fdw_private, PRIVATE_CONDITIONS);
	state->states = ExecInitExprList(plan->fdw_exprs, &node->ss.ps);
	foreach (lc, (List *) list_nth(plan->fdw_private, PRIVATE_COLUMNS))
		state->columns = bms_add_member(state->columns, lfirst_int(lc));
	/* NULL would make the decoder decode all columns */
	if (state->columns == NULL)
		state->columns = bms_make_singleton(0);
	state->context = AllocSetContextCreate(CurrentMemoryContext, "stream scan", ALLOCSET_DEFAULT_SIZES);
}

static TupleTableSlot *
iterate_scan(ForeignScanState *node)
{
	StreamScan *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (state->rows != NULL)
	{
		(void) next_of_batch(state->rows, slot);
		return slot;
	}
	if (state->scan == NULL)
		start_pass(node);
	(void) log_scan_next(state->scan, slot);
	return slot;
}

/* The values are copied, because the executor may write into the arrays of a slot. */
static bool
next_of_batch(MicroBatchScan *rows, TupleTableSlot *slot)
{
	const MicroBatch *batch = rows->batch;
	int row = rows->next;

	while (rows->skip != NULL && row < rows->end && rows->skip[row])
		row++;
	rows->next = Min(row + 1, rows->end);
	if (row >= rows->end)
		return false;
	memcpy(slot->tts_values, batch->values + (size_t) row * batch->natts, batch->natts * sizeof(Datum));
	memcpy(slot->tts_isnull, batch->nulls + (size_t) row * batch->natts, batch->natts * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	micro_batch_row_tid(&slot->tts_tid, row);
	return true;
}

/* Evaluate the range, now that parameters are known, and start reading. */
static void
start_pass(ForeignScanState *node)
{
	StreamScan *state = node->fdw_state;
	MemoryContext old = MemoryContextSwitchTo(state->context);

	state->range = log_range_evaluate(state->conditions, state->states, node->ss.ps.ps_ExprContext);
	state->scan = log_scan_begin(state->stream, state->role, state->columns, state->range, state->slice);
	MemoryContextSwitchTo(old);
}

static void
rescan(ForeignScanState *node)
{
	StreamScan *state = node->fdw_state;

	if (state->rows != NULL)
		state->rows->next = state->first;
	else
		end_pass(state);
}

static void
end_pass(StreamScan *state)
{
	int64 messages;
	int64 undecodable;

	if (state->scan == NULL)
		return;
	log_scan_counts(state->scan, &messages, &undecodable);
	state->messages += messages;
	state->undecodable += undecodable;
	log_scan_end(state->scan);
	state->scan = NULL;
	state->range = NULL;
	MemoryContextReset(state->context);
}

static void
end_scan(ForeignScanState *node)
{
	StreamScan *state = node->fdw_state;

	if (state != NULL && state->rows == NULL)
		end_pass(state);
}

/* Show what is known without a broker: the topic, and the range unless it depends on parameters. */
static void
explain_scan(ForeignScanState *node, ExplainState *es)
{
	StreamScan *state = node->fdw_state;
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	LogRange *range = state->range;
	int64 messages = 0;
	int64 undecodable = 0;

	if (state->rows != NULL)
		return;
	ExplainPropertyText("Topic", state->stream->topic, es);
	if (range == NULL && expression_tree_walker((Node *) plan->fdw_exprs, has_params, NULL))
		ExplainPropertyText("Range", "depends on parameters", es);
	else
	{
		if (range == NULL)
			range = log_range_evaluate(state->conditions, state->states, node->ss.ps.ps_ExprContext);
		if (log_range_partitions_text(range) != NULL)
			ExplainPropertyText("Partitions", log_range_partitions_text(range), es);
		if (log_range_offsets_text(range) != NULL)
			ExplainPropertyText("Offsets", log_range_offsets_text(range), es);
		if (log_range_time_text(range) != NULL)
			ExplainPropertyText("Timestamps", log_range_time_text(range), es);
	}
	if (!es->analyze)
		return;
	if (state->scan != NULL)
		log_scan_counts(state->scan, &messages, &undecodable);
	ExplainPropertyInteger("Messages Read", NULL, state->messages + messages, es);
	if (state->undecodable + undecodable > 0)
		ExplainPropertyInteger("Messages Not Decoded", NULL, state->undecodable + undecodable, es);
}

static bool
has_params(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, Param) || expression_tree_walker(node, has_params, context);
}

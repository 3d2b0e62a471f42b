/*
 * archive_scan.c
 *		A scan of the blocks of a table in which times of many ranges may be (see archive_scan.h).
 *
 * The custom scan knows the blocks when it begins, from the index (archive_blocks.c), as of the statement's snapshot. It
 * reads one run of them after the other as a TID range scan does; parallel workers take runs in turn. The condition
 * remains one on the rows, so the scan is right whatever blocks it reads beside those of the ranges.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/parallel.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "batch/archive_blocks.h"
#include "batch/archive_index.h"
#include "batch/archive_scan.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "common/compat.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "port/atomics.h"
#include "storage/predicate.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define SCAN_NAME "StreamBatchBlocks"
#define CONDITION "_in_ranges"

/* An estimate of the blocks to be read for a range: known are they only when the scan begins. */
#define BLOCKS_PER_RANGE 32

/* It reads no block that another scan by the index would not, and hardly more than all: it is not to lose against one. */
#define PREFERENCE 0.5

/* What parallel workers share. */
typedef struct SharedRuns
{
	pg_atomic_uint32 next;
	int n;
	BlockRun items[FLEXIBLE_ARRAY_MEMBER];
} SharedRuns;

typedef struct ArchiveScan
{
	CustomScanState css;
	int n;
	BlockRun *runs;
	uint32 next;		/* where they are not shared */
	SharedRuns *shared; /* NULL: they are not */
	TableScanDesc scan;
	bool in_run;
} ArchiveScan;

static void consider_scan(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte);
static FuncExpr *find_condition(const RelOptInfo *rel);
static bool is_times(const Node *arg);
static bool is_condition(Oid function);
static CustomPath *make_path(PlannerInfo *root, RelOptInfo *rel, List *private, double nranges, int workers);
static Plan *make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *best, List *tlist, List *clauses,
					   List *custom_plans);
static Node *make_state(CustomScan *plan);
static void begin(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *execute(CustomScanState *node);
static TupleTableSlot *next_row(ScanState *node);
static bool next_run(ArchiveScan *s, BlockRun *run);
static void start_run(ArchiveScan *s, const BlockRun *run);
static bool recheck(ScanState *node, TupleTableSlot *slot);
static void end(CustomScanState *node);
static void rescan(CustomScanState *node);
static Size estimate_shared(CustomScanState *node, ParallelContext *pcxt);
static void share(CustomScanState *node, ParallelContext *pcxt, void *place);
static void share_again(CustomScanState *node, ParallelContext *pcxt, void *place);
static void attach(CustomScanState *node, shm_toc *toc, void *place);
static void explain(CustomScanState *node, List *ancestors, ExplainState *es);

static set_rel_pathlist_hook_type previous_hook;

static const CustomPathMethods path_methods = {.CustomName = SCAN_NAME, .PlanCustomPath = make_plan};
static const CustomScanMethods scan_methods = {.CustomName = SCAN_NAME, .CreateCustomScanState = make_state};
static const CustomExecMethods exec_methods = {.CustomName = SCAN_NAME,
											   .BeginCustomScan = begin,
											   .ExecCustomScan = execute,
											   .EndCustomScan = end,
											   .ReScanCustomScan = rescan,
											   .EstimateDSMCustomScan = estimate_shared,
											   .InitializeDSMCustomScan = share,
											   .ReInitializeDSMCustomScan = share_again,
											   .InitializeWorkerCustomScan = attach,
											   .ExplainCustomScan = explain};

void
archive_scan_install(void)
{
	RegisterCustomScanMethods(&scan_methods);
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = consider_scan;
}

static void
consider_scan(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	FuncExpr *condition;
	Oid index;
	List *private;
	double nranges;

	if (previous_hook)
		previous_hook(root, rel, rti, rte);
	/* the tables that inherit from it are considered one by one */
	if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_RELATION || rte->inh ||
		rte->tablesample != NULL || (rel->amflags & AMFLAG_HAS_TID_RANGE) == 0 ||
		(condition = find_condition(rel)) == NULL)
		return;
	index = archive_index_blocks(rte->relid, ((const Var *) linitial(condition->args))->varattno);
	if (!OidIsValid(index))
		return;
	private = list_make3(makeConst(OIDOID, -1, InvalidOid, sizeof(Oid), ObjectIdGetDatum(index), false, true),
						 lsecond(condition->args), lthird(condition->args));
	nranges = sorted_ranges_of(DatumGetArrayTypeP(((const Const *) lsecond(private))->constvalue),
							   DatumGetArrayTypeP(((const Const *) lthird(private))->constvalue))
				  .n;
	add_path(rel, (Path *) make_path(root, rel, private, nranges, 0));
	if (rel->consider_parallel && rel->lateral_relids == NULL)
	{
		int workers = compute_parallel_worker(rel, Min(rel->pages, nranges * BLOCKS_PER_RANGE), -1,
											  max_parallel_workers_per_gather);

		if (workers > 0)
			add_partial_path(rel, (Path *) make_path(root, rel, private, nranges, workers));
	}
}

/* The condition that tells the ranges, if they are constant; NULL: there is none. */
static FuncExpr *
find_condition(const RelOptInfo *rel)
{
	ListCell *lc;

	foreach (lc, rel->baserestrictinfo)
	{
		FuncExpr *call = (FuncExpr *) lfirst_node(RestrictInfo, lc)->clause;

		if (IsA(call, FuncExpr) && list_length(call->args) == 3 && IsA(linitial(call->args), Var) &&
			is_times(lsecond(call->args)) && is_times(lthird(call->args)) && is_condition(call->funcid))
			return call;
	}
	return NULL;
}

static bool
is_times(const Node *arg)
{
	const Const *times = (const Const *) arg;

	return IsA(times, Const) && times->consttype == TIMESTAMPTZARRAYOID && !times->constisnull;
}

/* Anybody may own a function, and in another database a schema, of these names. */
static bool
is_condition(Oid function)
{
	const char *name = get_func_name(function);
	FmgrInfo info;

	if (name == NULL || strcmp(name, CONDITION) != 0)
		return false;
	fmgr_info(function, &info);
	return info.fn_addr == streambatch_in_ranges;
}

static CustomPath *
make_path(PlannerInfo *root, RelOptInfo *rel, List *private, double nranges, int workers)
{
	CustomPath *path = makeNode(CustomPath);
	double pages = Min(rel->pages, nranges * BLOCKS_PER_RANGE);
	double share = pages / Max(rel->pages, 1);
	double processes = workers > 0 ? workers + 0.5 : 1;

	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.param_info = get_baserel_parampathinfo(root, rel, rel->lateral_relids);
	path->path.parallel_aware = workers > 0;
	path->path.parallel_safe = rel->consider_parallel;
	path->path.parallel_workers = workers;
	path->path.rows = clamp_row_est(rel->rows * share / processes);
	path->path.startup_cost = rel->baserestrictcost.startup;
	path->path.total_cost =
		path->path.startup_cost +
		PREFERENCE * (pages * seq_page_cost +
					  rel->tuples * share * (cpu_tuple_cost + rel->baserestrictcost.per_tuple) / processes);
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_private = private;
	path->methods = &path_methods;
	return path;
}

static Plan *
make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *best, List *tlist, List *clauses,
		  List *custom_plans)
{
	CustomScan *plan = makeNode(CustomScan);

	plan->scan.plan.targetlist = tlist;
	plan->scan.plan.qual = extract_actual_clauses(clauses, false);
	plan->scan.scanrelid = rel->relid;
	plan->flags = best->flags;
	plan->custom_private = best->custom_private;
	plan->methods = &scan_methods;
	return &plan->scan.plan;
}

static Node *
make_state(CustomScan *plan)
{
	ArchiveScan *s = palloc0(sizeof(ArchiveScan));

	NodeSetTag(s, T_CustomScanState);
	s->css.methods = &exec_methods;
	return (Node *) s;
}

static void
begin(CustomScanState *node, EState *estate, int eflags)
{
	ArchiveScan *s = (ArchiveScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	Relation table = node->ss.ss_currentRelation;
	const Const *from = lsecond_node(Const, plan->custom_private);
	const Const *to = lthird_node(Const, plan->custom_private);
	SortedRanges ranges;
	Relation index;

	/* a custom scan has a virtual slot before version 16, while the table's rows need one of its own kind */
	ExecInitScanTupleSlot(estate, &node->ss, RelationGetDescr(table), table_slot_callbacks(table));
	ExecAssignScanProjectionInfo(&node->ss);
	node->ss.ps.qual = ExecInitQual(plan->scan.plan.qual, &node->ss.ps);
	/* a parallel worker is told what to share */
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) || (IsParallelWorker() && plan->scan.plan.parallel_aware))
		return;
	/* the blocks that are not read matter to a serializable transaction, too */
	PredicateLockRelation(table, estate->es_snapshot);
	ranges = sorted_ranges_of(DatumGetArrayTypeP(from->constvalue), DatumGetArrayTypeP(to->constvalue));
	index =
		index_open(DatumGetObjectId(linitial_node(Const, plan->custom_private)->constvalue), AccessShareLock);
	s->n = archive_blocks_find(table, index, &ranges, &s->runs);
	index_close(index, NoLock);
}

static TupleTableSlot *
execute(CustomScanState *node)
{
	return ExecScan(&node->ss, next_row, recheck);
}

static TupleTableSlot *
next_row(ScanState *node)
{
	ArchiveScan *s = (ArchiveScan *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	BlockRun run;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (!s->in_run)
		{
			if (!next_run(s, &run))
				return ExecClearTuple(slot);
			start_run(s, &run);
		}
		if (table_scan_getnextslot_tidrange(s->scan, ForwardScanDirection, slot))
			return slot;
		s->in_run = false;
	}
}

static bool
next_run(ArchiveScan *s, BlockRun *run)
{
	uint32 number = s->shared != NULL ? pg_atomic_fetch_add_u32(&s->shared->next, 1) : s->next++;

	if (number >= (s->shared != NULL ? s->shared->n : s->n))
		return false;
	*run = s->shared != NULL ? s->shared->items[number] : s->runs[number];
	return true;
}

static void
start_run(ArchiveScan *s, const BlockRun *run)
{
	ItemPointerData first;
	ItemPointerData last;

	ItemPointerSet(&first, run->first, FirstOffsetNumber);
	ItemPointerSet(&last, run->last, MaxOffsetNumber);
	if (s->scan == NULL)
		s->scan = table_beginscan_tidrange(s->css.ss.ss_currentRelation, s->css.ss.ps.state->es_snapshot,
										   &first, &last);
	else
		table_rescan_tidrange(s->scan, &first, &last);
	s->in_run = true;
}

/* All conditions are on the row. */
static bool
recheck(ScanState *node, TupleTableSlot *slot)
{
	return true;
}

static void
end(CustomScanState *node)
{
	ArchiveScan *s = (ArchiveScan *) node;

	if (s->scan != NULL)
		table_endscan(s->scan);
}

static void
rescan(CustomScanState *node)
{
	ArchiveScan *s = (ArchiveScan *) node;

	s->next = 0;
	s->in_run = false;
	ExecScanReScan(&node->ss);
}

static Size
estimate_shared(CustomScanState *node, ParallelContext *pcxt)
{
	return offsetof(SharedRuns, items) + mul_size(((ArchiveScan *) node)->n, sizeof(BlockRun));
}

static void
share(CustomScanState *node, ParallelContext *pcxt, void *place)
{
	ArchiveScan *s = (ArchiveScan *) node;
	SharedRuns *shared = place;

	pg_atomic_init_u32(&shared->next, 0);
	shared->n = s->n;
	memcpy(shared->items, s->runs, s->n * sizeof(BlockRun));
	s->shared = shared;
}

static void
share_again(CustomScanState *node, ParallelContext *pcxt, void *place)
{
	pg_atomic_write_u32(&((SharedRuns *) place)->next, 0);
}

static void
attach(CustomScanState *node, shm_toc *toc, void *place)
{
	((ArchiveScan *) node)->shared = place;
}

static void
explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	const ArchiveScan *s = (const ArchiveScan *) node;
	int64 blocks = 0;

	if (!es->analyze)
		return;
	for (int i = 0; i < s->n; i++)
		blocks += s->runs[i].last - s->runs[i].first + 1;
	ExplainPropertyInteger("Blocks", NULL, blocks, es);
}

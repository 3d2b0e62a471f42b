/*
 * pane_pruning.c
 *		Deriving conditions on panes from conditions on windows (see pane_pruning.h).
 *
 * In the merged view of a hop or cumulate every pane is expanded into its windows:
 *
 *		SELECT u.*, hop(u.pane, '10 s', '60 s') AS window_start, … FROM (batch_1 UNION ALL stream_1) u
 *
 * PostgreSQL pushes a condition on window_start down to this query and no further, because it refers to the
 * result of a set-returning function. But a pane lies within its windows: window_start <= pane < window_start +
 * size. So window_start >= X implies pane >= X, and window_start <= X implies pane < X + size. These conditions
 * are added to the scans of the state tables, which have an index on the pane. The original condition is kept;
 * the added ones exclude only panes without rows that satisfy it.
 *
 * The state tables are planned within the query that expands them, and that within the query with the
 * condition. When the planner calls get_relation_info_hook for a state table, the conditions of the outer
 * queries have been distributed, and those of the table's own query have not: they can still be added.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"
#include "parser/parsetree.h"
#include "serve/pane_pruning.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "window/query_window.h"

/* The last and first days of timestamps. Dates have a larger range, but there are no windows beyond. */
#define DATETIME_MAX_DAY (TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE - 1)
#define DATETIME_MIN_DAY (DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE)

static get_relation_info_hook_type next_hook = NULL;

/* The functions that add to and subtract from a time. */
typedef struct Arithmetic
{
	Oid type;
	Oid plus;
	Oid minus;
} Arithmetic;

static const Arithmetic arithmetic[] = {
	{TIMESTAMPTZOID, F_TIMESTAMPTZ_PL_INTERVAL, F_TIMESTAMPTZ_MI_INTERVAL},
	{TIMESTAMPOID, F_TIMESTAMP_PL_INTERVAL, F_TIMESTAMP_MI_INTERVAL},
	{DATEOID, F_DATE_PLI, F_DATE_MII},
};

static void add_pane_conditions(PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel);
static bool expands_panes(const RangeTblEntry *rte, Oid relid);
static bool reads_walker(Node *node, const Oid *relid);
static const FuncExpr *edge_column(const Query *query, const TargetEntry *tle, Oid relid, WindowEdge *edge);
static bool is_pane(const Query *query, const Var *column, Oid relid);
static void prune_by_edge(PlannerInfo *root, Var *pane, const RelOptInfo *windows, AttrNumber attno,
						  const FuncExpr *call, WindowEdge edge);
static bool match_comparison(const RestrictInfo *rinfo, int varno, AttrNumber attno, Oid type, int *strategy,
							 Node **value);
static bool exec_param_walker(Node *node, void *context);
static void add_bound(PlannerInfo *root, Var *pane, StrategyNumber strategy, Node *value);
static Node *shift_by_reach(PlannerInfo *root, Node *value, const FuncExpr *call, bool plus);
static const Arithmetic *arithmetic_of(Oid type);
static Node *infinity_if_beyond(Node *value, Node *moved, Oid type, int32 days, bool plus);

void
pane_pruning_install(void)
{
	next_hook = get_relation_info_hook;
	get_relation_info_hook = add_pane_conditions;
}

static void
add_pane_conditions(PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel)
{
	AttrNumber attno;
	Var *pane;

	if (next_hook)
		next_hook(root, relid, inhparent, rel);
	if (root->parent_root == NULL || get_rel_namespace(relid) != get_namespace_oid("streambatch_state", true))
		return;
	attno = get_attnum(relid, "pane");
	if (attno == InvalidAttrNumber)
		return;
	pane = makeVar(rel->relid, attno, get_atttype(relid, attno), -1, InvalidOid, 0);
	for (PlannerInfo *outer = root->parent_root; outer != NULL; outer = outer->parent_root)
	{
		for (int i = 1; i < outer->simple_rel_array_size; i++)
		{
			const RelOptInfo *windows = outer->simple_rel_array[i];
			const RangeTblEntry *rte = outer->simple_rte_array[i];
			ListCell *lc;

			if (windows == NULL || !expands_panes(rte, relid))
				continue;
			foreach (lc, rte->subquery->targetList)
			{
				WindowEdge edge;
				const FuncExpr *call = edge_column(rte->subquery, lfirst(lc), relid, &edge);

				if (call != NULL)
					prune_by_edge(root, pane, windows, foreach_current_index(lc) + 1, call, edge);
			}
		}
	}
}

/* Whether the query expands the column "pane" of the table into windows. */
static bool
expands_panes(const RangeTblEntry *rte, Oid relid)
{
	return rte != NULL && rte->rtekind == RTE_SUBQUERY && rte->subquery != NULL &&
		   rte->subquery->hasTargetSRFs && reads_walker((Node *) rte->subquery, &relid);
}

static bool
reads_walker(Node *node, const Oid *relid)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
		return ((RangeTblEntry *) node)->rtekind == RTE_RELATION && ((RangeTblEntry *) node)->relid == *relid;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, reads_walker, (void *) relid, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, reads_walker, (void *) relid);
}

/* The call, if the output column is an edge of the windows of the table's panes. */
static const FuncExpr *
edge_column(const Query *query, const TargetEntry *tle, Oid relid, WindowEdge *edge)
{
	const FuncExpr *call = (const FuncExpr *) tle->expr;

	if (!window_is_call((const Node *) call) || !call->funcretset || window_origin_is_literal(call) ||
		!IsA(linitial(call->args), Var))
		return NULL;
	for (int i = 1; i < list_length(call->args); i++)
	{
		if (!IsA(list_nth(call->args, i), Const))
			return NULL;
	}
	if (!is_pane(query, linitial(call->args), relid))
		return NULL;
	*edge = window_call_edge((const Node *) call);
	return call;
}

/* Whether the column is the table's "pane" in the union of the tables of both layers, not another of that name. */
static bool
is_pane(const Query *query, const Var *column, Oid relid)
{
	const RangeTblEntry *rte = rt_fetch(column->varno, query->rtable);
	ListCell *lc;

	if (column->varlevelsup != 0 || column->varattno <= 0 || rte->rtekind != RTE_SUBQUERY ||
		rte->subquery->setOperations == NULL)
		return false;
	foreach (lc, rte->subquery->rtable)
	{
		const Query *layer = lfirst_node(RangeTblEntry, lc)->subquery;
		const TargetEntry *tle = layer ? get_tle_by_resno(layer->targetList, column->varattno) : NULL;
		const Var *var = tle ? (const Var *) tle->expr : NULL;
		const RangeTblEntry *table;

		if (var == NULL || !IsA(var, Var) || var->varlevelsup != 0)
			continue;
		table = rt_fetch(var->varno, layer->rtable);
		if (table->rtekind == RTE_RELATION && table->relid == relid &&
			var->varattno == get_attnum(relid, "pane"))
			return true;
	}
	return false;
}

/* Add to the scan the conditions on the pane that follow from those on one edge of the windows. */
static void
prune_by_edge(PlannerInfo *root, Var *pane, const RelOptInfo *windows, AttrNumber attno, const FuncExpr *call,
			  WindowEdge edge)
{
	ListCell *lc;

	foreach (lc, windows->baserestrictinfo)
	{
		int strategy;
		Node *value;

		if (!match_comparison(lfirst(lc), windows->relid, attno, call->funcresulttype, &strategy, &value) ||
			exec_param_walker(value, NULL))
			continue;
		if (strategy >= BTEqualStrategyNumber)
			add_bound(root, pane, BTGreaterEqualStrategyNumber,
					  edge == WINDOW_START ? value : shift_by_reach(root, value, call, false));
		if (strategy <= BTEqualStrategyNumber)
			add_bound(root, pane, BTLessEqualStrategyNumber,
					  edge == WINDOW_END ? value : shift_by_reach(root, value, call, true));
	}
}

/* The btree strategy and the other operand of a comparison with an edge; false for any other condition. */
static bool
match_comparison(const RestrictInfo *rinfo, int varno, AttrNumber attno, Oid type, int *strategy,
				 Node **value)
{
	OpExpr *op = (OpExpr *) rinfo->clause;
	Oid opno;
	Var *var;
	TypeCacheEntry *cache;

	if (!IsA(op, OpExpr) || list_length(op->args) != 2)
		return false;
	opno = op->opno;
	var = linitial(op->args);
	*value = lsecond(op->args);
	if (!IsA(var, Var))
	{
		opno = get_commutator(opno);
		var = lsecond(op->args);
		*value = linitial(op->args);
	}
	if (!IsA(var, Var) || var->varno != varno || var->varattno != attno || !OidIsValid(opno) ||
		exprType(*value) != type || contain_var_clause(*value) || contain_volatile_functions(*value) ||
		contain_subplans(*value))
		return false;
	cache = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
	*strategy = get_op_opfamily_strategy(opno, cache->btree_opf);
	return *strategy != InvalidStrategy;
}

static bool
exec_param_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind != PARAM_EXTERN)
		return true;
	return expression_tree_walker(node, exec_param_walker, context);
}

static void
add_bound(PlannerInfo *root, Var *pane, StrategyNumber strategy, Node *value)
{
	TypeCacheEntry *cache = lookup_type_cache(pane->vartype, TYPECACHE_BTREE_OPFAMILY);
	Oid opno = get_opfamily_member(cache->btree_opf, pane->vartype, pane->vartype, strategy);
	FromExpr *from = root->parse->jointree;

	if (value == NULL || !OidIsValid(opno))
		return;
	from->quals = (Node *) lappend((List *) from->quals,
								   make_opclause(opno, BOOLOID, false, (Expr *) copyObject(pane),
												 (Expr *) copyObject(value), InvalidOid, InvalidOid));
}

/* The value plus or minus the largest distance of an edge from the pane; NULL if that may be out of range. */
static Node *
shift_by_reach(PlannerInfo *root, Node *value, const FuncExpr *call, bool plus)
{
	const Arithmetic *functions = arithmetic_of(call->funcresulttype);
	Interval *reach = palloc(sizeof(Interval));
	int32 days;
	Node *by;
	Node *moved;

	if (IsA(value, Const))
	{
		int64 day = call->funcresulttype == DATEOID
						? DatumGetDateADT(((Const *) value)->constvalue)
						: DatumGetTimestamp(((Const *) value)->constvalue) / USECS_PER_DAY;

		if (((Const *) value)->constisnull || day < -2000000 || day > 100000000)
			return NULL;
	}
	*reach = window_call_reach((const Node *) call);
	if (reach->month == 0 && reach->day == 0 && IsA(value, Const) && call->funcresulttype != DATEOID)
	{
		Const *result = copyObject((Const *) value);
		int64 time = DatumGetTimestamp(result->constvalue);

		if (!TIMESTAMP_NOT_FINITE(time))
			result->constvalue = TimestampGetDatum(plus ? time + reach->time : time - reach->time);
		return (Node *) result;
	}
	if (reach->month > 12 * 10000 || reach->day > 366 * 10000)
		return NULL;
	days = reach->month * 31 + reach->day + (int32) (reach->time / USECS_PER_DAY) + 1;
	if (call->funcresulttype == DATEOID)
		by = (Node *) makeConst(INT4OID, -1, InvalidOid, 4, Int32GetDatum(days), false, true);
	else
		by = (Node *) makeConst(INTERVALOID, -1, InvalidOid, sizeof(Interval), IntervalPGetDatum(reach),
								false, false);
	moved = (Node *) makeFuncExpr(plus ? functions->plus : functions->minus, call->funcresulttype,
								  list_make2(value, by), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	if (!IsA(value, Const))
		moved = infinity_if_beyond(value, moved, call->funcresulttype, days, plus);
	return eval_const_expressions(root, moved);
}

static const Arithmetic *
arithmetic_of(Oid type)
{
	for (int i = 0; i < lengthof(arithmetic); i++)
	{
		if (arithmetic[i].type == type)
			return &arithmetic[i];
	}
	return NULL;
}

/*
 * CASE WHEN moving the value by so many days would be out of range THEN infinity ELSE moved END.
 */
static Node *
infinity_if_beyond(Node *value, Node *moved, Oid type, int32 days, bool plus)
{
	TypeCacheEntry *cache = lookup_type_cache(type, TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);
	bool date = type == DATEOID;
	int64 margin = days + 2;
	int64 last = plus ? DATETIME_MAX_DAY - margin : DATETIME_MIN_DAY + margin;
	Datum limit = date ? DateADTGetDatum((DateADT) last) : TimestampGetDatum(last * USECS_PER_DAY);
	Datum infinity = date ? DateADTGetDatum(plus ? DATEVAL_NOEND : DATEVAL_NOBEGIN)
						  : TimestampGetDatum(plus ? DT_NOEND : DT_NOBEGIN);
	int len = date ? sizeof(DateADT) : sizeof(Timestamp);
	CaseExpr *result = makeNode(CaseExpr);
	CaseWhen *when = makeNode(CaseWhen);

	when->expr = make_opclause(
		plus ? cache->gt_opr : cache->lt_opr, BOOLOID, false, (Expr *) copyObject(value),
		(Expr *) makeConst(type, -1, InvalidOid, len, limit, false, true), InvalidOid, InvalidOid);
	when->result = (Expr *) makeConst(type, -1, InvalidOid, len, infinity, false, true);
	when->location = -1;
	result->casetype = type;
	result->args = list_make1(when);
	result->defresult = (Expr *) moved;
	result->location = -1;
	return (Node *) result;
}

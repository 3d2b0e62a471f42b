/*
 * query_check.c
 *		Checks of a hybrid view's query (see query_check.h).
 *
 * A hybrid view aggregates one stream. Ordinary tables may be joined or used in EXISTS and IN, and functions
 * may be called in FROM; they are evaluated for each event as it arrives, and again at a refresh. The stream
 * must not be on the nullable side of an outer join, because later events would then change the rows of earlier
 * ones. Views are refused, because their definitions can change without the hybrid view's notice.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "query/query_check.h"
#include "stream/stream.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "window/window_call.h"

typedef struct Found
{
	const Query *query;
	int varno; /* the stream's; 0: none found yet */
	int only;  /* index of any relation, for the error message */
} Found;

static void check_entries(const Query *query);
static void check_windows(const Query *query);
static bool misplaced_walker(Node *node, bool *inside);
static void refuse(const char *message, const char *hint);
static bool lock_walker(Node *node, void *context);
static bool sample_walker(Node *node, void *context);
static void check_subqueries(const Query *query);
static bool sublink_walker(Node *node, void *context);
static bool condition_walker(Node *node, void *context);
static bool hidden_group(const Query *query);
static bool set_walker(Node *node, void *context);
static bool volatile_walker(Node *node, void *context);
static bool is_volatile_function(Oid funcid, void *context);
static bool relation_walker(Node *node, List **relations);
static void find_in_join(Found *found, Node *node, bool optional);
static void find_in_relation(Found *found, int varno, bool optional);
static bool stream_walker(Node *node, void *context);
static void refuse_streamless(const RangeTblEntry *rte);
static void check_relations(const Query *query);

void
query_check(const Query *query)
{
	check_entries(query);
	check_windows(query);
	if (query->setOperations != NULL)
		refuse("UNION, INTERSECT and EXCEPT are not supported in a hybrid view",
			   "Create a hybrid view for each query, and combine them in an ordinary view.");
	if (query->cteList != NIL)
		refuse("WITH is not supported in a hybrid view", "Write the query without common table expressions.");
	if (query->hasWindowFuncs)
		refuse("window functions (OVER) are not supported in a hybrid view",
			   "Use them in a query on the hybrid view.");
	if (query->limitCount != NULL || query->limitOffset != NULL)
		refuse("LIMIT and OFFSET are not supported in a hybrid view",
			   "Use them in a query on the hybrid view.");
	if (lock_walker((Node *) unconstify(Query *, query), NULL))
		refuse("FOR UPDATE and FOR SHARE are not supported in a hybrid view",
			   "Remove the locking clause; events are not locked.");
	if (sample_walker((Node *) unconstify(Query *, query), NULL))
		refuse("TABLESAMPLE is not supported in a hybrid view", NULL);
	if (query->hasSubLinks)
		check_subqueries(query);
	if (query->hasDistinctOn)
		refuse("SELECT DISTINCT ON is not supported in a hybrid view",
			   "Use streambatch.first(x ORDER BY ts) or streambatch.last(x ORDER BY ts) with GROUP BY.");
	if (query->distinctClause != NIL && query->hasAggs)
		refuse("SELECT DISTINCT with aggregates is not supported in a hybrid view",
			   "Use DISTINCT in a query on the hybrid view.");
	if (query->distinctClause != NIL && hidden_group(query))
		refuse("SELECT DISTINCT that omits grouping keys is not supported in a hybrid view",
			   "Group only by the selected expressions, or use DISTINCT in a query on the hybrid view.");
	if (query->distinctClause != NIL && query->groupingSets != NIL)
		refuse(
			"SELECT DISTINCT with grouping sets is not supported in a hybrid view",
			"Use GROUP BY DISTINCT to leave out duplicate sets, or DISTINCT in a query on the hybrid view.");
	if (query->hasTargetSRFs && set_walker((Node *) query->targetList, NULL))
		refuse("set-returning functions are not supported in the select list of a hybrid view",
			   "Call the function in FROM: FROM stream, unnest(…).");
	if (volatile_walker((Node *) unconstify(Query *, query), NULL))
		refuse("volatile functions and the current time are not supported in a hybrid view",
			   "The result would depend on when it is computed; use them in a query on the hybrid view.");
}

List *
query_relations(const Query *query)
{
	List *relations = NIL;

	(void) relation_walker((Node *) unconstify(Query *, query), &relations);
	return relations;
}

Oid
query_find_stream(const Query *query, int *varno)
{
	Found found = {query, 0, 0};
	ListCell *lc;

	foreach (lc, query->jointree->fromlist)
		find_in_join(&found, lfirst(lc), false);
	if (found.varno == 0)
		refuse_streamless(found.only ? rt_fetch(found.only, query->rtable) : NULL);
	if (query->hasSubLinks && stream_walker((Node *) query->jointree, NULL))
		refuse("subqueries over streams are not supported in a hybrid view",
			   "Use the stream directly in FROM.");
	check_relations(query);
	if (!query->hasAggs && query->groupClause == NIL && query->distinctClause == NIL)
		refuse("the query of a hybrid view must have an aggregate or GROUP BY",
			   "To read single events, query the stream or its archive.");
	*varno = found.varno;
	return rt_fetch(found.varno, query->rtable)->relid;
}

bool
query_is_joined(const Query *query)
{
	return query->hasSubLinks || list_length(query->rtable) > 1;
}

/*
 * The range table must have no other entries than those for what FROM names. In another kind of entry a version of
 * PostgreSQL could keep expressions of the query, where a window would not be seen.
 */
static void
check_entries(const Query *query)
{
	ListCell *lc;

	foreach (lc, query->rtable)
	{
		switch (lfirst_node(RangeTblEntry, lc)->rtekind)
		{
			case RTE_RELATION:
			case RTE_SUBQUERY:
			case RTE_JOIN:
			case RTE_FUNCTION:
			case RTE_TABLEFUNC:
			case RTE_VALUES:
			case RTE_CTE:
				break;
			default:
				elog(ERROR, "unrecognized range table entry kind: %d",
					 (int) lfirst_node(RangeTblEntry, lc)->rtekind);
		}
	}
}

static void
check_windows(const Query *query)
{
	bool inside = false;
	ListCell *lc;

	(void) misplaced_walker((Node *) query->targetList, &inside);
	(void) misplaced_walker(query->havingQual, &inside);
	inside = true;
	(void) misplaced_walker((Node *) query->jointree, &inside);
	foreach (lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		inside = true;
		if (rte->rtekind == RTE_FUNCTION)
			(void) misplaced_walker((Node *) rte->functions, &inside);
		inside = true;
		if (rte->rtekind == RTE_SUBQUERY)
			(void) misplaced_walker((Node *) rte->subquery, &inside);
	}
}

/*
 * Refuse windows that are assembled from panes (hop, cumulate, session) in WHERE, aggregates and FROM: they are
 * defined only in GROUP BY.
 */
static bool
misplaced_walker(Node *node, bool *inside)
{
	bool result;

	if (node == NULL)
		return false;
	if (*inside && window_is_call(node) && window_is_assembled(node))
		refuse(
			psprintf("%s() can only be used in GROUP BY of a hybrid view",
					 get_func_name(((FuncExpr *) node)->funcid)),
			"Use the window in the select list and in GROUP BY, and filter by it in a query on the hybrid view.");
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, misplaced_walker, inside, 0);
	if (!IsA(node, Aggref))
		return expression_tree_walker(node, misplaced_walker, inside);
	*inside = true;
	result = expression_tree_walker(node, misplaced_walker, inside);
	*inside = false;
	return result;
}

static void
refuse(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s", message), hint ? errhint("%s", hint) : 0));
}

/* FOR UPDATE or FOR SHARE at any level. */
static bool
lock_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return ((Query *) node)->rowMarks != NIL ||
			   query_tree_walker((Query *) node, lock_walker, context, 0);
	return expression_tree_walker(node, lock_walker, context);
}

static bool
sample_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, sample_walker, context, 0);
	return IsA(node, TableSampleClause) || expression_tree_walker(node, sample_walker, context);
}

static void
check_subqueries(const Query *query)
{
	if (sublink_walker((Node *) query->targetList, NULL) || sublink_walker(query->havingQual, NULL))
		refuse("subqueries are not supported in the select list, aggregates or HAVING of a hybrid view",
			   "Join the table with LEFT JOIN, or use EXISTS or IN in WHERE.");
	if (condition_walker((Node *) query->jointree, NULL))
		refuse("subqueries other than EXISTS and IN are not supported in a hybrid view",
			   "Join the table with LEFT JOIN, or use EXISTS or IN in WHERE.");
}

static bool
sublink_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, SubLink) || expression_tree_walker(node, sublink_walker, context);
}

/* Whether WHERE or ON has a subquery other than EXISTS and IN. */
static bool
condition_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink) && ((SubLink *) node)->subLinkType != EXISTS_SUBLINK &&
		((SubLink *) node)->subLinkType != ANY_SUBLINK)
		return true;
	if (IsA(node, RangeTblRef))
		return false;
	return expression_tree_walker(node, condition_walker, context);
}

/* Whether the query groups by an expression that it does not select. */
static bool
hidden_group(const Query *query)
{
	ListCell *lc;

	foreach (lc, query->targetList)
	{
		if (query->groupClause != NIL && lfirst_node(TargetEntry, lc)->resjunk)
			return true;
	}
	return false;
}

/* Set-returning functions other than window functions, which return the windows of an event. */
static bool
set_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcretset && !window_is_call(node))
		return true;
	if (IsA(node, OpExpr) && ((OpExpr *) node)->opretset)
		return true;
	return expression_tree_walker(node, set_walker, context);
}

static bool
volatile_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SQLValueFunction))
	{
		SQLValueFunctionOp op = ((SQLValueFunction *) node)->op;

		if (op <= SVFOP_LOCALTIMESTAMP_N)
			return true;
	}
	if (check_functions_in_node(node, is_volatile_function, NULL))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, volatile_walker, context, 0);
	return expression_tree_walker(node, volatile_walker, context);
}

/* Volatile functions, and stable functions that read the clock. */
static bool
is_volatile_function(Oid funcid, void *context)
{
	switch (funcid)
	{
		case F_NOW:
		case F_TRANSACTION_TIMESTAMP:
		case F_STATEMENT_TIMESTAMP:
		case F_AGE_TIMESTAMPTZ:
		case F_AGE_TIMESTAMP:
			return true;
		default:
			return func_volatile(funcid) == PROVOLATILE_VOLATILE;
	}
}

/* Collect the relations at all levels, except streams. */
static bool
relation_walker(Node *node, List **relations)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_RELATION && !stream_is_stream(rte->relid))
			*relations = list_append_unique_oid(*relations, rte->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, relation_walker, relations, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, relation_walker, relations);
}

static void
find_in_join(Found *found, Node *node, bool optional)
{
	if (IsA(node, RangeTblRef))
		find_in_relation(found, ((RangeTblRef *) node)->rtindex, optional);
	else
	{
		JoinExpr *join = castNode(JoinExpr, node);

		if (join->jointype != JOIN_INNER && join->jointype != JOIN_LEFT)
			refuse("right and full joins are not supported in a hybrid view",
				   "Use an inner join, or a LEFT JOIN with the stream on the left.");
		find_in_join(found, join->larg, optional);
		find_in_join(found, join->rarg, optional || join->jointype == JOIN_LEFT);
	}
}

static void
find_in_relation(Found *found, int varno, bool optional)
{
	RangeTblEntry *rte = rt_fetch(varno, found->query->rtable);

	found->only = varno;
	if (rte->rtekind == RTE_SUBQUERY && stream_walker((Node *) rte->subquery, NULL))
		refuse("subqueries over streams are not supported in a hybrid view",
			   "Use the stream directly in FROM.");
	if (rte->rtekind != RTE_RELATION || !stream_is_stream(rte->relid))
		return;
	if (found->varno != 0)
		refuse("joins of streams are not supported in a hybrid view",
			   "Create a hybrid view for each stream, and join the views in a query.");
	if (optional)
		refuse("a stream on the nullable side of an outer join is not supported in a hybrid view",
			   "Put the stream on the left side of LEFT JOIN, or use an inner join.");
	found->varno = varno;
}

static bool
stream_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		return rte->rtekind == RTE_RELATION && stream_is_stream(rte->relid);
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, stream_walker, context, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, stream_walker, context);
}

/* rte: a relation that the query reads instead, or NULL. */
static void
refuse_streamless(const RangeTblEntry *rte)
{
	bool named = rte != NULL && rte->rtekind == RTE_RELATION;
	bool view = named && get_rel_relkind(rte->relid) == RELKIND_VIEW;

	ereport(
		ERROR,
		(errcode(ERRCODE_WRONG_OBJECT_TYPE),
		 named ? errmsg("\"%s\" is not a stream", get_rel_name(rte->relid))
			   : errmsg("the query of a hybrid view must read a stream"),
		 view
			 ? errhint("Use a stream in FROM. To define a view on a hybrid view, use CREATE VIEW.")
			 : errhint(
				   "Use a stream in FROM, that is, a foreign table whose server uses the foreign-data wrapper streambatch_kafka.")));
}

static void
check_relations(const Query *query)
{
	List *relations = query_relations(query);
	ListCell *lc;

	foreach (lc, relations)
	{
		char relkind = get_rel_relkind(lfirst_oid(lc));

		if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
			relkind != RELKIND_MATVIEW && relkind != RELKIND_FOREIGN_TABLE)
			refuse(psprintf("cannot join \"%s\" in a hybrid view because it is not a table",
							get_rel_name(lfirst_oid(lc))),
				   "Join the underlying tables, or join in a query on the hybrid view.");
		if (get_rel_persistence(lfirst_oid(lc)) == RELPERSISTENCE_TEMP)
			refuse(psprintf("cannot join \"%s\" in a hybrid view because it is a temporary table",
							get_rel_name(lfirst_oid(lc))),
				   "Use a table that is not temporary.");
	}
}

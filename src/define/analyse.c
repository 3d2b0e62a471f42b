/*
 * analyse.c
 *		A hybrid view's query taken apart (see analyse.h).
 *
 * Shape first: one SELECT over one stream, with nothing that has no meaning for a result that is kept (ORDER
 * BY, LIMIT, volatile functions, the clock). Then the grouping keys, among them the window; then every
 * aggregate, as the rules say. For
 *
 *		SELECT user_id, streambatch.tumble(ts, '10 s'), avg(amount) FROM events GROUP BY 1, 2
 *
 * the keys are k1 = user_id and pane = tumble(ts, '10 s'), the states s1 = sum(amount) and s2 =
 * count(amount), the one result s1 / s2.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "define/analyse.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/analyze.h"
#include "parser/parse_node.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "rewrite/rewriteSupport.h"
#include "source/stream.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "rewrite/rewriteHandler.h"
#include "utils/typcache.h"

static void
refuse(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s", message), hint ? errhint("%s", hint) : 0));
}

Query *
analyse_parse(const char *sql)
{
	List *raw = pg_parse_query(sql);
	Query *query;

	if (list_length(raw) != 1 || !IsA(linitial_node(RawStmt, raw)->stmt, SelectStmt))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the query of a hybrid view must be one SELECT")));
	query = parse_analyze_fixedparams(linitial_node(RawStmt, raw), sql, NULL, 0, NULL);
	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the query of a hybrid view must be one SELECT")));
	return query;
}

/* Functions that read the clock, or the state of the session, although they are called stable. */
static bool
is_clock_function(Oid funcid, void *context)
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

static bool
unrepeatable_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SQLValueFunction))
	{
		SQLValueFunctionOp op = ((SQLValueFunction *) node)->op;

		if (op <= SVFOP_LOCALTIMESTAMP_N)
			return true;
	}
	if (check_functions_in_node(node, is_clock_function, NULL))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, unrepeatable_walker, context, 0);
	return expression_tree_walker(node, unrepeatable_walker, context);
}

static bool
grouping_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, GroupingFunc) || expression_tree_walker(node, grouping_walker, context);
}

static void
check_shape(const Query *query)
{
	(void) window_check_available((Node *) unconstify(Query *, query), NULL);
	if (query->setOperations != NULL)
		refuse("UNION, INTERSECT and EXCEPT are not supported in a hybrid view",
			   "Create one view for each query, and combine them in a view on top.");
	if (query->cteList != NIL)
		refuse("WITH is not supported in a hybrid view", "Write the query without common table expressions.");
	if (query->hasWindowFuncs)
		refuse("window functions (OVER) are not supported in a hybrid view",
			   "Use them in a query on the hybrid view.");
	if (query->limitCount != NULL || query->limitOffset != NULL)
		refuse("LIMIT and OFFSET are not supported in a hybrid view",
			   "Use them in a query on the hybrid view.");
	if (query->rowMarks != NIL)
		refuse("FOR UPDATE and FOR SHARE are not supported in a hybrid view",
			   "Leave them out: events are not locked.");
	if (query->hasSubLinks)
		refuse("subqueries in expressions are not available in a hybrid view yet",
			   "Filter by expressions over the stream's columns.");
	if (query->distinctClause != NIL)
		refuse("SELECT DISTINCT is not available in a hybrid view yet",
			   "Use GROUP BY over the same expressions.");
	if (query->groupingSets != NIL || grouping_walker((Node *) query->targetList, NULL) ||
		grouping_walker(query->havingQual, NULL))
		refuse("GROUPING SETS, ROLLUP, CUBE and GROUPING are not supported in a hybrid view",
			   "Create one view for each set of grouping keys.");
	if (query->hasTargetSRFs)
		refuse("set-returning functions are not available in the select list of a hybrid view",
			   "Use them in a query on the hybrid view.");
	if (!query->hasAggs && query->groupClause == NIL)
		refuse("a hybrid view needs an aggregate or GROUP BY",
			   "Read the stream itself, or its archive, for single events.");
	if (unrepeatable_walker((Node *) unconstify(Query *, query), NULL))
		refuse(
			"volatile functions and the clock are not supported in a hybrid view",
			"Its result would depend on when it is computed; compare with the clock in a query on the view.");
}

/* The one stream that the query reads; sets its place in the range table. */
static Oid
find_stream(const Query *query, int *varno)
{
	RangeTblEntry *rte;

	if (query->jointree->fromlist == NIL)
		ereport(
			ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("a hybrid view reads a stream"),
			 errhint(
				 "Name a stream in FROM: a foreign table of a server of the foreign data wrapper streambatch_kafka.")));
	if (list_length(query->jointree->fromlist) != 1 || !IsA(linitial(query->jointree->fromlist), RangeTblRef))
		refuse("joins are not available in a hybrid view yet",
			   "Aggregate the stream alone, and join in a query on the hybrid view.");
	*varno = linitial_node(RangeTblRef, query->jointree->fromlist)->rtindex;
	rte = rt_fetch(*varno, query->rtable);
	if (rte->rtekind == RTE_SUBQUERY)
		refuse("subqueries and views in FROM are not available in a hybrid view yet",
			   "Name the stream itself in FROM.");
	if (rte->rtekind != RTE_RELATION || !stream_is_stream(rte->relid))
		ereport(
			ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 rte->rtekind == RTE_RELATION ? errmsg("\"%s\" is not a stream", get_rel_name(rte->relid))
										  : errmsg("a hybrid view reads a stream"),
			 errhint(
				 "A stream is a foreign table of a server of the foreign data wrapper streambatch_kafka.")));
	if (rte->tablesample != NULL)
		refuse("TABLESAMPLE is not supported in a hybrid view", NULL);
	return rte->relid;
}

static bool
system_column_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varattno <= 0)
		return true;
	return expression_tree_walker(node, system_column_walker, context);
}

/* The window calls in the grouping keys: all of one window. */
static bool
window_walker(Node *node, ViewDef *def)
{
	StreamWindow found;
	WindowEdge edge;

	if (node == NULL)
		return false;
	if (window_recognise(node, &found, &edge))
	{
		if (def->has_window && !window_equal(&def->window, &found))
			refuse("a hybrid view groups by one window", "Create one hybrid view for each window.");
		if (!def->has_window)
		{
			Node *start = window_start_call(&found, node);

			def->has_window = true;
			def->window = found;
			/* kept here until the keys are numbered */
			def->keys[0].expr = start;
		}
		return false;
	}
	return expression_tree_walker(node, window_walker, def);
}

static void
fill_key(KeyDef *key, Node *expr, const char *column, bool grouped)
{
	key->expr = expr;
	key->column = column;
	key->type = exprType(expr);
	key->typmod = exprTypmod(expr);
	key->collation = exprCollation(expr);
	key->grouped = grouped;
}

static void
check_key_type(const KeyDef *key)
{
	TypeCacheEntry *type =
		lookup_type_cache(key->type, TYPECACHE_HASH_PROC | TYPECACHE_LT_OPR | TYPECACHE_EQ_OPR);

	if (!OidIsValid(type->hash_proc) || !OidIsValid(type->lt_opr))
		refuse(psprintf("type %s cannot be a grouping key of a hybrid view", format_type_be(key->type)),
			   "Cast the key to a type that can be hashed and sorted, for example text.");
	if (OidIsValid(key->collation) && !get_collation_isdeterministic(key->collation))
		refuse("a grouping key with a nondeterministic collation is not supported in a hybrid view",
			   "Give the key a deterministic collation, for example COLLATE \"C\".");
}

static void
collect_keys(ViewDef *def)
{
	int ngroup = list_length(def->query->groupClause);
	int number = 0;
	Node *start = NULL;
	ListCell *lc;

	def->keys = palloc0((ngroup + 1) * sizeof(KeyDef));
	def->pane = -1;
	foreach (lc, def->query->groupClause)
		(void) window_walker(get_sortgroupclause_expr(lfirst(lc), def->query->targetList), def);
	start = def->keys[0].expr;
	foreach (lc, def->query->groupClause)
	{
		Node *expr = get_sortgroupclause_expr(lfirst(lc), def->query->targetList);
		bool known = false;

		for (int i = 0; i < def->nkeys; i++)
			known |= equal(def->keys[i].expr, expr);
		if (known)
			continue;
		if (def->has_window && equal(expr, start))
		{
			def->pane = def->nkeys;
			fill_key(&def->keys[def->nkeys++], expr, "pane", true);
		}
		else
			fill_key(&def->keys[def->nkeys++], expr, psprintf("k%d", ++number), true);
	}
	if (def->has_window && def->pane < 0)
	{
		def->pane = def->nkeys;
		fill_key(&def->keys[def->nkeys++], start, "pane", false);
	}
	if (def->nkeys > ANALYSE_MAX_KEYS)
		ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
						errmsg("a hybrid view can have %d grouping keys at most", ANALYSE_MAX_KEYS)));
	for (int i = 0; i < def->nkeys; i++)
		check_key_type(&def->keys[i]);
}

static int
add_state(ViewDef *def, const StateDef *state)
{
	for (int i = 0; i < def->nstates; i++)
	{
		if (def->states[i].batch_only == state->batch_only && equal(def->states[i].aggref, state->aggref))
			return i;
	}
	def->states =
		def->states ? repalloc(def->states, (def->nstates + 1) * sizeof(StateDef)) : palloc(sizeof(StateDef));
	def->states[def->nstates] = *state;
	return def->nstates++;
}

static bool
aggregate_walker(Node *node, ViewDef *def)
{
	StateDef parts[RULE_MAX_PARTS];
	ResultDef *result;
	int nparts;

	if (node == NULL)
		return false;
	if (!IsA(node, Aggref))
		return expression_tree_walker(node, aggregate_walker, def);
	for (int i = 0; i < def->nresults; i++)
	{
		if (equal(def->results[i].aggref, node))
			return false;
	}
	def->results = def->results ? repalloc(def->results, (def->nresults + 1) * sizeof(ResultDef))
								: palloc(sizeof(ResultDef));
	result = &def->results[def->nresults++];
	result->aggref = (Aggref *) node;
	rule_apply(result->aggref, result, parts, &nparts);
	for (int i = 0; i < RULE_MAX_PARTS; i++)
		result->states[i] = i < nparts ? add_state(def, &parts[i]) : -1;
	return false;
}

ViewDef *
analyse_query(const Query *original)
{
	ViewDef *def = palloc0(sizeof(ViewDef));
	int varno;
	Stream *stream;

	def->query = copyObject(unconstify(Query *, original));
	check_shape(def->query);
	/* after the shape: an ORDER BY or the clauses above are named before the stream is looked at */
	if (def->query->sortClause != NIL)
		refuse("ORDER BY is not supported in a hybrid view", "Use it in a query on the hybrid view.");
	def->stream = find_stream(def->query, &varno);
	def->query->targetList = (List *) window_normalise((Node *) def->query->targetList);
	def->query->havingQual = window_normalise(def->query->havingQual);
	ChangeVarNodes((Node *) def->query->targetList, varno, 1, 0);
	ChangeVarNodes(def->query->jointree->quals, varno, 1, 0);
	ChangeVarNodes(def->query->havingQual, varno, 1, 0);
	if (system_column_walker((Node *) def->query->targetList, NULL) ||
		system_column_walker(def->query->jointree->quals, NULL) ||
		system_column_walker(def->query->havingQual, NULL))
		refuse("system columns and whole rows are not supported in a hybrid view",
			   "Name the stream's columns.");
	collect_keys(def);
	if (def->has_window)
	{
		stream = stream_open(def->stream);
		if (stream->event_time == 0)
			ereport(
				ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" has no event time, which a window needs", stream->name),
				 errhint(
					 "ALTER FOREIGN TABLE %s OPTIONS (ADD event_time '…') names the column of the event time.",
					 quote_qualified_identifier(stream->schema, stream->name))));
	}
	(void) aggregate_walker((Node *) def->query->targetList, def);
	(void) aggregate_walker(def->query->havingQual, def);
	return def;
}

ViewDef *
analyse_stored(int32 view_id, Oid owner)
{
	char *name = psprintf("query_%d", view_id);
	Oid relid = get_relname_relid(name, get_namespace_oid("streambatch_state", false));
	Relation rel;
	ViewDef *def;
	Oid user;
	int sec_context;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the query of hybrid view %d is gone", view_id)));
	rel = relation_open(relid, AccessShareLock);
	/* whatever constant folding calls is called as the one who wrote it */
	GetUserIdAndSecContext(&user, &sec_context);
	SetUserIdAndSecContext(owner, sec_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	def = analyse_query(get_view_query(rel));
	SetUserIdAndSecContext(user, sec_context);
	relation_close(rel, NoLock);
	return def;
}

/*
 * analyse.c
 *		Analysis of a hybrid view's query (see analyse.h).
 *
 * The structure of the query is checked first (query_check.h). Then the grouping keys, including the window,
 * are collected, and the rules are applied to each aggregate. For
 *
 *		SELECT user_id, streambatch.tumble(ts, '10 s'), avg(amount) FROM events GROUP BY 1, 2
 *
 * the keys are k1 = user_id and pane = tumble(ts, '10 s'), the states s1 = sum(amount) and s2 = count(amount),
 * the only result s1 / s2. A window that is made of several panes is not a key: it is assembled when the view
 * is read, as is every expression over its start and end.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/analyze.h"
#include "parser/parse_func.h"
#include "query/analyse.h"
#include "query/query_check.h"
#include "query/view_relations.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "rewrite/rewriteSupport.h"
#include "stream/stream.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

static void locate_error(void *sql);
static Query *parse(const char *sql);
static void refuse_statement(void);
static void refuse(const char *message, const char *hint);
static void normalise(Query *query);
static bool system_column_walker(Node *node, void *context);
static void collect_groups(ViewDef *def, const Stream *stream);
static void add_group(ViewDef *def, Node *expr);
static bool column_walker(Node *node, ViewDef *def);
static int add_key(ViewDef *def, Node *expr, const char *column, bool grouped);
static void check_key_type(const KeyDef *key);
static void compute_early(ViewDef *def);
static NullTest *null_test(Node *expr, NullTestType type);
static Node *over_windows(Node *expr);
static Node *pane_known(Node *pane);
static void check_key_types(const ViewDef *def);
static void check_event_time(const ViewDef *def, const Stream *stream);
static bool ungrouped_walker(Node *node, ViewDef *def);
static bool aggregate_walker(Node *node, ViewDef *def);
static int add_state(ViewDef *def, const StateDef *state);
static int add_session_state(ViewDef *def, const char *aggregate);
static void exclude_null_times(ViewDef *def, const Stream *stream);
static void drop_own_entries(Query *query, Oid view);

Query *
analyse_parse(const char *sql)
{
	ErrorContextCallback context = {error_context_stack, locate_error, unconstify(char *, sql)};
	Query *query;

	error_context_stack = &context;
	query = parse(sql);
	error_context_stack = context.previous;
	return query;
}

ViewDef *
analyse_query(const Query *original)
{
	ViewDef *def = palloc0(sizeof(ViewDef));
	Stream *stream;
	ListCell *lc;

	def->query = copyObject(unconstify(Query *, original));
	query_check(def->query);
	/* before the stream is looked up, so that unsupported clauses are reported first */
	if (def->query->sortClause != NIL)
		refuse("ORDER BY is not supported in a hybrid view", "Use it in a query on the hybrid view.");
	def->stream = query_find_stream(def->query, &def->varno);
	def->joined = query_is_joined(def->query);
	normalise(def->query);
	if (system_column_walker((Node *) def->query->targetList, NULL) ||
		system_column_walker((Node *) def->query->jointree, NULL) ||
		system_column_walker(def->query->havingQual, NULL))
		refuse("system columns and whole-row references are not supported in a hybrid view",
			   "List the columns of the stream by name.");
	stream = stream_open(def->stream);
	collect_groups(def, stream);
	check_key_types(def);
	check_event_time(def, stream);
	foreach (lc, def->query->targetList)
		(void) ungrouped_walker((Node *) lfirst_node(TargetEntry, lc)->expr, def);
	(void) ungrouped_walker(def->query->havingQual, def);
	/* the parser counts them, wherever it puts them; other functions that return sets have been refused */
	if (def->query->hasTargetSRFs && !def->has_window)
		elog(ERROR, "the window of the query is not among its grouping keys");
	(void) aggregate_walker((Node *) def->query->targetList, def);
	(void) aggregate_walker(def->query->havingQual, def);
	def->session_first = def->session_last = -1;
	if (def->has_window && def->window.kind == WINDOW_SESSION)
	{
		def->session_first = add_session_state(def, "min");
		def->session_last = add_session_state(def, "max");
		exclude_null_times(def, stream);
	}
	return def;
}

Query *
analyse_load(int32 view_id)
{
	Oid relid = view_relations_query(view_id);
	Relation rel;
	Query *query;

	if (!OidIsValid(relid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("could not find the stored query of hybrid view %d", view_id)));
	rel = relation_open(relid, AccessShareLock);
	query = copyObject(get_view_query(rel));
	compat_flatten_groups(query);
	drop_own_entries(query, relid);
	relation_close(rel, NoLock);
	return query;
}

ViewDef *
analyse_stored(int32 view_id, Oid owner)
{
	Query *query = analyse_load(view_id);
	ViewDef *def;
	Oid user;
	int sec_context;

	/* constant folding executes functions as the owner */
	GetUserIdAndSecContext(&user, &sec_context);
	SetUserIdAndSecContext(owner, sec_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	def = analyse_query(query);
	SetUserIdAndSecContext(user, sec_context);
	return def;
}

/* Report an error position in this query, not in the calling statement. */
static void
locate_error(void *sql)
{
	int position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(sql);
	}
}

static Query *
parse(const char *sql)
{
	List *raw = pg_parse_query(sql);
	Query *query;

	if (list_length(raw) != 1 || !IsA(linitial_node(RawStmt, raw)->stmt, SelectStmt))
		refuse_statement();
	query = parse_analyze_fixedparams(linitial_node(RawStmt, raw), sql, NULL, 0, NULL);
	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL)
		refuse_statement();
	compat_flatten_groups(query);
	return query;
}

static void
refuse_statement(void)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("the query of a hybrid view must be a single SELECT statement"),
					errhint("For example: SELECT user_id, count(*) FROM events GROUP BY user_id.")));
}

static void
refuse(const char *message, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s", message), errhint("%s", hint)));
}

/* Normalise: flatten join columns, add default arguments of windows, turn DISTINCT into GROUP BY. */
static void
normalise(Query *query)
{
	query->targetList = (List *) compat_flatten_join_alias_vars(query, (Node *) query->targetList);
	query->havingQual = compat_flatten_join_alias_vars(query, query->havingQual);
	query->jointree = (FromExpr *) compat_flatten_join_alias_vars(query, (Node *) query->jointree);
	query->targetList = (List *) window_normalise((Node *) query->targetList);
	query->havingQual = window_normalise(query->havingQual);
	if (query->distinctClause != NIL)
		query->groupClause = query->distinctClause;
	query->distinctClause = NIL;
}

static bool
system_column_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varattno <= 0)
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, system_column_walker, context, 0);
	return expression_tree_walker(node, system_column_walker, context);
}

static void
collect_groups(ViewDef *def, const Stream *stream)
{
	int n = list_length(def->query->groupClause);
	List *exprs = get_sortgrouplist_exprs(def->query->groupClause, def->query->targetList);
	ListCell *lc;

	def->keys = palloc0((n + 1) * sizeof(KeyDef));
	def->groups = palloc0((n + 1) * sizeof(GroupDef));
	def->pane = -1;
	def->has_window = window_find(&def->window, exprs, def->varno, stream->event_time);
	if (def->query->groupingSets != NIL && def->has_window && def->window.kind == WINDOW_SESSION)
		refuse("session windows in GROUPING SETS, ROLLUP or CUBE are not supported in a hybrid view",
			   "Each set of keys would have sessions of its own: create a hybrid view for each.");
	foreach (lc, exprs)
		add_group(def, lfirst(lc));
	if (def->has_window && def->pane < 0)
		def->pane = add_key(def, def->window.pane, "pane", false);
	if (def->has_window)
		compute_early(def);
}

static void
add_group(ViewDef *def, Node *expr)
{
	GroupDef *group = &def->groups[def->ngroups];
	bool assembled = def->has_window && def->window.assembled && window_contained(expr);

	for (int i = 0; i < def->ngroups; i++)
	{
		if (!equal(def->groups[i].expr, expr))
			continue;
		/* the parser takes them for two keys, each of which may be rolled up; printed, they are one */
		if (def->query->groupingSets != NIL)
			refuse("grouping sets with the same key in two output columns are not supported in a hybrid view",
				   "Select the key once, and use it twice in a query on the hybrid view.");
		return;
	}
	group->expr = expr;
	group->key = -1;
	group->constant =
		def->query->groupingSets != NIL && IsA(eval_const_expressions(NULL, copyObject(expr)), Const);
	if (assembled && column_walker(expr, def))
		refuse(
			"a grouping key that combines a hop, cumulate or session window with columns is not supported in a hybrid view",
			"Group by the window and the columns separately, and compute the expression from them.");
	if (assembled)
		group->column = psprintf("g%d", def->ngroups + 1);
	else if (def->has_window && equal(expr, def->window.pane))
		group->key = def->pane = add_key(def, expr, "pane", true);
	else
		group->key = add_key(def, expr, psprintf("k%d", def->nkeys - (def->pane >= 0) + 1), true);
	if (group->key >= 0)
		group->column = def->keys[group->key].column;
	def->ngroups++;
}

/* Whether an expression contains columns outside of calls of the view's window. */
static bool
column_walker(Node *node, ViewDef *def)
{
	WindowEdge edge;

	if (node == NULL)
		return false;
	if (def != NULL && window_edge(&def->window, node, &edge))
		return false;
	return IsA(node, Var) || expression_tree_walker(node, column_walker, def);
}

/* Add an expression as a key; returns its index. */
static int
add_key(ViewDef *def, Node *expr, const char *column, bool grouped)
{
	KeyDef *key = &def->keys[def->nkeys];

	key->expr = expr;
	key->column = column;
	key->type = exprType(expr);
	key->typmod = exprTypmod(expr);
	key->collation = exprCollation(expr);
	key->grouped = grouped;
	check_key_type(key);
	/* a type that can only be hashed is looked up by the other keys */
	key->indexed = OidIsValid(lookup_type_cache(key->type, TYPECACHE_LT_OPR)->lt_opr) &&
				   (strcmp(column, "pane") == 0 || def->nkeys - (def->pane >= 0) < ANALYSE_INDEXED_KEYS);
	return def->nkeys++;
}

static void
check_key_type(const KeyDef *key)
{
	TypeCacheEntry *type = lookup_type_cache(key->type, TYPECACHE_EQ_OPR);

	if (!OidIsValid(type->eq_opr) || type->typtype == TYPTYPE_PSEUDO)
		refuse(
			psprintf("type %s cannot be used as a grouping key in a hybrid view", format_type_be(key->type)),
			"Cast the key to a type with an equality operator, for example text.");
	if (OidIsValid(key->collation) && !get_collation_isdeterministic(key->collation))
		refuse("a grouping key with a nondeterministic collation is not supported in a hybrid view",
			   "Use a deterministic collation for the key, for example COLLATE \"C\".");
}

/*
 * A key that depends on a window of several panes is computed when the view is read. An error in it must be
 * raised for the event already, as for other keys. The expression is therefore also evaluated for the first
 * event of each pane. (Not for sessions, whose start and end do not follow from an event.)
 */
static void
compute_early(ViewDef *def)
{
	KeyDef *pane = &def->keys[def->pane];
	WindowEdge edge;

	if (def->window.kind == WINDOW_SESSION)
		return;
	for (int i = 0; i < def->ngroups; i++)
	{
		Node *expr = def->groups[i].expr;
		Node *computed;
		CaseExpr *both;
		CaseWhen *when;

		if (def->groups[i].key >= 0 || window_edge(&def->window, expr, &edge))
			continue;
		computed = (Node *) null_test(over_windows(expr), IS_NOT_NULL);
		when = makeNode(CaseWhen);
		when->expr = makeBoolExpr(OR_EXPR, list_make2(pane_known(def->window.pane), computed), -1);
		when->result = (Expr *) pane->expr;
		both = makeNode(CaseExpr);
		both->casetype = pane->type;
		both->args = list_make1(when);
		both->defresult = (Expr *) makeNullConst(pane->type, -1, InvalidOid);
		pane->expr = (Node *) both;
	}
}

static NullTest *
null_test(Node *expr, NullTestType type)
{
	NullTest *test = makeNode(NullTest);

	test->arg = (Expr *) expr;
	test->nulltesttype = type;
	test->location = -1;
	return test;
}

/* ARRAY(SELECT expr IS NULL): evaluates an expression for each of an event's windows. */
static Node *
over_windows(Node *expr)
{
	Query *query = makeNode(Query);
	SubLink *link = makeNode(SubLink);

	expr = copyObject(expr);
	IncrementVarSublevelsUp(expr, 1, 0);
	query->commandType = CMD_SELECT;
	query->hasTargetSRFs = true;
	query->jointree = makeFromExpr(NIL, NULL);
	query->targetList = list_make1(makeTargetEntry((Expr *) null_test(expr, IS_NULL), 1, "g", false));
	link->subLinkType = ARRAY_SUBLINK;
	link->subselect = (Node *) query;
	link->location = -1;
	return (Node *) link;
}

/* _pane_known(pane) */
static Node *
pane_known(Node *pane)
{
	Oid type = ANYELEMENTOID;
	Oid function = LookupFuncName(list_make2(makeString("streambatch"), makeString(pstrdup("_pane_known"))),
								  1, &type, false);

	return (Node *) makeFuncExpr(function, BOOLOID, list_make1(pane), InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

/* Either all keys must be hashable or all sortable; sessions require sorting. */
static void
check_key_types(const ViewDef *def)
{
	const KeyDef *unhashed = NULL;
	const KeyDef *unsorted = NULL;

	for (int i = 0; i < def->nkeys; i++)
	{
		TypeCacheEntry *type = lookup_type_cache(def->keys[i].type, TYPECACHE_LT_OPR | TYPECACHE_HASH_PROC);

		if (!OidIsValid(type->hash_proc))
			unhashed = &def->keys[i];
		if (!OidIsValid(type->lt_opr))
			unsorted = &def->keys[i];
	}
	if (unsorted != NULL && unhashed != NULL)
		refuse(
			psprintf("types %s and %s cannot be used together as grouping keys in a hybrid view",
					 format_type_be(unsorted->type), format_type_be(unhashed->type)),
			"One type can only be hashed and the other only sorted; cast one of them, for example to text.");
	if (unsorted != NULL && def->has_window && def->window.kind == WINDOW_SESSION)
		refuse(psprintf("type %s cannot be used as a grouping key together with a session window",
						format_type_be(unsorted->type)),
			   "Cast the key to a type that can be sorted, for example text.");
}

static void
check_event_time(const ViewDef *def, const Stream *stream)
{
	if (def->has_window && stream->event_time == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot use a window on stream \"%s\" because it has no event time", stream->name),
			 errhint("Use ALTER FOREIGN TABLE %s OPTIONS (ADD event_time '…') to name the event time column.",
					 quote_qualified_identifier(stream->schema, stream->name))));
}

/*
 * Refuse columns that the parser accepts because a primary key determines them, and windows that are not in
 * GROUP BY.
 */
static bool
ungrouped_walker(Node *node, ViewDef *def)
{
	if (node == NULL || IsA(node, Aggref) || IsA(node, GroupingFunc))
		return false;
	for (int i = 0; i < def->ngroups; i++)
	{
		if (equal(def->groups[i].expr, node))
			return false;
	}
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcretset)
		refuse("a window that is not in GROUP BY is not supported in a hybrid view",
			   "Add the window to GROUP BY.");
	if (IsA(node, Var))
		refuse("a column that is not in GROUP BY is not supported in a hybrid view",
			   "Add the column to GROUP BY, even if a primary key determines it.");
	return expression_tree_walker(node, ungrouped_walker, def);
}

/* Collect aggregates and calls of GROUPING(). */
static bool
aggregate_walker(Node *node, ViewDef *def)
{
	RuleStream stream = {def->stream, def->varno};
	StateDef parts[RULE_MAX_PARTS];
	ResultDef *result;
	int nparts;

	if (node == NULL)
		return false;
	if (IsA(node, GroupingFunc))
	{
		def->groupings = list_append_unique(def->groupings, node);
		return false;
	}
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
	memset(result, 0, sizeof(*result));
	result->aggref = (Aggref *) node;
	for (int i = 0; i < RULE_MAX_PARTS; i++)
		result->states[i] = -1;
	rule_apply(result->aggref, &stream, result, parts, &nparts);
	for (int i = 0; i < nparts; i++)
		result->states[i] = add_state(def, &parts[i]);
	return false;
}

static int
add_state(ViewDef *def, const StateDef *state)
{
	for (int i = 0; i < def->nstates; i++)
	{
		if (equal(def->states[i].aggref, state->aggref))
			return i;
	}
	def->states =
		def->states ? repalloc(def->states, (def->nstates + 1) * sizeof(StateDef)) : palloc(sizeof(StateDef));
	def->states[def->nstates] = *state;
	return def->nstates++;
}

/* Add the state with the least or greatest time of a session's events; returns its index. */
static int
add_session_state(ViewDef *def, const char *aggregate)
{
	Aggref *aggref = makeNode(Aggref);
	Node *argument = def->window.argument;
	Oid type = exprType(argument);
	StateDef parts[RULE_MAX_PARTS];
	RuleStream stream = {def->stream, def->varno};
	ResultDef unused;
	int nparts;

	aggref->aggfnoid =
		LookupFuncName(list_make2(makeString("pg_catalog"), makeString(pstrdup(aggregate))), 1, &type, false);
	aggref->aggtype = type;
	aggref->aggargtypes = list_make1_oid(type);
	aggref->args = list_make1(makeTargetEntry((Expr *) copyObject(argument), 1, NULL, false));
	aggref->aggkind = AGGKIND_NORMAL;
	aggref->aggsplit = AGGSPLIT_SIMPLE;
	aggref->aggno = aggref->aggtransno = -1;
	aggref->location = -1;
	rule_apply(aggref, &stream, &unused, parts, &nparts);
	return add_state(def, &parts[0]);
}

/*
 * Exclude events without a time, which are in no session. The stream's own event time is never null; a
 * condition on it would only keep views from sharing a fold.
 */
static void
exclude_null_times(ViewDef *def, const Stream *stream)
{
	Node *argument = def->window.argument;
	FromExpr *from = def->query->jointree;
	NullTest *test;

	if (IsA(argument, Var) && ((Var *) argument)->varattno == stream->event_time)
		return;
	test = null_test(copyObject(argument), IS_NOT_NULL);
	from->quals = from->quals ? (Node *) make_andclause(list_make2(from->quals, test)) : (Node *) test;
}

/* Before version 16 the range table of a view's query begins with two entries for the view itself. */
static void
drop_own_entries(Query *query, Oid view)
{
	int n = 0;

	while (n < list_length(query->rtable) && ((RangeTblEntry *) list_nth(query->rtable, n))->relid == view)
		n++;
	query->rtable = list_copy_tail(query->rtable, n);
	OffsetVarNodes((Node *) query, -n, 0);
}

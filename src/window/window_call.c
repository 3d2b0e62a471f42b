/*
 * window_call.c
 *		Calls of the window functions (see window_call.h).
 *
 * Functions are recognised by schema and name.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "window/origin.h"
#include "window/window_call.h"

static const WindowFunctions window_functions[] = {
	{WINDOW_TUMBLE, "tumble", "tumble_end", "tumble", false, true},
	{WINDOW_HOP, "hop", "hop_end", "_hop_pane", true, true},
	{WINDOW_CUMULATE, "cumulate", "cumulate_end", "_cumulate_pane", true, true},
	{WINDOW_SESSION, "session", "session_end", "_session_pane", false, false},
};

static bool contained_walker(Node *node, void *context);
static Node *normalise_mutator(Node *node, void *context);
static void plain_origin(FuncExpr *call);
static void name_zone(Node *node);

const WindowFunctions *
window_call_functions(const Node *node, WindowEdge *edge)
{
	Oid nsp;
	char *name;

	if (!IsA(node, FuncExpr))
		return NULL;
	nsp = get_namespace_oid("streambatch", true);
	if (!OidIsValid(nsp) || get_func_namespace(((const FuncExpr *) node)->funcid) != nsp)
		return NULL;
	name = get_func_name(((const FuncExpr *) node)->funcid);
	for (int i = 0; i < lengthof(window_functions); i++)
	{
		*edge = strcmp(window_functions[i].end, name) == 0 ? WINDOW_END : WINDOW_START;
		if (*edge == WINDOW_END || strcmp(window_functions[i].start, name) == 0)
			return &window_functions[i];
	}
	return NULL;
}

const WindowFunctions *
window_functions_of(WindowKind kind)
{
	for (int i = 0; i < lengthof(window_functions); i++)
	{
		if (window_functions[i].kind == kind)
			return &window_functions[i];
	}
	elog(ERROR, "unrecognized window kind: %d", kind);
}

bool
window_is_call(const Node *node)
{
	WindowEdge edge;

	return window_call_functions(node, &edge) != NULL;
}

bool
window_is_assembled(const Node *call)
{
	WindowEdge edge;

	return window_call_functions(call, &edge)->kind != WINDOW_TUMBLE;
}

WindowEdge
window_call_edge(const Node *call)
{
	WindowEdge edge;

	(void) window_call_functions(call, &edge);
	return edge;
}

Interval
window_call_reach(const Node *call)
{
	WindowEdge edge;
	int size = window_call_functions(call, &edge)->has_step ? 2 : 1;
	const FuncExpr *func = (const FuncExpr *) call;
	Interval reach = *DatumGetIntervalP(list_nth_node(Const, func->args, size)->constvalue);
	const Const *zone = list_nth_node(Const, func->args, size + 2);

	/* for windows by calendar, the clock may be set forward or back within the window */
	if (reach.day != 0 || reach.month != 0 ||
		((reach.time > USECS_PER_HOUR || func->funcresulttype == TIMESTAMPOID) &&
		 strcmp(TextDatumGetCString(zone->constvalue), "UTC") != 0))
		reach.day += 2;
	return reach;
}

bool
window_contained(Node *expr)
{
	return contained_walker(expr, NULL);
}

Node *
window_normalise(Node *expr)
{
	return normalise_mutator(expr, NULL);
}

bool
window_origin_is_literal(const FuncExpr *call)
{
	WindowEdge edge;
	const WindowFunctions *functions = window_call_functions((const Node *) call, &edge);

	return functions->has_grid && get_func_nargs(call->funcid) == (functions->has_step ? 4 : 3);
}

static bool
contained_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return window_is_call(node) || expression_tree_walker(node, contained_walker, context);
}

static Node *
normalise_mutator(Node *node, void *context)
{
	node = node ? expression_tree_mutator(node, normalise_mutator, context) : NULL;
	if (node != NULL && window_is_call(node))
	{
		FuncExpr *call = (FuncExpr *) node;
		HeapTuple tuple;

		if (window_origin_is_literal(call))
			plain_origin(call);
		tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->funcid));
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for function %u", call->funcid);
		call->args = expand_function_arguments(call->args, false, call->funcresulttype, tuple);
		ReleaseSysCache(tuple);
		for (int i = 1; i < list_length(call->args); i++)
			lfirst(list_nth_cell(call->args, i)) = eval_const_expressions(NULL, list_nth(call->args, i));
		name_zone(llast(call->args));
	}
	return node;
}

/* Makes a call with a literal origin one of the function with origins of the window's own type. */
static void
plain_origin(FuncExpr *call)
{
	Const *origin = (Const *) eval_const_expressions(NULL, llast(call->args));
	Oid types[FUNC_MAX_ARGS];
	int n = list_length(call->args);
	Const *zone = makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1, CStringGetTextDatum("UTC"), false, false);

	if (!IsA(origin, Const))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("sizes, origin and time zone of %s() must be constants", get_func_name(call->funcid)),
				 errhint("Write them as literals, for example '10 minutes'.")));
	for (int i = 0; i < n - 1; i++)
		types[i] = exprType(list_nth(call->args, i));
	types[n - 1] = call->funcresulttype;
	types[n] = TEXTOID;
	lfirst(list_tail(call->args)) =
		makeConst(call->funcresulttype, -1, InvalidOid, get_typlen(call->funcresulttype),
				  origin->constisnull ? (Datum) 0 : origin_datum(origin->constvalue, call->funcresulttype),
				  origin->constisnull, true);
	call->args = lappend(call->args, zone);
	call->funcid = LookupFuncName(
		list_make2(makeString("streambatch"), makeString(get_func_name(call->funcid))), n + 1, types, false);
}

/* Names a constant time zone so that it is the same one for the sessions that read a view. */
static void
name_zone(Node *node)
{
	Const *zone = (Const *) node;
	const char *name;
	TimeZone found;

	if (!IsA(zone, Const) || zone->consttype != TEXTOID || zone->constisnull ||
		!time_zone_find(TextDatumGetCString(zone->constvalue), &found))
		return;
	name = time_zone_name(&found);
	if (name != NULL)
		zone->constvalue = CStringGetTextDatum(name);
}

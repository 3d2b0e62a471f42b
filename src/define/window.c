/*
 * window.c
 *		How window functions are recognised in a query (see window.h).
 *
 * A tumbling window [start, start + size) is a pane of its own. Arithmetic is on microseconds since
 * 2000-01-01 00:00: of UTC for timestamptz, of the clock for timestamp and date, so that nothing depends on
 * the session. The functions themselves are in windowfunc.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "define/window.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define DEFAULT_ORIGIN (2 * USECS_PER_DAY)

typedef struct WindowFunction
{
	const char *name;
	WindowKind kind;
	WindowEdge edge;
	const char *start; /* its twin that gives the start */
	bool available;	   /* a view may use it */
} WindowFunction;

static const WindowFunction window_functions[] = {
	{"tumble", WINDOW_TUMBLE, WINDOW_START, "tumble", true},
	{"tumble_end", WINDOW_TUMBLE, WINDOW_END, "tumble", true},
	{"hop", WINDOW_HOP, WINDOW_START, "hop", false},
	{"hop_end", WINDOW_HOP, WINDOW_END, "hop", false},
	{"cumulate", WINDOW_CUMULATE, WINDOW_START, "cumulate", false},
	{"cumulate_end", WINDOW_CUMULATE, WINDOW_END, "cumulate", false},
	{"session", WINDOW_SESSION, WINDOW_START, "session", false},
	{"session_end", WINDOW_SESSION, WINDOW_END, "session", false},
};

/* The length of a fixed-length window in microseconds. */
static int64
fixed_size(const Interval *size, bool whole_days)
{
	int64 result;

	if ((size->month != 0) + (size->day != 0) + (size->time != 0) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("window size mixes months, days and hours"),
				 errhint("Use one kind of unit, for example '36 hours' or '2 days'.")));
	if (size->month < 0 || size->day < 0 || size->time < 0 ||
		(size->month == 0 && size->day == 0 && size->time == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("window size must be greater than zero")));
	if (size->month != 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("windows of months and years are not available yet"),
			 errhint(
				 "Use a fixed length of up to weeks, for example '1 day', and group by it in a view on top.")));
	if (pg_mul_s64_overflow(size->day, USECS_PER_DAY, &result) ||
		pg_add_s64_overflow(result, size->time, &result))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("window size is too large")));
	if (whole_days && result % USECS_PER_DAY != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("windows over a date need a size of whole days"),
						errhint("Cast the date to timestamp for shorter windows.")));
	return result;
}

static void
check_zone(text *zone)
{
	char *name = text_to_cstring(zone);

	if (pg_strcasecmp(name, "UTC") != 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("windows in time zone \"%s\" are not available yet", name),
						errhint("Use time_zone => 'UTC'.")));
	pfree(name);
}

static void
pg_attribute_noreturn()

	refuse_unavailable(const char *function)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s() is not available yet", function),
					errhint("Use streambatch.tumble(ts, size), and add up its windows in a view on top.")));
}

static const WindowFunction *
find_function(Oid funcid)
{
	Oid nsp = get_namespace_oid("streambatch", true);
	char *name;

	if (!OidIsValid(nsp) || get_func_namespace(funcid) != nsp)
		return NULL;
	name = get_func_name(funcid);
	for (int i = 0; i < lengthof(window_functions); i++)
	{
		if (strcmp(window_functions[i].name, name) == 0)
			return &window_functions[i];
	}
	return NULL;
}

bool
window_check_available(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr))
	{
		const WindowFunction *function = find_function(((FuncExpr *) node)->funcid);

		if (function != NULL && !function->available)
			refuse_unavailable(function->name);
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, window_check_available, context, 0);
	return expression_tree_walker(node, window_check_available, context);
}

static Node *
normalise_mutator(Node *node, void *context)
{
	node = node ? expression_tree_mutator(node, normalise_mutator, context) : NULL;
	if (node != NULL && IsA(node, FuncExpr) && find_function(((FuncExpr *) node)->funcid) != NULL)
	{
		FuncExpr *call = (FuncExpr *) node;
		HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->funcid));

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for function %u", call->funcid);
		call->args = expand_function_arguments(call->args, false, call->funcresulttype, tuple);
		ReleaseSysCache(tuple);
		for (int i = 1; i < list_length(call->args); i++)
			lfirst(list_nth_cell(call->args, i)) = eval_const_expressions(NULL, list_nth(call->args, i));
	}
	return node;
}

Node *
window_normalise(Node *expr)
{
	return normalise_mutator(expr, NULL);
}

/* The value of a window function's argument, which must not vary from row to row. */
static Const *
constant_argument(List *args, int i, const char *function)
{
	Node *arg = list_nth(args, i);

	if (!IsA(arg, Const))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("size, origin and time zone of %s() must be constants", function)));
	return (Const *) arg;
}

bool
window_recognise(Node *expr, StreamWindow *def, WindowEdge *edge)
{
	const WindowFunction *function;
	FuncExpr *call;
	Const *size;
	Const *origin;
	Const *zone;

	if (!IsA(expr, FuncExpr))
		return false;
	call = (FuncExpr *) expr;
	function = find_function(call->funcid);
	if (function == NULL)
		return false;
	if (!function->available)
		refuse_unavailable(function->name);
	size = constant_argument(call->args, 1, function->name);
	origin = constant_argument(call->args, 2, function->name);
	zone = constant_argument(call->args, 3, function->name);
	if (size->constisnull || zone->constisnull)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("size and time zone of %s() must not be null", function->name)));
	check_zone(DatumGetTextPP(zone->constvalue));
	def->kind = function->kind;
	def->type = call->funcresulttype;
	def->argument = linitial(call->args);
	def->size = fixed_size(DatumGetIntervalP(size->constvalue), def->type == DATEOID);
	if (origin->constisnull)
		def->origin = DEFAULT_ORIGIN;
	else if (def->type == DATEOID)
		def->origin = date2timestamp_opt_overflow(DatumGetDateADT(origin->constvalue), NULL);
	else
		def->origin = DatumGetInt64(origin->constvalue);
	/*
	 * an origin is a place on the time line: any one of its windows' starts says the same, and those near
	 * zero cannot overflow
	 */
	if (TIMESTAMP_NOT_FINITE(def->origin))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("origin of %s() must be finite", function->name)));
	*edge = function->edge;
	return true;
}

static bool
contained_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && find_function(((FuncExpr *) node)->funcid) != NULL)
		return true;
	return expression_tree_walker(node, contained_walker, context);
}

bool
window_contained(Node *expr)
{
	return contained_walker(expr, NULL);
}

bool
window_equal(const StreamWindow *a, const StreamWindow *b)
{
	return a->kind == b->kind && a->type == b->type && a->size == b->size && a->origin == b->origin &&
		   equal(a->argument, b->argument);
}

Node *
window_start_call(const StreamWindow *def, Node *call)
{
	FuncExpr *start = copyObject((FuncExpr *) call);
	const WindowFunction *function = find_function(start->funcid);
	Oid *types;
	int ntypes;
	List *name = list_make2(makeString("streambatch"), makeString(pstrdup(function->start)));

	(void) get_func_signature(start->funcid, &types, &ntypes);
	start->funcid = LookupFuncName(name, ntypes, types, false);
	return (Node *) start;
}

TimestampTz
window_pane_start(const StreamWindow *def, TimestampTz instant)
{
	int64 rest;

	if (TIMESTAMP_NOT_FINITE(instant))
		return instant;
	rest = (instant - def->origin % def->size) % def->size;
	return instant - (rest < 0 ? rest + def->size : rest);
}

char *
window_to_instant_sql(const StreamWindow *def, const char *column)
{
	switch (def->type)
	{
		case TIMESTAMPTZOID:
			return pstrdup(column);
		case TIMESTAMPOID:
			return psprintf("pg_catalog.timezone('UTC', %s)", column);
		default:
			return psprintf("pg_catalog.timezone('UTC', %s::pg_catalog.timestamp)", column);
	}
}

char *
window_from_instant_sql(const StreamWindow *def, const char *instant)
{
	switch (def->type)
	{
		case TIMESTAMPTZOID:
			return pstrdup(instant);
		case TIMESTAMPOID:
			return psprintf("pg_catalog.timezone('UTC', %s)", instant);
		default:
			return psprintf("pg_catalog.timezone('UTC', %s)::pg_catalog.date", instant);
	}
}

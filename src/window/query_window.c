/*
 * query_window.c
 *		The window of a query (see query_window.h).
 *
 * A tumbling window is one pane, and the pane is what the query groups by. hop(), cumulate() and session() are
 * stored as panes too, and assembled when the view is read: a pane of a hop or cumulate belongs to the windows
 * that the function returns for the pane's start; sessions are chains of panes (serving_sql.c).
 *
 * date_trunc() and date_bin() over the event time are windows as well. The pane is PostgreSQL's own value,
 * exactly as in the query; a tumbling window of the same size only determines where panes end.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "window/pane.h"
#include "window/query_window.h"

#define MAX_WINDOWS_OF_EVENT 100000

typedef struct Search
{
	StreamWindow *window;
	bool found;
} Search;

typedef struct TruncField
{
	const char *name;
	Interval size;
	bool from_2001; /* centuries start in a year that ends in 01 */
} TruncField;

static const TruncField trunc_fields[] = {
	{"microsecond", {.time = 1}},
	{"millisecond", {.time = 1000}},
	{"second", {.time = USECS_PER_SEC}},
	{"minute", {.time = USECS_PER_MINUTE}},
	{"hour", {.time = USECS_PER_HOUR}},
	{"day", {.day = 1}},
	{"week", {.day = 7}},
	{"month", {.month = 1}},
	{"quarter", {.month = 3}},
	{"year", {.month = MONTHS_PER_YEAR}},
	{"decade", {.month = 10 * MONTHS_PER_YEAR}},
	{"century", {.month = 100 * MONTHS_PER_YEAR}, true},
	{"millennium", {.month = 1000 * MONTHS_PER_YEAR}, true},
};

#define YEAR_2001 (366 * USECS_PER_DAY)

static bool call_walker(Node *node, Search *search);
static void fill_window_call(StreamWindow *window, const FuncExpr *call);
static void make_shape(StreamWindow *window, const WindowFunctions *functions);
static Const *constant(const List *parameters, int i, bool may_be_null, const char *function);
static void check_windows_of_event(const StreamWindow *window, const WindowFunctions *functions);
static Node *pane_call(const StreamWindow *window, const FuncExpr *call, const WindowFunctions *functions);
static Node *call_with_same_args(const FuncExpr *call, const char *name);
static Const *interval_constant(const Interval *value);
static bool find_date_function(StreamWindow *window, List *groups, int varno, AttrNumber event_time);
static bool fill_date_function(StreamWindow *window, Node *expr);
static bool fill_date_trunc(StreamWindow *window, FuncExpr *call);
static const TruncField *trunc_field(const Const *name);
static void try_call(const FuncExpr *call, const Datum *args, int nargs, const char *hint);
static void add_hint(void *arg);
static void fill_tumbling(StreamWindow *window, Node *pane, Node *argument, const Interval *size,
						  const int64 *origin, const char *zone);
static bool fill_date_bin(StreamWindow *window, FuncExpr *call);
static bool reads_only(Node *argument, int varno, AttrNumber attno);
static int64 window_pane_length(const StreamWindow *window);

bool
window_edge(const StreamWindow *window, const Node *node, WindowEdge *edge)
{
	const WindowFunctions *functions = window_call_functions(node, edge);
	const List *args;

	if (functions == NULL || functions->kind != window->kind)
		return false;
	args = ((const FuncExpr *) node)->args;
	return equal(linitial(args), window->argument) && equal(list_copy_tail(args, 1), window->parameters);
}

bool
window_find(StreamWindow *window, List *groups, int varno, AttrNumber event_time)
{
	Search search = {window, false};

	(void) call_walker((Node *) groups, &search);
	if (!search.found)
		return event_time != 0 && find_date_function(window, groups, varno, event_time);
	if (!reads_only(window->argument, varno, 0))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a window over columns of a joined table is not supported in a hybrid view"),
						errhint("Use a time column of the stream in the window function.")));
	return true;
}

TimestampTz
window_pane_start(StreamWindow *window, TimestampTz instant)
{
	return TIMESTAMP_NOT_FINITE(instant) ? instant : pane_at(&window->shape, instant).start;
}

TimestampTz
window_pane_end(StreamWindow *window, TimestampTz start)
{
	return TIMESTAMP_NOT_FINITE(start) ? start : pane_at(&window->shape, start).end;
}

TimestampTz
window_instant(Oid type, Datum value)
{
	int overflow;

	if (type == DATEOID)
		return date2timestamp_opt_overflow(DatumGetDateADT(value), &overflow);
	return DatumGetTimestampTz(value);
}

int64
window_count_panes(StreamWindow *window, TimestampTz from, TimestampTz to)
{
	int64 length = window_pane_length(window);
	int64 n = 0;

	if (!window->shape.grid.months)
		return to <= from ? 0 : (int64) (((double) to - from) / length + 0.5);
	for (; from < to; from = window_pane_end(window, from))
		n++;
	return n;
}

static bool
call_walker(Node *node, Search *search)
{
	WindowEdge edge;

	if (node == NULL)
		return false;
	if (!window_is_call(node))
		return expression_tree_walker(node, call_walker, search);
	if (!search->found)
		fill_window_call(search->window, (FuncExpr *) node);
	else if (!window_edge(search->window, node, &edge))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a hybrid view cannot group by more than one window"),
						errhint("Create a separate hybrid view for each window.")));
	search->found = true;
	return false;
}

static void
fill_window_call(StreamWindow *window, const FuncExpr *call)
{
	WindowEdge edge;
	const WindowFunctions *functions = window_call_functions((const Node *) call, &edge);

	window->kind = functions->kind;
	window->type = exprType((Node *) call);
	window->argument = linitial(call->args);
	window->parameters = list_copy_tail(call->args, 1);
	window->assembled = window_is_assembled((const Node *) call);
	window->by_pane = false;
	make_shape(window, functions);
	check_windows_of_event(window, functions);
	window->pane = pane_call(window, call, functions);
}

static void
make_shape(StreamWindow *window, const WindowFunctions *functions)
{
	int n = 0;
	Interval *step = NULL;
	Interval *size;
	const int64 *origin = NULL;
	int64 time;
	const char *zone = "UTC";

	if (functions->has_step)
		step = DatumGetIntervalP(constant(window->parameters, n++, false, functions->start)->constvalue);
	size = DatumGetIntervalP(constant(window->parameters, n++, false, functions->start)->constvalue);
	if (functions->has_grid)
	{
		Const *given = constant(window->parameters, n++, true, functions->start);

		if (!given->constisnull)
		{
			/* window_shape_init() refuses an infinite origin */
			time = window->type == DATEOID
					   ? date2timestamp_opt_overflow(DatumGetDateADT(given->constvalue), NULL)
					   : DatumGetTimestamp(given->constvalue);
			origin = &time;
		}
		zone = TextDatumGetCString(constant(window->parameters, n, false, functions->start)->constvalue);
	}
	window_shape_init(&window->shape, functions->kind, window->type, step, size, origin, zone);
}

/* A parameter of a window function, which must be a constant. */
static Const *
constant(const List *parameters, int i, bool may_be_null, const char *function)
{
	Node *node = list_nth(parameters, i);

	if (!IsA(node, Const))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("sizes, origin and time zone of %s() must be constants", function),
						errhint("Write them as literals, for example '10 minutes'.")));
	if (((Const *) node)->constisnull && !may_be_null)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("sizes and time zone of %s() must not be null", function),
						errhint("Specify a length such as '10 minutes'; the time zone can be omitted.")));
	return (Const *) node;
}

/* When the view is read, each pane is copied into all of its windows, which takes time and memory. */
static void
check_windows_of_event(const StreamWindow *window, const WindowFunctions *functions)
{
	const WindowShape *shape = &window->shape;
	int64 step = shape->day != 0 ? shape->step : functions->kind == WINDOW_HOP ? shape->slide : shape->pane;
	int64 size = shape->day != 0 ? Max(shape->day, shape->size) : shape->size;

	if (functions->has_step && size / step > MAX_WINDOWS_OF_EVENT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s() would assign each event to more than %d windows", functions->start,
							   MAX_WINDOWS_OF_EVENT),
						errhint("Use a longer step or a shorter size.")));
}

/*
 * The start of an event's pane. If the panes are those of a tumbling window, it is a call of tumble(), so that
 * views over the same panes can share a fold.
 */
static Node *
pane_call(const StreamWindow *window, const FuncExpr *call, const WindowFunctions *functions)
{
	const WindowShape *shape = &window->shape;
	FuncExpr *pane;
	Interval size = {0};
	Const *zone;

	if (!functions->has_step || shape->grid.months || shape->line != LINE_OWN || shape->day != 0)
		return call_with_same_args(call, functions->pane);
	zone = list_nth_node(Const, call->args, 4);
	if (strcmp(TextDatumGetCString(zone->constvalue), "UTC") != 0)
		return call_with_same_args(call, functions->pane);
	if (shape->pane % USECS_PER_DAY == 0)
		size.day = shape->pane / USECS_PER_DAY;
	else
		size.time = shape->pane;
	pane = copyObject(unconstify(FuncExpr *, call));
	pane->args = list_make4(linitial(pane->args), interval_constant(&size), list_nth(pane->args, 3), zone);
	return call_with_same_args(pane, window_functions_of(WINDOW_TUMBLE)->pane);
}

/* A call of another function with the same arguments. */
static Node *
call_with_same_args(const FuncExpr *call, const char *name)
{
	FuncExpr *result = copyObject(unconstify(FuncExpr *, call));
	Oid array[FUNC_MAX_ARGS];
	ListCell *lc;

	foreach (lc, call->args)
		array[foreach_current_index(lc)] = exprType(lfirst(lc));
	result->funcid = LookupFuncName(list_make2(makeString("streambatch"), makeString(pstrdup(name))),
									list_length(call->args), array, false);
	result->funcretset = false;
	return (Node *) result;
}

static Const *
interval_constant(const Interval *value)
{
	Interval *copy = palloc(sizeof(Interval));

	*copy = *value;
	return makeConst(INTERVALOID, -1, InvalidOid, sizeof(Interval), IntervalPGetDatum(copy), false, false);
}

/* Of several, the one with the shortest panes: the others can be computed from it. */
static bool
find_date_function(StreamWindow *window, List *groups, int varno, AttrNumber event_time)
{
	bool found = false;
	ListCell *lc;

	foreach (lc, groups)
	{
		StreamWindow candidate = {0};

		if (!fill_date_function(&candidate, lfirst(lc)) || !reads_only(candidate.argument, varno, event_time))
			continue;
		if (!found || window_pane_length(&candidate) < window_pane_length(window))
			*window = candidate;
		found = true;
	}
	return found;
}

static bool
fill_date_function(StreamWindow *window, Node *expr)
{
	if (!IsA(expr, FuncExpr))
		return false;
	switch (((FuncExpr *) expr)->funcid)
	{
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT:
		case F_DATE_TRUNC_TEXT_TIMESTAMP:
			return fill_date_trunc(window, (FuncExpr *) expr);
		case F_DATE_BIN_INTERVAL_TIMESTAMPTZ_TIMESTAMPTZ:
		case F_DATE_BIN_INTERVAL_TIMESTAMP_TIMESTAMP:
			return fill_date_bin(window, (FuncExpr *) expr);
		default:
			return false;
	}
}

static bool
fill_date_trunc(StreamWindow *window, FuncExpr *call)
{
	Node *name = eval_const_expressions(NULL, copyObject(linitial(call->args)));
	const TruncField *field = IsA(name, Const) ? trunc_field((Const *) name) : NULL;
	TimeZone zone = {session_timezone};
	int64 origin = YEAR_2001;

	if (field == NULL && IsA(name, Const) && !((Const *) name)->constisnull)
	{
		Datum args[3] = {((Const *) name)->constvalue, TimestampGetDatum(0), CStringGetTextDatum("UTC")};

		try_call(call, args, list_length(call->args),
				 "Common fields are 'minute', 'hour', 'day', 'week', 'month', 'quarter' and 'year'.");
	}
	if (field == NULL)
		return false;
	if (call->funcid == F_DATE_TRUNC_TEXT_TIMESTAMP)
		time_zone_get("UTC", &zone);
	if (list_length(call->args) == 3)
	{
		Node *given = eval_const_expressions(NULL, copyObject(lthird(call->args)));

		if (!IsA(given, Const) || ((Const *) given)->constisnull)
			return false;
		time_zone_get(TextDatumGetCString(((Const *) given)->constvalue), &zone);
		/* an abbreviation whose offset has changed stands for its zone here */
		zone.abbreviation[0] = '\0';
	}
	fill_tumbling(window, (Node *) call, lsecond(call->args), &field->size, field->from_2001 ? &origin : NULL,
				  time_zone_name(&zone));
	return true;
}

/* The field of a date_trunc(), by its name or plural; NULL for those that are not supported as windows. */
static const TruncField *
trunc_field(const Const *name)
{
	char *field = name->constisnull ? "" : TextDatumGetCString(name->constvalue);
	size_t length = strlen(field);

	for (int i = 0; i < lengthof(trunc_fields); i++)
	{
		size_t known = strlen(trunc_fields[i].name);

		if (pg_strncasecmp(field, trunc_fields[i].name, known) == 0 &&
			(length == known || (length == known + 1 && pg_tolower(field[known]) == 's')))
			return &trunc_fields[i];
	}
	return NULL;
}

/* Call date_trunc() or date_bin() once, so that what they refuse for every event is refused now. */
static void
try_call(const FuncExpr *call, const Datum *args, int nargs, const char *hint)
{
	LOCAL_FCINFO(fcinfo, 3);
	ErrorContextCallback context = {error_context_stack, add_hint, unconstify(char *, hint)};
	FmgrInfo function;

	fmgr_info(call->funcid, &function);
	InitFunctionCallInfoData(*fcinfo, &function, nargs, InvalidOid, NULL, NULL);
	for (int i = 0; i < nargs; i++)
	{
		fcinfo->args[i].value = args[i];
		fcinfo->args[i].isnull = false;
	}
	error_context_stack = &context;
	(void) FunctionCallInvoke(fcinfo);
	error_context_stack = context.previous;
}

static void
add_hint(void *arg)
{
	errhint("%s", (const char *) arg);
}

/* Fill a tumbling window whose starts the expression computes. */
static void
fill_tumbling(StreamWindow *window, Node *pane, Node *argument, const Interval *size, const int64 *origin,
			  const char *zone)
{
	const WindowFunctions *functions = window_functions_of(WINDOW_TUMBLE);
	Const *at = makeConst(exprType(pane), -1, InvalidOid, sizeof(int64), origin ? Int64GetDatum(*origin) : 0,
						  origin == NULL, FLOAT8PASSBYVAL);
	Const *where = makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1, CStringGetTextDatum(zone), false, false);

	window->kind = WINDOW_TUMBLE;
	window->type = exprType(pane);
	window->argument = argument;
	window->parameters = list_make3(interval_constant(size), at, where);
	window->pane = pane;
	window->assembled = false;
	window->by_pane = true;
	make_shape(window, functions);
}

static bool
fill_date_bin(StreamWindow *window, FuncExpr *call)
{
	Node *stride = eval_const_expressions(NULL, copyObject(linitial(call->args)));
	Node *origin = eval_const_expressions(NULL, copyObject(lthird(call->args)));
	Interval size = {0};
	Datum args[3];
	int64 at;

	if (!IsA(stride, Const) || !IsA(origin, Const) || ((Const *) stride)->constisnull ||
		((Const *) origin)->constisnull)
		return false;
	size = *DatumGetIntervalP(((Const *) stride)->constvalue);
	at = DatumGetInt64(((Const *) origin)->constvalue);
	args[0] = ((Const *) stride)->constvalue;
	args[1] = TimestampGetDatum(0);
	args[2] = TimestampGetDatum(at);
	try_call(
		call, args, 3,
		"Use a stride without months, such as '10 minutes', and a finite origin; for months, use date_trunc() or streambatch.tumble().");
	/* not supported as a window, but it is an ordinary grouping key */
	if (size.day < 0 || size.time < 0 || size.day > 1000000)
		return false;
	size.time += size.day * USECS_PER_DAY;
	size.day = 0;
	fill_tumbling(window, (Node *) call, lsecond(call->args), &size, &at, "UTC");
	return true;
}

static bool
reads_only(Node *argument, int varno, AttrNumber attno)
{
	List *vars = pull_var_clause(argument, PVC_RECURSE_AGGREGATES);
	ListCell *lc;

	foreach (lc, vars)
	{
		const Var *var = lfirst(lc);

		if (var->varno != varno || (attno != 0 && var->varattno != attno))
			return false;
	}
	return vars != NIL || attno == 0;
}

/* The approximate length of a pane in microseconds. */
static int64
window_pane_length(const StreamWindow *window)
{
	return window->shape.pane * (window->shape.grid.months ? 30 * USECS_PER_DAY : 1);
}

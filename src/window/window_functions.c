/*
 * window_functions.c
 *		The window functions of SQL: tumble, hop, cumulate, their ends, and the panes of each kind.
 *
 * Each C function implements the SQL functions of all types; the type of the times is the call's result type.
 * The shape made from size, origin and zone is cached in fn_extra until one of them changes.
 *
 * The set-returning functions return one value per call, so that hop() and hop_end() in one select list advance
 * together. Their position in the series is stored with the shape, because the SRF_* macros would free both at
 * the end of each series.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/export.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "window/origin.h"
#include "window/pane.h"

typedef enum WindowResult
{
	RESULT_START,
	RESULT_END
} WindowResult;

/* State of a call site, in its function's memory context. */
typedef struct WindowCall
{
	bool known; /* shape belongs to the arguments below */
	bool has_origin;
	Interval step;
	Interval size;
	int64 origin;
	text *zone;
	text *utc;			   /* the zone of a call that has none */
	MemoryContext context; /* of zones */
	Oid type;
	WindowShape shape;
	WindowWalk walk;
	bool walking; /* in the middle of a series */
} WindowCall;

#define KNOWN_PANES 32

/* The most recent distinct panes passed to a call site. */
typedef struct KnownPanes
{
	Datum panes[KNOWN_PANES];
	int n;
	int oldest;
} KnownPanes;

static WindowCall *get_call(FunctionCallInfo fcinfo);
static Datum pane_of(FunctionCallInfo fcinfo, WindowCall *call, WindowShape *shape, WindowResult result);
static WindowShape *shape_of(FunctionCallInfo fcinfo, WindowCall *call, WindowKind kind, int size);
static WindowShape *get_shape(WindowCall *call, WindowKind kind, const Interval *step, const Interval *size,
							  const NullableDatum *origin, const text *zone);
static bool same_interval(const Interval *a, const Interval *b);
static bool same_text(const text *a, const text *b);
static Datum next_window(FunctionCallInfo fcinfo, WindowKind kind, WindowResult result);
static void forget_walk(Datum call);
static Node *estimate_rows(Node *request, double share);
static double estimated_seconds(PlannerInfo *root, List *args, int n);

STREAMBATCH_FUNCTION(streambatch_tumble);
STREAMBATCH_FUNCTION(streambatch_tumble_end);
STREAMBATCH_FUNCTION(streambatch_hop);
STREAMBATCH_FUNCTION(streambatch_hop_end);
STREAMBATCH_FUNCTION(streambatch_hop_pane);
STREAMBATCH_FUNCTION(streambatch_hop_rows);
STREAMBATCH_FUNCTION(streambatch_cumulate);
STREAMBATCH_FUNCTION(streambatch_cumulate_end);
STREAMBATCH_FUNCTION(streambatch_cumulate_pane);
STREAMBATCH_FUNCTION(streambatch_cumulate_rows);
STREAMBATCH_FUNCTION(streambatch_session);
STREAMBATCH_FUNCTION(streambatch_session_pane);
STREAMBATCH_FUNCTION(streambatch_pane_known);

Datum
streambatch_tumble(PG_FUNCTION_ARGS)
{
	WindowCall *call = get_call(fcinfo);

	return pane_of(fcinfo, call, shape_of(fcinfo, call, WINDOW_TUMBLE, 1), RESULT_START);
}

Datum
streambatch_tumble_end(PG_FUNCTION_ARGS)
{
	WindowCall *call = get_call(fcinfo);

	return pane_of(fcinfo, call, shape_of(fcinfo, call, WINDOW_TUMBLE, 1), RESULT_END);
}

Datum
streambatch_hop(PG_FUNCTION_ARGS)
{
	return next_window(fcinfo, WINDOW_HOP, RESULT_START);
}

Datum
streambatch_hop_end(PG_FUNCTION_ARGS)
{
	return next_window(fcinfo, WINDOW_HOP, RESULT_END);
}

Datum
streambatch_hop_pane(PG_FUNCTION_ARGS)
{
	WindowCall *call = get_call(fcinfo);

	return pane_of(fcinfo, call, shape_of(fcinfo, call, WINDOW_HOP, 2), RESULT_START);
}

Datum
streambatch_cumulate(PG_FUNCTION_ARGS)
{
	return next_window(fcinfo, WINDOW_CUMULATE, RESULT_START);
}

Datum
streambatch_cumulate_end(PG_FUNCTION_ARGS)
{
	return next_window(fcinfo, WINDOW_CUMULATE, RESULT_END);
}

Datum
streambatch_cumulate_pane(PG_FUNCTION_ARGS)
{
	WindowCall *call = get_call(fcinfo);

	return pane_of(fcinfo, call, shape_of(fcinfo, call, WINDOW_CUMULATE, 2), RESULT_START);
}

Datum
streambatch_session_pane(PG_FUNCTION_ARGS)
{
	WindowCall *call = get_call(fcinfo);
	WindowShape *shape;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	shape = get_shape(call, WINDOW_SESSION, NULL, PG_GETARG_INTERVAL_P(1), NULL, NULL);
	/* the end of the session must be a valid timestamp, too */
	if (window_time(call->type, PG_GETARG_DATUM(0)) >= END_TIMESTAMP - shape->size)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	return pane_of(fcinfo, call, shape, RESULT_START);
}

/* session() and session_end(): the session of an event depends on other events. */
Datum
streambatch_session(PG_FUNCTION_ARGS)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 errmsg("%s() can only be used in a hybrid view", get_func_name(fcinfo->flinfo->fn_oid)),
		 errhint(
			 "For a table, compute sessions with lag() and a running sum: "
			 "SELECT k, min(ts) AS start, max(ts) + gap AS \"end\", count(*) FROM "
			 "(SELECT *, sum(fresh) OVER (PARTITION BY k ORDER BY ts) AS n FROM "
			 "(SELECT *, CASE WHEN ts - lag(ts) OVER (PARTITION BY k ORDER BY ts) <= gap THEN 0 ELSE 1 END AS fresh "
			 "FROM t) a) b GROUP BY k, n.")));
}

/*
 * streambatch._pane_known(pane): whether the call site has seen the pane recently, so that expressions over a
 * pane are computed for its first event only.
 */
Datum
streambatch_pane_known(PG_FUNCTION_ARGS)
{
	KnownPanes *known = fcinfo->flinfo->fn_extra;
	Datum pane = PG_GETARG_DATUM(0);

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(true);
	if (known == NULL)
		known = fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(KnownPanes));
	for (int i = 0; i < known->n; i++)
	{
		if (known->panes[i] == pane)
			PG_RETURN_BOOL(true);
	}
	if (known->n < KNOWN_PANES)
		known->panes[known->n++] = pane;
	else
	{
		known->panes[known->oldest] = pane;
		known->oldest = (known->oldest + 1) % KNOWN_PANES;
	}
	PG_RETURN_BOOL(false);
}

Datum
streambatch_hop_rows(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(estimate_rows((Node *) PG_GETARG_POINTER(0), 1));
}

/*
 * An event in the first step is in all windows, one in the last step in a single window: half of them on
 * average.
 */
Datum
streambatch_cumulate_rows(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(estimate_rows((Node *) PG_GETARG_POINTER(0), 0.5));
}

static WindowCall *
get_call(FunctionCallInfo fcinfo)
{
	FmgrInfo *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra == NULL)
	{
		WindowCall *call = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(WindowCall));

		call->type = get_func_rettype(flinfo->fn_oid);
		call->context = flinfo->fn_mcxt;
		flinfo->fn_extra = call;
	}
	return flinfo->fn_extra;
}

/* An edge of the pane that contains the first argument. */
static Datum
pane_of(FunctionCallInfo fcinfo, WindowCall *call, WindowShape *shape, WindowResult result)
{
	TimeSlice pane;

	if (shape == NULL)
		PG_RETURN_NULL();
	pane = pane_at(shape, window_time(call->type, PG_GETARG_DATUM(0)));
	return window_datum(call->type, result == RESULT_START ? pane.start : pane.end);
}

/*
 * The shape of a call of kind(ts, step, size, origin, time_zone), in UTC if the last is missing: then the origin is a
 * literal. size: number of the size, with or without a step before it. NULL if the result is NULL.
 */
static WindowShape *
shape_of(FunctionCallInfo fcinfo, WindowCall *call, WindowKind kind, int size)
{
	bool literal = PG_NARGS() == size + 2;
	NullableDatum origin = fcinfo->args[size + 1];

	for (int i = 0; i <= size; i++)
	{
		if (PG_ARGISNULL(i))
			return NULL;
	}
	if (!literal && PG_ARGISNULL(size + 2))
		return NULL;
	if (literal && !origin.isnull)
		origin.value = origin_datum(origin.value, call->type);
	if (literal && call->utc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(call->context);

		call->utc = cstring_to_text("UTC");
		MemoryContextSwitchTo(old);
	}
	return get_shape(call, kind, size > 1 ? PG_GETARG_INTERVAL_P(1) : NULL, PG_GETARG_INTERVAL_P(size),
					 &origin, literal ? call->utc : PG_GETARG_TEXT_PP(size + 2));
}

/* The shape for non-null arguments. step, zone: NULL for kinds that have none. */
static WindowShape *
get_shape(WindowCall *call, WindowKind kind, const Interval *step, const Interval *size,
		  const NullableDatum *origin, const text *zone)
{
	bool has_origin = origin != NULL && !origin->isnull;
	int64 start = 0;

	/* window_shape_init() refuses an infinite origin */
	if (has_origin)
		start = call->type == DATEOID ? date2timestamp_opt_overflow(DatumGetDateADT(origin->value), NULL)
									  : DatumGetTimestamp(origin->value);
	if (call->known && same_interval(size, &call->size) &&
		(step == NULL || same_interval(step, &call->step)) && has_origin == call->has_origin &&
		start == call->origin && (zone == NULL || same_text(zone, call->zone)))
		return &call->shape;
	call->known = false;
	window_shape_init(&call->shape, kind, call->type, step, size, has_origin ? &start : NULL,
					  zone ? text_to_cstring(zone) : NULL);
	call->size = *size;
	if (step != NULL)
		call->step = *step;
	call->has_origin = has_origin;
	call->origin = start;
	if (call->zone != NULL)
		pfree(call->zone);
	call->zone = NULL;
	if (zone != NULL)
	{
		call->zone = MemoryContextAlloc(call->context, VARSIZE_ANY(zone));
		memcpy(call->zone, zone, VARSIZE_ANY(zone));
	}
	call->known = true;
	return &call->shape;
}

static bool
same_interval(const Interval *a, const Interval *b)
{
	return a->time == b->time && a->day == b->day && a->month == b->month;
}

static bool
same_text(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/* The next window that contains the first argument and whose edges are both valid timestamps. */
static Datum
next_window(FunctionCallInfo fcinfo, WindowKind kind, WindowResult result)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	WindowCall *call = get_call(fcinfo);
	TimeSlice window;

	if (set == NULL || !IsA(set, ReturnSetInfo) || !(set->allowedModes & SFRM_ValuePerCall))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("set-valued function called in context that cannot accept a set")));
	set->isDone = ExprEndResult;
	if (!call->walking)
	{
		WindowShape *shape = shape_of(fcinfo, call, kind, 2);

		if (shape == NULL)
			PG_RETURN_NULL();
		window_walk_begin(&call->walk, shape, window_time(call->type, PG_GETARG_DATUM(0)));
		RegisterExprContextCallback(set->econtext, forget_walk, PointerGetDatum(call));
		call->walking = true;
	}
	if (!window_walk_next(&call->walk, &window))
	{
		UnregisterExprContextCallback(set->econtext, forget_walk, PointerGetDatum(call));
		call->walking = false;
		PG_RETURN_NULL();
	}
	set->isDone = ExprMultipleResult;
	return window_datum(call->type, result == RESULT_START ? window.start : window.end);
}

/* A query can stop in the middle of a series and start another one at the same call site. */
static void
forget_walk(Datum call)
{
	((WindowCall *) DatumGetPointer(call))->walking = false;
}

/* Estimate the number of an event's windows for the planner: size / step * share. */
static Node *
estimate_rows(Node *request, double share)
{
	SupportRequestRows *rows;
	double step;
	double size;

	if (!IsA(request, SupportRequestRows))
		return NULL;
	rows = (SupportRequestRows *) request;
	if (!is_funcclause(rows->node))
		return NULL;
	step = estimated_seconds(rows->root, ((FuncExpr *) rows->node)->args, 1);
	size = estimated_seconds(rows->root, ((FuncExpr *) rows->node)->args, 2);
	if (step <= 0 || size <= 0)
		return NULL;
	rows->rows = Max(1, size / step * share);
	return request;
}

/* The approximate length of an interval argument in seconds, for the planner; 0 if unknown. */
static double
estimated_seconds(PlannerInfo *root, List *args, int n)
{
	Node *arg = n < list_length(args) ? estimate_expression_value(root, list_nth(args, n)) : NULL;
	Interval *interval;

	if (arg == NULL || !IsA(arg, Const) || ((Const *) arg)->constisnull)
		return 0;
	interval = DatumGetIntervalP(((Const *) arg)->constvalue);
	return interval->time / (double) USECS_PER_SEC +
		   ((double) interval->month * DAYS_PER_MONTH + interval->day) * SECS_PER_DAY;
}

/*
 * state_functions.c
 *		The SQL aggregates over transition states: streambatch._partial(), streambatch._merge(), streambatch._gather().
 *
 *		_partial('stddev(double precision)', NULL::_state, x)						the state of stddev(x)
 *		_merge('stddev(double precision)', NULL::double precision, s1, NULL::double precision)	its value, of a column of states
 *		_gather('stddev(double precision)', NULL::_state, s1, NULL::double precision)			their state, of a column of states
 *
 * The first argument is a constant and identifies the aggregate. NULLs only carry types: the result type, for
 * the parser, and the aggregate's argument types, which the states of a polymorphic aggregate depend on.
 * Everything is checked once, at the first row or at the end: that the caller may execute the aggregate, that
 * it accepts these arguments, and that the types of the NULLs match.
 *
 * Any user can call these, and gains no privileges by it. A state of type internal has a type of its own
 * (_state), whose values cannot be entered. A state of another type can, so the caller needs EXECUTE on the
 * functions that it is passed to.
 */
#include "postgres.h"

#include "aggregate/transition.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/export.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

/* Arguments before those of the aggregate itself. */
#define PARTIAL_LEADING 2 /* the aggregate, the type of the state */
#define MERGE_LEADING 3	  /* the aggregate, the type of its value, the state */

/* One group's state, in the calling aggregate's memory. */
typedef struct PartialState
{
	Transition *transition; /* in the memory of the whole query */
	TransitionValue value;
} PartialState;

static Datum absorb_state(FunctionCallInfo fcinfo, bool stored);
static PartialState *group_state(FunctionCallInfo fcinfo, int leading, bool stored);
static void check_caller(FunctionCallInfo fcinfo);
static Transition *open_transition(FunctionCallInfo fcinfo, int leading, bool stored);
static Oid named_aggregate(const Aggref *call);
static void refuse_type(Oid aggregate, const char *what, Oid is, Oid promised);
static void check_state_functions(Oid aggregate);
static Datum end_group(FunctionCallInfo fcinfo, int leading, bool stored);
static PartialState *ended_state(FunctionCallInfo fcinfo, int leading, bool stored);

STREAMBATCH_FUNCTION(streambatch_partial_add);
STREAMBATCH_FUNCTION(streambatch_partial_end);
STREAMBATCH_FUNCTION(streambatch_merge_add);
STREAMBATCH_FUNCTION(streambatch_merge_end);
STREAMBATCH_FUNCTION(streambatch_gather_add);
STREAMBATCH_FUNCTION(streambatch_gather_end);

Datum
streambatch_partial_add(PG_FUNCTION_ARGS)
{
	PartialState *state = group_state(fcinfo, PARTIAL_LEADING, true);
	Transition *t = state->transition;
	/* the state and the leading arguments come before the aggregate's own */
	const NullableDatum *args = &fcinfo->args[1 + PARTIAL_LEADING];

	for (int i = 0; i < t->nargs; i++)
	{
		if (t->function.fn_strict && args[i].isnull)
			PG_RETURN_POINTER(state);
		t->call->args[i + 1] = args[i];
	}
	transition_advance(t, &state->value);
	PG_RETURN_POINTER(state);
}

Datum
streambatch_partial_end(PG_FUNCTION_ARGS)
{
	return end_group(fcinfo, PARTIAL_LEADING, true);
}

Datum
streambatch_merge_add(PG_FUNCTION_ARGS)
{
	return absorb_state(fcinfo, false);
}

Datum
streambatch_merge_end(PG_FUNCTION_ARGS)
{
	return end_group(fcinfo, MERGE_LEADING, false);
}

Datum
streambatch_gather_add(PG_FUNCTION_ARGS)
{
	return absorb_state(fcinfo, true);
}

Datum
streambatch_gather_end(PG_FUNCTION_ARGS)
{
	return end_group(fcinfo, MERGE_LEADING, true);
}

static Datum
absorb_state(FunctionCallInfo fcinfo, bool stored)
{
	PartialState *state = group_state(fcinfo, MERGE_LEADING, stored);

	transition_absorb(state->transition, &state->value, PG_GETARG_DATUM(MERGE_LEADING),
					  PG_ARGISNULL(MERGE_LEADING));
	PG_RETURN_POINTER(state);
}

/* The state of the current group, in the memory of the current grouping set. */
static PartialState *
group_state(FunctionCallInfo fcinfo, int leading, bool stored)
{
	AggState *caller = (AggState *) fcinfo->context;
	PartialState *state;
	Transition *t;

	check_caller(fcinfo);
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = open_transition(fcinfo, leading, stored);
	t = fcinfo->flinfo->fn_extra;
	t->agg->curaggcontext = caller->curaggcontext;
	if (!PG_ARGISNULL(0))
		return (PartialState *) PG_GETARG_POINTER(0);
	state = MemoryContextAlloc(caller->curaggcontext->ecxt_per_tuple_memory, sizeof(PartialState));
	state->transition = t;
	transition_start(t, &state->value);
	return state;
}

/* Raises unless called as an aggregate. */
static void
check_caller(FunctionCallInfo fcinfo)
{
	if (AggCheckCallContext(fcinfo, NULL) != AGG_CONTEXT_AGGREGATE)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("aggregates over transition states cannot be used as window functions")));
}

/*
 * Prepare the aggregate to run, from the calling aggregate; leading: number of arguments before its own; stored: the
 * result is a state. Its functions allocate in the caller's contexts.
 */
static Transition *
open_transition(FunctionCallInfo fcinfo, int leading, bool stored)
{
	AggState *caller = (AggState *) fcinfo->context;
	MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	Transition *t = palloc(sizeof(Transition));
	const Aggref *call = AggGetAggref(fcinfo);
	Oid types[FUNC_MAX_ARGS];
	Oid aggregate = named_aggregate(call);
	Aggref *aggref;
	TransitionShape shape;
	int nargs = 0;
	ListCell *lc;

	transition_check_execute(aggregate);
	for_each_from(lc, call->aggargtypes, leading) types[nargs++] = lfirst_oid(lc);
	aggref = transition_aggref(aggregate, nargs, types, call->inputcollid);
	transition_shape(aggref, &shape);
	transition_init(t, aggref, true, caller->curaggcontext, caller->tmpcontext);
	if (stored)
		refuse_type(aggregate, "state", shape.stored, call->aggtype);
	else
		refuse_type(aggregate, "value", aggref->aggtype, call->aggtype);
	if (leading == MERGE_LEADING)
	{
		refuse_type(aggregate, "state", shape.stored, list_nth_oid(call->aggargtypes, MERGE_LEADING - 1));
		if (!t->sealed)
			check_state_functions(aggregate);
	}
	MemoryContextSwitchTo(old);
	return t;
}

/* The aggregate that the call names, which must be a constant. */
static Oid
named_aggregate(const Aggref *call)
{
	const Expr *first = linitial_node(TargetEntry, call->args)->expr;

	if (!IsA(first, Const) || ((const Const *) first)->constisnull)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the aggregate must be a non-null constant")));
	return DatumGetObjectId(((const Const *) first)->constvalue);
}

static void
refuse_type(Oid aggregate, const char *what, Oid is, Oid promised)
{
	if (is == promised)
		return;
	ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("the %s of %s is of type %s, not %s", what, format_procedure(aggregate),
						   format_type_be(is), format_type_be(promised))));
}

/* The caller may have made up the state, so must have EXECUTE on the functions that it is passed to. */
static void
check_state_functions(Oid aggregate)
{
	HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	Form_pg_aggregate form;
	Oid functions[2];

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggregate);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	functions[0] = form->aggcombinefn;
	functions[1] = form->aggfinalfn;
	ReleaseSysCache(tuple);
	for (int i = 0; i < lengthof(functions); i++)
	{
		AclResult acl = OidIsValid(functions[i])
							? compat_proc_aclcheck(functions[i], GetUserId(), ACL_EXECUTE)
							: ACLCHECK_OK;

		if (acl != ACLCHECK_OK)
			aclcheck_error(acl, OBJECT_FUNCTION, get_func_name(functions[i]));
	}
}

/* The result of a final function. It may point into the state, if by reference. */
static Datum
end_group(FunctionCallInfo fcinfo, int leading, bool stored)
{
	PartialState *state = ended_state(fcinfo, leading, stored);
	bool isnull;
	Datum result = stored ? transition_store(state->transition, &state->value, &isnull)
						  : transition_final(state->transition, &state->value, &isnull);

	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

/* The state for a final function; a new one if there were no rows. */
static PartialState *
ended_state(FunctionCallInfo fcinfo, int leading, bool stored)
{
	PartialState *state;

	if (PG_ARGISNULL(0))
		return group_state(fcinfo, leading, stored);
	state = (PartialState *) PG_GETARG_POINTER(0);
	state->transition->agg->curaggcontext = ((AggState *) fcinfo->context)->curaggcontext;
	return state;
}

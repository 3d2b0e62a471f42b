/*
 * first_last.c
 *		SQL aggregates that return one of their input values: streambatch.first(), last(), and _only() for the merge.
 *
 * first() and last() can be used on any table, with ORDER BY in the call. A NULL is a value like any other.
 * Hybrid views store the states of first_last_state.c instead.
 */
#include "postgres.h"

#include "common/export.h"
#include "fmgr.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

typedef struct Taken
{
	Datum value;
	bool isnull;
	bool many; /* there was more than one row */
	bool byval;
	int16 len;
} Taken;

static Taken *take(FunctionCallInfo fcinfo, bool last);
static void copy_in(Taken *taken, FunctionCallInfo fcinfo);

STREAMBATCH_FUNCTION(streambatch_take_first);
STREAMBATCH_FUNCTION(streambatch_take_last);
STREAMBATCH_FUNCTION(streambatch_taken);
STREAMBATCH_FUNCTION(streambatch_taken_only);

/* Transition functions: of first() and _only(); of last(). */
Datum
streambatch_take_first(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(take(fcinfo, false));
}

Datum
streambatch_take_last(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(take(fcinfo, true));
}

/* Final functions: of first() and last(); of _only(). */
Datum
streambatch_taken(PG_FUNCTION_ARGS)
{
	const Taken *taken = PG_ARGISNULL(0) ? NULL : (Taken *) PG_GETARG_POINTER(0);

	if (taken == NULL || taken->isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(taken->value);
}

Datum
streambatch_taken_only(PG_FUNCTION_ARGS)
{
	const Taken *taken = PG_ARGISNULL(0) ? NULL : (Taken *) PG_GETARG_POINTER(0);

	if (taken == NULL || taken->isnull || taken->many)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(taken->value);
}

/* The state with the value of the first row, or of this row if last. */
static Taken *
take(FunctionCallInfo fcinfo, bool last)
{
	MemoryContext memory;
	MemoryContext old;
	Taken *taken;

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "called in non-aggregate context");
	old = MemoryContextSwitchTo(memory);
	if (PG_ARGISNULL(0))
	{
		taken = palloc0(sizeof(Taken));
		get_typlenbyval(get_fn_expr_argtype(fcinfo->flinfo, 1), &taken->len, &taken->byval);
		copy_in(taken, fcinfo);
	}
	else
	{
		taken = (Taken *) PG_GETARG_POINTER(0);
		taken->many = true;
		if (last)
		{
			if (!taken->byval && !taken->isnull)
				pfree(DatumGetPointer(taken->value));
			copy_in(taken, fcinfo);
		}
	}
	MemoryContextSwitchTo(old);
	return taken;
}

static void
copy_in(Taken *taken, FunctionCallInfo fcinfo)
{
	taken->isnull = PG_ARGISNULL(1);
	taken->value = taken->isnull ? (Datum) 0 : datumCopy(PG_GETARG_DATUM(1), taken->byval, taken->len);
}

/*
 * combinability_check.c
 *		The check that partial results of an aggregate can be combined (see combinability_check.h).
 *
 * The rows consist of samples of the argument types and NULLs. Rows for which the aggregate raises an error are
 * omitted. For each contiguous run of the others (a zero among the factors of a product would hide a
 * difference), the value over all rows must equal the value over parts that are stored and combined as the
 * layers do: each row a part, in either order; two parts, split anywhere, including empty parts; and parts
 * combined one at a time, as the worker does. With a FILTER, which may exclude all rows, this must also hold
 * for no rows. An error while parts are combined is not evidence against the aggregate.
 */
#include "postgres.h"

#include "access/transam.h"
#include "aggregate/combinability_check.h"
#include "aggregate/sample_values.h"
#include "aggregate/transition.h"
#include "catalog/pg_type.h"
#include "common/guard.h"
#include "common/subtransaction.h"
#include "lib/stringinfo.h"
#include "parser/parse_agg.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

#include <math.h>

#define MAX_ROWS (SAMPLES_MAX + 2) /* one of NULLs, one with a NULL */

/* Tolerance for sums of floats that were added in different order. */
#define TOLERANCE 1e-9
#define TOLERANCE_FLOAT4 1e-5

typedef struct Row
{
	Datum *values;
	bool *nulls;
} Row;

/* A stored state. */
typedef struct Part
{
	Datum state;
	bool isnull;
} Part;

typedef struct Check
{
	const Aggref *aggref;
	Transition t;
	ExprContext *states;
	ExprContext *row_context;
	int nargs;
	Oid types[FUNC_MAX_ARGS];
	Row rows[MAX_ROWS];
	int nrows;
	/* the run of rows to check */
	int from;
	int to;
	/* the counterexample; NULL if none was found */
	char *at_once;
	char *in_parts;
	char *parts;
} Check;

static void check_aggregate(const Aggref *aggref);
static bool make_rows(Check *check);
static void add_row(Check *check, Datum *values, bool *nulls);
static bool attempted(void (*body)(void *arg), Check *check);
static void try_last_row(void *arg);
static char *at_once(Check *check, int from, int to);
static void advance(Check *check, TransitionValue *state, const Row *row);
static char *finish(Check *check, TransitionValue *state);
static char *print_value(Oid type, Datum value, bool isnull);
static bool any_contradicts(Check *check);
static void try_parts(void *arg);
static Part part(Check *check, int from, int to);
static bool contradicts(Check *check, const char *expected, const Part *parts, int n, char *how);
static char *merge(Check *check, const Part *parts, int n);
static bool same(const Check *check, const char *a, const char *b);
static Part join(Check *check, Part a, Part b);
static char *print_rows(const Check *check);

void
combinability_check(const ResultDef *results, int nresults, const StateDef *states, Oid owner,
					ArrayType *settings)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "streambatch check", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Guard guard;

	guard_enter(&guard, owner, settings);
	for (int i = 0; i < nresults; i++)
	{
		const ResultDef *result = &results[i];
		const StateDef *state = &states[result->states[0]];

		/* results that may be inexact are not checked */
		if (result->exact == NULL && state->partial && state->folded->aggfnoid >= FirstNormalObjectId)
			check_aggregate(state->folded);
	}
	guard_leave(&guard);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static void
check_aggregate(const Aggref *aggref)
{
	Check *check = palloc0(sizeof(Check));

	check->aggref = aggref;
	check->nargs = get_aggregate_argtypes(unconstify(Aggref *, aggref), check->types);
	check->states = CreateStandaloneExprContext();
	check->row_context = CreateStandaloneExprContext();
	transition_init(&check->t, aggref, true, check->states, check->row_context);
	if (make_rows(check) && any_contradicts(check))
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("aggregate %s cannot be used in a hybrid view", format_procedure(aggref->aggfnoid)),
			 errdetail("For %s its value is %s, but combining %s gives %s.", print_rows(check),
					   check->at_once, check->parts, check->in_parts),
			 errhint(
				 "Its combine function must produce the state of all rows from the states of any parts of them, in any order and including empty parts.")));
	FreeExprContext(check->states, true);
	FreeExprContext(check->row_context, true);
}

/* False if there are no samples of an argument's type, or too few rows. */
static bool
make_rows(Check *check)
{
	Datum(*samples)[SAMPLES_MAX] = palloc0((check->nargs + 1) * sizeof(*samples));
	int *counts = palloc0((check->nargs + 1) * sizeof(int));

	for (int i = 0; i < check->nargs; i++)
	{
		counts[i] = samples_of(check->types[i], samples[i]);
		if (counts[i] == 0)
			return false;
	}
	for (int row = 0; row < MAX_ROWS; row++)
	{
		Datum *values = palloc0((check->nargs + 1) * sizeof(Datum));
		bool *nulls = palloc0((check->nargs + 1) * sizeof(bool));

		for (int i = 0; i < check->nargs; i++)
		{
			int number = row > 2 ? row - 1 : row;

			/* in another order for each argument */
			values[i] = samples[i][(number * (2 * i + 1) + i) % counts[i]];
			/* the third row has only NULLs, the last one a NULL as first argument */
			nulls[i] = row == 2 || (row == MAX_ROWS - 1 && i == 0);
		}
		add_row(check, values, nulls);
	}
	return check->nrows > 1;
}

/* Add a row, unless the aggregate raises an error for it. */
static void
add_row(Check *check, Datum *values, bool *nulls)
{
	check->rows[check->nrows].values = values;
	check->rows[check->nrows].nulls = nulls;
	check->nrows++;
	if (!attempted(try_last_row, check))
		check->nrows--;
}

/* Run body in a subtransaction; true if it raised no error. */
static bool
attempted(void (*body)(void *arg), Check *check)
{
	ErrorData *error = subtransaction_run(body, check, CurrentMemoryContext);

	samples_rethrow_cancel(error);
	ReScanExprContext(check->states);
	ResetExprContext(check->row_context);
	return error == NULL;
}

static void
try_last_row(void *arg)
{
	Check *check = arg;

	(void) at_once(check, check->nrows - 1, check->nrows);
}

static char *
at_once(Check *check, int from, int to)
{
	TransitionValue state;

	transition_start(&check->t, &state);
	for (int i = from; i < to; i++)
		advance(check, &state, &check->rows[i]);
	return finish(check, &state);
}

static void
advance(Check *check, TransitionValue *state, const Row *row)
{
	MemoryContext old = MemoryContextSwitchTo(check->row_context->ecxt_per_tuple_memory);
	Transition *t = &check->t;
	bool skip = false;

	for (int i = 0; i < check->nargs; i++)
	{
		skip |= t->function.fn_strict && row->nulls[i];
		t->call->args[i + 1].value = row->values[i];
		t->call->args[i + 1].isnull = row->nulls[i];
	}
	if (!skip)
		transition_advance(t, state);
	MemoryContextSwitchTo(old);
	ResetExprContext(check->row_context);
}

/* The final value as text. Frees the state. */
static char *
finish(Check *check, TransitionValue *state)
{
	bool isnull;
	Datum value = transition_final(&check->t, state, &isnull);
	char *result = print_value(check->aggref->aggtype, value, isnull);

	ReScanExprContext(check->states);
	return result;
}

static char *
print_value(Oid type, Datum value, bool isnull)
{
	Oid output;
	bool varlena;

	if (isnull)
		return "NULL";
	getTypeOutputInfo(type, &output, &varlena);
	return OidOutputFunctionCall(output, value);
}

/*
 * Whether a run of rows is a counterexample. Of those that start with the same row, the longest is tried first.
 */
static bool
any_contradicts(Check *check)
{
	for (check->from = 0; check->from < check->nrows; check->from++)
	{
		for (check->to = check->nrows; check->to > check->from; check->to--)
		{
			if (attempted(try_parts, check) && check->parts != NULL)
				return true;
		}
	}
	check->from = check->to = 0;
	return check->aggref->aggfilter != NULL && attempted(try_parts, check) && check->parts != NULL;
}

static void
try_parts(void *arg)
{
	Check *check = arg;
	int from = check->from;
	int to = check->to;
	int n = to - from;
	char *expected = at_once(check, from, to);
	Part each[MAX_ROWS];
	Part reverse[MAX_ROWS];
	Part joined;

	for (int i = 0; i < n; i++)
		reverse[n - 1 - i] = each[i] = part(check, from + i, from + i + 1);
	if (contradicts(check, expected, each, n, "the states of each row"))
		return;
	if (contradicts(check, expected, reverse, n, "the states of each row in reverse order"))
		return;
	for (int cut = 0; cut <= n; cut++)
	{
		Part two[2] = {part(check, from, from + cut), part(check, from + cut, to)};

		if (contradicts(check, expected, two, 2,
						psprintf("the states of the first %d rows and the other %d rows", cut, n - cut)))
			return;
	}
	joined = part(check, from, from);
	for (int i = 0; i < n; i++)
		joined = join(check, joined, each[i]);
	if (contradicts(check, expected, &joined, 1,
					"the states of each row one at a time, with each result stored,"))
		return;
	joined = part(check, to, to);
	for (int i = n - 1; i >= 0; i--)
		joined = join(check, each[i], joined);
	(void) contradicts(check, expected, &joined, 1,
					   "the states of each row one at a time in reverse order, with each result stored,");
}

/* The stored state of some of the rows. */
static Part
part(Check *check, int from, int to)
{
	TransitionValue state;
	Part result;

	transition_start(&check->t, &state);
	for (int i = from; i < to; i++)
		advance(check, &state, &check->rows[i]);
	result.state = transition_store(&check->t, &state, &result.isnull);
	if (!result.isnull && !check->t.sealed)
		result.state = datumCopy(result.state, check->t.byval, check->t.len);
	ReScanExprContext(check->states);
	return result;
}

/* Whether merging the parts gives another value than expected; stores the counterexample. */
static bool
contradicts(Check *check, const char *expected, const Part *parts, int n, char *how)
{
	char *value = merge(check, parts, n);

	if (same(check, expected, value))
		return false;
	check->at_once = pstrdup(expected);
	check->in_parts = value;
	check->parts = how;
	return true;
}

static char *
merge(Check *check, const Part *parts, int n)
{
	TransitionValue state;

	transition_start(&check->t, &state);
	for (int i = 0; i < n; i++)
		transition_absorb(&check->t, &state, parts[i].state, parts[i].isnull);
	return finish(check, &state);
}

/* Whether two values are equal; numbers within the tolerance. */
static bool
same(const Check *check, const char *a, const char *b)
{
	char *a_end;
	char *b_end;
	double x = strtod(a, &a_end);
	double y = strtod(b, &b_end);
	double tolerance = check->aggref->aggtype == FLOAT4OID ? TOLERANCE_FLOAT4 : TOLERANCE;

	if (strcmp(a, b) == 0)
		return true;
	return *a != '\0' && *b != '\0' && *a_end == '\0' && *b_end == '\0' &&
		   fabs(x - y) <= tolerance * Max(Max(fabs(x), fabs(y)), 1);
}

/* Combine two stored states as the worker does. */
static Part
join(Check *check, Part a, Part b)
{
	Part result = {(Datum) 0, true};

	if (a.isnull || b.isnull)
		return a.isnull ? b : a;
	result.state = transition_combine(&check->t, a.state, b.state, &result.isnull);
	ReScanExprContext(check->states);
	return result;
}

static char *
print_rows(const Check *check)
{
	StringInfoData buf;

	if (check->from == check->to)
		return "no rows";
	initStringInfo(&buf);
	appendStringInfoString(&buf, "the rows ");
	for (int row = check->from; row < check->to; row++)
	{
		appendStringInfoString(&buf, row > check->from ? ", (" : "(");
		for (int i = 0; i < check->nargs; i++)
			appendStringInfo(
				&buf, "%s%s", i > 0 ? ", " : "",
				print_value(check->types[i], check->rows[row].values[i], check->rows[row].nulls[i]));
		appendStringInfoChar(&buf, ')');
	}
	return buf.data;
}

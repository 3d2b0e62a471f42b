/*
 * quantile.c
 *		SQL functions for percentiles of united sketches: _quantile(), _quantiles(); for views that were made with version
 *		0.1.0, _percentile(), _percentiles().
 *
 * A list of values gives what PostgreSQL's percentile_cont() and percentile_disc() return, a t-digest an estimate.
 */
#include "postgres.h"

#include "aggregate/sketch_extension.h"
#include "aggregate/value_list.h"
#include "catalog/pg_type.h"
#include "common/export.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* A sketch, opened to compute percentiles, and how they are computed. */
typedef struct Quantiles
{
	Sketches *s;
	Datum sketch;
	Oid result; /* type */
	bool discrete;
	bool descending;
	Oid type; /* of the values of a list */
	int n;	  /* 0: not a list */
	Datum values[VALUE_LIST_MAX];
} Quantiles;

static bool open_sketch(Quantiles *q, FunctionCallInfo fcinfo);
static Datum array_of_quantiles(const Quantiles *q, ArrayType *fractions);
static Datum quantile(const Quantiles *q, float8 fraction);
static Datum estimate(const Quantiles *q, float8 fraction);

STREAMBATCH_FUNCTION(streambatch_quantile);
STREAMBATCH_FUNCTION(streambatch_quantiles);
STREAMBATCH_FUNCTION(streambatch_percentile);
STREAMBATCH_FUNCTION(streambatch_percentiles);

/* (sketch, fraction, NULL of the result's type, NULL of the t-digests' type, discrete, descending) */
Datum
streambatch_quantile(PG_FUNCTION_ARGS)
{
	Quantiles q = {0};

	if (!open_sketch(&q, fcinfo))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(quantile(&q, PG_GETARG_FLOAT8(1)));
}

/* (sketch, fractions, NULL of the result's elements' type, NULL of the t-digests' type, discrete, descending) */
Datum
streambatch_quantiles(PG_FUNCTION_ARGS)
{
	Quantiles q = {0};

	if (!open_sketch(&q, fcinfo))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(array_of_quantiles(&q, PG_GETARG_ARRAYTYPE_P(1)));
}

/* (digest, fraction, NULL of the result's type) */
Datum
streambatch_percentile(PG_FUNCTION_ARGS)
{
	return streambatch_quantile(fcinfo);
}

/* (digest, fractions, NULL of the result's elements' type) */
Datum
streambatch_percentiles(PG_FUNCTION_ARGS)
{
	return streambatch_quantiles(fcinfo);
}

/* Of the arguments of any of the functions. Returns false if the result is NULL. */
static bool
open_sketch(Quantiles *q, FunctionCallInfo fcinfo)
{
	bool digest = PG_NARGS() == 3;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || (!digest && (PG_ARGISNULL(4) || PG_ARGISNULL(5))))
		return false;
	q->s = sketch_functions(fcinfo->flinfo, 0, -1);
	q->sketch = PG_GETARG_DATUM(0);
	q->result = get_fn_expr_argtype(fcinfo->flinfo, 2);
	if (digest)
		return true;
	q->discrete = PG_GETARG_BOOL(4);
	q->descending = PG_GETARG_BOOL(5);
	if (value_list_is(q->sketch))
	{
		q->n = value_list_read(q->sketch, &q->type, q->values);
		value_list_sort(q->type, q->values, q->n, q->descending);
	}
	return true;
}

static Datum
array_of_quantiles(const Quantiles *q, ArrayType *fractions)
{
	Datum *elems;
	bool *nulls;
	int n;
	int16 len;
	bool byval;
	char align;

	deconstruct_array(fractions, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elems, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("percentile fraction must not be null")));
		elems[i] = quantile(q, DatumGetFloat8(elems[i]));
	}
	get_typlenbyvalalign(q->result, &len, &byval, &align);
	return PointerGetDatum(construct_array(elems, n, q->result, len, byval, align));
}

static Datum
quantile(const Quantiles *q, float8 fraction)
{
	/* NaN is refused as well */
	if (!(fraction >= 0 && fraction <= 1))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("percentile value %g is not between 0 and 1", fraction)));
	if (q->n > 0)
		return value_list_percentile(q->type, q->values, q->n, fraction, q->discrete, q->result);
	return estimate(q, q->descending ? 1 - fraction : fraction);
}

/* One quantile of a digest. */
static Datum
estimate(const Quantiles *q, float8 fraction)
{
	Sketches *s = q->s;
	Datum args[2] = {(Datum) 0, Float8GetDatum(fraction)};
	MemoryContext old;
	Datum state;
	float8 value;
	int64 unused = 0;

	if (s->kind->quantile == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("cannot compute percentiles from a sketch of type %s", format_type_be(s->type))));
	old = sketch_begin(s);
	args[0] = s->kind->check(q->sketch, &unused);
	state = sketch_call(&s->absorb_quantile, (Node *) s->agg, (Datum) 0, 2, args);
	value = DatumGetFloat8(sketch_call(&s->quantile, (Node *) s->agg, state, 0, NULL));
	MemoryContextSwitchTo(old);
	ResetExprContext(s->agg->curaggcontext);
	return value_list_from_float8(value, q->result);
}

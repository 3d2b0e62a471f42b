/*
 * sketch.c
 *		SQL functions over sketches of the extensions hll and tdigest: streambatch._sketch(), _sketch_merge(), _percentile().
 *
 *		_sketch(user_id, NULL::hll)			a HyperLogLog of the values
 *		_sketch(price, NULL::tdigest)		a t-digest of them; NULL::bytea: its bytes, which state tables store
 *		_sketch_merge(s2)					the union of a column of sketches
 *		_digest(s4, NULL::tdigest)			the t-digest of stored bytes
 *
 * The extensions' own transition functions do the work, called as by an aggregate. Values are collected in a
 * buffer first, because an unpacked state of hll takes 128 kB in memory, one of tdigest 32 kB, whatever its
 * contents, and a worker holds one state for each group. A packed sketch with a growing buffer is only as large
 * as its contents. The merge unpacks only if there are two sketches or more, and returns a single one
 * unchanged.
 *
 * HyperLogLog takes hashes. They are those of PostgreSQL for the value's type, so that equal values count once
 * (1.0 and 1.00, -0 and 0). A t-digest takes float8 values without NaN, with which its algorithm does not
 * terminate, without infinity, and without values so large that means could overflow.
 */
#include "postgres.h"

#include <float.h>

#include "aggregate/sketch.h"
#include "aggregate/sketch_check.h"
#include "aggregate/sketch_hash.h"
#include "catalog/dependency.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/export.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#define FIRST_BUFFER 8

/* Buffered items may be float8 values. */
StaticAssertDecl(FLOAT8PASSBYVAL, "float8 must be passed by value");

/* An argument of an extension's function. */
typedef struct Parameter
{
	const char *type; /* name of a type of the extension; NULL: oid */
	Oid oid;
	int64 value; /* the constant that is passed; not for the item */
} Parameter;

#define MAX_PARAMETERS 6

/* Description of an extension's sketches. */
typedef struct SketchKind
{
	const char *name; /* of the extension and of its type */
	bool hashed;	  /* takes hashes; otherwise float8 values */
	int buffer;		  /* maximum number of buffered items */
	const char *add;  /* transition function for an item; absorb: for a sketch */
	int nadd;
	Parameter parameters[MAX_PARAMETERS]; /* of add, after the state */
	const char *absorb;
	const char *pack; /* final function */
	const char *absorb_quantile;
	const char *quantile;
	const char *cardinality;
	Datum (*check)(Datum sketch, int64 *count); /* before another function sees a sketch */
} SketchKind;

static const SketchKind kinds[] = {
	{"hll",
	 true,
	 512,
	 "hll_add_trans4",
	 5,
	 {{"hll_hashval"},
	  {NULL, INT4OID, SKETCH_HLL_LOG2M},
	  {NULL, INT4OID, SKETCH_HLL_REGWIDTH},
	  {NULL, INT8OID, -1}, /* explicit representation while it is smaller */
	  {NULL, INT4OID, 1}}, /* sparse representation enabled */
	 "hll_union_trans",
	 "hll_pack",
	 NULL,
	 NULL,
	 "hll_cardinality",
	 sketch_check_hll},
	{"tdigest",
	 false,
	 10 * SKETCH_TDIGEST_COMPRESSION, /* its own buffer's size */
	 "tdigest_add_double",
	 2,
	 {{NULL, FLOAT8OID}, {NULL, INT4OID, SKETCH_TDIGEST_COMPRESSION}},
	 "tdigest_add_digest",
	 "tdigest_digest",
	 "tdigest_add_digest",
	 "tdigest_percentiles",
	 NULL,
	 sketch_check_tdigest},
};

/* An extension's functions and memory to run them in; cached in the calling function's fn_extra. */
typedef struct Sketches
{
	const SketchKind *kind;
	Oid type;
	SketchHash hash;
	FmgrInfo add;
	FmgrInfo absorb;
	FmgrInfo pack;
	FmgrInfo absorb_quantile;
	FmgrInfo quantile;
	FmgrInfo cardinality;
	AggState *agg; /* passed to the functions as context when no aggregate calls them */
} Sketches;

/* One group's state in the memory of the aggregate: a packed sketch and buffered items. */
typedef struct SketchState
{
	Datum packed; /* 0: none */
	int nitems;
	int size;
	Datum *items;
} SketchState;

/* State of the merge: a single sketch, unchanged, or the union of several. */
typedef struct MergeState
{
	Datum single;
	Datum united; /* a state of the extension */
	bool several;
	int64 count; /* of values in united t-digests */
} MergeState;

/*
 * State of _exact(exact value, sketch), which returns whether a group's value is exact: it is that of a single
 * row, or there are no sketches.
 */
#define EXACT_ROW 1	   /* there was a row */
#define EXACT_NOT 2	   /* there was another one, or one without an exact value */
#define EXACT_SKETCH 4 /* there was a sketch */

static Sketches *sketches(FmgrInfo *caller, int argument, int value);
static const SketchKind *kind_of(Oid type);
static void open_functions(Sketches *s, MemoryContext memory);
static void find_function(FmgrInfo *function, MemoryContext memory, Oid nsp, const char *name, int nargs,
						  Oid *types);
static Datum quantile(Sketches *s, Datum sketch, float8 fraction, Oid type);
static MemoryContext begin_work(Sketches *s);
static Datum call(FmgrInfo *function, Node *aggregate, Datum state, int nargs, const Datum *args);
static Datum to_type(float8 value, Oid type);
static AggState *make_caller(void);
static Datum item_of(Sketches *s, Datum value, Oid collation);
static float8 check_digest_value(float8 value);
static void flush(Sketches *s, SketchState *state, MemoryContext memory);
static Datum end_work(Sketches *s, Datum state, MemoryContext memory);

STREAMBATCH_FUNCTION(streambatch_sketch_add);
STREAMBATCH_FUNCTION(streambatch_sketch_end);
STREAMBATCH_FUNCTION(streambatch_sketch_combine);
STREAMBATCH_FUNCTION(streambatch_sketch_merge_add);
STREAMBATCH_FUNCTION(streambatch_sketch_merge_end);
STREAMBATCH_FUNCTION(streambatch_cardinality);
STREAMBATCH_FUNCTION(streambatch_digest_value);
STREAMBATCH_FUNCTION(streambatch_digest);
STREAMBATCH_FUNCTION(streambatch_percentile);
STREAMBATCH_FUNCTION(streambatch_percentiles);
STREAMBATCH_FUNCTION(streambatch_exact_add);
STREAMBATCH_FUNCTION(streambatch_exact_end);

Oid
sketch_type(const char *name)
{
	Oid extension = get_extension_oid(name, true);
	CatCList *types;
	Oid result = InvalidOid;

	if (!OidIsValid(extension))
		return InvalidOid;
	/* getExtensionType() came with a minor release of each version */
	types = SearchSysCacheList1(TYPENAMENSP, CStringGetDatum(name));
	for (int i = 0; i < types->n_members; i++)
	{
		Oid type = ((Form_pg_type) GETSTRUCT(&types->members[i]->tuple))->oid;

		if (getExtensionOfObject(TypeRelationId, type) == extension)
			result = type;
	}
	ReleaseCatCacheList(types);
	return result;
}

Oid
sketch_namespace(Oid type)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	result = ((Form_pg_type) GETSTRUCT(tuple))->typnamespace;
	ReleaseSysCache(tuple);
	return result;
}

/* Transition function of _sketch: (state, value, NULL of the sketch's type). */
Datum
streambatch_sketch_add(PG_FUNCTION_ARGS)
{
	SketchState *state = PG_ARGISNULL(0) ? NULL : (SketchState *) PG_GETARG_POINTER(0);
	Sketches *s = sketches(fcinfo->flinfo, 2, 1);
	MemoryContext memory;
	Datum item;

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "called in non-aggregate context");
	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	item = item_of(s, PG_GETARG_DATUM(1), PG_GET_COLLATION());
	if (state == NULL)
	{
		state = MemoryContextAllocZero(memory, sizeof(SketchState));
		state->size = FIRST_BUFFER;
		state->items = MemoryContextAlloc(memory, state->size * sizeof(Datum));
	}
	if (state->nitems == s->kind->buffer)
		flush(s, state, memory);
	if (state->nitems == state->size)
	{
		state->size = Min(2 * state->size, s->kind->buffer);
		state->items = repalloc(state->items, state->size * sizeof(Datum));
	}
	state->items[state->nitems++] = item;
	PG_RETURN_POINTER(state);
}

/* Final function of _sketch: the packed sketch, or NULL if there were no values. */
Datum
streambatch_sketch_end(PG_FUNCTION_ARGS)
{
	SketchState *state = PG_ARGISNULL(0) ? NULL : (SketchState *) PG_GETARG_POINTER(0);
	MemoryContext memory;

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "called in non-aggregate context");
	if (state == NULL)
		PG_RETURN_NULL();
	flush(sketches(fcinfo->flinfo, 2, -1), state, memory);
	PG_RETURN_DATUM(state->packed);
}

/* Combine two sketches. */
Datum
streambatch_sketch_combine(PG_FUNCTION_ARGS)
{
	Sketches *s = sketches(fcinfo->flinfo, 0, -1);
	MemoryContext old = begin_work(s);
	Datum state = (Datum) 0;
	int64 count = 0;

	for (int i = 0; i < 2; i++)
	{
		Datum sketch = s->kind->check(PG_GETARG_DATUM(i), &count);

		state = call(&s->absorb, (Node *) s->agg, state, 1, &sketch);
	}
	PG_RETURN_DATUM(end_work(s, state, old));
}

/*
 * Transition function of _sketch_merge: (state, sketch). The extension's functions run in the memory of this
 * aggregate.
 */
Datum
streambatch_sketch_merge_add(PG_FUNCTION_ARGS)
{
	MergeState *state = PG_ARGISNULL(0) ? NULL : (MergeState *) PG_GETARG_POINTER(0);
	Sketches *s = sketches(fcinfo->flinfo, 1, -1);
	MemoryContext memory;
	Datum sketch;

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "called in non-aggregate context");
	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	sketch = PG_GETARG_DATUM(1);
	if (state == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);

		state = palloc0(sizeof(MergeState));
		/* only the pointer, if it is stored out of line */
		state->single = datumCopy(sketch, false, -1);
		MemoryContextSwitchTo(old);
		PG_RETURN_POINTER(state);
	}
	if (!state->several)
	{
		Datum first = s->kind->check(state->single, &state->count);

		state->united = call(&s->absorb, fcinfo->context, (Datum) 0, 1, &first);
	}
	state->several = true;
	sketch = s->kind->check(sketch, &state->count);
	state->united = call(&s->absorb, fcinfo->context, state->united, 1, &sketch);
	PG_RETURN_POINTER(state);
}

Datum
streambatch_sketch_merge_end(PG_FUNCTION_ARGS)
{
	MergeState *state = PG_ARGISNULL(0) ? NULL : (MergeState *) PG_GETARG_POINTER(0);
	Sketches *s;
	Datum packed;

	if (state == NULL)
		PG_RETURN_NULL();
	if (!state->several)
		PG_RETURN_DATUM(state->single);
	s = sketches(fcinfo->flinfo, 1, -1);
	packed = call(&s->pack, fcinfo->context, state->united, 0, NULL);
	if (packed == (Datum) 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(packed);
}

/* How many different values a HyperLogLog stands for, to the nearest whole number. */
Datum
streambatch_cardinality(PG_FUNCTION_ARGS)
{
	Sketches *s = sketches(fcinfo->flinfo, 0, -1);
	int64 unused = 0;
	Datum result;

	if (s->kind->cardinality == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("cannot count the distinct values of a sketch of type %s", format_type_be(s->type))));
	result = call(&s->cardinality, NULL, s->kind->check(PG_GETARG_DATUM(0), &unused), 0, NULL);
	PG_RETURN_DATUM(DirectFunctionCall1(dtoi8, result));
}

/* Raises for a value that a t-digest does not support. */
Datum
streambatch_digest_value(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(check_digest_value(PG_GETARG_FLOAT8(0)));
}

/* (bytes, NULL of type tdigest) */
Datum
streambatch_digest(PG_FUNCTION_ARGS)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	const SketchKind *kind = kind_of(type);
	int64 unused = 0;

	if (kind->hashed || type == BYTEAOID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("type %s is not the type of t-digests", format_type_be(type))));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(kind->check(PG_GETARG_DATUM(0), &unused));
}

/* (digest, fraction, NULL of the result's type) */
Datum
streambatch_percentile(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(quantile(sketches(fcinfo->flinfo, 0, -1), PG_GETARG_DATUM(0), PG_GETARG_FLOAT8(1),
							 get_fn_expr_argtype(fcinfo->flinfo, 2)));
}

/* (digest, fractions, NULL of the result's elements' type) */
Datum
streambatch_percentiles(PG_FUNCTION_ARGS)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, 2);
	Sketches *s;
	Datum *fractions;
	bool *nulls;
	int n;
	int16 len;
	bool byval;
	char align;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	s = sketches(fcinfo->flinfo, 0, -1);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &fractions, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("percentile fraction must not be null")));
		fractions[i] = quantile(s, PG_GETARG_DATUM(0), DatumGetFloat8(fractions[i]), type);
	}
	get_typlenbyvalalign(type, &len, &byval, &align);
	PG_RETURN_ARRAYTYPE_P(construct_array(fractions, n, type, len, byval, align));
}

Datum
streambatch_exact_add(PG_FUNCTION_ARGS)
{
	int32 state = PG_GETARG_INT32(0);

	if ((state & EXACT_ROW) || PG_ARGISNULL(1))
		state |= EXACT_NOT;
	if (!PG_ARGISNULL(2))
		state |= EXACT_SKETCH;
	PG_RETURN_INT32(state | EXACT_ROW);
}

Datum
streambatch_exact_end(PG_FUNCTION_ARGS)
{
	int32 state = PG_GETARG_INT32(0);

	PG_RETURN_BOOL((state & EXACT_NOT) == 0 || (state & EXACT_SKETCH) == 0);
}

/*
 * The functions for the sketch type of an argument; value: number of the argument that is added to sketches, or
 * -1.
 */
static Sketches *
sketches(FmgrInfo *caller, int argument, int value)
{
	Sketches *s = caller->fn_extra;
	MemoryContext old;

	if (s != NULL)
		return s;
	old = MemoryContextSwitchTo(caller->fn_mcxt);
	s = palloc0(sizeof(Sketches));
	s->kind = kind_of(get_fn_expr_argtype(caller, argument));
	s->type = sketch_type(s->kind->name);
	open_functions(s, caller->fn_mcxt);
	s->agg = make_caller();
	if (value >= 0)
	{
		Oid type = getBaseType(get_fn_expr_argtype(caller, value));

		if (s->kind->hashed)
			sketch_hash_init(&s->hash, type, caller->fn_mcxt);
		else if (type != FLOAT8OID)
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("values of a t-digest must be of type double precision")));
	}
	MemoryContextSwitchTo(old);
	caller->fn_extra = s;
	return s;
}

static const SketchKind *
kind_of(Oid type)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		Oid known = sketch_type(kinds[i].name);

		if (OidIsValid(known) && (type == known || (type == BYTEAOID && !kinds[i].hashed)))
			return &kinds[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("type %s is not a sketch type of extension hll or tdigest", format_type_be(type))));
}

static void
open_functions(Sketches *s, MemoryContext memory)
{
	const SketchKind *kind = s->kind;
	Oid nsp = sketch_namespace(s->type);
	Oid types[MAX_PARAMETERS + 1] = {INTERNALOID};

	for (int i = 0; i < kind->nadd; i++)
	{
		const Parameter *p = &kind->parameters[i];

		types[i + 1] = p->type ? GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(p->type),
												 ObjectIdGetDatum(nsp))
							   : p->oid;
	}
	find_function(&s->add, memory, nsp, kind->add, kind->nadd + 1, types);
	types[1] = s->type;
	find_function(&s->absorb, memory, nsp, kind->absorb, 2, types);
	find_function(&s->pack, memory, nsp, kind->pack, 1, types);
	if (kind->quantile != NULL)
	{
		types[2] = FLOAT8OID;
		find_function(&s->absorb_quantile, memory, nsp, kind->absorb_quantile, 3, types);
		find_function(&s->quantile, memory, nsp, kind->quantile, 1, types);
	}
	if (kind->cardinality != NULL)
		find_function(&s->cardinality, memory, nsp, kind->cardinality, 1, &s->type);
}

static void
find_function(FmgrInfo *function, MemoryContext memory, Oid nsp, const char *name, int nargs, Oid *types)
{
	List *qualified = list_make2(makeString(get_namespace_name(nsp)), makeString(pstrdup(name)));

	fmgr_info_cxt(LookupFuncName(qualified, nargs, types, false), function, memory);
}

/* One quantile of a digest. */
static Datum
quantile(Sketches *s, Datum sketch, float8 fraction, Oid type)
{
	Datum args[2] = {(Datum) 0, Float8GetDatum(fraction)};
	MemoryContext old;
	Datum state;
	float8 value;
	int64 unused = 0;

	if (s->kind->quantile == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("cannot compute percentiles from a sketch of type %s", format_type_be(s->type))));
	/* NaN is refused as well */
	if (!(fraction >= 0 && fraction <= 1))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("percentile value %g is not between 0 and 1", fraction)));
	old = begin_work(s);
	args[0] = s->kind->check(sketch, &unused);
	state = call(&s->absorb_quantile, (Node *) s->agg, (Datum) 0, 2, args);
	value = DatumGetFloat8(call(&s->quantile, (Node *) s->agg, state, 0, NULL));
	MemoryContextSwitchTo(old);
	ResetExprContext(s->agg->curaggcontext);
	return to_type(value, type);
}

/* Switch to memory for calls without an aggregate; returns the previous context. */
static MemoryContext
begin_work(Sketches *s)
{
	ResetExprContext(s->agg->curaggcontext);
	return MemoryContextSwitchTo(s->agg->curaggcontext->ecxt_per_tuple_memory);
}

/* Call one of the extension's functions for an aggregate; 0 for a state is NULL. */
static Datum
call(FmgrInfo *function, Node *aggregate, Datum state, int nargs, const Datum *args)
{
	LOCAL_FCINFO(fcinfo, MAX_PARAMETERS + 1);
	Datum result;

	InitFunctionCallInfoData(*fcinfo, function, nargs + 1, InvalidOid, aggregate, NULL);
	fcinfo->args[0].value = state;
	fcinfo->args[0].isnull = state == (Datum) 0;
	for (int i = 0; i < nargs; i++)
	{
		fcinfo->args[i + 1].value = args[i];
		fcinfo->args[i + 1].isnull = false;
	}
	result = FunctionCallInvoke(fcinfo);
	return fcinfo->isnull ? (Datum) 0 : result;
}

/* A value of a t-digest as a value of one of the types that percentiles are taken of. */
static Datum
to_type(float8 value, Oid type)
{
	static const struct
	{
		Oid type;
		float8 least; /* bounds of the type; values beyond them through rounding are clamped */
		float8 greatest;
		PGFunction cast;
	} types[] = {
		{INT2OID, PG_INT16_MIN, PG_INT16_MAX, dtoi2},
		{INT4OID, PG_INT32_MIN, PG_INT32_MAX, dtoi4},
		{INT8OID, -9223372036854775808.0, 9223372036854774784.0, dtoi8},
		{FLOAT4OID, -FLT_MAX, FLT_MAX, dtof},
		{NUMERICOID, -SKETCH_TDIGEST_LIMIT, SKETCH_TDIGEST_LIMIT, float8_numeric},
	};

	for (int i = 0; i < lengthof(types); i++)
	{
		if (types[i].type == type)
			return DirectFunctionCall1(types[i].cast,
									   Float8GetDatum(Max(types[i].least, Min(types[i].greatest, value))));
	}
	if (type != FLOAT8OID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("cannot convert a t-digest value to type %s", format_type_be(type))));
	return Float8GetDatum(value);
}

/* A minimal AggState: the extension's functions check that an aggregate calls them, and use its memory. */
static AggState *
make_caller(void)
{
	AggState *agg = makeNode(AggState);

	agg->curaggcontext = CreateStandaloneExprContext();
	return agg;
}

static Datum
item_of(Sketches *s, Datum value, Oid collation)
{
	if (!s->kind->hashed)
		return Float8GetDatum(check_digest_value(DatumGetFloat8(value)));
	return sketch_hash(&s->hash, value, collation);
}

/* Raises for a value that a t-digest does not support. */
static float8
check_digest_value(float8 value)
{
	if (!(value >= -SKETCH_TDIGEST_LIMIT && value <= SKETCH_TDIGEST_LIMIT))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("cannot store the value %s in a t-digest",
						DatumGetCString(DirectFunctionCall1(float8out, Float8GetDatum(value)))),
				 errdetail("NaN, infinity and values beyond %g are not supported.", SKETCH_TDIGEST_LIMIT),
				 errhint("Exclude such values with FILTER.")));
	return value;
}

/* Add the buffered items to the packed sketch. */
static void
flush(Sketches *s, SketchState *state, MemoryContext memory)
{
	Node *agg = (Node *) s->agg;
	Datum before = state->packed;
	Datum args[MAX_PARAMETERS];
	Datum unpacked = (Datum) 0;
	MemoryContext old;

	if (state->nitems == 0)
		return;
	old = begin_work(s);
	if (before != (Datum) 0)
		unpacked = call(&s->absorb, agg, unpacked, 1, &before);
	for (int i = 1; i < s->kind->nadd; i++)
		args[i] = s->kind->parameters[i].oid == INT8OID ? Int64GetDatum(s->kind->parameters[i].value)
														: Int32GetDatum(s->kind->parameters[i].value);
	for (int i = 0; i < state->nitems; i++)
	{
		args[0] = state->items[i];
		unpacked = call(&s->add, agg, unpacked, s->kind->nadd, args);
	}
	state->packed = end_work(s, unpacked, memory);
	MemoryContextSwitchTo(old);
	state->nitems = 0;
	if (before != (Datum) 0)
		pfree(DatumGetPointer(before));
}

/* Pack a state of the extension, and copy it to other memory. */
static Datum
end_work(Sketches *s, Datum state, MemoryContext memory)
{
	Datum packed = call(&s->pack, (Node *) s->agg, state, 0, NULL);

	MemoryContextSwitchTo(memory);
	if (packed != (Datum) 0)
		packed = datumCopy(packed, false, -1);
	ResetExprContext(s->agg->curaggcontext);
	return packed;
}

/*
 * sketch.c
 *		SQL functions over sketches of the extensions hll and tdigest: _sketch(), _sketch_merge(), _cardinality().
 *
 *		_sketch(user_id, NULL::hll)			a HyperLogLog of the values
 *		_sketch(price, NULL::bytea)			a list of them while they are few, then a t-digest as bytes
 *		_sketch(price, NULL::tdigest)		a t-digest; views that were made with version 0.1.0 store it
 *		_sketch_merge(s2)					the union of a column of sketches
 *
 * The extensions' own transition functions do the work, called as by an aggregate. Values are collected in a
 * buffer first, because an unpacked state of hll takes 128 kB in memory, one of tdigest 32 kB, whatever its
 * contents, and a worker holds one state for each group. A packed sketch with a growing buffer is only as large
 * as its contents. The merge unpacks only if there are two sketches or more, and returns a single one
 * unchanged.
 *
 * HyperLogLog takes hashes. They are those of PostgreSQL for the value's type, so that equal values count once
 * (1.0 and 1.00, -0 and 0). A t-digest takes float8 values without NaN, with which its algorithm does not
 * terminate, without infinity, and without values so large that means could overflow. A list has values of their own
 * type, which become float8 when they are too many (value_list.h).
 */
#include "postgres.h"

#include "aggregate/sketch.h"
#include "aggregate/sketch_extension.h"
#include "aggregate/value_list.h"
#include "catalog/pg_type.h"
#include "common/export.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#define FIRST_BUFFER 8

/* Buffered items may be float8 values. */
StaticAssertDecl(FLOAT8PASSBYVAL, "float8 must be passed by value");

/* One group's state in the memory of the aggregate: a packed sketch and buffered items. */
typedef struct SketchState
{
	Datum packed; /* 0: none */
	bool listed;  /* nothing is packed, and the items are values that may become a list */
	int nitems;
	int size;
	Datum *items;
} SketchState;

/* A union of sketches: a list of values, or a state of the extension. */
typedef struct Union
{
	Datum united; /* a state of the extension; 0: none, the values are a list */
	Oid type;	  /* of values */
	int nvalues;
	Datum *values;
	int64 count; /* of values in united t-digests */
} Union;

/* State of the merge: a single sketch, unchanged, or the union of several. */
typedef struct MergeState
{
	Datum single;
	bool several;
	Union all;
} MergeState;

static SketchState *new_state(const Sketches *s, MemoryContext memory);
static Datum item_of(Sketches *s, Datum value, Oid collation);
static float8 check_digest_value(float8 value);
static void to_items(const Sketches *s, SketchState *state);
static void flush(Sketches *s, SketchState *state, MemoryContext memory);
static void unite(Sketches *s, Union *all, Datum sketch, Node *aggregate, MemoryContext memory);
static void append_values(Union *all, Oid type, const Datum *values, int n, MemoryContext memory);
static void absorb_values(Sketches *s, Union *all, Node *aggregate, Oid type, Datum *values, int n);
static Datum pack_union(Sketches *s, Union *all, Node *aggregate);

STREAMBATCH_FUNCTION(streambatch_sketch_add);
STREAMBATCH_FUNCTION(streambatch_sketch_end);
STREAMBATCH_FUNCTION(streambatch_sketch_combine);
STREAMBATCH_FUNCTION(streambatch_sketch_merge_add);
STREAMBATCH_FUNCTION(streambatch_sketch_merge_end);
STREAMBATCH_FUNCTION(streambatch_cardinality);
STREAMBATCH_FUNCTION(streambatch_digest_value);

/* Transition function of _sketch: (state, value, NULL of the sketch's type). */
Datum
streambatch_sketch_add(PG_FUNCTION_ARGS)
{
	SketchState *state = PG_ARGISNULL(0) ? NULL : (SketchState *) PG_GETARG_POINTER(0);
	Sketches *s = sketch_functions(fcinfo->flinfo, 2, 1);
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
	if (state == NULL)
		state = new_state(s, memory);
	if (state->listed && state->nitems == VALUE_LIST_MAX)
		to_items(s, state);
	item = PG_GETARG_DATUM(1);
	if (!state->listed || s->value == FLOAT8OID)
		item = item_of(s, item, PG_GET_COLLATION());
	else if (s->value == NUMERICOID)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);

		item = PointerGetDatum(PG_DETOAST_DATUM_COPY(item));
		MemoryContextSwitchTo(old);
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
	Sketches *s = sketch_functions(fcinfo->flinfo, 2, 1);
	MemoryContext memory;

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "called in non-aggregate context");
	if (state == NULL)
		PG_RETURN_NULL();
	if (state->listed)
	{
		Datum list = value_list_make(s->value, state->items, state->nitems);

		if (list != (Datum) 0)
			PG_RETURN_DATUM(list);
		to_items(s, state);
	}
	flush(s, state, memory);
	PG_RETURN_DATUM(state->packed);
}

/* Combine two sketches. */
Datum
streambatch_sketch_combine(PG_FUNCTION_ARGS)
{
	Sketches *s = sketch_functions(fcinfo->flinfo, 0, -1);
	MemoryContext old = sketch_begin(s);
	Union all = {0};

	for (int i = 0; i < 2; i++)
		unite(s, &all, PG_GETARG_DATUM(i), (Node *) s->agg, CurrentMemoryContext);
	PG_RETURN_DATUM(sketch_end(s, pack_union(s, &all, (Node *) s->agg), old));
}

/*
 * Transition function of _sketch_merge: (state, sketch). The extension's functions run in the memory of this
 * aggregate.
 */
Datum
streambatch_sketch_merge_add(PG_FUNCTION_ARGS)
{
	MergeState *state = PG_ARGISNULL(0) ? NULL : (MergeState *) PG_GETARG_POINTER(0);
	Sketches *s = sketch_functions(fcinfo->flinfo, 1, -1);
	MemoryContext memory;

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "called in non-aggregate context");
	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	if (state == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);

		state = palloc0(sizeof(MergeState));
		/* only the pointer, if it is stored out of line */
		state->single = datumCopy(PG_GETARG_DATUM(1), false, -1);
		MemoryContextSwitchTo(old);
		PG_RETURN_POINTER(state);
	}
	if (!state->several)
		unite(s, &state->all, state->single, fcinfo->context, memory);
	state->several = true;
	unite(s, &state->all, PG_GETARG_DATUM(1), fcinfo->context, memory);
	PG_RETURN_POINTER(state);
}

Datum
streambatch_sketch_merge_end(PG_FUNCTION_ARGS)
{
	MergeState *state = PG_ARGISNULL(0) ? NULL : (MergeState *) PG_GETARG_POINTER(0);
	Datum packed;

	if (state == NULL)
		PG_RETURN_NULL();
	if (!state->several)
		PG_RETURN_DATUM(state->single);
	packed = pack_union(sketch_functions(fcinfo->flinfo, 1, -1), &state->all, fcinfo->context);
	if (packed == (Datum) 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(packed);
}

/* How many different values a HyperLogLog stands for, to the nearest whole number. */
Datum
streambatch_cardinality(PG_FUNCTION_ARGS)
{
	Sketches *s = sketch_functions(fcinfo->flinfo, 0, -1);
	int64 unused = 0;
	Datum result;

	if (s->kind->cardinality == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("cannot count the distinct values of a sketch of type %s", format_type_be(s->type))));
	result = sketch_call(&s->cardinality, NULL, s->kind->check(PG_GETARG_DATUM(0), &unused), 0, NULL);
	PG_RETURN_DATUM(DirectFunctionCall1(dtoi8, result));
}

/* Raises for a value that a t-digest does not support. */
Datum
streambatch_digest_value(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(check_digest_value(PG_GETARG_FLOAT8(0)));
}

static SketchState *
new_state(const Sketches *s, MemoryContext memory)
{
	SketchState *state = MemoryContextAllocZero(memory, sizeof(SketchState));

	state->listed = s->bytes;
	state->size = FIRST_BUFFER;
	state->items = MemoryContextAlloc(memory, state->size * sizeof(Datum));
	return state;
}

static Datum
item_of(Sketches *s, Datum value, Oid collation)
{
	if (!s->kind->hashed)
		return Float8GetDatum(check_digest_value(value_list_to_float8(s->value, value)));
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

/* The values are too many for a list: they become items of the sketch. */
static void
to_items(const Sketches *s, SketchState *state)
{
	for (int i = 0; i < state->nitems && s->value != FLOAT8OID; i++)
	{
		Datum value = state->items[i];

		state->items[i] = Float8GetDatum(check_digest_value(value_list_to_float8(s->value, value)));
		if (s->value == NUMERICOID)
			pfree(DatumGetPointer(value));
	}
	state->listed = false;
}

/* Add the buffered items to the packed sketch. */
static void
flush(Sketches *s, SketchState *state, MemoryContext memory)
{
	Node *agg = (Node *) s->agg;
	Datum before = state->packed;
	Datum unpacked = (Datum) 0;
	MemoryContext old;

	if (state->nitems == 0)
		return;
	old = sketch_begin(s);
	if (before != (Datum) 0)
		unpacked = sketch_call(&s->absorb, agg, unpacked, 1, &before);
	unpacked = sketch_add_items(s, agg, unpacked, state->items, state->nitems);
	state->packed = sketch_end(s, sketch_call(&s->pack, agg, unpacked, 0, NULL), memory);
	MemoryContextSwitchTo(old);
	state->nitems = 0;
	if (before != (Datum) 0)
		pfree(DatumGetPointer(before));
}

/* Add a sketch to a union; memory: where its values are kept, aggregate: in whose memory states of the extension are. */
static void
unite(Sketches *s, Union *all, Datum sketch, Node *aggregate, MemoryContext memory)
{
	Datum values[VALUE_LIST_MAX];
	Oid type = InvalidOid;
	int n = 0;

	if (s->bytes && value_list_is(sketch))
	{
		n = value_list_read(sketch, &type, values);
		if (all->united == (Datum) 0 && all->nvalues + n <= VALUE_LIST_MAX &&
			(all->nvalues == 0 || type == all->type))
		{
			append_values(all, type, values, n, memory);
			return;
		}
	}
	absorb_values(s, all, aggregate, all->type, all->values, all->nvalues);
	all->nvalues = 0;
	absorb_values(s, all, aggregate, type, values, n);
	if (n == 0)
	{
		sketch = s->kind->check(sketch, &all->count);
		all->united = sketch_call(&s->absorb, aggregate, all->united, 1, &sketch);
	}
}

static void
append_values(Union *all, Oid type, const Datum *values, int n, MemoryContext memory)
{
	MemoryContext old = MemoryContextSwitchTo(memory);

	if (all->values == NULL)
		all->values = palloc(VALUE_LIST_MAX * sizeof(Datum));
	for (int i = 0; i < n; i++)
		all->values[all->nvalues++] = type == NUMERICOID ? datumCopy(values[i], false, -1) : values[i];
	all->type = type;
	MemoryContextSwitchTo(old);
}

/* Add values of a list, which was checked, to the state of the extension. */
static void
absorb_values(Sketches *s, Union *all, Node *aggregate, Oid type, Datum *values, int n)
{
	for (int i = 0; i < n; i++)
		values[i] = Float8GetDatum(value_list_to_float8(type, values[i]));
	all->united = sketch_add_items(s, aggregate, all->united, values, n);
	all->count += n;
}

static Datum
pack_union(Sketches *s, Union *all, Node *aggregate)
{
	if (all->united == (Datum) 0)
	{
		Datum list = value_list_make(all->type, all->values, all->nvalues);

		if (list != (Datum) 0)
			return list;
		absorb_values(s, all, aggregate, all->type, all->values, all->nvalues);
		all->nvalues = 0;
	}
	return sketch_call(&s->pack, aggregate, all->united, 0, NULL);
}

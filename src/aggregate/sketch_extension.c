/*
 * sketch_extension.c
 *		The functions of the extensions hll and tdigest (see sketch_extension.h).
 *
 * They are found by name in the extension's schema, and called as by an aggregate.
 */
#include "postgres.h"

#include "aggregate/sketch.h"
#include "aggregate/sketch_check.h"
#include "aggregate/sketch_extension.h"
#include "aggregate/value_list.h"
#include "catalog/dependency.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

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

static const SketchKind *kind_of(Oid type);
static void open_functions(Sketches *s, MemoryContext memory);
static void find_function(FmgrInfo *function, MemoryContext memory, Oid nsp, const char *name, int nargs,
						  Oid *types);
static AggState *make_caller(void);

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

Sketches *
sketch_functions(FmgrInfo *caller, int argument, int value)
{
	Sketches *s = caller->fn_extra;
	MemoryContext old;

	if (s != NULL)
		return s;
	old = MemoryContextSwitchTo(caller->fn_mcxt);
	s = palloc0(sizeof(Sketches));
	s->kind = kind_of(get_fn_expr_argtype(caller, argument));
	s->bytes = get_fn_expr_argtype(caller, argument) == BYTEAOID;
	s->type = sketch_type(s->kind->name);
	open_functions(s, caller->fn_mcxt);
	s->agg = make_caller();
	if (value >= 0)
	{
		Oid type = getBaseType(get_fn_expr_argtype(caller, value));

		s->value = type;
		if (s->kind->hashed)
			sketch_hash_init(&s->hash, type, caller->fn_mcxt);
		else if (type != FLOAT8OID && !(s->bytes && value_list_takes(type)))
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("values of a t-digest must be of type double precision")));
	}
	MemoryContextSwitchTo(old);
	caller->fn_extra = s;
	return s;
}

Datum
sketch_call(FmgrInfo *function, Node *aggregate, Datum state, int nargs, const Datum *args)
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

Datum
sketch_add_items(Sketches *s, Node *aggregate, Datum state, const Datum *items, int n)
{
	Datum args[MAX_PARAMETERS];

	for (int i = 1; i < s->kind->nadd; i++)
		args[i] = s->kind->parameters[i].oid == INT8OID ? Int64GetDatum(s->kind->parameters[i].value)
														: Int32GetDatum(s->kind->parameters[i].value);
	for (int i = 0; i < n; i++)
	{
		args[0] = items[i];
		state = sketch_call(&s->add, aggregate, state, s->kind->nadd, args);
	}
	return state;
}

MemoryContext
sketch_begin(Sketches *s)
{
	ResetExprContext(s->agg->curaggcontext);
	return MemoryContextSwitchTo(s->agg->curaggcontext->ecxt_per_tuple_memory);
}

Datum
sketch_end(Sketches *s, Datum packed, MemoryContext memory)
{
	MemoryContextSwitchTo(memory);
	if (packed != (Datum) 0)
		packed = datumCopy(packed, false, -1);
	ResetExprContext(s->agg->curaggcontext);
	return packed;
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

/* A minimal AggState: the extension's functions check that an aggregate calls them, and use its memory. */
static AggState *
make_caller(void)
{
	AggState *agg = makeNode(AggState);

	agg->curaggcontext = CreateStandaloneExprContext();
	return agg;
}

/*
 * transition.c
 *		Running an aggregate outside of the executor (see transition.h).
 *
 * The rules are those of nodeAgg.c: a strict function is not called for NULLs; the first value of a strict
 * function without initial value becomes the state; a by-reference state lives in the aggregate's context,
 * where an expanded object may be changed in place; final functions get it read-only; deserialised states live
 * as long as a row. Combining starts with the initial value, as in PostgreSQL's partial aggregation, so that
 * combining no states gives the value of no rows.
 *
 * The functions get a minimal AggState with only what they use: the memory contexts and the Aggref.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "aggregate/transition.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/nodeAgg.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_agg.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

static HeapTuple find_aggregate(Oid aggregate);
static Oid resolve_type(const Aggref *aggref, Form_pg_aggregate form);
static Oid declared_types(Oid aggregate, int nargs, Oid *declared);
static void check_component(Oid function, Oid owner);
static AggState *make_caller(const Aggref *aggref, ExprContext *aggcontext, ExprContext *tmpcontext);
static Datum initial_value(Datum input_text, Oid type);
static void init_final(Transition *t, const Aggref *aggref, Form_pg_aggregate form, Oid *types, int nargs);
static void init_partial(Transition *t, const Aggref *aggref, Form_pg_aggregate form);
static Datum copy_in(const Transition *t, Datum value);
static MemoryContext state_memory(const Transition *t);
static Datum seal(const Transition *t, Datum serialised);
static Datum unstore(Transition *t, Datum stored, bool *isnull);
static bytea *unseal(const Transition *t, Datum sealed);

Oid
transition_sealed_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("_state"),
						   ObjectIdGetDatum(get_namespace_oid("streambatch", false)));
}

void
transition_shape(const Aggref *aggref, TransitionShape *shape)
{
	HeapTuple tuple = find_aggregate(aggref->aggfnoid);
	Form_pg_aggregate form = (Form_pg_aggregate) GETSTRUCT(tuple);

	shape->type = resolve_type(aggref, form);
	shape->combinable = OidIsValid(form->aggcombinefn);
	shape->stored = shape->type;
	if (shape->type == INTERNALOID)
		shape->stored = OidIsValid(form->aggserialfn) && OidIsValid(form->aggdeserialfn)
							? transition_sealed_type()
							: InvalidOid;
	ReleaseSysCache(tuple);
}

Aggref *
transition_aggref(Oid aggregate, int nargs, Oid *types, Oid collation)
{
	Aggref *aggref = makeNode(Aggref);
	Oid declared[FUNC_MAX_ARGS];
	HeapTuple tuple = find_aggregate(aggregate);
	char kind = ((Form_pg_aggregate) GETSTRUCT(tuple))->aggkind;

	ReleaseSysCache(tuple);
	if (kind != AGGKIND_NORMAL)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("%s is an ordered-set aggregate function", format_procedure(aggregate))));
	aggref->aggfnoid = aggregate;
	aggref->aggkind = kind;
	aggref->inputcollid = collation;
	aggref->aggsplit = AGGSPLIT_SIMPLE;
	aggref->aggtype = declared_types(aggregate, nargs, declared);
	aggref->aggtype = enforce_generic_type_consistency(types, declared, nargs, aggref->aggtype, false);
	for (int i = 0; i < nargs; i++)
	{
		if (declared[i] != ANYOID && !IsBinaryCoercible(types[i], declared[i]))
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("%s does not take an argument of type %s", format_procedure(aggregate),
								   format_type_be(types[i]))));
		aggref->aggargtypes = lappend_oid(aggref->aggargtypes, types[i]);
	}
	if (get_typcollation(aggref->aggtype) != InvalidOid)
		aggref->aggcollid = collation;
	return aggref;
}

void
transition_check_execute(Oid aggregate)
{
	HeapTuple proc = SearchSysCache1(PROCOID, ObjectIdGetDatum(aggregate));
	HeapTuple tuple = find_aggregate(aggregate);
	Form_pg_aggregate form = (Form_pg_aggregate) GETSTRUCT(tuple);
	AclResult acl = compat_proc_aclcheck(aggregate, GetUserId(), ACL_EXECUTE);
	Oid owner;

	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_AGGREGATE, get_func_name(aggregate));
	InvokeFunctionExecuteHook(aggregate);
	if (!HeapTupleIsValid(proc))
		elog(ERROR, "cache lookup failed for function %u", aggregate);
	owner = ((Form_pg_proc) GETSTRUCT(proc))->proowner;
	check_component(form->aggtransfn, owner);
	check_component(form->aggfinalfn, owner);
	check_component(form->aggcombinefn, owner);
	check_component(form->aggserialfn, owner);
	check_component(form->aggdeserialfn, owner);
	ReleaseSysCache(tuple);
	ReleaseSysCache(proc);
}

void
transition_init(Transition *t, const Aggref *aggref, bool partial, ExprContext *aggcontext,
				ExprContext *tmpcontext)
{
	HeapTuple tuple = find_aggregate(aggref->aggfnoid);
	Form_pg_aggregate form = (Form_pg_aggregate) GETSTRUCT(tuple);
	Oid types[FUNC_MAX_ARGS];
	int nargs = get_aggregate_argtypes(unconstify(Aggref *, aggref), types);
	Expr *expr;
	Expr *unused;
	Datum init;

	memset(t, 0, sizeof(*t));
	t->type = resolve_type(aggref, form);
	get_typlenbyval(t->type, &t->len, &t->byval);
	t->nargs = nargs;
	t->collation = aggref->inputcollid;
	t->agg = make_caller(aggref, aggcontext, tmpcontext);

	fmgr_info(form->aggtransfn, &t->function);
	build_aggregate_transfn_expr(types, nargs, 0, aggref->aggvariadic, t->type, aggref->inputcollid,
								 form->aggtransfn, InvalidOid, &expr, &unused);
	fmgr_info_set_expr((Node *) expr, &t->function);
	t->call = palloc0(SizeForFunctionCallInfo(nargs + 1));
	InitFunctionCallInfoData(*t->call, &t->function, nargs + 1, t->collation, (Node *) t->agg, NULL);

	init = SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval, &t->initial_null);
	t->initial = t->initial_null ? (Datum) 0 : initial_value(init, t->type);
	/* as in nodeAgg.c: the aggregate may have been replaced since CREATE AGGREGATE checked this */
	if (t->function.fn_strict && t->initial_null && (nargs == 0 || !IsBinaryCoercible(types[0], t->type)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
						errmsg("aggregate %u needs to have compatible input type and transition type",
							   aggref->aggfnoid)));
	init_final(t, aggref, form, types, nargs);
	if (partial)
		init_partial(t, aggref, form);
	ReleaseSysCache(tuple);
}

void
transition_start(const Transition *t, TransitionValue *state)
{
	state->isnull = t->initial_null;
	state->untouched = t->initial_null;
	state->value = t->initial_null ? (Datum) 0 : copy_in(t, t->initial);
}

void
transition_keep(const Transition *t, TransitionValue *state, Datum value, bool isnull)
{
	Datum before = state->value;
	bool before_null = state->isnull;

	state->untouched = false;
	state->isnull = isnull;
	if (t->byval)
	{
		state->value = value;
		return;
	}
	if (isnull)
		value = (Datum) 0;
	else if (!(DatumIsReadWriteExpandedObject(value, false, t->len) &&
			   MemoryContextGetParent(DatumGetEOHP(value)->eoh_context) == state_memory(t)))
		value = copy_in(t, value);
	state->value = value;
	if (before_null)
		return;
	if (DatumIsReadWriteExpandedObject(before, false, t->len))
		DeleteExpandedObject(before);
	else
		pfree(DatumGetPointer(before));
}

Datum
transition_final(Transition *t, const TransitionValue *state, bool *isnull)
{
	LOCAL_FCINFO(call, FUNC_MAX_ARGS);
	Datum value = MakeExpandedObjectReadOnly(state->value, state->isnull, t->len);
	Datum result;

	*isnull = state->isnull;
	if (!t->has_final)
		return value;
	if (t->final.fn_strict && (state->isnull || t->nfinal > 1))
	{
		*isnull = true;
		return (Datum) 0;
	}
	InitFunctionCallInfoData(*call, &t->final, t->nfinal, t->collation, (Node *) t->agg, NULL);
	for (int i = 1; i < t->nfinal; i++)
	{
		call->args[i].value = (Datum) 0;
		call->args[i].isnull = true;
	}
	call->args[0].value = value;
	call->args[0].isnull = state->isnull;
	result = FunctionCallInvoke(call);
	*isnull = call->isnull;
	return result;
}

Datum
transition_store(Transition *t, const TransitionValue *state, bool *isnull)
{
	LOCAL_FCINFO(call, 1);
	Datum result;

	*isnull = state->isnull;
	if (!t->sealed)
		return MakeExpandedObjectReadOnly(state->value, state->isnull, t->len);
	if (t->serialise.fn_strict && state->isnull)
		return (Datum) 0;
	InitFunctionCallInfoData(*call, &t->serialise, 1, InvalidOid, (Node *) t->agg, NULL);
	call->args[0].value = state->value;
	call->args[0].isnull = state->isnull;
	result = FunctionCallInvoke(call);
	*isnull = call->isnull;
	return call->isnull ? (Datum) 0 : seal(t, result);
}

void
transition_absorb(Transition *t, TransitionValue *state, Datum stored, bool isnull)
{
	LOCAL_FCINFO(call, 2);
	Datum value = unstore(t, stored, &isnull);
	Datum result;

	if (t->combine.fn_strict)
	{
		if (isnull)
			return;
		if (state->untouched)
		{
			transition_keep(t, state, value, false);
			return;
		}
		if (state->isnull)
			return;
	}
	InitFunctionCallInfoData(*call, &t->combine, 2, t->collation, (Node *) t->agg, NULL);
	call->args[0].value = state->value;
	call->args[0].isnull = state->isnull;
	call->args[1].value = value;
	call->args[1].isnull = isnull;
	result = FunctionCallInvoke(call);
	if (t->byval || DatumGetPointer(result) == DatumGetPointer(state->value))
	{
		state->value = result;
		state->isnull = call->isnull;
		state->untouched = false;
	}
	else
		transition_keep(t, state, result, call->isnull);
}

Datum
transition_combine(Transition *t, Datum a, Datum b, bool *isnull)
{
	MemoryContext caller = CurrentMemoryContext;
	TransitionValue state = {0};
	Datum result;

	/* in the state's own memory: combine functions may change it in place */
	MemoryContextSwitchTo(state_memory(t));
	state.value = unstore(t, t->sealed ? a : datumCopy(a, t->byval, t->len), &state.isnull);
	MemoryContextSwitchTo(caller);
	transition_absorb(t, &state, b, false);
	result = transition_store(t, &state, isnull);
	return *isnull || t->sealed ? result : datumCopy(result, t->byval, t->len);
}

static HeapTuple
find_aggregate(Oid aggregate)
{
	HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(aggregate))
							? errmsg("%s is not an aggregate function", format_procedure(aggregate))
							: errmsg("aggregate with OID %u does not exist", aggregate)));
	return tuple;
}

static Oid
resolve_type(const Aggref *aggref, Form_pg_aggregate form)
{
	Oid types[FUNC_MAX_ARGS];
	int nargs = get_aggregate_argtypes(unconstify(Aggref *, aggref), types);

	return resolve_aggregate_transtype(aggref->aggfnoid, form->aggtranstype, types, nargs);
}

/* An aggregate's declared argument types, one for each of nargs; returns its declared result type. */
static Oid
declared_types(Oid aggregate, int nargs, Oid *declared)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(aggregate));
	Form_pg_proc form;
	Oid result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", aggregate);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->provariadic == ANYOID ? nargs < form->pronargs : nargs != form->pronargs)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("wrong number of arguments for %s", format_procedure(aggregate))));
	for (int i = 0; i < nargs; i++)
		declared[i] = i < form->pronargs ? form->proargtypes.values[i] : ANYOID;
	result = form->prorettype;
	ReleaseSysCache(tuple);
	return result;
}

static void
check_component(Oid function, Oid owner)
{
	AclResult acl;

	if (!OidIsValid(function))
		return;
	acl = compat_proc_aclcheck(function, owner, ACL_EXECUTE);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FUNCTION, get_func_name(function));
	InvokeFunctionExecuteHook(function);
}

/* The AggState that functions get: memory contexts, and the Aggref for AggGetAggref(). */
static AggState *
make_caller(const Aggref *aggref, ExprContext *aggcontext, ExprContext *tmpcontext)
{
	AggState *agg = makeNode(AggState);

	agg->curaggcontext = aggcontext;
	agg->tmpcontext = tmpcontext;
	agg->curpertrans = palloc0(sizeof(AggStatePerTransData));
	agg->curpertrans->aggref = unconstify(Aggref *, aggref);
	return agg;
}

static Datum
initial_value(Datum input_text, Oid type)
{
	Oid input;
	Oid ioparam;
	char *value = TextDatumGetCString(input_text);

	getTypeInputInfo(type, &input, &ioparam);
	return OidInputFunctionCall(input, value, ioparam, -1);
}

static void
init_final(Transition *t, const Aggref *aggref, Form_pg_aggregate form, Oid *types, int nargs)
{
	Expr *expr;

	t->has_final = OidIsValid(form->aggfinalfn);
	if (!t->has_final)
		return;
	t->nfinal = form->aggfinalextra ? nargs + 1 : 1;
	fmgr_info(form->aggfinalfn, &t->final);
	build_aggregate_finalfn_expr(types, t->nfinal, t->type, aggref->aggtype, aggref->inputcollid,
								 form->aggfinalfn, &expr);
	fmgr_info_set_expr((Node *) expr, &t->final);
}

static void
init_partial(Transition *t, const Aggref *aggref, Form_pg_aggregate form)
{
	Expr *expr;
	Expr *unused;

	t->aggregate = aggref->aggfnoid;
	t->sealed = t->type == INTERNALOID;
	if (!OidIsValid(form->aggcombinefn) ||
		(t->sealed && (!OidIsValid(form->aggserialfn) || !OidIsValid(form->aggdeserialfn))))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot store and combine the transition states of %s",
							   format_procedure(aggref->aggfnoid))));
	fmgr_info(form->aggcombinefn, &t->combine);
	build_aggregate_transfn_expr(&t->type, 1, 0, false, t->type, t->collation, form->aggcombinefn, InvalidOid,
								 &expr, &unused);
	fmgr_info_set_expr((Node *) expr, &t->combine);
	if (!t->sealed)
		return;
	if (t->combine.fn_strict)
		ereport(ERROR, (errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
						errmsg("combine function with transition type %s must not be declared STRICT",
							   format_type_be(t->type))));
	fmgr_info(form->aggserialfn, &t->serialise);
	build_aggregate_serialfn_expr(form->aggserialfn, &expr);
	fmgr_info_set_expr((Node *) expr, &t->serialise);
	fmgr_info(form->aggdeserialfn, &t->deserialise);
	build_aggregate_deserialfn_expr(form->aggdeserialfn, &expr);
	fmgr_info_set_expr((Node *) expr, &t->deserialise);
	t->header = state_header_make(aggref->aggfnoid, aggref->aggargtypes);
}

/* A copy that lives as long as the state. */
static Datum
copy_in(const Transition *t, Datum value)
{
	MemoryContext old = MemoryContextSwitchTo(state_memory(t));

	value = datumCopy(value, t->byval, t->len);
	MemoryContextSwitchTo(old);
	return value;
}

static MemoryContext
state_memory(const Transition *t)
{
	return t->agg->curaggcontext->ecxt_per_tuple_memory;
}

static Datum
seal(const Transition *t, Datum serialised)
{
	bytea *value = DatumGetByteaPP(serialised);

	return PointerGetDatum(state_header_seal(&t->header, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

/* A stored state as input for the combine function, in the current context. */
static Datum
unstore(Transition *t, Datum stored, bool *isnull)
{
	LOCAL_FCINFO(call, 2);
	Datum result;

	if (!t->sealed || (t->deserialise.fn_strict && *isnull))
		return stored;
	InitFunctionCallInfoData(*call, &t->deserialise, 2, InvalidOid, (Node *) t->agg, NULL);
	call->args[0].value = *isnull ? (Datum) 0 : PointerGetDatum(unseal(t, stored));
	call->args[0].isnull = *isnull;
	/* of type internal, which prevents calls from SQL */
	call->args[1].value = (Datum) 0;
	call->args[1].isnull = false;
	result = FunctionCallInvoke(call);
	*isnull = call->isnull;
	return result;
}

/* The bytes after the header. Raises if it is another aggregate's. */
static bytea *
unseal(const Transition *t, Datum sealed)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(sealed);
	Size header;
	Size size;
	bytea *result;

	if (!state_header_fits(&t->header, value, &header))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("the state does not belong to %s with these argument types",
							   format_procedure(t->aggregate))));
	size = VARSIZE_ANY_EXHDR(value) - header;
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	memcpy(VARDATA(result), VARDATA_ANY(value) + header, size);
	return result;
}

/*
 * fold.c
 *		The fold: aggregate states in memory (see fold.h).
 *
 * A hash table of groups (PostgreSQL's own TupleHashTable) holds for each the transition values of every
 * state, advanced by the aggregates' own transition functions under nodeAgg.c's rules: a strict function is
 * not called for NULLs, the first value of a strict function without initial value becomes the state, and a
 * by-reference state lives in the fold's memory. The functions see an AggState that is none but has the one
 * thing they ask it for: the memory context that their states belong to (AggCheckCallContext).
 *
 * Memory: "table" holds groups and states and is reset as a whole; "row" is reset for each row.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "common/compat.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_agg.h"
#include "stream/fold.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/*
 * A btree entry must fit a third of a page: a longer key cannot be looked up, so its rows are refused one by
 * one.
 */
#define MAX_KEY_SIZE 2600

typedef struct FoldValue
{
	Datum value;
	bool isnull;
	bool untouched; /* strict, no initial value, no input yet */
} FoldValue;

typedef struct Transition
{
	const FoldState *columns;
	FmgrInfo function;
	FunctionCallInfo call;
	int nargs; /* inputs, without the state */
	bool byval;
	int16 len;
	Datum initial;
	bool initial_null;
	bool has_final;
	FmgrInfo final;
	int nfinal; /* arguments of the final function, with the state */
	FmgrInfo combine;
	Oid collation;
} Transition;

struct Fold
{
	const ViewDef *def;
	Transition *transitions;
	AggState *agg;				 /* what transition functions are shown */
	ExprContext *table_econtext; /* its per-tuple memory is "table" */
	MemoryContext table;
	MemoryContext row;
	TupleDesc key_desc;
	TupleTableSlot *key_slot;
	AttrNumber *key_columns;
	Oid *equal_functions;
	FmgrInfo *hash_functions;
	Oid *collations;
	TupleHashTable groups;
	int64 ngroups;
	FoldValue *single; /* the group of a view without keys */
};

static Datum
initial_value(Datum spelling, Oid type)
{
	Oid input;
	Oid ioparam;
	char *value = TextDatumGetCString(spelling);

	getTypeInputInfo(type, &input, &ioparam);
	return OidInputFunctionCall(input, value, ioparam, -1);
}

static void
transition_init(Transition *t, const StateDef *state, const FoldState *columns, AggState *agg)
{
	Aggref *aggref = state->folded;
	HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggref->aggfnoid));
	Form_pg_aggregate form;
	Oid argtypes[FUNC_MAX_ARGS];
	int nargs = get_aggregate_argtypes(aggref, argtypes);
	Oid transtype;
	Expr *expr;
	Expr *unused;
	Datum init;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggref->aggfnoid);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	transtype = resolve_aggregate_transtype(aggref->aggfnoid, form->aggtranstype, argtypes, nargs);
	get_typlenbyval(transtype, &t->len, &t->byval);
	t->columns = columns;
	t->nargs = columns->nargs;
	t->collation = aggref->inputcollid;

	fmgr_info(form->aggtransfn, &t->function);
	build_aggregate_transfn_expr(argtypes, nargs, 0, false, transtype, aggref->inputcollid, form->aggtransfn,
								 InvalidOid, &expr, &unused);
	fmgr_info_set_expr((Node *) expr, &t->function);
	t->call = palloc0(SizeForFunctionCallInfo(t->nargs + 1));
	InitFunctionCallInfoData(*t->call, &t->function, t->nargs + 1, t->collation, (Node *) agg, NULL);

	init = SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval, &t->initial_null);
	t->initial = t->initial_null ? (Datum) 0 : initial_value(init, transtype);
	t->has_final = OidIsValid(form->aggfinalfn);
	if (t->has_final)
	{
		t->nfinal = form->aggfinalextra ? nargs + 1 : 1;
		fmgr_info(form->aggfinalfn, &t->final);
		build_aggregate_finalfn_expr(argtypes, t->nfinal, transtype, aggref->aggtype, aggref->inputcollid,
									 form->aggfinalfn, &expr);
		fmgr_info_set_expr((Node *) expr, &t->final);
	}
	fmgr_info(state->combine, &t->combine);
	fmgr_info_set_expr((Node *) makeFuncExpr(state->combine, state->type,
											 list_make2(makeNullConst(state->type, -1, InvalidOid),
														makeNullConst(state->type, -1, InvalidOid)),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &t->combine);
	ReleaseSysCache(tuple);
}

static void
keys_init(Fold *fold)
{
	int n = fold->def->nkeys;

	fold->key_desc = CreateTemplateTupleDesc(n);
	fold->key_columns = palloc(n * sizeof(AttrNumber));
	fold->equal_functions = palloc(n * sizeof(Oid));
	fold->hash_functions = palloc(n * sizeof(FmgrInfo));
	fold->collations = palloc(n * sizeof(Oid));
	for (int i = 0; i < n; i++)
	{
		const KeyDef *key = &fold->def->keys[i];
		TypeCacheEntry *type =
			lookup_type_cache(key->type, TYPECACHE_HASH_PROC | TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR);

		TupleDescInitEntry(fold->key_desc, i + 1, key->column, key->type, key->typmod, 0);
		TupleDescInitEntryCollation(fold->key_desc, i + 1, key->collation);
		fold->key_columns[i] = i + 1;
		fold->equal_functions[i] = get_opcode(type->eq_opr);
		fmgr_info(type->hash_proc, &fold->hash_functions[i]);
		fold->collations[i] = key->collation;
	}
	fold->key_slot = MakeSingleTupleTableSlot(fold->key_desc, &TTSOpsVirtual);
}

static void
build_table(Fold *fold)
{
	fold->ngroups = 0;
	fold->single = NULL;
	fold->groups = NULL;
	if (fold->def->nkeys > 0)
	{
		MemoryContext old = MemoryContextSwitchTo(fold->table);

		fold->groups = compat_build_hash_table(fold->key_desc, &TTSOpsVirtual, fold->def->nkeys,
											   fold->key_columns, fold->equal_functions, fold->hash_functions,
											   fold->collations, 256, fold->table, fold->table, fold->row);
		MemoryContextSwitchTo(old);
	}
}

Fold *
fold_create(const ViewDef *def, const FoldState *columns)
{
	Fold *fold = palloc0(sizeof(Fold));

	fold->def = def;
	fold->agg = makeNode(AggState);
	fold->table_econtext = CreateStandaloneExprContext();
	fold->agg->curaggcontext = fold->table_econtext;
	fold->table = fold->table_econtext->ecxt_per_tuple_memory;
	fold->row = AllocSetContextCreate(CurrentMemoryContext, "streambatch fold row", ALLOCSET_DEFAULT_SIZES);
	fold->transitions = palloc0((def->nstates + 1) * sizeof(Transition));
	for (int i = 0; i < def->nstates; i++)
		transition_init(&fold->transitions[i], &def->states[i], &columns[i], fold->agg);
	keys_init(fold);
	build_table(fold);
	return fold;
}

void
fold_reset(Fold *fold)
{
	/* runs what the aggregates registered to be run at the end, and frees all groups */
	ReScanExprContext(fold->table_econtext);
	MemoryContextReset(fold->row);
	build_table(fold);
}

Size
fold_memory(const Fold *fold)
{
	return MemoryContextMemAllocated(fold->table, true);
}

static FoldValue *
new_group(Fold *fold)
{
	FoldValue *values = MemoryContextAlloc(fold->table, (fold->def->nstates + 1) * sizeof(FoldValue));
	MemoryContext old = MemoryContextSwitchTo(fold->table);

	for (int i = 0; i < fold->def->nstates; i++)
	{
		const Transition *t = &fold->transitions[i];

		values[i].isnull = t->initial_null;
		values[i].untouched = t->initial_null;
		values[i].value = t->initial_null ? (Datum) 0 : datumCopy(t->initial, t->byval, t->len);
	}
	MemoryContextSwitchTo(old);
	fold->ngroups++;
	return values;
}

static FoldValue *
find_group(Fold *fold, TupleTableSlot *row)
{
	TupleTableSlot *key = fold->key_slot;
	TupleHashEntry entry;
	bool isnew;

	if (fold->def->nkeys == 0)
	{
		if (fold->single == NULL)
			fold->single = new_group(fold);
		return fold->single;
	}
	ExecClearTuple(key);
	memcpy(key->tts_values, row->tts_values, fold->def->nkeys * sizeof(Datum));
	memcpy(key->tts_isnull, row->tts_isnull, fold->def->nkeys * sizeof(bool));
	ExecStoreVirtualTuple(key);
	entry = LookupTupleHashEntry(fold->groups, key, &isnew, NULL);
	if (isnew)
	{
		if (compat_entry_tuple(entry)->t_len > MAX_KEY_SIZE)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("grouping keys of %u bytes are longer than the maximum of %d",
								   compat_entry_tuple(entry)->t_len, MAX_KEY_SIZE),
							errhint("Group by a hash or a prefix of the value.")));
		compat_entry_set_additional(fold->groups, entry, new_group(fold));
	}
	return compat_entry_additional(fold->groups, entry);
}

/* Make a by-reference result of a transition function the fold's own. */
static Datum
keep(Fold *fold, const Transition *t, Datum value, bool isnull, const FoldValue *before)
{
	MemoryContext old;

	if (t->byval || DatumGetPointer(value) == DatumGetPointer(before->value))
		return value;
	if (!isnull && !(t->len == -1 && VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(value)) &&
					 MemoryContextGetParent(DatumGetEOHP(value)->eoh_context) == fold->table))
	{
		old = MemoryContextSwitchTo(fold->table);
		value = datumCopy(value, t->byval, t->len);
		MemoryContextSwitchTo(old);
	}
	if (!before->isnull)
	{
		if (t->len == -1 && VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(before->value)))
			DeleteExpandedObject(before->value);
		else
			pfree(DatumGetPointer(before->value));
	}
	return value;
}

static void
advance(Fold *fold, Transition *t, FoldValue *state, TupleTableSlot *row)
{
	FunctionCallInfo call = t->call;
	Datum result;

	if (t->columns->filter >= 0 &&
		(row->tts_isnull[t->columns->filter] || !DatumGetBool(row->tts_values[t->columns->filter])))
		return;
	for (int i = 0; i < t->nargs; i++)
	{
		int column = t->columns->args[i];

		if (t->function.fn_strict && row->tts_isnull[column])
			return;
		call->args[i + 1].value = row->tts_values[column];
		call->args[i + 1].isnull = row->tts_isnull[column];
	}
	if (t->function.fn_strict)
	{
		if (state->untouched)
		{
			MemoryContext old = MemoryContextSwitchTo(fold->table);

			state->value = datumCopy(call->args[1].value, t->byval, t->len);
			state->isnull = state->untouched = false;
			MemoryContextSwitchTo(old);
			return;
		}
		if (state->isnull)
			return;
	}
	call->args[0].value = state->value;
	call->args[0].isnull = state->isnull;
	call->isnull = false;
	result = FunctionCallInvoke(call);
	state->value = keep(fold, t, result, call->isnull, state);
	state->isnull = call->isnull;
	state->untouched = false;
}

void
fold_row(Fold *fold, TupleTableSlot *row)
{
	MemoryContext old;
	FoldValue *values;

	slot_getallattrs(row);
	MemoryContextReset(fold->row);
	old = MemoryContextSwitchTo(fold->row);
	values = find_group(fold, row);
	for (int i = 0; i < fold->def->nstates; i++)
		advance(fold, &fold->transitions[i], &values[i], row);
	MemoryContextSwitchTo(old);
}

static Datum
finalise(Fold *fold, Transition *t, const FoldValue *state, bool *isnull)
{
	LOCAL_FCINFO(call, FUNC_MAX_ARGS);
	Datum result;

	*isnull = state->isnull;
	if (!t->has_final)
		return state->value;
	if (t->final.fn_strict && (state->isnull || t->nfinal > 1))
	{
		*isnull = true;
		return (Datum) 0;
	}
	InitFunctionCallInfoData(*call, &t->final, t->nfinal, t->collation, (Node *) fold->agg, NULL);
	for (int i = 1; i < t->nfinal; i++)
	{
		call->args[i].value = (Datum) 0;
		call->args[i].isnull = true;
	}
	call->args[0].value = state->value;
	call->args[0].isnull = state->isnull;
	result = FunctionCallInvoke(call);
	*isnull = call->isnull;
	return result;
}

static int
compare_groups(const void *a, const void *b, void *arg)
{
	SortSupport sort = arg;
	const FoldGroup *x = a;
	const FoldGroup *y = b;

	for (int i = 0; sort[i].ssup_cxt != NULL; i++)
	{
		int c = ApplySortComparator(x->keys[i], x->key_nulls[i], y->keys[i], y->key_nulls[i], &sort[i]);

		if (c != 0)
			return c;
	}
	return 0;
}

/* Rows are written in the order of the keys, so that index pages are visited once. */
static void
sort_groups(Fold *fold, FoldGroup *groups)
{
	SortSupport sort = palloc0((fold->def->nkeys + 1) * sizeof(SortSupportData));

	for (int i = 0; i < fold->def->nkeys; i++)
	{
		sort[i].ssup_cxt = CurrentMemoryContext;
		sort[i].ssup_collation = fold->collations[i];
		sort[i].ssup_nulls_first = false;
		PrepareSortSupportFromOrderingOp(lookup_type_cache(fold->def->keys[i].type, TYPECACHE_LT_OPR)->lt_opr,
										 &sort[i]);
	}
	qsort_arg(groups, fold->ngroups, sizeof(FoldGroup), compare_groups, sort);
}

static void
fill_group(Fold *fold, FoldGroup *group, MinimalTuple key, const FoldValue *values, TupleTableSlot *slot)
{
	int nkeys = fold->def->nkeys;
	int nstates = fold->def->nstates;

	group->keys = palloc((nkeys + nstates) * (sizeof(Datum) + sizeof(bool)));
	group->states = group->keys + nkeys;
	group->key_nulls = (bool *) (group->states + nstates);
	group->state_nulls = group->key_nulls + nkeys;
	if (nkeys > 0)
	{
		ExecStoreMinimalTuple(key, slot, false);
		slot_getallattrs(slot);
		memcpy(group->keys, slot->tts_values, nkeys * sizeof(Datum));
		memcpy(group->key_nulls, slot->tts_isnull, nkeys * sizeof(bool));
	}
	for (int i = 0; i < nstates; i++)
		group->states[i] = finalise(fold, &fold->transitions[i], &values[i], &group->state_nulls[i]);
}

FoldGroup *
fold_groups(Fold *fold, int64 *ngroups)
{
	MemoryContext old = MemoryContextSwitchTo(fold->table);
	FoldGroup *groups = MemoryContextAllocHuge(fold->table, (fold->ngroups + 1) * sizeof(FoldGroup));
	int64 n = 0;

	if (fold->def->nkeys == 0 && fold->single != NULL)
		fill_group(fold, &groups[n++], NULL, fold->single, NULL);
	if (fold->def->nkeys > 0)
	{
		TupleTableSlot *slot = MakeSingleTupleTableSlot(fold->key_desc, &TTSOpsMinimalTuple);
		TupleHashIterator iterator;
		TupleHashEntry entry;

		InitTupleHashIterator(fold->groups, &iterator);
		while ((entry = ScanTupleHashTable(fold->groups, &iterator)) != NULL)
			fill_group(fold, &groups[n++], compat_entry_tuple(entry),
					   compat_entry_additional(fold->groups, entry), slot);
		TermTupleHashIterator(&iterator);
		ExecDropSingleTupleTableSlot(slot);
		sort_groups(fold, groups);
	}
	Assert(n == fold->ngroups);
	MemoryContextSwitchTo(old);
	*ngroups = n;
	return groups;
}

Datum
fold_combine(Fold *fold, int state, Datum a, Datum b)
{
	return FunctionCall2Coll(&fold->transitions[state].combine, fold->transitions[state].collation, a, b);
}

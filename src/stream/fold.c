/*
 * fold.c
 *		The fold: aggregate states in memory (see fold.h).
 *
 * A hash table of groups (PostgreSQL's own TupleHashTable) holds for each the transition values of every
 * state that the worker computes, advanced by the aggregates' own transition functions (define/transition.h).
 * Stored is the aggregate's value, or of a partial state the transition state itself.
 *
 * Memory: "table" holds groups and states and is reset as a whole; "row" is reset for each row; "combining"
 * for each combination of two stored states.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "common/compat.h"
#include "define/transition.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "stream/fold.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/typcache.h"

/*
 * A btree entry must fit a third of a page: a longer key cannot be looked up, so its rows are refused one by
 * one.
 */
#define MAX_KEY_SIZE 2600

/* A state that the worker computes: all but those of the batch layer alone. */
typedef struct Folding
{
	Transition transition; /* first, and used in place */
	const FoldState *columns;
	int state; /* index among the view's states */
	bool partial;
	FmgrInfo combine; /* of values, where it is not partial */
} Folding;

struct Fold
{
	const ViewDef *def;
	int nfoldings;
	Folding *foldings;
	Folding **folding_of;		 /* by state; NULL: of the batch layer alone */
	ExprContext *table_econtext; /* its per-tuple memory is "table" */
	ExprContext *row_econtext;	 /* … "row" */
	ExprContext *combining;
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
	TransitionValue *single; /* the group of a view without keys */
	FoldGroup *sorted;		 /* what fold_groups() has made of them; NULL: nothing yet */
};

static void
folding_init(Fold *fold, Folding *folding, const StateDef *state, const FoldState *columns)
{
	transition_check_execute(state->folded->aggfnoid);
	transition_init(&folding->transition, state->folded, state->partial, fold->table_econtext,
					fold->row_econtext);
	folding->columns = columns;
	folding->partial = state->partial;
	if (state->partial)
		return;
	fmgr_info(state->combine, &folding->combine);
	fmgr_info_set_expr((Node *) makeFuncExpr(state->combine, state->type,
											 list_make2(makeNullConst(state->type, -1, InvalidOid),
														makeNullConst(state->type, -1, InvalidOid)),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &folding->combine);
}

/* A hash of what a value looks like: equal ones that look different are folded apart, and combined later. */
static Datum
hash_image(PG_FUNCTION_ARGS)
{
	int16 len;
	bool byval;

	get_typlenbyval(get_fn_expr_argtype(fcinfo->flinfo, 0), &len, &byval);
	PG_RETURN_UINT32(datum_image_hash(PG_GETARG_DATUM(0), byval, len));
}

/* The hash function of a key; a type that has none is hashed by its image. */
static void
key_hash_init(FmgrInfo *function, Oid type)
{
	Oid hash_proc = lookup_type_cache(type, TYPECACHE_HASH_PROC)->hash_proc;

	if (OidIsValid(hash_proc))
	{
		fmgr_info(hash_proc, function);
		return;
	}
	memset(function, 0, sizeof(*function));
	function->fn_addr = hash_image;
	function->fn_nargs = 1;
	function->fn_strict = true;
	function->fn_mcxt = CurrentMemoryContext;
	fmgr_info_set_expr((Node *) makeFuncExpr(InvalidOid, INT4OID,
											 list_make1(makeNullConst(type, -1, InvalidOid)), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL),
					   function);
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
		TypeCacheEntry *type = lookup_type_cache(key->type, TYPECACHE_EQ_OPR);

		TupleDescInitEntry(fold->key_desc, i + 1, key->column, key->type, key->typmod, 0);
		TupleDescInitEntryCollation(fold->key_desc, i + 1, key->collation);
		fold->key_columns[i] = i + 1;
		fold->equal_functions[i] = get_opcode(type->eq_opr);
		key_hash_init(&fold->hash_functions[i], key->type);
		fold->collations[i] = key->collation;
	}
	fold->key_slot = MakeSingleTupleTableSlot(fold->key_desc, &TTSOpsVirtual);
}

/* Made for the first row, and not when the fold is reset: it looks into the catalog, which a reset cannot. */
static void
build_table(Fold *fold)
{
	MemoryContext old = MemoryContextSwitchTo(fold->table);

	fold->groups = compat_build_hash_table(fold->key_desc, &TTSOpsVirtual, fold->def->nkeys,
										   fold->key_columns, fold->equal_functions, fold->hash_functions,
										   fold->collations, 256, fold->table, fold->table, fold->row);
	MemoryContextSwitchTo(old);
}

Fold *
fold_create(const ViewDef *def, const FoldState *columns)
{
	Fold *fold = palloc0(sizeof(Fold));

	fold->def = def;
	fold->table_econtext = CreateStandaloneExprContext();
	fold->row_econtext = CreateStandaloneExprContext();
	fold->combining = CreateStandaloneExprContext();
	fold->table = fold->table_econtext->ecxt_per_tuple_memory;
	fold->row = fold->row_econtext->ecxt_per_tuple_memory;
	fold->foldings = palloc0((def->nstates + 1) * sizeof(Folding));
	fold->folding_of = palloc0((def->nstates + 1) * sizeof(Folding *));
	for (int i = 0; i < def->nstates; i++)
	{
		Folding *folding = &fold->foldings[fold->nfoldings];

		if (def->states[i].batch_only)
			continue;
		folding_init(fold, folding, &def->states[i], &columns[i]);
		folding->state = i;
		fold->folding_of[i] = folding;
		fold->nfoldings++;
	}
	keys_init(fold);
	return fold;
}

/* Where states live, whatever an error interrupted. */
static void
use_table(Fold *fold)
{
	for (int i = 0; i < fold->nfoldings; i++)
		fold->foldings[i].transition.agg->curaggcontext = fold->table_econtext;
}

void
fold_reset(Fold *fold)
{
	use_table(fold);
	/* runs what the aggregates registered to be run at the end, and frees all groups */
	ReScanExprContext(fold->table_econtext);
	MemoryContextReset(fold->row);
	fold->ngroups = 0;
	fold->sorted = NULL;
	fold->single = NULL;
	fold->groups = NULL;
}

Size
fold_memory(const Fold *fold)
{
	return MemoryContextMemAllocated(fold->table, true);
}

static TransitionValue *
new_group(Fold *fold)
{
	TransitionValue *values =
		MemoryContextAlloc(fold->table, (fold->nfoldings + 1) * sizeof(TransitionValue));

	for (int i = 0; i < fold->nfoldings; i++)
		transition_start(&fold->foldings[i].transition, &values[i]);
	fold->ngroups++;
	return values;
}

static TransitionValue *
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
	if (fold->groups == NULL)
		build_table(fold);
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

static void
advance(Folding *folding, TransitionValue *state, TupleTableSlot *row)
{
	Transition *t = &folding->transition;
	const FoldState *columns = folding->columns;
	NullableDatum *args = t->call->args;

	if (columns->filter >= 0 &&
		(row->tts_isnull[columns->filter] || !DatumGetBool(row->tts_values[columns->filter])))
		return;
	for (int i = 0; i < t->nargs; i++)
	{
		int column = columns->args[i];

		if (t->function.fn_strict && row->tts_isnull[column])
			return;
		args[i + 1].value = row->tts_values[column];
		args[i + 1].isnull = row->tts_isnull[column];
	}
	transition_advance(t, state);
}

void
fold_row(Fold *fold, TupleTableSlot *row)
{
	MemoryContext old;
	TransitionValue *values;

	slot_getallattrs(row);
	MemoryContextReset(fold->row);
	old = MemoryContextSwitchTo(fold->row);
	values = find_group(fold, row);
	for (int i = 0; i < fold->nfoldings; i++)
		advance(&fold->foldings[i], &values[i], row);
	MemoryContextSwitchTo(old);
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

	/* the first one that cannot be sorted by ends it: the order is for speed alone */
	for (int i = 0; i < fold->def->nkeys && fold->def->keys[i].indexed; i++)
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
fill_group(Fold *fold, FoldGroup *group, MinimalTuple key, const TransitionValue *values,
		   TupleTableSlot *slot)
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
	memset(group->state_nulls, true, nstates * sizeof(bool));
	for (int i = 0; i < fold->nfoldings; i++)
	{
		Folding *folding = &fold->foldings[i];
		bool *isnull = &group->state_nulls[folding->state];

		group->states[folding->state] = folding->partial
											? transition_store(&folding->transition, &values[i], isnull)
											: transition_final(&folding->transition, &values[i], isnull);
	}
}

FoldGroup *
fold_groups(Fold *fold, int64 *ngroups)
{
	MemoryContext old;
	FoldGroup *groups;
	int64 n = 0;

	*ngroups = fold->ngroups;
	if (fold->sorted != NULL)
		return fold->sorted;
	old = MemoryContextSwitchTo(fold->table);
	groups = MemoryContextAllocHuge(fold->table, (fold->ngroups + 1) * sizeof(FoldGroup));
	use_table(fold);
	if (fold->def->nkeys == 0 && fold->single != NULL)
		fill_group(fold, &groups[n++], NULL, fold->single, NULL);
	if (fold->groups != NULL)
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
	fold->sorted = groups;
	return groups;
}

Datum
fold_combine(Fold *fold, int state, Datum a, Datum b, bool *isnull)
{
	Folding *folding = fold->folding_of[state];
	Transition *t = &folding->transition;
	Datum result;

	*isnull = false;
	if (!folding->partial)
		return FunctionCall2Coll(&folding->combine, t->collation, a, b);
	/* an error leaves it so until the groups are next asked for */
	t->agg->curaggcontext = fold->combining;
	result = transition_combine(t, a, b, isnull);
	t->agg->curaggcontext = fold->table_econtext;
	ReScanExprContext(fold->combining);
	return result;
}

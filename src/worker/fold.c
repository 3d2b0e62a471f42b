/*
 * fold.c
 *		The fold: aggregate states in memory (see fold.h).
 *
 * A hash table of groups (PostgreSQL's TupleHashTable) contains, for each group, the transition values of
 * every state that the worker computes, advanced by the aggregates' own transition functions
 * (aggregate/transition.h). The stored state is the aggregate's value, or, for a partial state, the
 * transition state itself.
 *
 * Groups are chained in the order in which they were created, which is their order in memory. To be written
 * they are sorted by copies of their keys, and finalised one by one, so that each is visited twice and there
 * is no second copy of all groups.
 *
 * Memory contexts: "table" contains groups and states and is reset as a whole; "row" is reset for each row;
 * "event" contains copies, and is reset for each event in careful mode; "combining" is reset for each
 * combination of two stored states.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"
#include "worker/fold_private.h"

/*
 * A btree entry is limited to a third of a page. Rows with longer keys, which could not be indexed, are
 * rejected.
 */
#define MAX_KEY_SIZE 2600

/* How many groups ahead to prefetch: the group, then what it points to. */
#define PREFETCH_FAR 16
#define PREFETCH_NEAR 8
#define CACHE_LINE 64

static void folding_init(Fold *fold, Folding *folding, const StateDef *state, const FoldState *columns);
static void keys_init(Fold *fold);
static void key_hash_init(Fold *fold, FmgrInfo *function, Oid type);
static Datum hash_image(PG_FUNCTION_ARGS);
static Folded *new_group(Fold *fold, MinimalTuple key, uint32 hash);
static Size group_size(const Fold *fold);
static void build_table(Fold *fold);
static void sort_by_keys(Fold *fold);
static void read_keys(const Fold *fold, MinimalTuple key, Datum *keys, bool *nulls);
static void prefetch_group(const Fold *fold, int64 i);

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
	fold->end = &fold->oldest;
	fold->event = AllocSetContextCreate(CurrentMemoryContext, "streambatch event", ALLOCSET_SMALL_SIZES);
	return fold;
}

void
fold_reset(Fold *fold)
{
	fold_use_table(fold);
	/* calls the shutdown callbacks of the aggregates, and frees all groups */
	ReScanExprContext(fold->table_econtext);
	MemoryContextReset(fold->row);
	fold_begin_event(fold);
	fold->ngroups = 0;
	fold->nsorted = 0;
	fold->sorted = NULL;
	fold->oldest = NULL;
	fold->end = &fold->oldest;
	fold->groups = NULL;
}

bool
fold_is_empty(const Fold *fold)
{
	return fold->ngroups == 0;
}

bool
fold_hash_is_exact(const Fold *fold)
{
	return !fold->by_image;
}

Size
fold_memory(const Fold *fold)
{
	return MemoryContextMemAllocated(fold->table, true);
}

void
fold_row(Fold *fold, TupleTableSlot *row, int64 partition_rank, int64 offset)
{
	/* in the order of FOLD_PARTITION and FOLD_OFFSET */
	const NullableDatum position[] = {{Int64GetDatum(partition_rank), false}, {Int64GetDatum(offset), false}};
	MemoryContext old;
	Folded *group;

	slot_getallattrs(row);
	MemoryContextReset(fold->row);
	old = MemoryContextSwitchTo(fold->row);
	group = fold_find_group(fold, row);
	for (int i = 0; i < fold->nfoldings; i++)
		fold_advance(&fold->foldings[i], &group->values[i], row, position);
	group->used = true;
	MemoryContextSwitchTo(old);
}

int64
fold_sort(Fold *fold)
{
	if (fold->sorted == NULL && fold->ngroups > 0)
	{
		fold->sorted = MemoryContextAllocHuge(fold->table, fold->ngroups * sizeof(KeyedGroup));
		fold->sorted[0].group = fold->oldest;
		fold->nsorted = fold->oldest->used ? 1 : 0;
		if (fold->def->nkeys > 0)
			sort_by_keys(fold);
	}
	return fold->nsorted;
}

void
fold_group(Fold *fold, int64 i, FoldGroup *result)
{
	const KeyedGroup *sorted = &fold->sorted[i];
	const Folded *folded = sorted->group;
	int nstates = fold->def->nstates;

	prefetch_group(fold, i);
	result->hash = folded->hash;
	result->keys = sorted->keys;
	result->key_nulls = (bool *) (sorted->keys + fold->def->nkeys);
	result->states = palloc(nstates * (sizeof(Datum) + sizeof(bool)));
	result->state_nulls = (bool *) (result->states + nstates);
	memset(result->state_nulls, true, nstates * sizeof(bool));
	fold_use_table(fold);
	for (int f = 0; f < fold->nfoldings; f++)
	{
		Folding *folding = &fold->foldings[f];
		const TransitionValue *value = &folded->values[f];
		bool *isnull = &result->state_nulls[folding->state];

		result->states[folding->state] = folding->partial
											 ? transition_store(&folding->transition, value, isnull)
											 : transition_final(&folding->transition, value, isnull);
	}
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
	/* after an error it stays so until the next fold_group() */
	t->agg->curaggcontext = fold->combining;
	result = transition_combine(t, a, b, isnull);
	t->agg->curaggcontext = fold->table_econtext;
	ReScanExprContext(fold->combining);
	return result;
}

static void
folding_init(Fold *fold, Folding *folding, const StateDef *state, const FoldState *columns)
{
	TransitionShape shape;

	transition_check_execute(state->folded->aggfnoid);
	transition_shape(state->folded, &shape);
	/* with its serialisation functions also where its value is stored, to copy it */
	transition_init(&folding->transition, state->folded,
					state->partial ||
						(shape.type == INTERNALOID && shape.combinable && OidIsValid(shape.stored)),
					fold->table_econtext, fold->row_econtext);
	folding->columns = columns;
	folding->partial = state->partial;
	folding->copyable = folding->transition.type != INTERNALOID || folding->transition.sealed;
	if (state->partial)
		return;
	fmgr_info(state->combine, &folding->combine);
	fmgr_info_set_expr((Node *) makeFuncExpr(state->combine, state->type,
											 list_make2(makeNullConst(state->type, -1, InvalidOid),
														makeNullConst(state->type, -1, InvalidOid)),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &folding->combine);
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
		key_hash_init(fold, &fold->hash_functions[i], key->type);
		fold->collations[i] = key->collation;
	}
	fold->key_slot = MakeSingleTupleTableSlot(fold->key_desc, &TTSOpsVirtual);
}

/* Set the hash function of a key; a type without one is hashed by its binary image. */
static void
key_hash_init(Fold *fold, FmgrInfo *function, Oid type)
{
	Oid hash_proc = lookup_type_cache(type, TYPECACHE_HASH_PROC)->hash_proc;

	if (OidIsValid(hash_proc))
	{
		fmgr_info(hash_proc, function);
		return;
	}
	fold->by_image = true;
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

/* Equal values with different images become separate groups, and are combined later. */
static Datum
hash_image(PG_FUNCTION_ARGS)
{
	int16 len;
	bool byval;

	get_typlenbyval(get_fn_expr_argtype(fcinfo->flinfo, 0), &len, &byval);
	PG_RETURN_UINT32(datum_image_hash(PG_GETARG_DATUM(0), byval, len));
}

/* Make "table" the aggregate context again, also after an error. */
void
fold_use_table(Fold *fold)
{
	for (int i = 0; i < fold->nfoldings; i++)
		fold->foldings[i].transition.agg->curaggcontext = fold->table_econtext;
}

Folded *
fold_find_group(Fold *fold, TupleTableSlot *row)
{
	TupleTableSlot *key = fold->key_slot;
	TupleHashEntry entry;
	bool isnew;
	uint32 hash;

	if (fold->def->nkeys == 0)
		return fold->oldest != NULL ? fold->oldest : new_group(fold, NULL, 0);
	if (fold->groups == NULL)
		build_table(fold);
	ExecClearTuple(key);
	memcpy(key->tts_values, row->tts_values, fold->def->nkeys * sizeof(Datum));
	memcpy(key->tts_isnull, row->tts_isnull, fold->def->nkeys * sizeof(bool));
	ExecStoreVirtualTuple(key);
	entry = LookupTupleHashEntry(fold->groups, key, &isnew, &hash);
	/* an entry without group was left by an error */
	if (isnew)
		compat_entry_set_additional(fold->groups, entry, NULL);
	if (compat_entry_additional(fold->groups, entry) == NULL)
	{
		MinimalTuple tuple = compat_entry_tuple(entry);

		if (tuple->t_len > MAX_KEY_SIZE)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("grouping keys of %u bytes exceed the maximum of %d bytes", tuple->t_len,
								   MAX_KEY_SIZE),
							errhint("Group by a hash or a prefix of the value.")));
		compat_entry_set_additional(fold->groups, entry, new_group(fold, tuple, hash));
	}
	return compat_entry_additional(fold->groups, entry);
}

static Folded *
new_group(Fold *fold, MinimalTuple key, uint32 hash)
{
	Folded *group = MemoryContextAlloc(fold->table, group_size(fold));

	for (int i = 0; i < fold->nfoldings; i++)
		transition_start(&fold->foldings[i].transition, &group->values[i]);
	group->next = NULL;
	group->key = key;
	group->hash = hash;
	group->used = false;
	group->stored = fold->find_stored != NULL ? fold_find_stored(fold) : NULL;
	*fold->end = group;
	fold->end = &group->next;
	fold->ngroups++;
	return group;
}

static Size
group_size(const Fold *fold)
{
	return offsetof(Folded, values) + fold->nfoldings * sizeof(TransitionValue);
}

/* Called for the first row, and not by fold_reset(): it reads the catalog, which may not be possible then. */
static void
build_table(Fold *fold)
{
	MemoryContext old = MemoryContextSwitchTo(fold->table);

	fold->groups = compat_build_hash_table(fold->key_desc, &TTSOpsVirtual, fold->def->nkeys,
										   fold->key_columns, fold->equal_functions, fold->hash_functions,
										   fold->collations, 256, fold->table, fold->table, fold->row);
	MemoryContextSwitchTo(old);
}

static void
sort_by_keys(Fold *fold)
{
	GroupOrder *order = group_order_create(fold->def);
	Size size = MAXALIGN(fold->def->nkeys * (sizeof(Datum) + sizeof(bool)));
	char *keys = MemoryContextAllocHuge(fold->table, fold->ngroups * size);
	KeyedGroup *next = fold->sorted;

	fold->nsorted = 0;
	for (Folded *group = fold->oldest; group != NULL; group = group->next)
	{
		if (!group->used)
			continue;
		next->group = group;
		next->keys = (Datum *) keys;
		read_keys(fold, group->key, next->keys, (bool *) (next->keys + fold->def->nkeys));
		group_order_prepare(order, next);
		fold->nsorted++;
		next++;
		keys += size;
	}
	group_order_sort(order, fold->sorted, fold->nsorted);
}

/* Deform the keys of a minimal tuple in place. */
static void
read_keys(const Fold *fold, MinimalTuple key, Datum *keys, bool *nulls)
{
	HeapTupleData tuple;

	tuple.t_len = key->t_len + MINIMAL_TUPLE_OFFSET;
	tuple.t_data = (HeapTupleHeader) ((char *) key - MINIMAL_TUPLE_OFFSET);
	heap_deform_tuple(&tuple, fold->key_desc, keys, nulls);
}

/* Groups are in memory in order of creation: in any other order, prefetching is worth it. */
static void
prefetch_group(const Fold *fold, int64 i)
{
	if (i + PREFETCH_FAR < fold->nsorted)
	{
		const KeyedGroup *far = &fold->sorted[i + PREFETCH_FAR];

		__builtin_prefetch(far->keys);
		for (Size at = 0; at < group_size(fold); at += CACHE_LINE)
			__builtin_prefetch((const char *) far->group + at);
	}
	if (i + PREFETCH_NEAR < fold->nsorted)
	{
		const Folded *near = fold->sorted[i + PREFETCH_NEAR].group;

		for (int s = 0; s < fold->nfoldings; s++)
		{
			if (!fold->foldings[s].transition.byval)
				__builtin_prefetch(DatumGetPointer(near->values[s].value));
		}
	}
}

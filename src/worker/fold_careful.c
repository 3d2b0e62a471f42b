/*
 * fold_careful.c
 *		Folding rows that can be taken back, and comparing them with what is stored (see fold.h).
 *
 * In careful mode the values that a row is about to change are copied before: by-value ones as they are,
 * by-reference ones with datumCopy(), those of type internal in their serialised form. A state of type internal
 * without serialisation functions cannot be copied: the row is first folded into an empty state, which raises the
 * error instead (such states are sketches, whose errors depend on the value alone), and into the group's only once
 * its whole event is known to stay, by fold_finish_row().
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "worker/fold_private.h"

static void remember_group(Fold *fold, Folded *group);
static void try_row(Fold *fold, const Folded *group, Folding *folding, TupleTableSlot *row,
					const NullableDatum *position);
static void check_state(Fold *fold, const Folded *group, Folding *folding, const TransitionValue *value);
static void restore_value(Transition *t, const TransitionValue *copy, TransitionValue *value);

void
fold_begin_event(Fold *fold)
{
	fold->undo = NULL;
	MemoryContextReset(fold->event);
}

void
fold_row_carefully(Fold *fold, TupleTableSlot *row, int64 partition_rank, int64 offset)
{
	const NullableDatum position[] = {{Int64GetDatum(partition_rank), false}, {Int64GetDatum(offset), false}};
	MemoryContext old;
	Folded *group;

	slot_getallattrs(row);
	MemoryContextReset(fold->row);
	old = MemoryContextSwitchTo(fold->row);
	fold_use_table(fold);
	group = fold_find_group(fold, row);
	remember_group(fold, group);
	for (int i = 0; i < fold->nfoldings; i++)
	{
		Folding *folding = &fold->foldings[i];

		if (!folding->copyable)
		{
			try_row(fold, group, folding, row, position);
			continue;
		}
		fold_advance(folding, &group->values[i], row, position);
		check_state(fold, group, folding, &group->values[i]);
	}
	group->used = true;
	MemoryContextSwitchTo(old);
}

void
fold_finish_row(Fold *fold, TupleTableSlot *row, int64 partition_rank, int64 offset)
{
	const NullableDatum position[] = {{Int64GetDatum(partition_rank), false}, {Int64GetDatum(offset), false}};
	MemoryContext old;
	Folded *group = NULL;

	slot_getallattrs(row);
	MemoryContextReset(fold->row);
	old = MemoryContextSwitchTo(fold->row);
	for (int i = 0; i < fold->nfoldings; i++)
	{
		if (fold->foldings[i].copyable)
			continue;
		if (group == NULL)
			group = fold_find_group(fold, row);
		fold_advance(&fold->foldings[i], &group->values[i], row, position);
	}
	MemoryContextSwitchTo(old);
}

void
fold_undo_event(Fold *fold)
{
	MemoryContext old = MemoryContextSwitchTo(fold->table);

	fold_use_table(fold);
	for (const FoldUndo *undo = fold->undo; undo != NULL; undo = undo->next)
	{
		for (int i = 0; i < fold->nfoldings; i++)
		{
			if (fold->foldings[i].copyable)
				restore_value(&fold->foldings[i].transition, &undo->values[i], &undo->group->values[i]);
		}
		undo->group->used = undo->used;
	}
	MemoryContextSwitchTo(old);
	fold_begin_event(fold);
}

void
fold_set_stored(Fold *fold, FoldFindStored find, void *arg)
{
	fold->find_stored = find;
	fold->find_arg = arg;
}

StoredStates *
fold_find_stored(Fold *fold)
{
	const ViewDef *def = fold->def;
	MemoryContext old = MemoryContextSwitchTo(fold->table);
	StoredStates *stored = palloc(sizeof(StoredStates));

	stored->states = palloc((def->nstates + 1) * sizeof(Datum));
	stored->nulls = palloc((def->nstates + 1) * sizeof(bool));
	if (fold->find_stored(fold->find_arg, fold->key_slot->tts_values, fold->key_slot->tts_isnull,
						  stored->states, stored->nulls))
	{
		for (int i = 0; i < def->nstates; i++)
		{
			int16 len;
			bool byval;

			get_typlenbyval(def->states[i].type, &len, &byval);
			if (!stored->nulls[i])
				stored->states[i] = datumCopy(stored->states[i], byval, len);
		}
	}
	else
		stored = NULL;
	MemoryContextSwitchTo(old);
	return stored;
}

/* Copy what a row is about to change. */
static void
remember_group(Fold *fold, Folded *group)
{
	MemoryContext old = MemoryContextSwitchTo(fold->event);
	FoldUndo *undo = palloc(sizeof(FoldUndo));

	undo->group = group;
	undo->used = group->used;
	undo->values = palloc(fold->nfoldings * sizeof(TransitionValue));
	for (int i = 0; i < fold->nfoldings; i++)
	{
		Folding *folding = &fold->foldings[i];
		Transition *t = &folding->transition;
		TransitionValue *copy = &undo->values[i];

		*copy = group->values[i];
		/* a state of type internal is a pointer, by value */
		if (copy->isnull || (t->byval && !t->sealed) || !folding->copyable)
			continue;
		copy->value = t->sealed ? transition_store(t, &group->values[i], &copy->isnull)
								: datumCopy(copy->value, t->byval, t->len);
	}
	undo->next = fold->undo;
	fold->undo = undo;
	MemoryContextSwitchTo(old);
}

/* Fold a row into an empty state, for the errors that it may raise. */
static void
try_row(Fold *fold, const Folded *group, Folding *folding, TupleTableSlot *row, const NullableDatum *position)
{
	TransitionValue state;

	folding->transition.agg->curaggcontext = fold->row_econtext;
	transition_start(&folding->transition, &state);
	fold_advance(folding, &state, row, position);
	check_state(fold, group, folding, &state);
	folding->transition.agg->curaggcontext = fold->table_econtext;
}

/* Finalise a state, and combine it with the stored one of the group, for the errors that it may raise. */
static void
check_state(Fold *fold, const Folded *group, Folding *folding, const TransitionValue *value)
{
	Transition *t = &folding->transition;
	int state = folding->state;
	bool isnull;
	Datum result =
		folding->partial ? transition_store(t, value, &isnull) : transition_final(t, value, &isnull);

	if (!isnull && group->stored != NULL && !group->stored->nulls[state])
		(void) fold_combine(fold, state, group->stored->states[state], result, &isnull);
}

/* Put a copy in the place of a value. */
static void
restore_value(Transition *t, const TransitionValue *copy, TransitionValue *value)
{
	if (copy->isnull || (t->byval && !t->sealed))
		*value = *copy;
	else if (t->sealed)
	{
		transition_start(t, value);
		transition_absorb(t, value, copy->value, false);
	}
	else
	{
		*value = *copy;
		value->value = datumCopy(copy->value, t->byval, t->len);
	}
}

/*
 * fold_private.h
 *		What fold.c and fold_careful.c share of a fold. Private to them.
 */
#ifndef STREAMBATCH_FOLD_PRIVATE_H
#define STREAMBATCH_FOLD_PRIVATE_H

#include "aggregate/transition.h"
#include "worker/fold.h"
#include "worker/group_order.h"

/* A state that the worker computes. States of the batch layer only have none. */
typedef struct Folding
{
	Transition transition; /* first, and used in place */
	const FoldState *columns;
	int state; /* index among the view's states */
	bool partial;
	bool copyable;	  /* its transition values can be copied */
	FmgrInfo combine; /* of values, if not partial */
} Folding;

/* The stored states of a group. */
typedef struct StoredStates
{
	Datum *states;
	bool *nulls;
} StoredStates;

typedef struct Folded
{
	struct Folded *next;
	MinimalTuple key;
	StoredStates *stored; /* NULL: none, or not looked up */
	uint32 hash;
	bool used; /* some row is in it; if not, its only row was taken back */
	TransitionValue values[FLEXIBLE_ARRAY_MEMBER];
} Folded;

/* What a group was before a row. */
typedef struct FoldUndo
{
	struct FoldUndo *next; /* the one before */
	Folded *group;
	bool used;
	TransitionValue *values;
} FoldUndo;

struct Fold
{
	const ViewDef *def;
	int nfoldings;
	Folding *foldings;
	Folding **folding_of;		 /* by state; NULL: of the batch layer only */
	ExprContext *table_econtext; /* its per-tuple memory is "table" */
	ExprContext *row_econtext;	 /* … "row" */
	ExprContext *combining;
	MemoryContext table;
	MemoryContext row;
	MemoryContext event;
	FoldUndo *undo; /* latest first, in "event" */
	FoldFindStored find_stored;
	void *find_arg;
	TupleDesc key_desc;
	TupleTableSlot *key_slot;
	AttrNumber *key_columns;
	Oid *equal_functions;
	FmgrInfo *hash_functions;
	Oid *collations;
	bool by_image; /* a key is hashed by its binary image */
	TupleHashTable groups;
	int64 ngroups;
	int64 nsorted;
	Folded *oldest;		/* in a view without keys, the only one */
	Folded **end;		/* of the chain */
	KeyedGroup *sorted; /* NULL: not yet */
};

/* Make "table" the aggregate context again, also after an error. */
extern void fold_use_table(Fold *fold);

/* The group of a row, created if there is none. */
extern Folded *fold_find_group(Fold *fold, TupleTableSlot *row);

/* The stored states of the group whose keys are in the key slot; NULL: none. Allocated in "table". */
extern StoredStates *fold_find_stored(Fold *fold);

/* Inline, for it is most of the worker's work. */
static inline void
fold_advance(Folding *folding, TransitionValue *state, TupleTableSlot *row, const NullableDatum *position)
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

		if (column < 0)
		{
			args[i + 1] = position[-1 - column];
			continue;
		}
		if (t->function.fn_strict && row->tts_isnull[column])
			return;
		args[i + 1].value = row->tts_values[column];
		args[i + 1].isnull = row->tts_isnull[column];
	}
	transition_advance(t, state);
}

#endif /* STREAMBATCH_FOLD_PRIVATE_H */

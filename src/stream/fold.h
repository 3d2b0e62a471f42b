/*
 * fold.h
 *		The fold: aggregate states of the groups touched since the last flush, in memory.
 */
#ifndef FOLD_H
#define FOLD_H

#include "define/sql.h"
#include "executor/tuptable.h"

typedef struct Fold Fold;

/* A group to be written: keys and states as the state tables store them. */
typedef struct FoldGroup
{
	Datum *keys;
	bool *key_nulls;
	Datum *states;
	bool *state_nulls;
} FoldGroup;

/*
 * A fold for the rows of the definition's fold query. Lives in the current context, as must def and columns.
 * Called as the view's owner, whom it checks for the right to call the aggregates.
 */
extern Fold *fold_create(const ViewDef *def, const FoldState *columns);

/*
 * Fold one row in. What an aggregate's transition function raises leaves the fold half-changed: it must be
 * reset, and its events read again.
 */
extern void fold_row(Fold *fold, TupleTableSlot *row);

/* Forget everything. */
extern void fold_reset(Fold *fold);

extern Size fold_memory(const Fold *fold);

/*
 * The groups, sorted by their keys, with states as they are stored. They live in the fold until it is reset. Raises
 * what final functions raise.
 */
extern FoldGroup *fold_groups(Fold *fold, int64 *ngroups);

/*
 * Two stored states, neither of them null, made one. Raises what combine functions raise; the groups are
 * then to be asked for anew, or the fold reset. Allocates in the current context.
 */
extern Datum fold_combine(Fold *fold, int state, Datum a, Datum b, bool *isnull);

#endif /* FOLD_H */

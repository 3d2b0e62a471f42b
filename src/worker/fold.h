/*
 * fold.h
 *		The fold: aggregate states of the groups touched since the last flush, in memory.
 */
#ifndef STREAMBATCH_FOLD_H
#define STREAMBATCH_FOLD_H

#include "executor/tuptable.h"
#include "query/fold_sql.h"

typedef struct Fold Fold;

/* A group to be written: keys and states as the state tables store them. Keys live as long as the fold has them. */
typedef struct FoldGroup
{
	uint32 hash; /* of the keys */
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
 * Fold in one row, of the event at this position. What an aggregate's transition function raises leaves the fold half-changed: it must be
 * reset, and its events read again.
 */
extern void fold_row(Fold *fold, TupleTableSlot *row, int32 partition, int64 offset);

/* Forget everything. */
extern void fold_reset(Fold *fold);

/* Whether equal keys have equal hashes: not of types that are hashed by what values look like. */
extern bool fold_hash_tells(const Fold *fold);

extern Size fold_memory(const Fold *fold);

/* Bring the groups into the order of their index: by their keys, the pane last. Returns how many there are. */
extern int64 fold_sort(Fold *fold);

/*
 * Group i in that order, with states as they are stored, in the current context. Every group can be asked for
 * again: several state tables may store the same fold. Raises what final functions raise.
 */
extern void fold_group(Fold *fold, int64 i, FoldGroup *result);

/*
 * Two stored states, neither of them null, made one. Raises what combine functions raise; the groups are
 * then to be asked for anew, or the fold reset. Allocates in the current context.
 */
extern Datum fold_combine(Fold *fold, int state, Datum a, Datum b, bool *isnull);

#endif /* STREAMBATCH_FOLD_H */

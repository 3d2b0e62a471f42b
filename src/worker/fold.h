/*
 * fold.h
 *		The fold: aggregate states of the groups touched since the last flush, in memory.
 */
#ifndef STREAMBATCH_FOLD_H
#define STREAMBATCH_FOLD_H

#include "executor/tuptable.h"
#include "query/fold_sql.h"

typedef struct Fold Fold;

/* A group to be written, with keys and states as stored in state tables. Keys are owned by the fold. */
typedef struct FoldGroup
{
	uint32 hash; /* of the keys */
	Datum *keys;
	bool *key_nulls;
	Datum *states;
	bool *state_nulls;
} FoldGroup;

/*
 * Create a fold for the rows of the definition's fold query, in the current context; def and columns must
 * live as long. Called as the view's owner, whose privilege to execute the aggregates it checks.
 */
extern Fold *fold_create(const ViewDef *def, const FoldState *columns);

/*
 * Fold one row, of the event at this position. An error in a transition function leaves the fold
 * half-changed: it must be reset, and its events read again.
 */
extern void fold_row(Fold *fold, TupleTableSlot *row, int32 partition, int64 offset);

/* Remove all groups. */
extern void fold_reset(Fold *fold);

/*
 * Whether equal keys have equal hashes. Not so for types without a hash function, hashed by their binary
 * image.
 */
extern bool fold_hash_is_exact(const Fold *fold);

extern Size fold_memory(const Fold *fold);

/* Sort the groups in the order of their index: by their keys, the pane last. Returns their number. */
extern int64 fold_sort(Fold *fold);

/*
 * Get group i in that order, with states as stored, in the current context. May be called again for the same
 * group: several state tables may store the same fold. Raises what final functions raise.
 */
extern void fold_group(Fold *fold, int64 i, FoldGroup *result);

/*
 * Combine two stored states, neither of them null. Allocates in the current context. Raises what combine
 * functions raise; after that, call fold_group() again, or reset the fold.
 */
extern Datum fold_combine(Fold *fold, int state, Datum a, Datum b, bool *isnull);

#endif /* STREAMBATCH_FOLD_H */

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
 * Fold one row, of the event at this position. An error leaves the fold half-changed: it must be reset, and its
 * events read again.
 */
extern void fold_row(Fold *fold, TupleTableSlot *row, int64 partition_rank, int64 offset);

/*
 * The same in careful mode, which is slower: fold_undo_event() takes back what was folded since
 * fold_begin_event(), also after an error. Raises also what combining with the stored states will raise, if
 * fold_set_stored() has been called.
 */
extern void fold_begin_event(Fold *fold);
extern void fold_row_carefully(Fold *fold, TupleTableSlot *row, int64 partition_rank, int64 offset);

/* For each row of an event that stays, once all of them have been folded: what could not be taken back. */
extern void fold_finish_row(Fold *fold, TupleTableSlot *row, int64 partition_rank, int64 offset);
extern void fold_undo_event(Fold *fold);

/*
 * How to find the states that are stored of a group: false if there are none. They may be overwritten by the next
 * call. NULL: the groups created from now on are not compared with stored states.
 */
typedef bool (*FoldFindStored)(void *arg, const Datum *keys, const bool *key_nulls, Datum *states,
							   bool *state_nulls);
extern void fold_set_stored(Fold *fold, FoldFindStored find, void *arg);

/* Remove all groups. */
extern void fold_reset(Fold *fold);
extern bool fold_is_empty(const Fold *fold);

/*
 * Whether equal keys have equal hashes. Not so for types without a hash function, hashed by their binary
 * image.
 */
extern bool fold_hash_is_exact(const Fold *fold);

extern Size fold_memory(const Fold *fold);

/*
 * Sort the groups in the order of their index: by their keys, the pane last. Returns their number. No row may be
 * folded after it before the fold is reset.
 */
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

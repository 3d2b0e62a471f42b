/*
 * state_table.h
 *		Writing a fold into the stream layer's state table.
 */
#ifndef STREAMBATCH_STATE_TABLE_H
#define STREAMBATCH_STATE_TABLE_H

#include "utils/rel.h"
#include "worker/epoch_filter.h"
#include "worker/fold.h"

/*
 * Write every group of the fold into the state table under an epoch: combined with the group's row of that
 * epoch if there is one, and as a new row otherwise. Groups that are not in filter are not looked up. The
 * caller holds RowExclusiveLock and the stream's row lock, and has an active snapshot taken after it. Returns
 * the number of groups.
 */
extern int64 state_table_write(Relation rel, const ViewDef *def, Fold *fold, EpochFilter *filter,
							   int64 epoch);

/*
 * Looking up what is stored of a group under an epoch, for fold_set_stored(). The caller holds a lock on the
 * table and an active snapshot until it is closed; it lives in the current context.
 */
typedef struct StateReader StateReader;

extern StateReader *state_table_open_reader(Relation rel, const ViewDef *def, int64 epoch);
extern bool state_table_find(void *reader, const Datum *keys, const bool *key_nulls, Datum *states,
							 bool *state_nulls);
extern void state_table_close_reader(StateReader *reader);

#endif /* STREAMBATCH_STATE_TABLE_H */

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
 * epoch if there is one, and as a new row otherwise. Groups that are not in filter are not looked up. append:
 * always write new rows, because combining raised an error; readers merge them, and raise it. The caller
 * holds RowExclusiveLock and the stream's row lock, and has an active snapshot taken after it. Returns the
 * number of groups.
 */
extern int64 state_table_write(Relation rel, const ViewDef *def, Fold *fold, EpochFilter *filter, int64 epoch,
							   bool append);

#endif /* STREAMBATCH_STATE_TABLE_H */

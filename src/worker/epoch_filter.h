/*
 * epoch_filter.h
 *		A filter of the groups that a state table may contain under the current epoch; saves look-ups.
 */
#ifndef STREAMBATCH_EPOCH_FILTER_H
#define STREAMBATCH_EPOCH_FILTER_H

typedef struct EpochFilter EpochFilter;

/* Create a filter in the current context. It uses memory bytes at most. */
extern EpochFilter *epoch_filter_create(Size memory);

/*
 * Begin a flush under an epoch. The caller holds the stream's row lock and owns its positions. empty: the
 * table has no rows at all.
 */
extern void epoch_filter_begin(EpochFilter *filter, int64 epoch, bool empty);

/*
 * Add a group, by its hash. Returns false if it has no row of this epoch. If the flush is rolled back, the
 * group stays in the filter; that costs a look-up only.
 */
extern bool epoch_filter_note(EpochFilter *filter, uint32 hash);

#endif /* STREAMBATCH_EPOCH_FILTER_H */

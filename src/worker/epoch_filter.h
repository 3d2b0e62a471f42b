/*
 * epoch_filter.h
 *		Which groups a state table may have rows of under the present epoch: most need not be looked up.
 */
#ifndef STREAMBATCH_EPOCH_FILTER_H
#define STREAMBATCH_EPOCH_FILTER_H

typedef struct EpochFilter EpochFilter;

/* Nothing is known yet. Lives in the current context, as will what it remembers: memory bytes at most. */
extern EpochFilter *epoch_filter_create(Size memory);

/*
 * A flush under an epoch begins; the caller holds the stream's row lock and owns its positions. empty: the
 * table has no rows at all.
 */
extern void epoch_filter_begin(EpochFilter *filter, int64 epoch, bool empty);

/*
 * Note a group, by its hash, as written. False: it has no row of this epoch. Whether what was noted gets
 * committed does not matter: of more groups than have rows it only says less.
 */
extern bool epoch_filter_note(EpochFilter *filter, uint32 hash);

#endif /* STREAMBATCH_EPOCH_FILTER_H */

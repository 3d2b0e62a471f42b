/*
 * archive_blocks.h
 *		The blocks of a table that may contain times of some ranges, by a block range index.
 */
#ifndef STREAMBATCH_ARCHIVE_BLOCKS_H
#define STREAMBATCH_ARCHIVE_BLOCKS_H

#include "batch/in_ranges.h"
#include "storage/block.h"
#include "utils/relcache.h"

/* Blocks side by side. */
typedef struct BlockRun
{
	BlockNumber first;
	BlockNumber last;
} BlockRun;

/*
 * The blocks in which rows may be whose column, the first one of an index that archive_index_blocks() returned, is
 * in one of the ranges; of all rows that the active snapshot sees. In runs of limited length, ascending; returns their
 * number. Current context.
 */
extern int archive_blocks_find(Relation table, Relation index, const SortedRanges *ranges, BlockRun **runs);

#endif /* STREAMBATCH_ARCHIVE_BLOCKS_H */

/*
 * archive_blocks.c
 *		The blocks of a table that may contain times of some ranges (see archive_blocks.h).
 *
 * The server's own scan of a block range index is for one range; for thousands, it would go through the index as many
 * times. This reads the summaries once, and looks up the least and the greatest time of each block range among the ranges.
 * What a snapshot that was taken before sees is in the summaries, because a row is added to them before its transaction
 * commits, or in a block range that is not summarized. Such a one may contain any time.
 */
#include "postgres.h"

#include "access/brin_internal.h"
#include "access/brin_revmap.h"
#include "access/brin_tuple.h"
#include "batch/archive_blocks.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "window/query_window.h"

/* So that parallel workers can share them. */
#define MAX_RUN 64

typedef struct Runs
{
	int n;
	int allocated;
	BlockRun *items;
} Runs;

static bool may_contain(BrinDesc *desc, BrinTuple *tuple, BrinMemTuple *memory, const SortedRanges *ranges);
static void add(Runs *runs, BlockNumber first, BlockNumber last);

int
archive_blocks_find(Relation table, Relation index, const SortedRanges *ranges, BlockRun **result)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(table);
	BlockNumber pages_per_range;
	BrinRevmap *map = compat_brin_map_open(index, &pages_per_range);
	BrinDesc *desc = brin_build_desc(index);
	BrinMemTuple *memory = brin_new_memtuple(desc);
	BrinTuple *copy = NULL;
	Size copy_size = 0;
	Buffer buffer = InvalidBuffer;
	Runs runs = {0};

	for (BlockNumber block = 0; block < nblocks; block += Min(pages_per_range, nblocks - block))
	{
		OffsetNumber offset;
		Size size;
		BrinTuple *tuple = compat_brin_tuple(map, block, &buffer, &offset, &size);

		CHECK_FOR_INTERRUPTS();
		if (tuple != NULL)
		{
			copy = brin_copy_tuple(tuple, size, copy, &copy_size);
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		}
		if (tuple == NULL || may_contain(desc, copy, memory, ranges))
			add(&runs, block, block + Min(pages_per_range, nblocks - block) - 1);
	}
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	brinRevmapTerminate(map);
	brin_free_desc(desc);
	*result = runs.items;
	return runs.n;
}

static bool
may_contain(BrinDesc *desc, BrinTuple *tuple, BrinMemTuple *memory, const SortedRanges *ranges)
{
	BrinMemTuple *summary = brin_deform_tuple(desc, tuple, memory);
	const BrinValues *column = &summary->bt_columns[0];
	Oid type = TupleDescAttr(desc->bd_tupdesc, 0)->atttypid;

	if (summary->bt_placeholder)
		return true;
	return !column->bv_allnulls && sorted_ranges_overlap(ranges, window_instant(type, column->bv_values[0]),
														 window_instant(type, column->bv_values[1]));
}

static void
add(Runs *runs, BlockNumber first, BlockNumber last)
{
	BlockRun *before = runs->n > 0 ? &runs->items[runs->n - 1] : NULL;

	if (before != NULL && before->last + 1 == first && last - before->first < MAX_RUN)
	{
		before->last = last;
		return;
	}
	if (runs->n == runs->allocated)
	{
		runs->allocated = Max(64, 2 * runs->allocated);
		runs->items = runs->n == 0 ? palloc(runs->allocated * sizeof(BlockRun))
								   : repalloc_huge(runs->items, (Size) runs->allocated * sizeof(BlockRun));
	}
	runs->items[runs->n++] = (BlockRun){first, last};
}

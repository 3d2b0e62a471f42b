/*
 * epoch_filter.c
 *		A filter of the groups that may have rows (see epoch_filter.h).
 *
 * Only the owner of a stream's positions writes rows of the current epoch, apart from create_view before the
 * first flush. So a process that has written since the beginning of the epoch has recorded all of them: either the
 * table was empty at its first flush, or the epoch was raised between two of its flushes, which both found
 * the positions to be its own. A process that takes over during an epoch has no filter until the next one.
 *
 * The groups are in Bloom filters whose bits for one hash are in one word, so that a test costs one memory
 * access per filter. A full filter is followed by one of twice its size. Once memory is used up, the last one
 * is filled further, with more and more false positives.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "worker/epoch_filter.h"

#define FIRST_BITS 12 /* binary logarithm of the number of words of the first filter */
#define BITS_PER_HASH 4
#define MAX_FILTERS 20
#define GROUPS_PER_WORD 5 /* in a full filter; 1 in 30 is then a false positive */

typedef struct BloomFilter
{
	uint64 *words;
	int bits; /* binary logarithm of their number */
	int64 ngroups;
} BloomFilter;

struct EpochFilter
{
	int64 epoch; /* 0: no flush yet */
	bool known;	 /* the filters contain all groups written under it */
	BloomFilter filters[MAX_FILTERS];
	int n;
	Size memory;
	Size left;
	MemoryContext context;
};

static BloomFilter *filter_with_room(EpochFilter *filter);

EpochFilter *
epoch_filter_create(Size memory)
{
	EpochFilter *filter = palloc0(sizeof(EpochFilter));

	filter->context =
		AllocSetContextCreate(CurrentMemoryContext, "streambatch epoch filter", ALLOCSET_SMALL_SIZES);
	filter->memory = memory;
	return filter;
}

void
epoch_filter_begin(EpochFilter *filter, int64 epoch, bool empty)
{
	if (filter->epoch == epoch)
		return;
	filter->known = empty || filter->epoch != 0;
	filter->epoch = epoch;
	filter->n = 0;
	filter->left = filter->memory;
	MemoryContextReset(filter->context);
}

bool
epoch_filter_note(EpochFilter *filter, uint32 hash)
{
	/* the highest bits select the word, the others the bits in it */
	uint64 mixed = hash * UINT64CONST(0x9E3779B97F4A7C15);
	uint64 mask = 0;
	BloomFilter *bloom;

	if (!filter->known)
		return true;
	for (int shift = 0; shift < BITS_PER_HASH * 6; shift += 6)
		mask |= UINT64CONST(1) << (mixed >> shift & 63);
	for (int i = 0; i < filter->n; i++)
	{
		const BloomFilter *older = &filter->filters[i];

		if ((older->words[mixed >> (64 - older->bits)] & mask) == mask)
			return true;
	}
	bloom = filter_with_room(filter);
	if (bloom == NULL)
	{
		filter->known = false;
		return true;
	}
	bloom->words[mixed >> (64 - bloom->bits)] |= mask;
	bloom->ngroups++;
	return false;
}

/* The filter to add a group to. NULL: not even one fits into memory. */
static BloomFilter *
filter_with_room(EpochFilter *filter)
{
	BloomFilter *last = filter->n > 0 ? &filter->filters[filter->n - 1] : NULL;
	BloomFilter *next = &filter->filters[filter->n];
	Size size;

	if (last != NULL && (last->ngroups < (GROUPS_PER_WORD << last->bits) || filter->n == MAX_FILTERS))
		return last;
	next->bits = last != NULL ? last->bits + 1 : FIRST_BITS;
	size = sizeof(uint64) << next->bits;
	if (size > filter->left)
		return last;
	next->words = MemoryContextAllocExtended(filter->context, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	next->ngroups = 0;
	filter->left -= size;
	filter->n++;
	return next;
}

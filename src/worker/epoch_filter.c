/*
 * epoch_filter.c
 *		Which groups may have rows (see epoch_filter.h).
 *
 * Nobody but the owner of a stream's positions writes rows of the present epoch, save create_view before
 * there is a flush. So all of them are known to a process that has written from the epoch's beginning: because
 * the table was empty at its first flush, or because the epoch was raised between two of its flushes, in which
 * it found the positions to be its own. One that took over in the midst of an epoch knows nothing until the
 * next.
 *
 * They are remembered in Bloom filters whose bits for one hash lie in one word, so that a question costs one
 * look into memory for each filter. A full one is followed by another of twice its size; the last that memory
 * allows goes on filling, and tells less and less.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "worker/epoch_filter.h"

#define FIRST_BITS 12 /* of the first filter: its words are counted in as many bits */
#define BITS_PER_HASH 4
#define MAX_FILTERS 20
#define GROUPS_PER_WORD 5 /* in a full filter: of those that are not in it, 1 in 30 then seems to be */

typedef struct BloomFilter
{
	uint64 *words;
	int bits; /* binary logarithm of their number */
	int64 ngroups;
} BloomFilter;

struct EpochFilter
{
	int64 epoch; /* 0: there was no flush yet */
	bool known;	 /* all that was written under it is in the filters */
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
	/* the highest bits choose the word, the others the bits in it */
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

/* The filter to note a group in. NULL: there is no memory for even one. */
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

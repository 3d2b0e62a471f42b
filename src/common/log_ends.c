/*
 * log_ends.c
 *		The log ends of partitions in shared memory (see log_ends.h).
 *
 * Numbers are stored plus one: zero means "not known". Slots that are never used take no physical memory but their
 * first page. What a worker has learned stays after its end: nothing better is known then, and the time when it was
 * learned is shown with it.
 */
#include "postgres.h"

#include "common/export.h"
#include "common/log_ends.h"
#include "common/slots.h"
#include "funcapi.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#define NAME "pg_streambatch log ends"

typedef struct LogEnd
{
	pg_atomic_uint64 start; /* plus one */
	pg_atomic_uint64 end;	/* plus one */
	pg_atomic_uint64 at;	/* when it was learned */
} LogEnd;

typedef struct SlotLogEnds
{
	pg_atomic_uint32 count; /* of partitions whose values are initialized */
	LogEnd partitions[LOG_ENDS_MAX];
} SlotLogEnds;

static SlotLogEnds *table = NULL;

static void put_rows(ReturnSetInfo *rsinfo, Oid stream, SlotLogEnds *ends);

STREAMBATCH_FUNCTION(streambatch_log_ends);

Size
log_ends_size(int nslots)
{
	return mul_size(nslots, sizeof(SlotLogEnds));
}

void
log_ends_startup(int nslots)
{
	bool found;

	table = ShmemInitStruct(NAME, log_ends_size(nslots), &found);
	for (int i = 0; i < nslots && !found; i++)
		pg_atomic_init_u32(&table[i].count, 0);
}

void
log_ends_forget(int slot)
{
	pg_atomic_write_u32(&table[slot].count, 0);
}

void
log_ends_limit(int slot, int count)
{
	if (pg_atomic_read_u32(&table[slot].count) > count)
		pg_atomic_write_u32(&table[slot].count, count);
}

void
log_ends_set(int slot, int partition, int64 start, int64 end)
{
	SlotLogEnds *ends = &table[slot];
	int count = pg_atomic_read_u32(&ends->count);
	LogEnd *item;

	if (partition >= LOG_ENDS_MAX)
		return;
	item = &ends->partitions[partition];
	for (int i = count; i <= partition; i++)
	{
		pg_atomic_init_u64(&ends->partitions[i].start, 0);
		pg_atomic_init_u64(&ends->partitions[i].end, 0);
		pg_atomic_init_u64(&ends->partitions[i].at, 0);
	}
	if (start >= 0)
		pg_atomic_write_u64(&item->start, start + 1);
	if (end >= 0)
	{
		pg_atomic_write_u64(&item->end, end + 1);
		pg_atomic_write_u64(&item->at, GetCurrentTimestamp());
	}
	pg_write_barrier();
	if (partition >= count)
		pg_atomic_write_u32(&ends->count, partition + 1);
}

/* streambatch._log_ends(): what is known of the streams of this database */
Datum
streambatch_log_ends(PG_FUNCTION_ARGS)
{
	Slot slot;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; slots_next_visible(&i, &slot); i++)
		put_rows((ReturnSetInfo *) fcinfo->resultinfo, slot.stream, &table[i]);
	return (Datum) 0;
}

static void
put_rows(ReturnSetInfo *rsinfo, Oid stream, SlotLogEnds *ends)
{
	int count = pg_atomic_read_u32(&ends->count);

	pg_read_barrier();
	for (int i = 0; i < count; i++)
	{
		LogEnd *item = &ends->partitions[i];
		int64 start = (int64) pg_atomic_read_u64(&item->start) - 1;
		int64 end = (int64) pg_atomic_read_u64(&item->end) - 1;
		Datum values[5] = {ObjectIdGetDatum(stream), Int32GetDatum(i), Int64GetDatum(start),
						   Int64GetDatum(end), TimestampTzGetDatum((int64) pg_atomic_read_u64(&item->at))};
		bool nulls[5] = {false, false, start < 0, false, false};

		if (end >= 0)
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/*
 * archive_blocks.c
 *		streambatch._blocks(index, from_times, to_times): the blocks of a table that may contain times of some ranges.
 *
 * A condition on thousands of ranges cannot use a block range index: the executor scans all of the index for each of
 * them. So this function reads the index once, and looks up the least and the greatest time of each block range among
 * the ranges. A statement that reads the table by the blocks found takes its snapshot before it calls the function. What
 * the snapshot sees is in the summaries then, because a row is added to them before its transaction commits, or in a block
 * range that is not summarized. Such a one may contain any time.
 */
#include "postgres.h"

#include "access/brin.h"
#include "access/brin_internal.h"
#include "access/brin_revmap.h"
#include "access/brin_tuple.h"
#include "access/genam.h"
#include "access/table.h"
#include "batch/archive_index.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/export.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/itemptr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "window/query_window.h"

/* The columns of the result. */
enum
{
	BLOCKS_FIRST,
	BLOCKS_BEYOND,
	BLOCKS_FROM,
	BLOCKS_TO,
	BLOCKS_COLUMNS
};

/* Ranges of time, ascending and apart. */
typedef struct Ranges
{
	int n;
	const TimestampTz *from;
	const TimestampTz *to;
} Ranges;

/* Blocks side by side, and the span of the ranges of which they may contain times. */
typedef struct Found
{
	BlockNumber first;
	BlockNumber beyond; /* equal to first: none yet */
	TimestampTz from;
	TimestampTz to;
} Found;

static void open_index(Oid relid, Relation *table, Relation *index);
static void check_reader(Oid table);
static Ranges ranges_of(ArrayType *from, ArrayType *to);
static const TimestampTz *times_of(ArrayType *array, int *n);
static void search(Relation table, Relation index, Ranges ranges, ReturnSetInfo *result);
static bool summary(BrinDesc *desc, BrinTuple *tuple, BrinMemTuple *summary, TimestampTz *least,
					TimestampTz *greatest);
static bool find(Ranges ranges, TimestampTz least, TimestampTz greatest, TimestampTz *from, TimestampTz *to);
static void add(Found *found, const Found *next, ReturnSetInfo *result);
static void put(const Found *found, ReturnSetInfo *result);

STREAMBATCH_FUNCTION(streambatch_blocks);

Datum
streambatch_blocks(PG_FUNCTION_ARGS)
{
	Ranges ranges = ranges_of(PG_GETARG_ARRAYTYPE_P(1), PG_GETARG_ARRAYTYPE_P(2));
	Relation table;
	Relation index;

	InitMaterializedSRF(fcinfo, 0);
	open_index(PG_GETARG_OID(0), &table, &index);
	search(table, index, ranges, (ReturnSetInfo *) fcinfo->resultinfo);
	index_close(index, AccessShareLock);
	table_close(table, AccessShareLock);
	return (Datum) 0;
}

static void
open_index(Oid relid, Relation *table, Relation *index)
{
	Oid of = IndexGetRelation(relid, true);

	if (!OidIsValid(of))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("relation %u is not an index", relid)));
	check_reader(of);
	/* the table first, as everybody locks them */
	*table = table_open(of, AccessShareLock);
	*index = index_open(relid, AccessShareLock);
	if (!archive_index_has_blocks(*index))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("index \"%s\" is not a block range index of least and greatest times",
							   get_rel_name(relid))));
}

/* Blocks tell something of the times in them. */
static void
check_reader(Oid table)
{
	AclResult result = pg_class_aclcheck(table, GetUserId(), ACL_SELECT);

	if (result != ACLCHECK_OK || check_enable_rls(table, InvalidOid, true) == RLS_ENABLED)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(get_rel_relkind(table)), get_rel_name(table));
}

static Ranges
ranges_of(ArrayType *from, ArrayType *to)
{
	Ranges ranges;
	int n;

	ranges.from = times_of(from, &ranges.n);
	ranges.to = times_of(to, &n);
	if (n != ranges.n)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("the arrays of times must have the same number of elements")));
	for (int i = 0; i < n; i++)
	{
		if (ranges.from[i] >= ranges.to[i] || (i > 0 && ranges.to[i - 1] > ranges.from[i]))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("ranges of time must be in ascending order and must not overlap")));
	}
	return ranges;
}

static const TimestampTz *
times_of(ArrayType *array, int *n)
{
	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("arrays of times must have one dimension and no null elements")));
	return (const TimestampTz *) ARR_DATA_PTR(array);
}

/* Go through the block ranges of the table in order. */
static void
search(Relation table, Relation index, Ranges ranges, ReturnSetInfo *result)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(table);
	BlockNumber pages_per_range;
	BrinRevmap *map = compat_brin_map_open(index, &pages_per_range);
	BrinDesc *desc = brin_build_desc(index);
	BrinMemTuple *memory = brin_new_memtuple(desc);
	BrinTuple *copy = NULL;
	Size copy_size = 0;
	Buffer buffer = InvalidBuffer;
	Found found = {0};

	for (BlockNumber block = 0; block < nblocks && ranges.n > 0;
		 block += Min(pages_per_range, nblocks - block))
	{
		Found next = {block, block + Min(pages_per_range, nblocks - block), ranges.from[0],
					  ranges.to[ranges.n - 1]};
		TimestampTz least = DT_NOBEGIN;
		TimestampTz greatest = DT_NOEND;
		OffsetNumber offset;
		Size size;
		BrinTuple *tuple = compat_brin_tuple(map, block, &buffer, &offset, &size);

		CHECK_FOR_INTERRUPTS();
		if (tuple != NULL)
		{
			copy = brin_copy_tuple(tuple, size, copy, &copy_size);
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		}
		if ((tuple == NULL || summary(desc, copy, memory, &least, &greatest)) &&
			find(ranges, least, greatest, &next.from, &next.to))
			add(&found, &next, result);
	}
	put(&found, result);
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	brinRevmapTerminate(map);
	brin_free_desc(desc);
}

/* The least and the greatest time of a block range, if they are known. Returns false if it contains no time. */
static bool
summary(BrinDesc *desc, BrinTuple *tuple, BrinMemTuple *memory, TimestampTz *least, TimestampTz *greatest)
{
	BrinMemTuple *values = brin_deform_tuple(desc, tuple, memory);
	const BrinValues *column = &values->bt_columns[0];
	Oid type = TupleDescAttr(desc->bd_tupdesc, 0)->atttypid;

	if (values->bt_placeholder)
		return true;
	if (column->bv_allnulls)
		return false;
	*least = window_instant(type, column->bv_values[0]);
	*greatest = window_instant(type, column->bv_values[1]);
	return true;
}

/* Whether some range contains a time in [least, greatest]; the span of all that do. */
static bool
find(Ranges ranges, TimestampTz least, TimestampTz greatest, TimestampTz *from, TimestampTz *to)
{
	int low = 0;
	int high = ranges.n;

	/* the first one that ends after the least time */
	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (ranges.to[middle] <= least)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == ranges.n || ranges.from[low] > greatest)
		return false;
	*from = ranges.from[low];
	for (high = ranges.n; high - low > 1;)
	{
		int middle = low + (high - low) / 2;

		if (ranges.from[middle] <= greatest)
			low = middle;
		else
			high = middle;
	}
	*to = ranges.to[low];
	return true;
}

/* Add blocks to those before them, if they are side by side and for the same ranges. */
static void
add(Found *found, const Found *next, ReturnSetInfo *result)
{
	if (found->beyond == next->first && found->from == next->from && found->to == next->to)
	{
		found->beyond = next->beyond;
		return;
	}
	put(found, result);
	*found = *next;
}

static void
put(const Found *found, ReturnSetInfo *result)
{
	ItemPointerData first;
	ItemPointerData beyond;
	Datum values[BLOCKS_COLUMNS];
	bool nulls[BLOCKS_COLUMNS] = {false};

	if (found->first == found->beyond)
		return;
	ItemPointerSet(&first, found->first, InvalidOffsetNumber);
	ItemPointerSet(&beyond, found->beyond, InvalidOffsetNumber);
	values[BLOCKS_FIRST] = PointerGetDatum(&first);
	values[BLOCKS_BEYOND] = PointerGetDatum(&beyond);
	values[BLOCKS_FROM] = TimestampTzGetDatum(found->from);
	values[BLOCKS_TO] = TimestampTzGetDatum(found->to);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

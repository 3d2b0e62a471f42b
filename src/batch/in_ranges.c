/*
 * in_ranges.c
 *		streambatch._in_ranges(time, from_times, to_times): whether a time is in one of thousands of ranges.
 *
 * As a condition on the rows of a table, it can also be answered by a block range index (archive_scan.c).
 */
#include "postgres.h"

#include "batch/in_ranges.h"
#include "catalog/pg_type.h"
#include "common/export.h"
#include "fmgr.h"
#include "window/query_window.h"

/* State of a call site, if its ranges are constant. */
typedef struct RangesCall
{
	Oid type;
	SortedRanges ranges;
} RangesCall;

static RangesCall *constant_call(FunctionCallInfo fcinfo);
static ArrayType *copy_array(FunctionCallInfo fcinfo, int n);
static Oid time_type(FunctionCallInfo fcinfo);
static const TimestampTz *times_of(const ArrayType *array, int *n);

STREAMBATCH_FUNCTION(streambatch_in_ranges);

Datum
streambatch_in_ranges(PG_FUNCTION_ARGS)
{
	const RangesCall *call = fcinfo->flinfo->fn_extra;
	SortedRanges ranges;
	TimestampTz instant;

	if (call == NULL)
		call = constant_call(fcinfo);
	if (call != NULL)
	{
		instant = window_instant(call->type, PG_GETARG_DATUM(0));
		PG_RETURN_BOOL(sorted_ranges_overlap(&call->ranges, instant, instant));
	}
	ranges = sorted_ranges_of(PG_GETARG_ARRAYTYPE_P(1), PG_GETARG_ARRAYTYPE_P(2));
	instant = window_instant(time_type(fcinfo), PG_GETARG_DATUM(0));
	PG_RETURN_BOOL(sorted_ranges_overlap(&ranges, instant, instant));
}

SortedRanges
sorted_ranges_of(const ArrayType *from, const ArrayType *to)
{
	SortedRanges ranges;
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

bool
sorted_ranges_overlap(const SortedRanges *ranges, TimestampTz least, TimestampTz greatest)
{
	int low = 0;
	int high = ranges->n;

	/* the first one that ends after the least time */
	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (ranges->to[middle] <= least)
			low = middle + 1;
		else
			high = middle;
	}
	return low < ranges->n && ranges->from[low] <= greatest;
}

/* Check the ranges once. NULL if they may differ from call to call. */
static RangesCall *
constant_call(FunctionCallInfo fcinfo)
{
	FmgrInfo *flinfo = fcinfo->flinfo;
	RangesCall *call;

	if (!get_fn_expr_arg_stable(flinfo, 1) || !get_fn_expr_arg_stable(flinfo, 2))
		return NULL;
	call = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(RangesCall));
	call->type = time_type(fcinfo);
	call->ranges = sorted_ranges_of(copy_array(fcinfo, 1), copy_array(fcinfo, 2));
	flinfo->fn_extra = call;
	return call;
}

/* An argument, as long as the call site exists. */
static ArrayType *
copy_array(FunctionCallInfo fcinfo, int n)
{
	MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	ArrayType *array = PG_GETARG_ARRAYTYPE_P_COPY(n);

	MemoryContextSwitchTo(old);
	return array;
}

static Oid
time_type(FunctionCallInfo fcinfo)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, 0);

	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID && type != DATEOID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("the time must be a timestamp with or without time zone, or a date")));
	return type;
}

static const TimestampTz *
times_of(const ArrayType *array, int *n)
{
	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (ARR_NDIM(array) > 1 || ARR_HASNULL(array))
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("arrays of times must have one dimension and no null elements")));
	return (const TimestampTz *) ARR_DATA_PTR(array);
}

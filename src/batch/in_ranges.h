/*
 * in_ranges.h
 *		Ranges of time as two arrays, and streambatch._in_ranges(time, from_times, to_times).
 */
#ifndef STREAMBATCH_IN_RANGES_H
#define STREAMBATCH_IN_RANGES_H

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/array.h"

/* The function. */
extern PGDLLEXPORT Datum streambatch_in_ranges(PG_FUNCTION_ARGS);

/* Half-open, ascending and apart. */
typedef struct SortedRanges
{
	int n;
	const TimestampTz *from;
	const TimestampTz *to;
} SortedRanges;

/* The ranges in two arrays of timestamptz, which must remain. Raises an error if they are none. */
extern SortedRanges sorted_ranges_of(const ArrayType *from, const ArrayType *to);

/* Whether some range contains a time in [least, greatest]. */
extern bool sorted_ranges_overlap(const SortedRanges *ranges, TimestampTz least, TimestampTz greatest);

#endif /* STREAMBATCH_IN_RANGES_H */

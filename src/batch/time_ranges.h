/*
 * time_ranges.h
 *		Sets of half-open time ranges, as sorted arrays of disjoint ranges.
 */
#ifndef STREAMBATCH_TIME_RANGES_H
#define STREAMBATCH_TIME_RANGES_H

#include "common/catalog_batch.h"

typedef struct TimeRanges
{
	int n;
	Coverage *items;
} TimeRanges;

/* The parts of [from, to) that are not covered. Current context. */
extern TimeRanges time_ranges_uncovered(TimestampTz from, TimestampTz to, const Coverage *covered,
										int ncovered);

/* The ranges of two sets that have no range in common. Current context. */
extern TimeRanges time_ranges_merge(TimeRanges a, TimeRanges b);

#endif /* STREAMBATCH_TIME_RANGES_H */

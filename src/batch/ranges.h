/*
 * ranges.h
 *		Sets of half-open time ranges, as sorted arrays of disjoint ones.
 */
#ifndef RANGES_H
#define RANGES_H

#include "common/catalog_batch.h"

typedef struct Ranges
{
	int n;
	Coverage *items;
} Ranges;

/* [from, to) without what is covered. Current context. */
extern Ranges ranges_uncovered(TimestampTz from, TimestampTz to, const Coverage *covered, int ncovered);

/* The same set with [from, to) in it. Current context. */
extern Ranges ranges_add(Ranges ranges, TimestampTz from, TimestampTz to);

#endif /* RANGES_H */

/*
 * time_ranges.c
 *		Sets of half-open time ranges (see time_ranges.h).
 */
#include "postgres.h"

#include "batch/time_ranges.h"

static void append(TimeRanges *ranges, TimestampTz from, TimestampTz to);

TimeRanges
time_ranges_uncovered(TimestampTz from, TimestampTz to, const Coverage *covered, int ncovered)
{
	TimeRanges result = {0, palloc((ncovered + 1) * sizeof(Coverage))};

	for (int i = 0; i < ncovered && from < to; i++)
	{
		if (covered[i].to <= from)
			continue;
		append(&result, from, Min(covered[i].from, to));
		from = covered[i].to;
	}
	append(&result, from, to);
	return result;
}

TimeRanges
time_ranges_add(TimeRanges ranges, TimestampTz from, TimestampTz to)
{
	TimeRanges result = {0, palloc((ranges.n + 1) * sizeof(Coverage))};
	int i = 0;

	while (i < ranges.n && ranges.items[i].from <= from)
	{
		append(&result, ranges.items[i].from, ranges.items[i].to);
		i++;
	}
	append(&result, from, to);
	for (; i < ranges.n; i++)
		append(&result, ranges.items[i].from, ranges.items[i].to);
	return result;
}

static void
append(TimeRanges *ranges, TimestampTz from, TimestampTz to)
{
	if (from >= to)
		return;
	/* merge adjacent ranges */
	if (ranges->n > 0 && ranges->items[ranges->n - 1].to >= from)
	{
		ranges->items[ranges->n - 1].to = Max(ranges->items[ranges->n - 1].to, to);
		return;
	}
	ranges->items[ranges->n].from = from;
	ranges->items[ranges->n].to = to;
	ranges->n++;
}

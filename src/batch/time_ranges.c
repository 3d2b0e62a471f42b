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
time_ranges_merge(TimeRanges a, TimeRanges b)
{
	TimeRanges result = {0, palloc((a.n + b.n + 1) * sizeof(Coverage))};
	int i = 0;
	int k = 0;

	while (i < a.n || k < b.n)
	{
		bool first = k == b.n || (i < a.n && a.items[i].from < b.items[k].from);

		result.items[result.n++] = first ? a.items[i++] : b.items[k++];
	}
	return result;
}

static void
append(TimeRanges *ranges, TimestampTz from, TimestampTz to)
{
	if (from >= to)
		return;
	ranges->items[ranges->n++] = (Coverage){from, to, 0};
}

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

static void
append(TimeRanges *ranges, TimestampTz from, TimestampTz to)
{
	if (from >= to)
		return;
	ranges->items[ranges->n++] = (Coverage){from, to, 0};
}

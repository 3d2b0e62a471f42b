/*
 * pane.c
 *		Panes, and the windows that they belong to (see pane.h).
 *
 * Windows and panes of a shape lie on one grid (window_shape.c), so all arithmetic is on whole units. A pane is
 * the slice between two multiples of the pane length: the time is mapped to the line of the grid, divided by
 * the length, and both edges are mapped back to the type of the shape.
 *
 * Example, hop(ts, '15 min', '40 min'): panes are gcd(15, 40) = 5 minutes long. The time 10:07 is in the pane
 * [10:05, 10:10), which belongs to the windows that start at 09:30, 09:45 and 10:00.
 *
 * Both mappings are monotone and inverse to each other (calendar.h). The slices of one line therefore partition
 * the other: start <= time < end. A slice that is mapped to nothing, such as a day that a zone skipped, contains
 * no time.
 *
 * Two kinds need both lines: hourly steps of cumulate in a day of 23 or 25 hours, where a step counts from the start
 * of its day, and the day's last step ends with the day; and a hop that slides by instant and whose windows last a
 * number of calendar days. Its panes lie between any two edges. An instant window ends when the clock first shows
 * what it showed at the start, days later, or a later reading. After a change of the clock these ends need not lie on
 * the grid of the starts, and where the clock was set back a later window may end before an earlier one.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "window/pane.h"

static int64 gcd(int64 a, int64 b);
static TimeSlice step_in_day(WindowShape *shape, int64 time);
static TimeSlice pane_of_days(WindowShape *shape, int64 time);
static int64 ends_around(WindowShape *shape, int64 time, TimeSlice *ends);
static int64 end_after_days(WindowShape *shape, ZoneClock *clock, int64 start);
static int64 shifted(int64 edge, int64 by);
static TimeSlice slice_at(WindowShape *shape, int64 length, int64 time);
static int64 to_line(WindowShape *shape, int64 time);
static int64 edge_at(WindowShape *shape, int64 units);
static int64 within_range(int64 edge, int64 margin);
static int64 add_units(int64 a, int64 b);
static int64 first_hop(const WindowWalk *walk, int64 offset, int64 least);
static bool next_hop(WindowWalk *walk, TimeSlice *window);

int64
pane_length(WindowKind kind, int64 step, int64 size)
{
	switch (kind)
	{
		case WINDOW_HOP:
			return gcd(step, size);
		case WINDOW_CUMULATE:
			return step;
		default:
			return size;
	}
}

TimeSlice
pane_at(WindowShape *shape, int64 time)
{
	if (time < shape->last.start || time >= shape->last.end)
	{
		if (shape->day != 0)
			shape->last = step_in_day(shape, time);
		else if (shape->lasts != 0)
			shape->last = pane_of_days(shape, time);
		else
			shape->last = slice_at(shape, shape->pane, time);
	}
	return shape->last;
}

void
window_walk_begin(WindowWalk *walk, WindowShape *shape, int64 time)
{
	walk->shape = shape;
	walk->done = false;
	if (shape->kind == WINDOW_HOP)
	{
		int64 units = grid_units(&shape->grid, to_line(shape, time));
		TimeSlice ends;

		walk->time = time;
		/* the window after the last one that has ended by then */
		walk->index = shape->lasts != 0 ? ends_around(shape, time, &ends)
										: floor_div(units - shape->size, shape->slide) + 1;
		walk->last = floor_div(units, shape->slide);
		/* those with an edge out of range are left out at once: there may be very many of them */
		walk->index = first_hop(walk, 0, DT_NOBEGIN + 1);
		if (shape->lasts == 0)
			walk->last = first_hop(walk, shape->size, DT_NOEND) - 1;
		walk->done = walk->index > walk->last;
		walk->next.start = edge_at(shape, walk->index * shape->slide);
	}
	else
	{
		walk->next = pane_at(shape, time);
		if (shape->kind == WINDOW_CUMULATE)
		{
			TimeSlice whole = slice_at(shape, shape->size, time);

			walk->next.start = whole.start;
			walk->last = whole.end;
		}
		else
			walk->last = walk->next.end;
		walk->done = TIMESTAMP_NOT_FINITE(walk->next.start) || TIMESTAMP_NOT_FINITE(walk->next.end);
	}
}

bool
window_walk_next(WindowWalk *walk, TimeSlice *window)
{
	if (walk->done)
		return false;
	if (walk->shape->kind == WINDOW_HOP)
		return next_hop(walk, window);
	*window = walk->next;
	walk->done = walk->next.end >= walk->last;
	/* continue with the pane that starts at this end: empty panes have no window of their own */
	if (!walk->done)
	{
		walk->next.end = pane_at(walk->shape, walk->next.end).end;
		walk->done = TIMESTAMP_NOT_FINITE(walk->next.end);
	}
	return true;
}

static int64
gcd(int64 a, int64 b)
{
	while (b != 0)
	{
		int64 rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* The pane of cumulate by instant in calendar days. */
static TimeSlice
step_in_day(WindowShape *shape, int64 time)
{
	ZoneClock *clock = &shape->clock;
	bool naive = shape->type == TIMESTAMPOID;
	TimeSlice day = slice_at(shape, shape->day, time);
	TimeSlice instants = day;
	TimeSlice result = day;
	int64 start;
	int64 end;

	if (TIMESTAMP_NOT_FINITE(day.start) || TIMESTAMP_NOT_FINITE(day.end))
		return day;
	if (naive)
	{
		instants.start = clock_instant(clock, day.start);
		instants.end = clock_instant(clock, day.end);
		/* a skipped time at the end of the day would map to an instant after the day's last one */
		time = Min(clock_instant(clock, time), instants.end - 1);
	}
	start = instants.start + floor_div(time - instants.start, shape->step) * shape->step;
	end = start + shape->step;
	if (start > instants.start)
		result.start = naive ? clock_before(clock, start) : start;
	if (end < instants.end)
		result.end = naive ? clock_before(clock, end) : end;
	return result;
}

/* The pane of a hop that slides by instant and whose windows last a number of days. */
static TimeSlice
pane_of_days(WindowShape *shape, int64 time)
{
	TimeSlice result = slice_at(shape, shape->slide, time);
	TimeSlice ends;

	(void) ends_around(shape, time, &ends);
	result.start = Max(result.start, ends.start);
	result.end = Min(result.end, ends.end);
	return result;
}

/*
 * The latest end of such windows up to a time, and the first one after it; infinite if there is none. Returns the
 * first window that ends after it: windows from there on need not, but all before have ended.
 */
static int64
ends_around(WindowShape *shape, int64 time, TimeSlice *ends)
{
	ZoneClock clock = shape->clock;
	int64 margin = 2 * CLOCK_MAX_OFFSET + shape->slide;
	int64 reading = time - shape->lasts;
	int64 result = PG_INT64_MAX;
	int64 until;

	if (shape->type == TIMESTAMPOID)
	{
		*ends = slice_at(shape, shape->slide, reading);
		ends->start = shifted(ends->start, shape->lasts);
		ends->end = shifted(ends->end, shape->lasts);
		return floor_div(grid_units(&shape->grid, to_line(shape, reading)), shape->slide) + 1;
	}
	reading = clock_reached(&shape->clock, time) - shape->lasts;
	ends->start = DT_NOBEGIN;
	ends->end = DT_NOEND;
	/* of windows that long, none that has a valid start has ended */
	if (add_units(reading, margin) <= MIN_TIMESTAMP)
		return floor_div(grid_units(&shape->grid, MIN_TIMESTAMP), shape->slide);
	/* of the starts at one offset, those up to a reading have ended */
	for (int64 at = Max(reading - margin, MIN_TIMESTAMP); at < add_units(reading, margin); at = until)
	{
		int64 last = reading - clock_offset(&clock, at, &until);
		int64 index;
		int64 start;

		last = Min(Max(last, at - 1), until - 1);
		index = floor_div(grid_units(&shape->grid, last), shape->slide);
		start = grid_time(&shape->grid, index * shape->slide);
		if (start >= at)
			ends->start = Max(ends->start, end_after_days(shape, &clock, start));
		start = add_units(start, shape->slide);
		if (start >= until)
			continue;
		ends->end = Min(ends->end, end_after_days(shape, &clock, start));
		result = Min(result, index + 1);
	}
	return result;
}

/* The end of such a window. clock: the zone's. */
static int64
end_after_days(WindowShape *shape, ZoneClock *clock, int64 start)
{
	int64 reading;

	if (shape->type == TIMESTAMPOID)
		return shifted(start, shape->lasts);
	reading = within_range(add_units(clock_shows(clock, start), shape->lasts), USECS_PER_DAY);
	return TIMESTAMP_NOT_FINITE(reading) ? reading : within_range(clock_instant(clock, reading), 0);
}

/* A later edge; infinite if it is out of range. */
static int64
shifted(int64 edge, int64 by)
{
	return TIMESTAMP_NOT_FINITE(edge) ? edge : within_range(add_units(edge, by), 0);
}

/* The slice between multiples of length (units) that contains a time. */
static TimeSlice
slice_at(WindowShape *shape, int64 length, int64 time)
{
	int64 first = floor_div(grid_units(&shape->grid, to_line(shape, time)), length) * length;
	TimeSlice result;

	result.start = edge_at(shape, first);
	result.end = edge_at(shape, add_units(first, length));
	return result;
}

/* A time of the shape's type, converted to the line of its grid. */
static int64
to_line(WindowShape *shape, int64 time)
{
	switch (shape->line)
	{
		case LINE_CLOCK:
			return clock_reached(&shape->clock, time);
		case LINE_INSTANT:
			return clock_instant(&shape->clock, time);
		case LINE_OWN:
			break;
	}
	return time;
}

/* The edge that is the given number of units after the origin, as a time of the shape's type. */
static int64
edge_at(WindowShape *shape, int64 units)
{
	int64 edge = grid_time(&shape->grid, units);

	if (shape->line != LINE_OWN)
	{
		edge = within_range(edge, USECS_PER_DAY);
		if (TIMESTAMP_NOT_FINITE(edge))
			return edge;
		if (shape->line == LINE_CLOCK)
			edge = clock_instant(&shape->clock, edge);
		else
			edge = clock_before(&shape->clock, edge);
	}
	return within_range(edge, 0);
}

/* An edge beyond the range of timestamps by more than margin becomes infinite. */
static int64
within_range(int64 edge, int64 margin)
{
	if (edge < MIN_TIMESTAMP - margin)
		return DT_NOBEGIN;
	if (edge >= END_TIMESTAMP + margin)
		return DT_NOEND;
	return edge;
}

static int64
add_units(int64 a, int64 b)
{
	int64 result;

	return pg_add_s64_overflow(a, b, &result) ? PG_INT64_MAX : result;
}

/* The first of the walk's windows whose edge so many units after its start is not before least; edges never go back. */
static int64
first_hop(const WindowWalk *walk, int64 offset, int64 least)
{
	WindowShape *shape = walk->shape;
	int64 from = walk->index;
	int64 to = walk->last + 1;

	while (from < to)
	{
		int64 middle = from + (to - from) / 2;

		if (edge_at(shape, add_units(middle * shape->slide, offset)) < least)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool
next_hop(WindowWalk *walk, TimeSlice *window)
{
	WindowShape *shape = walk->shape;

	while (walk->index <= walk->last)
	{
		int64 first = walk->index++ * shape->slide;
		int64 start = walk->next.start;

		CHECK_FOR_INTERRUPTS();
		walk->next.start = edge_at(shape, add_units(first, shape->slide));
		/* of windows that start at the same time, as around a day that the zone skipped, return the last one */
		if (start == walk->next.start)
			continue;
		window->start = start;
		if (shape->lasts != 0)
			window->end = end_after_days(shape, &shape->clock, start);
		else
			window->end = edge_at(shape, add_units(first, shape->size));
		if (window->end > walk->time && !TIMESTAMP_NOT_FINITE(window->end))
			return true;
	}
	return false;
}

/*
 * calendar.c
 *		Clocks of time zones, and grids of boundaries (see calendar.h).
 *
 * Clocks are set forward and back, so the reading is not a monotone function of the instant and cannot be
 * searched. The latest reading so far is monotone. All comparisons of instants with readings use it, and need
 * no corrections.
 *
 * Example, Europe/Berlin on 2025-10-26, where the clock goes back from 03:00 to 02:00 at 01:00 UTC: at 01:30
 * UTC it shows 02:30 and has reached 02:59:59.999999; the reading 02:30 belongs to the instant 00:30 UTC.
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"
#include "window/calendar.h"

#define EPOCH_SECONDS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)
/* readings may exceed the last timestamp, 294276-12-31, by an offset */
#define MAX_YEAR 294277

static void look_up(ZoneClock *clock, int64 instant);
static int64 next_change(const TimeZone *zone, int64 instant, int64 *offset);
static int64 add_saturated(int64 a, int64 b);

void
clock_init(ZoneClock *clock, const TimeZone *zone)
{
	long int offset;

	clock->zone = *zone;
	clock->fixed = zone->abbreviation[0] == '\0' && pg_get_timezone_offset(zone->zone, &offset);
	clock->offset = clock->fixed ? offset * USECS_PER_SEC : 0;
	clock->from = DT_NOBEGIN;
	clock->until = clock->fixed ? DT_NOEND : DT_NOBEGIN; /* otherwise nothing is cached yet */
	clock->reached = DT_NOBEGIN;
}

int64
clock_offset(ZoneClock *clock, int64 instant, int64 *until)
{
	look_up(clock, instant);
	*until = clock->until;
	return clock->offset;
}

int64
clock_shows(ZoneClock *clock, int64 instant)
{
	look_up(clock, instant);
	return instant + clock->offset;
}

int64
clock_reached(ZoneClock *clock, int64 instant)
{
	look_up(clock, instant);
	return Max(instant + clock->offset, clock->reached);
}

int64
clock_instant(ZoneClock *clock, int64 reading)
{
	int64 instant = add_saturated(reading, -clock->offset);
	int64 at;
	int64 until;

	if (clock->from <= instant && instant < clock->until && clock->reached < reading)
		return instant;
	/* earlier the clock cannot have shown the reading */
	at = reading - CLOCK_MAX_OFFSET;
	for (;;)
	{
		int64 offset;

		until = next_change(&clock->zone, at, &offset);
		instant = Max(at, add_saturated(reading, -offset));
		if (instant < until || until == DT_NOEND)
			return instant;
		at = until;
	}
}

int64
clock_before(ZoneClock *clock, int64 instant)
{
	return clock_reached(clock, instant - 1) + 1;
}

void
grid_init(TimeGrid *grid, bool months, int64 origin)
{
	int64 day = floor_div(origin, USECS_PER_DAY);
	int year;
	int month;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &grid->day);
	grid->months = months;
	grid->origin = origin;
	grid->month = (int64) year * MONTHS_PER_YEAR + month - 1;
	grid->time = origin - day * USECS_PER_DAY;
}

int64
grid_units(const TimeGrid *grid, int64 time)
{
	int64 units;
	int year;
	int month;
	int day;

	if (!grid->months)
	{
		if (pg_sub_s64_overflow(time, grid->origin, &units))
			ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
		return units;
	}
	j2date(floor_div(time, USECS_PER_DAY) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	units = (int64) year * MONTHS_PER_YEAR + month - 1 - grid->month;
	return grid_time(grid, units) <= time ? units : units - 1;
}

int64
grid_time(const TimeGrid *grid, int64 units)
{
	int64 index;
	int64 year;
	int64 time;
	int month;
	int day;

	if (!grid->months)
		return add_saturated(grid->origin, units);
	index = add_saturated(grid->month, units);
	year = floor_div(index, MONTHS_PER_YEAR);
	if (year < JULIAN_MINYEAR)
		return DT_NOBEGIN;
	if (year > MAX_YEAR)
		return DT_NOEND;
	month = index - year * MONTHS_PER_YEAR;
	day = Min(grid->day, day_tab[isleap(year)][month]);
	if (pg_mul_s64_overflow(date2j(year, month + 1, day) - POSTGRES_EPOCH_JDATE, USECS_PER_DAY, &time))
		return DT_NOEND;
	return add_saturated(time, grid->time);
}

/* Cache the offset around an instant. */
static void
look_up(ZoneClock *clock, int64 instant)
{
	/* earlier readings are less than the one at the instant, whatever the offsets */
	int64 from = instant - 2 * CLOCK_MAX_OFFSET;
	int64 at = from - 2 * CLOCK_MAX_OFFSET;
	int64 reached = DT_NOBEGIN;
	int64 offset;
	int64 until;

	if (clock->from <= instant && instant < clock->until)
		return;
	while ((until = next_change(&clock->zone, at, &offset)) <= instant)
	{
		reached = Max(reached, until - 1 + offset);
		from = Max(from, until);
		at = until;
	}
	clock->offset = offset;
	clock->from = from;
	clock->until = until;
	clock->reached = reached;
}

/* The offset at an instant, and the next instant at which it may change; DT_NOEND if there is none. */
static int64
next_change(const TimeZone *zone, int64 instant, int64 *offset)
{
	pg_time_t at = floor_div(instant, USECS_PER_SEC) + EPOCH_SECONDS;
	pg_time_t boundary;
	long int before;
	long int after;
	int is_dst;
	int found;

	found = pg_next_dst_boundary(&at, &before, &is_dst, &boundary, &after, &is_dst, zone->zone);
	/* at exactly the last change in the zone's table, it misses the rule that applies from there on */
	if (found == 0)
	{
		at++;
		found = pg_next_dst_boundary(&at, &before, &is_dst, &boundary, &after, &is_dst, zone->zone);
	}
	if (found < 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	/* an abbreviation changes its meaning when the zone does */
	if (zone->abbreviation[0] == '\0' ||
		!pg_interpret_timezone_abbrev(zone->abbreviation, &at, &after, &is_dst, zone->zone))
		after = before;
	*offset = after * USECS_PER_SEC;
	if (found == 0 || boundary - EPOCH_SECONDS > PG_INT64_MAX / USECS_PER_SEC)
		return DT_NOEND;
	return (boundary - EPOCH_SECONDS) * USECS_PER_SEC;
}

static int64
add_saturated(int64 a, int64 b)
{
	int64 result;

	if (pg_add_s64_overflow(a, b, &result))
		return b < 0 ? DT_NOBEGIN : DT_NOEND;
	return result;
}

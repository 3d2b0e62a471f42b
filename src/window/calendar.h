/*
 * calendar.h
 *		Clocks of time zones as monotone functions, and grids of boundaries on a time line.
 *
 * Times are microseconds since 2000-01-01 00:00: in UTC for instants, on the zone's clock for readings. The
 * session's time zone is not used. Values out of range are DT_NOBEGIN and DT_NOEND.
 */
#ifndef STREAMBATCH_CALENDAR_H
#define STREAMBATCH_CALENDAR_H

#include "common/time_zone.h"
#include "datatype/timestamp.h"

/* A half-open slice of time. An edge out of the range of timestamps is DT_NOBEGIN or DT_NOEND. */
typedef struct TimeSlice
{
	int64 start;
	int64 end;
} TimeSlice;

/* A zone's clock, with a cache of the offset around the instant last looked up. Can be copied. */
typedef struct ZoneClock
{
	TimeZone zone;
	bool fixed;	  /* the offset never changes */
	int64 offset; /* clock minus instant, for instants from <= t < until */
	int64 from;
	int64 until;
	int64 reached; /* the latest reading before from */
} ZoneClock;

extern void clock_init(ZoneClock *clock, const TimeZone *zone);

/* An offset is less than a week, even in a POSIX specification. */
#define CLOCK_MAX_OFFSET (7 * USECS_PER_DAY)

/* The offset (reading minus instant) at a finite instant, and the instant up to which it is the same. */
extern int64 clock_offset(ZoneClock *clock, int64 instant, int64 *until);

/* The reading at a finite instant. */
extern int64 clock_shows(ZoneClock *clock, int64 instant);

/* The latest reading up to a finite instant: the current one, except after the clock was set back. */
extern int64 clock_reached(ZoneClock *clock, int64 instant);

/*
 * The first instant at which the clock shows the reading or a later one: the first of two if the reading occurs
 * twice, the end of the gap if it is skipped. Monotone. Inverse of clock_reached: clock_instant(r) <= t if and
 * only if r <= clock_reached(t).
 */
extern int64 clock_instant(ZoneClock *clock, int64 reading);

/*
 * The first reading that the clock did not show before the instant: clock_instant(r) >= t if and only if r >=
 * clock_before(t). The current reading, except after the clock was set back and at the end of a gap.
 */
extern int64 clock_before(ZoneClock *clock, int64 instant);

/*
 * A grid on a time line: boundaries are whole units, microseconds or months, from the origin. In a month that
 * does not have the origin's day, the boundary is the last day, as when PostgreSQL adds an interval.
 */
typedef struct TimeGrid
{
	bool months;
	int64 origin;
	/* for months, the origin's months since January of year 0, day, and microseconds of the day */
	int64 month;
	int day;
	int64 time;
} TimeGrid;

extern void grid_init(TimeGrid *grid, bool months, int64 origin);

/*
 * The number of whole units from the origin to a time: the greatest n with grid_time(n) <= time. Raises
 * datetime_value_out_of_range.
 */
extern int64 grid_units(const TimeGrid *grid, int64 time);

/* The time that is the given number of units after the origin. */
extern int64 grid_time(const TimeGrid *grid, int64 units);

/* Division that rounds towards minus infinity; divisor > 0. */
static inline int64
floor_div(int64 dividend, int64 divisor)
{
	return dividend / divisor - (dividend % divisor < 0);
}

#endif /* STREAMBATCH_CALENDAR_H */

/*
 * calendar.h
 *		Time zones' clocks as functions that never go back, and grids of boundaries on a time line.
 *
 * Times are microseconds since 2000-01-01 00:00: of UTC for instants, of the zone's clock for readings. Nothing
 * here looks at the session's time zone. DT_NOBEGIN and DT_NOEND stand for what is out of range.
 */
#ifndef STREAMBATCH_CALENDAR_H
#define STREAMBATCH_CALENDAR_H

#include "datatype/timestamp.h"
#include "pgtime.h"

/* A half-open slice of time. An edge that no timestamp can say is DT_NOBEGIN or DT_NOEND. */
typedef struct TimeSlice
{
	int64 start;
	int64 end;
} TimeSlice;

/* A zone's clock, and what is known of it around the instant last asked for. Copyable. */
typedef struct ZoneClock
{
	pg_tz *zone;  /* lives as long as the backend */
	bool fixed;	  /* the offset never changes */
	int64 offset; /* clock less instant, for the instants from <= t < until */
	int64 from;
	int64 until;
	int64 reached; /* the latest time that the clock showed before from */
} ZoneClock;

/* The zone of a name as in pg_timezone_names, or of a POSIX specification; raises invalid_parameter_value. */
extern pg_tz *calendar_zone(const char *name);

extern void clock_init(ZoneClock *clock, pg_tz *zone);

/* What the clock shows at a finite instant. */
extern int64 clock_shows(ZoneClock *clock, int64 instant);

/* The latest time that the clock has shown at a finite instant: what it shows, except when it was put back. */
extern int64 clock_reached(ZoneClock *clock, int64 instant);

/*
 * The first instant at which the clock shows the reading or later: of a time that is shown twice the first, of
 * one that is skipped the first after the gap. Never goes back when the reading goes on. Inverse of
 * clock_reached: clock_instant(r) <= t if and only if r <= clock_reached(t).
 */
extern int64 clock_instant(ZoneClock *clock, int64 reading);

/*
 * The first reading that the clock had not shown before the instant: clock_instant(r) >= t if and only if
 * r >= clock_before(t). What the clock shows, except after it was put back and at the end of a gap.
 */
extern int64 clock_before(ZoneClock *clock, int64 instant);

/*
 * A grid on a time line: every time is a number of units from the origin, microseconds or months. A month's
 * last day stands for the days of the origin's that it does not have, as when PostgreSQL adds an interval.
 */
typedef struct TimeGrid
{
	bool months;
	int64 origin;
	/* of the origin, for months: months since January of the year 0, day, and microseconds of the day */
	int64 month;
	int day;
	int64 time;
} TimeGrid;

extern void grid_init(TimeGrid *grid, bool months, int64 origin);

/* How many whole units after the origin a time is: the greatest n with grid_time(n) <= time. */
extern int64 grid_units(const TimeGrid *grid, int64 time);

/* The time so many units after the origin. */
extern int64 grid_time(const TimeGrid *grid, int64 units);

/* Division that rounds towards minus infinity; divisor > 0. */
static inline int64
floor_div(int64 dividend, int64 divisor)
{
	return dividend / divisor - (dividend % divisor < 0);
}

#endif /* STREAMBATCH_CALENDAR_H */

/*
 * window_shape.c
 *		Shapes of windows (see window_shape.h).
 *
 * Windows and panes of a shape lie on one grid: the windows of hop begin at multiples of the slide and end size
 * later; pane.c finds the panes. The line on which units are counted depends on the length (a day belongs to the
 * calendar, an hour to the time line), and need not be the line of the values:
 *
 *		values		by calendar							by instant
 *		timestamptz	LINE_CLOCK: the zone's clock		LINE_OWN
 *		timestamp	LINE_OWN							LINE_INSTANT, read from and shown by the zone's clock
 *		date		LINE_OWN							-
 *
 * A hop whose slide is by instant and whose size is in days uses both: the grid is that of the slide.
 *
 * In a zone whose offset never changes both lines are one, and every shape uses LINE_OWN.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/int.h"
#include "utils/date.h"
#include "utils/timestamp.h"
#include "window/pane.h"
#include "window/window_shape.h"

/* Monday 2000-01-03 00:00, and 2000-01-01 00:00 for months */
#define DEFAULT_ORIGIN (2 * USECS_PER_DAY)
#define DEFAULT_ORIGIN_MONTHS 0

/* more than half the range of timestamps; small enough that a time minus two lengths cannot overflow */
#define MAX_LENGTH (PG_INT64_MAX / 4)

typedef enum LengthUnit
{
	UNIT_HOURS,
	UNIT_DAYS,
	UNIT_MONTHS
} LengthUnit;

/* The length of an interval that has one unit: microseconds, or months. */
typedef struct WindowLength
{
	LengthUnit unit;
	int64 length;
} WindowLength;

/* Names and order of each kind's arguments, for messages. */
static const struct
{
	const char *step;
	const char *size;
	const char *call;
} kinds[] = {
	[WINDOW_TUMBLE] = {NULL, "window size", "tumble(ts, size)"},
	[WINDOW_HOP] = {"window slide", "window size", "hop(ts, slide, size)"},
	[WINDOW_CUMULATE] = {"window step", "window size", "cumulate(ts, step, size)"},
	[WINDOW_SESSION] = {NULL, "session gap", "session(ts, gap)"},
};

static WindowLength length_of(const Interval *interval, Oid type, const char *what);
static void refuse(const char *message, const char *what, const char *hint);
static void init_grid(WindowShape *shape, bool calendar, bool months, const int64 *origin);
static void check_step(WindowKind kind, WindowLength step, WindowLength size);
static double approximate(WindowLength length);
static bool by_calendar(WindowLength length, Oid type);

void
window_shape_init(WindowShape *shape, WindowKind kind, Oid type, const Interval *step, const Interval *size,
				  const int64 *origin, const char *zone)
{
	WindowLength length = length_of(size, type, kinds[kind].size);
	WindowLength leading = length;
	TimeZone found;
	bool calendar;

	memset(shape, 0, sizeof(WindowShape));
	shape->kind = kind;
	shape->type = type;
	shape->last.start = shape->last.end = DT_NOEND;
	shape->slide = shape->size = shape->pane = length.length;
	time_zone_get(kind == WINDOW_SESSION ? "UTC" : zone, &found);
	clock_init(&shape->clock, &found);
	if (kind == WINDOW_SESSION)
	{
		if (length.unit == UNIT_MONTHS)
			refuse("%s must not be in months", kinds[kind].size, "Use days or hours, for example '30 days'.");
		init_grid(shape, false, false, NULL);
		return;
	}
	if (step != NULL)
	{
		leading = length_of(step, type, kinds[kind].step);
		check_step(kind, leading, length);
	}
	shape->pane = pane_length(kind, leading.length, length.length);
	calendar = by_calendar(length, type);
	if (kind == WINDOW_HOP)
	{
		/* in a zone whose clock is never set, days have a fixed length, and all edges lie on one grid */
		if (length.unit == UNIT_DAYS && !by_calendar(leading, type) && !shape->clock.fixed)
			shape->lasts = length.length;
		calendar = by_calendar(leading, type);
		shape->slide = leading.length;
	}
	else if (kind == WINDOW_CUMULATE)
	{
		if (calendar && !by_calendar(leading, type) && !shape->clock.fixed)
		{
			shape->day = length.unit == UNIT_DAYS ? USECS_PER_DAY : shape->size;
			shape->step = leading.length;
		}
	}
	init_grid(shape, calendar, length.unit == UNIT_MONTHS, origin);
}

int64
window_time(Oid type, Datum value)
{
	int64 time = type == DATEOID ? date2timestamp_opt_overflow(DatumGetDateADT(value), NULL)
								 : DatumGetTimestamp(value);

	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("cannot assign an infinite timestamp to a window")));
	return time;
}

Datum
window_datum(Oid type, int64 time)
{
	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	return type == DATEOID ? DateADTGetDatum(floor_div(time, USECS_PER_DAY)) : TimestampGetDatum(time);
}

static WindowLength
length_of(const Interval *interval, Oid type, const char *what)
{
	WindowLength result;

	if (compat_interval_is_infinite(interval))
		refuse("%s must be finite", what, "To aggregate over all time, do not group by a window.");
	if ((interval->month != 0) + (interval->day != 0) + (interval->time != 0) > 1)
		refuse("%s must not mix months, days and hours", what,
			   "Use a single unit, for example '36 hours' or '2 days'.");
	if (interval->month <= 0 && interval->day <= 0 && interval->time <= 0)
		refuse("%s must be greater than zero", what,
			   "Specify a length such as '10 minutes', '1 day' or '1 month'.");
	result.unit = interval->month != 0 ? UNIT_MONTHS : interval->day != 0 ? UNIT_DAYS : UNIT_HOURS;
	result.length = interval->month != 0 ? interval->month : interval->time;
	if (interval->day != 0 && pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &result.length))
		result.length = PG_INT64_MAX;
	if (result.length > MAX_LENGTH)
		refuse("%s is too large", what, "To aggregate over all time, do not group by a window.");
	if (type == DATEOID && result.unit == UNIT_HOURS && result.length % USECS_PER_DAY != 0)
		refuse("%s must be a whole number of days for type date", what,
			   "Cast the date to timestamp to use shorter windows.");
	return result;
}

static void
refuse(const char *message, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg_internal(message, what), errhint("%s", hint)));
}

/* Choose the line of the grid, and convert the origin to it. */
static void
init_grid(WindowShape *shape, bool calendar, bool months, const int64 *origin)
{
	int64 start = months ? DEFAULT_ORIGIN_MONTHS : DEFAULT_ORIGIN;
	ZoneClock *clock = &shape->clock;

	if (origin != NULL && TIMESTAMP_NOT_FINITE(*origin))
		refuse("%s must be finite", "window origin",
			   "Specify the start of any window, for example '2025-01-01'.");
	shape->line = LINE_OWN;
	if (shape->type == TIMESTAMPTZOID)
	{
		/* without clock changes, days have a fixed length */
		if (calendar && !clock->fixed)
			shape->line = LINE_CLOCK;
		else if (months && clock->offset != 0)
			shape->line = LINE_CLOCK;
		if (shape->line == LINE_CLOCK)
			start = origin ? clock_shows(clock, *origin) : start;
		else
			start = origin ? *origin : clock_instant(clock, start);
	}
	else
	{
		if (!calendar && !clock->fixed)
			shape->line = LINE_INSTANT;
		start = origin ? *origin : start;
		if (shape->line == LINE_INSTANT)
			start = clock_instant(clock, start);
	}
	/* origins that differ by a multiple of the slide are equivalent, and one near zero cannot overflow */
	if (!months)
		start -= floor_div(start, shape->slide) * shape->slide;
	grid_init(&shape->grid, months, start);
}

/* Raises unless the slide or step is valid for the size. */
static void
check_step(WindowKind kind, WindowLength step, WindowLength size)
{
	const char *what = kinds[kind].step;
	bool hours_of_days = step.unit == UNIT_HOURS && size.unit == UNIT_DAYS;

	if (approximate(step) > approximate(size))
		refuse("%s is longer than the window size", what,
			   psprintf("The order of the arguments is %s.", kinds[kind].call));
	if (step.unit != size.unit && !hours_of_days)
		refuse("%s and window size must use the same unit", what,
			   step.unit == UNIT_MONTHS || size.unit == UNIT_MONTHS
				   ? "Months have no fixed length; specify either both or none in months."
				   : "Specify both in hours or both in days, for example '24 hours' instead of '1 day'.");
	if (kind == WINDOW_CUMULATE && hours_of_days && USECS_PER_DAY % step.length != 0)
		refuse("%s must divide a day evenly", what,
			   "For a window size in days, the step must be a number of days or divide 24 hours evenly.");
	if (kind == WINDOW_CUMULATE && size.length % step.length != 0)
		refuse("window size must be a multiple of the %s", what,
			   "Use a step that divides the size evenly, for example '10 minutes' for a size of '1 hour'.");
}

/* An approximation, to compare lengths of different units. */
static double
approximate(WindowLength length)
{
	return (double) length.length * (length.unit == UNIT_MONTHS ? DAYS_PER_MONTH * USECS_PER_DAY : 1);
}

/* Whether a length is by calendar; otherwise it is by instant. */
static bool
by_calendar(WindowLength length, Oid type)
{
	/* hours that divide a day evenly; such windows start at midnight */
	static const int clock_hours[] = {2, 3, 4, 6, 8, 12};

	if (length.unit != UNIT_HOURS || type == DATEOID)
		return true;
	for (int i = 0; i < lengthof(clock_hours); i++)
	{
		if (length.length == clock_hours[i] * USECS_PER_HOUR)
			return true;
	}
	return false;
}

/*
 * window_shape.h
 *		The shape of a window: the grid that follows from its kind, size, step, origin and time zone.
 *
 * Times are microseconds since 2000-01-01 00:00, of the shape's type: instants for timestamptz, clock readings
 * for timestamp, midnights for date. Edges beyond the type's range are DT_NOBEGIN and DT_NOEND.
 */
#ifndef STREAMBATCH_WINDOW_SHAPE_H
#define STREAMBATCH_WINDOW_SHAPE_H

#include "datatype/timestamp.h"
#include "window/calendar.h"

typedef enum WindowKind
{
	WINDOW_TUMBLE,
	WINDOW_HOP,
	WINDOW_CUMULATE,
	WINDOW_SESSION
} WindowKind;

/* The time line on which a shape's grid lies: that of its type, or another one. */
typedef enum WindowLine
{
	LINE_OWN,
	LINE_CLOCK,	  /* timestamptz by a zone's calendar */
	LINE_INSTANT, /* timestamp by instant */
} WindowLine;

/* Can be copied: all pointers are to memory that lives as long as the backend. Caches the last pane. */
typedef struct WindowShape
{
	WindowKind kind;
	Oid type; /* of times: timestamptz, timestamp or date */
	WindowLine line;
	TimeGrid grid;
	/* in units of the grid */
	int64 slide; /* from one start to the next; the size, except for hop */
	int64 size;	 /* of a window; the gap of a session */
	int64 pane;
	/* cumulate by instant within calendar days: length of the day, at whose start steps restart; otherwise 0 */
	int64 day;
	int64 step; /* if day is set: microseconds of a step */
	/* hop by instant whose windows end by calendar: their length on the zone's clock; otherwise 0 */
	int64 lasts;
	ZoneClock clock;
	TimeSlice last; /* cache: the pane found last */
} WindowShape;

/*
 * Make a shape from the arguments of a window function. step: the slide of hop, the step of cumulate, otherwise
 * NULL. size: the size, for a session the gap. origin: as the type's time, or NULL. zone: ignored for a
 * session. Raises invalid_parameter_value if they do not make a window.
 */
extern void window_shape_init(WindowShape *shape, WindowKind kind, Oid type, const Interval *step,
							  const Interval *size, const int64 *origin, const char *zone);

/*
 * Convert a value of a shape's type to a time, and back. Raises datetime_value_out_of_range for dates outside
 * the range of timestamps and for infinity.
 */
extern int64 window_time(Oid type, Datum value);
extern Datum window_datum(Oid type, int64 time);

#endif /* STREAMBATCH_WINDOW_SHAPE_H */

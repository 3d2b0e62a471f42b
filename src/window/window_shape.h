/*
 * window_shape.h
 *		The shape of a window: what its kind, size, step, origin and time zone make; pane.h has its panes.
 *
 * Times are microseconds since 2000-01-01 00:00, of the shape's type: instants for timestamptz, what the
 * clock shows for timestamp, midnights for date. Edges beyond the type's range are DT_NOBEGIN and DT_NOEND.
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

/* The line on which a shape's grid lies, if it is not the line of its type. */
typedef enum WindowLine
{
	LINE_OWN,
	LINE_CLOCK,	  /* timestamptz by a zone's calendar */
	LINE_INSTANT, /* timestamp by instant */
} WindowLine;

/* Plain memory, without pointers to anything that goes: may be copied. Caches what it was last asked for. */
typedef struct WindowShape
{
	WindowKind kind;
	Oid type; /* of times: timestamptz, timestamp or date */
	WindowLine line;
	TimeGrid grid;
	/* in units of the grid */
	int64 slide; /* from one start to the next; the size, but for hop */
	int64 size;	 /* of a window; the gap of a session */
	int64 pane;
	int64 day;	/* cumulate by instant in calendar days: where steps begin anew; otherwise 0 */
	int64 step; /* with day: microseconds of a step */
	ZoneClock clock;
	TimeSlice last; /* the pane found last */
} WindowShape;

/*
 * Make a shape from the arguments of a window function. step: the slide of hop, the step of cumulate, otherwise
 * NULL. size: the size, for a session the gap. origin: as the type's time, or NULL. zone: ignored for a
 * session. Raises invalid_parameter_value for whatever is no window.
 */
extern void window_shape_init(WindowShape *shape, WindowKind kind, Oid type, const Interval *step,
							  const Interval *size, const int64 *origin, const char *zone);

/*
 * A value of a shape's type as a time and the other way round. Raises datetime_value_out_of_range for dates that
 * are no timestamps, and for infinity: no window holds it, and none ends there.
 */
extern int64 window_time(Oid type, Datum value);
extern Datum window_datum(Oid type, int64 time);

#endif /* STREAMBATCH_WINDOW_SHAPE_H */

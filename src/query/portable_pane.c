/*
 * portable_pane.c
 *		Panes in portable SQL (see portable_pane.h).
 *
 * Panes of one length are written as arithmetic over the seconds since 1970, which does not depend on any session's time
 * zone; days and weeks of a zone with clock changes, and months, as DATE_TRUNC of the zone's clock. An engine may convert
 * the clock's midnight back in another way than window/calendar.c where it is skipped or shown twice. The result is then no
 * start of a pane, which publish_batch() refuses: such a day is never counted in another one.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "pgtime.h"
#include "query/portable_pane.h"
#include "utils/timestamp.h"

#define UNIX_SECONDS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static char *argument(const ViewDef *def);
static char *by_length(const ViewDef *def);
static char *by_calendar(const ViewDef *def, const char *unit);
static const char *calendar_unit(const ViewDef *def);

char *
portable_pane(const ViewDef *def)
{
	const WindowShape *shape = &def->window.shape;

	if (shape->day != 0 || shape->line == LINE_INSTANT)
		portable_refuse(def, def->window.pane,
						"Other engines do not know which hours a clock skips or shows twice.");
	if (shape->grid.months || shape->line == LINE_CLOCK)
		return by_calendar(def, calendar_unit(def));
	if ((def->window.by_pane && !shape->clock.fixed) || shape->lasts != 0)
		portable_refuse(def, def->window.pane, "It depends on the clock changes of a time zone.");
	return by_length(def);
}

char *
portable_range(const ViewDef *def, TimestampTz from, TimestampTz to)
{
	char *time = def->window.by_pane ? portable_pane(def) : argument(def);
	StringInfoData buf;

	initStringInfo(&buf);
	if (!TIMESTAMP_IS_NOBEGIN(from))
		appendStringInfo(&buf, "%s >= %s", time, portable_time(def->window.type, from));
	if (!TIMESTAMP_IS_NOEND(to))
		appendStringInfo(&buf, "%s%s < %s", buf.len > 0 ? " AND " : "", time,
						 portable_time(def->window.type, to));
	else if (buf.len > 0)
		return psprintf("(%s OR %s IS NULL)", buf.data, time);
	return buf.len > 0 ? buf.data : NULL;
}

static char *
argument(const ViewDef *def)
{
	StringInfoData buf;

	initStringInfo(&buf);
	portable_expr(&buf, def, def->window.argument);
	return buf.data;
}

/* FLOOR((seconds - origin) / length) * length seconds after the origin. */
static char *
by_length(const ViewDef *def)
{
	const WindowShape *shape = &def->window.shape;
	Oid type = def->window.type;
	int64 length = shape->pane / USECS_PER_SEC;
	int64 origin = floor_div(shape->grid.origin, USECS_PER_SEC) + UNIX_SECONDS;
	char *seconds;
	char *base;
	char *start;

	if (shape->pane % USECS_PER_SEC != 0 || shape->grid.origin % USECS_PER_SEC != 0)
		portable_refuse(def, def->window.pane,
						"Engines compute fractions of seconds with different precision.");
	origin -= floor_div(origin, length) * length;
	seconds =
		psprintf(type == DATEOID ? "EXTRACT(EPOCH FROM CAST(%s AS TIMESTAMP))" : "EXTRACT(EPOCH FROM %s)",
				 argument(def));
	if (origin != 0)
		seconds = psprintf("(%s - " INT64_FORMAT ")", seconds, origin);
	base = portable_time(type == DATEOID ? TIMESTAMPOID : type, (origin - UNIX_SECONDS) * USECS_PER_SEC);
	start = psprintf("%s + FLOOR(%s / " INT64_FORMAT ") * " INT64_FORMAT " * INTERVAL '1' SECOND", base,
					 seconds, length, length);
	return type == DATEOID ? psprintf("CAST(%s AS DATE)", start) : start;
}

static char *
by_calendar(const ViewDef *def, const char *unit)
{
	const char *zone = time_zone_name(&def->window.shape.clock.zone);
	char *time = argument(def);

	if (zone == NULL)
		portable_refuse(def, def->window.pane, "The abbreviation of its time zone has had several meanings.");

	switch (def->window.type)
	{
		case TIMESTAMPTZOID:
			return psprintf("DATE_TRUNC('%s', %s AT TIME ZONE '%s') AT TIME ZONE '%s'", unit, time, zone,
							zone);
		case TIMESTAMPOID:
			return psprintf("DATE_TRUNC('%s', %s)", unit, time);
		default:
			return psprintf("CAST(DATE_TRUNC('%s', CAST(%s AS TIMESTAMP)) AS DATE)", unit, time);
	}
}

/* The unit of DATE_TRUNC whose values the panes are. */
static const char *
calendar_unit(const ViewDef *def)
{
	const WindowShape *shape = &def->window.shape;
	const TimeGrid *grid = &shape->grid;
	int64 monday = 2 * USECS_PER_DAY;

	if (grid->months)
	{
		bool first = grid->day == 1 && grid->time == 0;

		if (first && shape->pane == 1)
			return "MONTH";
		if (first && shape->pane == 3 && grid->month % 3 == 0)
			return "QUARTER";
		if (first && shape->pane == MONTHS_PER_YEAR && grid->month % MONTHS_PER_YEAR == 0)
			return "YEAR";
	}
	else if (shape->pane == USECS_PER_DAY && grid->origin % USECS_PER_DAY == 0)
		return "DAY";
	else if (shape->pane == 7 * USECS_PER_DAY &&
			 grid->origin - floor_div(grid->origin, shape->pane) * shape->pane == monday)
		return "WEEK";
	portable_refuse(
		def, def->window.pane,
		grid->months
			? "Only months, quarters and years of the calendar can be written."
			: "Of a time zone with clock changes, only days, weeks that begin on Monday, months, quarters "
			  "and years can be written.");
}

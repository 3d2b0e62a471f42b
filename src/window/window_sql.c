/*
 * window_sql.c
 *		SQL text for the windows and panes of a query (see window_sql.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/ruleutils.h"
#include "utils/timestamp.h"
#include "window/window_sql.h"

static char *interval_sql(const Interval *interval);

char *
window_to_instant_sql(const StreamWindow *window, const char *column)
{
	switch (window->type)
	{
		case TIMESTAMPTZOID:
			return pstrdup(column);
		case TIMESTAMPOID:
			return psprintf("pg_catalog.timezone('UTC', %s)", column);
		default:
			return psprintf("pg_catalog.timezone('UTC', %s::pg_catalog.timestamp)", column);
	}
}

char *
window_from_instant_sql(const StreamWindow *window, const char *instant)
{
	switch (window->type)
	{
		case TIMESTAMPTZOID:
			return pstrdup(instant);
		case TIMESTAMPOID:
			return psprintf("pg_catalog.timezone('UTC', %s)", instant);
		default:
			return psprintf("pg_catalog.timezone('UTC', %s)::pg_catalog.date", instant);
	}
}

char *
window_call_sql(const StreamWindow *window, WindowEdge edge, const char *argument)
{
	const WindowFunctions *functions = window_functions_of(window->kind);
	StringInfoData buf;
	ListCell *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "streambatch.%s(%s", edge == WINDOW_START ? functions->start : functions->end,
					 argument);
	foreach (lc, window->parameters)
		appendStringInfo(&buf, ", %s", deparse_expression(lfirst(lc), NIL, false, false));
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

char *
window_gap_sql(const StreamWindow *window)
{
	Interval gap = *DatumGetIntervalP(linitial_node(Const, window->parameters)->constvalue);

	/* by instant: days added to a timestamptz would follow the session's time zone */
	gap.time += gap.day * USECS_PER_DAY;
	gap.day = 0;
	if (window->type == DATEOID)
		return psprintf("%lld", (long long) (gap.time / USECS_PER_DAY));
	return interval_sql(&gap);
}

char *
window_margin_sql(const StreamWindow *window)
{
	Interval margin = *DatumGetIntervalP(linitial_node(Const, window->parameters)->constvalue);

	margin.day += 2;
	return interval_sql(&margin);
}

static char *
interval_sql(const Interval *interval)
{
	return psprintf("'%d months %d days %lld microseconds'::pg_catalog.interval", interval->month,
					interval->day, (long long) interval->time);
}

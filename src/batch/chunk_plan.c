/*
 * chunk_plan.c
 *		What a refresh computes (see chunk_plan.h).
 */
#include "postgres.h"

#include "batch/batch_statement.h"
#include "batch/chunk_plan.h"
#include "common/settings.h"
#include "utils/timestamp.h"

/*
 * More ranges than this are refreshed as one: a transaction for each would cost more than refreshing the gaps
 * between them.
 */
#define MAX_RANGES 64

static void extend_to_panes(const Computation *c, RefreshRange *requested);
static TimestampTz *changed_panes(const Computation *c, int64 closed_epoch, TimestampTz before, int *n);
static Datum result_column(uint64 row, int column);
static int64 extent(const Computation *c, const Cut *cut, const Coverage *range, TimestampTz *first,
					TimestampTz *last);

TimeRanges
chunk_plan_ranges(const Computation *c, RefreshRange requested, int64 closed_epoch, const StreamRow *stream)
{
	StreamWindow *window = &c->def->window;
	TimeRanges ranges = {0, palloc(sizeof(Coverage))};
	TimestampTz to;
	Coverage *covered;
	TimestampTz *changed;
	int n;

	if (!c->def->has_window)
		return time_ranges_add(ranges, DT_NOBEGIN, DT_NOEND);
	extend_to_panes(c, &requested);
	/* a pane has ended when the watermark has passed its end */
	if (requested.has_to)
		to = requested.to;
	else if (stream->has_watermark)
		to = window_pane_start(window, stream->watermark);
	else
		return ranges;
	if (requested.full || requested.has_from || requested.has_to)
		return time_ranges_add(ranges, requested.from, to);
	covered = catalog_coverage(c->view.id, &n);
	ranges = time_ranges_uncovered(DT_NOBEGIN, to, covered, n);
	changed = changed_panes(c, closed_epoch, to, &n);
	for (int i = 0; i < n; i++)
		ranges = time_ranges_add(ranges, changed[i], window_pane_end(window, changed[i]));
	if (ranges.n > MAX_RANGES)
		ranges = time_ranges_add((TimeRanges){0, ranges.items}, ranges.items[0].from,
								 ranges.items[ranges.n - 1].to);
	return ranges;
}

TimeRanges
chunk_plan_chunks(const Computation *c, const Cut *cut, TimeRanges ranges)
{
	StreamWindow *window = &c->def->window;
	List *bounds = NIL;
	TimeRanges chunks = {0, NULL};
	ListCell *lc;

	for (int i = 0; i < ranges.n; i++)
	{
		Coverage *range = &ranges.items[i];
		TimestampTz first = 0;
		TimestampTz last = 0;
		int64 count = c->def->has_window ? extent(c, cut, range, &first, &last) : 0;
		int64 pieces = Max(1, (count + setting_refresh_chunk_rows - 1) / setting_refresh_chunk_rows);
		TimestampTz from = range->from;

		for (int64 p = 1; p <= pieces; p++)
		{
			Coverage *chunk = palloc(sizeof(Coverage));

			chunk->from = from;
			chunk->to =
				p == pieces ? range->to : window_pane_start(window, first + (last - first) / pieces * p);
			if (chunk->to <= from)
				continue;
			from = chunk->to;
			bounds = lappend(bounds, chunk);
		}
	}
	chunks.items = palloc((list_length(bounds) + 1) * sizeof(Coverage));
	foreach (lc, bounds)
		chunks.items[chunks.n++] = *(Coverage *) lfirst(lc);
	return chunks;
}

/* Extend the range to whole panes. */
static void
extend_to_panes(const Computation *c, RefreshRange *requested)
{
	StreamWindow *window = &c->def->window;
	TimestampTz from = requested->has_from ? window_pane_start(window, requested->from) : DT_NOBEGIN;
	TimestampTz to = requested->has_to ? window_pane_start(window, requested->to) : DT_NOEND;

	if (requested->has_to && to != requested->to)
		to = window_pane_end(window, requested->to);
	if ((requested->has_from && from != requested->from) || (requested->has_to && to != requested->to))
		ereport(NOTICE, (errmsg("refresh range is extended to whole %s: from %s to %s",
								window->assembled ? "panes of windows" : "windows",
								requested->has_from ? pstrdup(timestamptz_to_str(from)) : "-infinity",
								requested->has_to ? pstrdup(timestamptz_to_str(to)) : "the watermark")));
	requested->from = from;
	requested->to = to;
}

/* Starts, in ascending order, of the panes before a time that have stream rows of closed epochs. */
static TimestampTz *
changed_panes(const Computation *c, int64 closed_epoch, TimestampTz before, int *n)
{
	const BatchParameters parameters = {.from = DT_NOBEGIN, .to = before, .epoch = closed_epoch};
	MemoryContext caller = CurrentMemoryContext;
	TimestampTz *panes;
	Guard guard;

	batch_statement_begin(&guard, c);
	*n = (int) batch_statement_execute(c, sql_changed_panes(c->def, c->view.id), &parameters, true);
	panes = MemoryContextAllocHuge(caller, (*n + 1) * sizeof(TimestampTz));
	for (int i = 0; i < *n; i++)
		panes[i] = DatumGetTimestampTz(result_column(i, 1));
	batch_statement_end(&guard);
	return panes;
}

/* A column of a row that the last statement returned. */
static Datum
result_column(uint64 row, int column)
{
	bool isnull;

	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
}

/* Number of events in the range below the cut and, if there are any, the times of the first and the last one. */
static int64
extent(const Computation *c, const Cut *cut, const Coverage *range, TimestampTz *first, TimestampTz *last)
{
	const BatchParameters parameters = {.cut = cut, .from = range->from, .to = range->to};
	Guard guard;
	int64 count;

	batch_statement_begin(&guard, c);
	(void) batch_statement_execute(c, sql_extent(c->def, &c->source), &parameters, true);
	*first = DatumGetTimestampTz(result_column(0, 1));
	*last = DatumGetTimestampTz(result_column(0, 2));
	count = DatumGetInt64(result_column(0, 3));
	batch_statement_end(&guard);
	return count;
}

/*
 * chunk_plan.c
 *		What a refresh computes (see chunk_plan.h).
 */
#include "postgres.h"

#include "batch/chunk_plan.h"
#include "batch/divide_ranges.h"
#include "utils/timestamp.h"

static void extend_to_panes(const Computation *c, RefreshRange *requested);
static void plan_default(ChunkPlan *plan, const Computation *c, const Cut *cut, int64 closed_epoch);
static void plan_ranges(ChunkPlan *plan, const Computation *c, const Cut *cut, TimeRanges ranges);

void
chunk_plan_make(ChunkPlan *plan, const Computation *c, const Cut *cut, RefreshRange requested,
				int64 closed_epoch, const StreamRow *stream)
{
	StreamWindow *window = &c->def->window;
	TimestampTz from = DT_NOBEGIN;
	TimestampTz to = DT_NOEND;

	plan->from = DT_NOEND;
	plan->to = DT_NOBEGIN;
	if (c->def->has_window)
	{
		extend_to_panes(c, &requested);
		from = requested.from;
		to = requested.to;
		/* a pane has ended when the watermark has passed its end */
		if (!requested.has_to)
			to = stream->has_watermark ? window_pane_start(window, stream->watermark) : DT_NOBEGIN;
	}
	plan->before = to;
	plan->force = requested.force;
	if (c->def->has_window && !requested.full && !requested.has_from && !requested.has_to)
		plan_default(plan, c, cut, closed_epoch);
	else
		plan_ranges(plan, c, cut, time_ranges_uncovered(from, to, NULL, 0));
	plan->nchunks = plan->nranges + (plan->changed ? plan->changed->nchunks : 0);
}

void
chunk_plan_free(ChunkPlan *plan)
{
	if (plan->changed != NULL)
		changed_panes_close(plan->changed);
	plan->changed = NULL;
}

int64
chunk_plan_panes(const ChunkPlan *plan, const Computation *c)
{
	int64 n = plan->changed != NULL ? plan->changed->npanes : 0;

	for (int i = 0; i < plan->nranges; i++)
	{
		int64 of_range = chunk_panes(&plan->ranges[i], c);

		if (of_range < 0)
			return -1;
		n += of_range;
	}
	return n;
}

int64
chunk_panes(const Chunk *chunk, const Computation *c)
{
	TimestampTz from = chunk->from;
	TimestampTz to = chunk->to;

	if (!c->def->has_window)
		return -1;
	if (chunk->panes != NULL)
		return chunk->npanes;
	if (TIMESTAMP_IS_NOBEGIN(from))
		from = chunk->events_from;
	if (TIMESTAMP_IS_NOEND(to))
		to = chunk->events_to;
	if (TIMESTAMP_NOT_FINITE(from) || TIMESTAMP_NOT_FINITE(to))
		return -1;
	return window_count_panes(&c->def->window, from, to);
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

/* What is not covered, and, of what is covered, what has changed. */
static void
plan_default(ChunkPlan *plan, const Computation *c, const Cut *cut, int64 closed_epoch)
{
	int n;
	Coverage *covered = catalog_coverage(c->view.id, &n);
	TimeRanges uncovered = time_ranges_uncovered(DT_NOBEGIN, plan->before, covered, n);

	plan_ranges(plan, c, cut, uncovered);
	for (int i = 0; i < plan->nranges; i++)
		plan->ranges[i].keep_gone = !plan->force && !c->source.log;
	plan->changed = changed_panes_open(c, cut, closed_epoch, plan->before, covered, n, plan->force);
	if (plan->changed->npanes > 0)
	{
		plan->from = Min(plan->from, plan->changed->first);
		plan->to = Max(plan->to, plan->changed->end);
	}
}

static void
plan_ranges(ChunkPlan *plan, const Computation *c, const Cut *cut, TimeRanges ranges)
{
	if (ranges.n == 0)
		return;
	plan->ranges = divide_ranges(c, cut, ranges, &plan->nranges);
	plan->from = ranges.items[0].from;
	plan->to = ranges.items[ranges.n - 1].to;
}

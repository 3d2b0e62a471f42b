/*
 * divide_ranges.c
 *		Dividing ranges of time into chunks (see divide_ranges.h).
 *
 * Events may be anywhere: most in one year, and one in 1970. So the times of a sample of events (event_sample.h), in order,
 * are divided. Ranges that may contain few events of a large archive are counted first, with an index that reads little
 * else; no further than to the size of a chunk, nor so far that it would be a pass over the events of its own.
 */
#include "postgres.h"

#include "batch/batch_statement.h"
#include "batch/divide_ranges.h"
#include "batch/event_sample.h"
#include "common/settings.h"
#include "utils/timestamp.h"

/* Events of which a sample tells more cheaply than counting. */
#define MAX_COUNTED 100000

/* The chunk that is being filled, while the times of events come in ascending order. */
typedef struct Divider
{
	StreamWindow *window;
	MemoryContext context;
	TimeRanges ranges;
	int range; /* the current one */
	TimestampTz from;
	TimestampTz first; /* pane of the chunk */
	TimestampTz pane;  /* the current one */
	TimestampTz pane_end;
	double rows; /* before it */
	double pane_rows;
	double weight; /* events that one of the sample stands for */
	Chunk *chunks;
	int n;
	int allocated;
} Divider;

static void add_chunk(Divider *d, TimestampTz to);
static bool is_one_chunk(const Computation *c, const Cut *cut, TimeRanges ranges);
static void take_count(TupleTableSlot *slot, void *count);
static void take_time(TupleTableSlot *slot, void *divider);
static void begin_range(Divider *d, int range);

Chunk *
divide_ranges(const Computation *c, const Cut *cut, TimeRanges ranges, int *nchunks)
{
	Divider d = {.window = &c->def->window, .context = CurrentMemoryContext, .ranges = ranges};

	d.allocated = ranges.n;
	d.chunks = palloc(d.allocated * sizeof(Chunk));
	begin_range(&d, 0);
	/* each chunk would read the log anew */
	if (c->def->has_window && !c->source.log && !is_one_chunk(c, cut, ranges))
		event_sample_read(c, cut, ranges.items[0].from, ranges.items[ranges.n - 1].to, &d.weight, take_time,
						  &d);
	for (;;)
	{
		add_chunk(&d, ranges.items[d.range].to);
		if (d.range + 1 == ranges.n)
			break;
		begin_range(&d, d.range + 1);
	}
	*nchunks = d.n;
	return d.chunks;
}

/* Add what was collected, which ends at a time. */
static void
add_chunk(Divider *d, TimestampTz to)
{
	if (d->n == d->allocated)
	{
		d->allocated *= 2;
		d->chunks = repalloc(d->chunks, d->allocated * sizeof(Chunk));
	}
	d->chunks[d->n++] =
		(Chunk){.from = d->from, .to = to, .events_from = d->first, .events_to = Min(to, d->pane_end)};
	d->from = d->first = to;
	d->rows = 0;
}

/* Whether all ranges together contain no more events than a chunk; of those without a beginning, not known. */
static bool
is_one_chunk(const Computation *c, const Cut *cut, TimeRanges ranges)
{
	const BatchParameters parameters = {
		.cut = cut, .from = ranges.items[0].from, .to = ranges.items[ranges.n - 1].to};
	int64 limit = (int64) Min(setting_refresh_chunk_rows, MAX_COUNTED) + 1;
	int64 count = 0;
	Guard guard;

	if (TIMESTAMP_IS_NOBEGIN(parameters.from))
		return false;
	batch_statement_begin(&guard, c);
	batch_statement_read(c, sql_count_events(c->def, &c->source, limit), &parameters, take_count, &count);
	batch_statement_end(&guard);
	return count < limit;
}

static void
take_count(TupleTableSlot *slot, void *count)
{
	bool isnull;

	*(int64 *) count = DatumGetInt64(slot_getattr(slot, 1, &isnull));
}

/* Take the time of an event; a pane that would make the chunk too large begins the next one. */
static void
take_time(TupleTableSlot *slot, void *divider)
{
	Divider *d = divider;
	bool isnull;
	TimestampTz time = DatumGetTimestampTz(slot_getattr(slot, 1, &isnull));
	MemoryContext old = MemoryContextSwitchTo(d->context);

	while (time >= d->ranges.items[d->range].to && d->range + 1 < d->ranges.n)
	{
		add_chunk(d, d->ranges.items[d->range].to);
		begin_range(d, d->range + 1);
	}
	if (time >= d->from)
	{
		if (time >= d->pane_end)
		{
			d->rows += d->pane_rows;
			d->pane_rows = 0;
			d->pane = window_pane_start(d->window, time);
			d->pane_end = window_pane_end(d->window, d->pane);
			if (TIMESTAMP_IS_NOBEGIN(d->first))
				d->first = d->pane;
		}
		d->pane_rows += d->weight;
		if (d->rows > 0 && d->rows + d->pane_rows > setting_refresh_chunk_rows && d->pane > d->from &&
			d->pane < d->ranges.items[d->range].to)
			add_chunk(d, d->pane);
	}
	MemoryContextSwitchTo(old);
}

static void
begin_range(Divider *d, int range)
{
	d->range = range;
	d->from = d->first = d->ranges.items[range].from;
	d->pane_end = DT_NOBEGIN;
	d->rows = d->pane_rows = 0;
}

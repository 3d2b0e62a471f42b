/*
 * gone_panes.c
 *		Panes whose events have left the archive (see gone_panes.h).
 *
 * Candidates are panes with rows for which nothing was computed, or nothing of earlier events. There are none as a rule,
 * and the archive is read only if there are. Those of which it has an event are computed, to nothing: with the tables that
 * the view joins as they are now, for example.
 */
#include "postgres.h"

#include "batch/gone_panes.h"
#include "utils/timestamp.h"

typedef struct Search
{
	StreamWindow *window;
	MemoryContext context;
	int n;
	int allocated;
	TimestampTz *candidates; /* ascending */
	int next;				 /* the first one that is not decided */
	bool apart;				 /* from the last range, by a pane with events */
	TimeRanges gone;
	int64 npanes;
} Search;

/* Changed panes of which it is not known whether their events have left the archive. */
typedef struct Doubts
{
	const Chunk *chunk;
	const PaneEvents *events;
	int n;
	TimestampTz *panes; /* ascending */
	bool *has_rows;		/* in the batch layer */
	bool *gone;
} Doubts;

static void add_candidate(TupleTableSlot *slot, void *search);
static void pass_events(TupleTableSlot *slot, void *search);
static void add_gone(Search *s);
static void add_doubt(TupleTableSlot *slot, void *doubts);
static void pass_counted(TupleTableSlot *slot, void *doubts);

TimeRanges
gone_panes(const Computation *c, const Cut *cut, int64 closed_epoch, const Chunk *chunk, int64 *npanes)
{
	Search s = {&c->def->window, CurrentMemoryContext};
	BatchParameters parameters = {.cut = cut, .from = chunk->from, .to = chunk->to, .epoch = closed_epoch};
	Guard guard;

	batch_statement_begin(&guard, c);
	batch_statement_read(c, sql_changed_panes(c->def, c->view.id, NULL), &parameters, add_candidate, &s);
	batch_statement_end(&guard);
	if (s.n == 0)
		return s.gone;
	s.gone.items = palloc(s.n * sizeof(Coverage));
	parameters.from = s.candidates[0];
	parameters.to = window_pane_end(s.window, s.candidates[s.n - 1]);
	batch_statement_begin(&guard, c);
	batch_statement_read(c, sql_event_panes(c->def, &c->source, (PaneSet){PANES_WITHIN}), &parameters,
						 pass_events, &s);
	batch_statement_end(&guard);
	while (s.next < s.n)
		add_gone(&s);
	*npanes = s.npanes;
	return s.gone;
}

TimeRanges
gone_changed_panes(const Computation *c, const BatchParameters *parameters, const Chunk *chunk,
				   const PaneEvents *events, int64 *npanes)
{
	Search s = {&c->def->window, CurrentMemoryContext};
	BatchParameters of = *parameters;
	Doubts d = {chunk, events};

	s.candidates = palloc(chunk->npanes * sizeof(TimestampTz));
	for (int i = 0; i < chunk->npanes; i++)
	{
		if (!events[i].earlier)
			s.candidates[s.n++] = chunk->panes[i];
	}
	*npanes = 0;
	if (s.n == 0)
		return s.gone;
	d.panes = palloc(s.n * sizeof(TimestampTz));
	d.has_rows = palloc(s.n * sizeof(bool));
	d.gone = palloc(s.n * sizeof(bool));
	of.panes = pane_list_make(s.window, s.candidates, s.n, c->source.reads);
	batch_statement_read(c, sql_changed_panes(c->def, c->view.id, NULL), &of, add_doubt, &d);
	if (d.n == 0)
		return s.gone;
	of.panes = pane_list_make(s.window, d.panes, d.n, c->source.reads);
	batch_statement_read(c, sql_event_panes(c->def, &c->source, (PaneSet){PANES_LISTED, of.panes->nreads}),
						 &of, pass_counted, &d);
	s.gone.items = MemoryContextAlloc(s.context, d.n * sizeof(Coverage));
	s.candidates = d.panes;
	for (int i = 0; i < d.n; i++)
	{
		s.apart |= i == 0 || window_pane_end(s.window, d.panes[i - 1]) != d.panes[i];
		s.next = i;
		if (d.gone[i])
			add_gone(&s);
		else
			s.apart = true;
	}
	*npanes = s.npanes;
	return s.gone;
}

static void
add_candidate(TupleTableSlot *slot, void *search)
{
	Search *s = search;
	MemoryContext old = MemoryContextSwitchTo(s->context);
	bool isnull;

	if (!DatumGetBool(slot_getattr(slot, 2, &isnull)))
	{
		if (s->n == s->allocated)
		{
			s->allocated = Max(64, 2 * s->allocated);
			s->candidates = s->n == 0 ? palloc(s->allocated * sizeof(TimestampTz))
									  : repalloc(s->candidates, s->allocated * sizeof(TimestampTz));
		}
		s->candidates[s->n++] = DatumGetTimestampTz(slot_getattr(slot, 1, &isnull));
	}
	MemoryContextSwitchTo(old);
}

/* A pane with events, in ascending order. */
static void
pass_events(TupleTableSlot *slot, void *search)
{
	Search *s = search;
	bool isnull;
	Datum value = slot_getattr(slot, 1, &isnull);
	TimestampTz pane = isnull ? DT_NOEND : DatumGetTimestampTz(value);

	while (s->next < s->n && s->candidates[s->next] < pane)
		add_gone(s);
	if (s->next < s->n && s->candidates[s->next] == pane)
		s->next++;
	s->apart = true;
}

/* The next candidate is gone. */
static void
add_gone(Search *s)
{
	TimestampTz pane = s->candidates[s->next++];
	TimestampTz end = window_pane_end(s->window, pane);

	if (s->gone.n > 0 && !s->apart)
		s->gone.items[s->gone.n - 1].to = end;
	else
		s->gone.items[s->gone.n++] = (Coverage){pane, end, 0};
	s->apart = false;
	s->npanes++;
}

/*
 * A pane with rows. It is in doubt if no earlier event was seen, or, where the batch layer has no rows of it, no event at
 * all. A marked pane that has no rows has nothing to keep.
 */
static void
add_doubt(TupleTableSlot *slot, void *doubts)
{
	Doubts *d = doubts;
	bool isnull;
	TimestampTz pane = DatumGetTimestampTz(slot_getattr(slot, 1, &isnull));
	bool has_rows = DatumGetBool(slot_getattr(slot, 2, &isnull));
	bool late = DatumGetBool(slot_getattr(slot, 3, &isnull));
	int i = pane_position(d->chunk->panes, d->chunk->npanes, pane);

	if (i < 0 || (has_rows ? d->events[i].earlier : d->events[i].any || !late))
		return;
	d->panes[d->n] = pane;
	d->gone[d->n] = true;
	d->has_rows[d->n++] = has_rows;
}

static void
pass_counted(TupleTableSlot *slot, void *doubts)
{
	Doubts *d = doubts;
	bool isnull;
	Datum pane = slot_getattr(slot, 1, &isnull);
	int i = isnull ? -1 : pane_position(d->panes, d->n, DatumGetTimestampTz(pane));

	if (i >= 0)
		d->gone[i] = DatumGetInt64(slot_getattr(slot, d->has_rows[i] ? 3 : 2, &isnull)) == 0;
}

/*
 * gone_panes.c
 *		Panes that were never refreshed, and whose events have left the archive (see gone_panes.h).
 *
 * Candidates are panes with stream rows of closed epochs for which nothing was computed. There are none as a rule, and
 * the archive is read only if there are. Those of which it has an event are computed, to nothing: with the tables that
 * the view joins as they are now, for example.
 */
#include "postgres.h"

#include "batch/batch_statement.h"
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

static void add_candidate(TupleTableSlot *slot, void *search);
static void pass_events(TupleTableSlot *slot, void *search);
static void add_gone(Search *s);

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

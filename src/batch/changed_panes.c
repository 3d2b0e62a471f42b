/*
 * changed_panes.c
 *		The panes that the batch layer covers, and that have changed since (see changed_panes.h).
 *
 * There may be very many of them, far apart or side by side. They go, in ascending order, from the stream layer and the
 * marks into a tuplestore, which takes work_mem and then a temporary file; from there, with about how many events each has,
 * into a second one; and from that one into chunks.
 *
 * Where a list of panes is read by a few ranges of time (pane_list.h), these should contain little else. So a list ends
 * after as many gaps between its panes; if that made too many lists, after more, the narrower of which are read, too. Where
 * a statement reads all of the source anyway, gaps do not matter.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "batch/batch_source.h"
#include "batch/changed_panes.h"
#include "batch/event_sample.h"
#include "catalog/pg_type.h"
#include "common/settings.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* About the number of lists from which on more gaps are in each. */
#define MANY_LISTS 30

/* The columns of the tuplestores. */
enum
{
	PANE_START = 1,
	PANE_EVENTS, /* about; at first not known */
	PANE_FLAG,	 /* at first whether the batch layer has rows of it, then whether it is kept */
	PANE_EPOCH,	 /* which the cut closed as of which it is covered; at first not known */
	PANE_COLUMNS = PANE_EPOCH
};

/* Where the panes of the stream layer and the marks go. */
typedef struct Finding
{
	Tuplestorestate *store;
	TupleDesc desc;
} Finding;

/* Panes on their way from one tuplestore to the other, while the times of a sample of events come in ascending order. */
typedef struct Sizing
{
	ChangedPanes *result;
	const Finding *found;
	TupleTableSlot *slot;
	const Coverage *covered;
	int ncovered;
	TimestampTz complete_from; /* events before it have been removed from the archive */
	int range;				   /* the one that covers the current pane */
	bool at_end;
	TimestampTz pane; /* the current one */
	TimestampTz end;
	double events;
	double weight; /* events that one of the sample stands for */
} Sizing;

static TupleDesc store_columns(void);
static void find(const Computation *c, const Cut *cut, int64 closed_epoch, TimestampTz before,
				 Finding *finding);
static void put_found(TupleTableSlot *slot, void *finding);
static void put(Tuplestorestate *store, TupleDesc desc, TimestampTz pane, int64 events, bool flag,
				int64 epoch);
static void size_found(Sizing *sizing, const Computation *c, const Cut *cut, TimestampTz before);
static void take_time(TupleTableSlot *slot, void *sizing);
static void next_found(Sizing *sizing);
static void put_sized(Sizing *sizing);
static void finish(ChangedPanes *p);
static bool next_pane(ChangedPanes *p);
static Datum column(TupleTableSlot *slot, int number);
static void add_kept(Chunk *chunk, TimestampTz from, TimestampTz to);
static bool is_contiguous(ChangedPanes *p, int n);

ChangedPanes *
changed_panes_open(const Computation *c, const Cut *cut, int64 closed_epoch, TimestampTz before,
				   const Coverage *covered, int ncovered, bool force)
{
	ChangedPanes *p = palloc0(sizeof(ChangedPanes));
	Finding finding = {tuplestore_begin_heap(false, false, work_mem), store_columns()};
	Sizing sizing = {.result = p, .found = &finding, .covered = covered, .ncovered = ncovered};

	p->window = &c->def->window;
	p->keep_gone = !force && !c->source.log;
	p->panes = palloc(PANE_LIST_MAX * sizeof(TimestampTz));
	p->kept = palloc(PANE_LIST_MAX * sizeof(Coverage));
	p->slot = MakeSingleTupleTableSlot(finding.desc, &TTSOpsMinimalTuple);
	p->store = tuplestore_begin_heap(false, true, work_mem);
	find(c, cut, closed_epoch, before, &finding);
	sizing.complete_from = force ? DT_NOBEGIN : batch_source_complete_from(c);
	p->max_gaps = c->source.scanned ? PANE_LIST_MAX
									: Max(Max(PANE_LIST_READS, c->source.reads) - 1,
										  tuplestore_tuple_count(finding.store) / MANY_LISTS);
	size_found(&sizing, c, cut, before);
	tuplestore_end(finding.store);
	finish(p);
	return p;
}

bool
changed_panes_next(ChangedPanes *p, Chunk *chunk)
{
	int64 events = 0;
	int64 gaps = 0;
	int n = 0;

	*chunk = (Chunk){.changed = true, .keep_gone = p->keep_gone, .advance_from = p->advanced};
	chunk->kept.items = p->kept;
	for (; !p->at_end; (void) next_pane(p))
	{
		TimestampTz pane = DatumGetTimestampTz(column(p->slot, PANE_START));
		int64 more = DatumGetInt64(column(p->slot, PANE_EVENTS));
		bool kept = DatumGetBool(column(p->slot, PANE_FLAG));
		int64 epoch = DatumGetInt64(column(p->slot, PANE_EPOCH));

		if (n + chunk->kept.n == PANE_LIST_MAX)
			break;
		if (!kept && n > 0)
		{
			gaps += pane != chunk->to;
			if (events + more > setting_refresh_chunk_rows || gaps > p->max_gaps ||
				epoch != chunk->covered_epoch)
				break;
		}
		chunk->advance_to = window_pane_end(p->window, pane);
		if (kept)
			add_kept(chunk, pane, chunk->advance_to);
		else
		{
			events += more;
			chunk->from = n == 0 ? pane : chunk->from;
			chunk->to = chunk->advance_to;
			chunk->covered_epoch = epoch;
			p->panes[n++] = pane;
		}
	}
	chunk->npanes = n;
	chunk->panes = p->panes;
	chunk->contiguous = is_contiguous(p, n);
	p->advanced = chunk->advance_to;
	/* kept panes at the end are not a chunk */
	return n > 0 || (chunk->kept.n > 0 && !p->at_end);
}

void
changed_panes_rewind(ChangedPanes *p)
{
	tuplestore_rescan(p->store);
	p->at_end = false;
	p->advanced = DT_NOBEGIN;
	(void) next_pane(p);
}

void
changed_panes_close(ChangedPanes *p)
{
	ExecDropSingleTupleTableSlot(p->slot);
	tuplestore_end(p->store);
}

static TupleDesc
store_columns(void)
{
	TupleDesc desc = CreateTemplateTupleDesc(PANE_COLUMNS);

	TupleDescInitEntry(desc, PANE_START, "pane", TIMESTAMPTZOID, -1, 0);
	TupleDescInitEntry(desc, PANE_EVENTS, "events", INT8OID, -1, 0);
	TupleDescInitEntry(desc, PANE_FLAG, "flag", BOOLOID, -1, 0);
	TupleDescInitEntry(desc, PANE_EPOCH, "epoch", INT8OID, -1, 0);
	return desc;
}

/* Find the panes that have stream rows of closed epochs, or are marked. */
static void
find(const Computation *c, const Cut *cut, int64 closed_epoch, TimestampTz before, Finding *finding)
{
	BatchParameters parameters = {.cut = cut, .from = DT_NOBEGIN, .to = before, .epoch = closed_epoch};
	DirtyPanes dirty;
	Guard guard;

	dirty_marks_narrow(c, cut, closed_epoch);
	dirty = dirty_marks_panes(c, before);
	batch_statement_begin(&guard, c);
	if (dirty.n > 0)
		parameters.panes = pane_list_make(&c->def->window, dirty.panes, dirty.n, 0);
	batch_statement_read(c, sql_changed_panes(c->def, c->view.id, dirty.all ? &c->source : NULL), &parameters,
						 put_found, finding);
	batch_statement_end(&guard);
}

static void
put_found(TupleTableSlot *slot, void *arg)
{
	Finding *finding = arg;

	put(finding->store, finding->desc, DatumGetTimestampTz(column(slot, 1)), 0, DatumGetBool(column(slot, 2)),
		0);
}

static void
put(Tuplestorestate *store, TupleDesc desc, TimestampTz pane, int64 events, bool flag, int64 epoch)
{
	Datum values[PANE_COLUMNS] = {TimestampTzGetDatum(pane), Int64GetDatum(events), BoolGetDatum(flag),
								  Int64GetDatum(epoch)};
	bool nulls[PANE_COLUMNS] = {false};

	tuplestore_putvalues(store, desc, values, nulls);
}

/* Store those of the panes that are covered. The log, or a foreign table, would be read only for the sizes. */
static void
size_found(Sizing *s, const Computation *c, const Cut *cut, TimestampTz before)
{
	s->slot = MakeSingleTupleTableSlot(s->found->desc, &TTSOpsMinimalTuple);
	next_found(s);
	if (!s->at_end && OidIsValid(c->archive) && event_sample_possible(c->archive))
		event_sample_read(c, cut, s->pane, before, &s->weight, take_time, s);
	while (!s->at_end)
	{
		put_sized(s);
		next_found(s);
	}
	ExecDropSingleTupleTableSlot(s->slot);
}

static void
take_time(TupleTableSlot *slot, void *sizing)
{
	Sizing *s = sizing;
	TimestampTz time = DatumGetTimestampTz(column(slot, 1));

	while (!s->at_end && time >= s->end)
	{
		put_sized(s);
		next_found(s);
	}
	if (!s->at_end && time >= s->pane)
		s->events += s->weight;
}

/* Read the next pane that is covered. */
static void
next_found(Sizing *s)
{
	while (tuplestore_gettupleslot(s->found->store, true, false, s->slot))
	{
		s->pane = DatumGetTimestampTz(column(s->slot, PANE_START));
		while (s->range < s->ncovered && s->covered[s->range].to <= s->pane)
			s->range++;
		if (s->range == s->ncovered || s->covered[s->range].from > s->pane)
			continue;
		s->end = window_pane_end(s->result->window, s->pane);
		s->events = 0;
		return;
	}
	s->at_end = true;
}

/* Store the current pane. */
static void
put_sized(Sizing *s)
{
	ChangedPanes *p = s->result;
	bool kept = DatumGetBool(column(s->slot, PANE_FLAG)) && s->pane < s->complete_from;

	put(p->store, s->found->desc, s->pane, (int64) s->events, kept, s->covered[s->range].cut_epoch);
	if (kept)
		p->nkept++;
	else
	{
		p->first = p->npanes++ == 0 ? s->pane : p->first;
		p->end = s->end;
	}
}

/* Count the chunks. */
static void
finish(ChangedPanes *p)
{
	Chunk chunk;

	changed_panes_rewind(p);
	while (p->npanes > 0 && changed_panes_next(p, &chunk))
		p->nchunks++;
	changed_panes_rewind(p);
}

/* Read the next pane into the slot. */
static bool
next_pane(ChangedPanes *p)
{
	p->at_end = !tuplestore_gettupleslot(p->store, true, false, p->slot);
	return !p->at_end;
}

/* Of a row that has no nulls. */
static Datum
column(TupleTableSlot *slot, int number)
{
	bool isnull;

	return slot_getattr(slot, number, &isnull);
}

static void
add_kept(Chunk *chunk, TimestampTz from, TimestampTz to)
{
	TimeRanges *kept = &chunk->kept;

	if (kept->n > 0 && kept->items[kept->n - 1].to == from)
		kept->items[kept->n - 1].to = to;
	else
		kept->items[kept->n++] = (Coverage){from, to, 0};
}

/* Whether the panes of the chunk at hand lie side by side. */
static bool
is_contiguous(ChangedPanes *p, int n)
{
	for (int i = 1; i < n; i++)
	{
		if (window_pane_end(p->window, p->panes[i - 1]) != p->panes[i])
			return false;
	}
	return true;
}

/*
 * changed_panes.c
 *		The panes that the batch layer covers, and that have changed since (see changed_panes.h).
 *
 * There may be very many of them, far apart or side by side. They go, in ascending order, from the stream layer and the marks into a tuplestore, which takes
 * work_mem and then a temporary file; from there, some thousand at a time, through a statement that counts their events
 * in the archive, into a second one; and from that one into chunks.
 *
 * The panes of a list are read by few ranges of time (pane_list.h). So that these contain little else, a list ends after
 * as many gaps between its panes; if that made too many lists, after more, the narrower of which are read, too.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "batch/batch_source.h"
#include "batch/batch_statement.h"
#include "batch/changed_panes.h"
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
	PANE_EVENTS, /* at first not known */
	PANE_FLAG,	 /* at first whether the batch layer has rows of it, then whether it is kept */
	PANE_LATE,	 /* whether the stream layer has rows of it */
	PANE_COLUMNS = PANE_LATE
};

/* Panes on their way from one tuplestore to the other; all are covered as of the same cut. */
typedef struct Counting
{
	const Computation *c;
	const Cut *cut;
	ChangedPanes *result;
	TupleDesc desc;
	TimestampTz complete_from; /* events before it have been removed from the archive */
	int64 covered_epoch;
	int n;
	int gaps;
	TimestampTz panes[PANE_LIST_MAX];
	bool has_rows[PANE_LIST_MAX];
	bool late[PANE_LIST_MAX];
	int64 events[PANE_LIST_MAX];
	int64 earlier[PANE_LIST_MAX]; /* events below the cut as of which it is covered */
} Counting;

/* Where the panes of the stream layer go. */
typedef struct Finding
{
	Tuplestorestate *store;
	TupleDesc desc;
} Finding;

static TupleDesc store_columns(void);
static void find(const Computation *c, const Cut *cut, int64 closed_epoch, TimestampTz before,
				 Finding *finding);
static void put_found(TupleTableSlot *slot, void *finding);
static void put(Tuplestorestate *store, TupleDesc desc, TimestampTz pane, int64 events, bool flag, bool late);
static void count_found(Counting *counting, Tuplestorestate *found, const Coverage *covered, int ncovered);
static void count(Counting *counting);
static void put_counted(Counting *counting);
static const Cut *earlier_cut(const Counting *counting);
static void put_count(TupleTableSlot *slot, void *counting);
static void finish(ChangedPanes *p);
static bool next_pane(ChangedPanes *p);
static Datum column(TupleTableSlot *slot, int number);
static void add_kept(Chunk *chunk, TimestampTz from, TimestampTz to);
static void simplify(ChangedPanes *p, Chunk *chunk);

ChangedPanes *
changed_panes_open(const Computation *c, const Cut *cut, int64 closed_epoch, TimestampTz before,
				   const Coverage *covered, int ncovered, bool force)
{
	ChangedPanes *p = palloc0(sizeof(ChangedPanes));
	Counting *counting = palloc(sizeof(Counting));
	Finding finding = {tuplestore_begin_heap(false, false, work_mem), store_columns()};

	p->window = &c->def->window;
	p->force = force;
	p->panes = palloc(PANE_LIST_MAX * sizeof(TimestampTz));
	p->kept = palloc(PANE_LIST_MAX * sizeof(Coverage));
	p->slot = MakeSingleTupleTableSlot(finding.desc, &TTSOpsMinimalTuple);
	p->store = tuplestore_begin_heap(false, true, work_mem);
	find(c, cut, closed_epoch, before, &finding);
	counting->c = c;
	counting->cut = cut;
	counting->result = p;
	counting->desc = finding.desc;
	counting->complete_from = batch_source_complete_from(c);
	counting->n = counting->gaps = 0;
	p->max_gaps =
		Max(Max(PANE_LIST_READS, c->source.reads) - 1, tuplestore_tuple_count(finding.store) / MANY_LISTS);
	count_found(counting, finding.store, covered, ncovered);
	tuplestore_end(finding.store);
	pfree(counting);
	finish(p);
	return p;
}

bool
changed_panes_next(ChangedPanes *p, Chunk *chunk)
{
	int64 events = 0;
	int64 gaps = 0;
	int n = 0;

	*chunk = (Chunk){.changed = true, .advance_from = p->advanced};
	chunk->kept.items = p->kept;
	for (; !p->at_end; (void) next_pane(p))
	{
		TimestampTz pane = DatumGetTimestampTz(column(p->slot, PANE_START));
		int64 more = DatumGetInt64(column(p->slot, PANE_EVENTS));
		bool kept = DatumGetBool(column(p->slot, PANE_FLAG));

		if (n + chunk->kept.n == PANE_LIST_MAX)
			break;
		if (!kept && n > 0)
		{
			gaps += pane != chunk->to;
			if (events + more > setting_refresh_chunk_rows || gaps > p->max_gaps)
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
			p->panes[n++] = pane;
		}
	}
	chunk->npanes = n;
	chunk->panes = p->panes;
	p->advanced = chunk->advance_to;
	simplify(p, chunk);
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
	TupleDescInitEntry(desc, PANE_LATE, "late", BOOLOID, -1, 0);
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
		DatumGetBool(column(slot, 3)));
}

static void
put(Tuplestorestate *store, TupleDesc desc, TimestampTz pane, int64 events, bool flag, bool late)
{
	Datum values[PANE_COLUMNS] = {TimestampTzGetDatum(pane), Int64GetDatum(events), BoolGetDatum(flag),
								  BoolGetDatum(late)};
	bool nulls[PANE_COLUMNS] = {false};

	tuplestore_putvalues(store, desc, values, nulls);
}

/* Count those of the panes that are covered. */
static void
count_found(Counting *counting, Tuplestorestate *found, const Coverage *covered, int ncovered)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(counting->desc, &TTSOpsMinimalTuple);
	TimestampTz end = DT_NOBEGIN;
	int i = 0;

	while (tuplestore_gettupleslot(found, true, false, slot))
	{
		TimestampTz pane = DatumGetTimestampTz(column(slot, PANE_START));

		while (i < ncovered && covered[i].to <= pane)
			i++;
		if (i == ncovered || covered[i].from > pane)
			continue;
		if (counting->n > 0)
			counting->gaps += pane != end;
		end = window_pane_end(counting->result->window, pane);
		if (counting->n == PANE_LIST_MAX || counting->gaps > counting->result->max_gaps ||
			(counting->n > 0 && counting->covered_epoch != covered[i].cut_epoch))
			count(counting);
		counting->covered_epoch = covered[i].cut_epoch;
		counting->panes[counting->n] = pane;
		counting->late[counting->n] = DatumGetBool(column(slot, PANE_LATE));
		counting->has_rows[counting->n++] = DatumGetBool(column(slot, PANE_FLAG));
	}
	if (counting->n > 0)
		count(counting);
	ExecDropSingleTupleTableSlot(slot);
}

/* Count the events of the panes at hand, and store them. */
static void
count(Counting *counting)
{
	const Computation *c = counting->c;
	ChangedPanes *p = counting->result;
	BatchParameters parameters = {.cut = counting->cut};
	PaneSet set = {PANES_WITHIN};
	Guard guard;

	memset(counting->events, 0, sizeof(counting->events));
	memset(counting->earlier, 0, sizeof(counting->earlier));
	if (c->source.log)
	{
		/* it would be read only to count, and holds all events */
		for (int i = 0; i < counting->n; i++)
			counting->events[i] = counting->earlier[i] = 1;
		put_counted(counting);
		return;
	}
	batch_statement_begin(&guard, c);
	parameters.other = earlier_cut(counting);
	parameters.from = counting->panes[0];
	parameters.to = window_pane_end(p->window, counting->panes[counting->n - 1]);
	if (counting->gaps > 0)
	{
		parameters.panes = pane_list_make(p->window, counting->panes, counting->n, c->source.reads);
		set = (PaneSet){PANES_LISTED, parameters.panes->nreads};
	}
	batch_statement_read(c, sql_event_panes(c->def, &c->source, set), &parameters, put_count, counting);
	batch_statement_end(&guard);
	put_counted(counting);
}

/* Store the panes at hand, which are counted. */
static void
put_counted(Counting *counting)
{
	ChangedPanes *p = counting->result;

	for (int i = 0; i < counting->n; i++)
	{
		bool gone = (counting->has_rows[i] ? counting->earlier[i] : counting->events[i]) == 0 ||
					(counting->has_rows[i] && counting->panes[i] < counting->complete_from);
		/* a marked pane that has no rows has nothing to keep */
		bool kept = gone && !p->force && (counting->has_rows[i] || counting->late[i]);

		put(p->store, counting->desc, counting->panes[i], counting->events[i], kept, counting->late[i]);
		if (kept)
			p->nkept++;
		else
		{
			p->first = p->npanes++ == 0 ? counting->panes[i] : p->first;
			p->end = window_pane_end(p->window, counting->panes[i]);
		}
	}
	counting->n = counting->gaps = 0;
}

/* The cut as of which the panes at hand are covered. Where that is not known, all events count as earlier ones. */
static const Cut *
earlier_cut(const Counting *counting)
{
	int32 topic_epoch = 0;
	ArrayType *cut = catalog_run_cut(counting->c->view.id, counting->covered_epoch, &topic_epoch);

	return cut != NULL ? cut_of_array(cut, topic_epoch) : counting->cut;
}

static void
put_count(TupleTableSlot *slot, void *arg)
{
	Counting *counting = arg;
	/* the null pane is none of the changed ones */
	TimestampTz pane = slot_attisnull(slot, 1) ? DT_NOBEGIN : DatumGetTimestampTz(column(slot, 1));
	int low = 0;
	int high = counting->n;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (counting->panes[middle] < pane)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == counting->n || counting->panes[low] != pane)
		return;
	counting->events[low] = DatumGetInt64(column(slot, 2));
	counting->earlier[low] = DatumGetInt64(column(slot, 3));
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

/* Panes side by side are a range. */
static void
simplify(ChangedPanes *p, Chunk *chunk)
{
	for (int i = 1; i < chunk->npanes; i++)
	{
		if (window_pane_end(p->window, p->panes[i - 1]) != p->panes[i])
			return;
	}
	chunk->panes = NULL;
}

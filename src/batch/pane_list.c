/*
 * pane_list.c
 *		A list of panes, as a statement takes it (see pane_list.h).
 *
 * The condition on the panes themselves is exact, and a hash look-up for each event: pane = ANY (array). It cannot use
 * the block range index over the event time, so a few ranges of time that contain all panes are a condition before it.
 * They leave out the widest gaps between the panes. A range for each pane would be a scan of the index for each.
 */
#include "postgres.h"

#include "batch/pane_list.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

static Datum pane_array(Oid type, const TimestampTz *panes, int n);
static Datum timestamp_array(Datum *elems, int n, Oid type);
static int64 least_gap(const TimestampTz *panes, const TimestampTz *ends, int n, int max_reads);
static int compare_descending(const void *a, const void *b);

PaneList *
pane_list_make(StreamWindow *window, const TimestampTz *panes, int n, int max_reads)
{
	PaneList *list = palloc0(sizeof(PaneList));
	TimestampTz *ends = palloc(n * sizeof(TimestampTz));
	Datum *from = palloc(n * sizeof(Datum));
	Datum *to = palloc(n * sizeof(Datum));
	int64 gap;

	Assert(n > 0);
	if (max_reads == 0)
		max_reads = PANE_LIST_READS;
	for (int i = 0; i < n; i++)
		ends[i] = window_pane_end(window, panes[i]);
	gap = least_gap(panes, ends, n, max_reads);
	from[0] = TimestampTzGetDatum(panes[0]);
	for (int i = 1; i < n; i++)
	{
		/* of gaps of the same width, the first ones */
		if (panes[i] - ends[i - 1] < gap || list->nreads == max_reads - 1)
			continue;
		to[list->nreads++] = TimestampTzGetDatum(ends[i - 1]);
		from[list->nreads] = TimestampTzGetDatum(panes[i]);
	}
	to[list->nreads++] = TimestampTzGetDatum(ends[n - 1]);
	list->n = n;
	list->panes = panes;
	list->array = pane_array(window->type, panes, n);
	list->read_from = timestamp_array(from, list->nreads, TIMESTAMPTZOID);
	list->read_to = timestamp_array(to, list->nreads, TIMESTAMPTZOID);
	return list;
}

int
pane_position(const TimestampTz *panes, int n, TimestampTz pane)
{
	int low = 0;
	int high = n;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (panes[middle] < pane)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && panes[low] == pane ? low : -1;
}

static Datum
pane_array(Oid type, const TimestampTz *panes, int n)
{
	Datum *elems = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		elems[i] = type == DATEOID ? DirectFunctionCall1(timestamp_date, TimestampGetDatum(panes[i]))
								   : TimestampTzGetDatum(panes[i]);
	if (type == DATEOID)
		return PointerGetDatum(construct_array(elems, n, DATEOID, sizeof(DateADT), true, TYPALIGN_INT));
	return timestamp_array(elems, n, type);
}

static Datum
timestamp_array(Datum *elems, int n, Oid type)
{
	return PointerGetDatum(
		construct_array(elems, n, type, sizeof(Timestamp), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* The width of the narrowest of the widest gaps, of as many as can be left out; 1 if all can. */
static int64
least_gap(const TimestampTz *panes, const TimestampTz *ends, int n, int max_reads)
{
	int64 *gaps = palloc(n * sizeof(int64));

	if (n <= max_reads)
		return 1;
	for (int i = 1; i < n; i++)
		gaps[i - 1] = panes[i] - ends[i - 1];
	qsort(gaps, n - 1, sizeof(int64), compare_descending);
	return Max(1, gaps[max_reads - 2]);
}

static int
compare_descending(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return x < y ? 1 : x > y ? -1 : 0;
}

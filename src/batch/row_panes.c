/*
 * row_panes.c
 *		The panes of a few changed rows, computed without a query (see row_panes.h).
 *
 * Analysing a view's query, and planning and running one over the transition tables, takes much longer than correcting a
 * row. Where the window is one of a column by a window function, no code of users is needed, so the session remembers the
 * windows of views. What is remembered is of one query, stored as a relation, whose definition does not change, and of the
 * settings stored with the view: a rebuild, which changes either, leaves another relation in its place.
 */
#include "postgres.h"

#include "batch/row_panes.h"
#include "executor/executor.h"
#include "lib/qunique.h"
#include "query/view_relations.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#define MAX_ROWS 1000

typedef struct KnownWindow
{
	int32 view_id; /* key */
	Oid query;
	ArrayType *settings; /* NULL: none */
	Oid stream;
	AttrNumber time; /* of the stream */
	StreamWindow window;
} KnownWindow;

static HTAB *known; /* NULL: nothing is */

static KnownWindow *find_known(const MarkedView *view);
static bool same_settings(const ArrayType *a, const ArrayType *b);
static AttrNumber time_column(const KnownWindow *k, TupleDesc desc);
static int64 count_rows(const TriggerData *trigger);
static void add_rows(KnownWindow *k, Tuplestorestate *rows, TupleDesc desc, AttrNumber time,
					 RowPanes *result);
static TimestampTz pane_of(KnownWindow *k, Datum value);
static int compare_panes(const void *a, const void *b);

bool
row_panes_find(const MarkedView *view, const TriggerData *trigger, RowPanes *result)
{
	TupleDesc desc = RelationGetDescr(trigger->tg_relation);
	int64 nrows = count_rows(trigger);
	KnownWindow *k = nrows > MAX_ROWS ? NULL : find_known(view);
	AttrNumber time = k != NULL ? time_column(k, desc) : InvalidAttrNumber;

	if (time == InvalidAttrNumber)
		return false;
	*result = (RowPanes){.window = &k->window, .panes = palloc((nrows + 1) * sizeof(TimestampTz))};
	add_rows(k, trigger->tg_oldtable, desc, time, result);
	add_rows(k, trigger->tg_newtable, desc, time, result);
	qsort(result->panes, result->n, sizeof(TimestampTz), compare_panes);
	result->n = (int) qunique(result->panes, result->n, sizeof(TimestampTz), compare_panes);
	return true;
}

void
row_panes_remember(const MarkedView *view, const ViewDef *def)
{
	const Var *time = (const Var *) def->window.argument;
	KnownWindow *k;
	bool found;

	if (!def->has_window || def->window.by_pane || !IsA(time, Var) || time->varno != def->varno)
		return;
	if (known == NULL)
	{
		HASHCTL control = {
			.keysize = sizeof(int32), .entrysize = sizeof(KnownWindow), .hcxt = TopMemoryContext};

		known = hash_create("streambatch windows", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	k = hash_search(known, &view->id, HASH_ENTER, &found);
	if (found && k->settings != NULL)
		pfree(k->settings);
	k->query = InvalidOid; /* while memory may run out */
	k->settings = NULL;
	if (view->settings != NULL)
		k->settings = memcpy(MemoryContextAlloc(TopMemoryContext, VARSIZE(view->settings)), view->settings,
							 VARSIZE(view->settings));
	k->stream = def->stream;
	k->time = time->varattno;
	k->window = def->window;
	k->window.argument = k->window.pane = NULL;
	k->window.parameters = NIL;
	k->query = view_relations_query(view->id);
}

static KnownWindow *
find_known(const MarkedView *view)
{
	KnownWindow *k = known != NULL ? hash_search(known, &view->id, HASH_FIND, NULL) : NULL;

	return k != NULL && OidIsValid(k->query) && k->query == view_relations_query(view->id) &&
				   same_settings(k->settings, view->settings)
			   ? k
			   : NULL;
}

static bool
same_settings(const ArrayType *a, const ArrayType *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

/* The stream's column in a table; InvalidAttrNumber: there is none of its type. */
static AttrNumber
time_column(const KnownWindow *k, TupleDesc desc)
{
	char *name = get_attname(k->stream, k->time, true);

	for (int i = 0; name != NULL && i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->atttypid == k->window.type && strcmp(NameStr(att->attname), name) == 0)
			return att->attnum;
	}
	return InvalidAttrNumber;
}

static int64
count_rows(const TriggerData *trigger)
{
	return (trigger->tg_oldtable != NULL ? tuplestore_tuple_count(trigger->tg_oldtable) : 0) +
		   (trigger->tg_newtable != NULL ? tuplestore_tuple_count(trigger->tg_newtable) : 0);
}

static void
add_rows(KnownWindow *k, Tuplestorestate *rows, TupleDesc desc, AttrNumber time, RowPanes *result)
{
	TupleTableSlot *slot;

	if (rows == NULL)
		return;
	/* other triggers read it, too */
	tuplestore_select_read_pointer(rows, tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND));
	tuplestore_rescan(rows);
	slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		bool isnull;
		Datum value = slot_getattr(slot, time, &isnull);

		if (isnull)
			result->no_time = true;
		else
			result->panes[result->n++] = pane_of(k, value);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* The pane's start, with the errors of the window's function. */
static TimestampTz
pane_of(KnownWindow *k, Datum value)
{
	Oid type = k->window.type;
	TimestampTz start = window_pane_start(&k->window, window_time(type, value));

	return window_time(type, window_datum(type, start));
}

static int
compare_panes(const void *a, const void *b)
{
	TimestampTz x = *(const TimestampTz *) a;
	TimestampTz y = *(const TimestampTz *) b;

	return (x > y) - (x < y);
}

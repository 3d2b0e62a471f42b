/*
 * dirty_marks.c
 *		Dirty marks (see dirty_marks.h), and the trigger function that sets them, streambatch._mark().
 *
 * A statement that changes an archive fires it after the statement (common/archive_triggers.h), with the old and the new
 * rows. It marks, of each hybrid view over the stream, the panes of these rows. In the same transaction: a correction that
 * is rolled back leaves no mark, and a reader who sees the correction sees the mark.
 *
 * The panes of rows are computed as the owner of the view, under the settings stored with it, by a query over the
 * transition tables: the window may be one of an expression that calls functions of that role. Where it is not, and there
 * are few rows, no query is needed (row_panes.h). Where it raises an error, or what it reads is locked, all of the view is
 * marked. No lock is waited for but that of the stream's corrections
 * (common/locks.h): the caller has locked rows of the archive.
 *
 * A table that a view joins, and tracks (serve/track.c), has the same triggers. They mark all of the view.
 *
 * For example, with a view by hour, UPDATE events_archive SET amount = 0 WHERE … of events at 10:15, 11:45 and 17:30
 * leaves the marks [10:00, 12:00) and [17:00, 18:00). A refresh computes these three panes, unless all of their events
 * have gone.
 */
#include "postgres.h"

#include "access/xact.h"
#include "batch/batch_statement.h"
#include "batch/dirty_marks.h"
#include "batch/row_panes.h"
#include "catalog/pg_authid.h"
#include "commands/trigger.h"
#include "common/archive_triggers.h"
#include "common/catalog_dirty.h"
#include "common/export.h"
#include "common/locks.h"
#include "common/subtransaction.h"
#include "miscadmin.h"
#include "query/view_relations.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* Of a statement with more ranges of panes, neighbours are joined. */
#define MAX_MARKS 10000
/* More panes are not listed one by one. */
#define MAX_LISTED 1000000

typedef struct Marking
{
	const MarkedView *view;
	TriggerData *trigger; /* NULL: of the rows of a partition */
	Oid partition;
	StreamWindow *window;
	MemoryContext context;
	bool all;
	bool no_time; /* there are rows without a time */
	int n;
	Coverage *ranges;
} Marking;

static bool has_rows(const TriggerData *trigger);
static void mark_views(TriggerData *trigger, Oid relation);
static void mark_tracking_views(Oid relation);
static void mark_view(Marking *m);
static bool is_of_system(int sqlerrcode);
static void find_panes(void *arg);
static bool lock_quietly(int32 view_id);
static char *changed_rows(const Marking *m);
static void add_row(TupleTableSlot *slot, void *marking);
static void add_pane(Marking *m, TimestampTz pane);
static void join_neighbours(Marking *m);
static int64 count_panes(StreamWindow *window, const Coverage *marks, int n);

STREAMBATCH_FUNCTION(streambatch_mark);
STREAMBATCH_FUNCTION(streambatch_dirty_panes);
STREAMBATCH_FUNCTION(streambatch_track_archives);

Datum
streambatch_mark(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function can only be called by a statement trigger, after the statement")));
	if (!archive_triggers_is_own(trigger) && has_rows(trigger))
	{
		mark_views(trigger, RelationGetRelid(trigger->tg_relation));
		mark_tracking_views(RelationGetRelid(trigger->tg_relation));
	}
	return PointerGetDatum(NULL);
}

/* How many panes of a hybrid view are marked; NULL: that is not known. */
Datum
streambatch_dirty_panes(PG_FUNCTION_ARGS)
{
	ViewRow row;
	Coverage *marks;
	ViewDef *def;
	int64 result;
	int n;

	/* dropped, or swapped in, since the caller's snapshot */
	if (!catalog_view(PG_GETARG_OID(0), &row))
		PG_RETURN_NULL();
	if (pg_class_aclcheck(row.view, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		!has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_VIEW, get_rel_name(row.view));
	marks = catalog_marks(row.id, &n);
	if (n == 0)
		PG_RETURN_INT64(0);
	if (!lock_quietly(row.id))
		PG_RETURN_NULL();
	def = analyse_stored(row.id, guard_owner_of(row.view));
	result = def->has_window ? count_panes(&def->window, marks, n) : 1;
	if (result < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(result);
}

/* Of the scripts of the extension: create the triggers of all archives. */
Datum
streambatch_track_archives(PG_FUNCTION_ARGS)
{
	ListCell *lc;

	foreach (lc, catalog_archives())
		archive_triggers_add(lfirst_oid(lc));
	PG_RETURN_VOID();
}

DirtyPanes
dirty_marks_panes(const Computation *c, TimestampTz before)
{
	DirtyPanes result = {0};
	StreamWindow *window = &c->def->window;
	int allocated = 0;
	int n;
	Coverage *marks = catalog_marks(c->view.id, &n);

	for (int i = 0; i < n && marks[i].from < before; i++)
	{
		TimestampTz to = Min(marks[i].to, before);

		if (TIMESTAMP_IS_NOBEGIN(marks[i].from) || TIMESTAMP_IS_NOEND(to))
			return (DirtyPanes){.all = true};
		for (TimestampTz pane = marks[i].from; pane < to; pane = window_pane_end(window, pane))
		{
			if (result.n == MAX_LISTED)
				return (DirtyPanes){.all = true};
			if (result.n == allocated)
			{
				allocated = Max(64, 2 * allocated);
				result.panes = result.n == 0
								   ? palloc(allocated * sizeof(TimestampTz))
								   : repalloc_huge(result.panes, (Size) allocated * sizeof(TimestampTz));
			}
			result.panes[result.n++] = pane;
		}
	}
	return result;
}

void
dirty_marks_narrow(const Computation *c, const Cut *cut, int64 closed_epoch)
{
	const Coverage all = {DT_NOBEGIN, DT_NOEND, 0};
	BatchParameters parameters = {.cut = cut, .from = DT_NOBEGIN, .to = DT_NOEND, .epoch = closed_epoch};
	Marking found = {.window = &c->def->window, .context = CurrentMemoryContext};
	TimeRanges marks;
	Guard guard;

	marks.items = catalog_marks(c->view.id, &marks.n);
	if (marks.n == 0 ||
		(!TIMESTAMP_IS_NOBEGIN(marks.items[0].from) && !TIMESTAMP_IS_NOEND(marks.items[marks.n - 1].to)))
		return;
	/* first, as a chunk does: a change that comes after it has a mark of its own */
	marks.items = catalog_clear_marks(c->view.id, &all, 1, false, &marks.n);
	found.ranges = palloc(MAX_MARKS * sizeof(Coverage));
	batch_statement_begin(&guard, c);
	batch_statement_read(c, sql_changed_panes(c->def, c->view.id, &c->source), &parameters, add_row, &found);
	batch_statement_end(&guard);
	dirty_marks_put_back(c, marks, (TimeRanges){found.n, found.ranges});
}

TimeRanges
dirty_marks_clear(const Computation *c, const Chunk *chunk)
{
	TimeRanges result;
	Coverage *ranges = palloc(Max(1, chunk->npanes) * sizeof(Coverage));
	int n = 0;

	if (chunk->panes == NULL)
		ranges[n++] = (Coverage){chunk->from, chunk->to, 0};
	for (int i = 0; chunk->panes != NULL && i < chunk->npanes; i++)
	{
		TimestampTz end = window_pane_end(&c->def->window, chunk->panes[i]);

		if (n > 0 && ranges[n - 1].to == chunk->panes[i])
			ranges[n - 1].to = end;
		else
			ranges[n++] = (Coverage){chunk->panes[i], end, 0};
	}
	result.items = catalog_clear_marks(c->view.id, ranges, n,
									   chunk->panes == NULL && TIMESTAMP_IS_NOEND(chunk->to), &result.n);
	return result;
}

void
dirty_marks_put_back(const Computation *c, TimeRanges cleared, TimeRanges kept)
{
	Coverage *marks = palloc((cleared.n + kept.n + 1) * sizeof(Coverage));
	int n = 0;
	int i = 0;
	int k = 0;

	while (i < kept.n && k < cleared.n)
	{
		Coverage both = {Max(kept.items[i].from, cleared.items[k].from),
						 Min(kept.items[i].to, cleared.items[k].to), 0};

		if (both.from < both.to)
			marks[n++] = both;
		if (kept.items[i].to < cleared.items[k].to)
			i++;
		else
			k++;
	}
	catalog_mark(c->view.id, marks, n);
}

void
dirty_marks_of_partition(Oid partition)
{
	mark_views(NULL, partition);
	mark_tracking_views(partition);
}

void
dirty_marks_all(int32 view_id)
{
	const Coverage all = {DT_NOBEGIN, DT_NOEND, 0};

	catalog_mark(view_id, &all, 1);
}

/* Whether the statement has changed anything. What TRUNCATE removes is not known. */
static bool
has_rows(const TriggerData *trigger)
{
	return TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) ||
		   (trigger->tg_oldtable != NULL && tuplestore_tuple_count(trigger->tg_oldtable) > 0) ||
		   (trigger->tg_newtable != NULL && tuplestore_tuple_count(trigger->tg_newtable) > 0);
}

/* Mark the panes of all views over the stream whose archive, or a part of it, a relation is. */
static void
mark_views(TriggerData *trigger, Oid relation)
{
	Oid stream = catalog_stream_changed_by(relation);
	ListCell *lc;

	if (!OidIsValid(stream))
		return;
	locks_take_corrections(stream, false);
	/* a rebuild that we have waited for may have replaced a view's query */
	AcceptInvalidationMessages();
	foreach (lc, catalog_marked_views(stream))
	{
		Marking marking = {lfirst(lc), trigger, relation};

		marking.context =
			AllocSetContextCreate(CurrentMemoryContext, "streambatch marks", ALLOCSET_DEFAULT_SIZES);
		mark_view(&marking);
		MemoryContextDelete(marking.context);
	}
}

/* Mark everything of the views that join a table, and track it. */
static void
mark_tracking_views(Oid relation)
{
	ListCell *lc;
	List *streams = catalog_streams_tracking(relation);

	foreach (lc, streams)
		locks_take_corrections(lfirst_oid(lc), false);
	if (streams == NIL)
		return;
	foreach (lc, catalog_views_tracking(relation))
		dirty_marks_all(((const MarkedView *) lfirst(lc))->id);
}

static void
mark_view(Marking *m)
{
	ErrorData *error = NULL;

	if (m->trigger != NULL && TRIGGER_FIRED_BY_TRUNCATE(m->trigger->tg_event))
		m->all = true;
	else
		error = subtransaction_run(find_panes, m, m->context);
	if (error != NULL && is_of_system(error->sqlerrcode))
		ReThrowError(error);
	if (error != NULL || m->all)
		dirty_marks_all(m->view->id);
	else
	{
		const Coverage no_time = {DT_NOEND, DT_NOEND, 0};

		catalog_mark(m->view->id, m->ranges, m->n);
		catalog_mark(m->view->id, &no_time, m->no_time ? 1 : 0);
	}
}

/* Whether an error ends the statement, instead of making the mark coarser. */
static bool
is_of_system(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			return false;
	}
}

/* In a subtransaction: the panes of the changed rows, as ranges. */
static void
find_panes(void *arg)
{
	Marking *m = arg;
	const BatchParameters none = {0};
	Computation c = {.view.view = m->view->view, .view.id = m->view->id, .view.settings = m->view->settings};
	RowPanes found;
	Guard guard;

	if (m->trigger != NULL && row_panes_find(m->view, m->trigger, &found))
	{
		m->window = found.window;
		m->no_time = found.no_time;
		m->ranges = MemoryContextAlloc(m->context, (found.n + 1) * sizeof(Coverage));
		for (int i = 0; i < found.n; i++)
			add_pane(m, found.panes[i]);
		return;
	}
	c.owner = guard_owner_of(m->view->view);
	m->all = !OidIsValid(c.owner) || !lock_quietly(m->view->id);
	if (m->all)
		return;
	guard_enter(&guard, InvalidOid, m->view->settings);
	c.def = analyse_stored(m->view->id, c.owner);
	guard_leave(&guard);
	row_panes_remember(m->view, c.def);
	/* a partition is read as its owner, whose table it is: not with the view's own expressions */
	m->all = !c.def->has_window || (m->trigger == NULL && !IsA(c.def->window.argument, Var));
	if (m->all)
		return;
	if (m->trigger == NULL)
		c.owner = guard_owner_of(m->partition);
	m->window = &c.def->window;
	m->ranges = MemoryContextAlloc(m->context, MAX_MARKS * sizeof(Coverage));
	batch_statement_begin(&guard, &c);
	if (m->trigger != NULL && SPI_register_trigger_data(m->trigger) < 0)
		elog(ERROR, "could not register the changed rows");
	batch_statement_read(&c, sql_panes_of(c.def, changed_rows(m)), &none, add_row, m);
	batch_statement_end(&guard);
}

/*
 * Lock what the analysis of a view's query locks, without waiting: who drops it may wait for the archive. False: it is
 * locked.
 */
static bool
lock_quietly(int32 view_id)
{
	ListCell *lc;

	if (!OidIsValid(view_relations_query(view_id)))
		return false;
	foreach (lc, view_relations_read(view_id))
	{
		if (!ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock))
			return false;
	}
	return true;
}

/* In place of a table's name. */
static char *
changed_rows(const Marking *m)
{
	if (m->trigger == NULL)
		return quote_qualified_identifier(get_namespace_name(get_rel_namespace(m->partition)),
										  get_rel_name(m->partition));
	if (m->trigger->tg_oldtable == NULL)
		return ARCHIVE_TRIGGERS_NEW;
	if (m->trigger->tg_newtable == NULL)
		return ARCHIVE_TRIGGERS_OLD;
	return "(TABLE " ARCHIVE_TRIGGERS_OLD " UNION ALL TABLE " ARCHIVE_TRIGGERS_NEW ")";
}

static void
add_row(TupleTableSlot *slot, void *marking)
{
	Marking *m = marking;
	bool isnull;
	TimestampTz pane = DatumGetTimestampTz(slot_getattr(slot, 1, &isnull));

	if (isnull)
		m->no_time = true;
	else
		add_pane(m, pane);
}

/* In ascending order. */
static void
add_pane(Marking *m, TimestampTz pane)
{
	if (m->n > 0 && m->ranges[m->n - 1].to == pane)
	{
		m->ranges[m->n - 1].to = window_pane_end(m->window, pane);
		return;
	}
	if (m->n == MAX_MARKS)
		join_neighbours(m);
	m->ranges[m->n++] = (Coverage){pane, window_pane_end(m->window, pane), 0};
}

/* Halve the number of ranges. */
static void
join_neighbours(Marking *m)
{
	for (int i = 0; i < m->n / 2; i++)
		m->ranges[i] = (Coverage){m->ranges[2 * i].from, m->ranges[2 * i + 1].to, 0};
	m->n /= 2;
}

/* -1: there are very many, or the marks have no limit. */
static int64
count_panes(StreamWindow *window, const Coverage *marks, int n)
{
	int64 result = 0;

	for (int i = 0; i < n; i++)
	{
		if (TIMESTAMP_IS_NOBEGIN(marks[i].from) || TIMESTAMP_IS_NOEND(marks[i].to))
			return -1;
		for (TimestampTz pane = marks[i].from; pane < marks[i].to; pane = window_pane_end(window, pane))
		{
			CHECK_FOR_INTERRUPTS();
			if (++result > MAX_LISTED)
				return -1;
		}
	}
	return result;
}

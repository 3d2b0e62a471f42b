/*
 * computation.c
 *		Exact states of a hybrid view computed from its archive (see computation.h).
 */
#include "postgres.h"

#include "batch/batch_source.h"
#include "batch/batch_statement.h"
#include "batch/computation.h"
#include "batch/failing_row.h"
#include "batch/gone_panes.h"
#include "batch/group_store.h"
#include "common/catalog_shadow.h"
#include "common/catalog_dead_letter.h"
#include "common/catalog_restore.h"
#include "common/catalog_stream.h"
#include "common/subtransaction.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "stream/topic_epoch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

/* The arguments of a statement that computes states, and the number of rows that it wrote. */
typedef struct ComputeJob
{
	const Computation *c;
	bool into_stream;
	const char *cut;
	PaneSet panes;
	const BatchParameters *parameters;
	int64 rows;
} ComputeJob;

/* What the groups of a chunk tell of its panes. */
typedef struct SeenPanes
{
	const ViewDef *def;
	const Chunk *chunk;
	PaneEvents *events;
} SeenPanes;

static int64 compute_or_name_row(const Computation *c, bool into_stream, const char *cut, PaneSet panes,
								 const BatchParameters *parameters);
static void compute_job(void *arg);
static int64 compute(const Computation *c, bool into_stream, const char *cut, PaneSet panes,
					 const BatchParameters *parameters);
static int64 replace_changed(const Computation *c, BatchParameters *parameters, PaneSet panes,
							 const Chunk *chunk, TimeRanges *kept, int64 *nkept);
static const Cut *covered_cut(const Computation *c, const Chunk *chunk, const Cut *cut);
static void see_group(TupleTableSlot *slot, void *seen);
static int panes_without(const Chunk *chunk, TimeRanges kept, TimestampTz *rest);
static void clear(const Computation *c, bool stream, PaneSet panes, const BatchParameters *parameters);

Computation *
compute_open(const ViewRow *view)
{
	return compute_open_source(view, BATCH_SOURCE_ARCHIVE);
}

Computation *
compute_open_source(const ViewRow *view, const char *source)
{
	Computation *c = palloc0(sizeof(Computation));
	StreamRow stream_row;
	Stream *stream;
	Guard guard;

	c->view = *view;
	c->owner = guard_owner_of(view->view);
	if (!OidIsValid(c->owner))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the hybrid view was dropped")));
	if (!catalog_stream(view->stream, &stream_row))
		elog(ERROR, "stream %u has no row", view->stream);
	stream = stream_open(view->stream);
	/* the worker checks the same with the next event */
	if (pg_class_aclcheck(view->stream, c->owner, ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(view->stream, c->owner, ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for foreign table %s", stream->name),
				 errhint("The owner of a hybrid view needs SELECT on the stream: GRANT SELECT ON %s TO %s.",
						 quote_qualified_identifier(stream->schema, stream->name),
						 quote_identifier(GetUserNameFromId(c->owner, false)))));
	guard_enter(&guard, InvalidOid, view->settings);
	c->def = analyse_stored(view->id, c->owner);
	guard_leave(&guard);
	batch_source_open(c, stream, &stream_row, source);
	compute_leave_out(c);
	return c;
}

void
compute_check_row_security(Oid archive, Oid owner)
{
	if (!OidIsValid(archive) || check_enable_rls(archive, owner, true) != RLS_ENABLED)
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 errmsg("row-level security of archive \"%s\" applies to role \"%s\"", get_rel_name(archive),
				GetUserNameFromId(owner, false)),
		 errdetail("A refresh for this role would leave out events that the stream layer has counted."),
		 errhint(
			 "Use ALTER TABLE %s DISABLE ROW LEVEL SECURITY, or give the hybrid view an owner with BYPASSRLS.",
			 quote_qualified_identifier(get_namespace_name(get_rel_namespace(archive)),
										get_rel_name(archive)))));
}

void
compute_leave_out(Computation *c)
{
	c->source.leave_out =
		!c->source.log && c->source.partition != NULL &&
		catalog_view_dead_letters(c->view.view, &c->dead_epochs, &c->dead_partitions, &c->dead_offsets) > 0;
}

int64
compute_chunk(const Computation *c, const Cut *cut, int64 closed_epoch, const Chunk *chunk, TimeRanges *kept,
			  int64 *nkept)
{
	BatchParameters parameters = {.cut = cut, .from = chunk->from, .to = chunk->to, .epoch = closed_epoch};
	PaneSet panes = compute_chunk_panes(c, chunk, &parameters.panes);
	TimeRanges rest;
	int64 rows;

	*kept = (TimeRanges){0};
	*nkept = 0;
	if (chunk->changed && chunk->keep_gone)
		return replace_changed(c, &parameters, panes, chunk, kept, nkept);
	clear(c, false, panes, &parameters);
	rows = compute(c, false, sql_below_cut(&c->source), panes, &parameters);
	if (chunk->keep_gone)
		*kept = gone_panes(c, cut, closed_epoch, chunk, nkept);
	rest = time_ranges_uncovered(chunk->from, chunk->to, kept->items, kept->n);
	for (int i = 0; i < rest.n; i++)
	{
		parameters.from = rest.items[i].from;
		parameters.to = rest.items[i].to;
		clear(c, true, panes, &parameters);
	}
	return rows;
}

PaneSet
compute_chunk_panes(const Computation *c, const Chunk *chunk, const PaneList **list)
{
	PaneSet panes = {PANES_WITHIN};

	if (chunk->panes == NULL || chunk->contiguous)
		return panes;
	*list = pane_list_make(&c->def->window, chunk->panes, chunk->npanes, c->source.reads);
	panes.range = PANES_LISTED;
	panes.nreads = (*list)->nreads;
	return panes;
}

bool
compute_is_data_error(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
			return true;
		default:
			return sqlerrcode == ERRCODE_RAISE_EXCEPTION || sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	}
}

int64
compute_history(const Computation *c, const Cut *cut, TimestampTz closed, int64 epoch)
{
	const BatchParameters parameters = {.cut = cut, .from = DT_NOBEGIN, .to = closed, .epoch = epoch};
	char *below = sql_below_cut(&c->source);
	int64 rows;

	rows = compute_or_name_row(c, false, below, (PaneSet){PANES_WITHIN}, &parameters);
	if (c->def->has_window)
		rows += compute_or_name_row(c, true, below, (PaneSet){PANES_OUTSIDE}, &parameters);
	return rows;
}

int64
compute_between(const Computation *c, const Cut *from, const Cut *to, int64 epoch)
{
	const BatchParameters parameters = {
		.cut = from, .from = DT_NOBEGIN, .to = DT_NOEND, .epoch = epoch, .other = to};

	return compute_or_name_row(c, true, sql_between_cuts(&c->source), (PaneSet){PANES_ALL}, &parameters);
}

/* Compute; the DETAIL of a data exception names the row that raises it. */
static int64
compute_or_name_row(const Computation *c, bool into_stream, const char *cut, PaneSet panes,
					const BatchParameters *parameters)
{
	ComputeJob job = {c, into_stream, cut, panes, parameters, 0};
	ErrorData *error = subtransaction_run(compute_job, &job, CurrentMemoryContext);

	if (error == NULL)
		return job.rows;
	/* instead of the generated statement */
	error->context = psprintf("computing hybrid view \"%s\" from %s", catalog_view_name(c->view.view),
							  batch_source_name(c));
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION)
		failing_row_find(c, cut, panes, parameters, error);
	ReThrowError(error);
}

static void
compute_job(void *arg)
{
	ComputeJob *job = arg;

	job->rows = compute(job->c, job->into_stream, job->cut, job->panes, job->parameters);
}

/* Compute states and write them. Returns the number of rows. */
static int64
compute(const Computation *c, bool into_stream, const char *cut, PaneSet panes,
		const BatchParameters *parameters)
{
	Guard guard;
	GroupStore *groups;
	char *sql;
	int64 rows;

	/* each time, for it may be enabled between two chunks */
	compute_check_row_security(c->archive, c->owner);
	batch_statement_begin(&guard, c);
	sql = sql_compute(c->def, &c->source, into_stream, cut, panes);
	groups = group_store_compute(c, sql, parameters, NULL, NULL);
	sql = sql_insert_groups(c->def, c->view.id, into_stream, GROUP_STORE, false);
	rows = (int64) group_store_insert(groups, c, sql, parameters);
	batch_statement_end(&guard);
	return rows;
}

/*
 * Replace the rows of changed panes, but for those whose events have left the archive, which is known when the groups are
 * computed. Returns the number of batch rows.
 */
static int64
replace_changed(const Computation *c, BatchParameters *parameters, PaneSet panes, const Chunk *chunk,
				TimeRanges *kept, int64 *nkept)
{
	MemoryContext old = CurrentMemoryContext;
	SeenPanes seen = {c->def, chunk, palloc0(chunk->npanes * sizeof(PaneEvents))};
	TimestampTz *rest = palloc(chunk->npanes * sizeof(TimestampTz));
	int nrest;
	GroupStore *groups;
	Guard guard;
	int64 rows = 0;

	compute_check_row_security(c->archive, c->owner);
	batch_statement_begin(&guard, c);
	parameters->other = covered_cut(c, chunk, parameters->cut);
	groups =
		group_store_compute(c, sql_compute_changed(c->def, &c->source, panes), parameters, see_group, &seen);
	MemoryContextSwitchTo(old);
	*kept = gone_changed_panes(c, parameters, chunk, seen.events, nkept);
	nrest = panes_without(chunk, *kept, rest);
	if (nrest < chunk->npanes)
	{
		panes.range = PANES_LISTED;
		parameters->panes = nrest > 0 ? pane_list_make(&c->def->window, rest, nrest, c->source.reads) : NULL;
	}
	if (nrest > 0)
	{
		const char *insert = sql_insert_groups(c->def, c->view.id, false, GROUP_STORE, nrest < chunk->npanes);

		clear(c, false, panes, parameters);
		rows = (int64) group_store_insert(groups, c, insert, parameters);
		clear(c, true, panes, parameters);
	}
	batch_statement_end(&guard);
	return rows;
}

/* The cut as of which a chunk is covered. Where that is not known, all events count as earlier ones. */
static const Cut *
covered_cut(const Computation *c, const Chunk *chunk, const Cut *cut)
{
	int32 topic_epoch = 0;
	ArrayType *array = catalog_run_cut(c->view.id, chunk->covered_epoch, &topic_epoch);

	return array != NULL ? cut_of_array(array, topic_epoch) : cut;
}

/* A row of sql_compute_changed(). */
static void
see_group(TupleTableSlot *slot, void *arg)
{
	SeenPanes *seen = arg;
	bool isnull;
	Datum pane = slot_getattr(slot, seen->def->pane + 1, &isnull);
	int i = isnull ? -1
				   : pane_position(seen->chunk->panes, seen->chunk->npanes,
								   window_instant(seen->def->window.type, pane));

	if (i < 0)
		return;
	seen->events[i].any = true;
	seen->events[i].earlier |= DatumGetBool(slot_getattr(slot, slot->tts_tupleDescriptor->natts, &isnull));
}

/* The panes of a chunk that are not kept. */
static int
panes_without(const Chunk *chunk, TimeRanges kept, TimestampTz *rest)
{
	int n = 0;
	int k = 0;

	for (int i = 0; i < chunk->npanes; i++)
	{
		while (k < kept.n && kept.items[k].to <= chunk->panes[i])
			k++;
		if (k == kept.n || chunk->panes[i] < kept.items[k].from)
			rest[n++] = chunk->panes[i];
	}
	return n;
}

static void
clear(const Computation *c, bool stream, PaneSet panes, const BatchParameters *parameters)
{
	Guard guard;

	batch_statement_begin(&guard, c);
	(void) batch_statement_execute(c, sql_clear(c->def, c->view.id, stream, panes.range), parameters, false);
	batch_statement_end(&guard);
}

/*
 * compute.c
 *		Exact states computed from the archive (see compute.h).
 *
 * The statements come from define/refresh_sql.c and take the same parameters: $1 the cut, $2 and $3 the range, $4 and
 * $5 the positions of the view's dead letters, $6 an epoch, $7 a later cut. They run as the view's owner
 * under the settings noted with the view. When one raises, the same rows are read one by one, each announced
 * before its expressions are evaluated, so that the error can name the row.
 */
#include "postgres.h"

#include "batch/compute.h"
#include "catalog/pg_type.h"
#include "common/attempt.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "source/stream.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define NPARAMS 7

static const Oid parameter_types[NPARAMS] = {INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4ARRAYOID,
											 INT8ARRAYOID, INT8OID,		   INT8ARRAYOID};

static int32 at_partition;
static int64 at_offset;
static bool at_known; /* it has a position */
static bool at_row;	  /* one is at hand */

PG_FUNCTION_INFO_V1(streambatch_at);

/* streambatch._at(partition, offset): notes the row that is evaluated next */
Datum
streambatch_at(PG_FUNCTION_ARGS)
{
	at_row = true;
	at_known = !PG_ARGISNULL(0) && !PG_ARGISNULL(1);
	if (at_known)
	{
		at_partition = PG_GETARG_INT32(0);
		at_offset = PG_GETARG_INT64(1);
	}
	PG_RETURN_BOOL(true);
}

Cut *
compute_cut(Oid stream)
{
	Cut *cut = palloc(sizeof(Cut));
	int n;
	ProgressRow *rows = catalog_progress(stream, &n);

	/* rows come in the order of partitions */
	cut->n = n > 0 ? rows[n - 1].partition + 1 : 0;
	cut->offsets = palloc((cut->n + 1) * sizeof(int64));
	for (int i = 0; i < cut->n; i++)
		cut->offsets[i] = -1;
	for (int i = 0; i < n; i++)
		cut->offsets[rows[i].partition] = rows[i].next_offset;
	return cut;
}

ArrayType *
compute_cut_array(const Cut *cut)
{
	Datum *elems = palloc((cut->n + 1) * sizeof(Datum));
	bool *nulls = palloc((cut->n + 1) * sizeof(bool));
	int dims[1] = {cut->n};
	int lbs[1] = {1};

	for (int i = 0; i < cut->n; i++)
	{
		elems[i] = Int64GetDatum(cut->offsets[i]);
		nulls[i] = cut->offsets[i] < 0;
	}
	return construct_md_array(elems, nulls, 1, dims, lbs, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* Statement parameters, filled as far as a statement needs them. */
static void
fill(const Computation *c, Datum *values, const Cut *cut, TimestampTz from, TimestampTz to, int64 epoch,
	 const Cut *later)
{
	values[0] = PointerGetDatum(compute_cut_array(cut));
	values[1] = TimestampTzGetDatum(from);
	values[2] = TimestampTzGetDatum(to);
	values[3] = c->dead_partitions;
	values[4] = c->dead_offsets;
	values[5] = Int64GetDatum(epoch);
	values[6] = later ? PointerGetDatum(compute_cut_array(later)) : values[0];
}

static uint64
execute(const char *sql, Datum *values, bool read_only, long limit)
{
	int rc = SPI_execute_with_args(sql, NPARAMS, (Oid *) parameter_types, values, NULL, read_only, limit);

	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(rc));
	return SPI_processed;
}

Computation *
compute_open(const ViewRow *view)
{
	Computation *c = palloc0(sizeof(Computation));
	StreamRow stream_row;
	Stream *stream;
	const char *partition;
	const char *offset;
	Guard guard;

	c->view = *view;
	c->owner = guard_owner_of(view->view);
	if (!OidIsValid(c->owner))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the hybrid view was dropped")));
	if (!catalog_stream(view->stream, &stream_row))
		elog(ERROR, "stream %u has no row", view->stream);
	stream = stream_open(view->stream);
	/* as the worker would find it on the next event */
	if (pg_class_aclcheck(view->stream, c->owner, ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(view->stream, c->owner, ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for foreign table %s", stream->name),
						errhint("The hybrid view's owner reads the stream: GRANT SELECT ON %s TO %s.",
								quote_qualified_identifier(stream->schema, stream->name),
								quote_identifier(GetUserNameFromId(c->owner, false)))));
	if (!OidIsValid(stream_row.archive))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("stream \"%s\" has no archive to compute from", stream->name),
			 errhint(
				 "Create the stream without archive 'none'; the archive then keeps every event for refreshes.")));
	if (get_rel_name(stream_row.archive) == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the archive of stream \"%s\" is gone", stream->name),
						errhint("Drop the stream and its hybrid views, and create them again.")));
	stream_check_archive(stream, stream_row.archive);
	guard_enter(&guard, InvalidOid, view->settings);
	c->def = analyse_stored(view->id, c->owner);
	guard_leave(&guard);
	stream_position_columns(stream, &partition, &offset);
	c->archive = stream_row.archive;
	c->source.relation = quote_qualified_identifier(get_namespace_name(get_rel_namespace(stream_row.archive)),
													get_rel_name(stream_row.archive));
	c->source.partition = quote_identifier(partition);
	c->source.offset = quote_identifier(offset);
	compute_leave_out(c);
	return c;
}

void
compute_leave_out(Computation *c)
{
	c->source.leave_out = catalog_view_dead_letters(c->view.view, &c->dead_partitions, &c->dead_offsets) > 0;
}

/* A computing statement: what it is of, and how many rows it wrote. */
typedef struct ComputeJob
{
	const Computation *c;
	bool into_stream;
	const char *cut;
	PaneRange panes;
	Datum *values;
	int64 rows;
} ComputeJob;

/* Read the rows of a failed statement one by one, until one raises. */
static void
read_rows(void *arg)
{
	const ComputeJob *job = arg;
	const Computation *c = job->c;
	Guard guard;
	Portal portal;
	SPIPlanPtr plan;

	guard_enter(&guard, c->owner, c->view.settings);
	SPI_connect();
	plan = SPI_prepare(sql_compute_rows(c->def, &c->source, job->cut, job->panes), NPARAMS,
					   (Oid *) parameter_types);
	portal = SPI_cursor_open(NULL, plan, job->values, NULL, true);
	do
	{
		SPI_cursor_fetch(portal, true, 1000);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_finish();
	guard_leave(&guard);
}

static void
write_states(void *arg)
{
	ComputeJob *job = arg;
	const Computation *c = job->c;
	Guard guard;

	guard_enter(&guard, c->owner, c->view.settings);
	SPI_connect();
	job->rows =
		(int64) execute(sql_compute(c->def, c->view.id, &c->source, job->into_stream, job->cut, job->panes),
						job->values, false, 0);
	SPI_finish();
	guard_leave(&guard);
}

/* Run a computing statement; an error of its rows names the row. */
static int64
compute(const Computation *c, bool into_stream, const char *cut, PaneRange panes, Datum *values)
{
	ComputeJob job = {c, into_stream, cut, panes, values, 0};
	ErrorData *error = attempt(write_states, &job, CurrentMemoryContext);

	if (error == NULL)
		return job.rows;
	/* in the user's terms, and not in those of the statement that was generated */
	error->context = psprintf("computing hybrid view \"%s\" from its archive", get_rel_name(c->view.view));
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION)
	{
		at_row = false;
		/* where no row raises by itself, it is the aggregate that does */
		if (attempt(read_rows, &job, CurrentMemoryContext) != NULL && at_row)
		{
			error->detail =
				at_known ? psprintf("The event at partition %d, offset %lld of the archive %s raises it.",
									at_partition, (long long) at_offset, c->source.relation)
						 : psprintf("An event without a position in the archive %s raises it.",
									c->source.relation);
			error->hint = "Guard the expression in the view's query, or delete the event from the archive.";
		}
	}
	ReThrowError(error);
}

static void
clear(const Computation *c, bool stream, Datum *values)
{
	Guard guard;

	guard_enter(&guard, c->owner, c->view.settings);
	SPI_connect();
	(void) execute(sql_clear(c->def, c->view.id, stream), values, false, 0);
	SPI_finish();
	guard_leave(&guard);
}

int64
compute_chunk(const Computation *c, const Cut *cut, int64 closed_epoch, TimestampTz from, TimestampTz to)
{
	Datum values[NPARAMS];
	int64 rows;

	fill(c, values, cut, from, to, closed_epoch, NULL);
	clear(c, false, values);
	rows = compute(c, false, sql_below_cut(&c->source), PANES_WITHIN, values);
	clear(c, true, values);
	return rows;
}

int64
compute_history(const Computation *c, const Cut *cut, TimestampTz closed, int64 epoch)
{
	Datum values[NPARAMS];
	char *below = sql_below_cut(&c->source);
	int64 rows;

	fill(c, values, cut, DT_NOBEGIN, closed, epoch, NULL);
	rows = compute(c, false, below, PANES_WITHIN, values);
	if (c->def->has_window)
		rows += compute(c, true, below, PANES_OUTSIDE, values);
	return rows;
}

int64
compute_between(const Computation *c, const Cut *from, const Cut *to, int64 epoch)
{
	Datum values[NPARAMS];

	fill(c, values, from, DT_NOBEGIN, DT_NOEND, epoch, to);
	return compute(c, true, sql_between_cuts(&c->source), PANES_ALL, values);
}

/*
 * Tell the archive's block range indexes of their latest rows, where nobody is in the way: whoever waits for a
 * snapshot of ours (CREATE INDEX CONCURRENTLY) or goes on to the view (in a transaction) must not be waited for.
 */
void
compute_summarise(const Computation *c)
{
	static const char *const sql =
		"SELECT pg_catalog.brin_summarize_new_values(i.indexrelid) FROM pg_catalog.pg_index i "
		"JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am a ON a.oid = x.relam AND a.amname = 'brin' "
		"WHERE i.indrelid = $1 AND i.indisvalid AND x.relkind = 'i'";
	Oid types[1] = {OIDOID};
	Datum values[1] = {ObjectIdGetDatum(c->archive)};
	Guard guard;

	if (!ConditionalLockRelationOid(c->archive, ShareUpdateExclusiveLock))
		return;
	guard_enter(&guard, guard_owner_of(c->archive), NULL);
	SPI_connect();
	if (SPI_execute_with_args(sql, 1, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not summarize the archive's indexes");
	SPI_finish();
	guard_leave(&guard);
}

bool
compute_extent(const Computation *c, const Cut *cut, TimestampTz from, TimestampTz to, TimestampTz *first,
			   TimestampTz *last, int64 *count)
{
	Datum values[NPARAMS];
	Guard guard;
	bool isnull;

	fill(c, values, cut, from, to, 0, NULL);
	guard_enter(&guard, c->owner, c->view.settings);
	SPI_connect();
	(void) execute(sql_extent(c->def, &c->source), values, true, 0);
	*first = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	*last = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	*count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &isnull));
	SPI_finish();
	guard_leave(&guard);
	return *count > 0;
}

TimestampTz *
compute_changed_panes(const Computation *c, int64 closed_epoch, TimestampTz before, int *n)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum values[NPARAMS];
	Guard guard;
	Cut none = {0, NULL};
	TimestampTz *panes;
	bool isnull;

	fill(c, values, &none, DT_NOBEGIN, before, closed_epoch, NULL);
	guard_enter(&guard, c->owner, c->view.settings);
	SPI_connect();
	*n = (int) execute(sql_changed_panes(c->def, c->view.id), values, true, 0);
	panes = MemoryContextAllocHuge(caller, (*n + 1) * sizeof(TimestampTz));
	for (int i = 0; i < *n; i++)
		panes[i] =
			DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	guard_leave(&guard);
	return panes;
}

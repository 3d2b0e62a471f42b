/*
 * outside_publish.c
 *		streambatch.publish_batch() and abandon_batch(): the end of a batch that begin_batch() has opened.
 *
 * A publication is one chunk of a refresh (chunk_run.c) whose rows come from the staging table instead of the archive: in
 * the caller's transaction, the batch rows of the panes are replaced, their stream rows up to the epoch that the cut closed
 * are deleted, and the coverage is recorded. It holds the lock of a refresh, so that none runs meanwhile.
 *
 * The cut may be days old. Rule 7 of the protocol (worker/flush.c) is what a publication can violate: if a pane of the range
 * has been computed as of a later cut, the stream rows of the events between the two are deleted, and the staging table
 * does not have them. Then nothing is published. The coverage tells; two open batches of a view can be published in the
 * order of their cuts, or if their ranges are disjoint, in any order.
 *
 * Dirty marks remain, those that were set before the batch was begun, too: the engine may read the topic, which has no
 * corrections. The next refresh computes these panes again.
 *
 * After a crash before the caller's commit, all is as before, and the batch is still open.
 */
#include "postgres.h"

#include "access/xact.h"
#include "batch/outside.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/catalog_batch.h"
#include "common/catalog_ddl.h"
#include "common/catalog_stream.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/locks.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "query/refresh_sql.h"
#include "query/staging_sql.h"
#include "query/view_relations.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

typedef struct OutsideBatch
{
	OutsideRun run;
	ViewRow row;
	ViewDef *def;
	Oid owner;
	Oid staging;
} OutsideBatch;

static void require_run(int64 id, OutsideRun *run);
static void lock_all(OutsideBatch *p);
static Oid find_staging(const OutsideRun *run);
static void open_definition(OutsideBatch *p);
static void check_columns(const OutsideBatch *p);
static void check_newer_cuts(const OutsideBatch *p);
static void check_rows(const OutsideBatch *p);
static void check_none(const OutsideBatch *p, const char *sql, int sqlerrcode, const char *message);
static void check_written(const OutsideBatch *p);
static int64 replace_panes(const OutsideBatch *p);
static uint64 execute(const OutsideBatch *p, const char *sql);
static void end_batch(const OutsideRun *run, Oid staging, const ErrorData *error);

STREAMBATCH_FUNCTION(streambatch_publish_batch);
STREAMBATCH_FUNCTION(streambatch_abandon_batch);

Datum
streambatch_publish_batch(PG_FUNCTION_ARGS)
{
	OutsideBatch p = {0};
	Guard guard;
	int64 rows;

	outside_check_isolation("publish_batch");
	require_run(PG_GETARG_INT64(0), &p.run);
	if (!locks_take_refresh(p.run.view_id))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("cannot publish a batch of hybrid view \"%s\" while a refresh of it is running",
					get_rel_name(p.run.view)),
			 errhint(
				 "Try again when the refresh has ended; if it has computed windows of the batch, the batch cannot be published any more.")));
	lock_all(&p);
	check_newer_cuts(&p);
	open_definition(&p);
	guard_enter(&guard, p.owner, p.row.settings);
	SPI_connect();
	check_columns(&p);
	check_rows(&p);
	rows = replace_panes(&p);
	SPI_finish();
	guard_leave(&guard);
	catalog_cover(p.run.view_id, &(Coverage){p.run.from, p.run.to, p.run.cut_epoch}, p.run.cut_at);
	catalog_plan_run(p.run.id, p.run.from, p.run.to, 1, -1);
	catalog_run_progress(p.run.id, &(RunProgress){.chunks = 1, .rows = rows});
	end_batch(&p.run, p.staging, NULL);
	PG_RETURN_INT64(rows);
}

Datum
streambatch_abandon_batch(PG_FUNCTION_ARGS)
{
	ErrorData error = {.sqlerrcode = ERRCODE_QUERY_CANCELED, .message = "abandoned"};
	OutsideRun run;

	require_run(PG_GETARG_INT64(0), &run);
	(void) catalog_outside_run(run.id, true, &run);
	if (run.open)
		end_batch(&run, find_staging(&run), &error);
	PG_RETURN_VOID();
}

void
outside_check_isolation(const char *function)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("%s cannot run in a transaction with isolation level %s", function,
							   XactIsoLevel == XACT_SERIALIZABLE ? "serializable" : "repeatable read"),
						errhint("Use READ COMMITTED.")));
}

/* The open batch, which must be of one of the user's own views. */
static void
require_run(int64 id, OutsideRun *run)
{
	if (!catalog_outside_run(id, false, run) || get_rel_name(run->view) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no batch %lld", (long long) id),
				 errhint("streambatch.refresh_history lists the batches, with the kind \"outside\".")));
	if (!compat_class_ownercheck(run->view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(run->view));
	if (!run->open)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("batch %lld of hybrid view \"%s\" is not open", (long long) id,
							   get_rel_name(run->view)),
						errdetail("It was published or abandoned, or the view was rebuilt.")));
}

/* The relations that a chunk locks, the staging table against further writes, and the run. */
static void
lock_all(OutsideBatch *p)
{
	OutsideRun *run = &p->run;
	StreamRow stream = {0};
	List *read;

	catalog_require_view(run->view, &p->row);
	p->staging = find_staging(run);
	read =
		list_concat(list_make3_oid(p->row.stream, run->view, p->staging), view_relations_read(run->view_id));
	locks_take(read, catalog_written_tables());
	p->owner = guard_owner_of(run->view);
	if (!OidIsValid(p->owner) || !catalog_outside_run(run->id, true, run) || !run->open)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("batch %lld was published, abandoned or dropped by another session",
							   (long long) run->id)));
	if (!OidIsValid(p->staging) || get_rel_name(p->staging) == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the staging table of batch %lld does not exist", (long long) run->id),
						errhint("Use streambatch.abandon_batch(" INT64_FORMAT "), and begin another one.",
								run->id)));
	LockRelationOid(p->staging, ShareRowExclusiveLock);
	if (!catalog_stream(p->row.stream, &stream) || stream.topic_epoch != run->topic_epoch)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot publish batch %lld because stream \"%s\" has started over since",
					(long long) run->id, get_rel_name(p->row.stream)),
			 errdetail("The cut of the batch is of topic epoch %d, the stream is in topic epoch %d.",
					   run->topic_epoch, stream.topic_epoch),
			 errhint("Use streambatch.abandon_batch(" INT64_FORMAT "), and begin another one.", run->id)));
}

static Oid
find_staging(const OutsideRun *run)
{
	return get_relname_relid(staging_name(run->view_id, run->id),
							 get_namespace_oid("streambatch_state", false));
}

static void
open_definition(OutsideBatch *p)
{
	Guard guard;

	guard_enter(&guard, InvalidOid, p->row.settings);
	p->def = analyse_stored(p->row.id, p->owner);
	guard_leave(&guard);
}

/* Raise if the batch table has other columns than when the batch was begun. */
static void
check_columns(const OutsideBatch *p)
{
	int n;
	PortableColumn *columns = portable_columns(p->def, &n);
	bool fits = get_attname(p->staging, n + 1, true) == NULL;

	for (int i = 0; i < n && fits; i++)
	{
		/* the name of a key is that of the view's column, which may have been renamed */
		fits = get_atttype(p->staging, i + 1) == columns[i].type;
	}
	if (!fits)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("hybrid view \"%s\" has changed since batch %lld was begun",
							   get_rel_name(p->run.view), (long long) p->run.id),
						errhint("Use streambatch.abandon_batch(" INT64_FORMAT "), and begin another one.",
								p->run.id)));
}

static void
check_newer_cuts(const OutsideBatch *p)
{
	int n;
	Coverage *covered = catalog_coverage(p->run.view_id, &n);

	for (int i = 0; i < n; i++)
	{
		if (covered[i].from < p->run.to && covered[i].to > p->run.from &&
			covered[i].cut_epoch > p->run.cut_epoch)
			ereport(
				ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the cut of batch %lld is older than what hybrid view \"%s\" serves",
						(long long) p->run.id, get_rel_name(p->run.view)),
				 errdetail(
					 "Since the batch was begun, a refresh or another batch has computed windows of its range."),
				 errhint("Use streambatch.abandon_batch(" INT64_FORMAT
						 "), and begin another one; refresh the view after its publication.",
						 p->run.id)));
	}
}

static void
check_rows(const OutsideBatch *p)
{
	int32 view = p->run.view_id;
	int64 run = p->run.id;

	check_none(p, sql_staging_bad_pane(p->def, view, run), ERRCODE_CHECK_VIOLATION,
			   "has a row that is in no pane of the range");
	check_none(p, sql_staging_bad_count(p->def, view, run), ERRCODE_CHECK_VIOLATION,
			   "has a row whose count is null or negative");
	check_none(p, sql_staging_duplicate(p->def, view, run), ERRCODE_UNIQUE_VIOLATION,
			   "has more than one row of a group");
	check_written(p);
}

/* Raise if a query finds a row; its first column says which. sql: NULL: there is nothing to find. */
static void
check_none(const OutsideBatch *p, const char *sql, int sqlerrcode, const char *message)
{
	if (sql == NULL || execute(p, sql) == 0)
		return;
	ereport(ERROR,
			(errcode(sqlerrcode), errmsg("staging table \"%s\" %s", get_rel_name(p->staging), message),
			 errdetail("The row is %s.", SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1)),
			 errhint("Nothing was published. Correct the rows, and try again.")));
}

/* An empty table is what an engine leaves that has failed. */
static void
check_written(const OutsideBatch *p)
{
	const char *name = staging_name(p->run.view_id, p->run.id);

	if (execute(p, psprintf("SELECT FROM streambatch_state.%s LIMIT 1", name)) > 0)
		return;
	if (execute(p, sql_any_row(p->def, p->run.view_id)) > 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_NO_DATA), errmsg("staging table \"%s\" is empty", name),
			 errdetail("The view has groups in the range, which the publication would remove."),
			 errhint(
				 "Write the groups that the query of the batch returns, or use streambatch.abandon_batch(" INT64_FORMAT
				 ").",
				 p->run.id)));
}

static int64
replace_panes(const OutsideBatch *p)
{
	int32 view = p->run.view_id;
	int64 rows;

	(void) execute(p, sql_clear(p->def, view, false, PANES_WITHIN));
	rows = (int64) execute(p, sql_publish(p->def, view, p->run.id));
	(void) execute(p, sql_clear(p->def, view, true, PANES_WITHIN));
	return rows;
}

/* Run a statement with the parameters of query/refresh_sql.h that it may use. */
static uint64
execute(const OutsideBatch *p, const char *sql)
{
	Oid types[6] = {INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4ARRAYOID, INT8ARRAYOID, INT8OID};
	Datum values[6] = {[1] = TimestampTzGetDatum(p->run.from),
					   [2] = TimestampTzGetDatum(p->run.to),
					   [5] = Int64GetDatum(p->run.cut_epoch)};
	int rc = SPI_execute_with_args(sql, lengthof(types), types, values, "n  nn ", false, 0);

	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(rc));
	return SPI_processed;
}

/* Record the end, and drop the table. */
static void
end_batch(const OutsideRun *run, Oid staging, const ErrorData *error)
{
	ObjectAddress address;

	catalog_end_run(run->id, error);
	if (!OidIsValid(staging))
		return;
	/* the owner can have made a view on it */
	ObjectAddressSet(address, RelationRelationId, staging);
	performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
}

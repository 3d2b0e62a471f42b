/*
 * schedule.c
 *		streambatch.schedule() and unschedule(): refreshes as jobs of pg_cron (see schedule.h).
 *
 * A job belongs to the user who made it, and runs with that user's rights. Its name and its command contain the id of the
 * view, which no ALTER and no dump changes. A view has at most one job of each kind, and so has refresh_all():
 *
 *		streambatch refresh 7 full		CALL streambatch.refresh(streambatch._view_of(7), "full" => true)
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "common/catalog_view.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "query/analyse.h"
#include "serve/schedule.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Kinds of jobs: names end with these. */
static const char *const kinds[] = {"incremental", "full", "last"};

static void check_arguments(FunctionCallInfo fcinfo);
static void check_last(const Interval *last);
static void require_own_view(Oid view, ViewRow *row);
static void require_cron(void);
static char *job_name(int32 view_id, const char *kind);
static char *job_command(int32 view_id, bool full, const Interval *last);
static Datum job_names(const List *view_ids);

STREAMBATCH_FUNCTION(streambatch_schedule);
STREAMBATCH_FUNCTION(streambatch_unschedule);
STREAMBATCH_FUNCTION(streambatch_view_of);

Datum
streambatch_schedule(PG_FUNCTION_ARGS)
{
	const Interval *last = PG_ARGISNULL(3) ? NULL : PG_GETARG_INTERVAL_P(3);
	Oid types[3] = {TEXTOID, TEXTOID, TEXTOID};
	Datum values[3];
	ViewRow row = {0};
	bool isnull;
	int64 job;

	check_arguments(fcinfo);
	if (last != NULL)
		check_last(last);
	if (!PG_ARGISNULL(0))
	{
		require_own_view(PG_GETARG_OID(0), &row);
		if (last != NULL && !analyse_stored(row.id, guard_owner_of(row.view))->has_window)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("cannot refresh a range of hybrid view \"%s\" because it has no window",
								   get_rel_name(row.view)),
							errhint("Leave out \"last\" to refresh the whole view.")));
	}
	require_cron();
	values[0] = CStringGetTextDatum(job_name(row.id, kinds[last != NULL ? 2 : PG_GETARG_BOOL(2) ? 1 : 0]));
	values[1] = PG_GETARG_DATUM(1);
	values[2] = CStringGetTextDatum(job_command(row.id, PG_GETARG_BOOL(2), last));
	SPI_connect();
	if (SPI_execute_with_args("SELECT cron.schedule($1, $2, $3)", 3, types, values, NULL, false, 1) !=
			SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not schedule a job");
	job = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	PG_RETURN_INT64(job);
}

Datum
streambatch_unschedule(PG_FUNCTION_ARGS)
{
	ViewRow row = {0};
	Oid types[1] = {TEXTARRAYOID};
	Datum values[1];
	int n;

	if (!PG_ARGISNULL(0))
		require_own_view(PG_GETARG_OID(0), &row);
	require_cron();
	values[0] = job_names(list_make1_int(row.id));
	SPI_connect();
	if (SPI_execute_with_args("SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname::text = ANY ($1) "
							  "AND username = current_user AND database = pg_catalog.current_database()",
							  1, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not remove jobs");
	n = (int) SPI_processed;
	SPI_finish();
	PG_RETURN_INT32(n);
}

Datum
streambatch_view_of(PG_FUNCTION_ARGS)
{
	Oid view = catalog_view_of_id(PG_GETARG_INT32(0));

	if (!OidIsValid(view))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the hybrid view of this job no longer exists"),
				 errhint("Remove the job with cron.unschedule().")));
	PG_RETURN_OID(view);
}

void
schedule_forget(const List *view_ids)
{
	Oid types[1] = {TEXTARRAYOID};
	Datum values[1];
	Guard guard;

	if (view_ids == NIL || !OidIsValid(get_extension_oid("pg_cron", true)))
		return;
	values[0] = job_names(view_ids);
	guard_enter(&guard, BOOTSTRAP_SUPERUSERID, NULL);
	SPI_connect();
	if (SPI_execute_with_args(
			"DELETE FROM cron.job WHERE jobname::text = ANY ($1) AND database = pg_catalog.current_database()",
			1, types, values, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not remove jobs");
	SPI_finish();
	guard_leave(&guard);
}

static void
check_arguments(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("\"cron\" and \"full\" must not be null"),
				 errhint("For example: SELECT streambatch.schedule('view', cron => '15 * * * *').")));
	if (PG_GETARG_BOOL(2) && !PG_ARGISNULL(3))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"full\" and \"last\" cannot be given together"),
						errhint("A refresh of the last interval computes all windows in it.")));
}

static void
check_last(const Interval *last)
{
	if (compat_interval_is_infinite(last) || last->month < 0 || last->day < 0 || last->time < 0 ||
		(last->month == 0 && last->day == 0 && last->time == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"last\" must be positive and finite")));
}

static void
require_own_view(Oid view, ViewRow *row)
{
	catalog_require_view(view, row);
	if (!compat_class_ownercheck(view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(view));
}

static void
require_cron(void)
{
	const char *database = get_database_name(MyDatabaseId);

	if (OidIsValid(get_extension_oid("pg_cron", true)))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("extension pg_cron is not installed in database \"%s\"", database),
		 errdetail("It runs jobs that are stored in the one database that cron.database_name names."),
		 errhint(
			 "Add pg_cron to shared_preload_libraries, set cron.database_name = '%s', restart the server, and use "
			 "CREATE EXTENSION pg_cron. If another database has it, use cron.schedule_in_database() there. Without "
			 "pg_cron, let the system's scheduler run psql -d %s -c 'CALL streambatch.refresh_all()'.",
			 database, database)));
}

static char *
job_name(int32 view_id, const char *kind)
{
	return view_id == 0 ? psprintf("streambatch refresh_all %s", kind)
						: psprintf("streambatch refresh %d %s", view_id, kind);
}

static char *
job_command(int32 view_id, bool full, const Interval *last)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (view_id == 0)
		appendStringInfoString(&buf, "CALL streambatch.refresh_all(");
	else
		appendStringInfo(&buf, "CALL streambatch.refresh(streambatch._view_of(%d)%s", view_id,
						 full || last != NULL ? ", " : "");
	if (full)
		appendStringInfoString(&buf, "\"full\" => true");
	if (last != NULL)
		appendStringInfo(
			&buf, "\"from\" => pg_catalog.now() - '%d months %d days %lld microseconds'::pg_catalog.interval",
			last->month, last->day, (long long) last->time);
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

/* The names of all jobs that these views may have (0: of refresh_all()), as text[]. */
static Datum
job_names(const List *view_ids)
{
	Datum *names = palloc(list_length(view_ids) * lengthof(kinds) * sizeof(Datum));
	int n = 0;
	ListCell *lc;

	foreach (lc, view_ids)
	{
		for (int i = 0; i < lengthof(kinds); i++)
			names[n++] = CStringGetTextDatum(job_name(lfirst_int(lc), kinds[i]));
	}
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

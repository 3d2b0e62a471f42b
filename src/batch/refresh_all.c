/*
 * refresh_all.c
 *		CALL streambatch.refresh_all(): refresh every hybrid view that the caller owns.
 *
 * Each view is refreshed as refresh() does, with its commits. Each of these transactions is wrapped in a subtransaction,
 * so that an error can be caught: it is rolled back, reported as a warning, and the next view follows.
 */
#include "postgres.h"

#include "access/xact.h"
#include "batch/refresh.h"
#include "batch/refresh_run.h"
#include "catalog/pg_class.h"
#include "common/catalog_shadow.h"
#include "common/catalog_view.h"
#include "common/compat.h"
#include "common/export.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "stream/stream.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct Failures
{
	int n;
	int sqlerrcode; /* of the first one */
	char *message;
} Failures;

static List *list_views(Oid stream);
static bool refresh_or_warn(Oid view, RefreshRange requested, Failures *failures);
static void warn(Oid view, const ErrorData *error, Failures *failures);

STREAMBATCH_FUNCTION(streambatch_refresh_all);

Datum
streambatch_refresh_all(PG_FUNCTION_ARGS)
{
	Failures failures = {0};
	RefreshRange requested;
	List *views;
	ListCell *lc;
	int n = 0;

	for (int i = 3; i < 6; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("only \"stream\", \"from\" and \"to\" of refresh_all can be null")));
	}
	refresh_check_commits(fcinfo, "refresh_all");
	requested = refresh_range_of(fcinfo, 1);
	requested.of_all = true;
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	views = list_views(PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0));
	foreach (lc, views)
		n += refresh_or_warn(lfirst_oid(lc), requested, &failures);
	SPI_finish();
	if (n == 0)
		ereport(NOTICE, (errmsg("there is no hybrid view to refresh"),
						 errdetail("Only the owner of a hybrid view may refresh it.")));
	if (failures.n > 0)
		ereport(ERROR, (errcode(failures.sqlerrcode),
						errmsg_plural("%d of %d hybrid view could not be refreshed",
									  "%d of %d hybrid views could not be refreshed", n, failures.n, n),
						errdetail_internal("%s", failures.message),
						errhint("Each one that failed is a warning before this error. "
								"streambatch.refresh_history shows their runs.")));
	PG_RETURN_VOID();
}

/* The views of a stream, or all, that the user owns. In a context that outlives the transactions. */
static List *
list_views(Oid stream)
{
	MemoryContext old = MemoryContextSwitchTo(PortalContext);
	List *rows = OidIsValid(stream) ? catalog_views_of(stream_open(stream)->relid) : catalog_all_views();
	List *result = NIL;
	ListCell *lc;

	foreach (lc, rows)
	{
		Oid view = ((ViewRow *) lfirst(lc))->view;

		if (get_rel_name(view) != NULL && !catalog_is_shadow(view) &&
			compat_class_ownercheck(view, GetUserId()))
			result = lappend_oid(result, view);
	}
	MemoryContextSwitchTo(old);
	refresh_next_transaction();
	return result;
}

/* Returns false for a view that was dropped meanwhile. */
static bool
refresh_or_warn(Oid view, RefreshRange requested, Failures *failures)
{
	MemoryContext old = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	if (get_rel_name(view) == NULL)
		return false;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(old);
	PG_TRY();
	{
		refresh_view(view, requested);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(PortalContext);
		error = CopyErrorData();
		FlushErrorState();
		/* not if the commit itself has failed, which leaves a new transaction */
		if (IsSubTransaction())
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	EnsurePortalSnapshotExists();
	if (error != NULL)
		warn(view, error, failures);
	refresh_next_transaction();
	return true;
}

/* Whoever cancels means all views. */
static void
warn(Oid view, const ErrorData *error, Failures *failures)
{
	const char *name = get_rel_name(view);

	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(unconstify(ErrorData *, error));
	ereport(WARNING, (errcode(error->sqlerrcode),
					  errmsg("could not refresh hybrid view \"%s\": %s", name ? name : "?", error->message),
					  error->detail ? errdetail_internal("%s", error->detail) : 0,
					  error->hint ? errhint("%s", error->hint) : 0));
	if (failures->n++ == 0)
	{
		MemoryContext old = MemoryContextSwitchTo(PortalContext);

		failures->sqlerrcode = error->sqlerrcode;
		failures->message = psprintf("%s: %s", name ? name : "?", error->message);
		MemoryContextSwitchTo(old);
	}
}

/*
 * refresh_run.c
 *		One run of refresh(), over its transactions (see refresh_run.h).
 *
 * Each transaction is READ COMMITTED whatever the session's default: after the stream's row has been locked,
 * statements must see what the previous holder of the lock committed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "batch/batch_source.h"
#include "batch/refresh_run.h"
#include "common/catalog_shadow.h"
#include "common/catalog_ddl.h"
#include "common/locks.h"
#include "executor/spi.h"
#include "query/view_relations.h"
#include "tcop/pquery.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

void
refresh_next_transaction(void)
{
	MemoryContext old = CurrentMemoryContext;
	bool inside = IsSubTransaction();

	if (inside)
	{
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(old);
	}
	SPI_commit();
	XactIsoLevel = XACT_READ_COMMITTED;
	EnsurePortalSnapshotExists();
	if (inside)
	{
		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(old);
	}
}

void
refresh_lock_relations(const Run *run, const ViewRow *row)
{
	locks_take(
		list_concat(list_make3_oid(row->stream, run->view, run->archive), view_relations_read(row->id)),
		catalog_written_tables());
	refresh_check_view_exists(run);
	if (run->c != NULL)
		batch_source_lock(run->c);
}

void
refresh_check_view_exists(const Run *run)
{
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(run->view)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the hybrid view was dropped during the refresh")));
}

void
refresh_fail(const Run *run, ErrorData *error)
{
	MemoryContext old = MemoryContextSwitchTo(PortalContext);

	/* instead of the generated statement */
	error->context = psprintf("computing hybrid view \"%s\" from %s", catalog_view_name(run->view),
							  batch_source_name(run->c));
	MemoryContextSwitchTo(old);
	catalog_end_run(run->id, error);
	refresh_next_transaction();
	ReThrowError(error);
}

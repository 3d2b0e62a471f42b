/*
 * refresh_run.c
 *		One run of refresh(), over its transactions (see refresh_run.h).
 *
 * Each transaction is READ COMMITTED whatever the session's default: after the stream's row has been locked,
 * statements must see what the previous holder of the lock committed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "batch/refresh_run.h"
#include "common/catalog_ddl.h"
#include "common/locks.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "query/view_relations.h"
#include "storage/lock.h"
#include "tcop/pquery.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

bool
refresh_lock_view(int32 view_id)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, view_id, 0, REFRESH_LOCK);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
refresh_next_transaction(void)
{
	SPI_commit();
	XactIsoLevel = XACT_READ_COMMITTED;
	EnsurePortalSnapshotExists();
}

void
refresh_lock_relations(const Run *run, const ViewRow *row)
{
	locks_take(
		list_concat(list_make3_oid(row->stream, run->view, run->archive), view_relations_read(row->id)),
		catalog_written_tables());
	refresh_check_view_exists(run);
	if (run->c != NULL)
		compute_read_archive(run->c);
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
	error->context = psprintf("computing hybrid view \"%s\" from its archive", get_rel_name(run->view));
	MemoryContextSwitchTo(old);
	catalog_end_run(run->id, error);
	refresh_next_transaction();
	ReThrowError(error);
}

/*
 * archive_index.c
 *		The archive's block range indexes (see archive_index.h).
 */
#include "postgres.h"

#include "batch/archive_index.h"
#include "catalog/pg_type.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "storage/lmgr.h"

void
archive_index_summarise(Oid archive)
{
	static const char *const sql =
		"SELECT pg_catalog.brin_summarize_new_values(i.indexrelid) FROM pg_catalog.pg_index i "
		"JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am a ON a.oid = x.relam AND a.amname = 'brin' "
		"WHERE i.indrelid = $1 AND i.indisvalid AND x.relkind = 'i'";
	Oid types[1] = {OIDOID};
	Datum values[1] = {ObjectIdGetDatum(archive)};
	Guard guard;

	/*
	 * Do not wait for the lock: a session that holds it may wait for our snapshot (CREATE INDEX CONCURRENTLY) or
	 * for a lock on the view.
	 */
	if (!ConditionalLockRelationOid(archive, ShareUpdateExclusiveLock))
		return;
	guard_enter(&guard, guard_owner_of(archive), NULL);
	SPI_connect();
	if (SPI_execute_with_args(sql, 1, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not summarize the archive's indexes");
	SPI_finish();
	guard_leave(&guard);
}

/*
 * archive_index.c
 *		The archive's indexes over the event time (see archive_index.h).
 */
#include "postgres.h"

#include <math.h>

#include "access/brin_internal.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "batch/archive_index.h"
#include "batch/pane_list.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define MIN_CORRELATION 0.9

static Oid find_index(Oid archive, AttrNumber column, bool (*suits)(Relation index));
static bool is_usable(Relation index);
static bool is_any(Relation index);
static bool has_blocks(Relation index);
static bool is_btree(Relation index);
static bool in_order(Oid archive, AttrNumber column);

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

bool
archive_index_exists(Oid archive, AttrNumber column)
{
	return OidIsValid(find_index(archive, column, is_any));
}

Oid
archive_index_blocks(Oid archive, AttrNumber column)
{
	return find_index(archive, column, has_blocks);
}

int
archive_index_reads(Oid archive, AttrNumber column)
{
	return in_order(archive, column) && OidIsValid(find_index(archive, column, is_btree))
			   ? PANE_LIST_MAX_READS
			   : 0;
}

/* An index over a column of the archive, which is a table, that suits. */
static Oid
find_index(Oid archive, AttrNumber column, bool (*suits)(Relation index))
{
	Oid result = InvalidOid;
	Relation table;
	ListCell *lc;

	table = table_open(archive, AccessShareLock);
	foreach (lc, RelationGetIndexList(table))
	{
		Relation index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index->rd_index->indisvalid && is_usable(index) && index->rd_index->indkey.values[0] == column &&
			RelationGetIndexPredicate(index) == NIL && suits(index))
			result = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	table_close(table, NoLock);
	return result;
}

/* As the planner asks: an index may lack rows that only older snapshots see. */
static bool
is_usable(Relation index)
{
	return !index->rd_index->indcheckxmin ||
		   TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data), TransactionXmin);
}

static bool
is_any(Relation index)
{
	return true;
}

/* A block range index of least and greatest times. */
static bool
has_blocks(Relation index)
{
	Oid type = TupleDescAttr(RelationGetDescr(index), 0)->atttypid;

	return index->rd_rel->relam == BRIN_AM_OID &&
		   index_getprocid(index, 1, BRIN_PROCNUM_OPCINFO) == F_BRIN_MINMAX_OPCINFO &&
		   (type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID);
}

static bool
is_btree(Relation index)
{
	return index->rd_rel->relam == BTREE_AM_OID;
}

/* Whether the planner knows that the values are in the order of the rows: only then it surely uses the index. */
static bool
in_order(Oid archive, AttrNumber column)
{
	HeapTuple tuple =
		SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(archive), Int16GetDatum(column), BoolGetDatum(false));
	AttStatsSlot slot;
	bool result = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	if (get_attstatsslot(&slot, tuple, STATISTIC_KIND_CORRELATION, InvalidOid, ATTSTATSSLOT_NUMBERS))
	{
		result = slot.nnumbers == 1 && fabs(slot.numbers[0]) >= MIN_CORRELATION;
		free_attstatsslot(&slot);
	}
	ReleaseSysCache(tuple);
	return result;
}

/*
 * group_count.c
 *		streambatch._groups(): how many groups a hybrid view has, for streambatch.stat_view.
 *
 * Any user can call it, for the views that stat_view shows to that user. The rows are counted as the view's
 * owner: comparing keys can run functions of that role. A view with many rows of states is not counted, but estimated.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "common/catalog_view.h"
#include "common/export.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* rows of states in both layers from which on they are not counted */
#define MANY_ROWS 100000

static void check_privilege(Oid view);
static Oid state_table(const char *layer, int32 id);
static bool is_readable(Oid states, const ViewRow *row);
static float4 estimated_rows(Oid relid);
static int64 count_groups(const ViewRow *row, Oid batch);
static char *list_keys(Oid batch);

STREAMBATCH_FUNCTION(streambatch_groups);

Datum
streambatch_groups(PG_FUNCTION_ARGS)
{
	ViewRow row;
	Oid batch;
	float8 rows;

	/* dropped, or swapped in, since the caller's snapshot */
	if (!catalog_view(PG_GETARG_OID(0), &row))
		PG_RETURN_NULL();
	check_privilege(row.view);
	batch = state_table("batch", row.id);
	if (!is_readable(batch, &row) || !is_readable(state_table("stream", row.id), &row))
		PG_RETURN_NULL();
	rows = (float8) estimated_rows(batch) + estimated_rows(state_table("stream", row.id));
	PG_RETURN_INT64(rows > MANY_ROWS ? (int64) rows : count_groups(&row, batch));
}

/* The same as in the definition of stat_view. */
static void
check_privilege(Oid view)
{
	if (pg_class_aclcheck(view, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		!has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_VIEW, get_rel_name(view));
}

static Oid
state_table(const char *layer, int32 id)
{
	return get_relname_relid(psprintf("%s_%d", layer, id), get_namespace_oid("streambatch_state", false));
}

/*
 * Whether states can be read at once: their owner may have locked them, or have revoked the privilege to read them. Who
 * reads stat_view does not depend on that.
 */
static bool
is_readable(Oid states, const ViewRow *row)
{
	bool missing = false;

	return OidIsValid(states) && ConditionalLockRelationOid(states, AccessShareLock) &&
		   pg_class_aclcheck_ext(states, guard_owner_of(row->view), ACL_SELECT, &missing) == ACLCHECK_OK;
}

/* As of the last ANALYZE or VACUUM; 0 before the first one. */
static float4
estimated_rows(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	float4 result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	result = Max(((Form_pg_class) GETSTRUCT(tuple))->reltuples, 0);
	ReleaseSysCache(tuple);
	return result;
}

static int64
count_groups(const ViewRow *row, Oid batch)
{
	char *keys = list_keys(batch);
	Guard guard;
	bool isnull;
	int64 result;

	guard_enter(&guard, guard_owner_of(row->view), row->settings);
	SPI_connect();
	if (SPI_execute(psprintf("SELECT pg_catalog.count(*) FROM (SELECT %s FROM streambatch_state.batch_%d "
							 "UNION SELECT %s FROM streambatch_state.stream_%d) u",
							 keys, row->id, keys, row->id),
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the groups of view %u", row->view);
	result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	guard_leave(&guard);
	return result;
}

/* The columns of a state table that hold keys and pane; a constant if it has none. */
static char *
list_keys(Oid batch)
{
	Relation rel = table_open(batch, AccessShareLock);
	TupleDesc desc = RelationGetDescr(rel);
	StringInfoData keys;

	initStringInfo(&keys);
	for (int i = 0; i < desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);

		if (!TupleDescAttr(desc, i)->attisdropped && (name[0] == 'k' || strcmp(name, "pane") == 0))
			appendStringInfo(&keys, "%s%s", keys.len > 0 ? ", " : "", name);
	}
	table_close(rel, AccessShareLock);
	return keys.len > 0 ? keys.data : pstrdup("0");
}

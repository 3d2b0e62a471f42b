/*
 * view_groups.c
 *		streambatch._groups(): the number of groups of a hybrid view, for stat_view.
 *
 * The rows are counted as the view's owner. Whoever reads stat_view does not depend on that owner: what cannot be
 * counted at once, because the states are locked or their owner has revoked the privilege to read them, is NULL.
 */
#include "postgres.h"

#include "access/htup_details.h"
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
#include "utils/syscache.h"

/* Rows of states above which they are not counted. */
#define COUNT_MAX 100000

static bool is_visible(Oid view);
static bool lock_states(const Oid *states, Oid owner);
static float8 estimated_rows(Oid table);
static char *count_sql(int32 id, Oid batch);

STREAMBATCH_FUNCTION(streambatch_groups);

Datum
streambatch_groups(PG_FUNCTION_ARGS)
{
	int32 id = PG_GETARG_INT32(0);
	Oid view = catalog_view_by_id(id);
	Oid owner = guard_owner_of(view);
	Oid nsp = get_namespace_oid("streambatch_state", false);
	Oid states[2] = {get_relname_relid(psprintf("batch_%d", id), nsp),
					 get_relname_relid(psprintf("stream_%d", id), nsp)};
	float8 estimate;
	Guard guard;
	bool isnull;
	int64 count;

	if (!OidIsValid(owner) || !is_visible(view) || !lock_states(states, owner))
		PG_RETURN_NULL();
	estimate = estimated_rows(states[0]) + estimated_rows(states[1]);
	if (estimate > COUNT_MAX)
		PG_RETURN_INT64((int64) estimate);
	guard_enter(&guard, owner, NULL);
	SPI_connect();
	if (SPI_execute(count_sql(id, states[0]), true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the groups of hybrid view %d", id);
	count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	guard_leave(&guard);
	PG_RETURN_INT64(count);
}

static bool
is_visible(Oid view)
{
	bool missing = false;

	return pg_class_aclcheck_ext(view, GetUserId(), ACL_SELECT, &missing) == ACLCHECK_OK ||
		   has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

/* Whether both tables can be read at once; they then stay locked until the end of the transaction. */
static bool
lock_states(const Oid *states, Oid owner)
{
	for (int i = 0; i < 2; i++)
	{
		bool missing = false;

		if (!OidIsValid(states[i]) || !ConditionalLockRelationOid(states[i], AccessShareLock) ||
			pg_class_aclcheck_ext(states[i], owner, ACL_SELECT, &missing) != ACLCHECK_OK)
			return false;
	}
	return true;
}

/* Number of rows as of the last ANALYZE; 0 if there was none. */
static float8
estimated_rows(Oid table)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	float8 rows = 0;

	if (HeapTupleIsValid(tuple))
	{
		rows = Max(((Form_pg_class) GETSTRUCT(tuple))->reltuples, 0);
		ReleaseSysCache(tuple);
	}
	return rows;
}

/* Keys and pane are all columns but epoch, which only the stream layer has, and the states. */
static char *
count_sql(int32 id, Oid batch)
{
	StringInfoData keys;
	char *name;

	initStringInfo(&keys);
	for (AttrNumber att = 1; (name = get_attname(batch, att, true)) != NULL; att++)
	{
		if (name[0] == 'k' || name[0] == 'p')
			appendStringInfo(&keys, "%s%s", keys.len > 0 ? ", " : "", name);
	}
	if (keys.len == 0)
		appendStringInfoChar(&keys, '0');
	return psprintf("SELECT pg_catalog.count(*) FROM (SELECT %s FROM streambatch_state.batch_%d UNION "
					"SELECT %s FROM streambatch_state.stream_%d) u",
					keys.data, id, keys.data, id);
}

/*
 * view_relations.c
 *		The relations that running a hybrid view's query locks (see view_relations.h).
 *
 * They are found by the dependencies of the query's rule, which can be more than the query's range table
 * contains. That does no harm.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_rewrite.h"
#include "query/view_relations.h"
#include "rewrite/rewriteSupport.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static List *read_by_rule(Oid view);

Oid
view_relations_query(int32 view_id)
{
	return get_relname_relid(psprintf("query_%d", view_id), get_namespace_oid("streambatch_state", false));
}

List *
view_relations_read(int32 view_id)
{
	Oid query = view_relations_query(view_id);
	List *relations = NIL;
	ListCell *lc;

	if (!OidIsValid(query))
		return NIL;
	foreach (lc, read_by_rule(query))
		relations = list_concat(relations, find_all_inheritors(lfirst_oid(lc), NoLock, NULL));
	return lappend_oid(relations, query);
}

/* The relations that the rule of a view depends on. There are no views among them (query_check.h). */
static List *
read_by_rule(Oid view)
{
	Oid rule = GetSysCacheOid2(RULERELNAME, Anum_pg_rewrite_oid, ObjectIdGetDatum(view),
							   CStringGetDatum(ViewSelectRuleName));
	Relation depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple tuple;
	List *result = NIL;

	ScanKeyInit(&key[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RewriteRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(rule));
	scan = systable_beginscan(depend, DependDependerIndexId, true, NULL, lengthof(key), key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend row = (Form_pg_depend) GETSTRUCT(tuple);

		if (row->refclassid == RelationRelationId && row->refobjid != view)
			result = list_append_unique_oid(result, row->refobjid);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return result;
}

/*
 * catalog_merged.c
 *		The foreign tables of merged views (see catalog_merged.h).
 *
 * A merged view has no row in the extension's tables: all there is to know of it is in its definition. What reads its
 * foreign tables is found in pg_depend, also in a restored database.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "common/catalog_merged.h"
#include "common/catalog_statement.h"

/* Foreign tables t of merged views. */
#define PART                                                                                                 \
	"t.relnamespace = 'streambatch_state'::regnamespace AND t.relkind = 'f' AND t.relname ~ '^(node|info)_\\d+_\\d+$' "

/* That a view with the rule r reads t. */
#define READS                                                                                                 \
	"FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid "                            \
	"WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass " \
	"AND d.refobjid = t.oid "

#define DROPPED                                                                                               \
	"FROM pg_catalog.pg_event_trigger_dropped_objects() o WHERE o.classid = 'pg_catalog.pg_class'::regclass " \
	"AND o.object_type = 'view' "

List *
catalog_merged_layers(void)
{
	static Statement s = {
		"SELECT l.oid FROM pg_catalog.pg_class l JOIN pg_catalog.pg_namespace n ON n.oid = l.relnamespace "
		"WHERE l.relkind = 'v' AND EXISTS (SELECT " DROPPED
		"  AND o.schema_name = n.nspname AND l.relname = o.object_name || '_layers') "
		"AND EXISTS (SELECT FROM pg_catalog.pg_class t WHERE " PART "AND EXISTS (SELECT " READS
		"AND r.ev_class = l.oid))"};

	return statement_run_list(&s, NULL);
}

List *
catalog_merged_unused(void)
{
	static Statement s = {"SELECT t.oid FROM pg_catalog.pg_class t WHERE " PART "AND EXISTS (SELECT " DROPPED
						  ") AND NOT EXISTS (SELECT " READS ")"};

	return statement_run_list(&s, NULL);
}

Oid
catalog_states_view_of(Oid view)
{
	static Statement s = {
		"SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.objid AND " CATALOG_STATES_COLUMN
		"WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass "
		"AND d.refobjid = $1 AND d.deptype = 'i' LIMIT 1",
		1,
		{OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	Datum states;

	return statement_run_value(&s, values, &states) ? DatumGetObjectId(states) : InvalidOid;
}

List *
catalog_grants_on(Oid relid)
{
	static Statement s = {
		"SELECT pg_catalog.format('GRANT %s ON %s TO %s%s', a.privilege_type, c.oid::pg_catalog.regclass, "
		"  CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END, "
		"  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) "
		"FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a WHERE c.oid = $1 AND a.grantee <> c.relowner",
		1,
		{OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(relid)};
	List *commands = NIL;
	StatementCall call;

	statement_run(&call, &s, values, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		char *command = statement_get_text(&call, i, 1);
		MemoryContext old = MemoryContextSwitchTo(call.caller);

		commands = lappend(commands, command);
		MemoryContextSwitchTo(old);
	}
	statement_finish(&call);
	return commands;
}

void
catalog_merged_follow_owners(void)
{
	/*
	 * The view that has <view>_layers beside it: anybody may have others that read the foreign tables. First the pairs, of
	 * which there are few or none: by its owner, the planner would rather join every relation with every view.
	 */
	static Statement s = {
		"WITH m AS MATERIALIZED (SELECT DISTINCT t.oid AS part, l.oid AS layers, l.relname, l.relnamespace "
		"  FROM pg_catalog.pg_class t, LATERAL (SELECT r.ev_class " READS ") e "
		"  JOIN pg_catalog.pg_class l ON l.oid = e.ev_class WHERE " PART "), "
		"o AS MATERIALIZED (SELECT m.part, m.layers, v.relowner FROM m "
		"  JOIN pg_catalog.pg_class v ON v.relkind = 'v' AND v.oid <> m.layers "
		"  AND (v.relnamespace = m.relnamespace AND m.relname = v.relname || '_layers' "
		"    OR EXISTS (SELECT FROM pg_catalog.pg_depend i WHERE i.classid = 'pg_catalog.pg_class'::regclass AND i.objid = m.layers "
		"      AND i.refclassid = 'pg_catalog.pg_class'::regclass AND i.refobjid = v.oid AND i.deptype = 'i'))) "
		"SELECT p.oid, o.relowner FROM o JOIN pg_catalog.pg_class p ON p.oid IN (o.part, o.layers) AND p.relowner <> o.relowner "
		"GROUP BY p.oid, o.relowner ORDER BY p.oid"};
	StatementCall call;
	bool isnull;

	statement_run(&call, &s, NULL, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
		ATExecChangeOwner(DatumGetObjectId(statement_get(i, 1, &isnull)),
						  DatumGetObjectId(statement_get(i, 2, &isnull)), true, AccessExclusiveLock);
	if (call.nrows > 0)
		CommandCounterIncrement();
	statement_finish(&call);
}

/*
 * catalog_ddl.c
 *		Effects of DDL commands on the extension's tables (see catalog_ddl.h).
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "common/catalog_ddl.h"
#include "common/catalog_statement.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static void grant_times(void);

List *
catalog_written_tables(void)
{
	static const char *const names[] = {"_stream", "_view", "_progress", "_dead_letter", "_coverage", "_run"};
	Oid schema = get_namespace_oid("streambatch", true);
	List *result = NIL;

	for (int i = 0; OidIsValid(schema) && i < lengthof(names); i++)
		result = lappend_oid(result, get_relname_relid(names[i], schema));
	return result;
}

void
catalog_follow_owners(void)
{
	static Statement s = {"SELECT streambatch._follow_owners()", 0, {0}};

	statement_run_only(&s, NULL, NULL);
	grant_times();
}

/* The relations dropped by the command, in an sql_drop event trigger. */
#define DROPPED                                                                                              \
	"(SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() "                                      \
	"WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objsubid = 0)"

List *
catalog_dropped_views(void)
{
	static Statement s = {"SELECT id FROM streambatch._view WHERE view::oid IN " DROPPED};

	return statement_run_list(&s, NULL);
}

List *
catalog_forget_dropped(void)
{
	static Statement affected = {
		"SELECT s.stream::oid, s.stream::oid IN " DROPPED ", "
		"  (SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class c WHERE c.oid = s.archive) FROM streambatch._stream s "
		"WHERE s.stream::oid IN " DROPPED
		" OR s.stream IN (SELECT stream FROM streambatch._view WHERE view::oid IN " DROPPED
		") ORDER BY s.stream"};
	static Statement forget[] = {
		{"DELETE FROM streambatch._coverage c USING streambatch._view v WHERE v.id = c.view_id AND v.view::oid IN " DROPPED},
		{"DELETE FROM streambatch._run WHERE view::oid IN " DROPPED},
		{"DELETE FROM streambatch._dead_letter WHERE view::oid IN " DROPPED " OR stream::oid IN " DROPPED},
		{"UPDATE streambatch._stream SET generation = generation + 1 WHERE stream IN "
		 "(SELECT stream FROM streambatch._view WHERE view::oid IN " DROPPED ")"},
		{"DELETE FROM streambatch._view WHERE view::oid IN " DROPPED},
		{"DELETE FROM streambatch._progress WHERE stream::oid IN " DROPPED},
		{"DELETE FROM streambatch._gap WHERE stream::oid IN " DROPPED},
		{"DELETE FROM streambatch._stream WHERE stream::oid IN " DROPPED},
	};
	StatementCall call;
	List *result = NIL;

	statement_run(&call, &affected, NULL, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		bool isnull;
		bool dropped = DatumGetBool(statement_get(i, 2, &isnull));
		Datum archive = statement_get(i, 3, &isnull);
		MemoryContext old = MemoryContextSwitchTo(call.caller);

		result = lappend_oid(result, DatumGetObjectId(statement_get(i, 1, &(bool){false})));
		if (dropped && !isnull)
			ereport(NOTICE, (errmsg("archive %s of the dropped stream is kept", TextDatumGetCString(archive)),
							 errhint("Use DROP TABLE %s if its events are no longer needed.",
									 TextDatumGetCString(archive))));
		MemoryContextSwitchTo(old);
	}
	statement_finish(&call);
	for (int i = 0; result != NIL && i < lengthof(forget); i++)
		statement_run_only(&forget[i], NULL, NULL);
	return result;
}

List *
catalog_altered_streams(Oid server)
{
	static Statement s = {
		"SELECT s.stream::oid FROM streambatch._stream s JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = s.stream "
		"WHERE NOT s.paused AND (f.ftserver = $1 OR EXISTS (SELECT FROM pg_catalog.pg_event_trigger_ddl_commands() c "
		"  WHERE c.classid = 'pg_catalog.pg_class'::regclass AND c.objid IN (f.ftrelid, s.archive) "
		"    OR c.classid = 'pg_catalog.pg_foreign_server'::regclass AND c.objid = f.ftserver "
		"    OR c.classid = 'pg_catalog.pg_user_mapping'::regclass AND EXISTS "
		"      (SELECT FROM pg_catalog.pg_user_mapping u WHERE u.oid = c.objid AND u.umserver = f.ftserver)))",
		1,
		{OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(server)};

	return statement_run_list(&s, values);
}

/*
 * Let the owners of views, and nobody else, read the times that <view>_layers shows: these views are not theirs, for they
 * read the extension's tables.
 */
static void
grant_times(void)
{
	static Statement s = {
		"WITH t AS (SELECT c.relowner AS owner, p.relowner AS us, p.oid::pg_catalog.regclass AS times, p.relacl "
		"  FROM streambatch._view v JOIN pg_catalog.pg_class c ON c.oid = v.view JOIN pg_catalog.pg_class p "
		"    ON p.relnamespace = 'streambatch_state'::regnamespace AND p.relname = ANY (ARRAY['cuts_' || v.id, 'clock_' || v.id]::name[])) "
		"SELECT pg_catalog.format('GRANT SELECT ON %s TO %s', times, owner::pg_catalog.regrole) FROM t "
		"WHERE owner <> us AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(relacl) a WHERE a.grantee = owner) "
		"UNION ALL SELECT pg_catalog.format('REVOKE ALL ON %s FROM %s', times, a.grantee::pg_catalog.regrole) "
		"FROM t, pg_catalog.aclexplode(relacl) a WHERE a.grantee NOT IN (owner, us)"};
	StatementCall call;
	List *commands = NIL;
	ListCell *lc;
	Guard guard;

	statement_run(&call, &s, NULL, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		bool isnull;
		Datum command = statement_get(i, 1, &isnull);
		MemoryContext old = MemoryContextSwitchTo(call.caller);

		commands = lappend(commands, TextDatumGetCString(command));
		MemoryContextSwitchTo(old);
	}
	statement_finish(&call);
	if (commands == NIL)
		return;
	guard_enter(&guard, BOOTSTRAP_SUPERUSERID, NULL);
	SPI_connect();
	foreach (lc, commands)
	{
		if (SPI_execute(lfirst(lc), false, 0) != SPI_OK_UTILITY)
			elog(ERROR, "could not run \"%s\"", (char *) lfirst(lc));
	}
	SPI_finish();
	guard_leave(&guard);
}

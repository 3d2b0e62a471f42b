/*
 * catalog_ddl.c
 *		Effects of DDL commands on the extension's tables (see catalog_ddl.h).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "common/catalog_ddl.h"
#include "common/catalog_statement.h"
#include "common/catalog_stream.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * That hybrid view v is whole. While a dump is being restored, by several sessions perhaps, nothing is done to its parts:
 * catalog_link_views() makes it whole later.
 */
#define LINKED                                                                                               \
	"EXISTS (SELECT FROM pg_catalog.pg_depend i JOIN pg_catalog.pg_class q ON q.oid = i.objid "              \
	"WHERE i.classid = 'pg_catalog.pg_class'::regclass AND i.refclassid = 'pg_catalog.pg_class'::regclass "  \
	"AND i.refobjid = v.view AND i.deptype = 'i' AND q.relnamespace = 'streambatch_state'::regnamespace) "

static bool find_part(Statement *statement, Datum *values, ViewPart *part);
static void grant_times(void);

List *
catalog_written_tables(void)
{
	static const char *const names[] = {"_stream",	 "_view", "_progress", "_dead_letter",
										"_coverage", "_run",  "_dirty"};
	Oid schema = get_namespace_oid("streambatch", true);
	List *result = NIL;

	for (int i = 0; OidIsValid(schema) && i < lengthof(names); i++)
		result = lappend_oid(result, get_relname_relid(names[i], schema));
	return result;
}

void
catalog_follow_owners(void)
{
	static Statement s = {
		"SELECT p.oid, c.relowner, v.stream::oid FROM streambatch._view v "
		"JOIN pg_catalog.pg_class c ON c.oid = v.view, LATERAL "
		"(SELECT r.oid, r.relowner FROM pg_catalog.pg_class r "
		"  WHERE r.relnamespace = 'streambatch_state'::regnamespace AND (r.relname = ANY "
		"    (ARRAY['query_' || v.id, 'stream_' || v.id, 'batch_' || v.id, 'merged_' || v.id]::name[]) "
		"    OR pg_catalog.starts_with(r.relname, 'staging_' || v.id || '_')) "
		" UNION ALL SELECT l.oid, l.relowner FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class l ON l.oid = d.objid "
		"  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass "
		"    AND d.refobjid = v.view AND d.deptype = 'i' AND l.relnamespace <> 'streambatch_state'::regnamespace) p "
		"WHERE p.relowner <> c.relowner AND " LINKED "ORDER BY v.stream, p.oid"};
	StatementCall call;
	Oid last = InvalidOid;
	bool isnull;

	statement_run(&call, &s, NULL, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
		/* as REASSIGN OWNED does: the schema is not one in which the owner may create anything */
		ATExecChangeOwner(DatumGetObjectId(statement_get(i, 1, &isnull)),
						  DatumGetObjectId(statement_get(i, 2, &isnull)), true, AccessExclusiveLock);
	if (call.nrows > 0)
		CommandCounterIncrement();
	/* tables before the streams' rows, as workers lock them */
	for (uint64 i = 0; i < call.nrows; i++)
	{
		Oid stream = DatumGetObjectId(statement_get(i, 3, &isnull));

		if (stream != last)
			catalog_raise_generation(stream);
		last = stream;
	}
	statement_finish(&call);
	grant_times();
}

/* The names of a part and its view, of rows of pg_class named c. */
#define PART                                                                                                 \
	"SELECT c.oid::pg_catalog.regclass::text, (SELECT v.view::text FROM streambatch._view v "                \
	"  WHERE v.id = pg_catalog.substring(c.relname, '^[a-z]+_(\\d{1,9})(_|$)')::int) "                       \
	"FROM pg_catalog.pg_class c WHERE c.relnamespace = 'streambatch_state'::regnamespace AND "

/* The relation that an object of a ddl_command_end event trigger is, or belongs to. */
#define RELATION_OF_COMMAND                                                                                  \
	"CASE d.classid WHEN 'pg_catalog.pg_class'::regclass THEN d.objid "                                      \
	"WHEN 'pg_catalog.pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_catalog.pg_rewrite WHERE oid = d.objid) "

bool
catalog_altered_part(ViewPart *part)
{
	static Statement s = {
		PART
		"c.oid IN (SELECT " RELATION_OF_COMMAND
		"WHEN 'pg_catalog.pg_trigger'::regclass THEN (SELECT tgrelid FROM pg_catalog.pg_trigger WHERE oid = d.objid) "
		"WHEN 'pg_catalog.pg_policy'::regclass THEN (SELECT polrelid FROM pg_catalog.pg_policy WHERE oid = d.objid) "
		"WHEN 'pg_catalog.pg_constraint'::regclass THEN (SELECT conrelid FROM pg_catalog.pg_constraint WHERE oid = d.objid) "
		"WHEN 'pg_catalog.pg_statistic_ext'::regclass "
		"  THEN (SELECT stxrelid FROM pg_catalog.pg_statistic_ext WHERE oid = d.objid) "
		"END FROM pg_catalog.pg_event_trigger_ddl_commands() d "
		"UNION ALL SELECT p.prrelid FROM pg_catalog.pg_event_trigger_ddl_commands() d "
		"  JOIN pg_catalog.pg_publication_rel p ON d.classid = 'pg_catalog.pg_publication'::regclass AND p.prpubid = d.objid "
		"    OR d.classid = 'pg_catalog.pg_publication_rel'::regclass AND p.oid = d.objid "
		/* as parent, as child or as a partition */
		"UNION ALL SELECT pg_catalog.unnest(ARRAY[i.inhparent, i.inhrelid]) FROM pg_catalog.pg_event_trigger_ddl_commands() d "
		"  JOIN pg_catalog.pg_inherits i ON d.objid IN (i.inhrelid, i.inhparent)) LIMIT 1"};

	return find_part(&s, NULL, part);
}

bool
catalog_dropped_part(ViewPart *part)
{
	/* what is dropped is not in pg_class any more */
	static Statement s = {
		"SELECT d.object_identity, (SELECT coalesce((SELECT o.object_identity FROM pg_catalog.pg_event_trigger_dropped_objects() o "
		"    WHERE o.classid = 'pg_catalog.pg_class'::regclass AND o.objid = v.view AND o.objsubid = 0), v.view::text) "
		"  FROM streambatch._view v WHERE v.id = pg_catalog.substring(d.object_name, '^[a-z]+_(\\d{1,9})(_|$)')::int) "
		"FROM pg_catalog.pg_event_trigger_dropped_objects() d "
		"WHERE d.original AND d.classid = 'pg_catalog.pg_class'::regclass AND d.schema_name = 'streambatch_state' LIMIT 1"};

	return find_part(&s, NULL, part);
}

bool
catalog_is_part(Oid relid, ViewPart *part)
{
	static Statement s = {PART "c.oid = $1", 1, {OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(relid)};

	return find_part(&s, values, part);
}

char *
catalog_replaced_view(void)
{
	static Statement s = {
		"SELECT v.view::text, NULL::text FROM streambatch._view v JOIN pg_catalog.pg_class m "
		"  ON m.relname = 'merged_' || v.id AND m.relnamespace = 'streambatch_state'::regnamespace "
		"WHERE v.view::oid IN (SELECT " RELATION_OF_COMMAND
		"END FROM pg_catalog.pg_event_trigger_ddl_commands() d) "
		"AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d "
		"  ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid "
		"  WHERE r.ev_class = v.view AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = m.oid) LIMIT 1"};
	ViewPart view;

	return find_part(&s, NULL, &view) ? view.name : NULL;
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

static bool
find_part(Statement *statement, Datum *values, ViewPart *part)
{
	StatementCall call;
	bool found;

	memset(part, 0, sizeof(*part));
	statement_run(&call, statement, values, NULL);
	found = call.nrows > 0;
	for (int column = 1; found && column <= 2; column++)
	{
		bool isnull;
		Datum name = statement_get(0, column, &isnull);
		MemoryContext old = MemoryContextSwitchTo(call.caller);

		if (!isnull)
			*(column == 1 ? &part->name : &part->view) = TextDatumGetCString(name);
		MemoryContextSwitchTo(old);
	}
	statement_finish(&call);
	return found;
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
		"    ON p.relnamespace = 'streambatch_state'::regnamespace AND p.relname = ANY (ARRAY['cuts_' || v.id, 'clock_' || v.id]::name[]) "
		"  WHERE " LINKED ") "
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

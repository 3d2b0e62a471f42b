/*
 * catalog_restore.c
 *		Hybrid views after pg_dump and restore, and after pg_upgrade (see catalog_restore.h).
 *
 * pg_dump dumps the parts of a hybrid view as what they are, tables and views, and the extension's rows as the data of
 * the extension's tables. Three things are lost on the way:
 *
 * OIDs. The filters of pg_extension_config_dump() in the extension's script add the names of relations to the rows that
 * are dumped, in the column "names", which is null otherwise. The trigger _restore finds the relations by these names.
 * Rows of a stream or view that the restored database does not have are left out, so that a dump of some schemas, or
 * without some tables, can be restored. Only the archive may come later: its name stays in the row.
 *
 * Internal dependencies, on which DROP relies. pg_upgrade loses them too. catalog_link_views() adds them: before commands that
 * drop something, alter a view or change an owner, which an event trigger sees, and when a stream is resumed. Nothing else needs them.
 *
 * The pause: a copy must not read the topic by itself. The trigger pauses a stream that is restored. In a database made from a
 * template and in an upgraded cluster the rows are the same, but another database than the one noted in _stream.database.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/catalog_ddl.h"
#include "common/catalog_merged.h"
#include "common/catalog_restore.h"
#include "common/catalog_statement.h"
#include "common/catalog_version.h"
#include "common/export.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

static void check_caller(FunctionCallInfo fcinfo);
static Oid find_relation(Datum name);
static HeapTuple with_value(Relation relation, HeapTuple tuple, const char *column, Datum value, bool isnull);
static Datum without_first(Datum names);
static void warn_left_out(Relation relation, Datum name, Datum missing);

STREAMBATCH_FUNCTION(streambatch_restore);
STREAMBATCH_FUNCTION(streambatch_database);

/*
 * BEFORE INSERT of a row with names. Its arguments are the columns that the names belong to; the row is left out if one
 * of them is missing, unless it is the archive.
 */
Datum
streambatch_restore(PG_FUNCTION_ARGS)
{
	TriggerData *trigger;
	Relation relation;
	HeapTuple tuple;
	Datum array;
	Datum *names;
	bool *nulls;
	int n;
	bool isnull;

	check_caller(fcinfo);
	trigger = (TriggerData *) fcinfo->context;
	relation = trigger->tg_relation;
	tuple = trigger->tg_trigtuple;
	array = SPI_getbinval(tuple, RelationGetDescr(relation), SPI_fnumber(RelationGetDescr(relation), "names"),
						  &isnull);
	if (isnull)
		return PointerGetDatum(tuple);
	deconstruct_array_builtin(DatumGetArrayTypeP(array), TEXTOID, &names, &nulls, &n);
	tuple = with_value(relation, tuple, "names", array, true);
	for (int i = 0; i < Min(n, trigger->tg_trigger->tgnargs); i++)
	{
		const char *column = trigger->tg_trigger->tgargs[i];
		Oid found = nulls[i] ? InvalidOid : find_relation(names[i]);

		if (OidIsValid(found) || nulls[i])
			tuple = with_value(relation, tuple, column, ObjectIdGetDatum(found), nulls[i]);
		else if (strcmp(column, "archive") == 0)
		{
			tuple = with_value(relation, tuple, column, (Datum) 0, true);
			tuple = with_value(relation, tuple, "names", without_first(array), false);
		}
		else
		{
			warn_left_out(relation, names[0], names[i]);
			return PointerGetDatum(NULL);
		}
	}
	if (SPI_fnumber(RelationGetDescr(relation), "paused") > 0)
		tuple = with_value(relation, tuple, "paused", BoolGetDatum(true), false);
	return PointerGetDatum(tuple);
}

Datum
streambatch_database(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(catalog_this_database());
}

void
catalog_link_views(void)
{
	/*
	 * The stored query, the view <view>_layers, by what it reads, and <view>_states, by that and by its last column. Anybody can make another view that reads it: only one
	 * of the same owner is a part.
	 */
	static Statement s = {
		"SELECT p.part, v.view::oid FROM streambatch._view v JOIN pg_catalog.pg_class c ON c.oid = v.view, LATERAL "
		"(SELECT q.oid AS part FROM pg_catalog.pg_class q "
		"  WHERE q.relnamespace = 'streambatch_state'::regnamespace AND q.relname = 'query_' || v.id "
		" UNION ALL (SELECT l.oid FROM pg_catalog.pg_class t "
		"  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass "
		"    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = t.oid "
		"  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid "
		"  JOIN pg_catalog.pg_class l ON l.oid = r.ev_class AND l.relowner = c.relowner AND l.relnamespace <> t.relnamespace "
		"  WHERE t.relnamespace = 'streambatch_state'::regnamespace AND t.relname = 'cuts_' || v.id "
		"  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = l.oid AND " CATALOG_STATES_COLUMN
		") "
		"  ORDER BY l.relname <> c.relname || '_layers', l.oid LIMIT 1) "
		" UNION ALL (SELECT l.oid FROM pg_catalog.pg_class t "
		"  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass "
		"    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = t.oid "
		"  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid "
		"  JOIN pg_catalog.pg_class l ON l.oid = r.ev_class AND l.relowner = c.relowner AND l.relnamespace <> t.relnamespace "
		"  JOIN pg_catalog.pg_attribute a ON a.attrelid = l.oid AND " CATALOG_STATES_COLUMN
		"  WHERE t.relnamespace = 'streambatch_state'::regnamespace AND t.relname = 'clock_' || v.id ORDER BY l.oid LIMIT 1)) p "
		/* looked up first, because it is all there is to do for a view that has both */
		"WHERE 2 > (SELECT pg_catalog.count(DISTINCT i.objid) FROM pg_catalog.pg_depend i WHERE i.refclassid = 'pg_catalog.pg_class'::regclass "
		"  AND i.refobjid = v.view AND i.classid = 'pg_catalog.pg_class'::regclass AND i.deptype = 'i') "
		"AND c.relnamespace <> 'streambatch_state'::regnamespace AND p.part IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass "
		"  AND d.objid = p.part AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = v.view AND d.deptype = 'i')"};
	StatementCall call;
	bool added;
	bool isnull;

	statement_run(&call, &s, NULL, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		Oid part = DatumGetObjectId(statement_get(i, 1, &isnull));
		Oid view = DatumGetObjectId(statement_get(i, 2, &isnull));
		ObjectAddress depender;
		ObjectAddress referenced;

		/* the next command adds it, unless another session drops the view now */
		if (!ConditionalLockRelationOid(view, AccessShareLock))
			continue;
		ObjectAddressSet(depender, RelationRelationId, part);
		ObjectAddressSet(referenced, RelationRelationId, view);
		if (get_rel_name(view) != NULL)
			recordDependencyOn(&depender, &referenced, DEPENDENCY_INTERNAL);
	}
	added = call.nrows > 0;
	statement_finish(&call);
	if (!added)
		return;
	CommandCounterIncrement();
	catalog_follow_owners();
}

Oid
catalog_require_archive(Oid stream)
{
	static Statement find = {
		"UPDATE streambatch._stream s SET archive = pg_catalog.to_regclass(s.names[2]), names = NULL "
		"WHERE s.stream = $1 AND pg_catalog.to_regclass(s.names[2]) IS NOT NULL RETURNING s.archive::oid",
		1,
		{REGCLASSOID}};
	static Statement missing = {
		"SELECT s.names[2] FROM streambatch._stream s WHERE s.stream = $1 AND s.names IS NOT NULL",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};
	Datum found;
	char *name;

	if (catalog_is_first_version())
		return InvalidOid;
	if (statement_run_value(&find, values, &found))
		return DatumGetObjectId(found);
	name = statement_run_text(&missing, values);
	if (name != NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("archive %s of stream \"%s\" does not exist", name, get_rel_name(stream)),
			 errdetail("The stream was restored from a dump without its archive."),
			 errhint(
				 "Restore the table from the dump, or create it with the stream's columns, and try again.")));
	return InvalidOid;
}

Oid
catalog_this_database(void)
{
	struct
	{
		uint64 system;
		uint64 database;
	} key = {GetSystemIdentifier(), MyDatabaseId};

	if (catalog_is_first_version())
		return MyDatabaseId;
	return hash_bytes((const unsigned char *) &key, sizeof(key));
}

static void
check_caller(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(((TriggerData *) fcinfo->context)->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(((TriggerData *) fcinfo->context)->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(((TriggerData *) fcinfo->context)->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this function can only be called by a trigger BEFORE INSERT of a row")));
}

/* InvalidOid: there is none of this name. */
static Oid
find_relation(Datum name)
{
	List *names = textToQualifiedNameList(DatumGetTextPP(name));

	return RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true);
}

static HeapTuple
with_value(Relation relation, HeapTuple tuple, const char *column, Datum value, bool isnull)
{
	int number = SPI_fnumber(RelationGetDescr(relation), column);

	return heap_modify_tuple_by_cols(tuple, RelationGetDescr(relation), 1, &number, &value, &isnull);
}

/* The name of the archive alone is kept: see the constraint restored_by_trigger. */
static Datum
without_first(Datum names)
{
	int first = 1;

	return array_set_element(names, 1, &first, (Datum) 0, true, -1, -1, false, TYPALIGN_INT);
}

/* One warning for a stream or view; that its other rows are left out goes without saying. */
static void
warn_left_out(Relation relation, Datum name, Datum missing)
{
	bool stream = strcmp(RelationGetRelationName(relation), "_stream") == 0;

	if (stream || strcmp(RelationGetRelationName(relation), "_view") == 0)
		ereport(WARNING, (errcode(ERRCODE_UNDEFINED_TABLE),
						  errmsg("%s %s is not restored", stream ? "stream" : "hybrid view",
								 TextDatumGetCString(name)),
						  errdetail("Relation %s does not exist.", TextDatumGetCString(missing))));
}

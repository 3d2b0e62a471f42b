/*
 * catalog_shadow.c
 *		Shadows of hybrid views in the extension's tables (see catalog_shadow.h).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/catalog_merged.h"
#include "common/catalog_shadow.h"
#include "common/catalog_statement.h"
#include "common/view_parts.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* i: the internal dependency of a relation p on the view $1. */
#define PARTS_OF_VIEW                                                                                        \
	"FROM pg_catalog.pg_depend i JOIN pg_catalog.pg_class p ON p.oid = i.objid "                             \
	"WHERE i.classid = 'pg_catalog.pg_class'::regclass AND i.refclassid = 'pg_catalog.pg_class'::regclass "  \
	"AND i.refobjid = $1 AND i.deptype = 'i' AND p.relnamespace "

static Oid whole_of(Oid shadow);

bool
catalog_is_shadow(Oid view)
{
	Oid nsp = get_namespace_oid("streambatch_state", true);

	return OidIsValid(nsp) && get_rel_namespace(view) == nsp;
}

char *
catalog_view_name(Oid view)
{
	char *name = get_rel_name(catalog_is_shadow(view) ? whole_of(view) : view);

	return name != NULL ? name : pstrdup("?");
}

void
catalog_set_building(Oid shadow)
{
	static Statement s = {
		"UPDATE streambatch._view SET state = 'building' WHERE view = $1", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(shadow)};

	statement_run_only(&s, values, NULL);
}

List *
catalog_shadows(Oid view)
{
	static Statement s = {
		"SELECT v.id FROM streambatch._view v WHERE v.view::oid IN (SELECT p.oid " PARTS_OF_VIEW
		"= 'streambatch_state'::regnamespace)",
		1,
		{OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};

	return statement_run_list(&s, values);
}

bool
catalog_shadow_exists(int32 id)
{
	static Statement s = {"SELECT true FROM streambatch._view v JOIN pg_catalog.pg_class c ON c.oid = v.view "
						  "WHERE v.id = $1 AND c.relnamespace = 'streambatch_state'::regnamespace",
						  1,
						  {INT4OID}};
	Datum values[1] = {Int32GetDatum(id)};
	Datum found;

	return statement_run_value(&s, values, &found);
}

Oid
catalog_layers_of(Oid view)
{
	static Statement s = {
		"SELECT p.oid " PARTS_OF_VIEW "<> 'streambatch_state'::regnamespace AND NOT EXISTS "
		"(SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = p.oid AND " CATALOG_STATES_COLUMN ")",
		1,
		{OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	Datum layers;

	return statement_run_value(&s, values, &layers) ? DatumGetObjectId(layers) : InvalidOid;
}

char *
catalog_options_of(Oid view)
{
	static Statement s = {
		"SELECT 'WITH (' || pg_catalog.array_to_string(reloptions, ', ') || ')' FROM pg_catalog.pg_class WHERE oid = $1",
		1,
		{OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	char *options = statement_run_text(&s, values);

	return options != NULL ? options : pstrdup("");
}

void
catalog_replace_by_shadow(int32 id, int32 shadow_id)
{
#define OF_IDS                                                                                               \
	2,                                                                                                       \
	{                                                                                                        \
		INT4OID, INT4OID                                                                                     \
	}
	static Statement statements[] = {
		{"DELETE FROM streambatch._coverage WHERE view_id = $1 AND $2 > 0", OF_IDS},
		{"DELETE FROM streambatch._dirty WHERE view_id = $1 AND $2 > 0", OF_IDS},
		{"UPDATE streambatch._dirty SET view_id = $1 WHERE view_id = $2", OF_IDS},
		{"UPDATE streambatch._coverage SET view_id = $1 WHERE view_id = $2", OF_IDS},
		{"UPDATE streambatch._run SET state = 'failed', error_sqlstate = '57014', error = 'the view was rebuilt', "
		 "ended_at = pg_catalog.clock_timestamp() WHERE view_id = $1 AND state = 'running' AND $2 > 0",
		 OF_IDS},
		{"UPDATE streambatch._run SET view_id = $1 WHERE view_id = $2", OF_IDS},
		{"DELETE FROM streambatch._dead_letter WHERE view = (SELECT view FROM streambatch._view WHERE id = $1) AND $2 > 0",
		 OF_IDS},
		{"UPDATE streambatch._dead_letter SET view = (SELECT view FROM streambatch._view WHERE id = $1) "
		 "WHERE view = (SELECT view FROM streambatch._view WHERE id = $2)",
		 OF_IDS},
		{"UPDATE streambatch._view v SET epoch = s.epoch, settings = s.settings, query = s.query, state = 'active', "
		 "  error_sqlstate = NULL, error_message = NULL, suspended_at = NULL, suspended_epoch = s.suspended_epoch, "
		 "  complete_from = NULL FROM streambatch._view s WHERE v.id = $1 AND s.id = $2",
		 OF_IDS},
		{"DELETE FROM streambatch._view WHERE $1 > 0 AND id = $2", OF_IDS},
	};
	Datum values[2] = {Int32GetDatum(id), Int32GetDatum(shadow_id)};

	for (int i = 0; i < lengthof(statements); i++)
		statement_run_only(&statements[i], values, NULL);
}

void
catalog_drop_shadow(int32 id)
{
	static Statement statements[] = {
		{"UPDATE streambatch._run SET state = 'failed', error_sqlstate = '57P01', error = 'interrupted', "
		 "ended_at = pg_catalog.clock_timestamp() WHERE view_id = $1 AND state = 'running'",
		 1,
		 {INT4OID}},
		{"DELETE FROM streambatch._coverage WHERE view_id = $1", 1, {INT4OID}},
		{"DELETE FROM streambatch._dirty WHERE view_id = $1", 1, {INT4OID}},
		{"DELETE FROM streambatch._dead_letter WHERE view = (SELECT view FROM streambatch._view WHERE id = $1)",
		 1,
		 {INT4OID}},
		{"UPDATE streambatch._stream SET generation = generation + 1 "
		 "WHERE stream = (SELECT stream FROM streambatch._view WHERE id = $1)",
		 1,
		 {INT4OID}},
		{"DELETE FROM streambatch._view WHERE id = $1", 1, {INT4OID}},
	};
	Datum values[1] = {Int32GetDatum(id)};
	Oid query = view_part(id, "query");

	/* tables before rows, as the worker locks them */
	view_parts_drop(id, DROP_CASCADE);
	for (int i = 0; i < lengthof(statements); i++)
		statement_run_only(&statements[i], values, NULL);
	if (OidIsValid(query))
		view_parts_drop_query(id, whole_of(query));
	CommandCounterIncrement();
}

/* The view that a shadow, or another part, is of. */
static Oid
whole_of(Oid shadow)
{
	static Statement s = {
		"SELECT refobjid FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = $1 "
		"AND refclassid = 'pg_catalog.pg_class'::regclass AND deptype = 'i' LIMIT 1",
		1,
		{OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(shadow)};
	Datum view;

	return statement_run_value(&s, values, &view) ? DatumGetObjectId(view) : InvalidOid;
}

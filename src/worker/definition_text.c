/*
 * definition_text.c
 *		What a worker depends on in the definition of its stream, as a text to compare (see definition_text.h).
 *
 * The catalogs invalidate more than what has changed for a worker: a GRANT on the stream or its server, ANALYZE of
 * the foreign table, any user mapping of the server's cluster. Only when this text differs does the worker
 * restart. Each part is preceded by its length, so that no two definitions have the same text.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "kafka/properties.h"
#include "lib/stringinfo.h"
#include "utils/syscache.h"
#include "worker/definition_text.h"

static Oid append_relation(StringInfo buf, Oid relid);
static void append_column(StringInfo buf, Oid relid, AttrNumber attnum);
static void append_options(StringInfo buf, List *options);
static void append_part(StringInfo buf, const char *part);

char *
definition_text(Oid relid)
{
	StringInfoData buf;
	ForeignTable *table;
	ForeignServer *server;
	Oid owner;

	initStringInfo(&buf);
	owner = append_relation(&buf, relid);
	if (!OidIsValid(owner))
		return NULL;
	table = GetForeignTable(relid);
	server = GetForeignServer(table->serverid);
	append_options(&buf, table->options);
	appendStringInfo(&buf, "%u %u ", server->serverid, server->owner);
	append_options(&buf, server->options);
	append_options(&buf, properties_of_mapping(owner, server->serverid));
	return buf.data;
}

/* Append the foreign table without its options. Returns its owner; InvalidOid: there is no such table. */
static Oid
append_relation(StringInfo buf, Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class rel;
	Oid owner;
	int natts;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	rel = (Form_pg_class) GETSTRUCT(tuple);
	owner = rel->relowner;
	natts = rel->relnatts;
	append_part(buf, NameStr(rel->relname));
	appendStringInfo(buf, "%u %u %d ", rel->relnamespace, owner, natts);
	ReleaseSysCache(tuple);
	for (int i = 1; i <= natts; i++)
		append_column(buf, relid, i);
	return owner;
}

static void
append_column(StringInfo buf, Oid relid, AttrNumber attnum)
{
	HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
	Form_pg_attribute att;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "could not find column %d of relation %u", attnum, relid);
	att = (Form_pg_attribute) GETSTRUCT(tuple);
	append_part(buf, NameStr(att->attname));
	appendStringInfo(buf, "%u %d %u %d ", att->atttypid, att->atttypmod, att->attcollation,
					 att->attisdropped);
	ReleaseSysCache(tuple);
	append_options(buf, GetForeignColumnOptions(relid, attnum));
}

static void
append_options(StringInfo buf, List *options)
{
	ListCell *lc;

	appendStringInfo(buf, "%d ", list_length(options));
	foreach (lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);

		append_part(buf, def->defname);
		append_part(buf, defGetString(def));
	}
}

static void
append_part(StringInfo buf, const char *part)
{
	appendStringInfo(buf, "%zu:%s ", strlen(part), part);
}

/*
 * merged_view.c
 *		streambatch.create_merged_view(): one view over the hybrid views of several servers.
 *
 * Each server reads its own partitions of a topic and has the same hybrid view, whose states it lets others read
 * (states_view.c). Here, for a view v with number 7 over two servers, there are
 *
 *		v, v_layers								the views for users, owned by the creator, with the query's columns
 *		streambatch_state.node_7_1, node_7_2	foreign tables over <view>_states: partial aggregates
 *		streambatch_state.info_7_1, info_7_2	foreign tables over streambatch.states_view: definition, watermark
 *
 * The views are those of the hybrid view, over the states of all servers instead of two state tables: their text comes
 * from the servers, who must agree on it. Functions in it are executed by readers, as in any view. Types and collations
 * are looked up here.
 *
 * There is no row in the extension's tables: foreign tables that no view reads any more are dropped by the event trigger
 * on DROP (common/catalog_merged.c). The foreign tables belong to the view's owner, whose user mappings are used.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/tablecmds.h"
#include "common/catalog_view.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "parser/parser.h"
#include "query/serving_sql.h"
#include "stream/partition_set.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/ruleutils.h"
#include "utils/varlena.h"

/* The parts of a definition: see states_view.c. */
#define PART_QUERY 0
#define PART_SETTINGS 1
#define PART_SERVING 2
#define PART_LAYERS 3
#define PART_COLUMNS 4
#define COLUMN_PARTS 3 /* name, type, collation */

/* What a server has read of a partition. */
typedef struct ReadRange
{
	int32 partition;
	int64 first;
	int64 next;
} ReadRange;

/* What a server says of its hybrid view. */
typedef struct MergedNode
{
	ForeignServer *server;
	char *states_schema;
	char *states_name;
	char *definition_column;
	int nparts;
	char **parts;
	char *topic;
	PartitionSet *partitions; /* NULL: all */
	int npositions;
	ReadRange *positions; /* of partitions that were read */
} MergedNode;

typedef struct Merge
{
	Oid owner;
	Oid namespace;
	char *relname;
	char *name; /* qualified and quoted */
	char *layers;
	char *remote_schema;
	char *remote_name;
	int32 id;
	int n;
	MergedNode *nodes;
} Merge;

static void parse_name(Merge *m, text *name);
static void parse_view(Merge *m, text *view);
static void open_servers(Merge *m, ArrayType *servers);
static ForeignServer *open_server(const char *name);
static void create_info(const Merge *m, int i);
static void ask(Merge *m, int i);
static void read_answer(MergedNode *node);
static void read_positions(MergedNode *node);
static char *get_text(int column);
pg_noreturn static void raise_no_states(const Merge *m, int i);
static void check_agreement(const Merge *m);
static void check_same(const Merge *m, int i);
static void check_disjoint(const Merge *m, int i, int j);
static void warn_counted(const Merge *m, int i, int j);
static void create_states(const Merge *m, int i);
static char *column_ddl(const MergedNode *node, int i);
static void create_part(const Merge *m, const char *kind, int i, const char *columns, const char *options);
static void create_views(const Merge *m);
static void create_view(const char *name, const char *query);
static char *fill_in(const Merge *m, const char *query);
static void append_rows(StringInfo buf, const Merge *m, const char *condition);
static void append_clock(StringInfo buf, const Merge *m);
static void link_views(const Merge *m, Oid view);
static void run(const char *sql, int expected);

STREAMBATCH_FUNCTION(streambatch_create_merged_view);

Datum
streambatch_create_merged_view(PG_FUNCTION_ARGS)
{
	Merge m = {0};
	Oid view;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("name and servers of create_merged_view must not be null")));
	m.owner = GetUserId();
	parse_name(&m, PG_GETARG_TEXT_PP(0));
	parse_view(&m, PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2));
	open_servers(&m, PG_GETARG_ARRAYTYPE_P(1));
	m.id = catalog_next_view_id();
	for (int i = 0; i < m.n; i++)
	{
		create_info(&m, i);
		ask(&m, i);
	}
	check_agreement(&m);
	for (int i = 0; i < m.n; i++)
		create_states(&m, i);
	create_views(&m);
	view = get_relname_relid(m.relname, m.namespace);
	link_views(&m, view);
	PG_RETURN_OID(view);
}

static void
parse_name(Merge *m, text *name)
{
	RangeVar *rv = makeRangeVarFromNameList(textToQualifiedNameList(name));
	char *layers = psprintf("%s_layers", rv->relname);
	Oid existing;

	/* checks CREATE on the schema */
	m->namespace = RangeVarGetAndCheckCreationNamespace(rv, NoLock, &existing);
	if (OidIsValid(existing) || OidIsValid(get_relname_relid(layers, m->namespace)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", OidIsValid(existing) ? rv->relname : layers),
				 errhint("create_merged_view creates the views \"%s\" and \"%s\"; choose another name.",
						 rv->relname, layers)));
	if (rv->relpersistence == RELPERSISTENCE_TEMP || isTempNamespace(m->namespace))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a merged view cannot be temporary")));
	if (strlen(layers) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name \"%s\" is too long for a merged view", rv->relname),
				 errhint("The name \"%s\" must not be longer than %d bytes.", layers, NAMEDATALEN - 1)));
	m->relname = rv->relname;
	m->name = quote_qualified_identifier(get_namespace_name(m->namespace), rv->relname);
	m->layers = quote_qualified_identifier(get_namespace_name(m->namespace), layers);
}

/* The name of the hybrid view on the servers: the same as here, if it is not given. */
static void
parse_view(Merge *m, text *view)
{
	RangeVar *rv = view != NULL ? makeRangeVarFromNameList(textToQualifiedNameList(view)) : NULL;

	m->remote_schema =
		rv != NULL && rv->schemaname != NULL ? rv->schemaname : get_namespace_name(m->namespace);
	m->remote_name = rv != NULL ? rv->relname : m->relname;
}

static void
open_servers(Merge *m, ArrayType *servers)
{
	Datum *names;
	bool *nulls;

	deconstruct_array(servers, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &names, &nulls, &m->n);
	if (m->n == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a merged view needs at least one server"),
			 errhint("Use servers => ARRAY['…', '…'], with the names of foreign servers of postgres_fdw.")));
	m->nodes = palloc0(m->n * sizeof(MergedNode));
	for (int i = 0; i < m->n; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("the name of a server must not be null")));
		m->nodes[i].server = open_server(NameStr(*DatumGetName(names[i])));
		for (int j = 0; j < i; j++)
		{
			if (m->nodes[i].server->serverid == m->nodes[j].server->serverid)
				ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
								errmsg("server \"%s\" is named twice", m->nodes[i].server->servername)));
		}
	}
}

static ForeignServer *
open_server(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, false);

	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, "postgres_fdw") != 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("server \"%s\" is not a server of postgres_fdw", name),
			 errhint(
				 "Use CREATE SERVER … FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '…', dbname '…').")));
	if (compat_server_aclcheck(server->serverid, GetUserId(), ACL_USAGE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_SERVER, name);
	return server;
}

static void
create_info(const Merge *m, int i)
{
	create_part(
		m, "info", i,
		"view_schema pg_catalog.text, view_name pg_catalog.text, states_schema pg_catalog.text, "
		"states_name pg_catalog.text, definition_column pg_catalog.text, definition pg_catalog.text[], "
		"topic pg_catalog.text, partitions pg_catalog.text, positions pg_catalog.text[], flushed_at pg_catalog.timestamptz, "
		"watermark pg_catalog.timestamptz",
		"schema_name 'streambatch', table_name 'states_view'");
}

/* Read what the server says of its view, as the caller. */
static void
ask(Merge *m, int i)
{
	MemoryContext caller = CurrentMemoryContext;
	Guard guard;

	guard_enter(&guard, m->owner, NULL);
	SPI_connect();
	run(psprintf(
			"SELECT states_schema, states_name, definition_column, definition, topic, partitions, positions "
			"FROM streambatch_state.info_%d_%d WHERE view_schema = %s AND view_name = %s",
			m->id, i + 1, quote_literal_cstr(m->remote_schema), quote_literal_cstr(m->remote_name)),
		SPI_OK_SELECT);
	if (SPI_processed != 1)
		raise_no_states(m, i);
	MemoryContextSwitchTo(caller);
	read_answer(&m->nodes[i]);
	SPI_finish();
	guard_leave(&guard);
}

/* In the current context. */
static void
read_answer(MergedNode *node)
{
	char *partitions = get_text(6);
	Datum *parts;
	bool isnull;
	Datum definition = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 4, &isnull);

	node->states_schema = get_text(1);
	node->states_name = get_text(2);
	node->definition_column = get_text(3);
	node->topic = get_text(5);
	node->partitions = partitions != NULL ? partition_set_parse(partitions) : NULL;
	if (!isnull)
		deconstruct_array(DatumGetArrayTypePCopy(definition), TEXTOID, -1, false, TYPALIGN_INT, &parts, NULL,
						  &node->nparts);
	read_positions(node);
	node->parts = palloc((node->nparts + 1) * sizeof(char *));
	for (int i = 0; i < node->nparts; i++)
		node->parts[i] = TextDatumGetCString(parts[i]);
	if (node->nparts < PART_COLUMNS || (node->nparts - PART_COLUMNS) % COLUMN_PARTS != 0 ||
		node->topic == NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
						errmsg("server \"%s\" describes its hybrid view in an unknown way",
							   node->server->servername),
						errhint("Use the same version of pg_streambatch on all servers.")));
}

static void
read_positions(MergedNode *node)
{
	bool isnull;
	Datum positions = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 7, &isnull);
	Datum *elems;
	bool *nulls;

	if (isnull)
		return;
	deconstruct_array(DatumGetArrayTypePCopy(positions), TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  &node->npositions);
	node->positions = palloc0((node->npositions + 1) * sizeof(ReadRange));
	for (int i = 0; i < node->npositions; i++)
	{
		ReadRange *range = &node->positions[i];
		long long first;
		long long next;

		if (nulls[i] ||
			sscanf(TextDatumGetCString(elems[i]), "%d:%lld-%lld", &range->partition, &first, &next) != 3)
			ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
							errmsg("server \"%s\" describes its positions in an unknown way",
								   node->server->servername)));
		range->first = first;
		range->next = next;
	}
}

static char *
get_text(int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static void
raise_no_states(const Merge *m, int i)
{
	char *view = quote_qualified_identifier(m->remote_schema, m->remote_name);

	ereport(
		ERROR,
		(errcode(ERRCODE_UNDEFINED_TABLE),
		 errmsg("server \"%s\" has no hybrid view %s whose states may be read",
				m->nodes[i].server->servername, view),
		 errhint(
			 "On that server, use SELECT streambatch.create_states_view(%s), and grant SELECT on the hybrid view and on the view of its states to the role of the user mapping.",
			 quote_literal_cstr(view))));
}

/* All servers must count the same, each of other events. */
static void
check_agreement(const Merge *m)
{
	for (int i = 1; i < m->n; i++)
	{
		check_same(m, i);
		for (int j = 0; j < i; j++)
		{
			check_disjoint(m, j, i);
			warn_counted(m, i, j);
			warn_counted(m, j, i);
		}
	}
}

static void
check_same(const Merge *m, int i)
{
	static const char *const names[] = {"query", "settings", "query", "query or allowed_lateness",
										"type of a column"};
	const MergedNode *first = &m->nodes[0];
	const MergedNode *node = &m->nodes[i];

	if (strcmp(first->topic, node->topic) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("servers \"%s\" and \"%s\" read different topics", first->server->servername,
							   node->server->servername),
						errdetail("The topics are \"%s\" and \"%s\".", first->topic, node->topic)));
	for (int p = 0; p < Max(first->nparts, node->nparts); p++)
	{
		if (p < Min(first->nparts, node->nparts) && strcmp(first->parts[p], node->parts[p]) == 0)
			continue;
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("hybrid view %s has different definitions on servers \"%s\" and \"%s\"",
					quote_qualified_identifier(m->remote_schema, m->remote_name), first->server->servername,
					node->server->servername),
			 p < Min(first->nparts, node->nparts)
				 ? errdetail("They differ in: %s: %s; %s.", names[Min(p, PART_COLUMNS)], first->parts[p],
							 node->parts[p])
				 : 0,
			 errhint(
				 "Create the stream and the hybrid view with the same statements and settings on all servers; streambatch.query() shows the query.")));
	}
	if (strcmp(first->definition_column, node->definition_column) != 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg(
				 "what hybrid view %s reads was renamed on server \"%s\" or \"%s\" after its view of states was created",
				 quote_qualified_identifier(m->remote_schema, m->remote_name), first->server->servername,
				 node->server->servername),
			 errhint(
				 "Drop the hybrid views and create them again, or undo the renaming where it was done later.")));
}

static void
check_disjoint(const Merge *m, int i, int j)
{
	int32 common = partition_set_common(m->nodes[i].partitions, m->nodes[j].partitions);

	if (common < 0)
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 errmsg("servers \"%s\" and \"%s\" both read partition %d of topic \"%s\"",
				m->nodes[i].server->servername, m->nodes[j].server->servername, common, m->nodes[i].topic),
		 errdetail("Its events would be counted twice."),
		 errhint(
			 "Give the streams disjoint partitions: ALTER FOREIGN TABLE … OPTIONS (ADD partitions '…').")));
}

/*
 * One server has read a partition that another one reads now. What lies below the position of the first is counted
 * twice, if the second has not begun there.
 */
static void
warn_counted(const Merge *m, int i, int j)
{
	const MergedNode *old = &m->nodes[i];
	const MergedNode *new = &m->nodes[j];

	for (int a = 0; a < old->npositions; a++)
	{
		const ReadRange *read = &old->positions[a];
		int64 first = 0;
		bool reads = partition_set_has(new->partitions, read->partition);

		for (int b = 0; b < new->npositions; b++)
		{
			if (new->positions[b].partition != read->partition)
				continue;
			first = new->positions[b].first;
			reads |= new->positions[b].next > first;
		}
		if (reads && read->next > first && first >= read->first)
			ereport(
				WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("events of partition %d of topic \"%s\" may be counted twice", read->partition,
						old->topic),
				 errdetail(
					 "Server \"%s\" has read it up to offset %lld, and server \"%s\" from offset %lld on.",
					 old->server->servername, (long long) read->next, new->server->servername,
					 (long long) first),
				 errhint("A server that takes a partition over begins where streambatch.start_at() says.")));
	}
}

static void
create_states(const Merge *m, int i)
{
	const MergedNode *node = &m->nodes[i];
	StringInfoData columns;

	initStringInfo(&columns);
	appendStringInfoString(&columns, "batch pg_catalog.bool");
	for (int p = PART_COLUMNS; p < node->nparts; p += COLUMN_PARTS)
		appendStringInfo(&columns, ", %s", column_ddl(node, p));
	appendStringInfo(&columns,
					 ", as_of pg_catalog.timestamptz, definition pg_catalog.bool OPTIONS (column_name %s)",
					 quote_literal_cstr(node->definition_column));
	/* of partial rows there are many; and the servers are to work at the same time */
	create_part(m, "node", i, columns.data,
				psprintf("schema_name %s, table_name %s, fetch_size '1000', async_capable 'true'",
						 quote_literal_cstr(node->states_schema), quote_literal_cstr(node->states_name)));
}

/* A column of the states, with the type and collation of this name here. */
static char *
column_ddl(const MergedNode *node, int i)
{
	const char *collation = node->parts[i + 2];
	Oid type;
	int32 typmod;
	char *result;

	compat_parse_type(node->parts[i + 1], &type, &typmod);
	result =
		psprintf("%s %s", quote_identifier(node->parts[i]),
				 format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	if (collation[0] == '\0')
		return result;
	return psprintf("%s COLLATE %s", result,
					generate_collation_name(
						get_collation_oid(textToQualifiedNameList(cstring_to_text(collation)), false)));
}

/* Create a foreign table in streambatch_state, where only the bootstrap superuser may, for the caller. */
static void
create_part(const Merge *m, const char *kind, int i, const char *columns, const char *options)
{
	char *name = psprintf("%s_%d_%d", kind, m->id, i + 1);
	Oid relid;
	Guard guard;

	guard_enter(&guard, BOOTSTRAP_SUPERUSERID, NULL);
	SPI_connect();
	run(psprintf("CREATE FOREIGN TABLE streambatch_state.%s (%s) SERVER %s OPTIONS (%s)", name, columns,
				 quote_identifier(m->nodes[i].server->servername), options),
		SPI_OK_UTILITY);
	SPI_finish();
	CommandCounterIncrement();
	relid = get_relname_relid(name, get_namespace_oid("streambatch_state", false));
	if (m->owner != BOOTSTRAP_SUPERUSERID)
		ATExecChangeOwner(relid, m->owner, true, AccessExclusiveLock);
	CreateComments(relid, RelationRelationId, 0,
				   "internal: a part of a merged view: what another server knows");
	guard_leave(&guard);
	CommandCounterIncrement();
}

/* Create the views for users, as the caller. */
static void
create_views(const Merge *m)
{
	Guard guard;

	guard_enter(&guard, m->owner, NULL);
	SPI_connect();
	create_view(m->name, fill_in(m, m->nodes[0].parts[PART_SERVING]));
	create_view(m->layers, fill_in(m, m->nodes[0].parts[PART_LAYERS]));
	SPI_finish();
	guard_leave(&guard);
	CommandCounterIncrement();
}

/* Create a view of a query that comes from another server: it must be one, and nothing else. */
static void
create_view(const char *name, const char *query)
{
	char *sql = psprintf("CREATE VIEW %s AS %s", name, query);
	List *statements = raw_parser(sql, RAW_PARSE_DEFAULT);

	if (list_length(statements) != 1 || !IsA(linitial_node(RawStmt, statements)->stmt, ViewStmt))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR), errmsg("the definition from the first server is not a query")));
	run(sql, SPI_OK_UTILITY);
}

/* Put the foreign tables into the gaps of a query (serving_sql.h). */
static char *
fill_in(const Merge *m, const char *query)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (; *query != '\0'; query++)
	{
		if (*query == SQL_REMOTE_CLOCK)
			append_clock(&buf, m);
		else if (*query == SQL_REMOTE_ROWS)
			append_rows(&buf, m, "");
		else if (*query == SQL_REMOTE_ALL)
			append_rows(&buf, m, " WHERE definition");
		else if (*query == SQL_REMOTE_SERVED)
			append_rows(&buf, m, " WHERE definition AND " SQL_REMOTE_SERVES);
		else
			appendStringInfoChar(&buf, *query);
	}
	return buf.data;
}

/* The states of all servers, each with this condition. */
static void
append_rows(StringInfo buf, const Merge *m, const char *condition)
{
	const MergedNode *node = &m->nodes[0];

	for (int i = 0; i < m->n; i++)
	{
		appendStringInfo(buf, "%sSELECT batch", i == 0 ? "(" : " UNION ALL ");
		for (int p = PART_COLUMNS; p < node->nparts; p += COLUMN_PARTS)
			appendStringInfo(buf, ", %s", quote_identifier(node->parts[p]));
		appendStringInfo(buf, ", as_of, definition FROM streambatch_state.node_%d_%d u%s", m->id, i + 1,
						 condition);
	}
	appendStringInfoChar(buf, ')');
}

/* The least of all servers; NULL if one of them has none. */
static void
append_clock(StringInfo buf, const Merge *m)
{
	appendStringInfo(
		buf,
		"(SELECT CASE WHEN pg_catalog.count(flushed_at) = %1$d THEN pg_catalog.min(flushed_at) END AS flushed_at, "
		"CASE WHEN pg_catalog.count(watermark) = %1$d THEN pg_catalog.min(watermark) END AS watermark FROM (",
		m->n);
	for (int i = 0; i < m->n; i++)
		appendStringInfo(
			buf,
			"%sSELECT flushed_at, watermark FROM streambatch_state.info_%d_%d WHERE view_schema = %s AND view_name = %s",
			i == 0 ? "" : " UNION ALL ", m->id, i + 1, quote_literal_cstr(m->remote_schema),
			quote_literal_cstr(m->remote_name));
	appendStringInfoString(buf, ") i)");
}

static void
link_views(const Merge *m, Oid view)
{
	Oid layers = get_relname_relid(psprintf("%s_layers", m->relname), m->namespace);
	ObjectAddress depender;
	ObjectAddress referenced;

	ObjectAddressSet(depender, RelationRelationId, layers);
	ObjectAddressSet(referenced, RelationRelationId, view);
	recordDependencyOn(&depender, &referenced, DEPENDENCY_INTERNAL);
	CreateComments(view, RelationRelationId, 0,
				   "merged view: the results of hybrid views of several servers, from their states");
	CreateComments(
		layers, RelationRelationId, 0,
		"the groups of a merged view, with the results of each layer by itself, and how recent they are");
}

static void
run(const char *sql, int expected)
{
	int rc = SPI_execute(sql, false, 0);

	if (rc != expected)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(rc));
}

/*
 * utility_hook.c
 *		Hook on utility commands (see utility_hook.h).
 *
 * PostgreSQL refuses to drop, move or rename a database, or to copy it as a template, while other sessions are
 * connected to it. The workers of the database are stopped during the command, and restarted afterwards if the
 * database still exists.
 *
 * REASSIGN OWNED changes the owners of views without firing event triggers.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "common/catalog_ddl.h"
#include "common/catalog_restore.h"
#include "common/compat.h"
#include "common/slots.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "serve/utility_hook.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"

static ProcessUtility_hook_type previous = NULL;

static void process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
							ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *env,
							DestReceiver *dest, QueryCompletion *qc);
static bool is_allowed(Node *statement, Oid database);
static bool may_create_databases(void);
static bool is_template(Oid database);
static const char *exclusive_database(Node *statement);
static void release_database(int code, Datum database);

void
utility_hook_install(void)
{
	previous = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree, ProcessUtilityContext context,
				ParamListInfo params, QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	const char *name = slots_available() ? exclusive_database(pstmt->utilityStmt) : NULL;
	Oid database = name ? get_database_oid(name, true) : InvalidOid;
	ProcessUtility_hook_type run = previous ? previous : standard_ProcessUtility;
	/* checked before the command, which may free its tree */
	bool reassigns = IsA(pstmt->utilityStmt, ReassignOwnedStmt);
	bool drops = IsA(pstmt->utilityStmt, DropdbStmt);

	/* stop no workers if the command will fail: without ownership, or in one's own database, which can only be copied */
	if (!OidIsValid(database) || (database == MyDatabaseId && !IsA(pstmt->utilityStmt, CreatedbStmt)) ||
		!is_allowed(pstmt->utilityStmt, database))
	{
		run(pstmt, query, read_only_tree, context, params, env, dest, qc);
		if (reassigns && OidIsValid(get_extension_oid("pg_streambatch", true)))
		{
			CommandCounterIncrement();
			catalog_link_views();
			catalog_follow_owners();
		}
		return;
	}
	/* also if the command is canceled while it waits, or the session ends */
	PG_ENSURE_ERROR_CLEANUP(release_database, ObjectIdGetDatum(database));
	{
		slots_hold_database(database);
		run(pstmt, query, read_only_tree, context, params, env, dest, qc);
		if (drops)
			slots_forget_database(database);
	}
	PG_END_ENSURE_ERROR_CLEANUP(release_database, ObjectIdGetDatum(database));
	slots_release_database(database);
}

/* Whether the user may do this to the database; if not, the command will fail, and no worker is stopped for it. */
static bool
is_allowed(Node *statement, Oid database)
{
	if (compat_database_ownercheck(database, GetUserId()))
		return true;
	return IsA(statement, CreatedbStmt) && may_create_databases() && is_template(database);
}

static bool
may_create_databases(void)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	bool result = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

static bool
is_template(Oid database)
{
	HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool result = HeapTupleIsValid(tuple) && ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

/* The database that must have no connections during this command, or NULL. */
static const char *
exclusive_database(Node *statement)
{
	ListCell *lc;

	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) statement)->dbname;
		case T_RenameStmt:
			return ((RenameStmt *) statement)->renameType == OBJECT_DATABASE
					   ? ((RenameStmt *) statement)->subname
					   : NULL;
		case T_AlterDatabaseStmt:
			foreach (lc, ((AlterDatabaseStmt *) statement)->options)
			{
				if (strcmp(lfirst_node(DefElem, lc)->defname, "tablespace") == 0)
					return ((AlterDatabaseStmt *) statement)->dbname;
			}
			return NULL;
		case T_CreatedbStmt:
			foreach (lc, ((CreatedbStmt *) statement)->options)
			{
				DefElem *option = lfirst_node(DefElem, lc);

				if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
					return defGetString(option);
			}
			return "template1";
		default:
			return NULL;
	}
}

static void
release_database(int code, Datum database)
{
	slots_release_database(DatumGetObjectId(database));
}

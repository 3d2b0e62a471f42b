/*
 * event_triggers.c
 *		Event triggers: DROP and ALTER … OWNER of hybrid views and streams, and changes to a stream's definition.
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "common/catalog_ddl.h"
#include "common/export.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "nodes/parsenodes.h"
#include "serve/stream_setup.h"
#include "utils/lsyscache.h"

static void check_caller(FunctionCallInfo fcinfo);
static void drop_internal(List *views);

STREAMBATCH_FUNCTION(streambatch_on_drop);
STREAMBATCH_FUNCTION(streambatch_on_alter);
STREAMBATCH_FUNCTION(streambatch_on_define);

/* sql_drop: drop internal objects, delete catalog rows, and notify the workers. */
Datum
streambatch_on_drop(PG_FUNCTION_ARGS)
{
	List *streams;
	ListCell *lc;

	check_caller(fcinfo);
	/* lock tables before rows, in the same order as the worker */
	drop_internal(catalog_dropped_views());
	streams = catalog_forget_dropped();
	foreach (lc, streams)
		stream_nudge_at_commit(lfirst_oid(lc));
	PG_RETURN_NULL();
}

/* ddl_command_end: give the internal objects of a view to its new owner. */
Datum
streambatch_on_alter(PG_FUNCTION_ARGS)
{
	check_caller(fcinfo);
	catalog_follow_owners();
	PG_RETURN_NULL();
}

/* ddl_command_end: the command may have fixed the error that stopped a stream. */
Datum
streambatch_on_define(PG_FUNCTION_ARGS)
{
	Node *command;
	Oid server = InvalidOid;
	List *streams;
	ListCell *lc;

	check_caller(fcinfo);
	/* the server of a dropped user mapping is known only from the command */
	command = ((EventTriggerData *) fcinfo->context)->parsetree;
	if (IsA(command, DropUserMappingStmt))
		server = get_foreign_server_oid(((DropUserMappingStmt *) command)->servername, true);
	streams = catalog_altered_streams(server);
	foreach (lc, streams)
		stream_retry_at_commit(lfirst_oid(lc));
	PG_RETURN_NULL();
}

static void
check_caller(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this function can only be called by an event trigger")));
}

/* Drop the state tables and the merged views of dropped views. */
static void
drop_internal(List *views)
{
	static const char *const objects[] = {"merged", "stream", "batch", "cuts", "clock"};
	Oid nsp = get_namespace_oid("streambatch_state", false);
	ObjectAddresses *addresses = new_object_addresses();
	ListCell *lc;

	foreach (lc, views)
	{
		for (int i = 0; i < lengthof(objects); i++)
		{
			Oid relid = get_relname_relid(psprintf("%s_%d", objects[i], lfirst_int(lc)), nsp);
			ObjectAddress address;

			/* DROP … CASCADE may have dropped them already */
			if (!OidIsValid(relid))
				continue;
			ObjectAddressSet(address, RelationRelationId, relid);
			add_exact_object_address(&address, addresses);
		}
	}
	performMultipleDeletions(addresses, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	free_object_addresses(addresses);
}

/*
 * event_triggers.c
 *		What a DROP or a new owner of a hybrid view takes along, and what streams are told when they are altered.
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

/* sql_drop: rows go with the views and streams that they are of; workers are told. */
Datum
streambatch_on_drop(PG_FUNCTION_ARGS)
{
	List *streams;
	ListCell *lc;

	check_caller(fcinfo);
	/* tables before rows, as the worker locks them */
	drop_internal(catalog_dropped_views());
	streams = catalog_forget_dropped();
	foreach (lc, streams)
		stream_nudge_at_commit(lfirst_oid(lc));
	PG_RETURN_NULL();
}

/* ddl_command_end: a view's new owner owns all of it. */
Datum
streambatch_on_alter(PG_FUNCTION_ARGS)
{
	check_caller(fcinfo);
	catalog_follow_owners();
	PG_RETURN_NULL();
}

/* ddl_command_end: what is altered may be what a stream has stopped for. */
Datum
streambatch_on_define(PG_FUNCTION_ARGS)
{
	Node *command;
	Oid server = InvalidOid;
	List *streams;
	ListCell *lc;

	check_caller(fcinfo);
	/* a mapping that is gone does not tell its server any more */
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

/* The states of dropped views, and what merges them. */
static void
drop_internal(List *views)
{
	static const char *const objects[] = {"merged", "stream", "batch"};
	Oid nsp = get_namespace_oid("streambatch_state", false);
	ObjectAddresses *addresses = new_object_addresses();
	ListCell *lc;

	foreach (lc, views)
	{
		for (int i = 0; i < lengthof(objects); i++)
		{
			Oid relid = get_relname_relid(psprintf("%s_%d", objects[i], lfirst_int(lc)), nsp);
			ObjectAddress address;

			/* DROP … CASCADE may have begun with them */
			if (!OidIsValid(relid))
				continue;
			ObjectAddressSet(address, RelationRelationId, relid);
			add_exact_object_address(&address, addresses);
		}
	}
	performMultipleDeletions(addresses, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	free_object_addresses(addresses);
}

/*
 * event_triggers.c
 *		Event triggers: DROP and ALTER … OWNER of hybrid views and streams, and changes to a stream's definition.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "common/archive_triggers.h"
#include "common/catalog_ddl.h"
#include "common/catalog_dirty.h"
#include "common/catalog_merged.h"
#include "common/catalog_restore.h"
#include "common/export.h"
#include "common/view_parts.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "serve/archive_partitions.h"
#include "serve/schedule.h"
#include "serve/stream_setup.h"
#include "utils/lsyscache.h"

static void check_caller(FunctionCallInfo fcinfo);
static void refuse_part(const ViewPart *part);
static bool relies_on_links(const EventTriggerData *event);
static bool changes_owner(const Node *command);
static DropBehavior behavior_of(const Node *command);
static void drop_relations(List *relations, DropBehavior behavior);
static RangeVar *early_relation(const Node *command);

STREAMBATCH_FUNCTION(streambatch_on_drop);
STREAMBATCH_FUNCTION(streambatch_on_start);
STREAMBATCH_FUNCTION(streambatch_on_alter);
STREAMBATCH_FUNCTION(streambatch_on_define);

/* sql_drop: drop internal objects, delete catalog rows, and notify the workers. */
Datum
streambatch_on_drop(PG_FUNCTION_ARGS)
{
	EventTriggerData *event;
	ViewPart part;
	List *dropped;
	List *streams;
	ListCell *lc;

	check_caller(fcinfo);
	event = (EventTriggerData *) fcinfo->context;
	/* DROP OWNED names the parts of a view as well as the view */
	if (!superuser() && event->tag != CMDTAG_DROP_OWNED && catalog_dropped_part(&part))
		refuse_part(&part);
	drop_relations(catalog_merged_layers(), behavior_of(event->parsetree));
	drop_relations(catalog_merged_unused(), DROP_RESTRICT);
	/* lock tables before rows, in the same order as the worker */
	dropped = catalog_dropped_views();
	foreach (lc, dropped)
		view_parts_drop(lfirst_int(lc), behavior_of(event->parsetree));
	schedule_forget(dropped);
	foreach (lc, catalog_dropped_archives())
		archive_triggers_remove(lfirst_oid(lc));
	foreach (lc, catalog_forget_tracked())
	{
		if (!catalog_is_watched(lfirst_oid(lc)))
			archive_triggers_remove(lfirst_oid(lc));
	}
	catalog_forget_marks();
	streams = catalog_forget_dropped();
	foreach (lc, streams)
		stream_nudge_at_commit(lfirst_oid(lc));
	PG_RETURN_NULL();
}

/*
 * ddl_command_start: add what commands that drop something rely on, in a restored or upgraded database. Refuse changes of a
 * view's parts that cannot be undone, or seen, at the end of the command: CONCURRENTLY commits in between, SET SCHEMA
 * takes the part away.
 */
Datum
streambatch_on_start(PG_FUNCTION_ARGS)
{
	EventTriggerData *event;
	RangeVar *relation;
	ViewPart part;

	check_caller(fcinfo);
	event = (EventTriggerData *) fcinfo->context;
	if (relies_on_links(event))
		catalog_link_views();
	relation = early_relation(event->parsetree);
	if (relation != NULL && !superuser() && catalog_is_part(RangeVarGetRelid(relation, NoLock, true), &part))
		refuse_part(&part);
	PG_RETURN_NULL();
}

/*
 * ddl_command_end: refuse changes of a view's parts and of its query; give the parts of a view to its new owner.
 * Only the objects of this command are looked at: nobody's command fails because of what somebody else has done.
 */
Datum
streambatch_on_alter(PG_FUNCTION_ARGS)
{
	ViewPart part;
	char *replaced;

	check_caller(fcinfo);
	/* superusers may, as pg_restore does */
	if (!superuser() && catalog_altered_part(&part))
		refuse_part(&part);
	replaced = catalog_replaced_view();
	if (replaced != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("cannot replace hybrid view \"%s\"", replaced),
				 errhint("Use DROP VIEW first, or choose another name for the new view.")));
	catalog_follow_owners();
	catalog_merged_follow_owners();
	archive_partitions_follow(((EventTriggerData *) fcinfo->context)->parsetree);
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

static void
refuse_part(const ViewPart *part)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("cannot change the definition of \"%s\"", part->name),
			 part->view != NULL ? errdetail("It is an internal part of hybrid view \"%s\".", part->view) : 0,
			 part->view != NULL ? errhint("Use DROP VIEW %s to drop the view with all its parts.", part->view)
								: 0));
}

/* Whether a command may drop or alter a hybrid view with its parts. pg_restore runs others, in several sessions at a time. */
static bool
relies_on_links(const EventTriggerData *event)
{
	const Node *command = event->parsetree;

	return IsA(command, DropStmt) || IsA(command, DropOwnedStmt) || event->tag == CMDTAG_ALTER_VIEW ||
		   changes_owner(command) || behavior_of(command) == DROP_CASCADE;
}

/* ALTER TABLE … OWNER takes views, too. pg_restore runs it in one session, before there are rows of views. */
static bool
changes_owner(const Node *command)
{
	ListCell *lc;

	if (!IsA(command, AlterTableStmt))
		return false;
	foreach (lc, ((const AlterTableStmt *) command)->cmds)
	{
		if (lfirst_node(AlterTableCmd, lc)->subtype == AT_ChangeOwner)
			return true;
	}
	return false;
}

/* Whether a command drops what depends on what it drops. */
static DropBehavior
behavior_of(const Node *command)
{
	ListCell *lc;

	switch (nodeTag(command))
	{
		case T_DropStmt:
			return ((const DropStmt *) command)->behavior;
		case T_DropOwnedStmt:
			return ((const DropOwnedStmt *) command)->behavior;
		case T_AlterTableStmt:
			foreach (lc, ((const AlterTableStmt *) command)->cmds)
			{
				if (lfirst_node(AlterTableCmd, lc)->behavior == DROP_CASCADE)
					return DROP_CASCADE;
			}
			return DROP_RESTRICT;
		default:
			return DROP_RESTRICT;
	}
}

static void
drop_relations(List *relations, DropBehavior behavior)
{
	ListCell *lc;

	foreach (lc, relations)
	{
		ObjectAddress address;

		ObjectAddressSet(address, RelationRelationId, lfirst_oid(lc));
		performDeletion(&address, behavior, PERFORM_DELETION_INTERNAL);
		/* the next list is of what is left */
		CommandCounterIncrement();
	}
}

/* What a command moves to another schema or changes concurrently; NULL: nothing. */
static RangeVar *
early_relation(const Node *command)
{
	const DropStmt *drop;

	switch (nodeTag(command))
	{
		case T_AlterObjectSchemaStmt:
			return ((const AlterObjectSchemaStmt *) command)->relation;
		case T_IndexStmt:
			return ((const IndexStmt *) command)->concurrent ? ((const IndexStmt *) command)->relation : NULL;
		case T_DropStmt:
			drop = (const DropStmt *) command;
			/* CONCURRENTLY takes one index at a time */
			return drop->concurrent && drop->removeType == OBJECT_INDEX
					   ? makeRangeVarFromNameList(linitial_node(List, drop->objects))
					   : NULL;
		default:
			return NULL;
	}
}

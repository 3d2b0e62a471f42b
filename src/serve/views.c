/*
 * views.c
 *		Functions about hybrid views: which layer a session is served, explain(), and what a DROP or a new owner
 *		takes along; and what altered streams are told.
 */
#include "postgres.h"

#include "batch/computation.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "common/catalog_ddl.h"
#include "common/export.h"
#include "common/guard.h"
#include "common/guc.h"
#include "define/fold_sql.h"
#include "define/serving_sql.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "serve/streams.h"
#include "source/stream.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

STREAMBATCH_FUNCTION(streambatch_serves);
STREAMBATCH_FUNCTION(streambatch_explain);
STREAMBATCH_FUNCTION(streambatch_on_drop);
STREAMBATCH_FUNCTION(streambatch_on_alter);
STREAMBATCH_FUNCTION(streambatch_on_define);

/*
 * streambatch._serves(layer): whether this session reads the layer; a condition that the planner evaluates
 * once
 */
Datum
streambatch_serves(PG_FUNCTION_ARGS)
{
	char *layer = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool batch = strcmp(layer, "batch") == 0;

	PG_RETURN_BOOL(guc_serve == SERVE_MERGED || guc_serve == (batch ? SERVE_BATCH : SERVE_STREAM));
}

static void
put_lines(ReturnSetInfo *rsinfo, const char *title, const char *sql)
{
	char *copy = pstrdup(sql);
	char *line;
	char *rest = copy;
	Datum value = CStringGetTextDatum(title);
	bool null = false;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &null);
	while ((line = strsep(&rest, "\n")) != NULL)
	{
		value = CStringGetTextDatum(psprintf("    %s", line));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &null);
	}
}

/* The SQL of every layer, as it is run. */
static void
explain_layers(ReturnSetInfo *rsinfo, const ViewRow *row)
{
	ViewDef *def = analyse_stored(row->id, guard_owner_of(row->view));
	FoldState *states;
	StreamRow stream;

	put_lines(rsinfo, "stream layer, over each micro-batch:", sql_fold(def, &states));
	if (catalog_stream(row->stream, &stream) && OidIsValid(stream.archive))
	{
		Computation *c = compute_open(row);

		put_lines(rsinfo, "batch layer, for each chunk of a refresh:", sql_clear(def, row->id, false));
		put_lines(rsinfo, "",
				  sql_compute(def, row->id, &c->source, false, sql_below_cut(&c->source), PANES_WITHIN));
		put_lines(rsinfo, "", sql_clear(def, row->id, true));
	}
	else
		put_lines(rsinfo, "batch layer:", "none: the stream has no archive");
	put_lines(rsinfo, "both layers merged:", sql_merged_view(def, row->id));
	put_lines(rsinfo, "serving view:",
			  sql_serving_view(def, row->id,
							   quote_qualified_identifier(get_namespace_name(get_rel_namespace(row->view)),
														  get_rel_name(row->view)),
							   get_relname_relid(psprintf("merged_%d", row->id),
												 get_namespace_oid("streambatch_state", false))));
}

Datum
streambatch_explain(PG_FUNCTION_ARGS)
{
	Oid view = PG_GETARG_OID(0);
	ViewRow row;
	Guard guard;

	if (!catalog_view(view, &row))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a hybrid view", get_rel_name(view) ? get_rel_name(view) : "?"),
						errhint("SELECT view FROM streambatch.stat_view lists them.")));
	if (pg_class_aclcheck(view, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_VIEW, get_rel_name(view));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	(void) stream_open(row.stream); /* locked before the view's objects */
	guard_enter(&guard, InvalidOid, row.settings);
	explain_layers((ReturnSetInfo *) fcinfo->resultinfo, &row);
	guard_leave(&guard);
	return (Datum) 0;
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

/* Event trigger: rows go with the views and streams that they are of; workers are told. */
Datum
streambatch_on_drop(PG_FUNCTION_ARGS)
{
	List *streams;
	ListCell *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this function is called by an event trigger only")));
	/* tables before rows, as the worker locks them */
	drop_internal(catalog_dropped_views());
	streams = catalog_forget_dropped();
	foreach (lc, streams)
		streams_nudge_at_commit(lfirst_oid(lc));
	PG_RETURN_NULL();
}

/* Event trigger: a view's new owner owns all of it. */
Datum
streambatch_on_alter(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this function is called by an event trigger only")));
	catalog_follow_owners();
	PG_RETURN_NULL();
}

/* Event trigger: what is altered may be what a stream has stopped for. */
Datum
streambatch_on_define(PG_FUNCTION_ARGS)
{
	Node *command;
	Oid server = InvalidOid;
	List *streams;
	ListCell *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this function is called by an event trigger only")));
	/* a mapping that is gone does not tell its server any more */
	command = ((EventTriggerData *) fcinfo->context)->parsetree;
	if (IsA(command, DropUserMappingStmt))
		server = get_foreign_server_oid(((DropUserMappingStmt *) command)->servername, true);
	streams = catalog_altered_streams(server);
	foreach (lc, streams)
		streams_retry_at_commit(lfirst_oid(lc));
	PG_RETURN_NULL();
}

/*
 * rebuild.c
 *		CALL streambatch.rebuild(view, query, source): a hybrid view computed anew, from another query perhaps.
 *
 * The view's readers see the old logic until the new one is complete, and then the new one, from one statement to the
 * next. Its OID, its privileges and what depends on it remain. Steps, each a transaction or several:
 *
 *		1. shadow		the new query gets states of its own (common/catalog_shadow.h), which the worker maintains from the
 *						stored positions P on, like those of any view: in this transaction the generation is raised
 *		2. compute		a refresh of all panes of the shadow (batch/refresh.h), as of a cut at or after P: what is below
 *						the cut comes from the source, what is above it from the worker
 *		3. wait			for transactions with older snapshots, which do not see all that step 2 has written
 *		4. swap			under an exclusive lock on the view: the new states get the names of the old ones, the view is
 *						replaced by one over them, the shadow's rows become its rows, the old states are dropped, and the
 *						generation is raised
 *
 * For example, count(*) of a topic of 100 messages, which is at 120 when the cut is taken, and at 130 at the end:
 *
 *		shadow		stream rows: 0										readers see the old view
 *		flushes		stream rows: 20
 *		cut at 120, chunk		batch row: 120; stream rows: 0
 *		flushes		stream rows: 10
 *		swap															130, by the new query
 *
 * Events that the new query fails on become dead letters of the view, as with create_view(): the first error of the
 * data ends step 2, the failing events are found, and it begins again, once.
 *
 * An error in any step, or a cancel, drops the shadow. If the session ends, the shadow remains until the stream's worker
 * (worker/abandoned_shadows.c) or the next rebuild finds that nobody holds its right to refresh, and drops it. There is
 * nothing to resume: the next call starts anew.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "batch/batch_source.h"
#include "batch/drift.h"
#include "batch/refresh.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "common/catalog_batch.h"
#include "common/catalog_ddl.h"
#include "common/catalog_merged.h"
#include "common/catalog_shadow.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/guard.h"
#include "common/locks.h"
#include "common/old_snapshots.h"
#include "common/settings.h"
#include "common/subtransaction.h"
#include "common/view_parts.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "query/print_sql.h"
#include "query/serving_sql.h"
#include "serve/creation.h"
#include "serve/failing_events.h"
#include "serve/states_view.h"
#include "serve/stream_setup.h"
#include "serve/view_comments.h"
#include "storage/lmgr.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

typedef struct Rebuild
{
	MemoryContext context; /* survives the transactions */
	const char *query;	   /* NULL: the present one */
	const char *source;	   /* batch_source.h */
	bool force;
	Oid view;
	ViewRow old;
	Oid archive;
	bool holds_past;
	ViewRow shadow; /* id 0: there is none yet */
	bool has_window;
	Cut *start; /* from where on the worker maintains the shadow */
	Run run;
	int64 failing; /* events */
} Rebuild;

static void check_call(FunctionCallInfo fcinfo);
static void begin(Rebuild *r);
static void drop_leftovers(Rebuild *r);
static void rebuild(Rebuild *r);
static void make_shadow(Rebuild *r);
static void analyse(const Rebuild *r, Creation *c);
static void check_columns(const Rebuild *r, const Creation *c);
static void check_layers(const Rebuild *r, const Creation *c);
static List *layers_columns(const Creation *c);
static void give_parts(const Creation *c);
static void compute_or_drop(Rebuild *r);
static ErrorData *compute(Rebuild *r);
static bool leave_out(Rebuild *r, const ErrorData *error);
static void record_failing(void *rebuild);
pg_noreturn static void drop_and_raise(Rebuild *r, ErrorData *error);
static void compare(void *rebuild);
static void wait_for_snapshots(Rebuild *r);
static void wait_without_snapshot(void *unused);
static void swap(void *rebuild);
static void lock_views(const Rebuild *r, Oid layers, Oid states);
static void check_shadow(const Rebuild *r);
static void replace_views(const Rebuild *r, Oid layers);
static char *replacement(Oid view, const char *body);
static char *body_of(const char *create_view, const char *name);

STREAMBATCH_FUNCTION(streambatch_rebuild);

Datum
streambatch_rebuild(PG_FUNCTION_ARGS)
{
	Rebuild r = {0};
	const char *source;

	check_call(fcinfo);
	r.view = PG_GETARG_OID(0);
	catalog_require_view(r.view, &r.old);
	if (!compat_class_ownercheck(r.view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(r.view));
	source = batch_source_parse(r.old.stream, GetUserId(), text_to_cstring(PG_GETARG_TEXT_PP(2)));
	r.context = AllocSetContextCreate(TopMemoryContext, "streambatch rebuild", ALLOCSET_DEFAULT_SIZES);
	r.source = MemoryContextStrdup(r.context, source);
	r.force = PG_GETARG_BOOL(3);
	if (!PG_ARGISNULL(1))
		r.query = MemoryContextStrdup(r.context, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (!locks_hold_refresh(r.old.id))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("hybrid view \"%s\" is being refreshed or rebuilt by another session",
							   get_rel_name(r.view)),
						errhint("streambatch.stat_progress_refresh shows when it is expected to end.")));
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	PG_TRY();
	{
		begin(&r);
		rebuild(&r);
	}
	PG_FINALLY();
	{
		if (r.holds_past)
			locks_release_past(r.old.stream);
		if (r.shadow.id != 0)
			locks_release_refresh(r.shadow.id);
		locks_release_refresh(r.old.id);
		chunk_plan_free(&r.run.plan);
		MemoryContextDelete(r.context);
	}
	PG_END_TRY();
	SPI_finish();
	PG_RETURN_VOID();
}

static void
check_call(FunctionCallInfo fcinfo)
{
	CallContext *call = (CallContext *) fcinfo->context;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("view and source must not be null")));
	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("rebuild cannot run inside a transaction block or a function"),
						errhint("Use CALL streambatch.rebuild(…) as a statement of its own.")));
}

/* Nobody adds events below the cut meanwhile. */
static void
begin(Rebuild *r)
{
	StreamRow stream;

	locks_hold_past(r->old.stream);
	r->holds_past = true;
	if (catalog_stream(r->old.stream, &stream))
		r->archive = stream.archive;
	drop_leftovers(r);
	refresh_next_transaction();
}

/* Of a session that has ended: the view's right to refresh is ours. */
static void
drop_leftovers(Rebuild *r)
{
	ListCell *lc;

	foreach (lc, catalog_shadows(r->view))
	{
		if (locks_take_refresh(lfirst_int(lc)))
			catalog_drop_shadow(lfirst_int(lc));
	}
}

static void
rebuild(Rebuild *r)
{
	ErrorData *error;

	make_shadow(r);
	refresh_next_transaction();
	compute_or_drop(r);
	catalog_run_phase(r->run.id, "comparing");
	refresh_next_transaction();
	error = subtransaction_run(compare, r, PortalContext);
	if (error != NULL)
		drop_and_raise(r, error);
	catalog_run_phase(r->run.id, "waiting for older snapshots");
	wait_for_snapshots(r);
	error = subtransaction_run(swap, r, PortalContext);
	if (error != NULL)
		drop_and_raise(r, error);
	refresh_next_transaction();
}

static void
make_shadow(Rebuild *r)
{
	Creation c = {0};
	StreamRow stream;
	Oid query;
	MemoryContext old;

	(void) stream_open(r->old.stream);
	analyse(r, &c);
	check_columns(r, &c);
	check_layers(r, &c);
	if (OidIsValid(catalog_states_view_of(r->view)))
		states_view_check(c.def);
	if (!catalog_stream(r->old.stream, &stream))
		elog(ERROR, "stream %u has no row", r->old.stream);
	creation_check_privileges(&c, &stream, false);
	c.row.id = catalog_next_view_id();
	/* later than any epoch of the present states */
	c.row.epoch = r->old.epoch + 1;
	if (!locks_hold_refresh(c.row.id))
		elog(ERROR, "hybrid view %d is locked", c.row.id);
	r->shadow.id = c.row.id;
	/* corrections that do not see the shadow are committed before it is computed */
	locks_take_corrections(r->old.stream, true);
	creation_create_parts(&c);
	query = view_part(c.row.id, "query");
	c.row.view = query;
	give_parts(&c);
	creation_make_part(query, r->view);
	catalog_insert_view(&c.row);
	catalog_set_view_query(query,
						   r->query != NULL ? creation_trim(pstrdup(r->query)) : catalog_query_of(r->view));
	catalog_set_source(query, catalog_source_of(r->view));
	catalog_set_building(query);
	view_comments_add_parts(c.row.id);
	CommandCounterIncrement();
	/* until we commit, the positions remain: from there on the worker has the shadow, too */
	if (!catalog_lock_stream(r->old.stream, &stream))
		elog(ERROR, "stream %u has no row", r->old.stream);
	old = MemoryContextSwitchTo(r->context);
	r->start = cut_read(r->old.stream);
	if (!catalog_view(query, &r->shadow))
		elog(ERROR, "the shadow of hybrid view %u has no row", r->view);
	MemoryContextSwitchTo(old);
	r->has_window = c.def->has_window;
	catalog_raise_generation(r->old.stream);
	stream_nudge_at_commit(r->old.stream);
}

static void
analyse(const Rebuild *r, Creation *c)
{
	Oid layers = catalog_layers_of(r->view);
	Guard guard;

	c->owner = guard_owner_of(r->view);
	c->row = r->old;
	c->relname = get_rel_name(r->view);
	c->namespace = get_rel_namespace(r->view);
	c->name = quote_qualified_identifier(get_namespace_name(c->namespace), c->relname);
	c->layers = pstrdup(OidIsValid(layers) ? quote_identifier(get_rel_name(layers)) : c->name);
	if (r->query != NULL)
	{
		c->row.settings = guard_note_settings();
		creation_analyse(c, r->query);
	}
	else
	{
		guard_enter(&guard, InvalidOid, r->old.settings);
		creation_analyse(c, sql_print(analyse_load(r->old.id)));
		guard_leave(&guard);
	}
	if (c->def->stream != r->old.stream)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the new query of hybrid view \"%s\" reads another stream", c->relname),
						errdetail("The hybrid view reads \"%s\", the new query \"%s\".",
								  get_rel_name(r->old.stream), get_rel_name(c->def->stream)),
						errhint("Create another hybrid view for that stream.")));
}

/* As CREATE OR REPLACE VIEW: the same columns, and perhaps more at the end. */
static void
check_columns(const Rebuild *r, const Creation *c)
{
	Relation view = relation_open(r->view, AccessShareLock);
	TupleDesc desc = RelationGetDescr(view);
	const char *hint =
		"The new query may have more columns at the end; for other columns, create another hybrid view.";
	int n = 0;
	ListCell *lc;

	foreach (lc, c->query->targetList)
	{
		const TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Node *expr = (Node *) tle->expr;
		Form_pg_attribute att;

		if (tle->resjunk || n >= desc->natts)
			continue;
		att = TupleDescAttr(desc, n++);
		if (strcmp(NameStr(att->attname), tle->resname) != 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
							errmsg("column %d of hybrid view \"%s\" is \"%s\", but \"%s\" in the new query",
								   n, c->relname, NameStr(att->attname), tle->resname),
							errhint("%s", hint)));
		if (att->atttypid != exprType(expr) || att->atttypmod != exprTypmod(expr))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("column \"%s\" of hybrid view \"%s\" has type %s, but %s in the new query",
							tle->resname, c->relname, format_type_with_typemod(att->atttypid, att->atttypmod),
							format_type_with_typemod(exprType(expr), exprTypmod(expr))),
					 errhint("%s", hint)));
		if (att->attcollation != exprCollation(expr))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("column \"%s\" of hybrid view \"%s\" has another collation in the new query",
							tle->resname, c->relname),
					 errhint("%s", hint)));
	}
	if (n < desc->natts)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
						errmsg("the new query lacks column \"%s\" of hybrid view \"%s\"",
							   NameStr(TupleDescAttr(desc, n)->attname), c->relname),
						errhint("%s", hint)));
	relation_close(view, NoLock);
}

/* A column that was an aggregate has three columns in <view>_layers, and a key one. */
static void
check_layers(const Rebuild *r, const Creation *c)
{
	Oid layers = catalog_layers_of(r->view);
	List *columns = layers_columns(c);
	char *name;

	for (int i = 1; OidIsValid(layers) && (name = get_attname(layers, i, true)) != NULL; i++)
	{
		if (!list_member(columns, makeString(name)))
			ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
							errmsg("%s has a column \"%s\", which it would not have with the new query",
								   c->layers, name),
							errhint("What is an aggregate must remain one. Create another hybrid view.")));
	}
}

/* The columns that <view>_layers has for a new view, as a list of strings. */
static List *
layers_columns(const Creation *c)
{
	static const char *const own[] = {"stream_as_of", "batch_as_of", "recommended", "exact", "closed"};
	List *columns = NIL;
	ListCell *lc;

	foreach (lc, c->query->targetList)
	{
		const TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (tle->resjunk)
			continue;
		if (sql_is_value((Node *) tle->expr))
		{
			columns = lappend(columns, makeString(psprintf("stream_%s", tle->resname)));
			columns = lappend(columns, makeString(psprintf("batch_%s", tle->resname)));
		}
		columns = lappend(columns, makeString(pstrdup(tle->resname)));
	}
	for (int i = 0; i < lengthof(own); i++)
		columns = lappend(columns, makeString(pstrdup(own[i])));
	return columns;
}

/* The states belong to the view's owner, as catalog_follow_owners() gives those of a view. */
static void
give_parts(const Creation *c)
{
	static const char *const kinds[] = {"query", "stream", "batch", "merged"};

	for (int i = 0; i < lengthof(kinds); i++)
		ATExecChangeOwner(view_part(c->row.id, kinds[i]), c->owner, true, AccessExclusiveLock);
	CommandCounterIncrement();
}

static void
compute_or_drop(Rebuild *r)
{
	ErrorData *error = compute(r);

	if (error != NULL && compute_is_data_error(error->sqlerrcode) && leave_out(r, error))
		error = compute(r);
	if (error != NULL)
		drop_and_raise(r, error);
}

/* Returns the error that has ended it; what was committed remains. */
static ErrorData *
compute(Rebuild *r)
{
	ErrorData *volatile error = NULL;

	chunk_plan_free(&r->run.plan);
	r->run = (Run){.kind = "rebuild",
				   .view = r->shadow.view,
				   .recorded = r->view,
				   .source = r->source,
				   .strict = true,
				   .archive = r->archive,
				   .context = r->context,
				   .requested = {.has_to = r->has_window, .to = DT_NOEND, .full = true, .force = r->force}};
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(PortalContext);
	PG_TRY();
	{
		refresh_compute(&r->run, &r->shadow);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(PortalContext);
		error = CopyErrorData();
		FlushErrorState();
		/* not if the commit itself has failed, which leaves a new transaction */
		if (IsSubTransaction())
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(PortalContext);
	EnsurePortalSnapshotExists();
	if (error == NULL)
		refresh_next_transaction();
	return error;
}

/* Find the events that the query fails on. Returns false if there is none. */
static bool
leave_out(Rebuild *r, const ErrorData *error)
{
	ErrorData *other;
	unsigned long n;

	if (!OidIsValid(r->archive))
		return false;
	refresh_lock_relations(&r->run, &r->shadow);
	other = subtransaction_run(record_failing, r, PortalContext);
	if (other != NULL)
		drop_and_raise(r, other);
	n = (unsigned long) r->failing;
	if (n > 0)
		ereport(WARNING, (errmsg_plural("%lu event of the archive is a dead letter of hybrid view \"%s\"",
										"%lu events of the archive are dead letters of hybrid view \"%s\"", n,
										n, get_rel_name(r->view)),
						  errdetail("For example: %s", error->message)));
	refresh_next_transaction();
	return n > 0;
}

static void
record_failing(void *arg)
{
	Rebuild *r = arg;
	ArchiveSlice slice = {
		.from = cut_array(&(Cut){0}), .to = cut_array(r->start), .to_epoch = r->start->topic_epoch};

	r->failing = failing_events_record(&r->shadow, r->archive, &slice);
}

/* In a transaction that has done nothing else, or has been rolled back. */
static void
drop_and_raise(Rebuild *r, ErrorData *error)
{
	if (r->run.id != 0)
		catalog_end_run(r->run.id, error);
	catalog_drop_shadow(r->shadow.id);
	stream_nudge_at_commit(r->old.stream);
	refresh_next_transaction();
	ReThrowError(error);
}

/* The old values with the new ones, for stat_drift. */
static void
compare(void *arg)
{
	Rebuild *r = arg;

	if (setting_track_drift == DRIFT_OFF || r->run.id == 0)
		return;
	refresh_lock_relations(&r->run, &r->shadow);
	if (!drift_compare_views(&r->old, &r->shadow, r->run.id))
		ereport(NOTICE, (errmsg("values of hybrid view \"%s\" could not be compared with those before",
								get_rel_name(r->view)),
						 errdetail("The new query has other keys, or keys that cannot be sorted.")));
}

/* A transaction that has its snapshot from before the shadow was complete would find too little in it after the swap. */
static void
wait_for_snapshots(Rebuild *r)
{
	ErrorData *error;

	SPI_commit();
	XactIsoLevel = XACT_READ_COMMITTED;
	error = subtransaction_run(wait_without_snapshot, NULL, PortalContext);
	EnsurePortalSnapshotExists();
	if (error != NULL)
		drop_and_raise(r, error);
	catalog_run_phase(r->run.id, "swapping");
	refresh_next_transaction();
}

static void
wait_without_snapshot(void *unused)
{
	old_snapshots_wait();
}

/* In the view's place, its shadow; see the head of this file. */
static void
swap(void *arg)
{
	Rebuild *r = arg;
	Oid layers;
	Oid states;
	StreamRow stream;
	int32 replaced;

	/* corrections that have marked the shadow, or only the view as it was, are committed */
	locks_take_corrections(r->old.stream, true);
	layers = catalog_layers_of(r->view);
	states = catalog_states_view_of(r->view);
	lock_views(r, layers, states);
	/* engines outside compute what the present query says */
	view_parts_drop_staging(r->old.id, DROP_RESTRICT);
	if (!catalog_lock_stream(r->old.stream, &stream))
		elog(ERROR, "stream %u has no row", r->old.stream);
	check_shadow(r);
	catalog_replace_by_shadow(r->old.id, r->shadow.id);
	catalog_end_run(r->run.id, NULL);
	catalog_raise_generation(r->old.stream);
	/* the view keeps its id, and so the names of its parts */
	replaced = catalog_next_view_id();
	view_parts_rename(r->old.id, replaced);
	view_parts_rename(r->shadow.id, r->old.id);
	replace_views(r, layers);
	if (OidIsValid(states))
		states_view_replace(states, r->old.id, &r->shadow, r->view);
	view_parts_drop_query(replaced, r->view);
	view_parts_drop(replaced, DROP_RESTRICT);
	view_parts_drop(r->shadow.id, DROP_RESTRICT);
	catalog_follow_owners();
	CommandCounterIncrement();
	view_comments_add(r->old.id, r->view, layers);
	stream_nudge_at_commit(r->old.stream);
}

/* In the order in which a reader locks them, before any row. */
static void
lock_views(const Rebuild *r, Oid layers, Oid states)
{
	static const char *const kinds[] = {"merged", "cuts", "clock", "batch", "stream", "query"};

	LockRelationOid(r->old.stream, AccessShareLock);
	LockRelationOid(r->view, AccessExclusiveLock);
	if (OidIsValid(layers))
		LockRelationOid(layers, AccessExclusiveLock);
	if (OidIsValid(states))
		LockRelationOid(states, AccessExclusiveLock);
	for (int i = 0; i < lengthof(kinds); i++)
	{
		Oid part = view_part(r->old.id, kinds[i]);

		if (OidIsValid(part))
			LockRelationOid(part, AccessExclusiveLock);
	}
	refresh_lock_relations(&r->run, &r->shadow);
}

static void
check_shadow(const Rebuild *r)
{
	ViewRow now;

	if (!catalog_view(r->view, &now) || now.id != r->old.id)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the hybrid view was dropped or replaced during the rebuild")));
	if (!catalog_view(r->shadow.view, &now))
		elog(ERROR, "the shadow of hybrid view %u has no row", r->view);
	if (now.suspended)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the new query of hybrid view \"%s\" has failed during the rebuild",
							   get_rel_name(r->view)),
						errdetail("%s", catalog_view_error(r->shadow.view)),
						errhint("Correct the cause, and call streambatch.rebuild() again.")));
}

/* As the view's owner, with names as they are printed under the guard. */
static void
replace_views(const Rebuild *r, Oid layers)
{
	Creation c = {.row = r->shadow, .owner = guard_owner_of(r->view)};
	Oid merged = view_part(r->old.id, "merged");
	List *columns;
	StringInfoData select;
	Guard guard;
	ListCell *lc;
	int n = 0;

	initStringInfo(&select);
	guard_enter(&guard, c.owner, r->shadow.settings);
	c.def = analyse_stored(r->old.id, c.owner);
	c.query = c.def->query;
	SPI_connect();
	creation_execute(replacement(r->view, body_of(sql_serving_view(c.def, r->old.id, "v", merged), "v")));
	if (OidIsValid(layers))
	{
		/* the present columns first, then those that are new */
		columns = layers_columns(&c);
		for (char *name; (name = get_attname(layers, n + 1, true)) != NULL; n++)
		{
			appendStringInfo(&select, "%sl.%s", n > 0 ? ", " : "SELECT ", quote_identifier(name));
			columns = list_delete(columns, makeString(name));
		}
		foreach (lc, columns)
			appendStringInfo(&select, ", l.%s", quote_identifier(strVal(lfirst(lc))));
		appendStringInfo(&select, " FROM (%s) l",
						 body_of(sql_layers_view(c.def, r->old.id, "v", merged, creation_lateness(&c)), "v"));
		creation_execute(replacement(layers, select.data));
	}
	SPI_finish();
	guard_leave(&guard);
}

static char *
replacement(Oid view, const char *body)
{
	return psprintf(
		"CREATE OR REPLACE VIEW %s %s AS %s",
		quote_qualified_identifier(get_namespace_name(get_rel_namespace(view)), get_rel_name(view)),
		catalog_options_of(view), body);
}

/* The query of a CREATE VIEW command. */
static char *
body_of(const char *create_view, const char *name)
{
	return pstrdup(create_view + strlen("CREATE VIEW  AS ") + strlen(name));
}

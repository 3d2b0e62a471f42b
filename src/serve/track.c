/*
 * track.c
 *		streambatch.track(view, relation) and untrack(): whether changes of a joined table mark the panes of a view.
 *
 * A change of a joined table marks all panes of the view: which events have found a row is not known. The table gets the
 * triggers that archives have (common/archive_triggers.h). They are dropped with the last view that tracks it.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "common/archive_triggers.h"
#include "common/catalog_dirty.h"
#include "common/catalog_version.h"
#include "common/catalog_view.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/locks.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "query/view_relations.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static void check_call(FunctionCallInfo fcinfo, ViewRow *view);
static void check_relation(const ViewRow *view, Oid relation);

STREAMBATCH_FUNCTION(streambatch_track);
STREAMBATCH_FUNCTION(streambatch_untrack);

Datum
streambatch_track(PG_FUNCTION_ARGS)
{
	ViewRow view;
	Oid relation;

	check_call(fcinfo, &view);
	relation = PG_GETARG_OID(1);
	check_relation(&view, relation);
	/* a change that is not committed marks the view, or is committed before we are */
	archive_triggers_add_tracked(relation);
	locks_take_corrections(view.stream, true);
	catalog_track(view.view, relation);
	PG_RETURN_VOID();
}

Datum
streambatch_untrack(PG_FUNCTION_ARGS)
{
	ViewRow view;
	Oid relation;

	check_call(fcinfo, &view);
	relation = PG_GETARG_OID(1);
	if (!catalog_untrack(view.view, relation))
		ereport(NOTICE, (errmsg("hybrid view \"%s\" does not track \"%s\"", get_rel_name(view.view),
								get_rel_name(relation))));
	else if (!catalog_is_watched(relation))
		archive_triggers_remove(relation);
	PG_RETURN_VOID();
}

static void
check_call(FunctionCallInfo fcinfo, ViewRow *view)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("view and relation must not be null")));
	if (catalog_is_first_version())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("tracked tables need the objects of a later version of pg_streambatch"),
						errhint("Use ALTER EXTENSION pg_streambatch UPDATE.")));
	catalog_require_view(PG_GETARG_OID(0), view);
	if (!compat_class_ownercheck(view->view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(view->view));
	if (get_rel_name(PG_GETARG_OID(1)) == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", PG_GETARG_OID(1))));
}

static void
check_relation(const ViewRow *view, Oid relation)
{
	char kind = get_rel_relkind(relation);

	if (relation == view->stream || !list_member_oid(view_relations_read(view->id), relation))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("hybrid view \"%s\" does not join \"%s\"", get_rel_name(view->view),
							   get_rel_name(relation)),
						errhint("Name a table in the FROM of its query.")));
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a table", get_rel_name(relation)),
				 errdetail("Its changes fire no statement triggers with transition tables.")));
	if (pg_class_aclcheck(relation, GetUserId(), ACL_TRIGGER) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(kind), get_rel_name(relation));
}

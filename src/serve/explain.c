/*
 * explain.c
 *		streambatch.query() and explain(): the query of a hybrid view; the SQL that each layer runs.
 */
#include "postgres.h"

#include "batch/computation.h"
#include "batch/group_store.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/catalog_stream.h"
#include "common/catalog_view.h"
#include "common/export.h"
#include "common/guard.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "query/fold_sql.h"
#include "query/print_sql.h"
#include "query/refresh_sql.h"
#include "query/serving_sql.h"
#include "storage/lmgr.h"
#include "stream/stream.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static void require_readable(Oid view, ViewRow *row);
static ArrayType *portable_settings(void);
static void explain_layers(ReturnSetInfo *rsinfo, const ViewRow *row);
static void put_lines(ReturnSetInfo *rsinfo, const char *title, const char *sql);

STREAMBATCH_FUNCTION(streambatch_query);
STREAMBATCH_FUNCTION(streambatch_explain);

Datum
streambatch_query(PG_FUNCTION_ARGS)
{
	ViewRow row;
	Guard guard;
	char *sql;

	require_readable(PG_GETARG_OID(0), &row);
	guard_enter(&guard, InvalidOid, portable_settings());
	sql = sql_print(analyse_load(row.id));
	guard_leave(&guard);
	PG_RETURN_TEXT_P(cstring_to_text(sql));
}

Datum
streambatch_explain(PG_FUNCTION_ARGS)
{
	ViewRow row;
	Guard guard;

	require_readable(PG_GETARG_OID(0), &row);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	(void) stream_open(row.stream);
	guard_enter(&guard, InvalidOid, row.settings);
	explain_layers((ReturnSetInfo *) fcinfo->resultinfo, &row);
	guard_leave(&guard);
	return (Datum) 0;
}

static void
require_readable(Oid view, ViewRow *row)
{
	catalog_require_view(view, row);
	if (pg_class_aclcheck(view, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_VIEW, get_rel_name(view));
	/* before its parts, in the order in which a rebuild and a DROP lock them; it may have been swapped or dropped meanwhile */
	LockRelationOid(row->stream, AccessShareLock);
	LockRelationOid(view, AccessShareLock);
	catalog_require_view(view, row);
}

/* Constants are printed so that they can be read under any setting of the same name. */
static ArrayType *
portable_settings(void)
{
	static const char *const settings[] = {"DateStyle", "ISO, YMD", "IntervalStyle", "postgres"};
	Datum elems[lengthof(settings)];

	for (int i = 0; i < lengthof(settings); i++)
		elems[i] = CStringGetTextDatum(settings[i]);
	return construct_array(elems, lengthof(settings), TEXTOID, -1, false, TYPALIGN_INT);
}

static void
explain_layers(ReturnSetInfo *rsinfo, const ViewRow *row)
{
	ViewDef *def = analyse_stored(row->id, guard_owner_of(row->view));
	FoldState *states;
	Computation *c = compute_open_source(row, NULL);

	put_lines(rsinfo, "stream layer, over each micro-batch:", sql_fold(def, &states));
	put_lines(rsinfo,
			  "batch layer, for each chunk of a refresh:", sql_clear(def, row->id, false, PANES_WITHIN));
	put_lines(rsinfo, "",
			  sql_compute(def, &c->source, false, sql_below_cut(&c->source), (PaneSet){PANES_WITHIN}));
	put_lines(rsinfo, "", sql_insert_groups(def, row->id, false, GROUP_STORE, false));
	put_lines(rsinfo, "", sql_clear(def, row->id, true, PANES_WITHIN));
	put_lines(rsinfo, "both layers merged:", sql_merged_view(def, row->id));
	put_lines(rsinfo, "serving view:",
			  sql_serving_view(def, row->id,
							   quote_qualified_identifier(get_namespace_name(get_rel_namespace(row->view)),
														  get_rel_name(row->view)),
							   get_relname_relid(psprintf("merged_%d", row->id),
												 get_namespace_oid("streambatch_state", false))));
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

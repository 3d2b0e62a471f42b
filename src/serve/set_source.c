/*
 * set_source.c
 *		streambatch.set_source(): what a hybrid view's batch layer is computed from.
 */
#include "postgres.h"

#include "batch/batch_source.h"
#include "catalog/pg_class.h"
#include "common/catalog_version.h"
#include "common/compat.h"
#include "common/export.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

STREAMBATCH_FUNCTION(streambatch_set_source);

Datum
streambatch_set_source(PG_FUNCTION_ARGS)
{
	Oid view = PG_GETARG_OID(0);
	const char *source = NULL;
	ViewRow row;

	catalog_require_view(view, &row);
	if (!compat_class_ownercheck(view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(view));
	if (!PG_ARGISNULL(1))
		source = batch_source_parse(row.stream, GetUserId(), text_to_cstring(PG_GETARG_TEXT_PP(1)));
	/* raises what a refresh would raise */
	if (source != NULL)
		(void) compute_open_source(&row, source);
	catalog_set_source(view, source);
	PG_RETURN_VOID();
}

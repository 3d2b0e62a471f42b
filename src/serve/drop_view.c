/*
 * drop_view.c
 *		streambatch.drop_view(): DROP VIEW for the owner of the stream, too.
 *
 * Views of others burden the stream's worker, so its owner may end them. The command runs as the view's owner, and so
 * can drop nothing else by mistake or by deceit.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/catalog_view.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

STREAMBATCH_FUNCTION(streambatch_drop_view);

Datum
streambatch_drop_view(PG_FUNCTION_ARGS)
{
	Oid view = PG_GETARG_OID(0);
	bool cascade = PG_GETARG_BOOL(1);
	ViewRow row;
	Guard guard;
	char *sql;

	catalog_require_view(view, &row);
	if (!compat_class_ownercheck(view, GetUserId()) && !compat_class_ownercheck(row.stream, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(view));
	sql =
		psprintf("DROP VIEW %s%s",
				 quote_qualified_identifier(get_namespace_name(get_rel_namespace(view)), get_rel_name(view)),
				 cascade ? " CASCADE" : "");
	guard_enter(&guard, guard_owner_of(view), NULL);
	SPI_connect();
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not run \"%s\"", sql);
	SPI_finish();
	guard_leave(&guard);
	PG_RETURN_VOID();
}

/*
 * view_parts.c
 *		The parts of a hybrid view in streambatch_state (see view_parts.h).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "common/catalog_outside.h"
#include "common/view_parts.h"
#include "utils/lsyscache.h"

static void drop(Oid relid, DropBehavior behavior);

Oid
view_part(int32 id, const char *kind)
{
	return get_relname_relid(psprintf("%s_%d", kind, id), get_namespace_oid("streambatch_state", false));
}

void
view_parts_drop(int32 id, DropBehavior behavior)
{
	static const char *const kinds[] = {"merged", "stream", "batch", "cuts", "clock"};

	for (int i = 0; i < lengthof(kinds); i++)
		drop(view_part(id, kinds[i]), behavior);
	view_parts_drop_staging(id, behavior);
}

void
view_parts_drop_staging(int32 id, DropBehavior behavior)
{
	ListCell *lc;

	foreach (lc, catalog_staging_tables(id))
		drop(lfirst_oid(lc), behavior);
}

void
view_parts_rename(int32 from, int32 to)
{
	static const char *const kinds[] = {"query", "merged", "stream", "batch"};

	for (int i = 0; i < lengthof(kinds); i++)
		RenameRelationInternal(view_part(from, kinds[i]), psprintf("%s_%d", kinds[i], to), true, false);
	CommandCounterIncrement();
}

void
view_parts_drop_query(int32 id, Oid whole)
{
	Oid query = view_part(id, "query");

	if (OidIsValid(whole) && OidIsValid(query))
	{
		(void) deleteDependencyRecordsForSpecific(RelationRelationId, query, DEPENDENCY_INTERNAL,
												  RelationRelationId, whole);
		CommandCounterIncrement();
	}
	drop(query, DROP_RESTRICT);
}

/* DROP … CASCADE may have dropped it already. */
static void
drop(Oid relid, DropBehavior behavior)
{
	ObjectAddress address;

	if (!OidIsValid(relid))
		return;
	ObjectAddressSet(address, RelationRelationId, relid);
	performDeletion(&address, behavior, PERFORM_DELETION_INTERNAL);
}

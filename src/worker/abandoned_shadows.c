/*
 * abandoned_shadows.c
 *		Dropping what a rebuild has left that was interrupted (see abandoned_shadows.h).
 *
 * The session of a rebuild holds the right to refresh the shadow over all its transactions, from before the shadow can be
 * seen (serve/rebuild.c). So a shadow whose right can be had is abandoned; whoever has it drops it, in the transaction in
 * which the right was taken.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/catalog_shadow.h"
#include "common/locks.h"
#include "common/view_parts.h"
#include "utils/snapmgr.h"
#include "worker/abandoned_shadows.h"
#include "worker/worker_state.h"

bool
abandoned_shadows_drop(const List *ids)
{
	MemoryContext old = CurrentMemoryContext;
	bool dropped = false;
	const ListCell *lc;

	worker_begin_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach (lc, ids)
	{
		if (!locks_take_refresh(lfirst_int(lc)))
			continue;
		if (OidIsValid(view_part(lfirst_int(lc), "query")) && catalog_shadow_exists(lfirst_int(lc)))
		{
			catalog_drop_shadow(lfirst_int(lc));
			ereport(LOG, (errmsg("dropped what an interrupted rebuild of a hybrid view has left")));
		}
		dropped = true;
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	return dropped;
}

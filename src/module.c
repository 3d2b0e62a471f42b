/*
 * module.c
 *		Initialization when the library is loaded.
 */
#include "postgres.h"

#include "batch/archive_scan.h"
#include "batch/pane_statistics.h"
#include "common/compat.h"
#include "common/settings.h"
#include "common/slots.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "serve/pane_pruning.h"
#include "serve/utility_hook.h"
#include "worker/launcher.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	settings_define();
	utility_hook_install();
	pane_pruning_install();
	pane_statistics_install();
	archive_scan_install();
	/* otherwise there are no workers, but streams can be read, and views created and refreshed */
	if (!process_shared_preload_libraries_in_progress)
		return;
	/* a server that pg_upgrade runs must change nothing by itself */
	if (IsBinaryUpgrade)
		return;
	slots_request_shmem();
	launcher_register();
}

/*
 * module.c
 *		What happens when the library is loaded.
 */
#include "postgres.h"

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
	/*
	 * without preload there is no shared memory and no worker: streams can be read, views can be defined and
	 * refreshed
	 */
	if (!process_shared_preload_libraries_in_progress)
		return;
	slots_request_shmem();
	launcher_register();
}

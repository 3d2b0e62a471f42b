/*
 * settings.c
 *		The extension's settings, all under "streambatch.".
 */
#include "postgres.h"

#include <limits.h>

#include "common/settings.h"
#include "utils/guc.h"

int setting_serve = SERVE_MERGED;
int setting_work_mem_kb = 64 * 1024;
int setting_prefetch_kb = 512 * 1024;
char *setting_allowed_brokers = NULL;
bool setting_autostart = true;
int setting_refresh_chunk_rows = 1000000;

static const struct config_enum_entry serve_values[] = {{"merged", SERVE_MERGED, false},
														{"batch", SERVE_BATCH, false},
														{"stream", SERVE_STREAM, false},
														{NULL, 0, false}};

void
settings_define(void)
{
	DefineCustomEnumVariable(
		"streambatch.serve", "Layer that hybrid views answer from in this session.",
		"merged: every event once; batch: what refreshes computed; stream: what came since.", &setting_serve,
		SERVE_MERGED, serve_values, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"streambatch.work_mem", "Memory of one worker's fold; a fuller one is flushed early.", NULL,
		&setting_work_mem_kb, 64 * 1024, 1024, MAX_KILOBYTES, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("streambatch.prefetch", "Memory of one worker's queue of fetched messages.",
							"Before librdkafka 2.2 it should hold about one second of full speed.",
							&setting_prefetch_kb, 512 * 1024, 1024, MAX_KILOBYTES, PGC_SIGHUP, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable(
		"streambatch.refresh_chunk_rows", "Events that one transaction of a refresh computes from, about.",
		NULL, &setting_refresh_chunk_rows, 1000000, 1, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"streambatch.allowed_brokers",
		"Comma-separated host[:port] patterns that streams may connect to; empty: any.", NULL,
		&setting_allowed_brokers, "", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("streambatch.autostart",
							 "Start the workers of existing streams with the server.",
							 "Off for a physical clone that must not consume.", &setting_autostart, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("streambatch");
}

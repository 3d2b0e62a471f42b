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
		"streambatch.serve", "Sets the layer that hybrid views return in this session.",
		"merged: both layers, each event once; batch: the results of refreshes; stream: the events since then.",
		&setting_serve, SERVE_MERGED, serve_values, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("streambatch.work_mem",
							"Sets the maximum memory of a worker's fold; a larger fold is flushed early.",
							NULL, &setting_work_mem_kb, 64 * 1024, 1024, MAX_KILOBYTES, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"streambatch.prefetch", "Sets the memory of a worker's queue of fetched messages.",
		"Before librdkafka 2.2, it should hold the messages of about one second at full speed.",
		&setting_prefetch_kb, 512 * 1024, 1024, MAX_KILOBYTES, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("streambatch.refresh_chunk_rows",
							"Sets the approximate number of events that a refresh reads in one transaction.",
							NULL, &setting_refresh_chunk_rows, 1000000, 1, INT_MAX, PGC_USERSET, 0, NULL,
							NULL, NULL);
	DefineCustomStringVariable(
		"streambatch.allowed_brokers", "Sets the brokers that streams may connect to.",
		"A comma-separated list of host[:port] patterns; if empty, any broker is allowed.",
		&setting_allowed_brokers, "", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("streambatch.autostart",
							 "Starts the workers of existing streams with the server.",
							 "Turn this off on a physical copy of a server that must not consume.",
							 &setting_autostart, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("streambatch");
}

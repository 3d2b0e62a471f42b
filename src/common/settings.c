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
int setting_refresh_chunk_rows = 25000000;
int setting_max_dead_letters = 1000000;
int setting_track_drift = DRIFT_OF_SAMPLE;
int setting_view_timeout_ms = 5000;
int setting_max_streams_per_role = -1;

static const struct config_enum_entry serve_values[] = {{"merged", SERVE_MERGED, false},
														{"batch", SERVE_BATCH, false},
														{"stream", SERVE_STREAM, false},
														{NULL, 0, false}};

static const struct config_enum_entry drift_values[] = {{"sample", DRIFT_OF_SAMPLE, false},
														{"full", DRIFT_OF_ALL, false},
														{"off", DRIFT_OFF, false},
														{"on", DRIFT_OF_SAMPLE, true},
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
	DefineCustomIntVariable(
		"streambatch.max_dead_letters", "Number of dead letters with which a stream stops at the next one.",
		"0 means no limit.", &setting_max_dead_letters, 1000000, 0, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("streambatch.refresh_chunk_rows",
							"Sets the approximate number of events that a refresh reads in one transaction.",
							NULL, &setting_refresh_chunk_rows, 25000000, 1, INT_MAX, PGC_USERSET, 0, NULL,
							NULL, NULL);
	DefineCustomEnumVariable(
		"streambatch.track_drift",
		"Compares what a refresh computes with what the hybrid view returned before.",
		"sample: all groups of a view with up to about 100,000, about as many of a larger one; full: all; off: none.",
		&setting_track_drift, DRIFT_OF_SAMPLE, drift_values, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"streambatch.allowed_brokers", "Sets the brokers that streams may connect to.",
		"A comma-separated list of host[:port] patterns; if empty, any broker is allowed.",
		&setting_allowed_brokers, "", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"streambatch.view_timeout",
		"Sets the maximum time that a hybrid view's query may take in the worker.",
		"For the messages of one batch. A view whose query takes longer is suspended. 0 disables the limit.",
		&setting_view_timeout_ms, 5000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("streambatch.max_streams_per_role",
							"Sets the maximum number of running streams of a role that is not a superuser.",
							"-1: half of max_worker_processes; 0: no limit.", &setting_max_streams_per_role,
							-1, -1, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("streambatch.autostart",
							 "Starts the workers of existing streams with the server.",
							 "Turn this off on a physical copy of a server that must not consume.",
							 &setting_autostart, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("streambatch");
}

void
settings_end_timeouts(void)
{
	static const char *const timeouts[] = {"statement_timeout", "transaction_timeout", "lock_timeout",
										   "idle_in_transaction_session_timeout"};

	for (int i = 0; i < lengthof(timeouts); i++)
	{
		/* transaction_timeout came with PostgreSQL 17 */
		if (GetConfigOption(timeouts[i], true, false) != NULL)
			SetConfigOption(timeouts[i], "0", PGC_SUSET, PGC_S_OVERRIDE);
	}
}

/*
 * slots_view.c
 *		streambatch._workers(): the slots of this database, as stat_stream shows them.
 *
 * What keeps a worker from starting is added here, because nobody is there to write it into the slot: no launcher,
 * or no background worker slot even to look which streams the database has.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "common/catalog_stream.h"
#include "common/export.h"
#include "common/lock_wait.h"
#include "common/slots.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

static const char *const state_names[] = {"stopped", "starting",	 "catching up", "streaming",
										  "paused",	 "reconnecting", "error"};

static void put_unstarted(ReturnSetInfo *rsinfo);
static void put_worker(ReturnSetInfo *rsinfo, const Slot *slot);
static void add_lock_wait(Slot *copy);

STREAMBATCH_FUNCTION(streambatch_workers);

/* streambatch._workers(): the slots of this database */
Datum
streambatch_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Slot copy;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; slots_next_visible(&i, &copy); i++)
	{
		add_lock_wait(&copy);
		if (copy.wanted && copy.pid == 0 && slots_launcher_missing(&copy.error))
			copy.state = WORKER_ERROR;
		put_worker(rsinfo, &copy);
	}
	put_unstarted(rsinfo);
	return (Datum) 0;
}

/* The streams that should have a worker, but have no slot: their database has not been scanned. */
static void
put_unstarted(ReturnSetInfo *rsinfo)
{
	Slot unstarted = {.state = WORKER_ERROR};
	ListCell *lc;

	if (!slots_available() || RecoveryInProgress())
		return;
	if (!slots_launcher_missing(&unstarted.error))
	{
		if (!slots_out_of_slots())
			return;
		unstarted.error.sqlerrcode = ERRCODE_INSUFFICIENT_RESOURCES;
		strlcpy(unstarted.error.message, "out of background worker slots", sizeof(unstarted.error.message));
		strlcpy(unstarted.error.hint, "Increase max_worker_processes.", sizeof(unstarted.error.hint));
	}
	foreach (lc, catalog_runnable_streams())
	{
		Slot slot;

		unstarted.stream = lfirst_oid(lc);
		if (!slots_get(MyDatabaseId, unstarted.stream, &slot))
			put_worker(rsinfo, &unstarted);
	}
}

static void
put_worker(ReturnSetInfo *rsinfo, const Slot *slot)
{
	bool error = slot->error.sqlerrcode != 0;
	/* what a statement raised may contain data of the stream */
	bool shown = error && (!slot->error_raised || slots_is_readable(slot->stream));
	bool nulls[6] = {false, false, slot->pid == 0, !error, !shown, !shown || slot->error.hint[0] == '\0'};
	Datum values[6];

	if (!slots_is_visible(slot->stream))
		return;
	values[0] = ObjectIdGetDatum(slot->stream);
	values[1] = CStringGetTextDatum(state_names[slot->state]);
	values[2] = Int32GetDatum(slot->pid);
	values[3] = CStringGetTextDatum(unpack_sql_state(slot->error.sqlerrcode));
	values[4] = CStringGetTextDatum(slot->error.message);
	values[5] = CStringGetTextDatum(slot->error.hint);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* A worker that waits for a lock shows that, whatever it was doing. */
static void
add_lock_wait(Slot *copy)
{
	if (copy->pid != 0 && lock_wait_describe(copy->pid, &copy->error) && copy->state == WORKER_STREAMING)
		copy->state = WORKER_CATCHING_UP;
}

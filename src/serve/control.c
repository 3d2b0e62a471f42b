/*
 * control.c
 *		streambatch.pause(), resume() and wait_for().
 *
 * pause() and resume() update the stream's row; the worker reads it after the commit. wait_for() compares the
 * stored positions, below which events are visible in the views, with the log end offsets as of the call.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "common/clock.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/slots.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "kafka/consumer.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "serve/stream_setup.h"
#include "storage/latch.h"
#include "stream/stream.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define POLL_MS 5
#define NO_WORKER_MS 2000 /* after a server start, workers are requested with a delay */

static void check_owner(Oid relid);
static int64 deadline_after(const Interval *timeout);
static void check_running(Oid relid);
static int64 *get_log_ends(const Stream *stream, int timeout_ms, int *n);
static bool ends_reached(Oid relid, const int64 *ends, int n);
static void report_timeout(Oid relid);
static bool has_worker(Oid relid);
static void check_has_worker(Oid relid, int64 *last_seen);

STREAMBATCH_FUNCTION(streambatch_pause);
STREAMBATCH_FUNCTION(streambatch_resume);
STREAMBATCH_FUNCTION(streambatch_wait_for);

Datum
streambatch_pause(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	StreamRow row;

	check_owner(relid);
	stream_setup(relid, &row);
	if (row.paused)
		ereport(NOTICE, (errmsg("stream \"%s\" is already paused", get_rel_name(relid))));
	catalog_set_paused(relid, true, false);
	stream_nudge_at_commit(relid);
	PG_RETURN_VOID();
}

Datum
streambatch_resume(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	StreamRow row;
	Slot slot;
	bool archive_only;

	check_owner(relid);
	stream_setup(relid, &row);
	archive_only = row.nviews == 0;
	if (archive_only && !OidIsValid(row.archive))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("stream \"%s\" has neither a hybrid view nor an archive", get_rel_name(relid)),
			 errhint(
				 "Create a hybrid view over it with streambatch.create_view(), or create the stream without archive 'none'.")));
	if (!row.paused && slots_get(MyDatabaseId, relid, &slot) && slot.pid != 0 && slot.state != WORKER_ERROR)
		ereport(NOTICE, (errmsg("stream \"%s\" is already running", get_rel_name(relid))));
	catalog_set_paused(relid, false, archive_only);
	stream_want_at_commit(relid);
	stream_setup_warn(relid);
	PG_RETURN_VOID();
}

Datum
streambatch_wait_for(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	Interval *timeout = PG_GETARG_INTERVAL_P(1);
	int64 deadline = deadline_after(timeout);
	int64 worker_seen = clock_now();
	Stream *stream = stream_open(relid);
	int64 *ends;
	int n;

	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_TABLE, stream->name);
	check_running(relid);
	ends = get_log_ends(stream, (int) Max(1000, Min((deadline - clock_now()) / 1000, 10000)), &n);
	while (!ends_reached(relid, ends, n))
	{
		/* its snapshot never shows new positions */
		if (IsolationUsesXactSnapshot())
			ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
							errmsg("wait_for cannot wait in a REPEATABLE READ or SERIALIZABLE transaction"),
							errhint("Call it before the transaction, or use READ COMMITTED.")));
		if (clock_now() >= deadline)
		{
			report_timeout(relid);
			PG_RETURN_BOOL(false);
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, POLL_MS,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		check_running(relid);
		check_has_worker(relid, &worker_seen);
	}
	PG_RETURN_BOOL(true);
}

static void
check_owner(Oid relid)
{
	(void) stream_open(relid); /* raises if the relation is not a stream */
	if (!compat_class_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_TABLE, get_rel_name(relid));
}

/* The time (clock.h) after the timeout, at most a century from now; a month counts as 30 days. */
static int64
deadline_after(const Interval *timeout)
{
	int64 days = timeout->time / USECS_PER_DAY + timeout->day + timeout->month * INT64CONST(30);

	if (days > 36525)
		return clock_now() + 36525 * USECS_PER_DAY;
	if (days < 0)
		return clock_now();
	return clock_now() + days * USECS_PER_DAY + timeout->time % USECS_PER_DAY;
}

/* Raise if the stream is not running and will not start by itself. */
static void
check_running(Oid relid)
{
	StreamRow row;
	Slot slot;
	WorkerError error;
	const char *name = get_rel_name(relid);

	if (!catalog_stream(relid, &row) || (row.nviews == 0 && !row.resumed))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("stream \"%s\" is stopped", name),
				 errhint("Create a hybrid view over it, or use SELECT streambatch.resume('%s') to start it.",
						 quote_identifier(name))));
	if (row.paused)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("stream \"%s\" is paused", name),
				 errhint("Use SELECT streambatch.resume('%s') to resume it.", quote_identifier(name))));
	if (!slots_available())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("stream \"%s\" has no worker because pg_streambatch is not preloaded", name),
						errhint("Add pg_streambatch to shared_preload_libraries and restart the server.")));
	if (slots_launcher_missing(&error))
		ereport(ERROR,
				(errcode(error.sqlerrcode), errmsg("stream \"%s\" has no worker: %s", name, error.message),
				 errhint("%s", error.hint)));
	if (slots_get(MyDatabaseId, relid, &slot) && slot.state == WORKER_ERROR && !slot.wanted)
		ereport(ERROR, (errcode(slot.error.sqlerrcode),
						errmsg("stream \"%s\" has stopped: %s", name, slot.error.message),
						errhint("%s", slot.error.hint)));
}

/* The log end offset of each partition, in the current context; raises if no broker reports them. */
static int64 *
get_log_ends(const Stream *stream, int timeout_ms, int *n)
{
	Consumer *consumer = consumer_open(stream->serverid, stream->topic, stream->owner, false);
	int64 *ends;

	*n = consumer_partition_count(consumer, timeout_ms);
	if (*n == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("topic \"%s\" does not exist", stream->topic),
			 errhint(
				 "Create the topic, or correct the option: ALTER FOREIGN TABLE %s OPTIONS (SET topic '…').",
				 quote_qualified_identifier(stream->schema, stream->name))));
	ends = *n > 0 ? consumer_log_ends(consumer, *n, timeout_ms) : NULL;
	if (ends == NULL)
		ereport(ERROR, (errcode(ERRCODE_CONNECTION_FAILURE),
						errmsg("could not get the log end offsets of stream \"%s\": %s", stream->name,
							   consumer_state(consumer)->message),
						errhint("Check the state of the stream in streambatch.stat_stream.")));
	consumer_close(consumer);
	return ends;
}

/* Whether all events below the log end offsets are visible. */
static bool
ends_reached(Oid relid, const int64 *ends, int n)
{
	int nrows;
	ProgressRow *rows = catalog_progress(relid, &nrows);
	int r = 0;
	bool result = true;

	for (int i = 0; i < n && result; i++)
	{
		while (r < nrows && rows[r].partition < i)
			r++;
		if (ends[i] > 0 && (r >= nrows || rows[r].partition != i || rows[r].next_offset < ends[i]))
			result = false;
	}
	pfree(rows);
	return result;
}

/* After a timeout: raise a NOTICE with the reason, if it is known. */
static void
report_timeout(Oid relid)
{
	Slot slot;

	if (!has_worker(relid))
		ereport(NOTICE,
				(errmsg("stream \"%s\" is not being read: no worker has been requested", get_rel_name(relid)),
				 errhint("Use SELECT streambatch.resume('%s') to start it.",
						 quote_identifier(get_rel_name(relid)))));
	else if (slots_get(MyDatabaseId, relid, &slot) && slot.error.sqlerrcode != 0)
		ereport(NOTICE,
				(errmsg("stream \"%s\" is not being read: %s", get_rel_name(relid), slot.error.message),
				 slot.error.hint[0] != '\0' ? errhint("%s", slot.error.hint) : 0));
}

/* Whether the stream has a worker, or one is requested. On a standby, the worker is on the primary: assume so. */
static bool
has_worker(Oid relid)
{
	Slot slot;

	return RecoveryInProgress() || (slots_get(MyDatabaseId, relid, &slot) && (slot.wanted || slot.pid != 0));
}

/* Raise if no worker is requested: streambatch.autostart is off, or the database is a copy. */
static void
check_has_worker(Oid relid, int64 *last_seen)
{
	if (has_worker(relid))
		*last_seen = clock_now();
	else if (clock_passed(*last_seen, NO_WORKER_MS))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("stream \"%s\" is stopped", get_rel_name(relid)),
						errhint("Use SELECT streambatch.resume('%s') to start it.",
								quote_identifier(get_rel_name(relid)))));
}

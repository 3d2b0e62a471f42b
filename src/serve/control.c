/*
 * control.c
 *		streambatch.pause(), resume(), reset() and wait_for().
 *
 * pause() and resume() update the stream's row; the worker reads it after the commit. wait_for() compares the
 * stored positions, below which events are visible in the views, with the log end offsets as of the call.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "common/archive_triggers.h"
#include "common/catalog_restore.h"
#include "common/catalog_topic.h"
#include "common/clock.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/lock_wait.h"
#include "common/slots.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "kafka/consumer.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "serve/stream_setup.h"
#include "storage/latch.h"
#include "stream/topic_epoch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define POLL_MS 5
#define ASK_MS 1000
#define NO_WORKER_MS 2000 /* after a server start, workers are requested with a delay */

/* The log end offset of each partition, when a broker was asked. */
typedef struct LogEnds
{
	int n;
	int64 *offsets;
	bool before_positions; /* a position is after the end of its log: the topic has changed */
	int64 asked;		   /* by clock.h */
} LogEnds;

static void start(Oid relid, const StreamRow *row);
static void warn_stopped(Oid relid, const StreamRow *row);
static void check_owner(Oid relid);
static int64 deadline_after(const Interval *timeout);
static void check_running(Oid relid);
pg_noreturn static void raise_stop(Oid relid, const WorkerError *stop);
static LogEnds get_log_ends(const Stream *stream, int64 deadline);
static bool ends_reached(const Stream *stream, const LogEnds *ends);
static bool is_reading(const Stream *stream);
static void report_timeout(Oid relid);
static bool has_worker(Oid relid);
static bool lacks_worker(Oid relid, int64 *last_seen);
pg_noreturn static void raise_no_worker(Oid relid);

STREAMBATCH_FUNCTION(streambatch_pause);
STREAMBATCH_FUNCTION(streambatch_resume);
STREAMBATCH_FUNCTION(streambatch_reset);
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

	check_owner(relid);
	stream_setup(relid, &row);
	if (!row.paused && slots_get(MyDatabaseId, relid, &slot) && slot.pid != 0 && slot.state != WORKER_ERROR)
		ereport(NOTICE, (errmsg("stream \"%s\" is already running", get_rel_name(relid))));
	stream_check_limit(relid);
	start(relid, &row);
	warn_stopped(relid, &row);
	PG_RETURN_VOID();
}

Datum
streambatch_reset(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	StreamRow row;

	check_owner(relid);
	stream_setup(relid, &row);
	stream_check_limit(relid);
	topic_epoch_begin(stream_open(relid), true);
	start(relid, &row);
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
	LogEnds ends;

	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_TABLE, stream->name);
	check_running(relid);
	for (ends = get_log_ends(stream, deadline);;)
	{
		bool reached = ends_reached(stream, &ends);

		if (reached && is_reading(stream))
			break;
		/* its snapshot never shows new positions */
		if (!reached && IsolationUsesXactSnapshot())
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
		/* what has been read needs no worker */
		if (lacks_worker(relid, &worker_seen))
		{
			if (reached)
				break;
			raise_no_worker(relid);
		}
		if (ends.before_positions && clock_passed(ends.asked, ASK_MS))
			ends = get_log_ends(stream, deadline);
	}
	PG_RETURN_BOOL(true);
}

/* Request a worker, at commit. */
static void
start(Oid relid, const StreamRow *row)
{
	bool archive_only = row->nviews == 0;
	Oid archive = OidIsValid(row->archive) ? row->archive : catalog_require_archive(relid);

	catalog_link_views();
	archive_triggers_add(archive);
	if (archive_only && !OidIsValid(archive))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("stream \"%s\" has neither a hybrid view nor an archive", get_rel_name(relid)),
			 errhint(
				 "Create a hybrid view over it with streambatch.create_view(), or create the stream without archive 'none'.")));
	catalog_set_paused(relid, false, archive_only);
	stream_want_at_commit(relid);
	stream_setup_warn(relid);
}

/* A stream whose topic has changed stays stopped. */
static void
warn_stopped(Oid relid, const StreamRow *row)
{
	WorkerError stop;

	if (row->stop_lasts && strcmp(row->topic, stream_open(relid)->topic) == 0 && catalog_stop(relid, &stop))
		ereport(WARNING, (errcode(stop.sqlerrcode),
						  errmsg("stream \"%s\" has stopped: %s", get_rel_name(relid), stop.message),
						  errhint("%s", stop.hint)));
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

	if (compat_interval_is_infinite(timeout))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the timeout must be finite"),
						errhint("Use a long one, such as '1 year'.")));
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
	WorkerError stop;
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
		raise_stop(relid, &slot.error);
	if (row.stop_lasts && catalog_stop(relid, &stop))
		raise_stop(relid, &stop);
}

static void
raise_stop(Oid relid, const WorkerError *stop)
{
	ereport(ERROR, (errcode(stop->sqlerrcode),
					errmsg("stream \"%s\" has stopped: %s", get_rel_name(relid), stop->message),
					errhint("%s", stop->hint)));
}

/* The log end offset of each partition, in the current context; raises if no broker reports them. */
static LogEnds
get_log_ends(const Stream *stream, int64 deadline)
{
	int64 now = clock_now();
	int timeout_ms = (int) Max(1000, Min((deadline - now) / 1000, 10000));
	LogEnds ends = {.asked = now};
	int nrows;
	/* first: what was read by then lies before the ends */
	ProgressRow *rows = catalog_progress(stream->relid, &nrows, NULL);
	Consumer *consumer = consumer_open(stream->serverid, stream->topic, stream->owner, CONSUMER_SCAN);

	ends.n = consumer_partition_count(consumer, timeout_ms);
	if (ends.n == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("topic \"%s\" does not exist", stream->topic),
			 errhint(
				 "Create the topic, or correct the option: ALTER FOREIGN TABLE %s OPTIONS (SET topic '…').",
				 quote_qualified_identifier(stream->schema, stream->name))));
	if (ends.n > 0)
		stream_check_partitions(stream, ends.n);
	ends.offsets = ends.n > 0 ? consumer_log_ends(consumer, ends.n, timeout_ms) : NULL;
	if (ends.offsets == NULL)
		ereport(ERROR, (errcode(ERRCODE_CONNECTION_FAILURE),
						errmsg("could not get the log end offsets of stream \"%s\": %s", stream->name,
							   consumer_state(consumer)->message),
						errhint("Check the state of the stream in streambatch.stat_stream.")));
	consumer_close(consumer);
	for (int i = 0; i < nrows; i++)
	{
		if (!partition_set_has(stream->partitions, rows[i].partition))
			continue;
		if (rows[i].partition >= ends.n || rows[i].next_offset > ends.offsets[rows[i].partition])
			ends.before_positions = true;
	}
	pfree(rows);
	return ends;
}

/* Whether all events below the log end offsets are visible. */
static bool
ends_reached(const Stream *stream, const LogEnds *ends)
{
	int nrows;
	ProgressRow *rows = catalog_progress(stream->relid, &nrows, NULL);
	int r = 0;
	bool result = !ends->before_positions;

	for (int i = 0; i < ends->n && result; i++)
	{
		while (r < nrows && rows[r].partition < i)
			r++;
		if (!partition_set_has(stream->partitions, i))
			continue;
		if (ends->offsets[i] > 0 &&
			(r >= nrows || rows[r].partition != i || rows[r].next_offset < ends->offsets[i]))
			result = false;
	}
	pfree(rows);
	return result;
}

/*
 * Whether the positions are of the topic that the option names, and the stream's worker has verified that it is the
 * same topic as before (worker/topic_check.c). On a standby, the primary's worker has.
 */
static bool
is_reading(const Stream *stream)
{
	StreamRow row;
	Slot slot;

	if (RecoveryInProgress())
		return true;
	return catalog_stream(stream->relid, &row) && strcmp(row.topic, stream->topic) == 0 &&
		   slots_get(MyDatabaseId, stream->relid, &slot) && slot.pid != 0 &&
		   (slot.state == WORKER_CATCHING_UP || slot.state == WORKER_STREAMING);
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
	else if (slots_get(MyDatabaseId, relid, &slot) &&
			 (lock_wait_describe(slot.pid, &slot.error) || slot.error.sqlerrcode != 0))
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

/* Whether no worker has been requested for some time: streambatch.autostart is off, or the database is a copy. */
static bool
lacks_worker(Oid relid, int64 *last_seen)
{
	if (has_worker(relid))
		*last_seen = clock_now();
	return clock_passed(*last_seen, NO_WORKER_MS);
}

static void
raise_no_worker(Oid relid)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("stream \"%s\" is stopped", get_rel_name(relid)),
					errhint("Use SELECT streambatch.resume('%s') to start it.",
							quote_identifier(get_rel_name(relid)))));
}

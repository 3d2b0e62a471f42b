/*
 * stream_setup.c
 *		Setting up a stream when it is first used (see stream_setup.h).
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "common/archive_triggers.h"
#include "common/catalog_topic.h"
#include "common/guard.h"
#include "common/settings.h"
#include "common/slots.h"
#include "executor/spi.h"
#include "kafka/consumer.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "serve/stream_setup.h"
#include "storage/lmgr.h"
#include "stream/topic_epoch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#define BROKER_TIMEOUT_MS 2000

typedef struct Request
{
	Oid stream;
	Oid owner;
	void (*send)(Oid database, Oid stream); /* a function of slots.h */
} Request;

static List *requests = NIL; /* of Request *, in TopMemoryContext */
static bool registered = false;

static void request_at_commit(Oid relid, void (*send)(Oid database, Oid stream));
static int requested_by(Oid owner, Oid stream);
static void send_requests(XactEvent event, void *arg);
static void check_prepare(void);
static bool find_row(Oid relid, StreamRow *row);
static void check_archive(const Stream *stream, Oid archive);
static void refuse_archive(const Stream *stream, const char *detail);
static void check_archive_privileges(const Stream *stream, Oid archive);
static void create_archive(const Stream *stream, const char *partition, const char *offset);
static void execute(const char *sql);
static char *archive_ddl(const Stream *stream, const char *partition, const char *offset);
static void adopt_positions(const Stream *stream, Oid archive, const char *partition, const char *offset);
static int32 adopt_epoch(const Stream *stream, Oid archive, const char *partition, const char *offset);

void
stream_check_limit(Oid relid)
{
	Oid owner = guard_owner_of(relid);
	int max =
		setting_max_streams_per_role < 0 ? Max(max_worker_processes / 2, 1) : setting_max_streams_per_role;
	Slot slot;

	if (max == 0 || superuser_arg(owner) ||
		(slots_get(MyDatabaseId, relid, &slot) && (slot.wanted || slot.pid != 0)))
		return;
	/* until the commit, which says that there is one more: one session of a role counts at a time */
	LockSharedObject(AuthIdRelationId, owner, 0, ShareUpdateExclusiveLock);
	if (slots_count_of(owner, relid) + requested_by(owner, relid) < max)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("role \"%s\" has %d running streams already", GetUserNameFromId(owner, false), max),
			 errdetail("That is the limit that streambatch.max_streams_per_role sets."),
			 errhint("Pause another stream with streambatch.pause(), or have a superuser raise the limit: "
					 "ALTER ROLE %s SET streambatch.max_streams_per_role = %d.",
					 quote_identifier(GetUserNameFromId(owner, false)), max + 1)));
}

void
stream_want_at_commit(Oid relid)
{
	request_at_commit(relid, slots_want);
}

void
stream_nudge_at_commit(Oid relid)
{
	request_at_commit(relid, slots_nudge);
}

void
stream_retry_at_commit(Oid relid)
{
	request_at_commit(relid, slots_retry);
}

void
stream_setup(Oid relid, StreamRow *row)
{
	Stream *stream;
	Oid archive = InvalidOid;
	const char *partition;
	const char *offset;
	Guard guard;
	bool existing = false;
	ArrayType *settings;

	if (find_row(relid, row))
	{
		/* made by an older version, restored without them, or dropped by a user */
		archive_triggers_add(row->archive);
		return;
	}
	stream = stream_open(relid);
	settings = guard_note_settings();
	if (stream->archive_name != NULL)
	{
		Oid nsp = get_namespace_oid(stream->archive_schema, false);

		stream_position_columns(stream, &partition, &offset);
		guard_enter(&guard, stream->owner, NULL);
		SPI_connect();
		archive = get_relname_relid(stream->archive_name, nsp);
		existing = OidIsValid(archive);
		if (existing)
		{
			stream_check_archive_owner(stream, archive);
			check_archive(stream, archive);
			check_archive_privileges(stream, archive);
		}
		else
			create_archive(stream, partition, offset);
		SPI_finish();
		guard_leave(&guard);
		archive = get_relname_relid(stream->archive_name, nsp);
	}
	catalog_insert_stream(relid, archive, stream->topic, settings);
	archive_triggers_add(archive);
	if (existing)
	{
		guard_enter(&guard, stream->owner, NULL);
		SPI_connect();
		adopt_positions(stream, archive, partition, offset);
		SPI_finish();
		guard_leave(&guard);
	}
	if (!catalog_stream(relid, row))
		elog(ERROR, "stream %u has no row", relid);
}

void
stream_setup_warn(Oid relid)
{
	Stream *stream = stream_open(relid);
	Slot slot;
	WorkerError error;
	MemoryContext context;
	MemoryContext old;
	Consumer *consumer;
	int partitions;

	if (!slots_available())
	{
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" has no worker because pg_streambatch is not preloaded", stream->name),
				 errhint("Add pg_streambatch to shared_preload_libraries and restart the server.")));
		return;
	}
	if (slots_launcher_missing(&error))
	{
		ereport(WARNING, (errcode(error.sqlerrcode),
						  errmsg("stream \"%s\" has no worker: %s", stream->name, error.message),
						  errhint("%s", error.hint)));
		return;
	}
	/* a running worker checks the broker itself */
	if (slots_get(MyDatabaseId, relid, &slot) && slot.pid != 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "streambatch broker check", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	consumer = consumer_open(stream->serverid, stream->topic, stream->owner, CONSUMER_SCAN);
	partitions = consumer_partition_count(consumer, BROKER_TIMEOUT_MS);
	if (partitions < 0)
		ereport(WARNING,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not connect to a broker of stream \"%s\": %s", stream->name,
						consumer_state(consumer)->message),
				 errhint("The worker keeps trying to connect; check its state in streambatch.stat_stream.")));
	else if (partitions == 0)
		ereport(
			WARNING,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("topic \"%s\" does not exist", stream->topic),
			 errhint(
				 "Create the topic, or correct the option: ALTER FOREIGN TABLE %s OPTIONS (SET topic '…').",
				 quote_qualified_identifier(stream->schema, stream->name))));
	else if (partition_set_missing(stream->partitions, partitions) >= 0)
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("%s", stream_no_partition_message(
								  stream, partition_set_missing(stream->partitions, partitions), partitions)),
				 errhint("%s", stream_no_partition_hint(stream))));
	consumer_close(consumer);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
stream_setup_check_archive(const Stream *stream, Oid archive)
{
	Stream with_archive = *stream;

	if (get_rel_name(archive) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", archive)));
	with_archive.archive_schema = get_namespace_name(get_rel_namespace(archive));
	with_archive.archive_name = get_rel_name(archive);
	stream_check_archive_owner(&with_archive, archive);
	check_archive(&with_archive, archive);
	check_archive_privileges(&with_archive, archive);
}

static void
request_at_commit(Oid relid, void (*send)(Oid database, Oid stream))
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Request *request = palloc(sizeof(Request));

	request->stream = relid;
	request->owner = guard_owner_of(relid);
	request->send = send;
	requests = lappend(requests, request);
	MemoryContextSwitchTo(old);
	if (!registered)
		RegisterXactCallback(send_requests, NULL);
	registered = true;
}

/* How many other streams of a role this transaction has requested workers for. */
static int
requested_by(Oid owner, Oid stream)
{
	List *streams = NIL;
	ListCell *lc;
	int n;

	foreach (lc, requests)
	{
		const Request *request = lfirst(lc);

		if (request->send == slots_want && request->owner == owner && request->stream != stream)
			streams = list_append_unique_oid(streams, request->stream);
	}
	n = list_length(streams);
	list_free(streams);
	return n;
}

static void
send_requests(XactEvent event, void *arg)
{
	ListCell *lc;

	if (event == XACT_EVENT_PRE_PREPARE)
		check_prepare();
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	foreach (lc, requests)
	{
		const Request *request = lfirst(lc);

		if (event != XACT_EVENT_COMMIT)
			continue;
		request->send(MyDatabaseId, request->stream);
		if (OidIsValid(request->owner))
			slots_note_owner(MyDatabaseId, request->stream, request->owner);
	}
	list_free_deep(requests);
	requests = NIL;
}

/*
 * Refuse PREPARE TRANSACTION where a worker is to be requested: the requests are in this session's memory, and
 * any session may commit later, or after a restart. A worker that is only to be woken looks at the catalog once a
 * second anyway.
 */
static void
check_prepare(void)
{
	ListCell *lc;

	foreach (lc, requests)
	{
		const Request *request = lfirst(lc);

		if (request->send != slots_nudge)
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("cannot PREPARE a transaction that starts or alters stream \"%s\"",
								   get_rel_name(request->stream)),
							errdetail("Its worker is requested by the session that commits the transaction."),
							errhint("Use COMMIT instead of PREPARE TRANSACTION.")));
	}
}

/*
 * Read the stream's row. If there is none, lock the foreign table until the end of the transaction, so that only
 * one session creates the row and the archive; the others wait, and find the row. The lock does not block readers
 * and workers.
 */
static bool
find_row(Oid relid, StreamRow *row)
{
	if (catalog_stream(relid, row))
		return true;
	LockRelationOid(relid, ShareUpdateExclusiveLock);
	return catalog_stream(relid, row);
}

/* Raise unless an existing table can be the archive: it needs all columns of the stream and the position. */
static void
check_archive(const Stream *stream, Oid archive)
{
	char *comment;
	int32 topic_epoch;
	ArchiveMisfit misfit;
	char kind = get_rel_relkind(archive);
	Oid other = catalog_stream_of_archive(archive);

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE && kind != RELKIND_FOREIGN_TABLE)
		refuse_archive(stream, "It is not a table.");
	if (stream_is_stream(archive))
		refuse_archive(stream, "It is a stream.");
	stream_check_local(stream, archive);
	if (OidIsValid(other))
		refuse_archive(stream, psprintf("It is the archive of stream \"%s\".",
										get_rel_name(other) ? get_rel_name(other) : "?"));
	comment = GetComment(archive, RelationRelationId, 0);
	if (topic_epoch_read_comment(stream, comment, &topic_epoch) && topic_epoch < 0)
		refuse_archive(stream, psprintf("According to its comment, it contains %s.", comment));
	if (get_rel_persistence(archive) != RELPERSISTENCE_PERMANENT)
		refuse_archive(
			stream,
			"It is unlogged or temporary; a crash would delete events that the stream does not read again.");
	topic_epoch_check_archive(stream, archive, 0);
	if (stream_archive_fits(stream, archive, &misfit))
		return;
	if (misfit.has == NULL)
		refuse_archive(stream, psprintf("It has no column \"%s\".", misfit.column));
	refuse_archive(
		stream, psprintf("Its column \"%s\" has type %s, not %s.", misfit.column, misfit.has, misfit.wanted));
}

static void
refuse_archive(const Stream *stream, const char *detail)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_DATATYPE_MISMATCH),
		 errmsg("table \"%s\" cannot be the archive of stream \"%s\"", stream->archive_name, stream->name),
		 errdetail("%s", detail),
		 errhint(
			 "Use ALTER FOREIGN TABLE %s to set the option archive to another table, or drop or alter this one.",
			 quote_qualified_identifier(stream->schema, stream->name))));
}

/* The archive is read and written with the privileges of the stream's owner. */
static void
check_archive_privileges(const Stream *stream, Oid archive)
{
	if (pg_class_aclcheck(archive, stream->owner, ACL_INSERT) == ACLCHECK_OK &&
		pg_class_aclcheck(archive, stream->owner, ACL_SELECT) == ACLCHECK_OK)
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("permission denied for table %s", stream->archive_name),
		 errhint(
			 "The stream's owner needs SELECT and INSERT on its archive: GRANT SELECT, INSERT ON %s TO %s.",
			 quote_qualified_identifier(stream->archive_schema, stream->archive_name),
			 quote_identifier(GetUserNameFromId(stream->owner, false)))));
}

/*
 * Events arrive roughly in the order of their times, so a block range index finds the events of a chunk, at
 * almost no cost per event. A refresh summarizes what the vacuum has not: autosummarize would ask for more than its queue
 * takes, and write a line to the log for each.
 */
static void
create_archive(const Stream *stream, const char *partition, const char *offset)
{
	execute(archive_ddl(stream, partition, offset));
	/* the archive outlives the stream, and its positions are valid for this topic only */
	execute(psprintf("COMMENT ON TABLE %s IS %s",
					 quote_qualified_identifier(stream->archive_schema, stream->archive_name),
					 quote_literal_cstr(topic_epoch_comment(stream, 0))));
	if (stream->event_time != 0)
		execute(psprintf("CREATE INDEX ON %s USING brin (%s) WITH (pages_per_range = 4)",
						 quote_qualified_identifier(stream->archive_schema, stream->archive_name),
						 quote_identifier(stream->layout.columns[stream->event_time - 1].name)));
}

static void
execute(const char *sql)
{
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not run \"%s\"", sql);
}

static char *
archive_ddl(const Stream *stream, const char *partition, const char *offset)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE TABLE %s (",
					 quote_qualified_identifier(stream->archive_schema, stream->archive_name));
	for (int i = 0; i < stream->desc->natts; i++)
	{
		const MessageColumn *column = &stream->layout.columns[i];

		if (column->dropped)
			continue;
		appendStringInfo(&buf, "%s %s%s%s, ", quote_identifier(column->name),
						 format_type_extended(column->type, column->typmod,
											  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY),
						 OidIsValid(column->collation) ? " COLLATE " : "",
						 OidIsValid(column->collation) ? generate_collation_name(column->collation) : "");
	}
	if (stream_meta_column(stream, META_PARTITION) == 0)
		appendStringInfo(&buf, "%s pg_catalog.int4, ", quote_identifier(partition));
	if (stream_meta_column(stream, META_OFFSET) == 0)
		appendStringInfo(&buf, "%s pg_catalog.int8, ", quote_identifier(offset));
	buf.len -= 2; /* the last comma */
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

/* Start after the last offsets found in an existing archive, so that its events are not read again. */
static void
adopt_positions(const Stream *stream, Oid archive, const char *partition, const char *offset)
{
	MemoryContext caller = CurrentMemoryContext;
	const char *epoch = topic_epoch_column(stream, archive);
	int32 topic_epoch = adopt_epoch(stream, archive, partition, offset);
	ProgressRow *rows;
	int n;
	bool isnull;

	if (topic_epoch > 0)
		catalog_set_topic_epoch(stream->relid, topic_epoch);
	execute(psprintf(
		"SELECT %s::pg_catalog.int4, pg_catalog.max(%s) + 1 FROM %s WHERE %s IS NOT NULL AND %s IS NOT NULL "
		"AND coalesce(%s, 0) = %d GROUP BY 1",
		quote_identifier(partition), quote_identifier(offset),
		quote_qualified_identifier(stream->archive_schema, stream->archive_name), quote_identifier(partition),
		quote_identifier(offset), epoch != NULL ? epoch : "0", topic_epoch));
	n = (int) SPI_processed;
	rows = MemoryContextAllocZero(caller, (n + 1) * sizeof(ProgressRow));
	for (int i = 0; i < n; i++)
	{
		rows[i].partition =
			DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		rows[i].next_offset =
			DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
		rows[i].log_end = -1;
	}
	if (n == 0)
		return;
	catalog_put_progress(stream->relid, rows, n);
	catalog_set_started(stream->relid);
	ereport(NOTICE, (errmsg("stream \"%s\" resumes after the last offsets found in archive \"%s\"",
							stream->name, stream->archive_name)));
}

/*
 * The topic epoch of the archive's last positions: the greatest, or the one in its comment, if that began without any
 * event.
 */
static int32
adopt_epoch(const Stream *stream, Oid archive, const char *partition, const char *offset)
{
	const char *column = topic_epoch_column(stream, archive);
	int32 noted;
	int32 found;
	bool isnull;

	if (column == NULL)
		return 0;
	execute(psprintf("SELECT pg_catalog.max(%s) FROM %s WHERE %s IS NOT NULL AND %s IS NOT NULL", column,
					 quote_qualified_identifier(stream->archive_schema, stream->archive_name),
					 quote_identifier(partition), quote_identifier(offset)));
	found = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	if (isnull)
		found = 0;
	if (!topic_epoch_read_comment(stream, GetComment(archive, RelationRelationId, 0), &noted))
		noted = 0;
	return Max(found, noted);
}

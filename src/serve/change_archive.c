/*
 * change_archive.c
 *		streambatch.change_archive(stream, archive, force): another table becomes the archive of a paused stream.
 *
 * For example a partitioned one, in which the old one may be a partition. It must contain the same events: as many of each
 * partition and topic epoch as the old archive, up to the same offset. The layers of the views then remain as they are.
 * By force, it may contain others: all panes are marked, so that a refresh computes them.
 *
 * Everything happens in the caller's transaction: both tables are locked against writers, the stream's past exclusively,
 * so that nothing is computed from the old one, and the stream's row, with which a worker that has not noticed the
 * pause finds another generation, and writes nothing.
 */
#include "postgres.h"

#include "access/xact.h"
#include "batch/dirty_marks.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "common/archive_triggers.h"
#include "common/catalog_dirty.h"
#include "common/catalog_retention.h"
#include "common/catalog_version.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/guard.h"
#include "common/locks.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "serve/stream_setup.h"
#include "storage/lmgr.h"
#include "stream/topic_epoch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static void check_nulls(FunctionCallInfo fcinfo);
static void check_call(const Stream *stream);
static void lock(Oid stream, StreamRow *row, Oid archive);
static void check_readers(Oid stream, Oid archive);
static bool has_same_events(const Stream *stream, Oid old, Oid archive);
static char *positions(const Stream *stream, Oid archive);
static void set_option(const Stream *stream, Oid archive);
static char *qualified_name(Oid relation);
static void execute(const char *sql);

STREAMBATCH_FUNCTION(streambatch_change_archive);

Datum
streambatch_change_archive(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	Oid archive = PG_GETARG_OID(1);
	Stream *stream;
	StreamRow row;
	ListCell *lc;
	bool exists;
	bool same;

	check_nulls(fcinfo);
	stream = stream_open(relid);
	check_call(stream);
	lock(relid, &row, archive);
	stream_setup_check_archive(stream, archive);
	topic_epoch_check_archive(stream, archive, row.topic_epoch);
	check_readers(relid, archive);
	exists = get_rel_name(row.archive) != NULL;
	if (!exists && !PG_GETARG_BOOL(2))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the archive of stream \"%s\" no longer exists, so its events cannot be compared",
						stream->name),
				 errhint("Use force => true, after which refreshes compute all windows from what the table "
						 "contains.")));
	same = exists && has_same_events(stream, row.archive, archive);
	if (!same && !PG_GETARG_BOOL(2))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s does not contain the same events as archive %s", qualified_name(archive),
					qualified_name(row.archive)),
			 errdetail("Of some partition of the topic, the number of events or the last offset differs."),
			 errhint("Copy or attach what is missing, or use force => true, after which refreshes compute "
					 "all windows from what the table contains.")));
	catalog_set_archive(relid, archive);
	set_option(stream, archive);
	CommandCounterIncrement();
	if (exists && !catalog_is_watched(row.archive))
		archive_triggers_remove(row.archive);
	archive_triggers_add(archive);
	foreach (lc, catalog_marked_views(relid))
	{
		if (!same)
			dirty_marks_all(((const MarkedView *) lfirst(lc))->id);
	}
	catalog_raise_generation(relid);
	PG_RETURN_VOID();
}

static void
check_nulls(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("arguments of change_archive must not be null")));
}

static void
check_call(const Stream *stream)
{
	if (!compat_class_ownercheck(stream->relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_TABLE, stream->name);
	if (catalog_is_first_version())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("change_archive needs the objects of a later version of pg_streambatch"),
						errhint("Use ALTER EXTENSION pg_streambatch UPDATE.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("change_archive cannot run in a REPEATABLE READ or SERIALIZABLE transaction"),
						errhint("Use READ COMMITTED.")));
}

/* Tables before the stream's row, as the worker locks them. */
static void
lock(Oid stream, StreamRow *row, Oid archive)
{
	const char *name = get_rel_name(stream);

	if (!catalog_stream(stream, row) || !OidIsValid(row->archive))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("stream \"%s\" has no archive to be replaced", name),
						errhint("Before its first use, name the table in the option archive.")));
	if (row->archive == archive)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s is the archive of stream \"%s\" already", qualified_name(archive), name)));
	if (!locks_take_past(stream, true, false))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("cannot change the archive of stream \"%s\" while it is being read", name),
						errdetail("A hybrid view is being refreshed or created, or dead letters retried."),
						errhint("Try again later.")));
	LockRelationOid(row->archive, ShareRowExclusiveLock);
	LockRelationOid(archive, ShareRowExclusiveLock);
	if (!catalog_lock_stream(stream, row))
		elog(ERROR, "stream %u has no row", stream);
	if (!row->paused)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("stream \"%s\" is not paused", name),
						errhint("Use SELECT streambatch.pause('%s') first, and resume() afterwards.", name)));
}

/* Refreshes read it as the owners of the views. */
static void
check_readers(Oid stream, Oid archive)
{
	ListCell *lc;

	foreach (lc, catalog_marked_views(stream))
	{
		Oid owner = guard_owner_of(((const MarkedView *) lfirst(lc))->view);

		if (OidIsValid(owner) && pg_class_aclcheck(archive, owner, ACL_SELECT) != ACLCHECK_OK)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for table %s", get_rel_name(archive)),
					 errhint("The owner of a hybrid view needs SELECT on the stream's archive: GRANT "
							 "SELECT ON %s TO %s.",
							 qualified_name(archive), quote_identifier(GetUserNameFromId(owner, false)))));
	}
}

static bool
has_same_events(const Stream *stream, Oid old, Oid archive)
{
	char *before = positions(stream, old);
	char *after = positions(stream, archive);
	Guard guard;
	bool result;

	guard_enter(&guard, stream->owner, NULL);
	SPI_connect();
	execute(psprintf("(%s EXCEPT %s) UNION ALL (%s EXCEPT %s) LIMIT 1", before, after, after, before));
	result = SPI_processed == 0;
	SPI_finish();
	guard_leave(&guard);
	return result;
}

/* A query: for each partition and topic epoch, and the rows without a position, how many there are, and the last offset. */
static char *
positions(const Stream *stream, Oid archive)
{
	const char *partition;
	const char *offset;
	const char *epoch = topic_epoch_column(stream, archive);

	stream_position_columns(stream, &partition, &offset);
	return psprintf("SELECT coalesce(%s, 0), %s::pg_catalog.int4, pg_catalog.count(*), pg_catalog.max(%s) "
					"FROM %s GROUP BY 1, 2",
					epoch != NULL ? epoch : "NULL::pg_catalog.int4", quote_identifier(partition),
					quote_identifier(offset), qualified_name(archive));
}

/* So that a stream that is made like this one has the same archive. */
static void
set_option(const Stream *stream, Oid archive)
{
	bool has_option = false;
	ListCell *lc;
	Guard guard;

	foreach (lc, GetForeignTable(stream->relid)->options)
		has_option = has_option || strcmp(lfirst_node(DefElem, lc)->defname, "archive") == 0;
	guard_enter(&guard, stream->owner, NULL);
	SPI_connect();
	execute(psprintf("ALTER FOREIGN TABLE %s OPTIONS (%s archive %s)",
					 quote_qualified_identifier(stream->schema, stream->name), has_option ? "SET" : "ADD",
					 quote_literal_cstr(qualified_name(archive))));
	SPI_finish();
	guard_leave(&guard);
}

static char *
qualified_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

static void
execute(const char *sql)
{
	int rc = SPI_execute(sql, false, 0);

	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(rc));
}

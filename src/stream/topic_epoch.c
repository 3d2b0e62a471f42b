/*
 * topic_epoch.c
 *		Topic epochs (see topic_epoch.h).
 *
 * An offset identifies a message only within a topic. ALTER FOREIGN TABLE may name another topic, and a topic may be
 * deleted and created again under its name. So a position is (topic epoch, partition, offset). The stream's row has the
 * topic and the topic epoch of its positions. The next topic epoch begins when the worker finds another topic in the
 * options (worker/topic_check.c), or by reset(): all positions are deleted, and the generation is raised, so that a
 * fold from the epoch before is dropped. States and archive stay, and the events of the new epoch are added.
 *
 *				topic	topic_epoch	positions		archive rows (epoch, partition, offset)
 *		first use	a		0		{}
 *		flush		a		0		{0: 10}			(0, 0, 0) … (0, 0, 9)
 *		SET topic	b		1		{}				the same
 *		flush		b		1		{0: 25}			and (1, 0, 0) … (1, 0, 24)
 *
 * Topic epochs order positions: all of an earlier one are below all of a later one, and a cut (batch/cut.h) of topic
 * epoch 1 has every archive row of topic epoch 0 below it.
 *
 * The archive's column for it is added when topic epoch 1 begins: most streams never need one. Its default is a
 * constant, so the table is not rewritten, and existing rows read 0.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "common/catalog_stream.h"
#include "common/catalog_topic.h"
#include "common/compat.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "stream/topic_epoch.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define COLUMN "kafka_epoch"
#define COMMENT "events of Kafka topic "
#define COMMENT_EPOCH " (topic epoch %d)"

static bool is_unread(Oid stream, const StreamRow *row);
static void prepare_archive(const Stream *stream, Oid archive, int32 topic_epoch);
static void add_column(const Stream *stream, Oid archive);
pg_noreturn static void refuse(const Stream *stream, Oid archive, const char *problem, const char *hint);
static void refuse_without_column(const Stream *stream, Oid archive);
static void set_comment(const Stream *stream, Oid archive, int32 topic_epoch);
static char *table_name(Oid archive);
static void execute(const char *sql);

void
topic_epoch_begin(const Stream *stream, bool at_beginning)
{
	StreamRow row;
	bool unread;

	/* one at a time; neither readers nor workers wait for it */
	LockRelationOid(stream->relid, ShareUpdateExclusiveLock);
	if (!catalog_stream(stream->relid, &row))
		elog(ERROR, "stream %u has no row", stream->relid);
	unread = is_unread(stream->relid, &row);
	if (!unread && OidIsValid(row.archive))
		prepare_archive(stream, row.archive, row.topic_epoch + 1);
	if (!catalog_lock_stream(stream->relid, &row))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("stream \"%s\" was dropped", stream->name)));
	if (unread && !is_unread(stream->relid, &row))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("stream \"%s\" has begun to be read at this moment", stream->name),
						errhint("Try again.")));
	if (!unread)
		catalog_begin_topic_epoch(stream->relid, stream->topic, at_beginning);
	else
	{
		/* no positions to be kept apart from */
		catalog_set_topic(stream->relid, stream->topic);
		if (at_beginning)
			catalog_set_started(stream->relid);
	}
}

const char *
topic_epoch_column(const Stream *stream, Oid archive)
{
	for (int i = 0; i < stream->desc->natts; i++)
	{
		const MessageColumn *column = &stream->layout.columns[i];

		/* a field of the payload */
		if (!column->dropped && strcmp(column->name, COLUMN) == 0)
			return NULL;
	}
	return get_attnum(archive, COLUMN) != InvalidAttrNumber ? COLUMN : NULL;
}

void
topic_epoch_check_archive(const Stream *stream, Oid archive, int32 topic_epoch)
{
	const char *column = topic_epoch_column(stream, archive);

	if (column == NULL && topic_epoch > 0)
		refuse_without_column(stream, archive);
	if (column != NULL && get_atttype(archive, get_attnum(archive, column)) != INT4OID)
		refuse(stream, archive, psprintf("Its column \"%s\" is not of type integer.", COLUMN),
			   psprintf("Use ALTER TABLE %s RENAME COLUMN %s TO …, or ALTER COLUMN %s TYPE integer.",
						table_name(archive), COLUMN, COLUMN));
}

char *
topic_epoch_comment(const Stream *stream, int32 topic_epoch)
{
	return topic_epoch == 0 ? psprintf(COMMENT "%s", stream->topic)
							: psprintf(COMMENT "%s" COMMENT_EPOCH, stream->topic, topic_epoch);
}

bool
topic_epoch_read_comment(const Stream *stream, const char *comment, int32 *topic_epoch)
{
	Size length = strlen(COMMENT);

	if (comment == NULL || strncmp(comment, COMMENT, length) != 0)
		return false;
	comment += length;
	length = strlen(stream->topic);
	*topic_epoch = 0;
	/* a topic's name has no spaces */
	if (strncmp(comment, stream->topic, length) != 0 ||
		(comment[length] != '\0' && sscanf(comment + length, COMMENT_EPOCH, topic_epoch) != 1))
		*topic_epoch = -1;
	return true;
}

/* Whether the stream has no positions, and never had any. */
static bool
is_unread(Oid stream, const StreamRow *row)
{
	int n;

	pfree(catalog_progress(stream, &n, NULL));
	return n == 0 && !row->started && row->topic_epoch == 0;
}

/* Add the archive's column, as the stream's owner, and update its comment. */
static void
prepare_archive(const Stream *stream, Oid archive, int32 topic_epoch)
{
	Guard guard;

	stream_require_archive(stream->name, archive);
	guard_enter(&guard, stream->owner, NULL);
	SPI_connect();
	if (topic_epoch_column(stream, archive) == NULL)
		add_column(stream, archive);
	set_comment(stream, archive, topic_epoch);
	SPI_finish();
	guard_leave(&guard);
	topic_epoch_check_archive(stream, archive, topic_epoch);
}

static void
add_column(const Stream *stream, Oid archive)
{
	if (get_rel_relkind(archive) == RELKIND_FOREIGN_TABLE ||
		get_attnum(stream->relid, COLUMN) != InvalidAttrNumber)
		refuse_without_column(stream, archive);
	execute(psprintf("ALTER TABLE %s ADD COLUMN %s pg_catalog.int4 NOT NULL DEFAULT 0", table_name(archive),
					 COLUMN));
}

static void
refuse(const Stream *stream, Oid archive, const char *problem, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("archive \"%s\" of stream \"%s\" cannot store events of more than one topic epoch",
						   get_rel_name(archive), stream->name),
					errdetail("%s", problem), errhint("%s", hint)));
}

/* A column that we cannot add: of a foreign table, or of a name that the payload has. Or it was dropped. */
static void
refuse_without_column(const Stream *stream, Oid archive)
{
	char *problem = psprintf("It has no column \"%s\" for the topic epoch.", COLUMN);

	if (get_attnum(stream->relid, COLUMN) != InvalidAttrNumber)
		refuse(
			stream, archive,
			psprintf("The stream has a column \"%s\", which is not the topic epoch.", COLUMN),
			psprintf(
				"Use ALTER FOREIGN TABLE %s RENAME COLUMN %s TO … and the column option path '%s', and rename the column of the archive.",
				quote_qualified_identifier(stream->schema, stream->name), COLUMN, COLUMN));
	if (get_rel_relkind(archive) == RELKIND_FOREIGN_TABLE)
		refuse(
			stream, archive, problem,
			psprintf(
				"Add a column %s integer to the remote table, and then use ALTER FOREIGN TABLE %s ADD COLUMN %s integer.",
				COLUMN, table_name(archive), COLUMN));
	refuse(stream, archive, problem,
		   psprintf("Use ALTER TABLE %s ADD COLUMN %s integer NOT NULL DEFAULT 0.", table_name(archive),
					COLUMN));
}

/* Update the comment, unless a user has replaced it. */
static void
set_comment(const Stream *stream, Oid archive, int32 topic_epoch)
{
	int32 before;

	if (topic_epoch_read_comment(stream, GetComment(archive, RelationRelationId, 0), &before))
		execute(psprintf("COMMENT ON TABLE %s IS %s", table_name(archive),
						 quote_literal_cstr(topic_epoch_comment(stream, topic_epoch))));
}

static char *
table_name(Oid archive)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(archive)), get_rel_name(archive));
}

static void
execute(const char *sql)
{
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not run \"%s\"", sql);
}

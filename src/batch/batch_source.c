/*
 * batch_source.c
 *		What the batch layer of a hybrid view is computed from (see batch_source.h).
 *
 * The log is read by a scan of the stream itself, to which a slice tells where to end and what to leave out
 * (stream/log_slice.h): dead letters, of the stream and of the view, are known by their positions. It is read as the
 * stream's owner, as the worker reads it.
 */
#include "postgres.h"

#include "batch/archive_index.h"
#include "batch/batch_source.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/catalog_dead_letter.h"
#include "common/catalog_restore.h"
#include "common/catalog_retention.h"
#include "common/catalog_shadow.h"
#include "common/catalog_stream.h"
#include "common/catalog_version.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "stream/topic_epoch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

static void choose_reads(Computation *c);
static void check_relation(Oid relid, Oid stream, Oid owner);
static void check_columns(const Stream *stream, Oid relid);
static void open_archive(Computation *c, Stream *stream, const StreamRow *row);
static void open_log(Computation *c, Stream *stream);
static void open_relation(Computation *c, Stream *stream, const char *name);
static bool has_positions(Oid relid, const char *partition, const char *offset);
static char *qualified_name(Oid relid);

const char *
batch_source_parse(Oid stream, Oid owner, const char *source)
{
	Oid relid;

	if (strcmp(source, BATCH_SOURCE_ARCHIVE) == 0 || strcmp(source, BATCH_SOURCE_LOG) == 0)
		return source;
	relid = RangeVarGetRelid(makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(source))),
							 AccessShareLock, true);
	if (!OidIsValid(relid))
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("invalid source: \"%s\"", source),
			 errhint(
				 "The source is 'archive', 'log', or the name of a relation with the stream's columns.")));
	check_relation(relid, stream, owner);
	check_columns(stream_open(stream), relid);
	return qualified_name(relid);
}

void
batch_source_open(Computation *c, Stream *stream, const StreamRow *row, const char *source)
{
	if (source == NULL)
		source = catalog_source_of(c->view.view);
	if (source == NULL)
		source = stream->archive_name == NULL && !OidIsValid(row->archive) ? BATCH_SOURCE_LOG
																		   : BATCH_SOURCE_ARCHIVE;
	if (strcmp(source, BATCH_SOURCE_ARCHIVE) == 0)
		open_archive(c, stream, row);
	else if (strcmp(source, BATCH_SOURCE_LOG) == 0)
		open_log(c, stream);
	else
		open_relation(c, stream, source);
	batch_source_lock(c);
}

void
batch_source_lock(Computation *c)
{
	Stream *stream = stream_open(c->view.stream);
	StreamRow row;

	if (!OidIsValid(c->archive))
		return;
	LockRelationOid(c->archive, AccessShareLock);
	choose_reads(c);
	if (c->source.partition == NULL)
		return;
	if (!catalog_stream(c->view.stream, &row))
		elog(ERROR, "stream %u has no row", c->view.stream);
	topic_epoch_check_archive(stream, c->archive, row.topic_epoch);
	c->source.epoch = topic_epoch_column(stream, c->archive);
}

void
batch_source_cut(Computation *c, const Cut *cut, bool incomplete)
{
	LogSlice *slice = c->slice;
	Datum partitions;
	Datum offsets;

	if (slice == NULL)
		return;
	if (cut->topic_epoch > 0 && !incomplete)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the log of stream \"%s\" does not hold the events from before its last reset()",
						get_rel_name(c->view.stream)),
				 errhint("Compute from the archive, or with force => true from what the log holds.")));
	slice->n = cut->n;
	slice->starts = catalog_first_offsets(c->view.stream, cut->n);
	slice->ends = cut->offsets;
	slice->incomplete = incomplete;
	/* those of an earlier topic epoch are at offsets of another log */
	catalog_log_dead_letters(c->view.stream, c->view.view, cut->topic_epoch, &partitions, &offsets);
	log_slice_leave_out(slice, DatumGetArrayTypeP(partitions), DatumGetArrayTypeP(offsets));
}

TimestampTz
batch_source_complete_from(const Computation *c)
{
	StreamRow row;

	return catalog_stream(c->view.stream, &row) && row.archive == c->archive
			   ? catalog_archive_from(c->view.stream)
			   : DT_NOBEGIN;
}

const char *
batch_source_name(const Computation *c)
{
	StreamRow row;

	if (c->source.log)
		return "the log";
	return catalog_stream(c->view.stream, &row) && row.archive == c->archive ? "its archive"
																			 : c->source.relation;
}

/* How to read few panes of many. A pane by date_trunc() or date_bin() has no range of its own. */
static void
choose_reads(Computation *c)
{
	const StreamWindow *window = &c->def->window;
	BatchSource *source = &c->source;
	char kind = get_rel_relkind(c->archive);
	AttrNumber column;

	source->partitioned = kind == RELKIND_PARTITIONED_TABLE;
	source->blocks = false;
	source->reads = 0;
	source->scanned = kind == RELKIND_RELATION && c->def->has_window && !IsA(window->argument, Var);
	if ((kind != RELKIND_RELATION && !source->partitioned) || !c->def->has_window ||
		!IsA(window->argument, Var))
		return;
	column = get_attnum(c->archive,
						get_attname(c->def->stream, ((const Var *) window->argument)->varattno, false));
	source->scanned = kind == RELKIND_RELATION && !archive_index_exists(c->archive, column);
	if (window->by_pane)
		return;
	/* version 0.1.0 lacks the function */
	source->blocks = !catalog_is_first_version() && OidIsValid(archive_index_blocks(c->archive, column));
	if (source->blocks)
		source->reads = PANE_LIST_MAX;
	else if (kind == RELKIND_RELATION)
		source->reads = archive_index_reads(c->archive, column);
}

/* The view's owner reads it. */
static void
check_relation(Oid relid, Oid stream, Oid owner)
{
	const char *name = get_rel_name(relid);

	switch (get_rel_relkind(relid))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_MATVIEW:
		case RELKIND_VIEW:
			break;
		default:
			ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
							errmsg("\"%s\" cannot be the source of a batch layer", name),
							errhint("Use a table, a foreign table or a view.")));
	}
	if (stream_is_stream(relid))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("stream \"%s\" cannot be the source of a batch layer", name),
						relid == stream ? errhint("Use 'log' to read its topic.") : 0));
	if (pg_class_aclcheck(relid, owner, ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(get_rel_relkind(relid)), name);
}

static void
check_columns(const Stream *stream, Oid relid)
{
	for (int i = 0; i < stream->desc->natts; i++)
	{
		const MessageColumn *column = &stream->layout.columns[i];
		AttrNumber attnum = column->dropped ? InvalidAttrNumber : get_attnum(relid, column->name);

		if (column->dropped)
			continue;
		if (attnum == InvalidAttrNumber)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
							errmsg("source \"%s\" has no column \"%s\" of stream \"%s\"", get_rel_name(relid),
								   column->name, stream->name)));
		if (get_atttype(relid, attnum) != column->type)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of source \"%s\" is of type %s, but of type %s in stream \"%s\"",
							column->name, get_rel_name(relid), format_type_be(get_atttype(relid, attnum)),
							format_type_be(column->type), stream->name)));
	}
}

static void
open_archive(Computation *c, Stream *stream, const StreamRow *row)
{
	const char *partition;
	const char *offset;
	Oid archive = row->archive;

	if (!OidIsValid(archive))
		archive = catalog_require_archive(stream->relid);
	if (!OidIsValid(archive))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot compute hybrid view \"%s\" from the archive because stream \"%s\" has none",
						catalog_view_name(c->view.view), stream->name),
				 errhint("Use 'log' as the source, or create the stream without archive 'none'.")));
	stream_check_archive(stream, archive);
	stream_position_columns(stream, &partition, &offset);
	c->archive = archive;
	c->source.relation = qualified_name(archive);
	c->source.partition = quote_identifier(partition);
	c->source.offset = quote_identifier(offset);
}

static void
open_log(Computation *c, Stream *stream)
{
	AttrNumber partition = stream_meta_column(stream, META_PARTITION);
	AttrNumber offset = stream_meta_column(stream, META_OFFSET);

	c->source.relation = qualified_name(stream->relid);
	c->source.log = true;
	if (partition != 0 && offset != 0)
	{
		c->source.partition = quote_identifier(get_attname(stream->relid, partition, false));
		c->source.offset = quote_identifier(get_attname(stream->relid, offset, false));
	}
	else if (sql_needs_positions(c->def))
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot compute hybrid view \"%s\" from the log because it needs the positions of events",
					catalog_view_name(c->view.view)),
			 errhint(
				 "Give stream \"%s\" columns with the options metadata 'partition' and metadata 'offset'.",
				 stream->name)));
	c->slice = palloc0(sizeof(LogSlice));
	c->slice->context = CurrentMemoryContext;
	c->slice->stream = stream->relid;
	c->slice->role = stream->owner;
}

static void
open_relation(Computation *c, Stream *stream, const char *name)
{
	const char *partition;
	const char *offset;
	Oid relid = RangeVarGetRelid(makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name))),
								 AccessShareLock, true);

	if (!OidIsValid(relid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation %s, the source of hybrid view \"%s\", does not exist", name,
							   catalog_view_name(c->view.view)),
						errhint("Use SELECT streambatch.set_source(…) if it has another name now.")));
	check_relation(relid, stream->relid, c->owner);
	check_columns(stream, relid);
	stream_position_columns(stream, &partition, &offset);
	c->archive = relid;
	c->source.relation = qualified_name(relid);
	if (has_positions(relid, partition, offset))
	{
		c->source.partition = quote_identifier(partition);
		c->source.offset = quote_identifier(offset);
	}
	else if (sql_needs_positions(c->def))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot compute hybrid view \"%s\" from %s because it needs the positions of events",
						catalog_view_name(c->view.view), c->source.relation),
				 errhint("Give the source columns %s and %s.", quote_identifier(partition),
						 quote_identifier(offset))));
}

static bool
has_positions(Oid relid, const char *partition, const char *offset)
{
	AttrNumber p = get_attnum(relid, partition);
	AttrNumber o = get_attnum(relid, offset);

	return p > 0 && o > 0 && get_atttype(relid, p) == INT4OID && get_atttype(relid, o) == INT8OID;
}

static char *
qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

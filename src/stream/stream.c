/*
 * stream.c
 *		Creates a Stream from a foreign table: reads and checks its options and columns.
 *
 * The validator (options.c) checks each option by itself. The checks here need the columns: event_time is a column,
 * metadata columns have the required types, a raw stream has one column for the payload. ALTER FOREIGN TABLE can
 * violate these rules at any time, so they are checked whenever the stream is opened.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/guard.h"
#include "foreign/foreign.h"
#include "kafka/option_rule.h"
#include "miscadmin.h"
#include "stream/options.h"
#include "stream/stream.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

typedef struct MetaRule
{
	const char *name;
	MessageMeta meta;
	Oid types[2];
	const char *type_names;
} MetaRule;

static const MetaRule meta_rules[] = {
	{"partition", META_PARTITION, {INT4OID, INT8OID}, "integer or bigint"},
	{"offset", META_OFFSET, {INT8OID}, "bigint"},
	{"timestamp", META_TIMESTAMP, {TIMESTAMPTZOID}, "timestamp with time zone"},
	{"key", META_KEY, {TEXTOID, BYTEAOID}, "text or bytea"},
	{"headers", META_HEADERS, {JSONBOID}, "jsonb"},
	{"topic", META_TOPIC, {TEXTOID}, "text"},
};

static void refuse_virtual_columns(const Stream *stream, TupleDesc desc);
static void read_columns(Stream *stream);
static TimeUnit read_column_unit(const Stream *stream, const MessageColumn *column, const char *value);
static MessageMeta read_meta(const Stream *stream, const MessageColumn *column, const char *name);
static void read_options(Stream *stream, List *options);
static TimeUnit read_time_unit(const char *value);
static AttrNumber find_event_time(const Stream *stream, const char *name);
static void read_archive(Stream *stream, const char *value);
static void check_raw(const Stream *stream);
static bool is_our_wrapper(Oid fdwid);
static const char *position_column(const Stream *stream, MessageMeta meta, const char *metadata,
								   const char *name);
static bool column_fits(Oid archive, const char *name, Oid type, int32 typmod, ArchiveMisfit *misfit);

Stream *
stream_open(Oid relid)
{
	Stream *stream;
	ForeignTable *table;
	Relation rel;

	if (!stream_is_stream(relid))
	{
		char *name = get_rel_name(relid);

		ereport(
			ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 name != NULL ? errmsg("\"%s\" is not a stream", name)
						  : errmsg("relation with OID %u does not exist", relid),
			 errhint(
				 "A stream is a foreign table on a server of the foreign data wrapper streambatch_kafka. Use CREATE FOREIGN TABLE … SERVER … OPTIONS (topic '…').")));
	}

	stream = palloc0(sizeof(Stream));
	table = GetForeignTable(relid);
	rel = relation_open(relid, AccessShareLock);
	stream->relid = relid;
	stream->serverid = table->serverid;
	stream->owner = rel->rd_rel->relowner;
	stream->schema = get_namespace_name(RelationGetNamespace(rel));
	stream->name = pstrdup(RelationGetRelationName(rel));
	refuse_virtual_columns(stream, RelationGetDescr(rel));
	/* without defaults, constraints and what is generated */
	stream->desc = CreateTupleDescCopy(RelationGetDescr(rel));
	/* the lock is kept: objects that depend on a stream are locked after it, also by DROP */
	relation_close(rel, NoLock);

	stream->layout.stream = stream->name;
	stream->layout.table = quote_qualified_identifier(stream->schema, stream->name);
	stream->layout.ncolumns = stream->desc->natts;
	read_columns(stream);
	read_options(stream, table->options);
	if (stream->layout.format == FORMAT_RAW)
		check_raw(stream);
	return stream;
}

bool
stream_is_stream(Oid relid)
{
	ForeignTable *table;

	if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE)
		return false;
	table = GetForeignTable(relid);
	return is_our_wrapper(GetForeignServer(table->serverid)->fdwid);
}

char *
stream_no_partition_message(const Stream *stream, int32 partition, int count)
{
	return psprintf(
		ngettext(
			"topic \"%s\" has %d partition, but option \"partitions\" of stream \"%s\" names partition %d",
			"topic \"%s\" has %d partitions, but option \"partitions\" of stream \"%s\" names partition %d",
			count),
		stream->topic, count, stream->name, partition);
}

char *
stream_no_partition_hint(const Stream *stream)
{
	return psprintf(
		"Partitions are numbered from 0. Add partitions to the topic, or correct the option: ALTER FOREIGN TABLE %s OPTIONS (SET partitions '…').",
		quote_qualified_identifier(stream->schema, stream->name));
}

void
stream_check_partitions(const Stream *stream, int count)
{
	int32 missing = partition_set_missing(stream->partitions, count);

	if (missing >= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("%s", stream_no_partition_message(stream, missing, count)),
						errhint("%s", stream_no_partition_hint(stream))));
}

AttrNumber
stream_meta_column(const Stream *stream, MessageMeta meta)
{
	for (int i = 0; i < stream->desc->natts; i++)
	{
		if (!stream->layout.columns[i].dropped && stream->layout.columns[i].meta == meta)
			return i + 1;
	}
	return 0;
}

void
stream_position_columns(const Stream *stream, const char **partition, const char **offset)
{
	*partition = position_column(stream, META_PARTITION, "partition", "kafka_partition");
	*offset = position_column(stream, META_OFFSET, "offset", "kafka_offset");
}

bool
stream_archive_fits(const Stream *stream, Oid archive, ArchiveMisfit *misfit)
{
	const char *partition;
	const char *offset;

	stream_position_columns(stream, &partition, &offset);
	for (int i = 0; i < stream->desc->natts; i++)
	{
		const MessageColumn *column = &stream->layout.columns[i];

		if (!column->dropped && !column_fits(archive, column->name, column->type, column->typmod, misfit))
			return false;
	}
	return (stream_meta_column(stream, META_PARTITION) != 0 ||
			column_fits(archive, partition, INT4OID, -1, misfit)) &&
		   (stream_meta_column(stream, META_OFFSET) != 0 ||
			column_fits(archive, offset, INT8OID, -1, misfit));
}

void
stream_require_archive(const char *stream, Oid archive)
{
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(archive)))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the archive of stream \"%s\" no longer exists", stream),
						errhint("Pause the stream, and make another table its archive: SELECT "
								"streambatch.change_archive(…, force => true).")));
}

void
stream_check_archive_owner(const Stream *stream, Oid archive)
{
	Oid owner = guard_owner_of(archive);
	const char *name = get_rel_name(archive);
	const char *role = GetUserNameFromId(stream->owner, true);

	if (owner == stream->owner || !OidIsValid(owner))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("archive \"%s\" belongs to role \"%s\", but stream \"%s\" to role \"%s\"", name,
				GetUserNameFromId(owner, true), stream->name, role),
		 errhint(
			 "Check its triggers and defaults, then use ALTER %s %s OWNER TO %s; or set the stream's option archive to another table.",
			 get_rel_relkind(archive) == RELKIND_FOREIGN_TABLE ? "FOREIGN TABLE" : "TABLE",
			 quote_qualified_identifier(get_namespace_name(get_rel_namespace(archive)), name),
			 quote_identifier(role))));
}

void
stream_check_archive(const Stream *stream, Oid archive)
{
	const char *name = get_rel_name(archive);
	const char *table;
	ArchiveMisfit misfit;

	stream_require_archive(stream->name, archive);
	stream_check_archive_owner(stream, archive);
	if (stream_archive_fits(stream, archive, &misfit))
		return;
	table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(archive)), name);
	if (misfit.has == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("archive \"%s\" has no column \"%s\" of stream \"%s\"", name, misfit.column,
					stream->name),
			 errhint(
				 "Use ALTER TABLE %s ADD COLUMN %s %s, or ALTER TABLE … RENAME COLUMN if the column was renamed in the stream.",
				 table, quote_identifier(misfit.column), misfit.wanted)));
	ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("column \"%s\" of archive \"%s\" is of type %s, but of type %s in stream \"%s\"",
						   misfit.column, name, misfit.has, misfit.wanted, stream->name),
					errhint("Use ALTER TABLE %s ALTER COLUMN %s TYPE %s.", table,
							quote_identifier(misfit.column), misfit.wanted)));
}

void
stream_check_local(const Stream *stream, Oid archive)
{
	List *tables = get_rel_relkind(archive) == RELKIND_PARTITIONED_TABLE
					   ? find_all_inheritors(archive, NoLock, NULL)
					   : list_make1_oid(archive);
	ListCell *lc;

	foreach (lc, tables)
	{
		Oid relid = lfirst_oid(lc);

		if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE)
			continue;
		if (relid == archive)
			ereport(
				ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" cannot be the archive of stream \"%s\"", get_rel_name(archive),
						stream->name),
				 errdetail(
					 "It is a foreign table, which commits by itself: after a crash it would contain events twice."),
				 errhint(
					 "Use a local table, and copy its rows to the foreign table, for example by logical replication.")));
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("partition \"%s\" of archive \"%s\" is a foreign table", get_rel_name(relid),
						get_rel_name(archive)),
				 errdetail("A foreign table commits by itself: after a crash it would contain events twice."),
				 errhint("Use ALTER TABLE %s DETACH PARTITION %s.",
						 quote_qualified_identifier(get_namespace_name(get_rel_namespace(archive)),
													get_rel_name(archive)),
						 quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
													get_rel_name(relid)))));
	}
}

/*
 * PostgreSQL computes a virtual column in a query, but the archive would store what the messages have under its name:
 * the layers would differ. (18 makes generated columns virtual unless they are declared STORED.)
 */
static void
refuse_virtual_columns(const Stream *stream, TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || att->attgenerated == '\0' || att->attgenerated == ATTRIBUTE_GENERATED_STORED)
			continue;
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("column \"%s\" of stream \"%s\" is a virtual generated column", NameStr(att->attname),
					stream->name),
			 errhint("Drop it with ALTER FOREIGN TABLE %s DROP COLUMN %s, and use its expression in queries.",
					 quote_qualified_identifier(stream->schema, stream->name),
					 quote_identifier(NameStr(att->attname)))));
	}
}

static void
read_columns(Stream *stream)
{
	stream->layout.columns = palloc0(Max(1, stream->desc->natts) * sizeof(MessageColumn));
	for (int i = 0; i < stream->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(stream->desc, i);
		MessageColumn *column = &stream->layout.columns[i];
		List *options;
		const char *path;
		const char *metadata;

		column->dropped = att->attisdropped;
		column->name = NameStr(att->attname);
		column->type = att->atttypid;
		column->typmod = att->atttypmod;
		column->collation = att->attcollation;
		if (att->attisdropped)
			continue;
		options = GetForeignColumnOptions(stream->relid, i + 1);
		path = option_value(options, "path");
		metadata = option_value(options, "metadata");
		column->path_is_option = path != NULL;
		column->path = path != NULL ? path : column->name;
		if (metadata != NULL)
			column->meta = read_meta(stream, column, metadata);
		column->time_unit = read_column_unit(stream, column, option_value(options, "time_unit"));
	}
}

/* A column's own time_unit is for types that are read from numbers of it, alone or as elements of an array. */
static TimeUnit
read_column_unit(const Stream *stream, const MessageColumn *column, const char *value)
{
	Oid type = getBaseType(column->type);
	Oid element = get_element_type(type);

	if (OidIsValid(element))
		type = getBaseType(element);
	if (value != NULL && type != TIMESTAMPTZOID && type != TIMESTAMPOID && type != DATEOID)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
						errmsg("column \"%s\" of stream \"%s\" has type %s, which has no time_unit",
							   column->name, stream->name, format_type_be(column->type)),
						errhint("Use ALTER FOREIGN TABLE %s ALTER COLUMN %s OPTIONS (DROP time_unit).",
								quote_qualified_identifier(stream->schema, stream->name),
								quote_identifier(column->name))));
	return read_time_unit(value);
}

static MessageMeta
read_meta(const Stream *stream, const MessageColumn *column, const char *name)
{
	for (int i = 0; i < lengthof(meta_rules); i++)
	{
		const MetaRule *rule = &meta_rules[i];

		if (strcmp(rule->name, name) != 0)
			continue;
		if (column->type == rule->types[0] || (column->type == rule->types[1] && OidIsValid(rule->types[1])))
			return rule->meta;
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" of stream \"%s\" has type %s, but metadata '%s' requires %s",
						column->name, stream->name, format_type_be(column->type), name, rule->type_names),
				 errhint("Use ALTER FOREIGN TABLE %s ALTER COLUMN %s TYPE ….",
						 quote_qualified_identifier(stream->schema, stream->name),
						 quote_identifier(column->name))));
	}
	elog(ERROR, "unknown metadata \"%s\"", name);
}

static void
read_options(Stream *stream, List *options)
{
	const char *value = option_value(options, "topic");

	if (value == NULL)
		elog(ERROR, "stream \"%s\" has no topic", stream->name);
	stream->topic = stream->layout.topic = value;
	value = option_value(options, "format");
	stream->layout.format = value != NULL && strcmp(value, "raw") == 0 ? FORMAT_RAW : FORMAT_JSON;
	value = option_value(options, "start");
	stream->start = value != NULL && strcmp(value, "latest") == 0 ? START_LATEST : START_EARLIEST;
	value = option_value(options, "partitions");
	stream->partitions = value != NULL ? partition_set_parse(value) : NULL;
	value = option_value(options, "on_gap");
	stream->on_gap_skip = value != NULL && strcmp(value, "skip") == 0;
	value = option_value(options, "max_out_of_orderness");
	stream->max_out_of_orderness = option_interval("max_out_of_orderness", value != NULL ? value : "0");
	value = option_value(options, "max_future");
	stream->max_future = option_interval("max_future", value != NULL ? value : "1 day");
	value = option_value(options, "idle_timeout");
	stream->idle_timeout = option_interval("idle_timeout", value != NULL ? value : "30 s");
	value = option_value(options, "time_zone");
	stream->layout.time_zone = value != NULL ? value : "UTC";
	stream->layout.time_unit = read_time_unit(option_value(options, "time_unit"));
	value = option_value(options, "event_time");
	stream->event_time = value != NULL ? find_event_time(stream, value) : 0;
	read_archive(stream, option_value(options, "archive"));
}

static TimeUnit
read_time_unit(const char *value)
{
	if (value == NULL)
		return UNIT_NONE;
	if (strcmp(value, "s") == 0)
		return UNIT_S;
	if (strcmp(value, "ms") == 0)
		return UNIT_MS;
	return strcmp(value, "us") == 0 ? UNIT_US : UNIT_NS;
}

static AttrNumber
find_event_time(const Stream *stream, const char *name)
{
	char *table = quote_qualified_identifier(stream->schema, stream->name);

	for (int i = 0; i < stream->desc->natts; i++)
	{
		const MessageColumn *column = &stream->layout.columns[i];

		if (column->dropped || strcmp(column->name, name) != 0)
			continue;
		if (column->type == TIMESTAMPTZOID || column->type == TIMESTAMPOID || column->type == DATEOID)
			return i + 1;
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
						errmsg("event_time column \"%s\" of stream \"%s\" has type %s", name, stream->name,
							   format_type_be(column->type)),
						errdetail("It must have type timestamp with time zone, timestamp or date."),
						errhint("Use ALTER FOREIGN TABLE %s ALTER COLUMN %s TYPE timestamptz.", table,
								quote_identifier(name))));
	}
	ereport(ERROR, (errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
					errmsg("event_time column \"%s\" of stream \"%s\" does not exist", name, stream->name),
					errhint("Use ALTER FOREIGN TABLE %s OPTIONS (SET event_time '…').", table)));
}

/* The default is <stream>_archive, truncated as PostgreSQL truncates generated names. */
static void
read_archive(Stream *stream, const char *value)
{
	List *names;

	stream->archive_schema = stream->schema;
	if (value == NULL)
	{
		stream->archive_name = makeObjectName(stream->name, NULL, "archive");
		return;
	}
	if (strcmp(value, "none") == 0)
	{
		stream->archive_schema = NULL;
		return;
	}
	names = textToQualifiedNameList(cstring_to_text(value));
	stream->archive_name = strVal(llast(names));
	if (list_length(names) > 1)
		stream->archive_schema = strVal(linitial(names));
}

/* A raw stream has at most one column that is not metadata, of type text or bytea. */
static void
check_raw(const Stream *stream)
{
	int payloads = 0;

	for (int i = 0; i < stream->desc->natts; i++)
	{
		const MessageColumn *column = &stream->layout.columns[i];

		if (column->dropped || column->meta != META_NONE)
			continue;
		payloads++;
		if (payloads > 1 || (column->type != TEXTOID && column->type != BYTEAOID))
			ereport(
				ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" is not allowed in stream \"%s\" with format 'raw'", column->name,
						stream->name),
				 errdetail(
					 "Apart from metadata columns, such a stream can have only one column, of type bytea or text."),
				 errhint("Use the option metadata on the column, or format 'json' on the foreign table.")));
	}
}

/* Compare the handler, since the wrapper can be renamed. */
static bool
is_our_wrapper(Oid fdwid)
{
	Oid handler = GetForeignDataWrapper(fdwid)->fdwhandler;
	char *name = OidIsValid(handler) ? get_func_name(handler) : NULL;
	char *schema;

	if (name == NULL || strcmp(name, "_fdw_handler") != 0)
		return false;
	schema = get_namespace_name(get_func_namespace(handler));
	return schema != NULL && strcmp(schema, "streambatch") == 0;
}

/*
 * The name of the archive's partition or offset column. Raises an error if a field of the payload has the default
 * name.
 */
static const char *
position_column(const Stream *stream, MessageMeta meta, const char *metadata, const char *name)
{
	AttrNumber att = stream_meta_column(stream, meta);

	if (att != 0)
		return stream->layout.columns[att - 1].name;
	for (int i = 0; i < stream->desc->natts; i++)
	{
		if (stream->layout.columns[i].dropped || strcmp(stream->layout.columns[i].name, name) != 0)
			continue;
		ereport(
			ERROR,
			(errcode(ERRCODE_DUPLICATE_COLUMN),
			 errmsg("column \"%s\" of stream \"%s\" conflicts with the position column of its archive", name,
					stream->name),
			 errhint(
				 "Set the column option metadata '%s' to store the message's %s in this column, or rename the column and set its option path '%s'.",
				 metadata, metadata, name)));
	}
	return name;
}

/* Whether a column of an archive has the type, with the same type modifier or none. */
static bool
column_fits(Oid archive, const char *name, Oid type, int32 typmod, ArchiveMisfit *misfit)
{
	AttrNumber att = get_attnum(archive, name);
	Oid has;
	int32 has_typmod;
	Oid collation;

	misfit->column = name;
	misfit->has = NULL;
	if (att != InvalidAttrNumber)
	{
		get_atttypetypmodcoll(archive, att, &has, &has_typmod, &collation);
		if (has == type && (has_typmod == -1 || has_typmod == typmod))
			return true;
		misfit->has = format_type_with_typemod(has, has_typmod);
	}
	misfit->wanted = format_type_with_typemod(type, typmod);
	return false;
}

/*
 * archive_writer.c
 *		Appending events to the archive (see archive_writer.h).
 *
 * A plain table whose columns are the stream's and the position, without triggers but ours, takes multi-inserts, as
 * COPY does. Any other table (partitioned, a partition, foreign, with triggers, generated or additional
 * columns) takes INSERT … SELECT from the rows, which are an ephemeral named relation of the query. In both
 * cases one subtransaction covers the micro-batch. An index is opened and closed within it: access methods keep
 * buffer pins from one insertion to the next (BRIN does since PostgreSQL 17), which end with the subtransaction.
 *
 * If a plain table rejects a row, the rows before it are written again without it, and writing continues
 * after it; so each rejected row costs one more insert of the rows between it and the previous one. In any
 * other table the error may be raised after all rows, by a trigger: the micro-batch is halved until the
 * failing row is alone.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/archive_triggers.h"
#include "common/compat.h"
#include "common/subtransaction.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/freespace.h"
#include "stream/topic_epoch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "worker/archive_writer.h"

#define CHUNK 1000 /* rows of one multi-insert */

struct ArchiveWriter
{
	const Stream *stream;
	Relation rel;
	MemoryContext context;
	/* plain tables */
	bool plain;
	int *source; /* of each column: index of the stream's column, or FROM_… */
	TupleTableSlot **slots;
	/* other tables */
	TupleDesc
		desc; /* of the inserted rows: the stream's columns and the position, perhaps with its topic epoch */
	char *insert;
};

/* The ephemeral named relation that the INSERT statement reads, like a trigger's transition table. */
#define ROWS "_event"

#define FROM_PARTITION (-1)
#define FROM_OFFSET (-2)
#define FROM_EPOCH (-3)

/* Writing one micro-batch to the archive. */
typedef struct WriteJob
{
	ArchiveWriter *writer;
	DecodedBatch *decoded;
	DeadLetters *dead_letters;
	StreamCounts *counts;
	bool *rejected; /* rows that became dead letters; NULL: none */
	/* the current attempt: rows [from, to) */
	int from;
	int to;
	int cursor; /* plain tables: after the current row, for the error path */
} WriteJob;

static void check_privilege(const Stream *stream, Relation rel);
static char *qualified_name(Relation rel);
static bool map_columns(ArchiveWriter *writer, const char *partition, const char *offset);
static void open_plain(ArchiveWriter *writer);
static void describe_rows(ArchiveWriter *writer, const char *partition, const char *offset);
static void fire_deferred_at_once(void);
static void write_all_plain(WriteJob *job, int from, int to);
static ErrorData *try_write(WriteJob *job, int from, int to);
static void write_rows(void *arg);
static void write_plain(WriteJob *job);
static int insert_options(Relation rel);
static void fill_row(const ArchiveWriter *writer, const MicroBatch *batch, int row, int natts, Datum *to,
					 bool *to_nulls);
static void write_any(WriteJob *job);
static void reject(WriteJob *job, int row, ErrorData *error);
static void write_all_any(WriteJob *job, int from, int to);

ArchiveWriter *
archive_writer_open(const Stream *stream, Oid archive, int32 topic_epoch)
{
	ArchiveWriter *writer = palloc0(sizeof(ArchiveWriter));
	const char *partition;
	const char *offset;

	stream_position_columns(stream, &partition, &offset);
	writer->stream = stream;
	writer->context =
		AllocSetContextCreate(CurrentMemoryContext, "streambatch archive", ALLOCSET_DEFAULT_SIZES);
	writer->rel = try_relation_open(archive, RowExclusiveLock);
	stream_require_archive(stream->name, archive);
	check_privilege(stream, writer->rel);
	stream_check_archive(stream, archive);
	topic_epoch_check_archive(stream, archive, topic_epoch);
	writer->plain = writer->rel->rd_rel->relkind == RELKIND_RELATION &&
					!writer->rel->rd_rel->relispartition && archive_triggers_are_all(writer->rel->trigdesc) &&
					map_columns(writer, partition, offset);
	if (writer->plain)
		open_plain(writer);
	else
	{
		stream_check_local(stream, archive);
		describe_rows(writer, partition, offset);
		fire_deferred_at_once();
	}
	return writer;
}

void
archive_writer_close(ArchiveWriter *writer)
{
	if (writer->plain)
	{
		for (int i = 0; i < CHUNK; i++)
			ExecDropSingleTupleTableSlot(writer->slots[i]);
	}
	else
		/* a partition that was attached meanwhile, and may have got rows */
		stream_check_local(writer->stream, RelationGetRelid(writer->rel));
	relation_close(writer->rel, NoLock);
	MemoryContextDelete(writer->context);
}

void
archive_writer_write(ArchiveWriter *writer, DecodedBatch *decoded, DeadLetters *dead_letters,
					 StreamCounts *counts)
{
	WriteJob job = {writer, decoded, dead_letters, counts};

	if (writer->plain)
		write_all_plain(&job, 0, decoded->batch.nrows);
	else
		write_all_any(&job, 0, decoded->batch.nrows);
	if (job.rejected != NULL)
	{
		decoded_batch_remove(decoded, job.rejected);
		pfree(job.rejected);
	}
	MemoryContextReset(writer->context);
}

/* Multi-inserts do not check privileges. */
static void
check_privilege(const Stream *stream, Relation rel)
{
	if (pg_class_aclcheck(RelationGetRelid(rel), stream->owner, ACL_INSERT) == ACLCHECK_OK)
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied for table %s", RelationGetRelationName(rel)),
					errhint("Grant the privilege to the stream's owner: GRANT INSERT ON %s TO %s.",
							qualified_name(rel), quote_identifier(GetUserNameFromId(stream->owner, false)))));
}

static char *
qualified_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									  RelationGetRelationName(rel));
}

/* Find the source of each column of the archive. Returns false if multi-inserts cannot be used. */
static bool
map_columns(ArchiveWriter *writer, const char *partition, const char *offset)
{
	TupleDesc desc = RelationGetDescr(writer->rel);
	const char *epoch = topic_epoch_column(writer->stream, RelationGetRelid(writer->rel));

	writer->source = palloc(desc->natts * sizeof(int));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int c;

		if (att->attisdropped || att->attgenerated || att->attidentity)
			return false;
		for (c = 0; c < writer->stream->desc->natts; c++)
		{
			const MessageColumn *column = &writer->stream->layout.columns[c];

			if (!column->dropped && strcmp(column->name, NameStr(att->attname)) == 0)
				break;
		}
		if (c < writer->stream->desc->natts)
		{
			if (att->atttypid != writer->stream->layout.columns[c].type ||
				att->atttypmod != writer->stream->layout.columns[c].typmod)
				return false;
			writer->source[i] = c;
		}
		else if (strcmp(NameStr(att->attname), partition) == 0 && att->atttypid == INT4OID)
			writer->source[i] = FROM_PARTITION;
		else if (strcmp(NameStr(att->attname), offset) == 0 && att->atttypid == INT8OID)
			writer->source[i] = FROM_OFFSET;
		else if (epoch != NULL && strcmp(NameStr(att->attname), epoch) == 0 && att->atttypid == INT4OID)
			writer->source[i] = FROM_EPOCH;
		else
			return false;
	}
	return true;
}

static void
open_plain(ArchiveWriter *writer)
{
	writer->slots = palloc(CHUNK * sizeof(TupleTableSlot *));
	for (int i = 0; i < CHUNK; i++)
		writer->slots[i] = table_slot_create(writer->rel, NULL);
}

/* Prepare INSERT … SELECT: the descriptor of the rows, with the names of the archive's columns. */
static void
describe_rows(ArchiveWriter *writer, const char *partition, const char *offset)
{
	const Stream *stream = writer->stream;
	const char *epoch = topic_epoch_column(stream, RelationGetRelid(writer->rel));
	bool own_partition = stream_meta_column(stream, META_PARTITION) == 0;
	bool own_offset = stream_meta_column(stream, META_OFFSET) == 0;
	StringInfoData names;
	int natts = own_partition + own_offset + (epoch != NULL);
	AttrNumber n = 0;

	for (int i = 0; i < stream->desc->natts; i++)
		natts += !stream->layout.columns[i].dropped;
	writer->desc = CreateTemplateTupleDesc(natts);
	writer->source = palloc(natts * sizeof(int));
	for (int i = 0; i < stream->desc->natts; i++)
	{
		const MessageColumn *column = &stream->layout.columns[i];

		if (column->dropped)
			continue;
		writer->source[n++] = i;
		TupleDescInitEntry(writer->desc, n, column->name, column->type, column->typmod, 0);
		TupleDescInitEntryCollation(writer->desc, n, column->collation);
	}
	if (own_partition)
	{
		writer->source[n++] = FROM_PARTITION;
		TupleDescInitEntry(writer->desc, n, partition, INT4OID, -1, 0);
	}
	if (own_offset)
	{
		writer->source[n++] = FROM_OFFSET;
		TupleDescInitEntry(writer->desc, n, offset, INT8OID, -1, 0);
	}
	if (epoch != NULL)
	{
		writer->source[n++] = FROM_EPOCH;
		TupleDescInitEntry(writer->desc, n, epoch, INT4OID, -1, 0);
	}
	initStringInfo(&names);
	for (int i = 0; i < natts; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "",
						 quote_identifier(NameStr(TupleDescAttr(writer->desc, i)->attname)));
	writer->insert = psprintf("INSERT INTO %s (%s) SELECT %s FROM " ROWS, qualified_name(writer->rel),
							  names.data, names.data);
}

/*
 * Deferrable constraints and triggers of the archive, and of what its triggers write, fire at the end of each
 * statement, as after SET CONSTRAINTS ALL IMMEDIATE, until the end of the transaction. PostgreSQL refuses to
 * defer them in a security-restricted operation, since at the commit another role would run them; and so the
 * row that violates one can be found.
 */
static void
fire_deferred_at_once(void)
{
	ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);

	statement->deferred = false;
	AfterTriggerSetState(statement);
}

/* Each error belongs to the current row. */
static void
write_all_plain(WriteJob *job, int from, int to)
{
	ErrorData *error;

	while ((error = try_write(job, from, to)) != NULL)
	{
		int row = job->cursor - 1;

		reject(job, row, error);
		CHECK_FOR_INTERRUPTS();
		/* of those before it, an index may reject one: constraints are checked for a chunk of rows before */
		write_all_plain(job, from, row);
		from = row + 1;
	}
}

/* Write rows [from, to). Returns NULL, or the error of one of them; then none is written. */
static ErrorData *
try_write(WriteJob *job, int from, int to)
{
	ErrorData *error;

	if (from >= to)
		return NULL;
	job->from = job->cursor = from;
	job->to = to;
	error = subtransaction_run_if(job->decoded->careful, write_rows, job, CurrentMemoryContext);
	if (error == NULL)
		return NULL;
	/* an error of the system or of the table, not of a row: nothing can be archived */
	if (!dead_letters_is_data_error(error->sqlerrcode) || (job->writer->plain && job->cursor == from))
		ReThrowError(error);
	return error;
}

static void
write_rows(void *arg)
{
	WriteJob *job = arg;

	MemoryContextSwitchTo(job->writer->context);
	if (job->writer->plain)
		write_plain(job);
	else
		write_any(job);
}

static void
write_plain(WriteJob *job)
{
	Relation rel = job->writer->rel;
	TupleTableSlot **slots = job->writer->slots;
	bool constrained = RelationGetDescr(rel)->constr != NULL;
	EState *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);

	InitResultRelInfo(result, rel, 0, NULL, 0);
	ExecOpenIndices(result, false);
	estate->es_output_cid = GetCurrentCommandId(true);
	for (int start = job->from; start < job->to; start += CHUNK)
	{
		int n = Min(CHUNK, job->to - start);

		for (int i = 0; i < n; i++)
		{
			job->cursor = start + i + 1;
			ExecClearTuple(slots[i]);
			fill_row(job->writer, &job->decoded->batch, start + i, slots[i]->tts_tupleDescriptor->natts,
					 slots[i]->tts_values, slots[i]->tts_isnull);
			ExecStoreVirtualTuple(slots[i]);
			if (constrained)
				ExecConstraints(result, slots[i], estate);
		}
		table_multi_insert(rel, slots, n, estate->es_output_cid, insert_options(rel), NULL);
		for (int i = 0; i < n && result->ri_NumIndices > 0; i++)
		{
			job->cursor = start + i + 1;
			list_free(compat_insert_index_tuples(result, slots[i], estate));
		}
		ResetPerTupleExprContext(estate);
	}
	ExecCloseIndices(result);
	FreeExecutorState(estate);
}

/*
 * Append, and do not put a row that happens to fit into the end of a page from hours ago: the block range index over the
 * event time would have to read that page, and its neighbours, for the times of both. Where VACUUM has made room, it is
 * used.
 */
static int
insert_options(Relation rel)
{
	return GetPageWithFreeSpace(rel, BLCKSZ / 2) == InvalidBlockNumber ? TABLE_INSERT_SKIP_FSM : 0;
}

/* Fill in the values of a row of the archive. */
static void
fill_row(const ArchiveWriter *writer, const MicroBatch *batch, int row, int natts, Datum *to, bool *to_nulls)
{
	const Datum *values = batch->values + (Size) row * batch->natts;
	const bool *nulls = batch->nulls + (Size) row * batch->natts;

	for (int i = 0; i < natts; i++)
	{
		int source = writer->source[i];

		to_nulls[i] = source >= 0 && nulls[source];
		to[i] = source >= 0				   ? values[source]
				: source == FROM_PARTITION ? Int32GetDatum(batch->partitions[row])
				: source == FROM_OFFSET	   ? Int64GetDatum(batch->offsets[row])
										   : Int32GetDatum(batch->topic_epoch);
	}
}

static void
write_any(WriteJob *job)
{
	ArchiveWriter *writer = job->writer;
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	Datum *values = palloc(writer->desc->natts * sizeof(Datum));
	bool *nulls = palloc(writer->desc->natts * sizeof(bool));
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));
	volatile int rc = 0;

	for (int row = job->from; row < job->to; row++)
	{
		fill_row(writer, &job->decoded->batch, row, writer->desc->natts, values, nulls);
		tuplestore_putvalues(rows, writer->desc, values, nulls);
	}
	relation->md.name = ROWS;
	relation->md.tupdesc = writer->desc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = job->to - job->from;
	relation->reldata = rows;
	SPI_connect();
	rc = SPI_register_relation(relation);
	if (rc != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the rows for the archive: %s", SPI_result_code_string(rc));
	archive_triggers_begin_own(RelationGetRelid(writer->rel));
	PG_TRY();
	{
		rc = SPI_execute(writer->insert, false, 0);
	}
	PG_FINALLY();
	{
		archive_triggers_end_own();
	}
	PG_END_TRY();
	if (rc != SPI_OK_INSERT)
		elog(ERROR, "could not insert into the archive: %s", SPI_result_code_string(rc));
	SPI_finish();
	tuplestore_end(rows);
}

/* Make a rejected row a dead letter. */
static void
reject(WriteJob *job, int row, ErrorData *error)
{
	DecodedBatch *decoded = job->decoded;

	if (job->rejected == NULL)
		job->rejected = palloc0(decoded->batch.nrows * sizeof(bool));
	job->rejected[row] = true;
	dead_letters_add(job->dead_letters, &decoded->messages[decoded->message_of[row]], InvalidOid, error);
	job->counts->dead++;
	FreeErrorData(error);
}

/*
 * An error raised after all rows (by a foreign key or an AFTER trigger) does not identify its row: halve the
 * range until the failing row is alone.
 */
static void
write_all_any(WriteJob *job, int from, int to)
{
	ErrorData *error = try_write(job, from, to);
	int middle = from + (to - from) / 2;

	if (error == NULL)
		return;
	if (to - from == 1)
	{
		reject(job, from, error);
		return;
	}
	FreeErrorData(error);
	CHECK_FOR_INTERRUPTS();
	write_all_any(job, from, middle);
	write_all_any(job, middle, to);
}

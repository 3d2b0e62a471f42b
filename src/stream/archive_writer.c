/*
 * archive_writer.c
 *		Appending events to the archive (see archive_writer.h).
 *
 * Two ways. A plain table whose columns are the stream's and the position, without triggers, takes
 * multi-inserts as COPY makes them. Anything else (partitioned, a partition, foreign, triggers, generated
 * columns, columns of its own) takes INSERT … SELECT from the stream, whose foreign scan returns the
 * micro-batch. Either way one subtransaction holds the batch. Where a row of a plain table is refused, those
 * before it are written again without it and the rest goes on behind it, so that each refused row costs one
 * more insert of the rows between it and the refused row before. In any other table the error may come after
 * all rows, from a trigger: the batch is halved until the row is alone.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/compat.h"
#include "common/guard.h"
#include "common/subtransaction.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "stream/archive_writer.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define CHUNK 1000 /* rows of one multi-insert */

struct ArchiveWriter
{
	const Stream *stream;
	Relation rel;
	MemoryContext context;
	/* plain tables */
	bool plain;
	int *source; /* of each of its columns: index of the stream's column, or one of the two below */
	EState *estate;
	ResultRelInfo *result;
	TupleTableSlot **slots;
	/* others */
	char *insert;
};

#define FROM_PARTITION (-1)
#define FROM_OFFSET (-2)

/* One micro-batch on its way into the archive. */
typedef struct WriteJob
{
	ArchiveWriter *w;
	Intake *intake;
	Letters *letters;
	StreamCounts *counts;
	bool *refused; /* rows that became dead letters; NULL: none */
	/* the attempt at hand: rows [from, to) */
	int from;
	int to;
	int cursor; /* behind the row at hand, for the error path */
} WriteJob;

/* Where each column of the archive comes from; false where the plain way cannot serve. */
static bool
map_columns(ArchiveWriter *w, const char *partition, const char *offset)
{
	TupleDesc desc = RelationGetDescr(w->rel);

	w->source = palloc(desc->natts * sizeof(int));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int c;

		if (att->attisdropped || att->attgenerated || att->attidentity)
			return false;
		for (c = 0; c < w->stream->desc->natts; c++)
		{
			const MessageColumn *column = &w->stream->layout.columns[c];

			if (!column->dropped && strcmp(column->name, NameStr(att->attname)) == 0)
				break;
		}
		if (c < w->stream->desc->natts)
		{
			if (att->atttypid != w->stream->layout.columns[c].type ||
				att->atttypmod != w->stream->layout.columns[c].typmod)
				return false;
			w->source[i] = c;
		}
		else if (strcmp(NameStr(att->attname), partition) == 0 && att->atttypid == INT4OID)
			w->source[i] = FROM_PARTITION;
		else if (strcmp(NameStr(att->attname), offset) == 0 && att->atttypid == INT8OID)
			w->source[i] = FROM_OFFSET;
		else
			return false;
	}
	return true;
}

static char *
qualified_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									  RelationGetRelationName(rel));
}

static char *
insert_statement(const ArchiveWriter *w, const char *partition, const char *offset)
{
	StringInfoData into;
	StringInfoData from;
	const Stream *stream = w->stream;

	initStringInfo(&into);
	initStringInfo(&from);
	for (int i = 0; i < stream->desc->natts; i++)
	{
		if (stream->layout.columns[i].dropped)
			continue;
		appendStringInfo(&into, "%s, ", quote_identifier(stream->layout.columns[i].name));
		appendStringInfo(&from, "event.%s, ", quote_identifier(stream->layout.columns[i].name));
	}
	if (stream_meta_column(stream, META_PARTITION) == 0)
	{
		appendStringInfo(&into, "%s, ", quote_identifier(partition));
		appendStringInfoString(&from, "streambatch._batch_partition(), ");
	}
	if (stream_meta_column(stream, META_OFFSET) == 0)
	{
		appendStringInfo(&into, "%s, ", quote_identifier(offset));
		appendStringInfoString(&from, "streambatch._batch_offset(), ");
	}
	/* both end in a comma and a space */
	into.data[into.len - 2] = from.data[from.len - 2] = '\0';
	return psprintf("INSERT INTO %s (%s) SELECT %s FROM ONLY %s event", qualified_name(w->rel), into.data,
					from.data, quote_qualified_identifier(stream->schema, stream->name));
}

/* Multi-inserts ask nobody. */
static void
check_privilege(const Stream *stream, Relation rel)
{
	if (pg_class_aclcheck(RelationGetRelid(rel), stream->owner, ACL_INSERT) == ACLCHECK_OK)
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied for table %s", RelationGetRelationName(rel)),
					errhint("The stream's owner writes its archive: GRANT INSERT ON %s TO %s.",
							qualified_name(rel), quote_identifier(GetUserNameFromId(stream->owner, false)))));
}

static void
open_plain(ArchiveWriter *w)
{
	Guard guard;

	w->estate = CreateExecutorState();
	w->result = makeNode(ResultRelInfo);
	InitResultRelInfo(w->result, w->rel, 0, NULL, 0);
	/* constant folding may call what an index's expression or condition calls */
	guard_enter(&guard, w->stream->owner, NULL);
	ExecOpenIndices(w->result, false);
	guard_leave(&guard);
	w->slots = palloc(CHUNK * sizeof(TupleTableSlot *));
	for (int i = 0; i < CHUNK; i++)
		w->slots[i] = table_slot_create(w->rel, NULL);
}

ArchiveWriter *
archive_writer_open(const Stream *stream, Oid archive)
{
	ArchiveWriter *w = palloc0(sizeof(ArchiveWriter));
	const char *partition;
	const char *offset;

	stream_position_columns(stream, &partition, &offset);
	w->stream = stream;
	w->context = AllocSetContextCreate(CurrentMemoryContext, "streambatch archive", ALLOCSET_DEFAULT_SIZES);
	w->rel = try_relation_open(archive, RowExclusiveLock);
	if (w->rel == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the archive of stream \"%s\" is gone", stream->name),
						errhint("Drop the stream and its hybrid views, and create them again.")));
	check_privilege(stream, w->rel);
	stream_check_archive(stream, archive);
	w->plain = w->rel->rd_rel->relkind == RELKIND_RELATION && !w->rel->rd_rel->relispartition &&
			   w->rel->trigdesc == NULL && map_columns(w, partition, offset);
	if (w->plain)
		open_plain(w);
	else
		w->insert = insert_statement(w, partition, offset);
	return w;
}

void
archive_writer_close(ArchiveWriter *w)
{
	if (w->plain)
	{
		for (int i = 0; i < CHUNK; i++)
			ExecDropSingleTupleTableSlot(w->slots[i]);
		ExecCloseIndices(w->result);
		FreeExecutorState(w->estate);
	}
	relation_close(w->rel, NoLock);
	MemoryContextDelete(w->context);
}

static void
fill_slot(const ArchiveWriter *w, const MicroBatch *batch, int row, TupleTableSlot *slot)
{
	int natts = slot->tts_tupleDescriptor->natts;
	const Datum *values = batch->values + (Size) row * batch->natts;
	const bool *nulls = batch->nulls + (Size) row * batch->natts;

	ExecClearTuple(slot);
	for (int i = 0; i < natts; i++)
	{
		int source = w->source[i];

		slot->tts_isnull[i] = source >= 0 && nulls[source];
		slot->tts_values[i] = source >= 0				 ? values[source]
							  : source == FROM_PARTITION ? Int32GetDatum(batch->partitions[row])
														 : Int64GetDatum(batch->offsets[row]);
	}
	ExecStoreVirtualTuple(slot);
}

static void
write_plain(WriteJob *job)
{
	ArchiveWriter *w = job->w;
	bool constrained = RelationGetDescr(w->rel)->constr != NULL;
	CommandId cid = GetCurrentCommandId(true);

	w->estate->es_output_cid = cid;
	for (int start = job->from; start < job->to; start += CHUNK)
	{
		int n = Min(CHUNK, job->to - start);

		for (int i = 0; i < n; i++)
		{
			job->cursor = start + i + 1;
			fill_slot(w, &job->intake->batch, start + i, w->slots[i]);
			if (constrained)
				ExecConstraints(w->result, w->slots[i], w->estate);
		}
		table_multi_insert(w->rel, w->slots, n, cid, 0, NULL);
		for (int i = 0; i < n && w->result->ri_NumIndices > 0; i++)
		{
			job->cursor = start + i + 1;
			list_free(compat_insert_index_tuples(w->result, w->slots[i], w->estate));
		}
		ResetPerTupleExprContext(w->estate);
	}
}

/* The foreign scan moves the cursor. */
static void
write_any(WriteJob *job)
{
	MicroBatch part = job->intake->batch;
	int rc;

	part.nrows = job->to;
	SPI_connect();
	PG_TRY();
	{
		batch_set_current(job->w->stream->relid, &part, &job->cursor);
		rc = SPI_execute(job->w->insert, false, 0);
		if (rc != SPI_OK_INSERT)
			elog(ERROR, "could not write the archive: %s", SPI_result_code_string(rc));
	}
	PG_FINALLY();
	{
		batch_set_current(InvalidOid, NULL, NULL);
	}
	PG_END_TRY();
	SPI_finish();
}

static void
write_rows(void *arg)
{
	WriteJob *job = arg;

	MemoryContextSwitchTo(job->w->context);
	if (job->w->plain)
		write_plain(job);
	else
		write_any(job);
}

/* Write rows [from, to): NULL, or the error that the row before the cursor raised, with none of them written. */
static ErrorData *
try_write(WriteJob *job, int from, int to)
{
	ErrorData *error;

	if (from >= to)
		return NULL;
	job->from = job->cursor = from;
	job->to = to;
	error = subtransaction_run(write_rows, job, CurrentMemoryContext);
	if (error == NULL)
		return NULL;
	letters_reject_error(error);
	/* an error of the table, not of a row: nothing can be archived */
	if (job->cursor <= from || job->cursor > to)
		ReThrowError(error);
	return error;
}

/* The row that the archive refused is a dead letter. */
static void
refuse(WriteJob *job, int row, ErrorData *error)
{
	Intake *intake = job->intake;

	if (job->refused == NULL)
		job->refused = palloc0(intake->batch.nrows * sizeof(bool));
	job->refused[row] = true;
	letters_add(job->letters, &intake->messages[intake->message_of[row]], InvalidOid, error);
	job->counts->dead++;
	FreeErrorData(error);
}

/* Each error is of the row at hand. */
static void
write_all_plain(WriteJob *job)
{
	int nrows = job->intake->batch.nrows;
	int from = 0;
	ErrorData *error;

	while ((error = try_write(job, from, nrows)) != NULL)
	{
		int row = job->cursor - 1;

		refuse(job, row, error);
		/* those before it were good; they raise again only if something else is wrong */
		error = try_write(job, from, row);
		if (error != NULL)
			ReThrowError(error);
		from = row + 1;
	}
}

/*
 * What comes after the rows (a foreign key, an AFTER trigger) does not tell which one it is about: halve,
 * until it is alone.
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
		refuse(job, from, error);
		return;
	}
	FreeErrorData(error);
	CHECK_FOR_INTERRUPTS();
	write_all_any(job, from, middle);
	write_all_any(job, middle, to);
}

void
archive_writer_write(ArchiveWriter *w, Intake *intake, Letters *letters, StreamCounts *counts)
{
	WriteJob job = {w, intake, letters, counts};

	if (w->plain)
		write_all_plain(&job);
	else
		write_all_any(&job, 0, intake->batch.nrows);
	if (job.refused != NULL)
	{
		intake_remove(intake, job.refused);
		pfree(job.refused);
	}
	MemoryContextReset(w->context);
}

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

static int current_row; /* the row being written, for the error path */

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
			const StreamColumn *column = &w->stream->columns[c];

			if (!column->dropped && strcmp(column->name, NameStr(att->attname)) == 0)
				break;
		}
		if (c < w->stream->desc->natts)
		{
			if (att->atttypid != w->stream->columns[c].type || att->atttypmod != w->stream->columns[c].typmod)
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
insert_statement(const ArchiveWriter *w, const char *partition, const char *offset)
{
	StringInfoData into;
	StringInfoData from;
	const Stream *stream = w->stream;

	initStringInfo(&into);
	initStringInfo(&from);
	for (int i = 0; i < stream->desc->natts; i++)
	{
		if (stream->columns[i].dropped)
			continue;
		appendStringInfo(&into, "%s, ", quote_identifier(stream->columns[i].name));
		appendStringInfo(&from, "event.%s, ", quote_identifier(stream->columns[i].name));
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
	return psprintf("INSERT INTO %s (%s) SELECT %s FROM ONLY %s event",
					quote_qualified_identifier(get_namespace_name(RelationGetNamespace(w->rel)),
											   RelationGetRelationName(w->rel)),
					into.data, from.data, quote_qualified_identifier(stream->schema, stream->name));
}

ArchiveWriter *
archive_writer_open(const Stream *stream, Oid archive)
{
	ArchiveWriter *w = palloc0(sizeof(ArchiveWriter));
	const char *partition;
	const char *offset;
	Guard guard;

	stream_position_columns(stream, &partition, &offset);
	w->stream = stream;
	w->context = AllocSetContextCreate(CurrentMemoryContext, "streambatch archive", ALLOCSET_DEFAULT_SIZES);
	w->rel = try_relation_open(archive, RowExclusiveLock);
	if (w->rel == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the archive of stream \"%s\" is gone", stream->name),
						errhint("Drop the stream and its hybrid views, and create them again.")));
	/* multi-inserts ask nobody */
	if (pg_class_aclcheck(archive, stream->owner, ACL_INSERT) != ACLCHECK_OK)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for table %s", RelationGetRelationName(w->rel)),
						errhint("The stream's owner writes its archive: GRANT INSERT ON %s TO %s.",
								quote_qualified_identifier(get_namespace_name(RelationGetNamespace(w->rel)),
														   RelationGetRelationName(w->rel)),
								quote_identifier(GetUserNameFromId(stream->owner, false)))));
	stream_check_archive(stream, archive);
	w->plain = w->rel->rd_rel->relkind == RELKIND_RELATION && !w->rel->rd_rel->relispartition &&
			   w->rel->trigdesc == NULL && map_columns(w, partition, offset);
	if (!w->plain)
	{
		w->insert = insert_statement(w, partition, offset);
		return w;
	}
	w->estate = CreateExecutorState();
	w->result = makeNode(ResultRelInfo);
	InitResultRelInfo(w->result, w->rel, 0, NULL, 0);
	/* constant folding may call what an index's expression or condition calls */
	guard_enter(&guard, stream->owner, NULL);
	ExecOpenIndices(w->result, false);
	guard_leave(&guard);
	w->slots = palloc(CHUNK * sizeof(TupleTableSlot *));
	for (int i = 0; i < CHUNK; i++)
		w->slots[i] = table_slot_create(w->rel, NULL);
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
write_plain(ArchiveWriter *w, const MicroBatch *batch, int from, int to)
{
	bool constrained = RelationGetDescr(w->rel)->constr != NULL;
	CommandId cid = GetCurrentCommandId(true);

	w->estate->es_output_cid = cid;
	for (int start = from; start < to; start += CHUNK)
	{
		int n = Min(CHUNK, to - start);

		for (int i = 0; i < n; i++)
		{
			current_row = start + i;
			fill_slot(w, batch, current_row, w->slots[i]);
			if (constrained)
				ExecConstraints(w->result, w->slots[i], w->estate);
		}
		table_multi_insert(w->rel, w->slots, n, cid, 0, NULL);
		for (int i = 0; i < n && w->result->ri_NumIndices > 0; i++)
		{
			current_row = start + i;
			list_free(compat_insert_index_tuples(w->result, w->slots[i], w->estate));
		}
		ResetPerTupleExprContext(w->estate);
	}
}

static void
write_any(ArchiveWriter *w, const MicroBatch *batch, int from, int to)
{
	MicroBatch part = *batch;
	int cursor = from;
	int rc;

	part.nrows = to;
	SPI_connect();
	PG_TRY();
	{
		batch_set_current(w->stream->relid, &part, &cursor);
		rc = SPI_execute(w->insert, false, 0);
		if (rc != SPI_OK_INSERT)
			elog(ERROR, "could not write the archive: %s", SPI_result_code_string(rc));
	}
	PG_FINALLY();
	{
		current_row = cursor - 1;
		batch_set_current(InvalidOid, NULL, NULL);
	}
	PG_END_TRY();
	SPI_finish();
}

/* What becomes of rows that the archive refuses. */
typedef struct Refusal
{
	Intake *intake;
	Letters *letters;
	StreamCounts *counts;
	bool *rows; /* those refused; NULL: none */
} Refusal;

typedef struct WriteJob
{
	ArchiveWriter *w;
	const MicroBatch *batch;
	int from;
	int to;
} WriteJob;

static void
write_rows(void *arg)
{
	const WriteJob *job = arg;

	MemoryContextSwitchTo(job->w->context);
	if (job->w->plain)
		write_plain(job->w, job->batch, job->from, job->to);
	else
		write_any(job->w, job->batch, job->from, job->to);
}

/* Write rows [from, to): NULL, or the error that row current_row raised, with none of them written. */
static ErrorData *
try_write(ArchiveWriter *w, const MicroBatch *batch, int from, int to)
{
	WriteJob job = {w, batch, from, to};
	ErrorData *error;

	if (from >= to)
		return NULL;
	current_row = -1;
	error = subtransaction_run(write_rows, &job, CurrentMemoryContext);
	if (error == NULL)
		return NULL;
	letters_reject_error(error);
	/* an error of the table, not of a row: nothing can be archived */
	if (current_row < from || current_row >= to)
		ReThrowError(error);
	return error;
}

/* The row that the archive refused is a dead letter. */
static void
refuse(Refusal *r, int row, ErrorData *error)
{
	if (r->rows == NULL)
		r->rows = palloc0(r->intake->batch.nrows * sizeof(bool));
	r->rows[row] = true;
	letters_add(r->letters, &r->intake->messages[r->intake->message_of[row]], InvalidOid, error);
	r->counts->dead++;
	FreeErrorData(error);
}

/* Each error is of the row at hand. */
static void
write_all_plain(ArchiveWriter *w, Refusal *r)
{
	const MicroBatch *batch = &r->intake->batch;
	int from = 0;

	while (from < batch->nrows)
	{
		ErrorData *error = try_write(w, batch, from, batch->nrows);
		int row = current_row;

		if (error == NULL)
			break;
		refuse(r, row, error);
		/* those before it were good; they raise again only if something else is wrong */
		error = try_write(w, batch, from, row);
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
write_all_any(ArchiveWriter *w, Refusal *r, int from, int to)
{
	ErrorData *error = try_write(w, &r->intake->batch, from, to);
	int middle = from + (to - from) / 2;

	if (error == NULL)
		return;
	if (to - from == 1)
	{
		refuse(r, from, error);
		return;
	}
	FreeErrorData(error);
	CHECK_FOR_INTERRUPTS();
	write_all_any(w, r, from, middle);
	write_all_any(w, r, middle, to);
}

void
archive_writer_write(ArchiveWriter *w, Intake *intake, Letters *letters, StreamCounts *counts)
{
	Refusal r = {intake, letters, counts, NULL};

	if (w->plain)
		write_all_plain(w, &r);
	else
		write_all_any(w, &r, 0, intake->batch.nrows);
	if (r.rows != NULL)
	{
		intake_remove(intake, r.rows);
		pfree(r.rows);
	}
	MemoryContextReset(w->context);
}

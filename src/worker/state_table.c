/*
 * state_table.c
 *		Writing a fold into the stream layer's state table (see state_table.h).
 *
 * Groups are sorted by their keys. Each that may have been written before (epoch_filter.h) is looked up in
 * the index on keys, pane and epoch, and inserted or updated as in the apply worker of logical replication.
 * New groups are collected and inserted together; they cannot be looked up in between, since a fold contains
 * each group once. State columns are in no index, so that updates can be HOT. No other process writes rows of
 * the current epoch: a refresh deletes rows of closed epochs only.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"
#include "worker/state_table.h"
#include "worker/user_code.h"

#define CHUNK 500 /* groups finalised and then written at a time; maximum of rows in one multi-insert */
#define CHUNK_MEMORY (1024 * 1024) /* for a chunk: fewer groups if states are large */

typedef struct Writer
{
	const ViewDef *def;
	EpochFilter *filter; /* NULL: look up all groups */
	Relation rel;
	EState *estate;
	ResultRelInfo *result;
	EPQState epq;
	TupleTableSlot *found;
	TupleTableSlot *put;
	bool plain;				/* no triggers or generated columns: multi-insert is possible */
	TupleTableSlot **fresh; /* collected new rows, not yet inserted */
	int nfresh;
	int nslots; /* created so far, of CHUNK */
	AttrNumber epoch_att;
	AttrNumber *key_atts;
	AttrNumber *state_atts;
	int nscan; /* columns of the look-up: all indexed keys and the epoch */
	ScanKey scan_keys;
	int *scan_source;	/* index of the key for each scan key; -1: the epoch */
	FmgrInfo *compared; /* equality of the keys that are not in the index */
	IndexScanDesc scan;
	MemoryContext context; /* lives until the end; the scan allocates here, too */
	Relation index;
} Writer;

/*
 * A look-up may run in a subtransaction and be ended by an error, with the buffers that scan and slot have pinned.
 * So each has a scan and a slot of its own, which are forgotten if it has not come to its end.
 */
struct StateReader
{
	Writer writer; /* for its look-ups alone */
	int64 epoch;
	TupleTableSlot *last; /* of the last look-up: free of pins */
};

static void writer_open(Writer *w, Relation rel, const ViewDef *def);
static AttrNumber attribute(Relation rel, const char *column, Oid type);
static void open_lookup(Writer *w);
static Relation open_lookup_index(Writer *w);
static bool is_on_keys(const Writer *w, Relation index);
static int64 write_chunk(Writer *w, Fold *fold, int64 from, int64 ngroups, int64 epoch);
static void put_group(Writer *w, Fold *fold, const FoldGroup *group, int64 epoch);
static bool look_up(Writer *w, const FoldGroup *group, int64 epoch);
static bool found_keys(const Writer *w, const FoldGroup *group);
static void collect_row(Writer *w, const TupleTableSlot *put);
static void insert_collected(Writer *w);
static void writer_close(Writer *w);

int64
state_table_write(Relation rel, const ViewDef *def, Fold *fold, EpochFilter *filter, int64 epoch)
{
	MemoryContext work =
		AllocSetContextCreate(CurrentMemoryContext, "streambatch states", ALLOCSET_DEFAULT_SIZES);
	MemoryContext chunk = AllocSetContextCreate(work, "streambatch chunk of states", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	int64 ngroups = fold_sort(fold);
	int64 done = 0;
	Writer w;

	writer_open(&w, rel, def);
	if (fold_hash_is_exact(fold))
	{
		w.filter = filter;
		epoch_filter_begin(filter, epoch, RelationGetNumberOfBlocks(rel) == 0);
	}
	while (done < ngroups)
	{
		MemoryContextSwitchTo(chunk);
		done = write_chunk(&w, fold, done, ngroups, epoch);
		MemoryContextReset(chunk);
	}
	MemoryContextSwitchTo(work);
	writer_close(&w);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	return ngroups;
}

StateReader *
state_table_open_reader(Relation rel, const ViewDef *def, int64 epoch)
{
	StateReader *reader = palloc(sizeof(StateReader));

	writer_open(&reader->writer, rel, def);
	index_endscan(reader->writer.scan);
	reader->writer.scan = NULL;
	reader->last = reader->writer.found;
	reader->epoch = epoch;
	return reader;
}

bool
state_table_find(void *arg, const Datum *keys, const bool *key_nulls, Datum *states, bool *state_nulls)
{
	StateReader *reader = arg;
	Writer *w = &reader->writer;
	FoldGroup group = {0, (Datum *) keys, (bool *) key_nulls, NULL, NULL};
	MemoryContext old = MemoryContextSwitchTo(w->context);
	bool found;

	w->found = table_slot_create(w->rel, NULL);
	w->scan = compat_index_beginscan(w->rel, w->index, GetActiveSnapshot(), w->nscan);
	found = look_up(w, &group, reader->epoch);
	if (found)
		ExecMaterializeSlot(w->found);
	index_endscan(w->scan);
	w->scan = NULL;
	ExecDropSingleTupleTableSlot(reader->last);
	reader->last = w->found;
	MemoryContextSwitchTo(old);
	if (!found)
		return false;
	slot_getallattrs(w->found);
	for (int i = 0; i < w->def->nstates; i++)
	{
		states[i] = w->found->tts_values[w->state_atts[i] - 1];
		state_nulls[i] = w->found->tts_isnull[w->state_atts[i] - 1];
	}
	return true;
}

void
state_table_close_reader(StateReader *reader)
{
	reader->writer.scan = NULL;
	reader->writer.found = reader->last;
	writer_close(&reader->writer);
	pfree(reader);
}

static void
writer_open(Writer *w, Relation rel, const ViewDef *def)
{
	memset(w, 0, sizeof(*w));
	w->def = def;
	w->rel = rel;
	w->context = CurrentMemoryContext;
	w->estate = CreateExecutorState();
	w->result = makeNode(ResultRelInfo);
	/* index 0: no range table entry, where the executor would look for updated columns */
	InitResultRelInfo(w->result, rel, 0, NULL, 0);
	ExecOpenIndices(w->result, false);
	w->estate->es_output_cid = GetCurrentCommandId(true);
	compat_epq_init(&w->epq, w->estate);
	w->found = table_slot_create(rel, NULL);
	w->put = table_slot_create(rel, NULL);
	w->plain =
		rel->trigdesc == NULL && !rel->rd_rel->relispartition &&
		(RelationGetDescr(rel)->constr == NULL || !RelationGetDescr(rel)->constr->has_generated_stored);
	w->fresh = palloc(CHUNK * sizeof(TupleTableSlot *));
	w->epoch_att = attribute(rel, "epoch", INT8OID);
	w->key_atts = palloc((def->nkeys + 1) * sizeof(AttrNumber));
	for (int i = 0; i < def->nkeys; i++)
		w->key_atts[i] = attribute(rel, def->keys[i].column, def->keys[i].type);
	w->state_atts = palloc((def->nstates + 1) * sizeof(AttrNumber));
	for (int i = 0; i < def->nstates; i++)
		w->state_atts[i] = attribute(rel, psprintf("s%d", i + 1), def->states[i].type);
	open_lookup(w);
}

/* Get the number of a column, and check its type: the table's owner could have altered it. */
static AttrNumber
attribute(Relation rel, const char *column, Oid type)
{
	AttrNumber att = get_attnum(RelationGetRelid(rel), column);

	if (att == InvalidAttrNumber || TupleDescAttr(RelationGetDescr(rel), att - 1)->atttypid != type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("state table \"%s\" has no column \"%s\" of type %s", RelationGetRelationName(rel),
						column, format_type_be(type)),
				 errhint("If the hybrid view was restored from a dump, restore the section post-data, too; "
						 "otherwise drop it and create it again.")));
	return att;
}

static void
open_lookup(Writer *w)
{
	w->nscan = 1;
	w->compared = palloc0((w->def->nkeys + 1) * sizeof(FmgrInfo));
	for (int k = 0; k < w->def->nkeys; k++)
	{
		if (w->def->keys[k].indexed)
			w->nscan++;
		else
			fmgr_info(lookup_type_cache(w->def->keys[k].type, TYPECACHE_EQ_OPR_FINFO)->eq_opr_finfo.fn_oid,
					  &w->compared[k]);
	}
	w->index = open_lookup_index(w);
	w->scan_keys = palloc0(w->nscan * sizeof(ScanKeyData));
	w->scan_source = palloc(w->nscan * sizeof(int));
	for (int i = 0; i < w->nscan; i++)
	{
		AttrNumber att = w->index->rd_index->indkey.values[i];
		Oid opfamily = w->index->rd_opfamily[i];
		Oid type = w->index->rd_opcintype[i];
		Oid op = get_opfamily_member(opfamily, type, type, BTEqualStrategyNumber);

		w->scan_source[i] = -1;
		for (int k = 0; k < w->def->nkeys; k++)
		{
			if (w->key_atts[k] == att)
				w->scan_source[i] = k;
		}
		ScanKeyInit(&w->scan_keys[i], i + 1, BTEqualStrategyNumber, get_opcode(op), (Datum) 0);
		w->scan_keys[i].sk_collation = w->index->rd_indcollation[i];
	}
	w->scan = compat_index_beginscan(w->rel, w->index, GetActiveSnapshot(), w->nscan);
}

/* Find the index on the keys and the epoch: the one with all these columns. */
static Relation
open_lookup_index(Writer *w)
{
	for (int i = 0; i < w->result->ri_NumIndices; i++)
	{
		Relation index = w->result->ri_IndexRelationDescs[i];

		if (index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
			IndexRelationGetNumberOfKeyAttributes(index) == w->nscan && is_on_keys(w, index))
			return index;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("state table \"%s\" has no index on its keys", RelationGetRelationName(w->rel)),
			 errhint("If the hybrid view was restored from a dump, restore the section post-data, too; "
					 "otherwise drop it and create it again.")));
}

/* Whether an index is on indexed keys and the epoch alone, and on all rows: no other is looked up in. */
static bool
is_on_keys(const Writer *w, Relation index)
{
	if (!heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
		return false;
	for (int i = 0; i < w->nscan; i++)
	{
		AttrNumber att = index->rd_index->indkey.values[i];
		bool found = att == w->epoch_att;

		for (int k = 0; k < w->def->nkeys && !found; k++)
			found = w->def->keys[k].indexed && w->key_atts[k] == att;
		if (!found)
			return false;
	}
	return true;
}

/* Write one chunk of groups, starting at from, in the current context. Returns the end of the chunk. */
static int64
write_chunk(Writer *w, Fold *fold, int64 from, int64 ngroups, int64 epoch)
{
	int64 end = Min(from + CHUNK, ngroups);
	int64 i = from;

	while (i < end && MemoryContextMemAllocated(CurrentMemoryContext, true) < CHUNK_MEMORY)
	{
		FoldGroup group;

		CHECK_FOR_INTERRUPTS();
		fold_group(fold, i++, &group);
		put_group(w, fold, &group, epoch);
		ResetPerTupleExprContext(w->estate);
		/* however many groups there are: only the code of one can take too long */
		user_code_progress();
	}
	insert_collected(w);
	return i;
}

static void
put_group(Writer *w, Fold *fold, const FoldGroup *group, int64 epoch)
{
	TupleTableSlot *put = w->put;
	bool exists = look_up(w, group, epoch);

	ExecClearTuple(put);
	if (exists)
		slot_getallattrs(w->found);
	memset(put->tts_isnull, true, put->tts_tupleDescriptor->natts * sizeof(bool));
	put->tts_values[w->epoch_att - 1] = Int64GetDatum(epoch);
	put->tts_isnull[w->epoch_att - 1] = false;
	for (int i = 0; i < w->def->nkeys; i++)
	{
		AttrNumber att = w->key_atts[i] - 1;

		put->tts_values[att] = exists ? w->found->tts_values[att] : group->keys[i];
		put->tts_isnull[att] = exists ? w->found->tts_isnull[att] : group->key_nulls[i];
	}
	for (int i = 0; i < w->def->nstates; i++)
	{
		AttrNumber att = w->state_atts[i] - 1;

		put->tts_values[att] = group->states[i];
		put->tts_isnull[att] = group->state_nulls[i];
		if (!exists || w->found->tts_isnull[att])
			continue;
		put->tts_isnull[att] = false;
		put->tts_values[att] = w->found->tts_values[att];
		if (!group->state_nulls[i])
			put->tts_values[att] =
				fold_combine(fold, i, w->found->tts_values[att], group->states[i], &put->tts_isnull[att]);
	}
	ExecStoreVirtualTuple(put);
	if (exists)
		ExecSimpleRelationUpdate(w->result, w->estate, &w->epq, w->found, put);
	else if (w->plain)
		collect_row(w, put);
	else
		ExecSimpleRelationInsert(w->result, w->estate, put);
}

static bool
look_up(Writer *w, const FoldGroup *group, int64 epoch)
{
	MemoryContext old;
	bool found;

	if (w->filter != NULL && !epoch_filter_note(w->filter, group->hash))
		return false;
	for (int i = 0; i < w->nscan; i++)
	{
		ScanKey key = &w->scan_keys[i];
		int source = w->scan_source[i];

		key->sk_flags &= ~(SK_ISNULL | SK_SEARCHNULL);
		if (source < 0)
			key->sk_argument = Int64GetDatum(epoch);
		else if (group->key_nulls[source])
		{
			key->sk_flags |= SK_ISNULL | SK_SEARCHNULL;
			key->sk_argument = (Datum) 0;
		}
		else
			key->sk_argument = group->keys[source];
	}

	/* a btree scan keeps killed items until its end: not in the context of a chunk */
	old = MemoryContextSwitchTo(w->context);
	index_rescan(w->scan, w->scan_keys, w->nscan, NULL, 0);
	do
		found = index_getnext_slot(w->scan, ForwardScanDirection, w->found);
	while (found && !found_keys(w, group));
	MemoryContextSwitchTo(old);
	return found;
}

/* Whether the row found also matches the keys that are not in the index. */
static bool
found_keys(const Writer *w, const FoldGroup *group)
{
	for (int k = 0; k < w->def->nkeys; k++)
	{
		bool isnull;
		Datum value;

		if (w->def->keys[k].indexed)
			continue;
		value = slot_getattr(w->found, w->key_atts[k], &isnull);
		if (isnull != group->key_nulls[k] ||
			(!isnull && !DatumGetBool(FunctionCall2Coll(&w->compared[k], w->def->keys[k].collation, value,
														group->keys[k]))))
			return false;
	}
	return true;
}

/* Collect a new row. Its values, in the chunk's context, live until insert_collected(). */
static void
collect_row(Writer *w, const TupleTableSlot *put)
{
	TupleTableSlot *fresh;
	int natts = put->tts_tupleDescriptor->natts;

	if (w->nfresh == w->nslots)
	{
		MemoryContext old = MemoryContextSwitchTo(w->context);

		w->fresh[w->nslots++] = table_slot_create(w->rel, NULL);
		MemoryContextSwitchTo(old);
	}
	fresh = w->fresh[w->nfresh++];
	ExecClearTuple(fresh);
	memcpy(fresh->tts_values, put->tts_values, natts * sizeof(Datum));
	memcpy(fresh->tts_isnull, put->tts_isnull, natts * sizeof(bool));
	ExecStoreVirtualTuple(fresh);
	if (RelationGetDescr(w->rel)->constr != NULL)
		ExecConstraints(w->result, fresh, w->estate);
}

static void
insert_collected(Writer *w)
{
	if (w->nfresh == 0)
		return;
	table_multi_insert(w->rel, w->fresh, w->nfresh, w->estate->es_output_cid, 0, NULL);
	for (int i = 0; i < w->nfresh && w->result->ri_NumIndices > 0; i++)
	{
		list_free(compat_insert_index_tuples(w->result, w->fresh[i], w->estate));
		ResetPerTupleExprContext(w->estate);
	}
	w->nfresh = 0;
}

static void
writer_close(Writer *w)
{
	if (w->scan != NULL)
		index_endscan(w->scan);
	EvalPlanQualEnd(&w->epq);
	ExecCloseIndices(w->result);
	ExecDropSingleTupleTableSlot(w->found);
	ExecDropSingleTupleTableSlot(w->put);
	for (int i = 0; i < w->nslots; i++)
		ExecDropSingleTupleTableSlot(w->fresh[i]);
	FreeExecutorState(w->estate);
}

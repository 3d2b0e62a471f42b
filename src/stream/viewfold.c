/*
 * viewfold.c
 *		One hybrid view in the worker (see viewfold.h).
 *
 * The executor runs the fold query, whose foreign scan returns the micro-batch row by row; each resulting row
 * goes straight into the fold. So an error tells its row: the one that the scan returned last. Three kinds of
 * error:
 *
 * - while the row was evaluated (WHERE, keys, arguments): the fold has not seen it. It is the view's dead
 *   letter, and the query runs on from the next row.
 * - inside a transition function: the group may be half-changed. The row is noted, the caller drops
 *   everything since the last flush and reads the log again; when the row comes back it is left out, and
 *   becomes the dead letter.
 * - before any row: the query itself fails (a privilege is gone). The view is suspended; others go on. Unless
 *   it only names things by names that they have no more: then it is printed anew.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/attempt.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "nodes/nodeFuncs.h"
#include "stream/viewfold.h"
#include "tcop/dest.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

struct BadRow
{
	int32 partition;
	int64 offset;
	ErrorData *error;
};

typedef struct FoldReceiver
{
	DestReceiver pub;
	ViewFold *vf;
	const int *cursor;
	char *taken;
	bool folding;
} FoldReceiver;

ViewFold *
viewfold_open(const ViewRow *row)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "streambatch view", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ViewFold *vf = palloc0(sizeof(ViewFold));
	Oid nsp = get_namespace_oid("streambatch_state", false);
	FoldState *columns;
	Guard guard;

	vf->context = context;
	vf->row = *row;
	vf->row.settings = DatumGetArrayTypePCopy(PointerGetDatum(row->settings));
	vf->owner = guard_owner_of(row->view);
	vf->state_table = get_relname_relid(psprintf("stream_%d", row->id), nsp);
	if (!OidIsValid(vf->owner) || !OidIsValid(vf->state_table))
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		return NULL;
	}
	vf->def = analyse_stored(row->id, vf->owner);
	if (vf->def->stream != row->stream)
		elog(ERROR, "the query of hybrid view %d reads another stream", row->id);
	vf->query = sql_fold(vf->def, &columns);
	/* initial values are made by input functions, which may be somebody's */
	guard_enter(&guard, vf->owner, vf->row.settings);
	vf->fold = fold_create(vf->def, columns);
	guard_leave(&guard);
	MemoryContextSwitchTo(old);
	return vf;
}

void
viewfold_close(ViewFold *vf)
{
	if (vf->plan != NULL)
		SPI_freeplan(vf->plan);
	vf->plan = NULL;
}

static bool
columns_walker(Node *node, Bitmapset **attnums)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		*attnums = bms_add_member(*attnums, ((Var *) node)->varattno);
	return expression_tree_walker(node, columns_walker, attnums);
}

Bitmapset *
viewfold_columns(const ViewFold *vf, Bitmapset *attnums)
{
	(void) columns_walker((Node *) vf->def->query->targetList, &attnums);
	(void) columns_walker(vf->def->query->jointree->quals, &attnums);
	(void) columns_walker(vf->def->query->havingQual, &attnums);
	return attnums;
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	FoldReceiver *receiver = (FoldReceiver *) self;

	receiver->folding = true;
	fold_row(receiver->vf->fold, slot);
	receiver->folding = false;
	receiver->taken[*receiver->cursor - 1] = ROW_FOLDED;
	return true;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static void
receiver_nothing(DestReceiver *self)
{
}

/* Print the query anew: true where something that it names has been renamed meanwhile. */
static bool
renamed(ViewFold *vf)
{
	MemoryContext old = MemoryContextSwitchTo(vf->context);
	FoldState *columns;
	Guard guard;
	char *query;
	bool result;

	guard_enter(&guard, InvalidOid, vf->row.settings);
	query = sql_fold(vf->def, &columns);
	guard_leave(&guard);
	MemoryContextSwitchTo(old);
	result = strcmp(query, vf->query) != 0;
	if (result)
		viewfold_close(vf);
	vf->query = query;
	return result;
}

static SPIPlanPtr
plan_of(ViewFold *vf)
{
	/* planned anew from the old text, it could find something else under an old name */
	if (vf->plan != NULL && !SPI_plan_is_valid(vf->plan))
		(void) renamed(vf);
	if (vf->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(vf->query, 0, NULL);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", vf->query, SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		vf->plan = plan;
	}
	return vf->plan;
}

/* The query, from the row at *cursor on. */
static void
run_query(void *arg)
{
	FoldReceiver *receiver = arg;
	ViewFold *vf = receiver->vf;
	SPIExecuteOptions options = {0};
	Guard guard;
	int rc;

	guard_enter(&guard, vf->owner, vf->row.settings);
	SPI_connect();
	options.read_only = true;
	options.dest = (DestReceiver *) receiver;
	rc = SPI_execute_plan_extended(plan_of(vf), &options);
	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", vf->query, SPI_result_code_string(rc));
	SPI_finish();
	guard_leave(&guard);
}

static void
note_bad(ViewFold *vf, const MicroBatch *batch, int row, ErrorData *error)
{
	MemoryContext old = MemoryContextSwitchTo(vf->context);

	vf->bad = vf->bad ? repalloc(vf->bad, (vf->nbad + 1) * sizeof(BadRow)) : palloc(sizeof(BadRow));
	vf->bad[vf->nbad].partition = batch->partitions[row];
	vf->bad[vf->nbad].offset = batch->offsets[row];
	vf->bad[vf->nbad].error = error;
	vf->nbad++;
	MemoryContextSwitchTo(old);
}

/* Rows that the fold failed on before: dead letters now. */
static bool *
leave_out_bad(ViewFold *vf, Intake *intake, char *taken, Letters *letters)
{
	bool *skip = NULL;

	for (int b = 0; b < vf->nbad; b++)
	{
		for (int row = 0; row < intake->batch.nrows; row++)
		{
			if (intake->batch.partitions[row] != vf->bad[b].partition ||
				intake->batch.offsets[row] != vf->bad[b].offset)
				continue;
			if (skip == NULL)
				skip = palloc0(intake->batch.nrows * sizeof(bool));
			skip[row] = true;
			taken[row] = Max(taken[row], ROW_DEAD);
			letters_add(letters, &intake->messages[intake->message_of[row]], vf->row.view, vf->bad[b].error);
		}
	}
	return skip;
}

ViewFoldResult
viewfold_run(ViewFold *vf, Intake *intake, char *taken, Letters *letters)
{
	MicroBatch *batch = &intake->batch;
	int cursor = 0;
	ViewFoldResult result = VIEWFOLD_DONE;
	FoldReceiver receiver = {
		{receive, receiver_startup, receiver_nothing, receiver_nothing, DestNone}, vf, &cursor, taken, false};

	if (vf->failure != NULL)
		return VIEWFOLD_DONE;
	batch->skip = leave_out_bad(vf, intake, taken, letters);
	batch_set_current(vf->def->stream, batch, &cursor);
	while (cursor < batch->nrows)
	{
		int start = cursor;
		ErrorData *error = attempt(run_query, &receiver, vf->context);

		if (error == NULL)
			break;
		letters_reject_error(error);
		if (receiver.folding)
		{
			note_bad(vf, batch, cursor - 1, error);
			result = VIEWFOLD_POISONED;
			break;
		}
		if (cursor == start)
		{
			if (renamed(vf))
				continue;
			vf->failure = error;
			break;
		}
		taken[cursor - 1] = Max(taken[cursor - 1], ROW_DEAD);
		letters_add(letters, &intake->messages[intake->message_of[cursor - 1]], vf->row.view, error);
		FreeErrorData(error);
	}
	batch_set_current(InvalidOid, NULL, NULL);
	batch->skip = NULL;
	return result;
}

void
viewfold_stored(ViewFold *vf)
{
	fold_reset(vf->fold);
	for (int b = 0; b < vf->nbad; b++)
		FreeErrorData(vf->bad[b].error);
	vf->nbad = 0;
	vf->append = false;
}

void
viewfold_dropped(ViewFold *vf)
{
	fold_reset(vf->fold);
}

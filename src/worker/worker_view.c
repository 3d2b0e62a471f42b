/*
 * worker_view.c
 *		One hybrid view in the worker (see worker_view.h).
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/guard.h"
#include "common/settings.h"
#include "executor/spi.h"
#include "nodes/nodeFuncs.h"
#include "query/view_relations.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "worker/worker_view.h"

/* The part of streambatch.work_mem that a view's epoch filter may use. */
#define EPOCH_FILTER_SHARE 8

typedef struct ColumnsUsed
{
	int varno;
	int level;
	Bitmapset *attnums;
} ColumnsUsed;

static void check_states(const WorkerView *view);
static bool same_state(const StateDef *a, const FoldState *of_a, const StateDef *b, const FoldState *of_b);
static bool columns_walker(Node *node, ColumnsUsed *used);

WorkerView *
worker_view_open(const ViewRow *row)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "streambatch view", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	WorkerView *view = palloc0(sizeof(WorkerView));
	Oid nsp = get_namespace_oid("streambatch_state", false);
	Guard guard;

	view->context = context;
	view->errors = AllocSetContextCreate(context, "streambatch view errors", ALLOCSET_SMALL_SIZES);
	view->row = *row;
	view->row.settings = DatumGetArrayTypePCopy(PointerGetDatum(row->settings));
	view->owner = guard_owner_of(row->view);
	view->state_table = get_relname_relid(psprintf("stream_%d", row->id), nsp);
	if (!OidIsValid(view->owner) || !OidIsValid(view->state_table))
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		return NULL;
	}
	/* with the settings that the query runs with, so that constants are deparsed as they will be read */
	guard_enter(&guard, InvalidOid, view->row.settings);
	view->relations = view_relations_read(row->id);
	view->def = analyse_stored(row->id, view->owner);
	if (view->def->stream != row->stream)
		elog(ERROR, "the query of hybrid view %d does not read its stream", row->id);
	check_states(view);
	view->query = sql_fold(view->def, &view->columns);
	guard_leave(&guard);
	/* initial values are made by input functions, which may be user-defined */
	guard_enter(&guard, view->owner, view->row.settings);
	view->fold = fold_create(view->def, view->columns);
	guard_leave(&guard);
	view->filter = epoch_filter_create((Size) setting_work_mem_kb * 1024 / EPOCH_FILTER_SHARE);
	MemoryContextSwitchTo(old);
	return view;
}

bool
worker_view_share(WorkerView *view, WorkerView *leader)
{
	const ViewDef *a = view->def;
	const ViewDef *b = leader->def;
	MemoryContext old;

	if (leader->leader != NULL || view->owner != leader->owner || strcmp(view->query, leader->query) != 0 ||
		a->nkeys != b->nkeys || a->nstates != b->nstates ||
		!datumIsEqual(PointerGetDatum(view->row.settings), PointerGetDatum(leader->row.settings), false, -1))
		return false;
	for (int i = 0; i < a->nstates; i++)
	{
		if (!same_state(&a->states[i], &view->columns[i], &b->states[i], &leader->columns[i]))
			return false;
	}
	view->leader = leader;
	view->fold = leader->fold;
	old = MemoryContextSwitchTo(leader->context);
	leader->followers = lappend_oid(leader->followers, view->row.view);
	MemoryContextSwitchTo(old);
	return true;
}

void
worker_view_close(WorkerView *view)
{
	if (view->plan != NULL)
		SPI_freeplan(view->plan);
	view->plan = NULL;
}

Bitmapset *
worker_view_columns(const WorkerView *view, Bitmapset *attnums)
{
	ColumnsUsed used = {view->def->varno, 0, attnums};

	(void) query_tree_walker(view->def->query, columns_walker, &used, 0);
	return used.attnums;
}

const ErrorData *
worker_view_failure(const WorkerView *view)
{
	return view->leader != NULL ? view->leader->failure : view->failure;
}

void
worker_view_stored(WorkerView *view)
{
	worker_view_dropped(view);
	/* FreeErrorData() does not free all that CopyErrorData() copies */
	if (view->failure == NULL)
		MemoryContextReset(view->errors);
}

void
worker_view_dropped(WorkerView *view)
{
	if (view->leader == NULL)
		fold_reset(view->fold);
	view->compared_epoch = 0;
}

/* An aggregate that was replaced since the view was created may have another state type. */
static void
check_states(const WorkerView *view)
{
	for (int i = 0; i < view->def->nstates; i++)
	{
		char *column = psprintf("s%d", i + 1);
		const StateDef *state = &view->def->states[i];
		AttrNumber att = get_attnum(view->state_table, column);

		if (att == InvalidAttrNumber || get_atttype(view->state_table, att) != state->type)
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("the state type of aggregate %s has changed since the view was created",
								   format_procedure(state->folded->aggfnoid)),
							errhint("Drop the hybrid view and create it again.")));
	}
}

/* Whether two states are folded the same way from the same columns. */
static bool
same_state(const StateDef *a, const FoldState *of_a, const StateDef *b, const FoldState *of_b)
{
	return equal(a->folded, b->folded) && a->partial == b->partial && a->batch_only == b->batch_only &&
		   a->type == b->type && a->combine == b->combine && of_a->filter == of_b->filter &&
		   of_a->nargs == of_b->nargs &&
		   (of_a->nargs == 0 || memcmp(of_a->args, of_b->args, of_a->nargs * sizeof(int)) == 0);
}

static bool
columns_walker(Node *node, ColumnsUsed *used)
{
	bool result;

	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varno == used->varno && ((Var *) node)->varlevelsup == used->level)
		used->attnums = bms_add_member(used->attnums, ((Var *) node)->varattno);
	if (!IsA(node, Query))
		return expression_tree_walker(node, columns_walker, used);
	used->level++;
	result = query_tree_walker((Query *) node, columns_walker, used, 0);
	used->level--;
	return result;
}

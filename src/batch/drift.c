/*
 * drift.c
 *		How much the values of a run differ from those before (see drift.h).
 */
#include "postgres.h"

#include "access/table.h"
#include "batch/batch_statement.h"
#include "batch/drift.h"
#include "batch/drift_value.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/settings.h"
#include "common/subtransaction.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/plancat.h"
#include "query/drift_sql.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

/* So many groups of a view are all compared; of more, about so many. */
#define SAMPLE_GROUPS 100000

/* The worst ones of a column. */
#define MAX_EXAMPLES 10

typedef struct Example
{
	double relative; /* -1: none */
	char *json;
} Example;

/* An output column, and what was found of it. */
typedef struct DriftColumn
{
	const char *name;
	DriftType before;
	DriftType after;
	int64 differed;
	double largest; /* relative difference; -1: none */
	int nexamples;
	Example examples[MAX_EXAMPLES]; /* the largest relative difference first */
} DriftColumn;

/* Values of one side: how they are read. */
typedef struct Side
{
	const Computation *of;
	DriftKey *keys;
	List *outputs;
} Side;

struct Drift
{
	MemoryContext context;
	MemoryContext scratch; /* for one group */
	const Drift *so_far;
	Side before;
	Side after;
	bool comparable;
	int nkeys;
	DriftType *key_types;
	int pane; /* among the keys; -1: none */
	int ncolumns;
	DriftColumn *columns;
	int64 compared;
	int64 differed;
	char *failure; /* the error for which values were not compared */
	/* the comparison at hand */
	DriftRows old_rows;
	DriftRows new_rows;
	BatchParameters parameters;
	PaneRange range;
	int sample; /* one of so many groups */
	bool one_snapshot;
	Tuplestorestate *store; /* old values; NULL: they could not be read */
	TupleTableSlot *old;
	bool at_end;
	const TimeRanges *kept;
};

static Computation *open_view(const ViewRow *row);
static void init(Drift *d, const Computation *before, const Computation *after);
static bool match(Drift *d);
static void match_outputs(Drift *d);
static void copy_found(Drift *d);
static void read_values(Drift *d, void (*body)(void *arg));
static void read_old_values(Drift *d);
static void read_old(void *drift);
static void put_old(TupleTableSlot *slot, void *drift);
static void read_new(void *drift);
static int choose_sample(const Computation *c);
static void next_old(Drift *d);
static void compare_new(TupleTableSlot *slot, void *drift);
static int compare_keys(Drift *d, TupleTableSlot *slot);
static void found(Drift *d, TupleTableSlot *old, TupleTableSlot *new);
static bool is_kept(const Drift *d, TupleTableSlot *old);
static void found_column(Drift *d, DriftColumn *column, double relative, TupleTableSlot *old,
						 TupleTableSlot *new, int number);
static char *example_json(Drift *d, DriftColumn *column, TupleTableSlot *old, TupleTableSlot *new,
						  int number);
static void append_column_value(StringInfo buf, DriftType *type, TupleTableSlot *slot, int number);

Drift *
drift_begin(const Drift *so_far, const Computation *c, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "streambatch drift", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Drift *d = palloc0(sizeof(Drift));

	d->context = context;
	d->so_far = so_far;
	init(d, c, c);
	copy_found(d);
	MemoryContextSwitchTo(old);
	return d;
}

void
drift_before(Drift *d, int64 closed_epoch, const Chunk *chunk)
{
	MemoryContext old;

	if (d == NULL || !d->comparable)
		return;
	old = MemoryContextSwitchTo(d->context);
	d->old_rows = DRIFT_BEFORE;
	d->new_rows = DRIFT_BATCH;
	d->parameters = (BatchParameters){.from = chunk->from, .to = chunk->to, .epoch = closed_epoch};
	d->range = compute_chunk_panes(d->before.of, chunk, &d->parameters.panes).range;
	read_old_values(d);
	MemoryContextSwitchTo(old);
}

void
drift_after(Drift *d, const TimeRanges *kept)
{
	MemoryContext old;

	if (d == NULL || d->store == NULL)
		return;
	old = MemoryContextSwitchTo(d->context);
	d->kept = kept;
	read_values(d, read_new);
	if (d->store != NULL)
		tuplestore_end(d->store);
	d->store = NULL;
	MemoryContextSwitchTo(old);
}

void
drift_store(const Drift *d, RunProgress *done)
{
	StringInfoData buf;

	if (d == NULL || !d->comparable)
		return;
	initStringInfo(&buf);
	for (int i = 0; i < d->ncolumns; i++)
	{
		const DriftColumn *column = &d->columns[i];

		appendStringInfoString(&buf, i > 0 ? ", {\"column\": " : "{\"column\": ");
		escape_json(&buf, column->name);
		appendStringInfo(&buf, ", \"differed\": " INT64_FORMAT, column->differed);
		if (column->largest >= 0)
			appendStringInfo(
				&buf, ", \"largest\": %s",
				DatumGetCString(DirectFunctionCall1(float8out, Float8GetDatum(column->largest))));
		appendStringInfoString(&buf, ", \"examples\": [");
		for (int e = 0; e < column->nexamples; e++)
			appendStringInfo(&buf, "%s%s", e > 0 ? ", " : "", column->examples[e].json);
		appendStringInfoString(&buf, "]}");
	}
	done->drift = psprintf("[%s]", buf.data);
	done->compared = d->compared;
	done->differed = d->differed;
}

void
drift_say_failure(const Drift *d, const char *view)
{
	if (d != NULL && d->failure != NULL)
		ereport(NOTICE,
				(errmsg("some values of hybrid view \"%s\" could not be compared with those before", view),
				 errdetail_internal("%s", d->failure)));
}

void
drift_replace(Drift **drift, Drift *by)
{
	if (*drift != NULL)
		MemoryContextDelete((*drift)->context);
	*drift = by;
}

bool
drift_compare_views(const ViewRow *before, const ViewRow *after, int64 run)
{
	RunProgress done = {0};
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "streambatch drift", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Drift *d = palloc0(sizeof(Drift));
	bool comparable;

	d->context = context;
	init(d, open_view(before), open_view(after));
	copy_found(d);
	comparable = d->comparable;
	if (comparable)
	{
		d->old_rows = d->new_rows = DRIFT_ALL;
		d->parameters = (BatchParameters){.from = DT_NOBEGIN, .to = DT_NOEND};
		d->range = PANES_ALL;
		/* a flush between the two would be a difference */
		d->one_snapshot = true;
		PushActiveSnapshot(GetTransactionSnapshot());
		read_old_values(d);
		drift_after(d, NULL);
		PopActiveSnapshot();
		drift_store(d, &done);
		drift_say_failure(d, get_rel_name(before->view));
		catalog_run_progress(run, &done);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return comparable;
}

/* As much of a computation as reading values needs. */
static Computation *
open_view(const ViewRow *row)
{
	Computation *c = palloc0(sizeof(Computation));
	Guard guard;

	c->view = *row;
	c->owner = guard_owner_of(row->view);
	guard_enter(&guard, InvalidOid, row->settings);
	c->def = analyse_stored(row->id, c->owner);
	guard_leave(&guard);
	c->dead_epochs = c->dead_partitions = PointerGetDatum(construct_empty_array(INT4OID));
	c->dead_offsets = PointerGetDatum(construct_empty_array(INT8OID));
	return c;
}

static void
init(Drift *d, const Computation *before, const Computation *after)
{
	d->before = (Side){before, sql_drift_keys(before->def), sql_drift_outputs(before->def)};
	d->after = (Side){after, sql_drift_keys(after->def), sql_drift_outputs(after->def)};
	d->scratch = AllocSetContextCreate(d->context, "streambatch drift group", ALLOCSET_SMALL_SIZES);
	d->comparable = d->before.keys != NULL && d->after.keys != NULL && match(d);
}

/* Put keys and outputs of both sides in the same order. Returns false if the keys are not the same. */
static bool
match(Drift *d)
{
	const ViewDef *old = d->before.of->def;
	const ViewDef *new = d->after.of->def;

	if (old->nkeys != new->nkeys)
		return false;
	d->nkeys = new->nkeys;
	d->pane = -1;
	d->key_types = palloc0((d->nkeys + 1) * sizeof(DriftType));
	for (int i = 0; i < d->nkeys; i++)
	{
		const KeyDef *key = &new->keys[d->after.keys[i].key];
		int j = i;

		while (j < d->nkeys && strcmp(d->before.keys[j].name, d->after.keys[i].name) != 0)
			j++;
		if (j == d->nkeys || old->keys[d->before.keys[j].key].type != key->type ||
			old->keys[d->before.keys[j].key].collation != key->collation)
			return false;
		if (j != i)
		{
			DriftKey swap = d->before.keys[i];

			d->before.keys[i] = d->before.keys[j];
			d->before.keys[j] = swap;
		}
		drift_type_init(&d->key_types[i], key->type, key->collation);
		if (d->before.keys[i].key == old->pane)
			d->pane = i;
	}
	match_outputs(d);
	return true;
}

/* The outputs with the same name, and of the same type or both numbers. */
static void
match_outputs(Drift *d)
{
	List *old = NIL;
	List *new = NIL;
	ListCell *a;
	ListCell *b;

	d->columns = palloc0((list_length(d->after.outputs) + 1) * sizeof(DriftColumn));
	foreach (a, d->after.outputs)
	{
		foreach (b, d->before.outputs)
		{
			const TargetEntry *x = lfirst(a);
			const TargetEntry *y = lfirst(b);
			DriftColumn *column = &d->columns[d->ncolumns];

			if (strcmp(x->resname, y->resname) != 0)
				continue;
			column->name = x->resname;
			drift_type_init(&column->after, exprType((Node *) x->expr), exprCollation((Node *) x->expr));
			drift_type_init(&column->before, exprType((Node *) y->expr), exprCollation((Node *) y->expr));
			if (column->after.type != column->before.type &&
				!(drift_type_is_number(&column->after) && drift_type_is_number(&column->before)))
				continue;
			new = lappend(new, lfirst(a));
			old = lappend(old, lfirst(b));
			d->ncolumns++;
		}
	}
	d->after.outputs = new;
	d->before.outputs = old;
}

static void
copy_found(Drift *d)
{
	const Drift *from = d->so_far;

	d->compared = from != NULL ? from->compared : 0;
	d->differed = from != NULL ? from->differed : 0;
	if (from != NULL && from->failure != NULL)
		d->failure = pstrdup(from->failure);
	for (int i = 0; i < d->ncolumns; i++)
	{
		DriftColumn *column = &d->columns[i];

		column->differed = from != NULL ? from->columns[i].differed : 0;
		column->largest = from != NULL ? from->columns[i].largest : -1;
		column->nexamples = from != NULL ? from->columns[i].nexamples : 0;
		for (int e = 0; e < column->nexamples; e++)
			column->examples[e] =
				(Example){from->columns[i].examples[e].relative, pstrdup(from->columns[i].examples[e].json)};
	}
}

/*
 * An expression over the old or the new values may raise an error, as it does when the view is read. That is no
 * reason not to refresh it.
 */
static void
read_values(Drift *d, void (*body)(void *arg))
{
	ErrorData *error = subtransaction_run(body, d, PortalContext);

	if (error == NULL)
		return;
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_INTERNAL_ERROR:
			ReThrowError(error);
		default:
			break;
	}
	tuplestore_end(d->store);
	d->store = NULL;
	copy_found(d);
	if (d->failure == NULL)
		d->failure = MemoryContextStrdup(d->context, error->message);
}

/* The temporary file of the store belongs to the caller's subtransaction. */
static void
read_old_values(Drift *d)
{
	d->store = tuplestore_begin_heap(false, false, work_mem);
	d->old = NULL;
	d->sample = choose_sample(d->before.of);
	read_values(d, read_old);
}

static void
read_old(void *drift)
{
	Drift *d = drift;
	const Computation *c = d->before.of;
	Guard guard;

	batch_statement_begin(&guard, c);
	batch_statement_read_as_of(c,
							   sql_drift_values(c->def, c->view.id, d->before.keys, d->before.outputs,
												d->old_rows, d->range, d->sample),
							   &d->parameters, d->one_snapshot, put_old, d);
	batch_statement_end(&guard);
}

static void
put_old(TupleTableSlot *slot, void *drift)
{
	Drift *d = drift;
	MemoryContext old = MemoryContextSwitchTo(d->context);

	if (d->old == NULL)
		d->old =
			MakeSingleTupleTableSlot(CreateTupleDescCopy(slot->tts_tupleDescriptor), &TTSOpsMinimalTuple);
	tuplestore_puttupleslot(d->store, slot);
	MemoryContextSwitchTo(old);
}

static void
read_new(void *drift)
{
	Drift *d = drift;
	const Computation *c = d->after.of;
	Guard guard;

	d->at_end = d->old == NULL;
	if (d->at_end)
		d->sample = choose_sample(c);
	batch_statement_begin(&guard, c);
	next_old(d);
	batch_statement_read_as_of(c,
							   sql_drift_values(c->def, c->view.id, d->after.keys, d->after.outputs,
												d->new_rows, d->range, d->sample),
							   &d->parameters, d->one_snapshot, compare_new, d);
	for (; !d->at_end; next_old(d))
		found(d, d->old, NULL);
	batch_statement_end(&guard);
}

/* Of how many groups of a view one is compared. */
static int
choose_sample(const Computation *c)
{
	Oid schema = get_namespace_oid("streambatch_state", false);
	double groups = 0;
	int result = 1;

	if (setting_track_drift == DRIFT_OF_ALL || !sql_drift_can_sample(c->def))
		return 1;
	for (int layer = 0; layer < 2; layer++)
	{
		Relation table = table_open(
			get_relname_relid(psprintf("%s_%d", layer > 0 ? "stream" : "batch", c->view.id), schema),
			AccessShareLock);
		BlockNumber pages;
		double tuples;
		double visible;

		estimate_rel_size(table, NULL, &pages, &tuples, &visible);
		groups = Max(groups, tuples);
		table_close(table, NoLock);
	}
	while (groups > (double) SAMPLE_GROUPS * result && result < (1 << 20))
		result *= 2;
	return result;
}

static void
next_old(Drift *d)
{
	d->at_end = d->at_end || !tuplestore_gettupleslot(d->store, true, false, d->old);
}

static void
compare_new(TupleTableSlot *slot, void *drift)
{
	Drift *d = drift;
	int order = 1;

	slot_getallattrs(slot);
	while (!d->at_end && (order = compare_keys(d, slot)) < 0)
	{
		found(d, d->old, NULL);
		next_old(d);
	}
	if (d->at_end || order > 0)
	{
		found(d, NULL, slot);
		return;
	}
	found(d, d->old, slot);
	next_old(d);
}

/* The old group before, at or after a new one. */
static int
compare_keys(Drift *d, TupleTableSlot *slot)
{
	slot_getallattrs(d->old);
	for (int i = 0; i < d->nkeys; i++)
	{
		int order = drift_compare(&d->key_types[i], d->old->tts_values[i], d->old->tts_isnull[i],
								  slot->tts_values[i], slot->tts_isnull[i]);

		if (order != 0)
			return order;
	}
	return 0;
}

/* A group, with its old and its new values; NULL: it has none. */
static void
found(Drift *d, TupleTableSlot *old, TupleTableSlot *new)
{
	bool differs = old == NULL || new == NULL;
	MemoryContext caller;

	CHECK_FOR_INTERRUPTS();
	if (old != NULL)
		slot_getallattrs(old);
	if (new == NULL && is_kept(d, old))
		return;
	MemoryContextReset(d->scratch);
	caller = MemoryContextSwitchTo(d->scratch);
	d->compared++;
	for (int i = 0; i < d->ncolumns; i++)
	{
		DriftColumn *column = &d->columns[i];
		int number = d->nkeys + i;
		double relative = -1;

		if (old != NULL && new != NULL &&
			!drift_differs(&column->before, old->tts_values[number], old->tts_isnull[number], &column->after,
						   new->tts_values[number], new->tts_isnull[number], &relative))
			continue;
		differs = true;
		found_column(d, column, relative, old, new, number);
	}
	d->differed += differs;
	MemoryContextSwitchTo(caller);
}

/* Whether the rows of a group were left as they are. */
static bool
is_kept(const Drift *d, TupleTableSlot *old)
{
	TimestampTz pane;

	if (d->kept == NULL || d->kept->n == 0 || d->pane < 0 || old->tts_isnull[d->pane])
		return false;
	pane = window_time(d->key_types[d->pane].type, old->tts_values[d->pane]);
	for (int i = 0; i < d->kept->n; i++)
	{
		if (pane >= d->kept->items[i].from && pane < d->kept->items[i].to)
			return true;
	}
	return false;
}

/* A column differs: keep it as an example if it is one of the worst. */
static void
found_column(Drift *d, DriftColumn *column, double relative, TupleTableSlot *old, TupleTableSlot *new,
			 int number)
{
	int i = column->nexamples;

	column->differed++;
	column->largest = Max(column->largest, relative);
	while (i > 0 && column->examples[i - 1].relative < relative)
		i--;
	if (i == MAX_EXAMPLES)
		return;
	if (column->nexamples < MAX_EXAMPLES)
		column->nexamples++;
	else
		pfree(column->examples[MAX_EXAMPLES - 1].json);
	memmove(&column->examples[i + 1], &column->examples[i], (column->nexamples - 1 - i) * sizeof(Example));
	column->examples[i] = (Example){relative, example_json(d, column, old, new, number)};
}

static char *
example_json(Drift *d, DriftColumn *column, TupleTableSlot *old, TupleTableSlot *new, int number)
{
	TupleTableSlot *either = new != NULL ? new : old;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{\"keys\": {");
	for (int i = 0; i < d->nkeys; i++)
	{
		if (i > 0)
			appendStringInfoString(&buf, ", ");
		escape_json(&buf, d->after.keys[i].name);
		appendStringInfoString(&buf, ": ");
		append_column_value(&buf, &d->key_types[i], either, i);
	}
	appendStringInfoString(&buf, "}, \"old\": ");
	append_column_value(&buf, &column->before, old, number);
	appendStringInfoString(&buf, ", \"new\": ");
	append_column_value(&buf, &column->after, new, number);
	appendStringInfoChar(&buf, '}');
	return MemoryContextStrdup(d->context, buf.data);
}

static void
append_column_value(StringInfo buf, DriftType *type, TupleTableSlot *slot, int number)
{
	if (slot == NULL)
		appendStringInfoString(buf, "null");
	else
		drift_append_value(buf, type, slot->tts_values[number], slot->tts_isnull[number]);
}

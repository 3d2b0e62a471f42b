/*
 * chunk_run.c
 *		Running the chunks of a refresh (see chunk_run.h).
 *
 * A chunk is one transaction: the deletion of its dirty marks, its batch rows, the deletion of its stream rows, and the
 * coverage. If it raises an error that may be the fault of a group or an event, it is rolled back, and the chunk is halved,
 * until the failing pane is alone: each part is a transaction. The failing pane keeps its batch rows, its stream rows and
 * its coverage, so that the next refresh tries it again.
 */
#include "postgres.h"

#include "batch/batch_statement.h"
#include "batch/chunk_run.h"
#include "batch/dirty_marks.h"
#include "batch/failing_pane.h"
#include "batch/failing_row.h"
#include "common/catalog_batch.h"
#include "common/subtransaction.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* With more failing panes than this, the run ends: what fails everywhere would be tried pane by pane. */
#define MAX_FAILED 100

typedef struct ChunkJob
{
	Run *run;
	const Chunk *chunk;
	int done; /* chunks that this completes */
	int64 kept;
	Drift *drift; /* of the run, with this chunk */
} ChunkJob;

/* The panes with events of a chunk. */
typedef struct Panes
{
	MemoryContext context;
	TimestampTz *items;
	int n;
	int allocated;
} Panes;

/* The arguments of a statement that lists them. */
typedef struct ListJob
{
	Run *run;
	const Chunk *chunk;
	Panes *panes;
} ListJob;

static ErrorData *try_chunk(Run *run, const Chunk *chunk, int done);
static void compute_and_cover(void *arg);
static void run_part(Run *run, const Chunk *chunk, const TimestampTz *panes, int n);
static void isolate(Run *run, const Chunk *chunk, const TimestampTz *panes, int n, ErrorData *error);
static Chunk part(const Chunk *chunk, const TimestampTz *panes, int n, int from, int to);
static void isolate_pane(Run *run, const Chunk *chunk, TimestampTz pane, ErrorData *error);
static void fail(Run *run, const Chunk *chunk, ErrorData *error);
static void advance_around(const Run *run, const Chunk *chunk);
static void list_panes(Run *run, const Chunk *chunk, Panes *panes, ErrorData *error);
static void read_panes(void *arg);
static void add_pane(TupleTableSlot *slot, void *panes);

void
chunk_run(Run *run, const Chunk *chunk)
{
	ErrorData *error = try_chunk(run, chunk, 1);
	MemoryContext context;
	Panes panes = {0};

	if (error == NULL)
		return;
	if (!run->c->def->has_window)
	{
		fail(run, chunk, error);
		return;
	}
	context = AllocSetContextCreate(run->context, "streambatch panes", ALLOCSET_DEFAULT_SIZES);
	panes.context = context;
	list_panes(run, chunk, &panes, error);
	if (chunk->panes != NULL)
		isolate(run, chunk, chunk->panes, chunk->npanes, error);
	else
		isolate(run, chunk, panes.items, panes.n, error);
	MemoryContextDelete(context);
}

void
chunk_advance(const Run *run, const Chunk *chunk)
{
	TimeRanges rest =
		time_ranges_uncovered(chunk->advance_from, chunk->advance_to, chunk->kept.items, chunk->kept.n);

	for (int i = 0; i < rest.n; i++)
	{
		rest.items[i].cut_epoch = run->closed_epoch;
		catalog_advance_coverage(run->c->view.id, &rest.items[i], run->cut_at);
	}
}

/* Compute a chunk and commit. Returns an error of the data; any other one is recorded in the run and raised. */
static ErrorData *
try_chunk(Run *run, const Chunk *chunk, int done)
{
	ChunkJob job = {run, chunk, done};
	/* must outlive the run's context: ReThrowError() does not copy all of the error */
	ErrorData *error = subtransaction_run(compute_and_cover, &job, PortalContext);

	if (error != NULL && (run->strict || !compute_is_data_error(error->sqlerrcode)))
		refresh_fail(run, error);
	if (error == NULL)
	{
		run->kept += job.kept;
		if (job.drift != NULL)
			drift_replace(&run->drift, job.drift);
	}
	else
		drift_replace(&job.drift, NULL);
	refresh_next_transaction();
	return error;
}

static void
compute_and_cover(void *arg)
{
	ChunkJob *job = arg;
	const Run *run = job->run;
	const Chunk *chunk = job->chunk;
	TimeRanges kept = {0};
	RunProgress done = {.chunks = job->done};

	CHECK_FOR_INTERRUPTS();
	refresh_lock_relations(run, &run->c->view);
	if (!chunk->changed || chunk->npanes > 0)
	{
		TimeRanges cleared = dirty_marks_clear(run->c, chunk);

		job->drift = run->track_drift ? drift_begin(run->drift, run->c, run->context) : NULL;
		drift_before(job->drift, run->closed_epoch, chunk);
		done.rows = compute_chunk(run->c, run->cut, run->closed_epoch, chunk, &kept, &job->kept);
		drift_after(job->drift, &kept);
		drift_store(job->drift, &done);
		dirty_marks_put_back(run->c, cleared, kept);
	}
	if (chunk->changed)
	{
		Chunk advanced = *chunk;

		advanced.kept = time_ranges_merge(chunk->kept, kept);
		chunk_advance(run, &advanced);
	}
	else
	{
		TimeRanges rest = time_ranges_uncovered(chunk->from, chunk->to, kept.items, kept.n);

		for (int i = 0; i < rest.n; i++)
		{
			rest.items[i].cut_epoch = run->closed_epoch;
			catalog_cover(run->c->view.id, &rest.items[i], run->cut_at);
		}
	}
	done.panes = Max(0, chunk_panes(chunk, run->c));
	catalog_run_progress(run->id, &done);
}

/* Run a part of a chunk, which has n panes. */
static void
run_part(Run *run, const Chunk *chunk, const TimestampTz *panes, int n)
{
	ErrorData *error = try_chunk(run, chunk, 0);

	if (error != NULL)
		isolate(run, chunk, panes, n, error);
}

/* Run the two halves of a chunk that has raised an error; if it is one pane, that is the failing one. */
static void
isolate(Run *run, const Chunk *chunk, const TimestampTz *panes, int n, ErrorData *error)
{
	int half = n / 2;
	Chunk first;
	Chunk second;

	if (n == 0)
	{
		fail(run, chunk, error);
		return;
	}
	if (n == 1)
	{
		isolate_pane(run, chunk, panes[0], error);
		return;
	}
	FreeErrorData(error);
	first = part(chunk, panes, n, 0, half);
	second = part(chunk, panes, n, half, n);
	run_part(run, &first, panes, half);
	run_part(run, &second, panes + half, n - half);
}

/* The part of a chunk with the panes from one number to another. */
static Chunk
part(const Chunk *chunk, const TimestampTz *panes, int n, int from, int to)
{
	Chunk result = *chunk;

	if (from > 0)
		result.from = result.advance_from = panes[from];
	if (to < n)
		result.to = result.advance_to = panes[to];
	if (chunk->panes != NULL)
	{
		result.panes = panes + from;
		result.npanes = to - from;
	}
	return result;
}

/* Of a range with one pane that has events, run those before and after it, too. */
static void
isolate_pane(Run *run, const Chunk *chunk, TimestampTz pane, ErrorData *error)
{
	Chunk before = *chunk;
	Chunk after = *chunk;
	Chunk failing = *chunk;

	before.to = failing.from = pane;
	after.from = failing.to = window_pane_end(&run->c->def->window, pane);
	if (!chunk->changed && before.from < before.to)
		run_part(run, &before, NULL, 0);
	fail(run, &failing, error);
	if (!chunk->changed && after.from < after.to)
		run_part(run, &after, NULL, 0);
}

/* Count a failing pane. Every one but the first is a warning; the first is the error that ends the run. */
static void
fail(Run *run, const Chunk *chunk, ErrorData *error)
{
	refresh_lock_relations(run, &run->c->view);
	failing_pane_name(run, chunk, error);
	if (chunk->changed)
		advance_around(run, chunk);
	refresh_next_transaction();
	run->failed++;
	if (run->why == NULL)
		run->why = error;
	else
		ereport(WARNING, (errcode(error->sqlerrcode), errmsg_internal("%s", error->message),
						  error->detail ? errdetail_internal("%s", error->detail) : 0));
	if (run->failed >= MAX_FAILED && run->c->def->has_window)
		failing_panes_raise(run, true);
}

/* The panes on both sides of a changed one that fails. */
static void
advance_around(const Run *run, const Chunk *chunk)
{
	Chunk side = *chunk;

	side.advance_to = chunk->from;
	chunk_advance(run, &side);
	side.advance_from = chunk->to;
	side.advance_to = chunk->advance_to;
	chunk_advance(run, &side);
}

/* Where not even the panes can be told, an event has no pane because of the error: that ends the run. */
static void
list_panes(Run *run, const Chunk *chunk, Panes *panes, ErrorData *error)
{
	ListJob job = {run, chunk, panes};
	ErrorData *other;

	refresh_lock_relations(run, &run->c->view);
	other = subtransaction_run(read_panes, &job, PortalContext);
	if (other != NULL && !compute_is_data_error(other->sqlerrcode))
		refresh_fail(run, other);
	if (other != NULL)
	{
		BatchParameters parameters = {.cut = run->cut, .from = chunk->from, .to = chunk->to};
		PaneSet set = compute_chunk_panes(run->c, chunk, &parameters.panes);

		failing_row_find(run->c, sql_below_cut(&run->c->source), set, &parameters, error);
		refresh_fail(run, error);
	}
	refresh_next_transaction();
}

static void
read_panes(void *arg)
{
	ListJob *job = arg;
	const Computation *c = job->run->c;
	BatchParameters parameters = {.cut = job->run->cut, .from = job->chunk->from, .to = job->chunk->to};
	PaneSet set = compute_chunk_panes(c, job->chunk, &parameters.panes);
	Guard guard;

	batch_statement_begin(&guard, c);
	batch_statement_read(c, sql_event_panes(c->def, &c->source, set), &parameters, add_pane, job->panes);
	batch_statement_end(&guard);
}

static void
add_pane(TupleTableSlot *slot, void *arg)
{
	Panes *panes = arg;
	bool isnull;
	Datum pane = slot_getattr(slot, 1, &isnull);

	if (isnull)
		return;
	if (panes->n == panes->allocated)
	{
		panes->allocated = Max(64, 2 * panes->allocated);
		panes->items = panes->n == 0
						   ? MemoryContextAlloc(panes->context, panes->allocated * sizeof(TimestampTz))
						   : repalloc_huge(panes->items, (Size) panes->allocated * sizeof(TimestampTz));
	}
	panes->items[panes->n++] = DatumGetTimestampTz(pane);
}

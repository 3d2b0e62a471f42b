/*
 * failing_row.c
 *		Which event of the archive makes a computation fail (see failing_row.h).
 *
 * The rows of the statement are read one by one, each announced before its expressions are evaluated. The one
 * at hand when an error is raised is the one.
 */
#include "postgres.h"

#include "batch/failing_row.h"
#include "common/subtransaction.h"
#include "common/export.h"
#include "fmgr.h"

static int32 at_partition;
static int64 at_offset;
static bool at_known; /* it has a position */
static bool at_row;	  /* one is at hand */

STREAMBATCH_FUNCTION(streambatch_at);

/* streambatch._at(partition, offset): notes the row that is evaluated next */
Datum
streambatch_at(PG_FUNCTION_ARGS)
{
	at_row = true;
	at_known = !PG_ARGISNULL(0) && !PG_ARGISNULL(1);
	if (at_known)
	{
		at_partition = PG_GETARG_INT32(0);
		at_offset = PG_GETARG_INT64(1);
	}
	PG_RETURN_BOOL(true);
}

typedef struct Reading
{
	const Computation *c;
	const char *cut;
	PaneRange panes;
	const BatchParameters *parameters;
} Reading;

static void
read_rows(void *arg)
{
	const Reading *r = arg;
	Guard guard;

	batch_statement_begin(&guard, r->c);
	(void) batch_statement_execute(r->c, sql_compute_rows(r->c->def, &r->c->source, r->cut, r->panes),
								   r->parameters, true, true);
	batch_statement_end(&guard);
}

void
failing_row_find(const Computation *c, const char *cut, PaneRange panes, const BatchParameters *parameters,
				 ErrorData *error)
{
	Reading reading = {c, cut, panes, parameters};

	at_row = false;
	/* where no row raises by itself, it is the aggregate that does */
	if (subtransaction_run(read_rows, &reading, CurrentMemoryContext) == NULL || !at_row)
		return;
	error->detail =
		at_known ? psprintf("The event at partition %d, offset %lld of the archive %s raises it.",
							at_partition, (long long) at_offset, c->source.relation)
				 : psprintf("An event without a position in the archive %s raises it.", c->source.relation);
	error->hint = "Guard the expression in the view's query, or delete the event from the archive.";
}

/*
 * failing_pane.c
 *		What a refresh says of panes that it could not compute (see failing_pane.h).
 */
#include "postgres.h"

#include "batch/batch_statement.h"
#include "batch/failing_group.h"
#include "batch/failing_pane.h"
#include "batch/failing_row.h"
#include "catalog/pg_type.h"
#include "common/catalog_shadow.h"
#include "common/catalog_batch.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static char *pane_name(StreamWindow *window, const Chunk *chunk);
static char *time_text(const StreamWindow *window, TimestampTz time);

void
failing_pane_name(const Run *run, const Chunk *chunk, ErrorData *error)
{
	const Computation *c = run->c;
	/* the error outlives the transaction */
	MemoryContext old = MemoryContextSwitchTo(PortalContext);
	BatchParameters parameters = {
		.cut = run->cut, .from = chunk->from, .to = chunk->to, .epoch = run->closed_epoch};
	PaneSet panes = compute_chunk_panes(c, chunk, &parameters.panes);
	const char *cut = sql_below_cut(&c->source);
	char *keys = failing_group_keys(c, cut, panes, &parameters);

	failing_row_find(c, cut, panes, &parameters, error);
	error->message =
		psprintf("could not compute %shybrid view \"%s\"%s%s: %s",
				 c->def->has_window ? psprintf("%s of ", pane_name(&run->c->def->window, chunk)) : "",
				 catalog_view_name(run->view), keys ? " for key " : "", keys ? keys : "", error->message);
	MemoryContextSwitchTo(old);
}

void
failing_panes_raise(Run *run, bool early)
{
	ErrorData *error = run->why;
	MemoryContext old = MemoryContextSwitchTo(PortalContext);
	const char *panes = run->c->def->window.assembled ? "panes" : "windows";
	char *more = NULL;

	if (early)
		more = psprintf("%d %s could not be computed; the others were not tried.", run->failed, panes);
	else if (run->failed > 1)
		more = psprintf("%d %s could not be computed; all others were refreshed.", run->failed, panes);
	if (more != NULL)
		error->detail = error->detail ? psprintf("%s %s", error->detail, more) : more;
	MemoryContextSwitchTo(old);
	refresh_fail(run, error);
}

/* Which window, or range of windows, a chunk is. */
static char *
pane_name(StreamWindow *window, const Chunk *chunk)
{
	const char *what = window->assembled ? "pane" : "window";

	if (window_pane_end(window, chunk->from) == chunk->to)
		return psprintf("%s %s", what, time_text(window, chunk->from));
	return psprintf("%ss from %s to %s", what, time_text(window, chunk->from), time_text(window, chunk->to));
}

/* As a value of the window's type. */
static char *
time_text(const StreamWindow *window, TimestampTz time)
{
	switch (window->type)
	{
		case TIMESTAMPTZOID:
			return pstrdup(timestamptz_to_str(time));
		case DATEOID:
			return OidOutputFunctionCall(F_DATE_OUT,
										 DirectFunctionCall1(timestamp_date, TimestampGetDatum(time)));
		default:
			return OidOutputFunctionCall(F_TIMESTAMP_OUT, TimestampGetDatum(time));
	}
}

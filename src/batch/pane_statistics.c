/*
 * pane_statistics.c
 *		What the planner is told of the panes that a statement computes (see pane_statistics.h).
 *
 * A window function of the event time has, to the planner, as many values as there are event times: about as many groups
 * as events, which it would neither aggregate in parallel nor in memory. So while the statement is planned, the statistics
 * of the event time say that it has as many different values as there are panes. The rest of them remains as it is.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "batch/pane_statistics.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/acl.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* The statement that is planned; archive is invalid if there is none. */
static struct
{
	Oid archive;
	AttrNumber time; /* the archive's column */
	StreamWindow *window;
	bool is_column; /* the window's argument is this column */
	TimestampTz from;
	TimestampTz to;
	int npanes; /* in a list; 0: all in [from, to) */
} planned;

static get_relation_stats_hook_type previous_hook;

static bool relation_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum,
						   VariableStatData *vardata);
static double count_panes(HeapTuple statistics);
static bool histogram_bounds(HeapTuple statistics, TimestampTz *first, TimestampTz *last);

void
pane_statistics_install(void)
{
	previous_hook = get_relation_stats_hook;
	get_relation_stats_hook = relation_stats;
}

void
pane_statistics_begin(const Computation *c, const BatchParameters *parameters)
{
	List *vars;
	const Var *var;

	if (!c->def->has_window)
		return;
	vars = pull_var_clause(c->def->window.argument, 0);
	if (list_length(vars) != 1)
		return;
	var = linitial_node(Var, vars);
	planned.time = get_attnum(c->archive, get_attname(c->def->stream, var->varattno, false));
	planned.window = &c->def->window;
	planned.is_column = IsA(c->def->window.argument, Var);
	planned.from = parameters->from;
	planned.to = parameters->to;
	planned.npanes = parameters->panes != NULL ? parameters->panes->n : 0;
	planned.archive = c->archive;
}

void
pane_statistics_end(void)
{
	planned.archive = InvalidOid;
}

static bool
relation_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum, VariableStatData *vardata)
{
	HeapTuple tuple;
	double npanes;

	if (previous_hook && previous_hook(root, rte, attnum, vardata))
		return true;
	if (!OidIsValid(planned.archive) || rte->relid != planned.archive || attnum != planned.time)
		return false;
	tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(rte->relid), Int16GetDatum(attnum),
							BoolGetDatum(rte->inh));
	if (!HeapTupleIsValid(tuple))
		return false;
	npanes = count_panes(tuple);
	if (npanes > 0)
	{
		vardata->statsTuple = heap_copytuple(tuple);
		vardata->freefunc = heap_freetuple;
		vardata->acl_ok = pg_class_aclcheck(rte->relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
		((Form_pg_statistic) GETSTRUCT(vardata->statsTuple))->stadistinct = npanes;
	}
	ReleaseSysCache(tuple);
	return npanes > 0;
}

/* About how many panes there are; 0: not known, or the statistics have fewer values. */
static double
count_panes(HeapTuple statistics)
{
	double distinct = ((Form_pg_statistic) GETSTRUCT(statistics))->stadistinct;
	double npanes = planned.npanes;

	if (npanes == 0)
	{
		TimestampTz first = planned.from;
		TimestampTz last = planned.to;
		TimestampTz from;
		TimestampTz start;

		if (!histogram_bounds(statistics, &first, &last) &&
			(TIMESTAMP_NOT_FINITE(first) || TIMESTAMP_NOT_FINITE(last)))
			return 0;
		from = Max(first, planned.from);
		start = window_pane_start(planned.window, from);
		npanes = ((double) Min(last, planned.to) - (double) from) /
				 ((double) window_pane_end(planned.window, start) - (double) start);
	}
	npanes = Max(1.0, ceil(npanes));
	return distinct > 0 && distinct <= npanes ? 0 : npanes;
}

/* The first and the last time of the events, by the statistics. Returns false if they are not known. */
static bool
histogram_bounds(HeapTuple statistics, TimestampTz *first, TimestampTz *last)
{
	AttStatsSlot slot;
	bool known;

	if (!planned.is_column ||
		!get_attstatsslot(&slot, statistics, STATISTIC_KIND_HISTOGRAM, InvalidOid, ATTSTATSSLOT_VALUES))
		return false;
	known = slot.nvalues > 0 && slot.valuetype == planned.window->type;
	if (known)
	{
		*first = window_instant(slot.valuetype, slot.values[0]);
		*last = window_instant(slot.valuetype, slot.values[slot.nvalues - 1]);
	}
	free_attstatsslot(&slot);
	return known;
}

/*
 * fold_sql.c
 *		The SQL of the stream layer (see fold_sql.h).
 *
 * Example: for SELECT user_id, tumble(ts, '10 s'), avg(amount) FROM events WHERE amount > 0 GROUP BY 1, 2 the fold
 * query is
 *
 *		SELECT events.user_id, streambatch.tumble(events.ts, …), events.amount FROM ONLY public.events WHERE events.amount > 0
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "query/fold_sql.h"
#include "query/print_sql.h"
#include "stream/stream.h"

static int column_of(List **columns, Node *expr);
static bool is_position(const ViewDef *def, const Node *arg, AttrNumber attnum);
static Node *filtered_argument(Node *arg, Expr *filter);
static Node *row_tid(const ViewDef *def);

List *
sql_fold_columns(const ViewDef *def, FoldState **states)
{
	List *columns = NIL;

	*states = palloc0((def->nstates + 1) * sizeof(FoldState));
	for (int i = 0; i < def->nkeys; i++)
		columns = lappend(columns, def->keys[i].expr);
	for (int i = 0; i < def->nstates; i++)
	{
		Aggref *aggref = def->states[i].folded;
		Expr *filter = aggref->aggfilter;
		FoldState *state = &(*states)[i];
		ListCell *lc;

		if (def->states[i].batch_only)
			continue;
		state->filter = filter ? column_of(&columns, (Node *) filter) : -1;
		state->args = palloc((list_length(aggref->args) + 1) * sizeof(int));
		foreach (lc, aggref->args)
		{
			Node *arg = (Node *) lfirst_node(TargetEntry, lc)->expr;

			state->args[state->nargs++] = is_position(def, arg, STREAM_PARTITION_ATTNUM) ? FOLD_PARTITION
										  : is_position(def, arg, STREAM_OFFSET_ATTNUM)
											  ? FOLD_OFFSET
											  : column_of(&columns, filtered_argument(arg, filter));
		}
	}
	return columns;
}

char *
sql_fold(const ViewDef *def, FoldState **states)
{
	List *columns = sql_fold_columns(def, states);

	/* the event that a row belongs to; without joins, it is the current row of the scan */
	if (def->joined)
		columns = lappend(columns, row_tid(def));
	return sql_print(sql_select(def, columns));
}

/* The number of the column with an expression, which is added if there is none. */
static int
column_of(List **columns, Node *expr)
{
	ListCell *lc;

	foreach (lc, *columns)
	{
		if (equal(lfirst(lc), expr))
			return foreach_current_index(lc);
	}
	*columns = lappend(*columns, expr);
	return list_length(*columns) - 1;
}

/* Whether an argument is the event's partition or offset: the fold fills it in. */
static bool
is_position(const ViewDef *def, const Node *arg, AttrNumber attnum)
{
	return IsA(arg, Var) && ((const Var *) arg)->varno == def->varno &&
		   ((const Var *) arg)->varattno == attnum;
}

/*
 * An aggregate's argument, evaluated only if the filter is true, as in PostgreSQL: sum(a / b) FILTER (WHERE b
 * <> 0) must not divide by zero.
 */
static Node *
filtered_argument(Node *arg, Expr *filter)
{
	CaseExpr *guarded;
	CaseWhen *when;

	if (filter == NULL || IsA(arg, Var) || IsA(arg, Const))
		return arg;
	when = makeNode(CaseWhen);
	when->expr = filter;
	when->result = (Expr *) arg;
	guarded = makeNode(CaseExpr);
	guarded->casetype = exprType(arg);
	guarded->casecollid = exprCollation(arg);
	guarded->args = list_make1(when);
	guarded->defresult = (Expr *) makeNullConst(guarded->casetype, exprTypmod(arg), guarded->casecollid);
	return (Node *) guarded;
}

/* The ctid, by which the scan of the micro-batch numbers events. */
static Node *
row_tid(const ViewDef *def)
{
	return (Node *) makeVar(def->varno, SelfItemPointerAttributeNumber, TIDOID, -1, InvalidOid, 0);
}

/*
 * portable_sql.c
 *		A hybrid view's query in portable SQL (see portable_sql.h).
 *
 * Example: SELECT user_id, tumble(ts, '1 h'), avg(amount) FROM events WHERE amount > 0 GROUP BY 1, 2 is
 *
 *		SELECT
 *		  user_id AS user_id,
 *		  CAST('1970-01-01 00:00:00+00:00' AS TIMESTAMP WITH TIME ZONE) + FLOOR(EXTRACT(EPOCH FROM ts) / 3600) * 3600 * … AS pane,
 *		  SUM(amount) AS sum_amount,
 *		  COUNT(amount) AS count_amount
 *		FROM events
 *		WHERE (kafka_partition = 0 AND kafka_offset < 123 OR …)
 *		  AND (amount > 0)
 *		GROUP BY
 *		  user_id,
 *		  CAST(…) + …
 */
#include "postgres.h"

#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "query/portable_pane.h"
#include "query/portable_sql.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

typedef enum StateKind
{
	STATE_COUNT,
	STATE_SUM,
	STATE_LEAST,
	STATE_ALL,
	STATE_ANY
} StateKind;

/* Aggregates whose value is the state, and that have the same value everywhere. */
static const struct
{
	const char *name;
	StateKind kind;
	const char *written;
} aggregates[] = {
	{"count", STATE_COUNT, "COUNT"}, {"sum", STATE_SUM, "SUM"},		 {"min", STATE_LEAST, "MIN"},
	{"max", STATE_LEAST, "MAX"},	 {"bool_and", STATE_ALL, "MIN"}, {"every", STATE_ALL, "MIN"},
	{"bool_or", STATE_ANY, "MAX"},
};

static const char *key_name(const ViewDef *def, int key);
static const char *state_name(const ViewDef *def, const Aggref *aggref);
static void make_unique(PortableColumn *columns, int n);
static bool is_taken(const PortableColumn *columns, int n);
static int aggregate_of(const ViewDef *def, int state);
pg_noreturn static void refuse_state(const ViewDef *def, int state, const char *reason);
static const char *result_name(const ViewDef *def, int state);
static bool aggregate_walker(Node *node, const Aggref *wanted);
static void append_key(StringInfo buf, const ViewDef *def, int key);
static void append_state(StringInfo buf, const ViewDef *def, int state);
static char *counted(const ViewDef *def, const Aggref *aggref);
static char *summed(const ViewDef *def, const Aggref *aggref);
static const char *sum_type(const ViewDef *def, const Node *arg);
static void append_groups(StringInfo buf, const ViewDef *def);

PortableColumn *
portable_columns(const ViewDef *def, int *n)
{
	PortableColumn *columns = palloc0((def->nkeys + def->nstates + 1) * sizeof(PortableColumn));

	for (int i = 0; i < def->nkeys; i++)
	{
		const KeyDef *key = &def->keys[i];

		columns[i] = (PortableColumn){key_name(def, i), key->column, key->type, key->typmod, key->collation};
	}
	for (int i = 0; i < def->nstates; i++)
	{
		const StateDef *state = &def->states[i];
		bool required = aggregates[aggregate_of(def, i)].kind == STATE_COUNT;

		columns[def->nkeys + i] = (PortableColumn){state_name(def, state->aggref),
												   psprintf("s%d", i + 1),
												   state->type,
												   -1,
												   state->collation,
												   required};
	}
	*n = def->nkeys + def->nstates;
	make_unique(columns, *n);
	return columns;
}

char *
portable_query(const ViewDef *def, const char *positions, TimestampTz from, TimestampTz to)
{
	StringInfoData buf;
	int n;
	PortableColumn *columns = portable_columns(def, &n);
	char *range = def->has_window ? portable_range(def, from, to) : NULL;

	if (def->joined)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a query that reads other tables than its stream cannot be written in portable SQL"),
				 errdetail("Another engine does not have the tables as of the cut."),
				 errhint("Use CALL streambatch.refresh() for this hybrid view.")));
	initStringInfo(&buf);
	appendStringInfoString(&buf, "SELECT");
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(&buf, i > 0 ? ",\n  " : "\n  ");
		if (i < def->nkeys)
			append_key(&buf, def, i);
		else
			append_state(&buf, def, i - def->nkeys);
		appendStringInfo(&buf, " AS %s", quote_identifier(columns[i].name));
	}
	appendStringInfo(&buf, "\nFROM events\nWHERE %s", positions);
	if (range != NULL)
		appendStringInfo(&buf, "\n  AND %s", range);
	if (def->query->jointree->quals != NULL)
	{
		appendStringInfoString(&buf, "\n  AND ");
		portable_expr(&buf, def, def->query->jointree->quals);
	}
	append_groups(&buf, def);
	return buf.data;
}

/* The name of the view's column that shows the key. */
static const char *
key_name(const ViewDef *def, int key)
{
	ListCell *lc;

	if (key == def->pane)
		return "pane";
	foreach (lc, def->query->targetList)
	{
		const TargetEntry *entry = lfirst(lc);

		if (!entry->resjunk && equal(entry->expr, def->keys[key].expr))
			return entry->resname;
	}
	return def->keys[key].column;
}

/* The aggregate, and the column that it is of. */
static const char *
state_name(const ViewDef *def, const Aggref *aggref)
{
	const char *name = get_func_name(aggref->aggfnoid);
	Node *arg = aggref->args == NIL ? NULL : (Node *) linitial_node(TargetEntry, aggref->args)->expr;

	if (arg == NULL || !IsA(arg, Var))
		return name;
	return psprintf("%s_%s", name, get_attname(def->stream, ((Var *) arg)->varattno, false));
}

/* Cut names to the length that PostgreSQL allows, and number those that are the same. */
static void
make_unique(PortableColumn *columns, int n)
{
	for (int i = 0; i < n; i++)
	{
		const char *name = columns[i].name;
		const char *suffix = "";
		int number = 1;

		do
		{
			int length = pg_mbcliplen(name, strlen(name), NAMEDATALEN - 1 - strlen(suffix));

			columns[i].name = psprintf("%.*s%s", length, name, suffix);
			suffix = psprintf("_%d", ++number);
		} while (is_taken(columns, i));
	}
}

/* Whether the name of the nth column is that of one before it. */
static bool
is_taken(const PortableColumn *columns, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(columns[i].name, columns[n].name) == 0)
			return true;
	}
	return false;
}

/* The index of the aggregate that a state is the value of. Raises if it is none of them. */
static int
aggregate_of(const ViewDef *def, int state)
{
	const StateDef *s = &def->states[state];
	const char *name = get_func_name(s->aggref->aggfnoid);

	if (s->batch_only)
		refuse_state(def, state, "Its exact value goes with a sketch, which only PostgreSQL can write.");
	if (!s->partial && get_func_namespace(s->aggref->aggfnoid) == PG_CATALOG_NAMESPACE)
	{
		for (int i = 0; i < lengthof(aggregates); i++)
		{
			if (strcmp(aggregates[i].name, name) == 0)
				return i;
		}
	}
	refuse_state(def, state, "Its state is not a plain value, and only PostgreSQL can write it.");
}

static void
refuse_state(const ViewDef *def, int state, const char *reason)
{
	const char *column = result_name(def, state);

	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 column != NULL ? errmsg("column \"%s\" cannot be computed outside of PostgreSQL", column)
						: errmsg("an aggregate in HAVING cannot be computed outside of PostgreSQL"),
		 errdetail("%s", reason),
		 errhint("Use CALL streambatch.refresh() for this hybrid view, or create one without the column.")));
}

/* The first column of the view that needs a state; NULL: none. */
static const char *
result_name(const ViewDef *def, int state)
{
	ListCell *lc;

	foreach (lc, def->query->targetList)
	{
		const TargetEntry *entry = lfirst(lc);

		for (int i = 0; i < def->nresults; i++)
		{
			for (int j = 0; j < RULE_MAX_PARTS; j++)
			{
				if (def->results[i].states[j] == state && !entry->resjunk &&
					aggregate_walker((Node *) entry->expr, def->results[i].aggref))
					return entry->resname;
			}
		}
	}
	return NULL;
}

static bool
aggregate_walker(Node *node, const Aggref *wanted)
{
	if (node == NULL)
		return false;
	return equal(node, wanted) || expression_tree_walker(node, aggregate_walker, (void *) wanted);
}

static void
append_key(StringInfo buf, const ViewDef *def, int key)
{
	/* the collation of a key is deterministic: equal values are the same bytes */
	if (key == def->pane)
		appendStringInfoString(buf, portable_pane(def));
	else
		portable_expr(buf, def, def->keys[key].expr);
}

static void
append_state(StringInfo buf, const ViewDef *def, int state)
{
	const Aggref *aggref = def->states[state].aggref;
	int aggregate = aggregate_of(def, state);
	const char *written = aggregates[aggregate].written;

	switch (aggregates[aggregate].kind)
	{
		case STATE_COUNT:
			appendStringInfo(buf, "%s(%s)", written, counted(def, aggref));
			break;
		case STATE_SUM:
			appendStringInfo(buf, "%s(%s)", written, summed(def, aggref));
			break;
		case STATE_LEAST:
			portable_check_order(def, (Node *) linitial_node(TargetEntry, aggref->args)->expr);
			appendStringInfo(buf, "%s(%s)", written, counted(def, aggref));
			break;
		case STATE_ALL:
		case STATE_ANY:
			/* standard SQL calls these aggregates EVERY and ANY, most engines do not */
			appendStringInfo(buf, "(%1$s(CASE WHEN %2$s THEN 1 WHEN NOT %2$s THEN 0 END) = 1)", written,
							 counted(def, aggref));
			break;
	}
}

/* The argument, which is null where the aggregate's FILTER does not hold; * for all rows. */
static char *
counted(const ViewDef *def, const Aggref *aggref)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (aggref->aggfilter != NULL)
	{
		appendStringInfoString(&buf, "CASE WHEN ");
		portable_expr(&buf, def, (Node *) aggref->aggfilter);
		appendStringInfoString(&buf, " THEN ");
	}
	if (aggref->args != NIL)
		portable_expr(&buf, def, (Node *) linitial_node(TargetEntry, aggref->args)->expr);
	else
		appendStringInfoChar(&buf, aggref->aggfilter != NULL ? '1' : '*');
	if (aggref->aggfilter != NULL)
		appendStringInfoString(&buf, " END");
	return buf.data;
}

/* The argument in a type whose sum does not overflow before PostgreSQL's does. */
static char *
summed(const ViewDef *def, const Aggref *aggref)
{
	const char *type = sum_type(def, (Node *) linitial_node(TargetEntry, aggref->args)->expr);

	return type == NULL ? counted(def, aggref) : psprintf("CAST(%s AS %s)", counted(def, aggref), type);
}

static const char *
sum_type(const ViewDef *def, const Node *arg)
{
	switch (exprType(arg))
	{
		case INT2OID:
		case INT4OID:
			return "BIGINT";
		case INT8OID:
			return "DECIMAL(38, 0)";
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return NULL;
		default:
			portable_refuse(def, arg, "Engines agree on the sums of numbers only.");
	}
}

/* GROUP BY the keys that are not constants; without any, no row for no events. */
static void
append_groups(StringInfo buf, const ViewDef *def)
{
	int n = 0;

	for (int i = 0; i < def->nkeys; i++)
	{
		if (IsA(def->keys[i].expr, Const))
			continue;
		appendStringInfoString(buf, n++ > 0 ? ",\n  " : "\nGROUP BY\n  ");
		append_key(buf, def, i);
	}
	if (n == 0)
		appendStringInfoString(buf, "\nHAVING COUNT(*) > 0");
}

/*
 * failing_group.c
 *		Finding the group that makes a computation fail (see failing_group.h).
 *
 * Aggregated over sorted rows, groups come one by one in the order of their keys. If an error is raised after n of
 * them, the failing one is number n in the same order. Whether the server has aggregated so is then tested: the
 * group must fail alone, too.
 */
#include "postgres.h"

#include "batch/failing_group.h"
#include "common/subtransaction.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#define MAX_VALUE_LENGTH 200

typedef struct GroupSearch
{
	const Computation *c;
	const char *cut;
	PaneSet panes;
	BatchParameters parameters;
	MemoryContext context;
	bool with_keys;		   /* only the group with the keys */
	uint64 before;		   /* groups before the error */
	ParamExternData *keys; /* of the group after them */
	bool found;
} GroupSearch;

static bool fails(GroupSearch *s);
static void read_groups(void *arg);
static void count_group(TupleTableSlot *slot, void *search);
static void read_keys(void *arg);
static void take_keys(TupleTableSlot *slot, void *search);
static char *format_keys(const GroupSearch *s);
static const char *key_name(const ViewDef *def, Node *expr);

char *
failing_group_keys(const Computation *c, const char *cut, PaneSet panes, const BatchParameters *parameters)
{
	GroupSearch s = {c, cut, panes, *parameters, CurrentMemoryContext};
	ErrorData *error;

	if (c->def->nkeys == (c->def->pane >= 0) || !fails(&s))
		return NULL;
	s.keys = palloc0(c->def->nkeys * sizeof(ParamExternData));
	error = subtransaction_run(read_keys, &s, CurrentMemoryContext);
	if (error != NULL && ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	if (error != NULL || !s.found)
		return NULL;
	s.parameters.nkeys = c->def->nkeys;
	s.parameters.keys = s.keys;
	s.with_keys = true;
	return fails(&s) ? format_keys(&s) : NULL;
}

/* Whether the computation raises an error of the data. */
static bool
fails(GroupSearch *s)
{
	ErrorData *error = subtransaction_run(read_groups, s, CurrentMemoryContext);

	if (error != NULL && ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	return error != NULL && compute_is_data_error(error->sqlerrcode);
}

static void
read_groups(void *arg)
{
	GroupSearch *s = arg;
	const Computation *c = s->c;
	Guard guard;

	batch_statement_begin(&guard, c);
	(void) set_config_option("enable_hashagg", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
	(void) set_config_option("max_parallel_workers_per_gather", "0", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	s->before = 0;
	batch_statement_read(c, sql_compute_groups(c->def, &c->source, s->cut, s->panes, s->with_keys),
						 &s->parameters, count_group, s);
	batch_statement_end(&guard);
}

static void
count_group(TupleTableSlot *slot, void *search)
{
	((GroupSearch *) search)->before++;
}

static void
read_keys(void *arg)
{
	GroupSearch *s = arg;
	const Computation *c = s->c;
	Guard guard;

	batch_statement_begin(&guard, c);
	batch_statement_read(c, sql_group_keys(c->def, &c->source, s->cut, s->panes, s->before), &s->parameters,
						 take_keys, s);
	batch_statement_end(&guard);
}

static void
take_keys(TupleTableSlot *slot, void *search)
{
	GroupSearch *s = search;
	MemoryContext old = MemoryContextSwitchTo(s->context);

	for (int i = 0; i < s->c->def->nkeys; i++)
	{
		ParamExternData *key = &s->keys[i];
		Datum value = slot_getattr(slot, i + 1, &key->isnull);
		int16 length;
		bool by_value;

		key->ptype = s->c->def->keys[i].type;
		key->pflags = PARAM_FLAG_CONST;
		get_typlenbyval(key->ptype, &length, &by_value);
		if (!key->isnull)
			key->value = datumCopy(value, by_value, length);
	}
	s->found = true;
	MemoryContextSwitchTo(old);
}

static char *
format_keys(const GroupSearch *s)
{
	const ViewDef *def = s->c->def;
	StringInfoData names;
	StringInfoData values;

	initStringInfo(&names);
	initStringInfo(&values);
	for (int i = 0; i < def->nkeys; i++)
	{
		const char *comma = names.len > 0 ? ", " : "";
		char *text = "null";
		Oid output;
		bool is_varlena;

		if (i == def->pane)
			continue;
		getTypeOutputInfo(def->keys[i].type, &output, &is_varlena);
		if (!s->keys[i].isnull)
			text = OidOutputFunctionCall(output, s->keys[i].value);
		appendStringInfo(&names, "%s%s", comma, key_name(def, def->keys[i].expr));
		appendStringInfo(&values, "%s%.*s%s", comma, pg_mbcliplen(text, strlen(text), MAX_VALUE_LENGTH), text,
						 strlen(text) > MAX_VALUE_LENGTH ? "…" : "");
	}
	return psprintf("(%s)=(%s)", names.data, values.data);
}

/* The name of the output column with a key, or else its column in the state tables. */
static const char *
key_name(const ViewDef *def, Node *expr)
{
	ListCell *lc;

	foreach (lc, def->query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (!tle->resjunk && equal(tle->expr, expr))
			return tle->resname;
	}
	for (int i = 0; i < def->nkeys; i++)
	{
		if (def->keys[i].expr == expr)
			return def->keys[i].column;
	}
	return "?column?";
}

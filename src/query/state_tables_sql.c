/*
 * state_tables_sql.c
 *		DDL of the state tables (see state_tables_sql.h).
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "query/state_tables_sql.h"
#include "utils/builtins.h"
#include "utils/ruleutils.h"

static char *create_index(const ViewDef *def, int32 id, bool stream);
static char *create_table(const ViewDef *def, int32 id, bool stream);
static void append_definition(StringInfo buf, const char *column, Oid type, int32 typmod, Oid collation);

List *
sql_state_tables(const ViewDef *def, int32 id)
{
	List *result = NIL;

	for (int stream = 0; stream <= 1; stream++)
	{
		char *index = create_index(def, id, stream);

		result = lappend(result, create_table(def, id, stream));
		if (index != NULL)
			result = lappend(result, index);
		/*
		 * a publication of all tables would otherwise make the worker's updates fail; without one it costs
		 * nothing
		 */
		result = lappend(result, psprintf("ALTER TABLE streambatch_state.%s_%d REPLICA IDENTITY FULL",
										  stream ? "stream" : "batch", id));
		/* for chunks of a refresh, and for queries by time without a key */
		if (def->pane >= 0 && def->nkeys > 1)
			result = lappend(result, psprintf("CREATE INDEX ON streambatch_state.%s_%d (pane)",
											  stream ? "stream" : "batch", id));
	}
	return result;
}

/* For reads and look-ups by key: the keys, the pane, and in the stream layer the epoch. */
static char *
create_index(const ViewDef *def, int32 id, bool stream)
{
	StringInfoData buf;
	int n = 0;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE INDEX ON streambatch_state.%s_%d (", stream ? "stream" : "batch", id);
	for (int i = 0; i < def->nkeys; i++)
	{
		if (i != def->pane && def->keys[i].indexed)
			appendStringInfo(&buf, "%s%s", n++ > 0 ? ", " : "", def->keys[i].column);
	}
	if (def->pane >= 0)
		appendStringInfo(&buf, "%spane", n++ > 0 ? ", " : "");
	if (stream)
		appendStringInfo(&buf, "%sepoch", n++ > 0 ? ", " : "");
	appendStringInfoChar(&buf, ')');
	return n > 0 ? buf.data : NULL;
}

static char *
create_table(const ViewDef *def, int32 id, bool stream)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE TABLE streambatch_state.%s_%d (%s", stream ? "stream" : "batch", id,
					 stream ? "epoch pg_catalog.int8 NOT NULL" : "");
	for (int i = 0; i < def->nkeys; i++)
	{
		const KeyDef *key = &def->keys[i];

		appendStringInfoString(&buf, stream || i > 0 ? ", " : "");
		append_definition(&buf, key->column, key->type, key->typmod, key->collation);
	}
	for (int i = 0; i < def->nstates; i++)
	{
		const StateDef *state = &def->states[i];

		appendStringInfoString(&buf, stream || i + def->nkeys > 0 ? ", " : "");
		append_definition(&buf, psprintf("s%d", i + 1), state->type, -1, state->collation);
	}
	/* leave room for HOT updates; keep sketches in their row, since out of line each update writes them anew */
	appendStringInfo(&buf, ") WITH (fillfactor = %d, toast_tuple_target = 4080)", stream ? 80 : 100);
	return buf.data;
}

static void
append_definition(StringInfo buf, const char *column, Oid type, int32 typmod, Oid collation)
{
	appendStringInfo(
		buf, "%s %s", column,
		format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	if (OidIsValid(collation))
		appendStringInfo(buf, " COLLATE %s", generate_collation_name(collation));
}

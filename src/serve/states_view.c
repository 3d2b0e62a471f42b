/*
 * states_view.c
 *		streambatch.create_states_view(): lets other servers read the states of a hybrid view.
 *
 * A stream that outgrows one server is read by several, each with its own partitions and the same hybrid view. A server
 * that merges them (merged_view.c) reads <view>_states on each: partial aggregates, one row per group of each layer,
 * under a name that does not change. What it needs to know besides is in streambatch.states_view, most of it in the
 * array that _states_definition() returns: the query, the settings, the SELECT of the merged view and of its layers
 * (with the characters of serving_sql.h where they read states), and name, type and collation of each column.
 *
 * The name of one column, definition_<hash of all this>, identifies the definition: whoever reads the view names that
 * column, and so gets an error instead of states of something else.
 *
 * States travel as text. Those that only this server can check do not travel: transition states of type internal, whose
 * input function is for superusers; and those that contain OIDs of types, which are others elsewhere.
 */
#include "postgres.h"

#include "aggregate/transition.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "common/catalog_merged.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/guard.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "query/print_sql.h"
#include "query/serving_sql.h"
#include "query/states_view_sql.h"
#include "serve/creation.h"
#include "serve/states_view.h"
#include "storage/lmgr.h"
#include "stream/stream.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/fmgroids.h"
#include "utils/regproc.h"
#include "utils/typcache.h"

static char *states_view_name(Oid view);
static List *definition(const ViewRow *row, const ViewDef *def);
static char *hash_of(List *definition);
static char *aggregate_of(const ViewDef *def, int state);
static bool contains_type_oids(Oid type, bool inside);
static Oid create(const ViewRow *row, Oid view, const char *name);

STREAMBATCH_FUNCTION(streambatch_create_states_view);
STREAMBATCH_FUNCTION(streambatch_states_definition);

Datum
streambatch_create_states_view(PG_FUNCTION_ARGS)
{
	Oid view = PG_GETARG_OID(0);
	ViewRow row;

	catalog_require_view(view, &row);
	if (!compat_class_ownercheck(view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(view));
	(void) stream_open(row.stream); /* lock it before the view's objects */
	PG_RETURN_OID(create(&row, view, states_view_name(view)));
}

/* streambatch._states_definition(view) */
Datum
streambatch_states_definition(PG_FUNCTION_ARGS)
{
	Oid view = PG_GETARG_OID(0);
	ViewRow row;
	Guard guard;
	List *parts;
	Datum *elems;

	if (!catalog_view(view, &row))
		PG_RETURN_NULL();
	if (pg_class_aclcheck(view, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_VIEW, get_rel_name(view));
	(void) stream_open(row.stream);
	/* before its parts, in the order in which a rebuild and a DROP lock them; it may have been dropped meanwhile */
	LockRelationOid(view, AccessShareLock);
	if (!catalog_view(view, &row))
		PG_RETURN_NULL();
	guard_enter(&guard, InvalidOid, row.settings);
	parts = definition(&row, analyse_stored(row.id, guard_owner_of(view)));
	guard_leave(&guard);
	elems = palloc(list_length(parts) * sizeof(Datum));
	for (int i = 0; i < list_length(parts); i++)
		elems[i] = CStringGetTextDatum(list_nth(parts, i));
	PG_RETURN_ARRAYTYPE_P(construct_array(elems, list_length(parts), TEXTOID, -1, false, TYPALIGN_INT));
}

void
states_view_check(const ViewDef *def)
{
	for (int i = 0; i < def->nstates; i++)
	{
		const StateDef *state = &def->states[i];
		char *what =
			psprintf("the state of aggregate %s cannot be sent to another server", aggregate_of(def, i));

		if (state->type == transition_sealed_type())
			ereport(
				ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s", what),
				 errdetail(
					 "It is of type internal: the functions that read it trust its bytes, so a server accepts only what it has written itself."),
				 errhint(
					 "Use an aggregate whose state is of another type; for example, cast the argument of stddev and variance to double precision.")));
		if (state->gather != NULL && !state->partial &&
			contains_type_oids(linitial_oid(state->folded->aggargtypes), false))
			ereport(
				ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s", what),
				 errdetail(
					 "It depends on OIDs of user-defined types in values of type %s, which differ between servers.",
					 format_type_be(linitial_oid(state->folded->aggargtypes))),
				 errhint("Cast the argument to text or jsonb.")));
	}
}

void
states_view_replace(Oid states, int32 id, const ViewRow *row, Oid view)
{
	ViewRow now = *row;
	ObjectAddress address;
	List *grants = catalog_grants_on(states);
	char *name = get_rel_name(states);
	ListCell *lc;
	Guard guard;

	ObjectAddressSet(address, RelationRelationId, states);
	(void) deleteDependencyRecordsForSpecific(RelationRelationId, states, DEPENDENCY_INTERNAL,
											  RelationRelationId, view);
	CommandCounterIncrement();
	performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	now.id = id;
	(void) create(&now, view, name);
	guard_enter(&guard, guard_owner_of(view), NULL);
	SPI_connect();
	foreach (lc, grants)
		creation_execute(lfirst(lc));
	SPI_finish();
	guard_leave(&guard);
}

/* The name of the view of states; raises if it cannot be created. */
static char *
states_view_name(Oid view)
{
	char *name = psprintf("%s_states", get_rel_name(view));

	if (strlen(name) >= NAMEDATALEN)
		ereport(
			ERROR,
			(errcode(ERRCODE_NAME_TOO_LONG), errmsg("name \"%s\" is too long for a view of states", name),
			 errhint(
				 "Rename the hybrid view with ALTER VIEW, so that its name with _states is not longer than %d bytes.",
				 NAMEDATALEN - 1)));
	if (OidIsValid(get_relname_relid(name, get_rel_namespace(view))))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_TABLE), errmsg("relation \"%s\" already exists", name)));
	return name;
}

/* What a server that merges the states must know; see the head of this file. */
static List *
definition(const ViewRow *row, const ViewDef *def)
{
	Oid merged =
		get_relname_relid(psprintf("merged_%d", row->id), get_namespace_oid("streambatch_state", false));
	List *parts = list_make2(sql_print(analyse_load(row->id)),
							 OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(row->settings)));
	ListCell *lc;

	foreach (lc, parts)
	{
		if (strpbrk(lfirst(lc), SQL_REMOTE_CHARACTERS) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("the query contains a control character, and cannot be sent to another server"),
					 errhint("Write the character as chr(1) to chr(4).")));
	}
	parts = lappend(parts, sql_serving_view(def, SQL_REMOTE, NULL, merged));
	parts =
		lappend(parts, sql_layers_view(def, SQL_REMOTE, NULL, merged, sql_lateness(&row->allowed_lateness)));
	return list_concat(parts, sql_states_columns(def));
}

static char *
hash_of(List *definition)
{
	StringInfoData all;
	ListCell *lc;

	initStringInfo(&all);
	/* with the zero at the end of each */
	foreach (lc, definition)
		appendBinaryStringInfo(&all, lfirst(lc), strlen(lfirst(lc)) + 1);
	return psprintf("%016llx",
					(unsigned long long) hash_bytes_extended((unsigned char *) all.data, all.len, 0));
}

/* The name of an aggregate of the query that has this state. */
static char *
aggregate_of(const ViewDef *def, int state)
{
	for (int i = 0; i < def->nresults; i++)
	{
		for (int p = 0; p < RULE_MAX_PARTS; p++)
		{
			if (def->results[i].states[p] == state)
				return format_procedure(def->results[i].aggref->aggfnoid);
		}
	}
	return format_procedure(def->states[state].folded->aggfnoid);
}

/* Whether the binary form of a value, or its hash, contains OIDs of user-defined types. */
static bool
contains_type_oids(Oid type, bool inside)
{
	Oid base = getBaseType(type);
	Oid element = get_element_type(base);
	TupleDesc desc;
	bool result = inside && base >= FirstNormalObjectId;

	if (OidIsValid(element))
		return result || contains_type_oids(element, true);
	if (get_typtype(base) == TYPTYPE_RANGE)
		return result || contains_type_oids(get_range_subtype(base), inside);
	if (get_typtype(base) == TYPTYPE_MULTIRANGE)
		return result || contains_type_oids(get_multirange_range(base), inside);
	if (get_typtype(base) != TYPTYPE_COMPOSITE)
		return result;
	desc = lookup_rowtype_tupdesc_copy(base, -1);
	for (int i = 0; i < desc->natts && !result; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		result = !att->attisdropped && contains_type_oids(att->atttypid, true);
	}
	return result;
}

/* Create the view of states, as the hybrid view's owner; like <view>_layers, it is dropped with the hybrid view. */
static Oid
create(const ViewRow *row, Oid view, const char *name)
{
	Oid owner = guard_owner_of(view);
	Oid states;
	ViewDef *def;
	Guard guard;

	guard_enter(&guard, owner, row->settings);
	def = analyse_stored(row->id, owner);
	states_view_check(def);
	SPI_connect();
	creation_execute(sql_states_view(
		def, row->id, quote_qualified_identifier(get_namespace_name(get_rel_namespace(view)), name),
		hash_of(definition(row, def))));
	SPI_finish();
	guard_leave(&guard);
	CommandCounterIncrement();
	states = get_relname_relid(name, get_rel_namespace(view));
	creation_make_part(states, view);
	CreateComments(
		states, RelationRelationId, 0,
		"the states of a hybrid view, which streambatch.create_merged_view() on another server reads");
	return states;
}

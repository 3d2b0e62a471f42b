/*
 * creation.c
 *		The steps of making a hybrid view (see creation.h).
 */
#include "postgres.h"

#include "aggregate/combinability_check.h"
#include "batch/computation.h"
#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "common/compat.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "parser/scansup.h"
#include "query/query_check.h"
#include "query/serving_sql.h"
#include "query/state_tables_sql.h"
#include "serve/creation.h"
#include "stream/stream.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

static void check_duplicate_columns(const Query *query);
static void check_layers_columns(const Creation *c);
static void check_tables(const Creation *c);

void
creation_analyse(Creation *c, const char *sql)
{
	Guard guard;

	c->query = analyse_parse(sql);
	check_duplicate_columns(c->query);
	c->def = analyse_query(c->query);
	check_layers_columns(c);
	combinability_check(c->def->results, c->def->nresults, c->def->states, c->owner, c->row.settings);
	/* fold window sizes to constants, so that later changes of functions do not change the windows */
	c->query->targetList = (List *) window_normalise((Node *) c->query->targetList);
	c->query->havingQual = window_normalise(c->query->havingQual);
	guard_enter(&guard, InvalidOid, c->row.settings);
	c->definition = pg_get_querydef(copyObject(c->query), false);
	guard_leave(&guard);
}

void
creation_check_privileges(const Creation *c, const StreamRow *stream, bool fresh)
{
	const char *role = quote_identifier(GetUserNameFromId(c->owner, false));

	if (pg_class_aclcheck(c->def->stream, c->owner, ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_TABLE, get_rel_name(c->def->stream));
	check_tables(c);
	if (stream != NULL && OidIsValid(stream->archive))
		stream_require_archive(get_rel_name(c->def->stream), stream->archive);
	if (stream != NULL && OidIsValid(stream->archive) &&
		pg_class_aclcheck(stream->archive, c->owner, ACL_SELECT) != ACLCHECK_OK)
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for table %s", get_rel_name(stream->archive)),
			 /* an archive that this call created is removed by the error, so it must be created first */
			 fresh
				 ? errhint(
					   "As the stream's owner, create the archive with SELECT streambatch.resume('%s'), then GRANT SELECT ON %s TO %s.",
					   get_rel_name(c->def->stream), quote_identifier(get_rel_name(stream->archive)), role)
				 : errhint(
					   "The owner of a hybrid view needs SELECT on the stream's archive: GRANT SELECT ON %s TO %s.",
					   quote_identifier(get_rel_name(stream->archive)), role)));
	if (stream != NULL && OidIsValid(stream->archive))
		compute_check_row_security(stream->archive, c->owner);
}

/*
 * Create the objects in streambatch_state, as the bootstrap superuser, who alone may create anything there.
 * catalog_follow_owners() gives them to the view's owner: what hangs on the types of keys and states must run as
 * nobody else. The event triggers keep their definitions as they are.
 */
void
creation_create_parts(const Creation *c)
{
	Guard guard;
	ListCell *lc;

	guard_enter(&guard, BOOTSTRAP_SUPERUSERID, c->row.settings);
	SPI_connect();
	creation_execute(psprintf("CREATE VIEW streambatch_state.query_%d AS %s", c->row.id, c->definition));
	foreach (lc, sql_state_tables(c->def, c->row.id))
		creation_execute(lfirst(lc));
	creation_execute(sql_merged_view(c->def, c->row.id));
	foreach (lc, sql_times_views(c->row.id))
		creation_execute(lfirst(lc));
	SPI_finish();
	CommandCounterIncrement();
	guard_leave(&guard);
}

void
creation_execute(const char *sql)
{
	int rc = SPI_execute(sql, false, 0);

	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(rc));
}

/* The allowed lateness as an SQL literal that does not depend on IntervalStyle. */
char *
creation_lateness(const Creation *c)
{
	return sql_lateness(&c->row.allowed_lateness);
}

void
creation_make_part(Oid object, Oid view)
{
	ObjectAddress depender;
	ObjectAddress referenced;

	ObjectAddressSet(depender, RelationRelationId, object);
	ObjectAddressSet(referenced, RelationRelationId, view);
	recordDependencyOn(&depender, &referenced, DEPENDENCY_INTERNAL);
}

/* A query as it was written, without white space around it and semicolons behind it. */
char *
creation_trim(char *sql)
{
	char *start = sql;
	char *end = start + strlen(start);

	while (scanner_isspace(*start))
		start++;
	while (end > start && (scanner_isspace(end[-1]) || end[-1] == ';'))
		end--;
	*end = '\0';
	return start;
}

static void
check_duplicate_columns(const Query *query)
{
	ListCell *a;
	ListCell *b;

	foreach (a, query->targetList)
	{
		foreach (b, query->targetList)
		{
			const TargetEntry *x = lfirst(a);
			const TargetEntry *y = lfirst(b);

			if (x == y || x->resjunk || y->resjunk || strcmp(x->resname, y->resname) != 0)
				continue;
			ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN),
							errmsg("column \"%s\" specified more than once", x->resname),
							errhint("Give each output column a unique name with AS.")));
		}
	}
}

/* The query must not have the columns that <view>_layers adds to those of the query. */
static void
check_layers_columns(const Creation *c)
{
	static const char *const own[] = {"stream_as_of", "batch_as_of", "recommended", "exact", "closed"};
	List *taken = NIL;
	ListCell *lc;

	for (int i = 0; i < lengthof(own); i++)
		taken = lappend(taken, makeString(pstrdup(own[i])));
	foreach (lc, c->query->targetList)
	{
		const TargetEntry *tle = lfirst(lc);

		if (tle->resjunk || !sql_is_value((Node *) tle->expr))
			continue;
		taken = lappend(taken, makeString(psprintf("stream_%s", tle->resname)));
		taken = lappend(taken, makeString(psprintf("batch_%s", tle->resname)));
	}
	foreach (lc, c->query->targetList)
	{
		const TargetEntry *tle = lfirst(lc);

		if (!tle->resjunk && list_member(taken, makeString(tle->resname)))
			ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN),
							errmsg("column name \"%s\" cannot be used in a hybrid view", tle->resname),
							errdetail("The name is reserved for a column of view %s.", c->layers),
							errhint("Rename the output column with AS.")));
	}
}

/* Check SELECT on joined tables now: the worker would suspend the view later. */
static void
check_tables(const Creation *c)
{
	List *relations = query_relations(c->query);
	ListCell *lc;

	foreach (lc, relations)
	{
		Oid relid = lfirst_oid(lc);

		if (pg_class_aclcheck(relid, c->owner, ACL_SELECT) != ACLCHECK_OK &&
			pg_attribute_aclcheck_all(relid, c->owner, ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK)
			aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(get_rel_relkind(relid)),
						   get_rel_name(relid));
	}
}

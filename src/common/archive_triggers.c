/*
 * archive_triggers.c
 *		The triggers by which changes of an archive are noticed (see archive_triggers.h).
 *
 * They are ordinary triggers, so dumps contain them. The bootstrap superuser creates them: a partition may belong to
 * anybody. They are ENABLE ALWAYS, because a change that replication applies with statements is a change, too.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "common/archive_triggers.h"
#include "common/catalog_dirty.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

typedef struct EventTrigger
{
	const char *event;
	const char *name;
	const char *transition;
} EventTrigger;

static const EventTrigger events[] = {
	{"INSERT", "streambatch_insert", "REFERENCING NEW TABLE AS " ARCHIVE_TRIGGERS_NEW},
	{"UPDATE", "streambatch_update",
	 "REFERENCING OLD TABLE AS " ARCHIVE_TRIGGERS_OLD " NEW TABLE AS " ARCHIVE_TRIGGERS_NEW},
	{"DELETE", "streambatch_delete", "REFERENCING OLD TABLE AS " ARCHIVE_TRIGGERS_OLD},
	{"TRUNCATE", "streambatch_truncate", ""},
};

/* The table that our statements write, and how many triggers are running meanwhile. */
static Oid own_relation = InvalidOid;
static int own_depth;

static Oid trigger_function(void);
static bool has_trigger(Oid relation, const EventTrigger *event, Oid function);
static void change_triggers(Oid relation, bool add);
static void execute(const char *sql);
static int trigger_depth(void);

void
archive_triggers_add(Oid relation)
{
	Oid stream = catalog_stream_changed_by(relation);

	/* a dump will bring them */
	if (OidIsValid(stream) && !catalog_is_half_restored(stream))
		change_triggers(relation, true);
}

void
archive_triggers_add_tracked(Oid relation)
{
	change_triggers(relation, true);
}

void
archive_triggers_remove(Oid relation)
{
	change_triggers(relation, false);
}

bool
archive_triggers_are_all(const TriggerDesc *triggers)
{
	Oid function;

	if (triggers == NULL)
		return true;
	function = trigger_function();
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		if (triggers->triggers[i].tgfoid != function)
			return false;
	}
	return true;
}

void
archive_triggers_begin_own(Oid relation)
{
	own_relation = relation;
	own_depth = trigger_depth();
}

void
archive_triggers_end_own(void)
{
	own_relation = InvalidOid;
}

bool
archive_triggers_is_own(const TriggerData *trigger)
{
	return OidIsValid(own_relation) && RelationGetRelid(trigger->tg_relation) == own_relation &&
		   trigger_depth() == own_depth + 1;
}

/* InvalidOid in the objects of version 0.1.0. */
static Oid
trigger_function(void)
{
	List *name = list_make2(makeString("streambatch"), makeString("_mark"));

	/* the schema is missing while the extension is being dropped */
	return OidIsValid(get_namespace_oid("streambatch", true)) ? LookupFuncName(name, 0, NULL, true)
															  : InvalidOid;
}

static bool
has_trigger(Oid relation, const EventTrigger *event, Oid function)
{
	Relation rel = table_open(relation, NoLock);
	bool found = false;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		found = found || (trigger->tgfoid == function && strcmp(trigger->tgname, event->name) == 0);
	}
	table_close(rel, NoLock);
	return found;
}

static void
change_triggers(Oid relation, bool add)
{
	Oid function = trigger_function();
	List *relations;
	ListCell *lc;
	Guard guard;

	if (!OidIsValid(function) || get_rel_name(relation) == NULL)
		return;
	relations = find_all_inheritors(relation, AccessShareLock, NULL);
	guard_enter(&guard, BOOTSTRAP_SUPERUSERID, NULL);
	SPI_connect();
	foreach (lc, relations)
	{
		Oid relid = lfirst_oid(lc);
		char *name =
			quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));

		if (get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE)
			continue;
		for (int i = 0; i < lengthof(events); i++)
		{
			if (has_trigger(relid, &events[i], function) == add)
				continue;
			if (!add)
			{
				execute(psprintf("DROP TRIGGER %s ON %s", events[i].name, name));
				continue;
			}
			execute(psprintf(
				"CREATE TRIGGER %s AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION streambatch._mark()",
				events[i].name, events[i].event, name, events[i].transition));
			execute(psprintf("ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %s", name, events[i].name));
		}
	}
	SPI_finish();
	guard_leave(&guard);
	CommandCounterIncrement();
}

static void
execute(const char *sql)
{
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not run \"%s\"", sql);
}

static int
trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

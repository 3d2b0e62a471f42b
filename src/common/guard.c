/*
 * guard.c
 *		Running as somebody, under settings that mean the same for everybody (see guard.h).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/guard.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

/* What the text conversions of PostgreSQL's types and the meaning of naive timestamps depend on. */
static const char *const noted[] = {"TimeZone",
									"DateStyle",
									"IntervalStyle",
									"bytea_output",
									"lc_monetary",
									"lc_numeric",
									"lc_time",
									"default_text_search_config",
									"timezone_abbreviations",
									"xmlbinary",
									"xmloption"};

static void set_local(const char *name, const char *value);

void
guard_enter(Guard *guard, Oid role, ArrayType *settings)
{
	GetUserIdAndSecContext(&guard->user, &guard->sec_context);
	guard->setting_level = NewGUCNestLevel();
	set_local("search_path", "pg_catalog, pg_temp");
	/* floats must be printed so that they are read back the same */
	set_local("extra_float_digits", "1");
	if (settings != NULL)
	{
		Datum *elems;
		int n;

		deconstruct_array(settings, TEXTOID, -1, false, TYPALIGN_INT, &elems, NULL, &n);
		for (int i = 0; i + 1 < n; i += 2)
			set_local(TextDatumGetCString(elems[i]), TextDatumGetCString(elems[i + 1]));
	}
	if (OidIsValid(role))
		SetUserIdAndSecContext(role, guard->sec_context | SECURITY_LOCAL_USERID_CHANGE |
										 SECURITY_RESTRICTED_OPERATION);
}

void
guard_leave(const Guard *guard)
{
	AtEOXact_GUC(false, guard->setting_level);
	SetUserIdAndSecContext(guard->user, guard->sec_context);
}

Oid
guard_owner_of(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

ArrayType *
guard_note_settings(void)
{
	Datum elems[2 * lengthof(noted)];

	for (int i = 0; i < lengthof(noted); i++)
	{
		elems[2 * i] = CStringGetTextDatum(noted[i]);
		elems[2 * i + 1] = CStringGetTextDatum(GetConfigOption(noted[i], false, false));
	}
	return construct_array(elems, lengthof(elems), TEXTOID, -1, false, TYPALIGN_INT);
}

static void
set_local(const char *name, const char *value)
{
	const char *present = GetConfigOption(name, true, false);

	/* most sessions differ in nothing: comparing is cheaper than setting */
	if (present != NULL && strcmp(present, value) == 0)
		return;
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * guard.c
 *		Running as another role under fixed settings (see guard.h).
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

/* Settings that text conversion and the time zone of timestamps without one depend on. */
static const char *const stored_settings[] = {"TimeZone",
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
	/* the text of a float must be read back as the same value */
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
	Datum elems[2 * lengthof(stored_settings)];

	for (int i = 0; i < lengthof(stored_settings); i++)
	{
		elems[2 * i] = CStringGetTextDatum(stored_settings[i]);
		elems[2 * i + 1] = CStringGetTextDatum(GetConfigOption(stored_settings[i], false, false));
	}
	return construct_array(elems, lengthof(elems), TEXTOID, -1, false, TYPALIGN_INT);
}

static void
set_local(const char *name, const char *value)
{
	const char *current = GetConfigOption(name, true, false);

	/* most values are set already, and comparing is cheaper than setting */
	if (current != NULL && strcmp(current, value) == 0)
		return;
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * catalog_version.c
 *		Which version of the extension's objects this database has (see catalog_version.h).
 */
#include "postgres.h"

#include "common/catalog_statement.h"
#include "common/catalog_version.h"

bool
catalog_is_first_version(void)
{
	static Statement s = {
		"SELECT extversion = '0.1.0' FROM pg_catalog.pg_extension WHERE extname = 'pg_streambatch'", 0, {0}};
	Datum first = BoolGetDatum(false);

	(void) statement_run_value(&s, NULL, &first);
	return DatumGetBool(first);
}

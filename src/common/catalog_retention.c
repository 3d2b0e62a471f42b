/*
 * catalog_retention.c
 *		Archives: which table it is, and from when on it is complete, in the extension's tables (see catalog_retention.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_retention.h"
#include "common/catalog_statement.h"
#include "common/catalog_version.h"
#include "utils/timestamp.h"

TimestampTz
catalog_archive_from(Oid stream)
{
	static Statement s = {"SELECT archive_from FROM streambatch._stream WHERE stream = $1", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};
	Datum result;

	if (catalog_is_first_version() || !statement_run_value(&s, values, &result))
		return DT_NOBEGIN;
	return DatumGetTimestampTz(result);
}

void
catalog_set_archive_from(Oid stream, TimestampTz from)
{
	static Statement s = {
		"UPDATE streambatch._stream SET archive_from = greatest(archive_from, $2) WHERE stream = $1",
		2,
		{REGCLASSOID, TIMESTAMPTZOID}};
	Datum values[2] = {ObjectIdGetDatum(stream), TimestampTzGetDatum(from)};

	statement_run_only(&s, values, NULL);
}

void
catalog_set_archive(Oid stream, Oid archive)
{
	static Statement s = {
		"UPDATE streambatch._stream SET archive = $2 WHERE stream = $1", 2, {REGCLASSOID, REGCLASSOID}};
	Datum values[2] = {ObjectIdGetDatum(stream), ObjectIdGetDatum(archive)};

	statement_run_only(&s, values, NULL);
}

/*
 * catalog_version.c
 *		Which version of the extension's objects this database has (see catalog_version.h).
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "common/catalog_statement.h"
#include "common/catalog_version.h"

bool
catalog_is_first_version(void)
{
	static Statement s = {
		"SELECT extversion = '0.1.0', xmin FROM pg_catalog.pg_extension WHERE extname = 'pg_streambatch'"};
	static Oid updated = InvalidOid; /* there is no way back */
	Oid extension = get_extension_oid("pg_streambatch", true);
	StatementCall call;
	bool first = true;
	bool isnull;

	if (extension == updated)
		return false;
	statement_run(&call, &s, NULL, NULL);
	if (call.nrows > 0)
	{
		first = DatumGetBool(statement_get(0, 1, &isnull));
		/* an update by this transaction may be rolled back */
		if (!first &&
			!TransactionIdIsCurrentTransactionId(DatumGetTransactionId(statement_get(0, 2, &isnull))))
			updated = extension;
	}
	statement_finish(&call);
	return first;
}

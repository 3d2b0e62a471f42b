/*
 * catalog_statement.c
 *		Fixed statements on the extension's tables (see catalog_statement.h).
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "common/catalog_statement.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

static void begin(StatementCall *call, Statement *statement);
static void check(StatementCall *call, const Statement *statement, int rc);

void
statement_run(StatementCall *call, Statement *statement, Datum *values, const char *nulls)
{
	begin(call, statement);
	check(call, statement, SPI_execute_plan(statement->plan, values, nulls, false, 0));
}

void
statement_run_now(StatementCall *call, Statement *statement, Datum *values)
{
	begin(call, statement);
	check(call, statement,
		  SPI_execute_snapshot(statement->plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot, true,
							   false, 0));
}

void
statement_finish(StatementCall *call)
{
	SPI_finish();
	if (call->snapshot)
		PopActiveSnapshot();
	guard_leave(&call->guard);
}

void
statement_run_only(Statement *statement, Datum *values, const char *nulls)
{
	StatementCall call;

	statement_run(&call, statement, values, nulls);
	statement_finish(&call);
}

Datum
statement_get(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

int64
statement_get_int64(uint64 row, int column, int64 when_null)
{
	bool isnull;
	Datum d = statement_get(row, column, &isnull);

	return isnull ? when_null : DatumGetInt64(d);
}

ArrayType *
statement_get_array(StatementCall *call, uint64 row, int column)
{
	bool isnull;
	Datum d = statement_get(row, column, &isnull);
	MemoryContext old = MemoryContextSwitchTo(call->caller);
	ArrayType *result = isnull ? NULL : DatumGetArrayTypePCopy(d);

	MemoryContextSwitchTo(old);
	return result;
}

char *
statement_get_text(StatementCall *call, uint64 row, int column)
{
	bool isnull;
	Datum d = statement_get(row, column, &isnull);
	MemoryContext old = MemoryContextSwitchTo(call->caller);
	char *result = isnull ? NULL : TextDatumGetCString(d);

	MemoryContextSwitchTo(old);
	return result;
}

bool
statement_run_value(Statement *statement, Datum *values, Datum *value)
{
	StatementCall call;
	bool isnull = true;

	statement_run(&call, statement, values, NULL);
	Assert(call.nrows <= 1);
	if (call.nrows > 0)
		*value = statement_get(0, 1, &isnull);
	statement_finish(&call);
	return !isnull;
}

char *
statement_run_text(Statement *statement, Datum *values)
{
	StatementCall call;
	char *text;

	statement_run(&call, statement, values, NULL);
	Assert(call.nrows <= 1);
	text = call.nrows > 0 ? statement_get_text(&call, 0, 1) : NULL;
	statement_finish(&call);
	return text;
}

List *
statement_run_list(Statement *statement, Datum *values)
{
	StatementCall call;
	List *result = NIL;
	bool isnull;

	statement_run(&call, statement, values, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		Datum value = statement_get(i, 1, &isnull);
		MemoryContext old = MemoryContextSwitchTo(call.caller);

		result = SPI_gettypeid(SPI_tuptable->tupdesc, 1) == INT4OID
					 ? lappend_int(result, DatumGetInt32(value))
					 : lappend_oid(result, DatumGetObjectId(value));
		MemoryContextSwitchTo(old);
	}
	statement_finish(&call);
	return result;
}

static void
begin(StatementCall *call, Statement *statement)
{
	call->caller = CurrentMemoryContext;
	guard_enter(&call->guard, BOOTSTRAP_SUPERUSERID, NULL);
	call->snapshot = !ActiveSnapshotSet();
	if (call->snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (statement->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(statement->sql, statement->nargs, statement->types);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", statement->sql, SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		statement->plan = plan;
	}
}

static void
check(StatementCall *call, const Statement *statement, int rc)
{
	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", statement->sql, SPI_result_code_string(rc));
	call->nrows = SPI_processed;
}

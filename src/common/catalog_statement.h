/*
 * catalog_statement.h
 *		Fixed statements on the extension's tables, planned once per session.
 *
 * They run as the bootstrap superuser, in a security-restricted operation, under the search_path of guard.h, so
 * that no object of a user can replace one that they name. Callers check privileges. In READ COMMITTED each
 * statement takes a new snapshot.
 */
#ifndef STREAMBATCH_CATALOG_STATEMENT_H
#define STREAMBATCH_CATALOG_STATEMENT_H

#include "common/guard.h"
#include "executor/spi.h"
#include "utils/array.h"

#define STATEMENT_MAX_ARGS 13

typedef struct Statement
{
	const char *sql;
	int nargs;
	Oid types[STATEMENT_MAX_ARGS];
	SPIPlanPtr plan; /* kept for the session */
} Statement;

typedef struct StatementCall
{
	Guard guard;
	MemoryContext caller;
	uint64 nrows;
	bool snapshot; /* one was pushed, since SPI requires an active snapshot */
} StatementCall;

/*
 * Run a statement. Its rows can be read with the functions below until statement_finish(). nulls is as for
 * SPI_execute_plan(), or NULL.
 */
extern void statement_run(StatementCall *call, Statement *statement, Datum *values, const char *nulls);
/* The same for a query, as of now: whatever is committed, also where the transaction has an older snapshot. */
extern void statement_run_now(StatementCall *call, Statement *statement, Datum *values);
extern void statement_finish(StatementCall *call);
extern void statement_run_only(Statement *statement, Datum *values, const char *nulls);

/*
 * Run a statement that returns at most one row with one column of a type passed by value. Returns false if there
 * is no row or the value is null.
 */
extern bool statement_run_value(Statement *statement, Datum *values, Datum *value);

/* Likewise, of type text; NULL: no row, or null. Current context. */
extern char *statement_run_text(Statement *statement, Datum *values);

/* Run a statement, and return its only column as a list of ints if it is int4, else of Oids. Current context. */
extern List *statement_run_list(Statement *statement, Datum *values);

/* A column (from 1) of a row (from 0). An array is copied into the context that statement_run() was called in. */
extern Datum statement_get(uint64 row, int column, bool *isnull);
extern int64 statement_get_int64(uint64 row, int column, int64 when_null);
extern ArrayType *statement_get_array(StatementCall *call, uint64 row, int column);
extern char *statement_get_text(StatementCall *call, uint64 row,
								int column); /* NULL: null; copied likewise */

#endif /* STREAMBATCH_CATALOG_STATEMENT_H */

/*
 * catalog_statement.h
 *		Fixed statements on the extension's own tables, planned once per session.
 *
 * They run as the bootstrap superuser, in a security-restricted operation, under the guard's search_path:
 * permission is the caller's affair, and nothing that a user creates can stand in for what is meant. In READ
 * COMMITTED each has a snapshot of its own.
 */
#ifndef STREAMBATCH_CATALOG_STATEMENT_H
#define STREAMBATCH_CATALOG_STATEMENT_H

#include "common/guard.h"
#include "executor/spi.h"
#include "utils/array.h"

#define STATEMENT_MAX_ARGS 12

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
	bool snapshot; /* we pushed one: SPI wants an outer one */
} StatementCall;

/*
 * Run a statement; its rows can be read with the functions below until statement_finish(). nulls as SPI wants
 * them, or NULL.
 */
extern void statement_run(StatementCall *call, Statement *statement, Datum *values, const char *nulls);
extern void statement_finish(StatementCall *call);
extern void statement_run_only(Statement *statement, Datum *values, const char *nulls);

/*
 * Run a statement of one row at most, whose only column is of a type passed by value. False: there is no row,
 * or it is null.
 */
extern bool statement_run_value(Statement *statement, Datum *values, Datum *value);

/* Run a statement; its only column as a list of Oids, or of ints where that is its type. Current context. */
extern List *statement_run_list(Statement *statement, Datum *values);

/* A column of a row, from 1; an array is copied into the context that statement_run() was called in. */
extern Datum statement_get(uint64 row, int column, bool *isnull);
extern int64 statement_get_int64(uint64 row, int column, int64 when_null);
extern ArrayType *statement_get_array(StatementCall *call, uint64 row, int column);

#endif /* STREAMBATCH_CATALOG_STATEMENT_H */

/*
 * batch_statement.h
 *		Running a statement of the batch layer (query/refresh_sql.h).
 *
 * It runs as the view's owner under the settings noted with the view, and its text must be generated there,
 * too: between batch_statement_begin() and batch_statement_end(), in which SPI's own context is current.
 */
#ifndef STREAMBATCH_BATCH_STATEMENT_H
#define STREAMBATCH_BATCH_STATEMENT_H

#include "batch/computation.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "nodes/params.h"

/* Parameters of a statement, as far as it needs them; the dead dead_letters are the computation's. */
typedef struct BatchParameters
{
	const Cut *cut;	  /* $1 */
	TimestampTz from; /* $2 */
	TimestampTz to;	  /* $3 */
	int64 epoch;	  /* $6 */
	const Cut *later; /* $7 */
} BatchParameters;

extern void batch_statement_begin(Guard *guard, const Computation *c);

/*
 * Run it, and return the number of its rows, which are in SPI_tuptable. A statement that is not read_only sees
 * what was done before it in the transaction.
 */
extern uint64 batch_statement_execute(const Computation *c, const char *sql,
									  const BatchParameters *parameters, bool read_only);

/* What SPI wants of the parameters. */
extern ParamListInfo batch_statement_parameters(const Computation *c, const BatchParameters *parameters);

extern void batch_statement_end(const Guard *guard);

#endif /* STREAMBATCH_BATCH_STATEMENT_H */

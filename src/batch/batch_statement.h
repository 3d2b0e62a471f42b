/*
 * batch_statement.h
 *		Running a statement of the batch layer (query/refresh_sql.h).
 *
 * It runs as the view's owner under the settings stored with the view. Its text must be generated under them,
 * too: between batch_statement_begin() and batch_statement_end(), where SPI's context is current.
 */
#ifndef STREAMBATCH_BATCH_STATEMENT_H
#define STREAMBATCH_BATCH_STATEMENT_H

#include "batch/computation.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "nodes/params.h"
#include "tcop/dest.h"

/* The parameters that a statement uses; $4, $5 and $8, the dead letters, come from the Computation. */
typedef struct BatchParameters
{
	const Cut *cut;		   /* $1, $9 */
	TimestampTz from;	   /* $2 */
	TimestampTz to;		   /* $3 */
	int64 epoch;		   /* $6 */
	const Cut *other;	   /* $7, $10 */
	const PaneList *panes; /* $12, $13, $14 */
	int nkeys;			   /* from $15 on */
	const ParamExternData *keys;
} BatchParameters;

/* Takes a row of a statement in the statement's context. */
typedef void (*BatchRowReceiver)(TupleTableSlot *slot, void *arg);

extern void batch_statement_begin(Guard *guard, const Computation *c);

/*
 * Run a statement, and return the number of its rows. A statement that is not read_only sees the earlier changes of
 * the transaction.
 */
extern uint64 batch_statement_execute(const Computation *c, const char *sql,
									  const BatchParameters *parameters, bool read_only);

/* The same for a query, whose rows go to a receiver one by one. It may run in parallel. */
extern void batch_statement_read(const Computation *c, const char *sql, const BatchParameters *parameters,
								 BatchRowReceiver receive, void *arg);

/* The same, to a receiver of the server. */
extern void batch_statement_send(const Computation *c, const char *sql, const BatchParameters *parameters,
								 DestReceiver *dest);

/* The same; active: as of the active snapshot, instead of a new one. */
extern void batch_statement_read_as_of(const Computation *c, const char *sql,
									   const BatchParameters *parameters, bool active,
									   BatchRowReceiver receive, void *arg);

/* The parameters in the form that SPI takes. Current context. */
extern ParamListInfo batch_statement_parameters(const Computation *c, const BatchParameters *parameters);

extern void batch_statement_end(const Guard *guard);

#endif /* STREAMBATCH_BATCH_STATEMENT_H */

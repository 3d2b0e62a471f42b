/*
 * group_store.h
 *		Groups on their way from the query that computes them into a state table.
 *
 * The server runs a query in parallel only if it writes nothing, so its rows are collected first: in work_mem, and then
 * in a temporary file.
 */
#ifndef STREAMBATCH_GROUP_STORE_H
#define STREAMBATCH_GROUP_STORE_H

#include "batch/batch_statement.h"

/* The name by which the statement that inserts them refers to the rows. */
#define GROUP_STORE "_group"

typedef struct GroupStore GroupStore;

/*
 * Run a query and collect its rows, each of which is shown to "see" if that is not NULL. Between batch_statement_begin()
 * and batch_statement_end(); in SPI's context.
 */
extern GroupStore *group_store_compute(const Computation *c, const char *sql,
									   const BatchParameters *parameters, BatchRowReceiver see, void *arg);

/* Run the statement that inserts them, and give up the rows. Returns the number of those inserted. */
extern uint64 group_store_insert(GroupStore *groups, const Computation *c, const char *sql,
								 const BatchParameters *parameters);

#endif /* STREAMBATCH_GROUP_STORE_H */

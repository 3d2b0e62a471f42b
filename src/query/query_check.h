/*
 * query_check.h
 *		Checks of a hybrid view's query: which clauses it may have, and which stream it reads.
 */
#ifndef STREAMBATCH_QUERY_CHECK_H
#define STREAMBATCH_QUERY_CHECK_H

#include "nodes/parsenodes.h"

/*
 * Raises feature_not_supported, with a hint, for clauses that are not supported in a hybrid view.
 */
extern void query_check(const Query *query);

/*
 * The stream that the query reads; sets its index in the range table. Raises if there is none or more than one,
 * if it is on the nullable side of an outer join, and for other relations that cannot be joined.
 */
extern Oid query_find_stream(const Query *query, int *varno);

/* Whether tables are joined, or used in EXISTS and IN; rows of the query are then in no particular order. */
extern bool query_is_joined(const Query *query);

/* The relations that the query reads besides its stream, in the current context. */
extern List *query_relations(const Query *query);

#endif /* STREAMBATCH_QUERY_CHECK_H */

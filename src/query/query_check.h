/*
 * query_check.h
 *		Shapes of queries: what a hybrid view's query can be made of, and which stream it reads.
 */
#ifndef STREAMBATCH_QUERY_CHECK_H
#define STREAMBATCH_QUERY_CHECK_H

#include "nodes/parsenodes.h"

/*
 * Raise, with the reason and what to do instead, for what has no meaning in a result that is kept, or no place
 * in it.
 */
extern void query_check(const Query *query);

/*
 * The one stream that the query reads; sets its place in the range table. Raises where there is none, more
 * than one, or a join that the stream does not lead.
 */
extern Oid query_find_stream(const Query *query, int *varno);

/* Whether tables are joined to the stream, or looked into by EXISTS and IN: an event's rows then come in any order. */
extern bool query_is_joined(const Query *query);

/* The ordinary relations that the query reads beside its stream. Current context. */
extern List *query_relations(const Query *query);

#endif /* STREAMBATCH_QUERY_CHECK_H */

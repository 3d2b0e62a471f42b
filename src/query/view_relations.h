/*
 * view_relations.h
 *		The relations that running a hybrid view's query locks.
 */
#ifndef STREAMBATCH_VIEW_RELATIONS_H
#define STREAMBATCH_VIEW_RELATIONS_H

#include "nodes/pg_list.h"

/* The view streambatch_state.query_<id>, which stores the query; InvalidOid if it does not exist. */
extern Oid view_relations_query(int32 view_id);

/*
 * The same and all relations that it reads: stream, tables and their partitions. Only catalogs are read and
 * nothing is locked, so that the caller can take all its locks together with locks_take(): a concurrent DROP
 * may lock any of them first.
 */
extern List *view_relations_read(int32 view_id);

#endif /* STREAMBATCH_VIEW_RELATIONS_H */

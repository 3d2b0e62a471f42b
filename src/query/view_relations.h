/*
 * view_relations.h
 *		The relations that running a hybrid view's query locks.
 */
#ifndef STREAMBATCH_VIEW_RELATIONS_H
#define STREAMBATCH_VIEW_RELATIONS_H

#include "nodes/pg_list.h"

/* The view streambatch_state.query_<id>, which keeps the query; InvalidOid where it is gone. */
extern Oid view_relations_query(int32 view_id);

/*
 * The same and all that it reads: stream, tables and their partitions. Only the catalog is looked at, nothing
 * is locked; so whoever holds other locks can take these together with them, by locks_take(): a DROP may come
 * upon any of them first.
 */
extern List *view_relations_read(int32 view_id);

#endif /* STREAMBATCH_VIEW_RELATIONS_H */

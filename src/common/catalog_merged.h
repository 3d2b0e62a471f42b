/*
 * catalog_merged.h
 *		The foreign tables of merged views (serve/merged_view.c), in streambatch_state: node_<number>_<i>, info_<number>_<i>.
 */
#ifndef STREAMBATCH_CATALOG_MERGED_H
#define STREAMBATCH_CATALOG_MERGED_H

#include "nodes/pg_list.h"

/*
 * In an sql_drop event trigger: the views <view>_layers of dropped merged views, where a restored database lacks the
 * dependency that would have dropped them; a list of OIDs.
 */
extern List *catalog_merged_layers(void);

/* If the command drops a view: the foreign tables that no view reads any more; a list of OIDs. */
extern List *catalog_merged_unused(void);

/* The view <view>_states of a hybrid view, by its last column; InvalidOid if there is none. */
extern Oid catalog_states_view_of(Oid view);

/* Commands that grant what is granted on a relation to others than its owner; a list of strings. */
extern List *catalog_grants_on(Oid relid);

/* SQL: that column a is that by which a view of states says what it is of (serve/states_view.c). */
#define CATALOG_STATES_COLUMN "a.attname ~ '^definition_[0-9a-f]{16}$' "

/* Give the foreign tables, and <view>_layers, to the owners of the merged views. */
extern void catalog_merged_follow_owners(void);

#endif /* STREAMBATCH_CATALOG_MERGED_H */

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

/* Give the foreign tables, and <view>_layers, to the owners of the merged views. */
extern void catalog_merged_follow_owners(void);

#endif /* STREAMBATCH_CATALOG_MERGED_H */

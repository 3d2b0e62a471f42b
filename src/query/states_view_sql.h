/*
 * states_view_sql.h
 *		DDL of <view>_states, which other servers read to merge a hybrid view of several servers; see print_sql.h.
 */
#ifndef STREAMBATCH_STATES_VIEW_SQL_H
#define STREAMBATCH_STATES_VIEW_SQL_H

#include "query/analyse.h"

/*
 * The view: for each layer one row per combination of keys, pane included, with its states; and the column
 * definition_<definition>, which is true.
 */
extern char *sql_states_view(const ViewDef *def, int32 id, const char *name, const char *definition);

/* Name, type and collation (empty: none but the type's) of each key and state, as SQL: a list of strings. */
extern List *sql_states_columns(const ViewDef *def);

#endif /* STREAMBATCH_STATES_VIEW_SQL_H */

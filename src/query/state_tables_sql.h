/*
 * state_tables_sql.h
 *		DDL of a view's state tables; see print_sql.h.
 */
#ifndef STREAMBATCH_STATE_TABLES_SQL_H
#define STREAMBATCH_STATE_TABLES_SQL_H

#include "query/analyse.h"

/* The state tables of both layers and their indexes; a list of char *. */
extern List *sql_state_tables(const ViewDef *def, int32 id);

#endif /* STREAMBATCH_STATE_TABLES_SQL_H */

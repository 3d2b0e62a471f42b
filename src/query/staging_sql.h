/*
 * staging_sql.h
 *		The SQL of staging tables, which take what an engine outside of PostgreSQL has computed (portable_sql.h).
 *
 * Callers hold a guard, as for print_sql.h. All results are allocated in the current context.
 */
#ifndef STREAMBATCH_STAGING_SQL_H
#define STREAMBATCH_STAGING_SQL_H

#include "query/portable_sql.h"

/* The name of the staging table of a run, in streambatch_state. */
extern char *staging_name(int32 view_id, int64 run);

/* DDL of the table. */
extern char *sql_staging_table(const ViewDef *def, int32 view_id, int64 run);

/*
 * Queries for the first row of the table that cannot be published, as the text that describes it: a pane that is none, or
 * not in [$2, $3) timestamptz; a null, or a negative, count; a group that is in the table twice. NULL: there is none to find.
 */
extern char *sql_staging_bad_pane(const ViewDef *def, int32 view_id, int64 run);
extern char *sql_staging_bad_count(const ViewDef *def, int32 view_id, int64 run);
extern char *sql_staging_duplicate(const ViewDef *def, int32 view_id, int64 run);

/* INSERT of its rows into the batch layer. */
extern char *sql_publish(const ViewDef *def, int32 view_id, int64 run);

#endif /* STREAMBATCH_STAGING_SQL_H */

/*
 * catalog_ddl.h
 *		Effects of DDL commands on the extension's tables (see catalog_stream.h for what these functions have in
 *		common).
 */
#ifndef STREAMBATCH_CATALOG_DDL_H
#define STREAMBATCH_CATALOG_DDL_H

#include "nodes/pg_list.h"

/* Oids of the tables that flushes and refreshes write; some are missing while the extension is being dropped. */
extern List *catalog_written_tables(void);

/*
 * Give the parts of hybrid views (the objects in streambatch_state, and _layers) to the owners of the views.
 * Raises the generation of the streams affected, so that workers run the views as their current owners.
 */
extern void catalog_follow_owners(void);

/* The Oids of the staging tables of a hybrid view's open batches. */
extern List *catalog_staging_tables(int32 view_id);

/* A part of a hybrid view. Names are as a user would write them; view is NULL if it is not known. */
typedef struct ViewPart
{
	char *name;
	char *view;
} ViewPart;

/*
 * In a ddl_command_end event trigger: an object in streambatch_state that the command created, altered, or
 * attached something to; in an sql_drop event trigger: one that it named to be dropped. False: none.
 */
extern bool catalog_altered_part(ViewPart *part);
extern bool catalog_dropped_part(ViewPart *part);
/* The same for a relation. False: it is no part of a hybrid view. */
extern bool catalog_is_part(Oid relid, ViewPart *part);

/* In a ddl_command_end event trigger: the name of a hybrid view whose query the command replaced, or NULL. */
extern char *catalog_replaced_view(void);

/*
 * In an sql_drop event trigger: return the ids of the dropped views; delete the rows of dropped views and
 * streams, and return the Oids of the streams affected.
 */
extern List *catalog_dropped_views(void);
extern List *catalog_forget_dropped(void);

/*
 * In a ddl_command_end event trigger: the Oids of streams that are not paused and whose foreign table, archive,
 * server or user mapping was created or altered by the command, and of those that use the given server.
 */
extern List *catalog_altered_streams(Oid server);

#endif /* STREAMBATCH_CATALOG_DDL_H */

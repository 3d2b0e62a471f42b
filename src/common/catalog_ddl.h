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
 * Make the objects of hybrid views follow changes of owner: the owner of a view owns its _layers and has
 * privileges on its internal objects, a former owner has none. Raises the generation of the streams affected, so
 * that workers run the views as their current owners.
 */
extern void catalog_follow_owners(void);

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

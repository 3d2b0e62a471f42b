/*
 * catalog_ddl.h
 *		What commands that define, alter or drop anything mean for the extension's own tables; see
 *		catalog_stream.h.
 */
#ifndef STREAMBATCH_CATALOG_DDL_H
#define STREAMBATCH_CATALOG_DDL_H

#include "nodes/pg_list.h"

/* The tables that flushes and refreshes write, of Oids; fewer where the extension is being dropped. */
extern List *catalog_written_tables(void);

/*
 * What stands behind hybrid views follows their owners: who owns a view owns its _layers, and may use its
 * internal objects; who owned it may no more. Raises the generation of the streams concerned, so that workers
 * run the views as who owns them now.
 */
extern void catalog_follow_owners(void);

/*
 * In an sql_drop event trigger: the ids of views that are dropped; forget them and streams. The latter
 * returns the streams concerned, of Oids.
 */
extern List *catalog_dropped_views(void);
extern List *catalog_forget_dropped(void);

/*
 * In a ddl_command_end event trigger: the streams, not paused, whose foreign table, archive, server or user
 * mapping the command has made or altered, and those of the server; of Oids.
 */
extern List *catalog_altered_streams(Oid server);

#endif /* STREAMBATCH_CATALOG_DDL_H */

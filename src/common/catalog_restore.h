/*
 * catalog_restore.h
 *		What a dump, or pg_upgrade, does not keep of hybrid views, restored (see catalog_stream.h for what these
 *		functions have in common).
 */
#ifndef STREAMBATCH_CATALOG_RESTORE_H
#define STREAMBATCH_CATALOG_RESTORE_H

/*
 * Add the internal dependencies on hybrid views that are missing: without them, DROP VIEW would leave parts of a view,
 * and dropping a stream would leave the view. Cheap where nothing is missing.
 */
extern void catalog_link_views(void);

/*
 * Find the archive of a stream that was restored without it, by its name. Raises if it is still missing. Returns InvalidOid
 * if there is none to find.
 */
extern Oid catalog_require_archive(Oid stream);

/*
 * Identifies this database among the databases of all servers, in _stream.database: a stream whose row says otherwise
 * is in a copy, and paused. In the objects of version 0.1.0: the database's OID.
 */
extern Oid catalog_this_database(void);

#endif /* STREAMBATCH_CATALOG_RESTORE_H */

/*
 * catalog_version.h
 *		Which version of the extension's objects this database has.
 *
 * The library may be newer than they are, until ALTER EXTENSION pg_streambatch UPDATE.
 */
#ifndef STREAMBATCH_CATALOG_VERSION_H
#define STREAMBATCH_CATALOG_VERSION_H

/* Whether the objects are those of version 0.1.0, without what later versions have added. */
extern bool catalog_is_first_version(void);

#endif /* STREAMBATCH_CATALOG_VERSION_H */

/*
 * catalog_retention.h
 *		Archives: which table it is, and from when on it is complete, in the extension's tables (see catalog_stream.h for what these functions have
 *		in common).
 */
#ifndef STREAMBATCH_CATALOG_RETENTION_H
#define STREAMBATCH_CATALOG_RETENTION_H

#include "datatype/timestamp.h"

/* The event time before which events have been removed from a stream's archive by retain(); -infinity: none. */
extern TimestampTz catalog_archive_from(Oid stream);

/* It moves forward only. */
extern void catalog_set_archive_from(Oid stream, TimestampTz from);

/* Another table becomes the archive. */
extern void catalog_set_archive(Oid stream, Oid archive);

#endif /* STREAMBATCH_CATALOG_RETENTION_H */

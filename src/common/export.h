/*
 * export.h
 *		The mark of functions that SQL calls: they are exported, and nothing else is.
 *
 * The library is compiled with hidden symbols, so that it takes no other library's place and none takes ours.
 */
#ifndef STREAMBATCH_EXPORT_H
#define STREAMBATCH_EXPORT_H

#include "fmgr.h"

/* In place of PG_FUNCTION_INFO_V1(), which exports the function itself from version 16 on only. */
#define STREAMBATCH_FUNCTION(name)                                                                           \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);                                                         \
	PG_FUNCTION_INFO_V1(name)

#endif /* STREAMBATCH_EXPORT_H */

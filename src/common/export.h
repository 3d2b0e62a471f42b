/*
 * export.h
 *		Declaration of functions that SQL calls: only they are exported.
 *
 * The library is compiled with hidden symbols, so that its symbols cannot conflict with those of another library.
 */
#ifndef STREAMBATCH_EXPORT_H
#define STREAMBATCH_EXPORT_H

#include "fmgr.h"

/* Use instead of PG_FUNCTION_INFO_V1(), which does not export the function itself before version 16. */
#define STREAMBATCH_FUNCTION(name)                                                                           \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);                                                         \
	PG_FUNCTION_INFO_V1(name)

#endif /* STREAMBATCH_EXPORT_H */

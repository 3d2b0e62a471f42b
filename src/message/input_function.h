/*
 * input_function.h
 *		Calls of input functions that depend neither on the session's settings nor on untrusted text.
 */
#ifndef STREAMBATCH_INPUT_FUNCTION_H
#define STREAMBATCH_INPUT_FUNCTION_H

#include "fmgr.h"
#include "pgtime.h"

typedef struct InputFunction
{
	FmgrInfo function;
	Oid ioparam;
	int32 typmod;
	bool pinned; /* may depend on TimeZone, DateStyle or IntervalStyle */
	pg_tz *zone; /* its TimeZone; borrowed */
} InputFunction;

/* The input function of a type, for values with this typmod. The current context must outlive it. */
extern void input_init(InputFunction *input, Oid type, int32 typmod, bool pinned, pg_tz *zone);

/*
 * Convert a text in the server encoding. A pinned function runs with DateStyle 'ISO, MDY', IntervalStyle
 * 'postgres' and its own TimeZone. Raises the error of the function, shortened if it contains a long part of the
 * text.
 */
extern Datum input_call(InputFunction *input, const char *text, size_t len);

/* The beginning of a text for an error message: up to 60 bytes, no control characters. Current context. */
extern char *input_excerpt(const char *text, size_t len);

#endif /* STREAMBATCH_INPUT_FUNCTION_H */

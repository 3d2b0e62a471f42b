/*
 * input_function.h
 *		Types' input functions, called so that a hostile text and the session's settings make no difference.
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
	bool pinned; /* it may depend on TimeZone, DateStyle or IntervalStyle */
	pg_tz *zone; /* TimeZone for it; borrowed */
} InputFunction;

/* The input function of a type, for values with this typmod. The current context must outlive it. */
extern void input_init(InputFunction *input, Oid type, int32 typmod, bool pinned, pg_tz *zone);

/*
 * The value that a text in the server's encoding stands for. Where the function is pinned it sees DateStyle
 * 'ISO, MDY', IntervalStyle 'postgres' and its own TimeZone. Raises what the function raises, shortened where
 * it cites more than a few words of the text.
 */
extern Datum input_call(InputFunction *input, const char *text, size_t len);

/*
 * The beginning of a text, fit for a message: up to 60 bytes, no control characters. In the current context.
 */
extern char *input_excerpt(const char *text, size_t len);

#endif /* STREAMBATCH_INPUT_FUNCTION_H */

/*
 * sketch_exact.c
 *		SQL functions that tell whether what was computed from sketches is exact: _exact(), _holds_all().
 *
 *		_exact(s1, s2)			of a group's rows: the value is that of a single row, or there are no sketches
 *		_holds_all(sketch)		of a united sketch: it has every value
 */
#include "postgres.h"

#include "aggregate/sketch_extension.h"
#include "aggregate/sketch_check.h"
#include "aggregate/value_list.h"
#include "common/export.h"

/* The state of _exact. */
#define EXACT_ROW 1	   /* there was a row */
#define EXACT_NOT 2	   /* there was another one, or one without an exact value */
#define EXACT_SKETCH 4 /* there was a sketch */

STREAMBATCH_FUNCTION(streambatch_exact_add);
STREAMBATCH_FUNCTION(streambatch_exact_end);
STREAMBATCH_FUNCTION(streambatch_holds_all);

Datum
streambatch_exact_add(PG_FUNCTION_ARGS)
{
	int32 state = PG_GETARG_INT32(0);

	if ((state & EXACT_ROW) || PG_ARGISNULL(1))
		state |= EXACT_NOT;
	if (!PG_ARGISNULL(2))
		state |= EXACT_SKETCH;
	PG_RETURN_INT32(state | EXACT_ROW);
}

Datum
streambatch_exact_end(PG_FUNCTION_ARGS)
{
	int32 state = PG_GETARG_INT32(0);

	PG_RETURN_BOOL((state & EXACT_NOT) == 0 || (state & EXACT_SKETCH) == 0);
}

Datum
streambatch_holds_all(PG_FUNCTION_ARGS)
{
	Sketches *s = sketch_functions(fcinfo->flinfo, 0, -1);

	if (s->kind->hashed)
		PG_RETURN_BOOL(sketch_hll_is_list(PG_GETARG_DATUM(0)));
	PG_RETURN_BOOL(s->bytes && value_list_is(PG_GETARG_DATUM(0)));
}

/*
 * drift_value.h
 *		Comparing two values of a column, and writing values as JSON.
 */
#ifndef STREAMBATCH_DRIFT_VALUE_H
#define STREAMBATCH_DRIFT_VALUE_H

#include "lib/stringinfo.h"
#include "utils/typcache.h"

typedef struct DriftType
{
	Oid type;
	Oid collation;
	Oid base;			   /* of a domain */
	TypeCacheEntry *cache; /* with functions to compare values */
	FmgrInfo output;
} DriftType;

extern void drift_type_init(DriftType *t, Oid type, Oid collation);

/* Whether values of the type have a relative difference. */
extern bool drift_type_is_number(const DriftType *t);

/*
 * Whether two values differ; floating-point numbers, by more than a tolerance. relative: of numbers, the difference by the
 * new value, or by the old one if that is 0; -1: it has none.
 */
extern bool drift_differs(const DriftType *before, Datum old_value, bool old_isnull, const DriftType *after,
						  Datum new_value, bool new_isnull, double *relative);

/* The order of two values, NULL last, as ORDER BY has it. */
extern int drift_compare(const DriftType *t, Datum a, bool a_isnull, Datum b, bool b_isnull);

/* Append a value as JSON: numbers and booleans as they are, others as text, of limited length. */
extern void drift_append_value(StringInfo buf, DriftType *t, Datum value, bool isnull);

#endif /* STREAMBATCH_DRIFT_VALUE_H */

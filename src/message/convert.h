/*
 * convert.h
 *		Conversion of JSON values to Datums of a column's type.
 */
#ifndef STREAMBATCH_CONVERT_H
#define STREAMBATCH_CONVERT_H

#include "message/json.h"
#include "message/layout.h"

typedef struct Converter Converter;

/*
 * Create a converter to a type, in the current context. The layout, which must outlive it, defines how numbers
 * and timestamps are read (time_unit, time_zone); unit, if not UNIT_NONE, replaces its time_unit. Raises an error
 * if the type has no input function.
 */
extern Converter *converter_create(const MessageLayout *layout, Oid type, int32 typmod, TimeUnit unit);

/*
 * Convert a cell; *isnull is set if it is missing or null. By-reference values are allocated in the current
 * context. Raises an error if the cell cannot be converted: SQLSTATE class 22, or 23 for a domain constraint.
 */
extern Datum converter_apply(Converter *converter, const JsonCell *cell, bool *isnull);

#endif /* STREAMBATCH_CONVERT_H */

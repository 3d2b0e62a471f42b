/*
 * convert.h
 *		JSON values into Datums of a column's type.
 */
#ifndef STREAMBATCH_CONVERT_H
#define STREAMBATCH_CONVERT_H

#include "message/json.h"
#include "message/layout.h"

typedef struct Converter Converter;

/*
 * A converter into a type, in the current context. The layout, which must outlive it, says how numbers and
 * clocks are read (time_unit, time_zone). Raises where the type has no input function.
 */
extern Converter *converter_create(const MessageLayout *layout, Oid type, int32 typmod);

/*
 * The value of a cell; *isnull where it is missing or null. By-reference values are allocated in the current
 * context. Raises where the cell does not fit the type: SQLSTATE class 22, or 23 where a domain refuses it.
 */
extern Datum converter_apply(Converter *converter, const JsonCell *cell, bool *isnull);

#endif /* STREAMBATCH_CONVERT_H */

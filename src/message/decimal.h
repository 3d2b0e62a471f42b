/*
 * decimal.h
 *		Fast conversion of numbers in common spellings, with exactly the result of the type's input function.
 *		Other spellings are left to that function.
 */
#ifndef STREAMBATCH_DECIMAL_H
#define STREAMBATCH_DECIMAL_H

/* (-1)^negative * mantissa * 10^exponent */
typedef struct Decimal
{
	bool negative;
	uint64 mantissa; /* up to 19 digits */
	int exponent;
	int fraction;	 /* digits after the point, as spelled */
	bool scientific; /* spelled with an exponent */
} Decimal;

/* Result of a conversion to an integer. */
typedef enum DecimalWhole
{
	DECIMAL_WHOLE,
	DECIMAL_FRACTION, /* the fractional part is not zero */
	DECIMAL_RANGE	  /* it does not fit in 64 bits */
} DecimalWhole;

/* False if the text is not a JSON number or has more than 19 digits. */
extern bool decimal_parse(const char *text, size_t len, Decimal *decimal);

/* Convert to an integer if the result is exact. */
extern DecimalWhole decimal_to_int64(const Decimal *decimal, int64 *value);

/* The nearest double or float; false if it cannot be computed with exact arithmetic in the type. */
extern bool decimal_to_float8(const Decimal *decimal, float8 *value);
extern bool decimal_to_float4(const Decimal *decimal, float4 *value);

/*
 * The numeric that numeric_in returns for this typmod, in the current context; false if that requires rounding,
 * may overflow, or the number has an exponent.
 */
extern bool decimal_to_numeric(const Decimal *decimal, int32 typmod, Datum *value);

/*
 * The number times 10^shift, rounded to the nearest integer (half away from zero). False if it does not
 * fit in 64 bits. For epoch numbers in any unit.
 */
extern bool decimal_scaled(const Decimal *decimal, int shift, int64 *value);

#endif /* STREAMBATCH_DECIMAL_H */

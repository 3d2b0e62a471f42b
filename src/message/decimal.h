/*
 * decimal.h
 *		Numbers from their spelling, fast: what is plain is taken here, with the result of the type's input function to the last bit; what
 *		is not is left to that function.
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

/* What came of asking for a whole number. */
typedef enum DecimalWhole
{
	DECIMAL_WHOLE,
	DECIMAL_FRACTION, /* it has a fractional part that is not zero */
	DECIMAL_RANGE	  /* it does not fit in 64 bits */
} DecimalWhole;

/* False where the text is no JSON number or has more than 19 digits. */
extern bool decimal_parse(const char *text, size_t len, Decimal *decimal);

/* The value as an integer, if that loses nothing. */
extern DecimalWhole decimal_to_int64(const Decimal *decimal, int64 *value);

/* The nearest double or float, or false where that takes more than exact arithmetic in the type. */
extern bool decimal_to_float8(const Decimal *decimal, float8 *value);
extern bool decimal_to_float4(const Decimal *decimal, float4 *value);

/*
 * The numeric as numeric_in makes it for this typmod, in the current context, or false where it is not simply
 * the digits as they stand.
 */
extern bool decimal_to_numeric(const Decimal *decimal, int32 typmod, Datum *value);

/*
 * The number times 10^shift, rounded to the nearest integer (half away from zero). False where it does not
 * fit. For epoch numbers in any unit.
 */
extern bool decimal_scaled(const Decimal *decimal, int shift, int64 *value);

#endif /* STREAMBATCH_DECIMAL_H */

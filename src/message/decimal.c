/*
 * decimal.c
 *		Conversion of numbers in common spellings (see decimal.h).
 *
 * Floats: if the mantissa and the power of ten are both exact in the type, one multiplication or division rounds
 * once, so the result is correctly rounded, as that of strtod (Clinger, "How to read floating point numbers
 * accurately", 1990).
 */
#include "postgres.h"

#include <float.h>

#include "message/decimal.h"
#include "utils/numeric.h"

#define MAX_DIGITS 19 /* so that the mantissa fits in 64 bits */
#define MAX_POWER 18

static const int64 powers[] = {INT64CONST(1),
							   INT64CONST(10),
							   INT64CONST(100),
							   INT64CONST(1000),
							   INT64CONST(10000),
							   INT64CONST(100000),
							   INT64CONST(1000000),
							   INT64CONST(10000000),
							   INT64CONST(100000000),
							   INT64CONST(1000000000),
							   INT64CONST(10000000000),
							   INT64CONST(100000000000),
							   INT64CONST(1000000000000),
							   INT64CONST(10000000000000),
							   INT64CONST(100000000000000),
							   INT64CONST(1000000000000000),
							   INT64CONST(10000000000000000),
							   INT64CONST(100000000000000000),
							   INT64CONST(1000000000000000000)};

static const double float8_powers[] = {1e0,	 1e1,  1e2,	 1e3,  1e4,	 1e5,  1e6,	 1e7,  1e8,	 1e9,  1e10, 1e11,
									   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static const float float4_powers[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f};

static const char *parse_exponent(const char *s, const char *end, int *exponent);

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') < 10;
}

bool
decimal_parse(const char *text, size_t len, Decimal *decimal)
{
	const char *s = text;
	const char *end = text + len;
	const char *digits;
	uint64 mantissa = 0;
	int ndigits;
	int exponent = 0;

	decimal->negative = s < end && *s == '-';
	if (decimal->negative)
		s++;
	digits = s;
	for (; s < end && is_digit(*s) && s - digits <= MAX_DIGITS; s++)
		mantissa = mantissa * 10 + (*s - '0');
	ndigits = s - digits;
	if (ndigits == 0 || (digits[0] == '0' && ndigits > 1))
		return false;
	decimal->fraction = 0;
	if (s < end && *s == '.')
	{
		const char *point = s++;

		for (; s < end && is_digit(*s) && ndigits <= MAX_DIGITS; s++, ndigits++)
			mantissa = mantissa * 10 + (*s - '0');
		decimal->fraction = s - point - 1;
		if (decimal->fraction == 0)
			return false;
	}
	if (ndigits > MAX_DIGITS)
		return false;
	decimal->scientific = s < end && (*s == 'e' || *s == 'E');
	if (decimal->scientific)
		s = parse_exponent(s + 1, end, &exponent);
	if (s != end)
		return false;
	decimal->mantissa = mantissa;
	decimal->exponent = exponent - decimal->fraction;
	return true;
}

DecimalWhole
decimal_to_int64(const Decimal *decimal, int64 *value)
{
	uint64 mantissa = decimal->mantissa;
	int exponent = decimal->exponent;

	if (mantissa == 0)
		exponent = 0;
	for (; exponent < 0; exponent++, mantissa /= 10)
		if (mantissa % 10 != 0)
			return DECIMAL_FRACTION;
	for (; exponent > 0; exponent--, mantissa *= 10)
		if (mantissa > PG_INT64_MAX / 10)
			return DECIMAL_RANGE;
	if (mantissa > (uint64) PG_INT64_MAX + decimal->negative)
		return DECIMAL_RANGE;
	*value = (int64) (decimal->negative ? -mantissa : mantissa);
	return DECIMAL_WHOLE;
}

bool
decimal_to_float8(const Decimal *decimal, float8 *value)
{
	float8 result = (float8) decimal->mantissa;
	int exponent = decimal->exponent;

#if FLT_EVAL_METHOD != 0
	return false; /* x87 rounds twice */
#endif
	if (decimal->mantissa > UINT64CONST(1) << 53 || exponent > 22 || exponent < -22)
		return false;
	result = exponent < 0 ? result / float8_powers[-exponent] : result * float8_powers[exponent];
	*value = decimal->negative ? -result : result;
	return true;
}

bool
decimal_to_float4(const Decimal *decimal, float4 *value)
{
	float4 result = (float4) decimal->mantissa;
	int exponent = decimal->exponent;

#if FLT_EVAL_METHOD != 0
	return false;
#endif
	if (decimal->mantissa > UINT64CONST(1) << 24 || exponent > 10 || exponent < -10)
		return false;
	result = exponent < 0 ? result / float4_powers[-exponent] : result * float4_powers[exponent];
	*value = decimal->negative ? -result : result;
	return true;
}

bool
decimal_to_numeric(const Decimal *decimal, int32 typmod, Datum *value)
{
	int64 digits = (int64) decimal->mantissa;
	int scale = decimal->fraction;

	if (decimal->scientific || decimal->mantissa > PG_INT64_MAX)
		return false;
	if (typmod >= (int32) VARHDRSZ)
	{
		/* as packed by numeric.c; a negative scale (since 15) has its sign bit set, so it is too large here */
		int precision = ((typmod - VARHDRSZ) >> 16) & 0xffff;
		int wanted = (typmod - VARHDRSZ) & 0x7ff;

		/* no rounding, and it must fit after padding with zeros */
		if (wanted > MAX_POWER || scale > wanted || digits > PG_INT64_MAX / 10 / powers[wanted - scale])
			return false;
		digits *= powers[wanted - scale];
		scale = wanted;
		if (precision <= MAX_POWER && digits >= powers[precision])
			return false;
	}
	if (decimal->negative)
		digits = -digits;
	*value =
		NumericGetDatum(scale == 0 ? int64_to_numeric(digits) : int64_div_fast_to_numeric(digits, scale));
	return true;
}

bool
decimal_scaled(const Decimal *decimal, int shift, int64 *value)
{
	uint64 mantissa = decimal->mantissa;
	int exponent = decimal->exponent + shift;
	uint64 unit;
	uint64 rest;

	for (; exponent > 0 && mantissa > 0; exponent--, mantissa *= 10)
		if (mantissa > PG_INT64_MAX / 10)
			return false;
	for (; exponent < -MAX_POWER && mantissa > 0; exponent++)
		mantissa /= 10;
	if (mantissa > 0)
	{
		unit = powers[-exponent];
		rest = mantissa % unit;
		mantissa /= unit;
		if (rest >= unit - rest)
			mantissa++;
	}
	if (mantissa > PG_INT64_MAX)
		return false;
	*value = decimal->negative ? -(int64) mantissa : (int64) mantissa;
	return true;
}

/* Parse what follows the e. NULL if it is not an exponent of up to 6 digits. */
static const char *
parse_exponent(const char *s, const char *end, int *exponent)
{
	bool negative = s < end && *s == '-';
	const char *digits;
	int value = 0;

	if (s < end && (*s == '-' || *s == '+'))
		s++;
	for (digits = s; s < end && is_digit(*s) && s - digits < 6; s++)
		value = value * 10 + (*s - '0');
	*exponent = negative ? -value : value;
	return s > digits ? s : NULL;
}

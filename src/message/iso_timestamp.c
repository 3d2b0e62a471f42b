/*
 * iso_timestamp.c
 *		Conversion of ISO 8601 timestamps and epoch numbers (see iso_timestamp.h).
 *
 * Only spellings that are unambiguous for timestamptz_in are accepted: the year first, with four digits, so that
 * DateStyle does not matter, and the time zone as an offset or omitted. Leap seconds, 24:00:00, years beyond 9999
 * and names of time zones are left to the input function.
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "message/iso_timestamp.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/* Date and time fields, and the time zone if the text contains one. */
typedef struct IsoTime
{
	int year;
	int month;
	int day;
	int hour;
	int minute;
	int second;
	int64 fraction; /* microseconds; one second if rounded up */
	bool has_zone;
	int east; /* offset from UTC, seconds */
} IsoTime;

#define EPOCH_MICROSECONDS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

static bool parse(const char *text, size_t len, IsoTime *iso);
static bool parse_date(const char *s, IsoTime *iso);
static inline int two_digits(const char *s);
static inline bool is_digit(char c);
static const char *parse_fraction(const char *s, const char *end, int64 *fraction);
static bool parse_zone(const char *s, const char *end, IsoTime *iso);
static Timestamp iso_local(const IsoTime *iso);

bool
iso_timestamp_timestamptz(const char *text, size_t len, pg_tz *zone, TimestampTz *value)
{
	IsoTime iso;
	struct pg_tm tm;
	long east;

	if (!parse(text, len, &iso))
		return false;
	if (!iso.has_zone && pg_get_timezone_offset(zone, &east))
		iso.east = east;
	else if (!iso.has_zone)
	{
		memset(&tm, 0, sizeof(tm));
		tm.tm_year = iso.year;
		tm.tm_mon = iso.month;
		tm.tm_mday = iso.day;
		tm.tm_hour = iso.hour;
		tm.tm_min = iso.minute;
		tm.tm_sec = iso.second;
		iso.east = -DetermineTimeZoneOffset(&tm, zone);
	}
	*value = iso_local(&iso) - iso.east * USECS_PER_SEC;
	return true;
}

bool
iso_timestamp_timestamp(const char *text, size_t len, Timestamp *value)
{
	IsoTime iso;

	if (!parse(text, len, &iso))
		return false;
	*value = iso_local(&iso);
	return true;
}

bool
iso_timestamp_date(const char *text, size_t len, DateADT *value)
{
	IsoTime iso;

	if (len != 10 || !parse_date(text, &iso))
		return false;
	*value = date2j(iso.year, iso.month, iso.day) - POSTGRES_EPOCH_JDATE;
	return true;
}

bool
iso_timestamp_from_epoch(int64 microseconds, TimestampTz *value)
{
	return !pg_sub_s64_overflow(microseconds, EPOCH_MICROSECONDS, value) && IS_VALID_TIMESTAMP(*value);
}

bool
iso_timestamp_local(TimestampTz instant, pg_tz *zone, Timestamp *value)
{
	struct pg_tm tm;
	fsec_t fsec;
	int tz;

	return timestamp2tm(instant, &tz, &tm, &fsec, NULL, zone) == 0 &&
		   tm2timestamp(&tm, fsec, NULL, value) == 0;
}

static bool
parse(const char *text, size_t len, IsoTime *iso)
{
	const char *end = text + len;
	const char *s = text + 19;

	if (len < 19 || len > 48 || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':' ||
		!parse_date(text, iso))
		return false;
	iso->hour = two_digits(text + 11);
	iso->minute = two_digits(text + 14);
	iso->second = two_digits(text + 17);
	if (iso->hour > 23 || iso->minute > 59 || iso->second > 59)
		return false;
	iso->fraction = 0;
	if (s < end && *s == '.')
	{
		s = parse_fraction(s + 1, end, &iso->fraction);
		if (s == NULL)
			return false;
	}
	return parse_zone(s, end, iso);
}

/* Parse YYYY-MM-DD, ten characters. */
static bool
parse_date(const char *s, IsoTime *iso)
{
	int century = two_digits(s);
	int year = two_digits(s + 2);

	iso->month = two_digits(s + 5);
	iso->day = two_digits(s + 8);
	if (s[4] != '-' || s[7] != '-' || century > 99 || year > 99)
		return false;
	iso->year = century * 100 + year;
	return iso->year > 0 && iso->month >= 1 && iso->month <= MONTHS_PER_YEAR && iso->day >= 1 &&
		   iso->day <= day_tab[isleap(iso->year)][iso->month - 1];
}

/* The value of two digits, or 100 if they are not digits. */
static inline int
two_digits(const char *s)
{
	return is_digit(s[0]) && is_digit(s[1]) ? (s[0] - '0') * 10 + (s[1] - '0') : 100;
}

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') < 10;
}

/*
 * Parse the digits after the decimal point. PostgreSQL computes rint(strtod(".digits") * 1000000); with up to 15
 * digits, the division here has exactly the result of strtod.
 */
static const char *
parse_fraction(const char *s, const char *end, int64 *fraction)
{
	const char *digits = s;
	int64 value = 0;
	int64 unit = 1;

	for (; s < end && is_digit(*s) && s - digits < 15; s++)
	{
		value = value * 10 + (*s - '0');
		unit *= 10;
	}
	if (s == digits || (s < end && is_digit(*s)))
		return NULL;
	*fraction = s - digits <= 6 ? value * (USECS_PER_SEC / unit)
								: (int64) rint((double) value / (double) unit * 1000000);
	return s;
}

/* Parse the rest of the text: nothing, Z, or an offset from UTC. */
static bool
parse_zone(const char *s, const char *end, IsoTime *iso)
{
	size_t len = end - s;
	int hours;
	int minutes = 0;

	iso->has_zone = len > 0;
	iso->east = 0;
	if (len == 0 || (len == 1 && *s == 'Z'))
		return true;
	if ((*s != '+' && *s != '-') || (len != 3 && len != 5 && len != 6) || (len == 6 && s[3] != ':'))
		return false;
	hours = two_digits(s + 1);
	if (len > 3)
		minutes = two_digits(end - 2);
	if (hours > MAX_TZDISP_HOUR || minutes >= MINS_PER_HOUR)
		return false;
	iso->east = (hours * MINS_PER_HOUR + minutes) * SECS_PER_MINUTE;
	if (*s == '-')
		iso->east = -iso->east;
	return true;
}

static Timestamp
iso_local(const IsoTime *iso)
{
	int64 days = date2j(iso->year, iso->month, iso->day) - POSTGRES_EPOCH_JDATE;

	return days * USECS_PER_DAY +
		   ((iso->hour * MINS_PER_HOUR + iso->minute) * SECS_PER_MINUTE + iso->second) * USECS_PER_SEC +
		   iso->fraction;
}

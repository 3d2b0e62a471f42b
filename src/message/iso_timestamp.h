/*
 * iso_timestamp.h
 *		Fast conversion of timestamps and dates in common ISO 8601 spellings, with exactly the result of the
 *		types' input functions, and of epoch numbers.
 */
#ifndef STREAMBATCH_ISO_TIMESTAMP_H
#define STREAMBATCH_ISO_TIMESTAMP_H

#include "datatype/timestamp.h"
#include "pgtime.h"
#include "utils/date.h"

/*
 * Convert YYYY-MM-DD, a T or a space, hh:mm:ss, optionally a fraction of 1 to 15 digits, and Z, ±hh, ±hhmm, ±hh:mm
 * or nothing, in which case the time is in zone. False for any other format and for invalid dates and times, which
 * are left to the input function and its errors.
 */
extern bool iso_timestamp_timestamptz(const char *text, size_t len, pg_tz *zone, TimestampTz *value);

/* The same for timestamp without time zone; a zone in the text is ignored, as in timestamp_in. */
extern bool iso_timestamp_timestamp(const char *text, size_t len, Timestamp *value);

/* Convert YYYY-MM-DD. */
extern bool iso_timestamp_date(const char *text, size_t len, DateADT *value);

/* Convert microseconds since 1970-01-01 UTC. False if out of range. */
extern bool iso_timestamp_from_epoch(int64 microseconds, TimestampTz *value);

/* Convert to local time in zone. False if out of range. */
extern bool iso_timestamp_local(TimestampTz instant, pg_tz *zone, Timestamp *value);

#endif /* STREAMBATCH_ISO_TIMESTAMP_H */

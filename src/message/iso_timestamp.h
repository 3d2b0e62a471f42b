/*
 * iso_timestamp.h
 *		Timestamps and dates from their usual ISO 8601 spellings, fast, with the very result of the types' input functions; and from
 *		epoch numbers.
 */
#ifndef STREAMBATCH_ISO_TIMESTAMP_H
#define STREAMBATCH_ISO_TIMESTAMP_H

#include "datatype/timestamp.h"
#include "pgtime.h"
#include "utils/date.h"

/*
 * YYYY-MM-DD, a T or a space, hh:mm:ss, a fraction of 1 to 15 digits or none, and Z, ±hh, ±hhmm, ±hh:mm or
 * nothing, where the clock of zone counts. False: anything else, and what is no date or time; the input
 * function knows what to say about it.
 */
extern bool iso_timestamp_timestamptz(const char *text, size_t len, pg_tz *zone, TimestampTz *value);

/* The same for the type without zone, which ignores a zone in the text as timestamp_in does. */
extern bool iso_timestamp_timestamp(const char *text, size_t len, Timestamp *value);

/* YYYY-MM-DD alone. */
extern bool iso_timestamp_date(const char *text, size_t len, DateADT *value);

/* The instant so many microseconds after 1970 began in UTC. False: beyond the type. */
extern bool iso_timestamp_from_epoch(int64 microseconds, TimestampTz *value);

/* What the clock of zone shows at an instant. False: beyond the type. */
extern bool iso_timestamp_local(TimestampTz instant, pg_tz *zone, Timestamp *value);

#endif /* STREAMBATCH_ISO_TIMESTAMP_H */

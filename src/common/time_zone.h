/*
 * time_zone.h
 *		Time zones by the names that AT TIME ZONE takes.
 */
#ifndef STREAMBATCH_TIME_ZONE_H
#define STREAMBATCH_TIME_ZONE_H

#include "pgtime.h"
#include "utils/datetime.h"

/* Can be copied: the zone lives as long as the backend. */
typedef struct TimeZone
{
	pg_tz *zone;
	/* not empty: an abbreviation whose offset is the one that it had in the zone at the time in question */
	char abbreviation[TOKMAXLEN + 1];
} TimeZone;

/*
 * Find the time zone of a name: an abbreviation, a full name or a POSIX specification, in this order. A colon before
 * the name, as in POSIX's TZ, leaves out abbreviations. False if there is none.
 */
extern bool time_zone_find(const char *name, TimeZone *result);

/* The same. Raises invalid_parameter_value if there is none. */
extern void time_zone_get(const char *name, TimeZone *result);

/*
 * A name of the zone that has this meaning whatever the session's settings; NULL for an abbreviation whose offset
 * has changed.
 */
extern const char *time_zone_name(const TimeZone *zone);

/* What hints say of names. */
#define TIME_ZONE_HINT                                                                                       \
	"Use a name from the view pg_timezone_names, for example 'Europe/Berlin', or an abbreviation from "      \
	"pg_timezone_abbrevs."

#endif /* STREAMBATCH_TIME_ZONE_H */

/*
 * time_zone.c
 *		Time zones by name (see time_zone.h).
 *
 * AT TIME ZONE takes 'CET' for an abbreviation, which is always an hour ahead of UTC, although there is a zone of
 * this name too, whose clock is set forward in summer. Abbreviations are those of the setting
 * timezone_abbreviations, from PostgreSQL 18 on also those of the session's time zone.
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/time_zone.h"
#include "parser/scansup.h"

static bool find_abbreviation(const char *name, TimeZone *result);

bool
time_zone_find(const char *name, TimeZone *result)
{
	if (strlen(name) > TZ_STRLEN_MAX)
		return false;
	if (find_abbreviation(name, result))
		return true;
	result->abbreviation[0] = '\0';
	result->zone = pg_tzset(name[0] == ':' ? name + 1 : name);
	return result->zone != NULL && pg_tz_acceptable(result->zone);
}

void
time_zone_get(const char *name, TimeZone *result)
{
	if (!time_zone_find(name, result))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("time zone \"%s\" not recognized", name), errhint(TIME_ZONE_HINT)));
}

const char *
time_zone_name(const TimeZone *zone)
{
	const char *name = pg_get_timezone_name(zone->zone);
	TimeZone other;
	long int offset;

	if (zone->abbreviation[0] != '\0')
		return NULL;
	if (pg_get_timezone_offset(zone->zone, &offset) && offset == 0)
		return "UTC";
	return find_abbreviation(name, &other) ? psprintf(":%s", name) : name;
}

static bool
find_abbreviation(const char *name, TimeZone *result)
{
	char *token = downcase_truncate_identifier(name, strlen(name), false);
	pg_tz *zone = NULL;
	int east = 0;
	int kind;

	compat_decode_timezone_abbreviation(token, kind, &east, &zone);
	pfree(token);
	if (kind != TZ && kind != DTZ && kind != DYNTZ)
		return false;
	/* pg_tzset_offset() counts west of Greenwich */
	result->zone = kind == DYNTZ ? zone : pg_tzset_offset(-east);
	result->abbreviation[0] = '\0';
	if (kind == DYNTZ)
	{
		/* as the zone's own data spell it */
		strlcpy(result->abbreviation, name, sizeof(result->abbreviation));
		for (char *c = result->abbreviation; *c != '\0'; c++)
			*c = pg_toupper((unsigned char) *c);
	}
	return result->zone != NULL;
}

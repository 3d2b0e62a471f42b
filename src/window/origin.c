/*
 * origin.c
 *		The type streambatch._origin (see origin.h).
 *
 * In tumble(ts, '1 day', 'Europe/Berlin') the last argument is the origin, and PostgreSQL would only say that it is no
 * timestamp. For a literal of unknown type it prefers a function that takes a string there, that is, a type of the
 * category of strings. This is one, whose input function says what to write instead. A literal that is an origin is
 * read when the query is parsed, as a timestamp of any type is, and not again later under other settings.
 *
 * What type the window has is not known to the input function, so a value is the literal both as an instant and as a
 * reading of a clock.
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "common/export.h"
#include "common/time_zone.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "window/origin.h"

typedef struct Origin
{
	TimestampTz instant;
	Timestamp reading;
} Origin;

STREAMBATCH_FUNCTION(streambatch_origin_in);
STREAMBATCH_FUNCTION(streambatch_origin_out);

Datum
origin_datum(Datum origin, Oid type)
{
	const Origin *o = (const Origin *) DatumGetPointer(origin);

	if (type == TIMESTAMPTZOID)
		return TimestampTzGetDatum(o->instant);
	if (type == TIMESTAMPOID)
		return TimestampGetDatum(o->reading);
	return DirectFunctionCall1(timestamp_date, TimestampGetDatum(o->reading));
}

Datum
streambatch_origin_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	Datum none = ObjectIdGetDatum(InvalidOid);
	Origin *origin = palloc(sizeof(Origin));
	TimeZone zone;

	/* a number can be a POSIX specification; timestamps that begin otherwise are no names of zones */
	if (!isdigit((unsigned char) text[0]) && time_zone_find(text, &zone))
		ereport(ERROR, (errcode(ERRCODE_INVALID_DATETIME_FORMAT),
						errmsg("the origin of a window must be a timestamp, but \"%s\" is a time zone", text),
						errhint("Name the argument: time_zone => %s.", quote_literal_cstr(text))));
	origin->instant = DatumGetTimestampTz(
		DirectFunctionCall3(timestamptz_in, CStringGetDatum(text), none, Int32GetDatum(-1)));
	origin->reading =
		DatumGetTimestamp(DirectFunctionCall3(timestamp_in, CStringGetDatum(text), none, Int32GetDatum(-1)));
	PG_RETURN_POINTER(origin);
}

/* The reading, with the offset that makes it the instant: timestamp_in ignores it. */
Datum
streambatch_origin_out(PG_FUNCTION_ARGS)
{
	const Origin *origin = (const Origin *) PG_GETARG_POINTER(0);
	char buf[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t fsec;

	if (TIMESTAMP_NOT_FINITE(origin->reading))
		EncodeSpecialTimestamp(origin->reading, buf);
	else if (timestamp2tm(origin->reading, NULL, &tm, &fsec, NULL, NULL) == 0)
	{
		/* known: otherwise no offset is written */
		tm.tm_isdst = 0;
		EncodeDateTime(&tm, fsec, true, (int) ((origin->instant - origin->reading) / USECS_PER_SEC), NULL,
					   USE_ISO_DATES, buf);
	}
	else
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	PG_RETURN_CSTRING(pstrdup(buf));
}

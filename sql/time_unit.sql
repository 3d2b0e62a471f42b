-- Numbers and numeric strings as times: the time_unit of the stream, and that of a column; byte order marks. No broker is asked.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SERVER time_unit_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
CREATE SCHEMA time_unit;
SET search_path = time_unit;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE DOMAIN moment AS timestamptz;

CREATE FOREIGN TABLE in_ms (
	ts timestamptz, local timestamp, d date, many timestamptz[],
	s timestamptz OPTIONS (time_unit 's'), us timestamp OPTIONS (time_unit 'us'), ns moment OPTIONS (time_unit 'ns'),
	d_s date OPTIONS (time_unit 's'), many_s date[] OPTIONS (time_unit 's'), t0 timestamptz(0)
) SERVER time_unit_kafka OPTIONS (topic 't', time_unit 'ms', time_zone 'America/New_York');
CREATE FOREIGN TABLE no_unit (ts timestamptz, d date, s timestamptz OPTIONS (time_unit 's'), text text)
	SERVER time_unit_kafka OPTIONS (topic 't');

-- the column of that name after a payload with this value for it, or the error
CREATE FUNCTION try(stream text, col text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT (streambatch.decode(NULL::%I, $1)).%I::text', stream, col) INTO result
	USING convert_to(format('{"%s": %s}', col, value), 'UTF8');
	RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
	RETURN format('%s: %s', SQLSTATE, SQLERRM);
END $$;

-- a string of digits is the number that it spells: 1735689600 s is 2025-01-01 00:00 UTC
SELECT col, value, try('in_ms', col, value) AS number, try('in_ms', col, '"' || value || '"') AS string
  FROM (VALUES
	('ts', '1735689600000'), ('ts', '1735689600123.4567'), ('ts', '-1'), ('ts', '0'), ('ts', '20250101'), ('ts', '9223372036854775808'), ('ts', '99999999999999999999999'),
	('t0', '1735689600500'), ('local', '1735689600000'), ('d', '1735689600000'), ('d', '1735707600000'), ('d', '-1'),
	('s', '1735689600'), ('us', '1735689600000001'), ('ns', '1735689600000001499'), ('d_s', '1735689600'), ('d_s', '86400'), ('d_s', '99999999'),
	('many', '1')) v (col, value);
-- eight digits are a date in a column of dates that has no unit of its own
SELECT try('in_ms', 'd', '"20250101"') AS compact, try('in_ms', 'd', '"-20250101"') AS negative, try('in_ms', 'd', '"2025010.1"') AS fraction, try('in_ms', 'd_s', '"20250101"') AS own;
-- elements of arrays likewise
SELECT try('in_ms', 'many', '[1735689600000, "1735689600000", "2025-01-01T00:00:00Z", null]') AS many,
       try('in_ms', 'many_s', '["1735689600", 1735776000, "2025-01-03"]') AS many_s;
-- text with anything else in it is what it was
SELECT value, try('in_ms', 'ts', value) FROM (VALUES
	('"2025-01-01T00:00:00Z"'), ('"2025-01-01"'), ('"20250101T000000"'), ('"20250101 000000"'), ('"infinity"'), ('""'), ('"."'), ('"1."'), ('".5"'), ('"-"'), ('"1.2.3"'), ('"1e3"'), ('"+1"'), ('" 1"'), ('"0x10"'),
	('1e12'), ('true')) v (value);
-- without a unit numbers are refused as before, and a string is a literal of the type
SELECT col, value, try('no_unit', col, value) FROM (VALUES ('ts', '1735689600'), ('ts', '"20250101"'), ('ts', '"1735689600"'), ('d', '20250101'), ('d', '"20250101"'), ('s', '"1735689600"'), ('s', '1735689600')) v (col, value);

-- ---- the option ----
CREATE FOREIGN TABLE bad (a timestamptz OPTIONS (time_unit 'min')) SERVER time_unit_kafka OPTIONS (topic 't');
CREATE FOREIGN TABLE bad (a timestamptz OPTIONS (time_unit 's', metadata 'timestamp')) SERVER time_unit_kafka OPTIONS (topic 't');
CREATE SERVER bad FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" 'localhost:1', time_unit 's');
CREATE FOREIGN TABLE bad (a int OPTIONS (time_unit 's')) SERVER time_unit_kafka OPTIONS (topic 't');
SELECT * FROM bad;
ALTER FOREIGN TABLE bad ALTER COLUMN a OPTIONS (DROP time_unit);
SELECT streambatch.decode(NULL::bad, '{"a": 1}');
ALTER FOREIGN TABLE no_unit ALTER COLUMN ts OPTIONS (ADD time_unit 's');
SELECT try('no_unit', 'ts', '"1735689600"');
ALTER FOREIGN TABLE no_unit ALTER COLUMN ts OPTIONS (SET time_unit 'ms');
SELECT try('no_unit', 'ts', '"1735689600"');

-- ---- a byte order mark before the document ----
CREATE FUNCTION marked(payload text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (streambatch.decode(NULL::no_unit, '\xefbbbf'::bytea || convert_to(payload, 'UTF8'))).text;
EXCEPTION WHEN OTHERS THEN
	RETURN format('%s: %s', SQLSTATE, SQLERRM);
END $$;
-- psql pads the mark to a width that depends on its version
SELECT replace(payload, U&'\FEFF', '<mark>') AS payload, replace(marked(payload), U&'\FEFF', '<mark>') AS marked FROM (VALUES ('{"text": "a"}'), (' {"text": "a"}'), ('{"text": "' || U&'\FEFF' || 'a"}'), (''), ('[1]'), ('{"text": x}'), (U&'\FEFF{"text": "a"}'), (' ' || U&'\FEFF{"text": "a"}')) v (payload);
-- the position in an error counts from the beginning of the payload, with or without a mark
SELECT marked('{"text": x}') AS with_mark, try('no_unit', 'text', 'x') AS without;
-- format raw hands out the payload as it is
CREATE FOREIGN TABLE raw (value text) SERVER time_unit_kafka OPTIONS (topic 't', format 'raw');
SELECT length((streambatch.decode(NULL::raw, '\xefbbbf61')).value);

DROP SCHEMA time_unit CASCADE;
DROP SERVER time_unit_kafka;

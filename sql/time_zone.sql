-- Time zones are what AT TIME ZONE takes: in window functions, in views, and in the option of streams.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
RESET client_min_messages;
CREATE SCHEMA time_zone_test;
SET search_path = time_zone_test, streambatch;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';

-- ---- a day begins when the clock shows midnight ----
-- names, POSIX, abbreviations, among them those of zones with another meaning (CET, EST), offsets as in POSIX: hours west
CREATE TABLE zone (name text);
INSERT INTO zone VALUES ('Europe/Berlin'), ('europe/berlin'), ('PST'), ('pdt'), ('CET'), ('CEST'), ('EST'), ('HST'), ('NZDT'), ('Z'), ('UTC'), ('GMT'), ('+02'), ('-02'), ('+02:30'), ('-5'),
    ('<+07>-07'), ('CET-1CEST,M3.5.0,M10.5.0/3'), ('PST8PDT'), ('Etc/GMT-2'), ('MSK'), ('MSD'), ('Asia/Kathmandu'), ('NPT');
SELECT name, count(*) AS tried, count(*) FILTER (WHERE tumble(t, '1 day', NULL, name) AT TIME ZONE name <> date_trunc('day', t AT TIME ZONE name)) AS start,
       count(*) FILTER (WHERE tumble_end(t, '1 day', NULL, name) AT TIME ZONE name <> date_trunc('day', t AT TIME ZONE name) + interval '1 day') AS "end",
       count(*) FILTER (WHERE tumble(t, '1 month', NULL, name) AT TIME ZONE name <> date_trunc('month', t AT TIME ZONE name)) AS month,
       count(*) FILTER (WHERE (SELECT array_agg(h AT TIME ZONE name) FROM hop(t, '12 hours', '1 day', NULL, name) h) <>
           ARRAY[date_bin('12 h', t AT TIME ZONE name, '2000-01-03') - interval '12 h', date_bin('12 h', t AT TIME ZONE name, '2000-01-03')]) AS hop,
       count(*) FILTER (WHERE (SELECT min(e) FROM cumulate_end(t, '12 hours', '1 day', NULL, name) e) AT TIME ZONE name <> date_bin('12 h', t AT TIME ZONE name, '2000-01-03') + interval '12 h') AS cumulate
  FROM zone, unnest('{2010-06-01,2011-03-20,2011-10-25,2014-10-20,2025-03-20,2025-10-20}'::timestamptz[]) first, generate_series(first, first + interval '12 days', '67 min') t
 GROUP BY name ORDER BY name;
-- an abbreviation whose meaning has changed: when it did
SELECT m AS month, extract(hour FROM tumble(m, '1 day', NULL, 'MSK')) AS msk, extract(hour FROM tumble(m, '1 day', NULL, 'Europe/Moscow')) AS moscow,
       extract(hour FROM timezone('MSK', date_trunc('day', timezone('MSK', m)))) AS postgresql FROM unnest('{2010-01-15,2010-07-15,2012-07-15,2015-07-15}'::timestamptz[]) m;
-- hours by instant, from midnight of the origin
SELECT name, tumble('2025-07-14 12:30+00'::timestamptz, '1 hour', NULL, name), tumble('2025-07-14 12:30'::timestamp, '1 hour', NULL, name) AS reading FROM zone WHERE name IN ('PST', '+02:30', 'NPT', 'MSK');
-- a colon before a name: no abbreviation. Some systems install the zone of this name separately; another one stands for it there
SELECT coalesce((SELECT name FROM pg_timezone_names WHERE name = 'CET'), 'Europe/Brussels') AS cet
\gset
SELECT tumble('2025-07-14 12:30+00'::timestamptz, '1 day', NULL, 'CET') AS abbreviation, tumble('2025-07-14 12:30+00'::timestamptz, '1 day', NULL, ':' || :'cet') AS zone;

-- ---- unknown ones ----
CREATE FUNCTION refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || ' ' || hint;
END $$;
SELECT zone, refusal(format('SELECT streambatch.hop(now(), ''1 h'', ''1 day'', time_zone => %L)', zone)) FROM unnest('{Mars/Olympus,XYZ,"",:,:PST,+200,right/UTC,a:b}'::text[]) zone;

-- ---- in streams and views ----
\getenv broker STREAMBATCH_BROKER
CREATE SERVER time_zone_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
SELECT refusal($$CREATE FOREIGN TABLE t (ts timestamptz) SERVER time_zone_kafka OPTIONS (topic 't', time_zone 'Mars/Olympus')$$);
CREATE FUNCTION in_zone(zone text, payload text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE FOREIGN TABLE stream (t timestamptz, n timestamp) SERVER time_zone_kafka OPTIONS (topic ''t'', time_unit ''s'', time_zone %L)', zone);
    RETURN QUERY EXECUTE 'SELECT (streambatch.decode(NULL::stream, convert_to($1, ''UTF8''))).*' USING payload;
    DROP FOREIGN TABLE stream;
END $$;
SELECT name, t, t = '2025-07-14 12:00'::timestamp AT TIME ZONE name AS text, n = to_timestamp(1752494400) AT TIME ZONE name AS number
  FROM zone, in_zone(name, '{"t": "2025-07-14 12:00", "n": 1752494400}') AS f(t timestamptz, n timestamp) ORDER BY 1;
\! test/broker/broker-command create time_zones 1
CREATE FOREIGN TABLE events (ts timestamptz) SERVER time_zone_kafka OPTIONS (topic 'time_zones', event_time 'ts', time_zone 'PST');
SELECT create_view('days', $$SELECT streambatch.tumble(ts, '1 day', time_zone => 'PST') AS day, count(*) FROM events GROUP BY 1$$);
SELECT create_view('halves', $$SELECT streambatch.hop(ts, '12 hours', '1 day', time_zone => 'IST') AS day, count(*) FROM events GROUP BY 1$$);
SELECT create_view('moscow', $$SELECT streambatch.hop(ts, '12 hours', '1 day', time_zone => 'MSK') AS day, count(*) FROM events GROUP BY 1$$);
SELECT create_view('trunc', $$SELECT date_trunc('day', ts, 'CET') AS day, count(*) FROM events GROUP BY 1$$);
SET timezone = :'cet';
SELECT create_view('trunc_of_session', $$SELECT date_trunc('day', ts) AS day, count(*) FROM events GROUP BY 1$$);
SET timezone = 'UTC';
\copy (SELECT 0, NULL, json_build_object('ts', ts), 0 FROM generate_series(timestamp '2025-07-13 12:00', '2025-07-14 12:00', '1 h') ts) TO PROGRAM 'test/broker/produce time_zones'
SELECT wait_for('events');
SELECT * FROM days ORDER BY 1;
SELECT * FROM halves ORDER BY 1;
SELECT * FROM moscow ORDER BY 1;
SELECT * FROM trunc ORDER BY 1;
SELECT * FROM trunc_of_session ORDER BY 1;
SELECT 'ends', closed, count(*), min(day) FROM trunc_of_session_layers GROUP BY closed ORDER BY closed;
-- another meaning of the abbreviation for the reader does not matter
SET timezone_abbreviations = 'India';
SELECT '2025-07-14 12:00'::timestamp AT TIME ZONE 'IST' AS here;
SELECT * FROM halves ORDER BY 1;
RESET timezone_abbreviations;
CALL refresh('halves', "to" => 'infinity');
SELECT * FROM halves ORDER BY 1;
CALL refresh('trunc_of_session', "to" => 'infinity');
SELECT * FROM trunc_of_session ORDER BY 1;
SELECT create_view('mars', $$SELECT streambatch.tumble(ts, '1 day', time_zone => 'Mars/Olympus') AS day, count(*) FROM events GROUP BY 1$$);

SET client_min_messages = error;
DROP SCHEMA time_zone_test CASCADE;
DROP SERVER time_zone_kafka CASCADE;

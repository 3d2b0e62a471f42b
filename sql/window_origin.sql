-- A literal in the place of a window's origin: an origin as before, or a time zone, for which there is a hint.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA window_origin;
SET search_path = window_origin, streambatch;
SET datestyle = 'ISO, DMY';
SET timezone = 'Europe/Berlin';

-- ---- the hint ----
SELECT tumble(now(), '1 day', 'Europe/Berlin');
SELECT tumble_end(current_date, '1 day', 'PST');
SELECT hop(localtimestamp, '1 hour', '1 day', '+02');
SELECT hop_end(now(), '1 hour', '1 day', 'CET-1CEST,M3.5.0,M10.5.0/3');
SELECT cumulate(now(), '1 hour', '1 day', 'UTC'), cumulate_end(now(), '1 hour', '1 day', 'utc');
SELECT tumble(now(), '1 day', 'Mars/Olympus');
SELECT tumble(now(), '1 day', '');
SELECT tumble(now(), '1 day', '2000-02-30');

-- ---- origins ----
SELECT tumble(t, '1 week', NULL) = tumble(t, '1 week') AS none, tumble(t, '1 week', '2000-01-04') = tumble(t, '1 week', '2000-01-04'::timestamptz) AS literal,
       tumble(t, '1 week', origin => '2000-01-04') = tumble(t, '1 week', '2000-01-04') AS named, tumble(t, '1 week', '2000-01-04', 'UTC') = tumble(t, '1 week', '2000-01-04') AS zoned,
       tumble(t, '1 week', '2000-01-04 00:00+05') = tumble(t, '1 week', '2000-01-04 00:00+05'::timestamptz) AS with_offset,
       tumble(t::timestamp, '1 week', '2000-01-04 05:00') = tumble(t::timestamp, '1 week', '2000-01-04 05:00'::timestamp) AS reading,
       tumble(t::date, '1 week', '2000-01-04') = tumble(t::date, '1 week', '2000-01-04'::date) AS date, tumble('2025-02-14 12:00', '1 week', '2000-01-04') = tumble('2025-02-14 12:00'::timestamptz, '1 week', '2000-01-04') AS untyped,
       tumble_end(t, '1 week', 'epoch') = tumble_end(t, '1 week', 'epoch'::timestamptz) AS epoch, tumble(t, NULL, '2000-01-04') IS NULL AS no_size, tumble(NULL::date, '1 day', '2000-01-04') IS NULL AS no_ts
  FROM (SELECT '2025-02-14 12:00+00'::timestamptz AS t) t;
SELECT (SELECT array_agg(h) FROM hop(t, '12 hours', '1 day', '2000-01-04 06:00') h) = (SELECT array_agg(h) FROM hop(t, '12 hours', '1 day', '2000-01-04 06:00'::timestamptz) h) AS hop,
       (SELECT array_agg(h) FROM hop_end(t::timestamp, '12 hours', '1 day', '2000-01-04 06:00') h) = (SELECT array_agg(h) FROM hop_end(t::timestamp, '12 hours', '1 day', '2000-01-04 06:00'::timestamp) h) AS hop_end,
       (SELECT array_agg(h) FROM cumulate(t, '12 hours', '1 day', '2000-01-04 06:00') h) = (SELECT array_agg(h) FROM cumulate(t, '12 hours', '1 day', '2000-01-04 06:00'::timestamptz) h) AS cumulate,
       (SELECT array_agg(h) FROM cumulate_end(t::date, '1 day', '1 week', '2000-01-04') h) = (SELECT array_agg(h) FROM cumulate_end(t::date, '1 day', '1 week', '2000-01-04'::date) h) AS cumulate_end
  FROM (SELECT '2025-02-14 12:00+00'::timestamptz AS t) t;
SELECT tumble(now(), '1 day', 'infinity');
SELECT tumble(current_date, '1 day', '-infinity');
-- read once, as it was written
CREATE VIEW origins AS SELECT o FROM (VALUES ('2000-01-04'), ('2000-01-04 00:00+05'), ('infinity'), ('1800-07-01 12:00:00.25'), ('0044-03-15 BC')) v(l), LATERAL (SELECT l::_origin::text AS o) o;
SELECT o, o = o::_origin::text AS same FROM origins;
CREATE TABLE indexed (t timestamptz, w timestamptz GENERATED ALWAYS AS (streambatch.tumble(t, '1 week', '2000-01-04')) STORED);
INSERT INTO indexed VALUES ('2025-02-14 12:00+00');
CREATE VIEW weeks AS SELECT tumble(t, '1 week', '2000-01-04') FROM indexed;
SET timezone = 'UTC';
SELECT w FROM indexed;
SELECT * FROM weeks;
SELECT substring(pg_get_viewdef('weeks') FROM '''2000.*''::[a-z._]*') AS written;

-- ---- in a hybrid view ----
\getenv broker STREAMBATCH_BROKER
CREATE SERVER window_origin_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
\! test/broker/broker-command create window_origin 1
CREATE FOREIGN TABLE events (ts timestamptz) SERVER window_origin_kafka OPTIONS (topic 'window_origin', event_time 'ts');
SELECT create_view('wrong', $$SELECT streambatch.tumble(ts, '1 day', 'Europe/Berlin') AS w, count(*) FROM events GROUP BY 1$$);
SELECT create_view('no_constant', $$SELECT streambatch.tumble(ts, '1 day', ts::text::streambatch._origin) AS w, count(*) FROM events GROUP BY 1$$);
SELECT create_view('weekly', $$SELECT streambatch.tumble(ts, '1 week', '2000-01-04') AS w, streambatch.tumble_end(ts, '1 week', '2000-01-04') AS e, count(*) FROM events GROUP BY 1, 2$$);
SELECT create_view('half_days', $$SELECT streambatch.hop(ts, '12 hours', '1 day', '2000-01-04 06:00') AS w, streambatch.hop_end(ts, '12 hours', '1 day', '2000-01-04 06:00') AS e, count(*) FROM events GROUP BY 1, 2$$);
SELECT create_view('to_date', $$SELECT streambatch.cumulate_end(ts, '12 hours', '1 day', NULL) AS e, count(*) FROM events GROUP BY 1$$);
\copy (SELECT 0, NULL, json_build_object('ts', ts), 0 FROM generate_series(timestamptz '2025-02-10 00:00+00', '2025-02-12', '5 h') ts) TO PROGRAM 'test/broker/produce window_origin'
SELECT wait_for('events');
CALL refresh('half_days', '2025-02-10 18:00+00', '2025-02-11 06:00+00');
SELECT * FROM weekly ORDER BY 1;
SELECT * FROM half_days ORDER BY 1;
SELECT * FROM half_days WHERE w >= '2025-02-11 06:00+00' ORDER BY 1;
SELECT * FROM to_date ORDER BY 1;

SET client_min_messages = error;
DROP SCHEMA window_origin CASCADE;
DROP SERVER window_origin_kafka CASCADE;

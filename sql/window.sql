-- Tumbling windows by hand: where they start and end, and what no window can be. Nothing here reads a stream.
-- By the calendar of a zone: window_calendar; hop, cumulate and session: window_hop.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
RESET client_min_messages;
CREATE SCHEMA window_test;
SET search_path = window_test, streambatch;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';

-- What an expression raises, in words.
CREATE FUNCTION fails(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    h text; result text;
BEGIN
    EXECUTE 'SELECT (' || expression || ')::text' INTO result;
    RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS h = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN h <> '' THEN ' | ' || h ELSE '' END;
END $$;

-- ---- starts and ends, half open ----
SELECT t AS ts, tumble(t::timestamptz, '10 s') AS start, tumble_end(t::timestamptz, '10 s') AS "end"
  FROM unnest(ARRAY['2025-02-14 12:00:00', '2025-02-14 12:00:09.999999', '2025-02-14 12:00:10', '2025-02-14 12:00:19',
                    '1969-12-31 23:59:59.999999', '1970-01-01', '1960-02-29 23:59:55', '2000-01-03', '2000-01-02 23:59:59.999999',
                    '0001-01-01 00:00:01', '4713-01-01 00:00:15 BC', '294276-12-31 23:59:49']) t;
SELECT s AS size, tumble('2025-02-14 12:34:56.789+00'::timestamptz, s::interval) AS start,
       tumble_end('2025-02-14 12:34:56.789+00'::timestamptz, s::interval) AS "end"
  FROM unnest(ARRAY['1 us', '1 ms', '1 s', '7 s', '1 min', '15 min', '1 h', '5 h', '24 h', '36 h', '1 day', '2 days', '1 week', '2 weeks',
                    '10 days', '1000 days', '1 month', '2 months', '3 months', '1 year', '7 years', '100 years']) s;
-- the fields of an interval that justify to the same length make the same windows
SELECT tumble('2025-02-14 12:34'::timestamptz, '90 min') = tumble('2025-02-14 12:34'::timestamptz, '1 h 30 min') AS same;

-- ---- the default origin: Monday 2000-01-03 ----
SELECT d AS day, to_char(tumble(d::timestamptz, '1 week'), 'Dy YYYY-MM-DD HH24:MI') AS week
  FROM unnest(ARRAY['2000-01-01', '2000-01-02 23:59:59', '2000-01-03', '2000-01-09', '2000-01-10', '2025-02-14', '1999-12-27', '1969-07-20']) d;
SELECT tumble('2000-01-02'::timestamptz, '2 weeks') AS before, tumble('2000-01-16'::timestamptz, '2 weeks') AS in_first,
       tumble('2000-01-17'::timestamptz, '2 weeks') AS in_second;
-- the same as date_bin() with that origin, and as date_trunc() where it has the unit
SELECT count(*) FILTER (WHERE tumble(t, s) <> date_bin(s, t, '2000-01-03')) AS other_than_date_bin,
       count(*) FILTER (WHERE tumble(t, '1 week') <> date_trunc('week', t)) AS other_than_week,
       count(*) FILTER (WHERE tumble(t, '1 day') <> date_trunc('day', t)) AS other_than_day,
       count(*) FILTER (WHERE tumble(t, '1 h') <> date_trunc('hour', t)) AS other_than_hour,
       count(*) FILTER (WHERE NOT (tumble(t, s) <= t AND t < tumble_end(t, s))) AS outside,
       count(*) FILTER (WHERE tumble_end(t, s) - tumble(t, s) <> s) AS of_another_size,
       count(*) FILTER (WHERE tumble(tumble_end(t, s), s) <> tumble_end(t, s)) AS apart,
       count(*) AS tried
  FROM generate_series('1950-01-01'::timestamptz, '2050-01-01', '17 days 05:43:21.000007') t,
       unnest(ARRAY['1 s', '7 min', '1 h', '5 h', '1 day', '3 days', '1 week']::interval[]) s;

-- ---- months: the same as date_trunc() where it has the unit; the default origin is 2000-01-01 ----
SELECT count(*) FILTER (WHERE tumble(t, '1 month') <> date_trunc('month', t)) AS other_than_month,
       count(*) FILTER (WHERE tumble(t, '3 months') <> date_trunc('quarter', t)) AS other_than_quarter,
       count(*) FILTER (WHERE tumble(t, '1 year') <> date_trunc('year', t)) AS other_than_year,
       count(*) FILTER (WHERE tumble(t, '10 years') <> date_trunc('decade', t)) AS other_than_decade,
       count(*) FILTER (WHERE tumble(t, '100 years', '2001-01-01') <> date_trunc('century', t)) AS other_than_century,
       count(*) FILTER (WHERE tumble_end(t, s) <> tumble(t, s) + s) AS of_another_size,
       count(*) FILTER (WHERE NOT (tumble(t, s) <= t AND t < tumble_end(t, s))) AS outside, count(*) AS tried
  FROM generate_series('1890-01-01'::timestamptz, '2110-01-01', '37 days 05:43:21.000007') t,
       unnest(ARRAY['1 month', '2 months', '5 months', '3 years']::interval[]) s;
-- an origin on a month's last days: as adding an interval to it goes
SELECT t AS ts, tumble(t::timestamp, '1 month', '2024-01-31 06:00') AS start, tumble_end(t::timestamp, '1 month', '2024-01-31 06:00') AS "end"
  FROM unnest(ARRAY['2024-01-31 05:59:59', '2024-01-31 06:00', '2024-02-29 05:59', '2024-02-29 06:00', '2023-02-28 05:59:59.999999',
                    '2023-02-28 06:00', '2024-03-31 05:00', '2024-04-30 07:00', '1899-12-31 06:00']) t;
SELECT count(*) FILTER (WHERE (w.start, w.end) IS DISTINCT FROM (tumble(t, '2 months', '2023-12-30'), tumble_end(t, '2 months', '2023-12-30'))) AS wrong,
       count(*) AS tried
  FROM generate_series('2020-01-01'::timestamp, '2028-01-01', '11 hours') t
  JOIN (SELECT '2023-12-30'::timestamp + k * interval '2 months' AS start, '2023-12-30'::timestamp + (k + 1) * interval '2 months' AS end
          FROM generate_series(-30, 30) k) w ON w.start <= t AND t < w.end;
SELECT tumble('2025-02-14'::date, '1 month') AS month, tumble_end('2025-02-14'::date, '1 month') AS month_end,
       tumble('2025-02-14'::date, '1 month', '2025-01-31') AS from_31st, tumble_end('2025-02-14'::date, '1 month', '2025-01-31') AS to_28th,
       tumble('1999-12-31'::date, '1 year') AS year, tumble('4713-01-01 BC'::date, '1 month') AS first, tumble('294276-12-31'::date, '1 month') AS last;

-- ---- origins ----
SELECT tumble('2025-02-14 12:07'::timestamptz, '15 min', '2025-02-14 00:05') AS after_it,
       tumble('2025-02-14 12:04'::timestamptz, '15 min', '2025-02-14 00:05') AS one_before,
       tumble('1999-02-14 12:04'::timestamptz, '15 min', '2025-02-14 00:05') AS before_it,
       tumble('2025-02-14 12:04'::timestamptz, '15 min', '1920-01-01 00:05') AS negative,
       tumble('2025-02-14'::timestamptz, '1 week', '2025-02-15') AS saturdays;
SELECT tumble('2025-02-14 12:07'::timestamptz, '15 min', NULL) AS default_origin,
       tumble('2025-02-14 12:07'::timestamptz, size => '15 min', time_zone => 'utc') AS named;

-- ---- timestamp and date: the clock that they were read from ----
SELECT pg_typeof(tumble(now(), '1 h')), pg_typeof(tumble(localtimestamp, '1 h')), pg_typeof(tumble(current_date, '1 day')),
       pg_typeof(tumble_end(now(), '1 h')), pg_typeof(tumble_end(localtimestamp, '1 h')), pg_typeof(tumble_end(current_date, '1 day'));
SELECT tumble('2025-02-14 12:34:56'::timestamp, '1 h') AS hour, tumble_end('2025-02-14 12:34:56'::timestamp, '1 h') AS hour_end,
       tumble('1999-12-31 23:59'::timestamp, '1 week') AS week, tumble('2025-02-14 12:34'::timestamp, '1 h', '2025-01-01 00:20') AS origin;
SELECT tumble('2025-02-14'::date, '1 day') AS day, tumble_end('2025-02-14'::date, '1 day') AS day_end,
       tumble('2025-02-14'::date, '1 week') AS week, tumble_end('2025-02-14'::date, '1 week') AS week_end,
       tumble('1969-12-31'::date, '10 days') AS ten, tumble('2025-02-14'::date, '48 h') AS two,
       tumble('2025-02-14'::date, '1 week', '2025-02-15') AS saturdays;
SELECT tumble('4713-01-01 BC'::date, '1 day') AS first, tumble('294276-12-31'::date, '1 day') AS last;

-- ---- nothing goes through the session's time zone ----
CREATE VIEW zoned AS
SELECT tumble('2025-07-14 22:30+00'::timestamptz, '1 day') = '2025-07-14 00:00+00' AS day,
       tumble('2025-07-14 22:30+00'::timestamptz, '1 week') = '2025-07-14 00:00+00' AS week,
       tumble('2025-07-14 22:30'::timestamp, '1 day') = '2025-07-14 00:00'::timestamp AS naive,
       tumble('2025-07-14'::date, '1 week') = '2025-07-14'::date AS date;
SET timezone = 'Pacific/Auckland';
SELECT * FROM zoned;
SET timezone = 'America/Los_Angeles';
SELECT * FROM zoned;
SET timezone = 'Asia/Kathmandu';
SELECT * FROM zoned;
SET timezone = 'UTC';
-- so they are immutable: an index, a generated column and a partition key may use them
SELECT proname, provolatile, proparallel, count(*) FROM pg_proc
 WHERE pronamespace = 'streambatch'::regnamespace AND proname IN ('tumble', 'tumble_end') GROUP BY 1, 2, 3 ORDER BY 1;
CREATE TABLE indexed (ts timestamptz, day date GENERATED ALWAYS AS ((tumble(ts, '1 day') AT TIME ZONE 'UTC')::date) STORED);
CREATE INDEX ON indexed (tumble(ts, '1 h'));
INSERT INTO indexed VALUES ('2025-02-14 23:59+00');
SELECT * FROM indexed;

-- ---- NULL ----
SELECT tumble(NULL::timestamptz, '1 h') IS NULL AS ts, tumble(now(), NULL) IS NULL AS size, tumble(now(), '1 h', NULL, NULL) IS NULL AS zone,
       tumble_end(NULL::timestamptz, '1 h') IS NULL AS ts_end, tumble(NULL::date, '1 day') IS NULL AS date,
       tumble_end(NULL::timestamp, '1 h') IS NULL AS timestamp;

-- ---- what no window can be ----
SELECT e, fails(format('tumble(%s)', e)) FROM unnest(ARRAY[
    $$now(), '0'$$, $$now(), '0 days'$$, $$now(), '-1 h'$$, $$now(), '-1 day'$$, $$now(), '-1 month'$$,
    $$now(), '1 day 12 h'$$, $$now(), '1 month 3 days'$$, $$now(), '1 month 1 s'$$, $$now(), '1 month -1 s'$$, $$now(), '-1 day 48 h'$$,
    $$now(), '2147483647 days'$$, $$now(), '2000000000 hours'$$, $$now(), '1 h', time_zone => 'nowhere'$$,
    $$now(), '1 h', time_zone => ''$$, $$now(), '1 h', time_zone => 'XYZ'$$, $$now(), '1 h', time_zone => repeat('x', 300)$$,
    $$'2025-02-14'::date, '1 day', time_zone => 'nowhere'$$,
    $$'infinity'::timestamptz, '1 h'$$, $$'-infinity'::timestamptz, '1 h'$$, $$now(), '1 h', 'infinity'$$,
    $$'infinity'::timestamp, '1 h'$$, $$localtimestamp, '1 h', '-infinity'$$,
    $$'infinity'::date, '1 day'$$, $$'-infinity'::date, '1 day'$$, $$'2025-02-14'::date, '1 day', 'infinity'$$,
    $$'2025-02-14'::date, '1 h'$$, $$'2025-02-14'::date, '36 h'$$, $$'2025-02-14'::date, '1 us'$$,
    $$'5874897-12-31'::date, '1 day'$$, $$'294277-01-01'::date, '1 day'$$, $$'2025-02-14'::date, '1 day', '5874897-12-31'$$,
    $$'4714-11-24 00:00:00+00 BC'::timestamptz, '10 weeks'$$, $$'4714-11-24 00:00:00+00 BC'::timestamptz, '1 month'$$,
    $$'4714-11-24 00:00:00 BC'::timestamp, '1 year'$$, $$now(), '100000 years'$$, $$'12:00'::time, '1 h'$$, $$'x', '1 h'$$]) e;
SELECT fails($$tumble_end('294276-12-31 23:59:59.999999+00'::timestamptz, '1 day')$$),
       fails($$tumble_end('294276-12-31'::date, '1 day')$$),
       fails($$tumble_end(now(), '0')$$), fails($$tumble_end('294276-12-31'::date, '1 month')$$);
-- the arguments of a call may change from row to row
SELECT s, z, tumble('2025-07-15 22:30+00'::timestamptz, s::interval, o::timestamptz, z)
  FROM (VALUES ('1 day', 'UTC', NULL), ('1 day', 'Asia/Tokyo', NULL), ('1 week', 'Asia/Tokyo', NULL), ('1 week', 'Asia/Tokyo', '2025-07-15 15:00+00'),
               ('1 week', NULL, NULL), ('1 week', 'Asia/Tokyo', NULL), ('1 h', 'Asia/Tokyo', NULL), ('1 h', 'asia/tokyo', NULL)) v(s, z, o);

SET client_min_messages = warning;
DROP SCHEMA window_test CASCADE;

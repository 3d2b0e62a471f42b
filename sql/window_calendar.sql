-- Windows by the calendar of a time zone. Where windows begin is worked out here from what the zones' clocks show, quarter of an
-- hour by quarter of an hour, and compared with what the functions say.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
RESET client_min_messages;
CREATE SCHEMA window_calendar_test;
SET search_path = window_calendar_test, streambatch;
-- whatever the session's zone is: it must not matter
SET timezone = 'Asia/Tokyo';
SET datestyle = 'ISO, DMY';

-- Clock changes: by an hour, by half an hour, at midnight, past midnight, over a whole day, to another standard time.
CREATE TABLE change (id int GENERATED ALWAYS AS IDENTITY, zone text, what text, at timestamptz);
INSERT INTO change (zone, what, at) VALUES
    ('UTC', 'none', '2025-03-30 01:00+00'),
    ('Europe/Berlin', '02:00 to 03:00', '2025-03-30 01:00+00'),
    ('Europe/Berlin', '03:00 to 02:00', '2025-10-26 01:00+00'),
    ('America/New_York', '02:00 to 03:00', '2025-03-09 07:00+00'),
    ('America/New_York', '02:00 to 01:00', '2025-11-02 06:00+00'),
    ('America/Sao_Paulo', '00:00 to 01:00', '2018-11-04 03:00+00'),
    ('America/Sao_Paulo', '00:00 to 23:00', '2018-02-18 02:00+00'),
    ('America/Havana', '00:00 to 01:00', '2024-03-10 05:00+00'),
    ('America/Havana', '01:00 to 00:00', '2024-11-03 05:00+00'),
    ('Australia/Lord_Howe', '02:00 to 02:30', '2024-10-05 15:30+00'),
    ('Australia/Lord_Howe', '02:00 to 01:30', '2025-04-05 15:00+00'),
    ('Asia/Kathmandu', '00:00 to 00:15', '1985-12-31 18:30+00'),
    ('Antarctica/Troll', '01:00 to 03:00', '2025-03-30 01:00+00'),
    ('Pacific/Apia', 'a day left out', '2011-12-30 10:00+00'),
    ('Pacific/Kwajalein', 'a day left out', '1993-08-21 12:00+00'),
    ('Pacific/Kwajalein', 'a day again', '1969-09-30 13:00+00');
-- the clock does change there
SELECT zone, what, to_char((at - interval '1 us') AT TIME ZONE zone, 'Dy DD HH24:MI:SS.US') AS before, to_char(at AT TIME ZONE zone, 'Dy DD HH24:MI') AS after
  FROM change ORDER BY id;

-- what the clocks show around these, and what they have shown by then
CREATE TABLE tick AS
SELECT id, zone, t, t AT TIME ZONE zone AS shown, max(t AT TIME ZONE zone) OVER (PARTITION BY id ORDER BY t) AS reached
  FROM change, generate_series(at - interval '9 days', at + interval '9 days', '15 min') t;
-- so the first instant at which a clock shows a reading or later
CREATE TABLE boundary AS
SELECT id, zone, reading, t AS instant
  FROM (SELECT *, lag(reached) OVER (PARTITION BY id ORDER BY t) AS before FROM tick) k,
       generate_series(before + interval '15 min', reached, '15 min') reading;
CREATE UNIQUE INDEX ON boundary (id, reading);
CREATE INDEX ON boundary (id, instant, reading);
ANALYZE;

-- Windows of a size that begin at readings of the clock.
CREATE FUNCTION by_clock(size interval, origin timestamp DEFAULT '2000-01-03')
RETURNS TABLE (id int, reading timestamp, "start" timestamptz, "end" timestamptz) LANGUAGE sql AS $$
    SELECT a.id, a.reading, a.instant, b.instant FROM boundary a JOIN boundary b ON a.id = b.id AND b.reading = a.reading + size
     WHERE a.reading = date_bin(size, a.reading, origin)
$$;

-- ---- timestamptz: days and 2, 3, 4, 6, 8 and 12 hours by the clock ----
SELECT zone, count(*) AS tried,
       count(*) FILTER (WHERE (tumble(t, s, NULL, zone), tumble_end(t, s, NULL, zone)) IS DISTINCT FROM ("start", "end")) AS wrong
  FROM unnest('{2 h,3 h,4 h,6 h,8 h,12 h,1 day,2 days,1 week}'::interval[]) s, LATERAL by_clock(s) w
  JOIN tick USING (id) WHERE t >= "start" AND t < "end" GROUP BY zone ORDER BY zone;
-- from an origin that has another time of the day: read by the clock
SELECT zone, count(*) AS tried,
       count(*) FILTER (WHERE tumble(t, s, '2024-01-10 02:30'::timestamp AT TIME ZONE zone, zone) <> "start") AS wrong
  FROM unnest('{2 h,12 h,1 day,5 days}'::interval[]) s, LATERAL by_clock(s, '2024-01-10 02:30') w
  JOIN tick USING (id) WHERE t >= "start" AND t < "end" GROUP BY zone ORDER BY zone;
-- a microsecond before a boundary is in the window before
SELECT count(*) AS tried, count(*) FILTER (WHERE tumble("end" - interval '1 us', s, NULL, zone) <> "start"
                                              OR tumble_end("start", s, NULL, zone) <> "end") AS wrong
  FROM unnest('{2 h,6 h,1 day}'::interval[]) s, LATERAL by_clock(s) w JOIN change USING (id) WHERE "start" < "end";

-- ---- timestamptz: other lengths by instant, from the origin's local time ----
SELECT count(*) AS tried, count(*) FILTER (WHERE (tumble(t, s, NULL, zone), tumble_end(t, s, NULL, zone)) IS DISTINCT FROM (b, b + s)) AS wrong
  FROM tick, unnest('{1 s,7 min,15 min,1 h,90 min,5 h,24 h,36 h}'::interval[]) s,
       LATERAL (SELECT date_bin(s, t, '2000-01-03'::timestamp AT TIME ZONE zone) AS b) w
 WHERE extract(minute FROM t) IN (0, 30);
-- in Kathmandu a full hour is a quarter past one of UTC's
SELECT tumble('2025-02-14 12:30+00'::timestamptz, '1 h', NULL, 'Asia/Kathmandu') AT TIME ZONE 'UTC' AS hour;

-- ---- weeks, months, quarters, years: as date_trunc() in a zone ----
SELECT zone, count(*) AS tried,
       count(*) FILTER (WHERE tumble(t, '1 week', NULL, zone) <> date_trunc('week', t, zone)) AS week,
       count(*) FILTER (WHERE tumble(t, '1 month', NULL, zone) <> date_trunc('month', t, zone)) AS month,
       count(*) FILTER (WHERE tumble_end(t, '1 month', NULL, zone)
                           <> (date_trunc('month', t AT TIME ZONE zone) + interval '1 month') AT TIME ZONE zone) AS month_end,
       count(*) FILTER (WHERE tumble(t, '3 months', NULL, zone) <> date_trunc('quarter', t, zone)) AS quarter,
       count(*) FILTER (WHERE tumble(t, '1 year', NULL, zone) <> date_trunc('year', t, zone)) AS year
  FROM generate_series('1986-06-01'::timestamptz, '2099-01-01', '5 days 07:11:13.000017') t,
       unnest('{UTC,Europe/Berlin,America/New_York,Asia/Kathmandu,Australia/Lord_Howe,Etc/GMT+5,America/Sao_Paulo,Asia/Kolkata}'::text[]) zone
 GROUP BY zone ORDER BY zone;
-- far beyond the tables of zones, and before them
SELECT zone, count(*) AS tried, count(*) FILTER (WHERE tumble(t, '1 day', NULL, zone) <> date_trunc('day', t, zone)) AS day,
       count(*) FILTER (WHERE tumble(t, '1 month', NULL, zone) <> date_trunc('month', t, zone)) AS month
  FROM (SELECT generate_series('2400-01-01'::timestamptz, '2460-01-01', '13 days 07:11:13.000017')
         UNION ALL SELECT generate_series('99990-01-01'::timestamptz, '100000-01-01', '13 days 07:11:13.000017')
         UNION ALL SELECT generate_series('4700-01-01 BC'::timestamptz, '4690-01-01 BC', '13 days 07:11:13.000017')
         UNION ALL SELECT generate_series('1870-01-01'::timestamptz, '1890-01-01', '3 days 07:11:13.000017')) g(t),
       unnest('{UTC,Europe/Berlin,America/New_York,Australia/Lord_Howe}'::text[]) zone
 GROUP BY zone ORDER BY zone;

-- ---- by hand ----
CREATE FUNCTION day(ts timestamptz, zone text, size interval DEFAULT '1 day') RETURNS text LANGUAGE sql AS $$
    SELECT to_char(tumble(ts, size, NULL, zone) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' to '
        || to_char(tumble_end(ts, size, NULL, zone) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
        || ' (' || tumble_end(ts, size, NULL, zone) - tumble(ts, size, NULL, zone) || ')'
$$;
SELECT day('2025-03-30 12:00+00', 'Europe/Berlin') AS of_23_hours, day('2025-10-26 12:00+00', 'Europe/Berlin') AS of_25_hours;
SELECT day('2025-03-30 01:30+00', 'Europe/Berlin', '6 h') AS short, day('2025-10-26 01:30+00', 'Europe/Berlin', '6 h') AS long,
       day('2025-10-26 01:30+00', 'Europe/Berlin', '1 h') AS second_hour;
-- midnight skipped: 03:00 UTC is 01:00 there, the first instant of the day
SELECT day('2018-11-04 12:00+00', 'America/Sao_Paulo') AS skipped, day('2018-11-04 02:59:59.999999+00', 'America/Sao_Paulo') AS before;
-- midnight twice: the day begins at the first one
SELECT day('2024-11-03 04:00+00', 'America/Havana') AS first, day('2024-11-03 05:00+00', 'America/Havana') AS second, day('2024-11-03 03:59+00', 'America/Havana') AS before;
-- no 30th of December: the 29th ends where the 31st begins
SELECT day('2011-12-30 09:59+00', 'Pacific/Apia') AS the_29th, day('2011-12-30 10:00+00', 'Pacific/Apia') AS the_31st;
SELECT day('2025-04-05 14:00+00', 'Australia/Lord_Howe') AS half_an_hour_longer, day('1986-01-01 00:00+00', 'Asia/Kathmandu') AS quarter_shorter;
-- an origin of the zone's own: weeks from Sunday, months from the 15th
SELECT tumble('2025-07-16 12:00+00'::timestamptz, '1 week', '2025-01-05 05:00+00', 'America/New_York') AT TIME ZONE 'America/New_York' AS sunday,
       tumble('2025-07-14 12:00+00'::timestamptz, '1 month', '2025-01-15 05:00+00', 'America/New_York') AT TIME ZONE 'America/New_York' AS the_15th,
       tumble('2025-02-27 12:00+00'::timestamptz, '1 month', '2025-01-31 05:00+00', 'America/New_York') AT TIME ZONE 'America/New_York' AS last_days,
       tumble_end('2025-02-27 12:00+00'::timestamptz, '1 month', '2025-01-31 05:00+00', 'America/New_York') AT TIME ZONE 'America/New_York' AS to_28th;

-- ---- timestamp: read from the clock of time_zone ----
-- by the calendar: what the clock shows is all there is to it, whatever the zone leaves out
SELECT count(*) AS tried, count(*) FILTER (WHERE (tumble(r, s, NULL, zone), tumble_end(r, s, NULL, zone)) IS DISTINCT FROM (b, b + s)) AS wrong
  FROM change, unnest('{2 h,3 h,4 h,6 h,8 h,12 h,1 day,2 days,1 week}'::interval[]) s,
       generate_series(at AT TIME ZONE 'UTC' - interval '2 days', at AT TIME ZONE 'UTC' + interval '2 days', '10 min') r,
       LATERAL (SELECT date_bin(s, r, '2000-01-03') AS b) w;
-- by instant: of the window's instants, the readings that were first reached in it
SELECT c.zone, count(*) AS tried, count(*) FILTER (WHERE tumble(b.reading, s, NULL, c.zone) <> f.first OR NOT tumble(b.reading, s, NULL, c.zone) <= b.reading) AS wrong,
       count(*) FILTER (WHERE tumble_end(b.reading, s, NULL, c.zone) <> l.first OR NOT b.reading < tumble_end(b.reading, s, NULL, c.zone)) AS wrong_end
  FROM change c JOIN boundary b USING (id), unnest('{15 min,30 min,1 h,5 h,24 h}'::interval[]) s,
       LATERAL (SELECT date_bin(s, b.instant, '2000-01-03'::timestamp AT TIME ZONE c.zone) AS w) w,
       LATERAL (SELECT reading AS first FROM boundary WHERE id = c.id AND instant >= w ORDER BY instant, reading LIMIT 1) f,
       LATERAL (SELECT reading AS first FROM boundary WHERE id = c.id AND instant >= w + s ORDER BY instant, reading LIMIT 1) l
 WHERE b.instant BETWEEN c.at - interval '30 h' AND c.at + interval '30 h'
 GROUP BY c.zone ORDER BY c.zone;
-- start <= ts < end, ends meet starts, also at times that are skipped or shown twice
SELECT count(*) AS tried, count(*) FILTER (WHERE NOT (a <= r AND r < e)) AS outside, count(*) FILTER (WHERE tumble(e, s, NULL, zone) <> e) AS apart,
       count(*) FILTER (WHERE tumble(e - interval '1 us', s, NULL, zone) <> a) AS apart_before
  FROM change, unnest('{7 min,1 h,5 h,24 h}'::interval[]) s,
       generate_series(at AT TIME ZONE zone - interval '25 h', at AT TIME ZONE zone + interval '25 h', '00:09:59.7') r,
       LATERAL (SELECT tumble(r, s, NULL, zone) AS a, tumble_end(r, s, NULL, zone) AS e) w;
SELECT r AS ts, tumble(r::timestamp, '1 h', NULL, 'Europe/Berlin') AS start, tumble_end(r::timestamp, '1 h', NULL, 'Europe/Berlin') AS "end"
  FROM unnest('{2025-03-30 01:59,2025-03-30 02:30,2025-03-30 03:10,2025-10-26 01:59,2025-10-26 02:30,2025-10-26 03:10}'::text[]) r;
SELECT tumble('2025-07-14 12:30'::timestamp, '24 h', NULL, 'Europe/Berlin') AS summer, tumble('2025-01-14 12:30'::timestamp, '24 h', NULL, 'Europe/Berlin') AS winter;

-- ---- date: the plain calendar, in every zone ----
SELECT count(*) AS tried, count(*) FILTER (WHERE tumble(d, '1 day', NULL, zone) <> d OR tumble_end(d, '1 day', NULL, zone) <> d + 1) AS day,
       count(*) FILTER (WHERE tumble(d, '1 week', NULL, zone) <> date_trunc('week', d::timestamp)::date) AS week,
       count(*) FILTER (WHERE tumble(d, '1 month', NULL, zone) <> date_trunc('month', d::timestamp)::date) AS month
  FROM change, generate_series(0, 40) i, LATERAL (SELECT (at AT TIME ZONE 'UTC')::date - 20 + i AS d) d;

-- ---- zones ----
SELECT tumble('2025-07-14 12:30+00'::timestamptz, '1 day', NULL, 'europe/berlin') = '2025-07-13 22:00+00' AS any_case,
       tumble('2025-07-14 12:30+00'::timestamptz, '1 day', NULL, 'CET-1CEST,M3.5.0,M10.5.0/3') = '2025-07-13 22:00+00' AS posix,
       tumble('2025-07-14 12:30+00'::timestamptz, '1 day', NULL, 'Etc/GMT-2') = '2025-07-13 22:00+00' AS fixed,
       tumble('2025-07-14 12:30+00'::timestamptz, '1 month', NULL, 'Etc/GMT-2') = '2025-06-30 22:00+00' AS fixed_month,
       tumble('2025-07-14 12:30+00'::timestamptz, '1 h', NULL, 'Asia/Kolkata') = '2025-07-14 12:30+00' AS half_hour;

-- ---- the ends of time ----
CREATE FUNCTION fails(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result timestamp;
BEGIN
    EXECUTE 'SELECT (' || expression || ')' || CASE WHEN expression ~ 'timestamptz' THEN ' AT TIME ZONE ''UTC''' ELSE '' END INTO result;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT zone, s AS size, fails(format($$tumble('4714-11-24 00:00+00 BC'::timestamptz, %L, NULL, %L)$$, s, zone)) AS first,
       fails(format($$tumble_end('4714-11-24 00:00+00 BC'::timestamptz, %L, NULL, %L)$$, s, zone)) AS first_end,
       fails(format($$tumble('294276-12-31 23:59:59.999999+00'::timestamptz, %L, NULL, %L)$$, s, zone)) AS last,
       fails(format($$tumble_end('294276-12-31 23:59:59.999999+00'::timestamptz, %L, NULL, %L)$$, s, zone)) AS last_end
  FROM unnest('{UTC,Europe/Berlin,Pacific/Kiritimati,Pacific/Pago_Pago}'::text[]) zone, unnest('{1 s,1 h,2 h,1 day,1 week,1 month}'::text[]) s;
SELECT zone, s AS size, fails(format($$tumble('4714-11-24 00:00 BC'::timestamp, %L, NULL, %L)$$, s, zone)) AS first,
       fails(format($$tumble('294276-12-31 23:59:59.999999'::timestamp, %L, NULL, %L)$$, s, zone)) AS last,
       fails(format($$tumble_end('294276-12-31 23:59:59.999999'::timestamp, %L, NULL, %L)$$, s, zone)) AS last_end
  FROM unnest('{UTC,Europe/Berlin,Pacific/Pago_Pago,"ABC+167","ABC-167DEF-100"}'::text[]) zone, unnest('{1 h,1 day,1 month}'::text[]) s;
-- sizes and origins from end to end
SELECT fails($$tumble('2025-01-01 00:00+00'::timestamptz, '1 h', '294276-12-31 23:30+00')$$),
       fails($$tumble('2025-01-01 00:00+00'::timestamptz, '1 day', '4714-11-24 00:00+00 BC', 'Europe/Berlin')$$),
       fails($$tumble('294276-12-31 12:00+00'::timestamptz, '1 year', '4714-11-24 00:00+00 BC', 'Europe/Berlin')$$),
       fails($$tumble('2025-01-01 00:00+00'::timestamptz, '50000000 days')$$), fails($$tumble('1999-01-01 00:00+00'::timestamptz, '50000000 days')$$),
       fails($$tumble('2025-01-01 00:00+00'::timestamptz, '178956970 years')$$), fails($$tumble('1999-01-01 00:00+00'::timestamptz, '178956970 years')$$);

SET client_min_messages = warning;
DROP SCHEMA window_calendar_test CASCADE;

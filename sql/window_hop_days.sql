-- hop() by hours over windows of days: they begin on the slide's grid and end days later on the zone's clock.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
RESET client_min_messages;
CREATE SCHEMA window_hop_days;
SET search_path = window_hop_days, streambatch;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';

-- ---- a day of 23 hours, and one of 25 ----
SELECT s AT TIME ZONE 'Europe/Berlin' AS start, e AT TIME ZONE 'Europe/Berlin' AS "end", e - s AS length
  FROM ROWS FROM (hop('2025-03-30 12:00+00'::timestamptz, '5 hours', '1 day', NULL, 'Europe/Berlin'),
                  hop_end('2025-03-30 12:00+00'::timestamptz, '5 hours', '1 day', NULL, 'Europe/Berlin')) w(s, e);
SELECT e - s AS length, count(*), min(s) AS first, max(s) AS last
  FROM ROWS FROM (hop('2025-10-26 12:00+00'::timestamptz, '1 hour', '1 day', NULL, 'Europe/Berlin'),
                  hop_end('2025-10-26 12:00+00'::timestamptz, '1 hour', '1 day', NULL, 'Europe/Berlin')) w(s, e) GROUP BY 1 ORDER BY 1;
SELECT s AT TIME ZONE 'America/New_York' AS start, e AT TIME ZONE 'America/New_York' AS "end", e - s AS length
  FROM ROWS FROM (hop('2025-03-09 12:00-04'::timestamptz, '12 hours', '1 day', NULL, 'America/New_York'),
                  hop_end('2025-03-09 12:00-04'::timestamptz, '12 hours', '1 day', NULL, 'America/New_York')) w(s, e);
-- the clock goes forward by half an hour: ends between the starts, and panes from each edge to the next
SELECT DISTINCT _hop_pane(t, '1 hour', '1 day', NULL, 'Australia/Lord_Howe') AS pane
  FROM generate_series('2025-10-04 13:00+00'::timestamptz, '2025-10-04 17:59+00', '1 min') t ORDER BY 1;
-- by the clock alone
SELECT hop('2025-03-30 12:00'::timestamp, '12 hours', '1 day', NULL, 'Europe/Berlin') AS start, hop_end('2025-03-30 12:00'::timestamp, '12 hours', '1 day', NULL, 'Europe/Berlin') AS "end";
SELECT s AS start, e AS "end" FROM ROWS FROM (hop('2025-03-30 12:00'::timestamp, '5 hours', '1 day', NULL, 'Europe/Berlin'),
                                              hop_end('2025-03-30 12:00'::timestamp, '5 hours', '1 day', NULL, 'Europe/Berlin')) w(s, e);
SELECT hop('2025-02-14'::date, '24 hours', '2 days') AS start, hop_end('2025-02-14'::date, '24 hours', '2 days') AS "end";

-- ---- in UTC a day is 24 hours ----
SELECT count(*) AS tried, count(*) FILTER (WHERE days <> hours OR pane <> pane_of_hours) AS wrong
  FROM generate_series('2025-02-14'::timestamptz, '2025-02-16', '17 min') t, unnest('{UTC,Etc/GMT-5}'::text[]) zone,
       (VALUES ('1 h'::interval, '1 day'::interval, '24 h'::interval), ('5 h', '1 day', '24 h'), ('90 min', '2 days', '48 h'), ('36 h', '3 days', '72 h')) v(slide, of_days, of_hours),
       LATERAL (SELECT ARRAY(SELECT (s, e) FROM ROWS FROM (hop(t, slide, of_days, NULL, zone), hop_end(t, slide, of_days, NULL, zone)) w(s, e)) AS days,
                       ARRAY(SELECT (s, e) FROM ROWS FROM (hop(t, slide, of_hours, NULL, zone), hop_end(t, slide, of_hours, NULL, zone)) w(s, e)) AS hours,
                       _hop_pane(t, slide, of_days, NULL, zone) AS pane, _hop_pane(t, slide, of_hours, NULL, zone) AS pane_of_hours) w;

-- ---- against lists of windows made from what the clocks show ----
CREATE TABLE change (id int GENERATED ALWAYS AS IDENTITY, zone text, at timestamptz);
INSERT INTO change (zone, at) VALUES
    ('UTC', '2025-03-30 01:00+00'), ('Europe/Berlin', '2025-03-30 01:00+00'), ('Europe/Berlin', '2025-10-26 01:00+00'),
    ('America/New_York', '2025-03-09 07:00+00'), ('America/New_York', '2025-11-02 06:00+00'),
    ('Australia/Lord_Howe', '2025-04-05 15:00+00'), ('Australia/Lord_Howe', '2025-10-04 15:30+00'),
    ('America/Havana', '2024-11-03 05:00+00'), ('Antarctica/Troll', '2025-03-30 01:00+00'), ('Pacific/Apia', '2011-12-30 10:00+00');
-- as in window_calendar: the first instant at which a clock shows a reading or later
CREATE TABLE boundary AS
SELECT id, zone, reading, t AS instant
  FROM (SELECT *, lag(reached) OVER (PARTITION BY id ORDER BY t) AS before
          FROM (SELECT id, zone, t, max(t AT TIME ZONE zone) OVER (PARTITION BY id ORDER BY t) AS reached
                  FROM change, generate_series(at - interval '9 days', at + interval '9 days', '15 min') t) k) k,
       generate_series(before + interval '15 min', reached, '15 min') reading;
CREATE UNIQUE INDEX ON boundary (id, reading);
ANALYZE;
-- slides by instant: the start's reading, days later. By the clock, both edges are readings; of windows that begin at the same instant,
-- because the zone left the time between out, the last one counts.
CREATE TABLE hopping AS
SELECT slide, size, c.id, start, b.instant AS "end"
  FROM (VALUES ('1 h'::interval, '1 day'::interval), ('15 min', '1 day'), ('5 h', '1 day'), ('90 min', '2 days'), ('24 h', '1 day'), ('36 h', '2 days'), ('7 h', '3 days')) v(slide, size), change c,
       LATERAL (SELECT date_bin(slide, at - interval '6 days', '2000-01-03'::timestamp AT TIME ZONE zone) AS first) f,
       generate_series(first, at + interval '5 days', slide) start, boundary b WHERE b.id = c.id AND b.reading = start AT TIME ZONE c.zone + size
UNION ALL
SELECT slide, size, w.* FROM (VALUES ('2 h'::interval, '1 day'::interval), ('8 h', '1 day'), ('12 h', '1 day'), ('12 h', '3 days'), ('6 h', '2 days')) v(slide, size),
       LATERAL (SELECT DISTINCT ON (a.id, a.instant) a.id, a.instant, b.instant FROM boundary a JOIN boundary b ON a.id = b.id AND b.reading = a.reading + size
                 WHERE a.reading = date_bin(slide, a.reading, '2000-01-03') ORDER BY a.id, a.instant, a.reading DESC) w;
CREATE INDEX ON hopping (id, slide, size, start);
ANALYZE hopping;
SELECT c.zone, c.at, count(*) AS tried, count(*) FILTER (WHERE (starts, ends) IS DISTINCT FROM (is_starts, is_ends)) AS wrong,
       count(*) FILTER (WHERE pane > t OR (is_starts, is_ends) IS DISTINCT FROM (pane_starts, pane_ends)) AS other_from_pane, sum(cardinality(starts)) AS windows
  FROM change c, generate_series(at - interval '2 days 10 min', at + interval '2 days', '37 min') t, (SELECT DISTINCT slide, size FROM hopping) s,
       LATERAL (SELECT array_agg(h.start ORDER BY h.start) AS starts, array_agg(h.end ORDER BY h.start) AS ends FROM hopping h
                 WHERE (h.id, h.slide, h.size) = (c.id, s.slide, s.size) AND h.start BETWEEN t - s.size - interval '1 day' AND t AND t < h.end) should,
       LATERAL (SELECT array_agg(a ORDER BY n) AS is_starts, array_agg(e ORDER BY n) AS is_ends
                  FROM ROWS FROM (hop(t, s.slide, s.size, NULL, zone), hop_end(t, s.slide, s.size, NULL, zone)) WITH ORDINALITY h(a, e, n)) are,
       LATERAL (SELECT _hop_pane(t, s.slide, s.size, NULL, zone) AS pane) p,
       LATERAL (SELECT array_agg(a ORDER BY n) AS pane_starts, array_agg(e ORDER BY n) AS pane_ends
                  FROM ROWS FROM (hop(pane, s.slide, s.size, NULL, zone), hop_end(pane, s.slide, s.size, NULL, zone)) WITH ORDINALITY h(a, e, n)) of_pane
 GROUP BY c.id, c.zone, c.at ORDER BY c.id;
-- panes partition the time line: in each minute the same pane, or a new one that begins in it
SELECT c.zone, count(*) AS tried, count(*) FILTER (WHERE pane <> before AND pane <= t - interval '1 min') AS wrong, count(DISTINCT pane) > 20 AS several
  FROM change c, unnest('{1 h,5 h,90 min}'::interval[]) slide,
       LATERAL (SELECT t, pane, lag(pane, 1, pane) OVER (ORDER BY t) AS before
                  FROM (SELECT t, _hop_pane(t, slide, '1 day', NULL, zone) AS pane FROM generate_series(at - interval '30 h', at + interval '30 h', '1 min') t) p) p
 GROUP BY c.id, c.zone ORDER BY c.id;

-- ---- timestamp: a start of tumble(), and the same reading days later ----
SELECT c.zone, count(*) AS tried, count(*) FILTER (WHERE windows IS DISTINCT FROM given) AS wrong, count(*) FILTER (WHERE pane > r OR given IS DISTINCT FROM of_pane) AS other_from_pane
  FROM change c, unnest('{1 h,5 h,15 min,24 h,2 h,12 h}'::interval[]) slide, LATERAL (SELECT at AT TIME ZONE zone AS l) l,
       LATERAL (SELECT array_agg(DISTINCT tumble(g, slide, NULL, zone)) AS all_starts FROM generate_series(l - interval '3 days', l + interval '2 days', '15 min') g) a,
       generate_series(l - interval '26 h', l + interval '26 h', '37 min') r,
       LATERAL (SELECT array_agg((s, s + interval '1 day') ORDER BY s) AS windows FROM unnest(all_starts) s WHERE s <= r AND r < s + interval '1 day') should,
       LATERAL (SELECT array_agg((s, e) ORDER BY n) AS given FROM ROWS FROM (hop(r, slide, '1 day', NULL, zone), hop_end(r, slide, '1 day', NULL, zone)) WITH ORDINALITY h(s, e, n)) are,
       LATERAL (SELECT _hop_pane(r, slide, '1 day', NULL, zone) AS pane) p,
       LATERAL (SELECT array_agg((s, e) ORDER BY n) AS of_pane FROM ROWS FROM (hop(pane, slide, '1 day', NULL, zone), hop_end(pane, slide, '1 day', NULL, zone)) WITH ORDINALITY h(s, e, n)) o
 GROUP BY c.id, c.zone ORDER BY c.id;

-- ---- an origin; the ends of time ----
SELECT min(s) AS start, min(e) AS "end", count(*) FROM ROWS FROM (hop('2025-03-29 20:00+00'::timestamptz, '1 hour', '1 day', '2025-01-01 00:20+00', 'Europe/Berlin'),
                                                                  hop_end('2025-03-29 20:00+00'::timestamptz, '1 hour', '1 day', '2025-01-01 00:20+00', 'Europe/Berlin')) w(s, e);
SELECT zone, slide, (SELECT count(*) FROM hop('4714-11-24 10:00+00 BC'::timestamptz, slide, '1 day', NULL, zone)) AS first,
       (SELECT count(*) FROM hop('294276-12-31 10:00+00'::timestamptz, slide, '1 day', NULL, zone)) AS last,
       (SELECT count(*) FROM hop('4714-11-24 10:00 BC'::timestamp, slide, '1 day', NULL, zone)) AS first_reading,
       (SELECT count(*) FROM hop('294276-12-31 10:00'::timestamp, slide, '1 day', NULL, zone)) AS last_reading,
       (SELECT count(*) FROM hop('2025-03-30 10:00+00'::timestamptz, '200000 h', '10000000 days', NULL, zone)) AS long
  FROM unnest('{UTC,Europe/Berlin,Pacific/Kiritimati}'::text[]) zone, unnest('{1 h,5 h,12 h}'::interval[]) slide;

-- ---- the planner expects a day's windows ----
DO $$
DECLARE
    plan json;
BEGIN
    EXECUTE $q$EXPLAIN (FORMAT json) SELECT streambatch.hop(now(), '1 hour', '1 day', NULL, 'Europe/Berlin')$q$ INTO plan;
    RAISE NOTICE '% rows', plan -> 0 -> 'Plan' -> 'Plan Rows';
END $$;

-- ---- what remains refused ----
CREATE FUNCTION refusal(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE 'SELECT ' || call;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || ' ' || hint;
END $$;
SELECT slide, size, refusal(format('hop(now(), %L, %L)', slide, size)) FROM (VALUES ('25 hours', '1 day'), ('1 day', '36 hours'), ('1 hour', '1 month'), ('1 day', '1 hour')) v(slide, size);
SELECT refusal($$hop(current_date, '1 hour', '1 day')$$);
SELECT refusal($$cumulate(now(), '5 hours', '1 day')$$);

SET client_min_messages = error;
DROP SCHEMA window_hop_days CASCADE;

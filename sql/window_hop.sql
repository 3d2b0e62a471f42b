-- hop(), cumulate() and session() by hand, and the panes that their windows are made of.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
RESET client_min_messages;
CREATE SCHEMA window_hop_test;
SET search_path = window_hop_test, streambatch;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';

-- ---- hop: every slide a window begins; in step with its end ----
SELECT hop('2025-02-14 12:34:56+00'::timestamptz, '10 s', '1 min') AS start, hop_end('2025-02-14 12:34:56+00'::timestamptz, '10 s', '1 min') AS "end";
SELECT t AS ts, array_agg(w::time ORDER BY n) FROM unnest('{12:00,12:04:59.999999,12:05,12:09}'::time[]) t,
       hop('2025-02-14'::date + t, '5 min', '12 min') WITH ORDINALITY h(w, n) GROUP BY 1 ORDER BY 1;
SELECT hop('2025-02-14'::date, '1 day', '3 days') AS start, hop_end('2025-02-14'::date, '1 day', '3 days') AS "end";
SELECT hop('2025-02-14 12:00'::timestamp, '1 month', '3 months') AS start, hop_end('2025-02-14 12:00'::timestamp, '1 month', '3 months') AS "end";
SELECT hop('2025-02-14 12:00'::timestamp, '1 week', '2 weeks', '2025-02-12') AS start, hop_end('2025-02-14 12:00'::timestamp, '1 week', '2 weeks', '2025-02-12') AS "end";
-- a slide of the whole size: tumble
SELECT count(*) AS tried, count(*) FILTER (WHERE h <> tumble(t, s) OR e <> tumble_end(t, s)) AS wrong
  FROM generate_series('2025-01-01'::timestamptz, '2025-03-01', '5 h') t, unnest('{7 min,1 h,1 day,1 month}'::interval[]) s,
       LATERAL (SELECT hop(t, s, s) h, hop_end(t, s, s) e) w;
SELECT pg_typeof(hop(now(), '1 h', '1 h')), pg_typeof(hop(localtimestamp, '1 h', '1 h')), pg_typeof(hop(current_date, '1 day', '1 day')),
       pg_typeof(cumulate(now(), '1 h', '1 h')), pg_typeof(cumulate_end(localtimestamp, '1 h', '1 h')), pg_typeof(cumulate_end(current_date, '1 day', '1 day'));

-- ---- cumulate: from the start of the size to the end of each step behind ts ----
SELECT cumulate('2025-02-14 12:34:56+00'::timestamptz, '15 min', '1 h') AS start, cumulate_end('2025-02-14 12:34:56+00'::timestamptz, '15 min', '1 h') AS "end";
SELECT cumulate('2025-02-14'::date, '1 day', '1 week') AS start, cumulate_end('2025-02-14'::date, '1 day', '1 week') AS "end";
SELECT cumulate('2025-11-14'::date, '1 month', '1 year', '2000-03-31') AS start, cumulate_end('2025-11-14'::date, '1 month', '1 year', '2000-03-31') AS "end";
-- a day of 23 hours and one of 25: the last step ends with the day
SELECT count(*) AS ends, min(e) AS first, max(e) AS last, count(*) FILTER (WHERE e - interval '1 h' <> l) AS of_another_length
  FROM (SELECT e, lag(e, 1, e - interval '1 h') OVER (ORDER BY e) AS l
          FROM cumulate_end('2025-03-29 23:00+00'::timestamptz, '1 h', '1 day', NULL, 'Europe/Berlin') e) s;
SELECT count(*) AS ends, min(e) AS first, max(e) AS last FROM cumulate_end('2025-10-25 22:00+00'::timestamptz, '1 h', '1 day', NULL, 'Europe/Berlin') e;
SELECT array_agg(e::timestamp) FROM cumulate_end('2025-03-29 23:00+00'::timestamptz, '90 min', '6 h', NULL, 'Europe/Berlin') e;
-- each day starts new steps
SELECT count(*), array_agg(e::timestamp) FILTER (WHERE e > '2025-10-26 21:00+00') FROM cumulate_end('2025-10-25 22:00+00'::timestamptz, '8 h', '2 days', '2025-10-25 22:00+00', 'Europe/Berlin') e;
SELECT count(*), array_agg(e::timestamp) FILTER (WHERE e > '2025-10-26 21:00+00') FROM cumulate_end('2025-10-25 22:00+00'::timestamptz, '90 min', '2 days', '2025-10-25 22:00+00', 'Europe/Berlin') e WHERE e < '2025-10-27 02:00+00';
-- the same by the clock that shows it
SELECT count(*), max(e) FROM cumulate_end('2025-03-30 00:00'::timestamp, '1 h', '1 day', NULL, 'Europe/Berlin') e;
SELECT count(*), max(e) FROM cumulate_end('2025-10-26 00:00'::timestamp, '1 h', '1 day', NULL, 'Europe/Berlin') e;
-- each hour is part of the day to date
SELECT count(*) AS tried, count(*) FILTER (WHERE tumble_end(t, '1 h', NULL, z) <> (SELECT min(e) FROM cumulate_end(t, '1 h', '1 day', NULL, z) e)) AS wrong
  FROM unnest('{Europe/Berlin,America/New_York,Asia/Kathmandu}'::text[]) z, generate_series('2025-03-08 00:10+00'::timestamptz, '2025-04-01', '37 min') t;

-- ---- NULL: no rows ----
SELECT (SELECT count(*) FROM hop(NULL::timestamptz, '1 h', '1 h')) AS ts, (SELECT count(*) FROM hop_end(now(), NULL, '1 h')) AS slide,
       (SELECT count(*) FROM cumulate(now(), '1 h', NULL)) AS size, (SELECT count(*) FROM cumulate_end(current_date, '1 day', '1 day', NULL, NULL)) AS zone,
       _hop_pane(NULL::date, '1 day', '1 day', NULL, 'UTC') AS pane, _session_pane(NULL::timestamp, '1 h') AS session;

-- ---- against lists of windows: all that hold ts, in order, and the pane in each of them ----
CREATE TABLE change (id int GENERATED ALWAYS AS IDENTITY, zone text, at timestamptz);
INSERT INTO change (zone, at) VALUES
    ('UTC', '2025-03-30 01:00+00'), ('Europe/Berlin', '2025-03-30 01:00+00'), ('Europe/Berlin', '2025-10-26 01:00+00'),
    ('America/Sao_Paulo', '2018-11-04 03:00+00'), ('America/Havana', '2024-11-03 05:00+00'), ('Australia/Lord_Howe', '2025-04-05 15:00+00'),
    ('Antarctica/Troll', '2025-03-30 01:00+00'), ('Pacific/Apia', '2011-12-30 10:00+00'), ('Pacific/Kwajalein', '1969-09-30 13:00+00');
-- as in window_calendar: the first instant at which a clock shows a reading or later
CREATE TABLE boundary AS
SELECT id, zone, reading, t AS instant
  FROM (SELECT *, lag(reached) OVER (PARTITION BY id ORDER BY t) AS before
          FROM (SELECT id, zone, t, max(t AT TIME ZONE zone) OVER (PARTITION BY id ORDER BY t) AS reached
                  FROM change, generate_series(at - interval '9 days', at + interval '9 days', '15 min') t) k) k,
       generate_series(before + interval '15 min', reached, '15 min') reading;
CREATE UNIQUE INDEX ON boundary (id, reading);
ANALYZE;

-- hop by the clock. Of windows that begin at the same instant, because the zone left the time between out, the last one counts.
CREATE FUNCTION hop_by_clock(slide interval, size interval) RETURNS TABLE (id int, "start" timestamptz, "end" timestamptz) LANGUAGE sql AS $$
    SELECT DISTINCT ON (a.id, a.instant) a.id, a.instant, b.instant FROM boundary a JOIN boundary b ON a.id = b.id AND b.reading = a.reading + size
     WHERE a.reading = date_bin(slide, a.reading, '2000-01-03') ORDER BY a.id, a.instant, a.reading DESC
$$;
CREATE TABLE hopping AS
SELECT slide, size, w.* FROM (VALUES ('1 day'::interval, '2 days'::interval), ('1 day', '3 days'), ('2 days', '3 days'), ('2 h', '4 h'), ('2 h', '5 h'),
                                     ('6 h', '24 h'), ('4 h', '4 h'), ('12 h', '36 h'), ('2 h', '3 h 30 min')) v(slide, size), hop_by_clock(slide, size) w
UNION ALL
SELECT slide, size, id, start, start + size
  FROM (VALUES ('1 h'::interval, '6 h'::interval), ('1 h', '150 min'), ('5 h', '12 h'), ('24 h', '36 h'), ('10 min', '45 min')) v(slide, size), change,
       LATERAL (SELECT date_bin(slide, at - interval '6 days', '2000-01-03'::timestamp AT TIME ZONE zone) AS first) f,
       generate_series(first, at + interval '6 days', slide) start;
CREATE INDEX ON hopping (id, slide, size, start);
ANALYZE hopping;
SELECT c.zone, count(*) AS tried, count(*) FILTER (WHERE (starts, ends) IS DISTINCT FROM (is_starts, is_ends)) AS wrong,
       count(*) FILTER (WHERE NOT (pane <= t AND outside = 0)) AS pane_outside, sum(cardinality(starts)) AS windows
  FROM change c, generate_series(at - interval '2 days 10 min', at + interval '2 days', '67 min') t, (SELECT DISTINCT slide, size FROM hopping) s,
       -- no window is longer than that
       LATERAL (SELECT t - s.size - interval '1 day' AS earliest) l,
       LATERAL (SELECT array_agg(h.start ORDER BY h.start) AS starts, array_agg(h.end ORDER BY h.start) AS ends FROM hopping h
                 WHERE (h.id, h.slide, h.size) = (c.id, s.slide, s.size) AND h.start BETWEEN earliest AND t AND t < h.end) should,
       LATERAL (SELECT array_agg(a ORDER BY n) AS is_starts, array_agg(e ORDER BY n) AS is_ends
                  FROM ROWS FROM (hop(t, s.slide, s.size, NULL, zone), hop_end(t, s.slide, s.size, NULL, zone)) WITH ORDINALITY h(a, e, n)) are,
       LATERAL (SELECT _hop_pane(t, s.slide, s.size, NULL, zone) AS pane) p,
       -- every window that holds the pane's start holds t, and the other way round
       LATERAL (SELECT count(*) AS outside FROM hopping h WHERE (h.id, h.slide, h.size) = (c.id, s.slide, s.size)
                   AND h.start BETWEEN earliest - s.size AND t AND (h.start <= pane AND pane < h.end) <> (h.start <= t AND t < h.end)) o
 GROUP BY c.zone ORDER BY c.zone;

-- cumulate: every end of a step that comes after ts, up to the end of the size
CREATE TABLE steps AS
SELECT DISTINCT step, size, a.id, w.instant AS "start", e.instant AS "end"
  FROM (VALUES ('1 day'::interval, '2 days'::interval), ('1 day', '1 week'), ('2 h', '6 h'), ('2 h', '12 h'), ('12 h', '1 day'), ('4 h', '2 days')) v(step, size),
       boundary a JOIN boundary w USING (id) JOIN boundary e USING (id)
 WHERE a.reading = date_bin(step, a.reading, '2000-01-03') AND e.reading = a.reading + step AND w.reading = date_bin(size, a.reading, '2000-01-03')
   AND w.instant < e.instant
UNION
SELECT step, size, w.id, w.instant, least(w.instant + k * step, d.instant)
  FROM (VALUES ('1 h'::interval, '1 day'::interval), ('15 min', '6 h'), ('24 h', '1 day'), ('90 min', '12 h')) v(step, size),
       boundary w JOIN boundary d USING (id), generate_series(1, 49 * 4) k
 WHERE w.reading = date_bin(size, w.reading, '2000-01-03') AND d.reading = w.reading + size AND w.instant + (k - 1) * step < d.instant
UNION
SELECT step, size, id, a, a + k * step
  FROM (VALUES ('15 min'::interval, '1 h'::interval), ('2 h', '10 h'), ('2 h', '24 h'), ('12 h', '36 h')) v(step, size), change,
       LATERAL (SELECT date_bin(size, at - interval '6 days', '2000-01-03'::timestamp AT TIME ZONE zone) AS first) f,
       generate_series(first, at + interval '6 days', size) a, generate_series(1, 12) k WHERE k * step <= size;
CREATE INDEX ON steps (id, step, size, "start", "end");
ANALYZE steps;
SELECT c.zone, count(*) AS tried, count(*) FILTER (WHERE (starts, ends) IS DISTINCT FROM (is_starts, is_ends)) AS wrong,
       count(*) FILTER (WHERE pane <> greatest(w, before)) AS pane_wrong, sum(cardinality(starts)) AS windows
  FROM change c, generate_series(at - interval '1 day 10 min', at + interval '1 day', '47 min') t, (SELECT DISTINCT step, size FROM steps) s,
       LATERAL (SELECT max("start") AS w FROM steps h WHERE (h.id, h.step, h.size) = (c.id, s.step, s.size) AND h.start <= t) w,
       LATERAL (SELECT max("end") AS before FROM steps h WHERE (h.id, h.step, h.size, h.start) = (c.id, s.step, s.size, w) AND h.end <= t) b,
       LATERAL (SELECT array_agg(h.start ORDER BY h.end) AS starts, array_agg(h.end ORDER BY h.end) AS ends FROM steps h
                 WHERE (h.id, h.step, h.size, h.start) = (c.id, s.step, s.size, w) AND t < h.end) should,
       LATERAL (SELECT array_agg(a ORDER BY n) AS is_starts, array_agg(e ORDER BY n) AS is_ends
                  FROM ROWS FROM (cumulate(t, s.step, s.size, NULL, zone), cumulate_end(t, s.step, s.size, NULL, zone)) WITH ORDINALITY h(a, e, n)) are,
       LATERAL (SELECT _cumulate_pane(t, s.step, s.size, NULL, zone) AS pane) p
 GROUP BY c.zone ORDER BY c.zone;

-- properties, for timestamp too: every window holds ts, and holds all of its pane
CREATE FUNCTION lawless(kind text, type text, step interval, size interval, zone text, first text, last text, every interval)
RETURNS TABLE (tried bigint, outside bigint, unordered bigint, other_from_pane bigint) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format($q$
        SELECT count(*), count(*) FILTER (WHERE NOT (pane <= t AND (SELECT bool_and(s <= pane AND t < e) FROM unnest(starts, ends) u(s, e)))),
               count(*) FILTER (WHERE starts <> ARRAY(SELECT s FROM unnest(starts) s ORDER BY 1) OR ends <> ARRAY(SELECT e FROM unnest(ends) e ORDER BY 1)),
               count(*) FILTER (WHERE (starts, ends) IS DISTINCT FROM (pane_starts, pane_ends))
          FROM generate_series(%3$L::timestamp, %4$L::timestamp, %5$L) g, LATERAL (SELECT g::%2$s AS t) t,
               LATERAL (SELECT _%1$s_pane(t, $1, $2, NULL, $3) AS pane) p,
               LATERAL (SELECT array_agg(s) AS starts, array_agg(e) AS ends
                          FROM (SELECT %1$s(t, $1, $2, NULL, $3) s, %1$s_end(t, $1, $2, NULL, $3) e) x) w,
               LATERAL (SELECT array_agg(s) AS pane_starts, array_agg(e) AS pane_ends
                          FROM (SELECT %1$s(pane, $1, $2, NULL, $3) s, %1$s_end(pane, $1, $2, NULL, $3) e) x) wp
        $q$, kind, type, first, last, every) USING step, size, zone;
END $$;
SELECT kind, type, sum(tried) AS tried, sum(outside) AS outside, sum(unordered) AS unordered, sum(other_from_pane) AS other_from_pane
  FROM (VALUES ('hop', '1 h', '6 h'), ('hop', '10 min', '45 min'), ('hop', '5 h', '12 h'), ('hop', '1 day', '3 days'), ('hop', '2 h', '5 h'), ('hop', '2 months', '5 months'),
               ('cumulate', '1 h', '1 day'), ('cumulate', '10 min', '1 h'), ('cumulate', '90 min', '2 days'), ('cumulate', '1 day', '1 week'),
               ('cumulate', '1 h', '6 h'), ('cumulate', '1 month', '1 year')) v(kind, step, size),
       unnest('{timestamp,timestamptz}'::text[]) type,
       unnest('{2025-03-29,2025-10-25}'::text[]) first, unnest('{Europe/Berlin,Australia/Lord_Howe,Antarctica/Troll,Asia/Kathmandu}'::text[]) zone,
       lawless(kind, type, step::interval, size::interval, zone, first, (first::date + 3)::text, '47 min')
 GROUP BY kind, type ORDER BY kind, type;
SELECT kind, sum(tried) AS tried, sum(outside) AS outside, sum(unordered) AS unordered, sum(other_from_pane) AS other_from_pane
  FROM (VALUES ('hop', '1 day', '3 days'), ('hop', '2 weeks', '3 weeks'), ('hop', '2 months', '5 months'), ('hop', '24 h', '72 h'),
               ('cumulate', '1 day', '1 week'), ('cumulate', '24 h', '2 days'), ('cumulate', '1 month', '1 year')) v(kind, step, size),
       lawless(kind, 'date', step::interval, size::interval, 'Europe/Berlin', '2023-01-01', '2026-01-01', '1 day')
 GROUP BY kind ORDER BY kind;

-- ---- the panes of sessions: as long as the gap, by instant ----
SELECT count(*) AS tried, count(*) FILTER (WHERE _session_pane(t, g) <> date_bin(g, t, '2000-01-03')) AS timestamptz,
       count(*) FILTER (WHERE _session_pane(t::timestamp, g) <> date_bin(g, t::timestamp, '2000-01-03')) AS timestamp
  FROM generate_series('1969-12-30'::timestamptz, '1970-01-03', '17 min') t, unnest('{1 s,5 min,1 h,12 h,1 day,10 days}'::interval[]) g;
SELECT _session_pane('2025-02-14'::date, '3 days') AS date;

-- ---- set-returning: anywhere, broken off, again ----
CREATE TABLE event (k text, ts timestamptz, x int);
INSERT INTO event VALUES ('a', '2025-02-14 12:00:01', 1), ('a', '2025-02-14 12:00:04', 2), ('b', '2025-02-14 12:00:11', 4), ('a', '2025-02-14 12:00:17', 8),
                         ('b', NULL, 16);
SELECT k, hop(ts, '5 s', '10 s')::time AS start, hop_end(ts, '5 s', '10 s')::time AS "end", sum(x), count(*) FROM event GROUP BY 1, 2, 3 ORDER BY 1, 2;
SELECT e.k, w::time, sum(x) FROM event e, hop_end(ts, '5 s', '10 s') w GROUP BY 1, 2 ORDER BY 1, 2;
SELECT k, (SELECT h FROM hop(ts, '5 s', '30 s') h LIMIT 1)::time AS first, (SELECT h FROM hop(ts, '5 s', '30 s') h OFFSET 5)::time AS last FROM event ORDER BY ts;
SELECT k, w.h::time FROM event, LATERAL (SELECT hop(ts, '5 s', '30 s') AS h LIMIT 2) w ORDER BY ts, 2;
SELECT extract(epoch FROM hop('2025-02-14 12:00:01+00'::timestamptz, '5 s', '10 s')) AS epoch, hop('2025-02-14 12:00:01+00'::timestamptz, '5 s', '10 s') + interval '1 min' AS later;
-- arguments that change within a query
SELECT n, hop('2025-02-14 12:00:01+00'::timestamptz, make_interval(secs => n), make_interval(secs => 2 * n), NULL, z)::time
  FROM (VALUES (5, 'UTC'), (10, 'UTC'), (10, 'Asia/Kathmandu'), (5, NULL), (5, 'UTC')) v(n, z);
CREATE FUNCTION rows_planned(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    EXECUTE 'EXPLAIN ' || query INTO line;
    RETURN substring(line FROM 'rows=(\d+)');
END $$;
SELECT rows_planned($$SELECT hop(now(), '10 s', '1 min')$$) AS hop, rows_planned($$SELECT * FROM hop_end(now(), '1 day', '1 week')$$) AS hop_end,
       rows_planned($$SELECT * FROM cumulate(now(), '1 h', '1 day')$$) AS cumulate, rows_planned($$SELECT * FROM cumulate_end(current_date, '1 day', '1 day')$$) AS one;
SELECT proname, provolatile AS v, proparallel AS p, proretset AS set, proargnames AS args, count(*) FROM pg_proc
 WHERE pronamespace = 'streambatch'::regnamespace AND proname ~ '^_?(tumble|hop|cumulate|session)' AND NOT 'internal'::regtype = ANY (proargtypes)
 GROUP BY 1, 2, 3, 4, 5 ORDER BY 1;

-- ---- what is refused ----
CREATE FUNCTION fails(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    h text; n bigint;
BEGIN
    EXECUTE 'SELECT count(*) FROM (SELECT ' || expression || ' OFFSET 0) x WHERE x IS NOT NULL' INTO n;
    RETURN n || ' rows';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS h = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN h <> '' THEN ' | ' || h ELSE '' END;
END $$;
SELECT e AS expression, fails(e) FROM unnest(ARRAY[
    $$hop(now(), '0', '1 h')$$, $$hop(now(), '-1 h', '1 h')$$, $$hop(now(), '1 h', '-1 h')$$, $$hop(now(), '1 day 1 h', '1 week')$$, $$hop(now(), '1 h', '1 day 1 h')$$,
    $$hop(now(), '1 h', '10 min')$$, $$hop_end(now(), '1 week', '1 day')$$, $$hop(now(), '1 day', '1 h')$$, $$hop(now(), '25 h', '1 day')$$, $$hop(now(), '1 day', '36 h')$$,
    $$hop(now(), '1 day', '24 h')$$, $$hop(now(), '1 day', '1 month')$$, $$hop(now(), '1 h', '1 month')$$, $$hop(now(), '1 month', '31 days')$$,
    $$hop(now(), '1 h', '2 h', 'infinity')$$, $$hop('infinity'::timestamptz, '1 h', '2 h')$$, $$hop(now(), '1 h', '2 h', NULL, 'Mars/Base')$$,
    $$hop(current_date, '1 h', '1 day')$$, $$hop(current_date, '1 day', '36 h')$$, $$hop('4714-11-24 00:00+00 BC'::timestamptz, '1 h', '2 h')$$,
    $$hop_end('4714-11-24 00:00+00 BC'::timestamptz, '1 h', '2 h')$$, $$hop('294276-12-31 23:30+00'::timestamptz, '1 h', '2 h')$$, $$hop_end('294276-12-31 23:30+00'::timestamptz, '1 h', '2 h')$$,
    $$cumulate(now(), '0', '1 h')$$, $$cumulate(now(), '1 h', '-1 h')$$, $$cumulate(now(), '1 h', '10 min')$$, $$cumulate(now(), '1 day', '1 h')$$,
    $$cumulate(now(), '7 min', '1 h')$$, $$cumulate(now(), '2 days', '1 week')$$, $$cumulate(now(), '5 months', '1 year')$$, $$cumulate(now(), '5 h', '1 day')$$,
    $$cumulate(now(), '36 h', '3 days')$$, $$cumulate(now(), '1 day', '1 month')$$, $$cumulate(now(), '1 h', '1 month')$$, $$cumulate(now(), '1 day', '48 h')$$,
    $$cumulate_end(now(), '1 mon 1 day', '1 year')$$, $$cumulate(current_date, '1 h', '1 day')$$, $$cumulate(now(), '1 h', '1 day', NULL, '')$$,
    $$cumulate_end('294276-12-31 23:30+00'::timestamptz, '1 h', '2 h')$$, $$cumulate('-infinity'::date, '1 day', '1 week')$$,
    $$_session_pane(now(), '1 month')$$, $$_session_pane(now(), '0')$$, $$_session_pane(now(), '1 day 1 h')$$, $$_session_pane(current_date, '1 h')$$,
    $$coalesce(hop(now(), '1 h', '2 h'), now())$$]) e;

-- ---- session() is for hybrid views; its hint is what to do over a table ----
SELECT fails($$session(now(), '5 min')$$) AS hint \gset
\echo :hint
SELECT e, fails(e) = replace(:'hint', 'session()', split_part(e, '(', 1) || '()') AS same FROM unnest(ARRAY[
    $$session(localtimestamp, '5 min')$$, $$session(current_date, '1 day')$$, $$session_end(now(), '5 min')$$, $$session_end(localtimestamp, '5 min')$$,
    $$session_end(current_date, '1 day')$$, $$session(NULL::timestamptz, '5 min')$$]) e;
CREATE TABLE t (k text, ts timestamptz);
INSERT INTO t VALUES ('a', '2025-02-14 12:00:00'), ('a', '2025-02-14 12:05:00'), ('a', '2025-02-14 12:10:00.000001'), ('a', '2025-02-14 12:12'), ('a', '2025-02-14 12:12'),
                     ('b', '2025-02-14 12:05:00'), ('b', '2025-02-14 11:00:00');
SELECT replace(regexp_replace(:'hint', '^.*running sum: (.*)\.$', '\1'), 'gap', 'interval ''5 min''') || ' ORDER BY 1, 2' AS query \gset
:query;

SET client_min_messages = warning;
DROP SCHEMA window_hop_test CASCADE;

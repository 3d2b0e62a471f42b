-- Windows in hybrid views: assembled from panes, each view is the plain query over the archive, in every layer and merged.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA window_view;
SET search_path = window_view;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER
CREATE SERVER window_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
\! test/broker/broker-command create windows 3
CREATE FOREIGN TABLE events (u int, x int, ts timestamptz, naive timestamp, day date, sent timestamptz) SERVER window_kafka
    OPTIONS (topic 'windows', event_time 'ts');
CREATE TABLE views (view text, query text);

-- Rows in which the two answers differ; the plain query reads the archive.
CREATE FUNCTION differences() RETURNS TABLE (view text, n bigint) LANGUAGE plpgsql AS $$
DECLARE
    v record;
BEGIN
    FOR v IN SELECT * FROM views ORDER BY 1 LOOP
        EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL TABLE %1$I)) d',
                       v.view, replace(v.query, 'FROM events', 'FROM events_archive events')) INTO n;
        view := v.view;
        CONTINUE WHEN n = 0;
        RETURN NEXT;
    END LOOP;
END $$;
-- plain: where the query by hand is another one
CREATE FUNCTION hybrid(name text, query text, plain text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM streambatch.create_view(name, query);
    INSERT INTO views VALUES (name, coalesce(plain, query));
END $$;
-- Sessions by hand: a running sum of where a gap begins.
CREATE FUNCTION sessions(keys text, ts text, gap text, outputs text, condition text DEFAULT 'true') RETURNS text LANGUAGE sql AS $$
SELECT format($q$SELECT %4$s FROM (SELECT *, sum(opens) OVER (PARTITION BY %1$s ORDER BY %2$s) AS number FROM
    (SELECT *, CASE WHEN %2$s - lag(%2$s) OVER (PARTITION BY %1$s ORDER BY %2$s) <= %3$s THEN 0 ELSE 1 END AS opens
       FROM events WHERE (%5$s) AND %2$s IS NOT NULL) o) s GROUP BY %1$s, number$q$, keys, ts, gap, outputs, condition)
$$;

SELECT hybrid('hop', $$SELECT u, streambatch.hop(ts, '10 s', '1 min') AS w, count(*), sum(x) FROM events GROUP BY 1, 2$$);
SELECT hybrid('hop_both', $$SELECT streambatch.hop(ts, '10 s', '1 min') AS w, streambatch.hop_end(ts, '10 s', '1 min') AS e, u, count(*), avg(x)
    FROM events GROUP BY 1, 2, 3$$);
-- panes and states as those of "hop": they share its fold
SELECT hybrid('tumble_of_hop', $$SELECT u, streambatch.tumble(ts, '10 s') AS w, count(*), sum(x) FROM events GROUP BY 1, 2$$);
SELECT hybrid('hop_of_hop', $$SELECT u, streambatch.hop(ts, '20 s', '30 s') AS w, streambatch.hop_end(ts, '20 s', '30 s') AS e, count(*), sum(x) FROM events GROUP BY 1, 2, 3$$);
SELECT hybrid('hop_end', $$SELECT streambatch.hop_end(ts, '20 s', '50 s') AS e, count(*), max(x) FROM events GROUP BY 1$$);
SELECT hybrid('hop_not_selected', $$SELECT u, count(*) FROM events GROUP BY u, streambatch.hop(ts, '20 s', '50 s')$$);
SELECT hybrid('hop_days', $$SELECT streambatch.hop(ts, '1 day', '7 days', time_zone => 'Europe/Berlin') AS w, count(*), min(x) FROM events WHERE x > 3 GROUP BY 1$$);
SELECT hybrid('hop_months', $$SELECT streambatch.hop(ts, '1 month', '3 months', '2000-01-15 05:00+00', 'America/New_York') AS w, count(*) FROM events GROUP BY 1$$);
SELECT hybrid('hop_hours', $$SELECT streambatch.hop(ts, '2 hours', '6 hours', time_zone => 'Europe/Berlin') AS w, u, count(*) FROM events GROUP BY 1, 2$$);
SELECT hybrid('hop_hours_of_day', $$SELECT streambatch.hop(ts, '1 hour', '1 day', time_zone => 'Australia/Lord_Howe') AS w,
    streambatch.hop_end(ts, '1 hour', '1 day', time_zone => 'Australia/Lord_Howe') AS e, count(*), sum(x) FROM events GROUP BY 1, 2$$);
SELECT hybrid('hop_half_days', $$SELECT u, streambatch.hop(ts, '12 hours', '1 day', time_zone => 'Europe/Berlin') AS w, count(*) FROM events GROUP BY 1, 2$$);
SELECT hybrid('hop_odd_hours', $$SELECT u, streambatch.hop_end(ts, '5 hours', '2 days', time_zone => 'Europe/Berlin') AS e, count(*) FROM events GROUP BY 1, 2$$);
SELECT hybrid('hop_hours_of_day_utc', $$SELECT streambatch.hop(ts, '1 hour', '1 day') AS w, count(*) FROM events GROUP BY 1$$);
SELECT hybrid('hop_naive_hours', $$SELECT streambatch.hop(naive, '1 hour', '1 day', time_zone => 'Europe/Berlin') AS w,
    streambatch.hop_end(naive, '1 hour', '1 day', time_zone => 'Europe/Berlin') AS e, count(*) FROM events GROUP BY 1, 2$$);
SELECT hybrid('hop_naive', $$SELECT streambatch.hop(naive, '15 min', '40 min', time_zone => 'Europe/Berlin') AS w, count(*) FROM events GROUP BY 1$$);
SELECT hybrid('hop_date', $$SELECT streambatch.hop(day, '1 day', '3 days') AS w, streambatch.hop_end(day, '1 day', '3 days') AS e, count(*) FROM events GROUP BY 1, 2$$);
SELECT hybrid('hop_expressions', $$SELECT extract(epoch FROM streambatch.hop(ts, '30 s', '1 min')) AS s,
    streambatch.hop(ts, '30 s', '1 min') + interval '1 min' AS e, u % 2 AS odd, count(*) + 1 AS more FROM events GROUP BY 1, 2, 3 HAVING count(*) > 1$$);
SELECT hybrid('hop_coarse', $$SELECT date_trunc('hour', streambatch.hop(ts, '10 min', '30 min')) AS hour, count(*) FROM events GROUP BY 1$$);
SELECT hybrid('hop_of_sent', $$SELECT streambatch.hop(sent, '10 s', '30 s') AS w, count(*) FROM events GROUP BY 1$$);
SELECT hybrid('hop_distinct', $$SELECT DISTINCT streambatch.hop(ts, '10 s', '20 s') AS w, u FROM events$$);
SELECT hybrid('cumulate', $$SELECT streambatch.cumulate(ts, '10 s', '1 min') AS w, streambatch.cumulate_end(ts, '10 s', '1 min') AS e, count(*), sum(x)
    FROM events GROUP BY 1, 2$$);
SELECT hybrid('cumulate_end', $$SELECT u, streambatch.cumulate_end(ts, '20 min', '1 h') AS e, count(*), sum(x) FROM events GROUP BY 1, 2$$);
SELECT hybrid('cumulate_start', $$SELECT streambatch.cumulate(ts, '10 s', '1 min') AS w, count(*) FROM events GROUP BY 1$$);
SELECT hybrid('cumulate_hours_of_day', $$SELECT streambatch.cumulate(ts, '1 hour', '1 day', time_zone => 'Europe/Berlin') AS w,
    streambatch.cumulate_end(ts, '1 hour', '1 day', time_zone => 'Europe/Berlin') AS e, count(*) FROM events GROUP BY 1, 2$$);
SELECT hybrid('session', $$SELECT u, streambatch.session(ts, '10 s') AS s, streambatch.session_end(ts, '10 s') AS e, count(*), sum(x) FROM events GROUP BY 1, 2, 3$$,
    sessions('u', 'ts', $$interval '10 s'$$, $$u, min(ts), max(ts) + interval '10 s', count(*), sum(x)$$));
SELECT hybrid('session_filtered', $$SELECT u, x % 2 AS odd, streambatch.session(ts, '5 s') AS s, max(x) FROM events WHERE x > 2 GROUP BY 1, 2, 3$$,
    sessions('u, x % 2', 'ts', $$interval '5 s'$$, 'u, x % 2, min(ts), max(x)', 'x > 2'));
SELECT hybrid('session_alone', $$SELECT streambatch.session_end(ts, '1 s') AS e, count(*) FROM events GROUP BY 1$$,
    sessions('(u IS NULL AND u IS NOT NULL)', 'ts', $$interval '1 s'$$, $$max(ts) + interval '1 s', count(*)$$));
SELECT hybrid('session_length', $$SELECT u, streambatch.session_end(ts, '20 s') - streambatch.session(ts, '20 s') AS length, streambatch.session(ts, '20 s') AS s
    FROM events GROUP BY 1, 2, 3$$, sessions('u', 'ts', $$interval '20 s'$$, $$u, max(ts) + interval '20 s' - min(ts), min(ts)$$));
SELECT hybrid('session_naive', $$SELECT u, streambatch.session(naive, '1 day') AS s, count(*) FROM events GROUP BY 1, 2$$,
    sessions('u', 'naive', $$interval '1 day'$$, 'u, min(naive), count(*)'));
SELECT hybrid('session_date', $$SELECT u, streambatch.session(day, '2 days') AS s, streambatch.session_end(day, '2 days') AS e, count(*) FROM events GROUP BY 1, 2, 3$$,
    sessions('u', 'day', '2', 'u, min(day), max(day) + 2, count(*)'));
SELECT hybrid('tumble_month', $$SELECT streambatch.tumble(ts, '1 month', time_zone => 'Australia/Lord_Howe') AS w, count(*), sum(x) FROM events GROUP BY 1$$);
SELECT hybrid('tumble_day', $$SELECT u, streambatch.tumble(ts, '1 day', time_zone => 'America/Havana') AS w, count(*) FROM events GROUP BY 1, 2$$);
SELECT hybrid('trunc', $$SELECT date_trunc('minute', ts) AS w, u, count(*) FROM events GROUP BY 1, 2$$);
SELECT hybrid('trunc_zone', $$SELECT date_trunc('day', ts, 'America/Havana') AS w, count(*) FROM events GROUP BY 1$$);
SELECT hybrid('trunc_both', $$SELECT date_trunc('month', ts) AS m, date_trunc('hours', ts) AS h, count(*) FROM events GROUP BY 1, 2$$);
SELECT hybrid('trunc_of_sent', $$SELECT date_trunc('week', sent) AS w, count(*) FROM events GROUP BY 1$$);
SELECT hybrid('bin', $$SELECT date_bin('15 s', ts, '2001-01-01 00:00:07+00') AS w, count(*) FROM events GROUP BY 1$$);
SET timezone = 'Europe/Berlin';
SELECT hybrid('trunc_berlin', $$SELECT date_trunc('day', ts) AS w, count(*) FROM events GROUP BY 1$$,
    $$SELECT date_trunc('day', ts, 'Europe/Berlin') AS w, count(*) FROM events GROUP BY 1$$);
SET timezone = 'UTC';

-- Around the night when Berlin lost an hour, with stragglers of other days, and times that are missing.
SELECT setseed(0.25);
CREATE TABLE batches AS
SELECT b, floor(random() * 3)::int AS p, json_build_object('u', nullif(floor(random() * 4), 3), 'x', nullif(floor(random() * 10), 9), 'ts', ts,
           'naive', (ts AT TIME ZONE 'Europe/Berlin'), 'day', ts::date, 'sent', CASE WHEN random() < 0.8 THEN ts + random() * interval '10 s' END)::text AS payload
  FROM generate_series(1, 3) b, generate_series(1, 150) i,
       LATERAL (SELECT CASE WHEN i % 10 = 0 THEN timestamptz '2024-10-20' + floor(random() * 300) * interval '1 day 1 h' + random() * interval '1 h'
                       ELSE timestamptz '2025-03-30 00:50+00' + floor(random() * 1200) * interval '1 s' END AS ts) t;

\copy (SELECT p, NULL, payload, 0 FROM batches WHERE b = 1) TO PROGRAM 'test/broker/produce windows'
SELECT streambatch.wait_for('events');
SELECT * FROM differences();
SELECT count(*) FROM views;

-- ---- both layers: closed windows, then everything, then late and newer events over both ----
SELECT format($$CALL streambatch.refresh('%s', '2025-03-30 00:55+00', '2025-03-30 01:00+00')$$, view) FROM views WHERE view <> 'trunc_of_sent'
\gexec
SELECT * FROM differences();
\copy (SELECT p, NULL, payload, 0 FROM batches WHERE b = 2) TO PROGRAM 'test/broker/produce windows'
SELECT streambatch.wait_for('events');
SELECT * FROM differences();
SELECT format($$CALL streambatch.refresh('%s', "to" => 'infinity')$$, view) FROM views WHERE view <> 'trunc_of_sent'
\gexec
-- no window of the stream's time: a plain key, refreshed as a whole
CALL streambatch.refresh('trunc_of_sent');
SELECT * FROM differences();
SET streambatch.serve = 'batch';
SELECT * FROM differences();
RESET streambatch.serve;
SELECT count(*) FROM hop WHERE u IS NULL;
\copy (SELECT p, NULL, payload, 0 FROM batches WHERE b = 3) TO PROGRAM 'test/broker/produce windows'
SELECT streambatch.wait_for('events');
SELECT * FROM differences();
SELECT format($$CALL streambatch.refresh('%s')$$, view) FROM views WHERE view <> 'trunc_of_sent'
\gexec
SELECT * FROM differences();
-- a view that comes late computes the past
SELECT hybrid('hop_late', $$SELECT u, streambatch.hop(ts, '15 s', '40 s') AS w, count(*), sum(x) FROM events GROUP BY 1, 2$$);
SELECT hybrid('session_late', $$SELECT u, streambatch.session(ts, '7 s') AS s, count(*) FROM events GROUP BY 1, 2$$,
    sessions('u', 'ts', $$interval '7 s'$$, 'u, min(ts), count(*)'));
SELECT * FROM differences();
SELECT bool_and(recommended = 'batch' AND closed) FROM hop_late_layers WHERE w < '2025-03-30 01:00+00';

-- ---- by hand ----
\! test/broker/broker-command create hand 1
CREATE FOREIGN TABLE hand (u int, ts timestamptz) SERVER window_kafka OPTIONS (topic 'hand', event_time 'ts');
SELECT streambatch.create_view('hand_session', $$SELECT u, streambatch.session(ts, '10 s') AS s, streambatch.session_end(ts, '10 s') AS e, count(*)
    FROM hand GROUP BY 1, 2, 3$$);
SELECT streambatch.create_view('hand_hop', $$SELECT streambatch.hop(ts, '10 s', '20 s') AS w, streambatch.hop_end(ts, '10 s', '20 s') AS e, count(*)
    FROM hand GROUP BY 1, 2$$);
\copy (SELECT 0, NULL, json_build_object('u', 1, 'ts', '2025-01-01 12:00:' || s || '+00'), 0 FROM unnest(ARRAY['00', '10', '21', '45']) s) TO PROGRAM 'test/broker/produce hand'
SELECT streambatch.wait_for('hand');
-- ten seconds apart is one session, eleven are two
SELECT * FROM hand_session ORDER BY 1, 2;
SELECT * FROM hand_hop ORDER BY 1;
CALL streambatch.refresh('hand_session', '2025-01-01 12:00:00+00', '2025-01-01 12:00:20+00');
-- a late event joins sessions of both layers
\copy (SELECT 0, NULL, json_build_object('u', 1, 'ts', '2025-01-01 12:00:15+00'), 0) TO PROGRAM 'test/broker/produce hand'
SELECT streambatch.wait_for('hand');
SELECT u, s, e, stream_count, batch_count, count, recommended, exact, closed FROM hand_session_layers ORDER BY 1, 2;
CALL streambatch.refresh('hand_session', "to" => 'infinity');
SELECT u, s, e, stream_count, batch_count, count, recommended, exact, closed FROM hand_session_layers ORDER BY 1, 2;
-- of several panes, the earliest cut; of each layer, whether it has any pane of the window
CALL streambatch.refresh('hand_hop', '2025-01-01 12:00:00+00', '2025-01-01 12:00:10+00');
CALL streambatch.refresh('hand_hop', '2025-01-01 12:00:10+00', '2025-01-01 12:00:20+00');
SELECT w, stream_count, batch_count, stream_as_of IS NOT NULL AS stream,
       (SELECT count(*) + 1 FROM streambatch.refresh_history r WHERE r.view = 'hand_hop'::regclass AND r.kind = 'refresh' AND r.cut_at < batch_as_of) AS cut
  FROM (SELECT * FROM hand_hop_layers) l WHERE batch_as_of IS NOT NULL OR batch_count IS NOT NULL ORDER BY 1;
-- a range that cuts panes is widened to theirs, which are no windows
SET client_min_messages = notice;
CALL streambatch.refresh('hand_hop', '2025-01-01 12:00:03+00', '2025-01-01 12:00:12+00');
SET client_min_messages = warning;

-- a window without a time is computed up to infinity alone
SELECT streambatch.create_view('hand_null', $$SELECT streambatch.tumble(nullif(ts, '2025-01-01 12:00:45+00'), '1 min') AS w, count(*) FROM hand GROUP BY 1$$);
CALL streambatch.refresh('hand_null', '2025-01-01', '2025-01-02');
SELECT w, stream_count, batch_count, batch_as_of IS NOT NULL AS batch, closed FROM hand_null_layers ORDER BY 1;
CALL streambatch.refresh('hand_null', "to" => 'infinity');
SELECT w, stream_count, batch_count, batch_as_of IS NOT NULL AS batch, closed FROM hand_null_layers ORDER BY 1;
DROP VIEW hand_null;

-- ---- what fails in a shared fold fails for all that share it ----
SELECT streambatch.create_view('fails_tumble', $$SELECT streambatch.tumble(ts, '10 s') AS w, sum(1 / (u - 7)) FROM hand GROUP BY 1$$);
SELECT streambatch.create_view('fails_hop', $$SELECT streambatch.hop(ts, '10 s', '20 s') AS w, sum(1 / (u - 7)) FROM hand GROUP BY 1$$);
SELECT streambatch.create_view('overflows_tumble', $$SELECT streambatch.tumble(ts, '10 s') AS w, sum(u * 4e307::float8) AS s FROM hand GROUP BY 1$$);
SELECT streambatch.create_view('overflows_hop', $$SELECT streambatch.hop(ts, '10 s', '20 s') AS w, sum(u * 4e307::float8) AS s FROM hand GROUP BY 1$$);
\copy (SELECT 0, NULL, json_build_object('u', u, 'ts', '2025-01-01 13:00:0' || n || '+00'), 0 FROM unnest(ARRAY[7, 6, 4, 4, 4]) WITH ORDINALITY AS t (u, n)) TO PROGRAM 'test/broker/produce hand'
SELECT streambatch.wait_for('hand');
SELECT view, count(*), min(message) FROM streambatch.dead_letter WHERE stream = 'hand'::regclass GROUP BY 1 ORDER BY 1;
SELECT * FROM fails_tumble WHERE w > '2025-01-01 12:30+00' ORDER BY 1;
SELECT * FROM fails_hop WHERE w > '2025-01-01 12:30+00' ORDER BY 1;
SELECT w, s / 4e307 AS s FROM overflows_tumble WHERE w > '2025-01-01 12:30+00' ORDER BY 1;
SELECT w, s / 4e307 AS s FROM overflows_hop WHERE w > '2025-01-01 12:30+00' ORDER BY 1;

-- ---- conditions on windows reach the panes ----
-- The conditions of the scans of state tables, by whichever index or filter.
CREATE FUNCTION scans(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    found text[] := '{}';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
        IF line ~ '(Index Cond|Recheck Cond|Filter):' THEN
            found := found || ARRAY(SELECT m[1] FROM regexp_matches(line, $r$((?:pane|k1) [<>=]+ (?:'[^']+'|\d+))$r$, 'g') m);
        END IF;
    END LOOP;
    RETURN QUERY SELECT DISTINCT f FROM unnest(found) f ORDER BY 1;
END $$;
SELECT scans($$SELECT * FROM hop WHERE u = 1 AND w = '2025-03-30 00:50:10+00'$$);
SELECT scans($$SELECT * FROM hop_both WHERE w >= '2025-03-30 00:50:10+00' AND e < '2025-03-30 00:55+00'$$);
SELECT scans($$SELECT * FROM hop_date WHERE w < '2025-03-30'$$);
SELECT scans($$SELECT * FROM cumulate WHERE '2025-03-30 00:50+00' = w$$);
SELECT scans($$SELECT * FROM session WHERE u = 1$$);
SELECT scans($$SELECT * FROM trunc WHERE w = '2025-03-30 00:50+00' AND u = 2$$);
-- and leave out nothing
SELECT t AS at, (SELECT count(*) FROM hop_both WHERE w = t) = (SELECT count(*) FROM (SELECT * FROM hop_both OFFSET 0) h WHERE w = t) AS start,
       (SELECT count(*) FROM hop_both WHERE e = t) = (SELECT count(*) FROM (SELECT * FROM hop_both OFFSET 0) h WHERE e = t) AS "end",
       (SELECT count(*) FROM hop_days WHERE w <= t) = (SELECT count(*) FROM (SELECT * FROM hop_days OFFSET 0) h WHERE w <= t) AS days,
       (SELECT count(*) FROM hop_months WHERE w > t) = (SELECT count(*) FROM (SELECT * FROM hop_months OFFSET 0) h WHERE w > t) AS months,
       (SELECT count(*) FROM hop_hours_of_day WHERE w <= t AND e > t) = (SELECT count(*) FROM (SELECT * FROM hop_hours_of_day OFFSET 0) h WHERE w <= t AND e > t) AS hours,
       (SELECT count(*) FROM hop_odd_hours WHERE e = t) = (SELECT count(*) FROM (SELECT * FROM hop_odd_hours OFFSET 0) h WHERE e = t) AS odd,
       (SELECT count(*) FROM cumulate WHERE w > t AND e < t + interval '1 h') =
           (SELECT count(*) FROM (SELECT * FROM cumulate OFFSET 0) h WHERE w > t AND e < t + interval '1 h') AS cumulate
  FROM unnest(ARRAY['2025-03-30 00:50:10+00', '2025-03-30 01:00:00+00', '2025-03-29 23:00+00', '2025-01-15 05:00+00', '-infinity', 'infinity']::timestamptz[]) t;
SELECT count(*) FROM hop WHERE w = ANY (ARRAY['2025-03-30 00:50:10+00', '2025-03-30 00:50:20+00']::timestamptz[]) AND u = 1;

SET client_min_messages = error;
DROP SCHEMA window_view CASCADE;
DROP SERVER window_kafka CASCADE;

-- A refresh without a range computes what has changed and nothing else, in chunks of so many events, whatever happens to some of the windows.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA changed;
SET search_path = changed;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\set SHOW_CONTEXT never
\getenv broker STREAMBATCH_BROKER
CREATE SERVER changed_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE VIEW history AS
SELECT view, state, from_time, to_time, chunks, chunks_done, rows, error FROM streambatch.refresh_history ORDER BY id;
CREATE VIEW covered AS
SELECT v.view, count(*) AS intervals, min(from_time) AS from_time, max(to_time) AS to_time, count(DISTINCT cut_epoch) AS cuts
  FROM streambatch._coverage c JOIN streambatch._view v ON v.id = c.view_id GROUP BY 1;

-- ---- windows whose events have left the archive keep their values, however many others have changed ----
\! test/broker/broker-command create changed_kept 1
CREATE FOREIGN TABLE kept (k int, n int, ts timestamptz) SERVER changed_kafka OPTIONS (topic 'changed_kept', event_time 'ts');
SELECT streambatch.create_view('hours', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS n FROM kept GROUP BY 1$$);
INSERT INTO kept SELECT 1, 1, '2025-01-01 00:10Z'::timestamptz + i * interval '30 min' FROM generate_series(0, 799) i;
SELECT streambatch.wait_for('kept');
CALL streambatch.refresh('hours');
DELETE FROM kept_archive WHERE ts < '2025-01-11Z';
INSERT INTO kept SELECT 1, 1, '2025-01-11 00:20Z'::timestamptz + i * interval '2 h' FROM generate_series(1, 64) i;
INSERT INTO kept VALUES (1, 1, '2025-01-01 00:20Z');
SELECT streambatch.wait_for('kept');
CALL streambatch.refresh('hours');
SELECT count(*), sum(n), min(n), max(n) FROM hours WHERE w < '2025-01-11Z';
SELECT * FROM hours WHERE w = '2025-01-01 00:00Z';
SELECT count(*) AS different FROM (
    (SELECT * FROM hours WHERE w >= '2025-01-11Z' EXCEPT SELECT streambatch.tumble(ts, '1 h'), count(*) FROM kept_archive WHERE ts >= '2025-01-11Z' GROUP BY 1)
    UNION ALL
    (SELECT streambatch.tumble(ts, '1 h'), count(*) FROM kept_archive WHERE ts >= '2025-01-11Z' GROUP BY 1 EXCEPT SELECT * FROM hours)) d;
-- what was kept is of the old cut, all other windows of the new one
SELECT recommended, count(*), count(DISTINCT batch_as_of) AS cuts FROM hours_layers GROUP BY 1;
SELECT w, stream_n, batch_n, n FROM hours_layers WHERE recommended = 'merged';
SELECT * FROM history WHERE view = 'hours'::regclass;
SELECT * FROM covered WHERE view = 'hours'::regclass;
-- kept again, also with one more event; computed when it is named
INSERT INTO kept VALUES (1, 1, '2025-01-01 00:30Z');
SELECT streambatch.wait_for('kept');
CALL streambatch.refresh('hours');
SELECT * FROM hours WHERE w = '2025-01-01 00:00Z';
CALL streambatch.refresh('hours', '2025-01-01 00:00Z', '2025-01-01 01:00Z');
SELECT * FROM hours WHERE w = '2025-01-01 00:00Z';
SELECT count(*) FROM hours WHERE w < '2025-01-11Z';
-- an event in a window that had none: nothing is lost by computing it
INSERT INTO kept VALUES (1, 1, '2024-12-31 00:30Z');
SELECT streambatch.wait_for('kept');
CALL streambatch.refresh('hours');
SELECT w, n, recommended FROM hours_layers WHERE w < '2025-01-01Z';
CALL streambatch.refresh('hours');
SELECT * FROM covered WHERE view = 'hours'::regclass;
-- of what was never refreshed, the stream layer is all that there is
SELECT streambatch.create_view('days', $$SELECT streambatch.tumble(ts, '1 day') AS w, k, count(*) AS n FROM kept GROUP BY 1, 2$$, history => false);
INSERT INTO kept SELECT i % 2, 1, '2025-02-01Z'::timestamptz + i * interval '6 h' FROM generate_series(0, 39) i;
INSERT INTO kept VALUES (1, 1, '2025-01-20Z'), (1, 1, '2025-01-25Z');
SELECT streambatch.wait_for('kept');
DELETE FROM kept_archive WHERE ts >= '2025-02-03Z' AND ts < '2025-02-05Z' OR ts IN ('2025-01-20Z', '2025-01-25Z', '2025-02-07 06:00Z');
CALL streambatch.refresh('days');
SELECT w::date, k, n, recommended FROM days_layers WHERE w >= '2025-02-01Z' ORDER BY w, k;
SELECT coverage FROM streambatch.stat_view WHERE view = 'days'::regclass;
INSERT INTO kept SELECT i % 2, 1, '2025-02-03Z'::timestamptz + i * interval '1 h' FROM generate_series(0, 1) i;
SELECT streambatch.wait_for('kept');
CALL streambatch.refresh('days', '2025-02-04Z', '2025-02-05Z');
SELECT w::date, k, n, recommended FROM days_layers WHERE w >= '2025-02-03Z' AND w < '2025-02-06Z' ORDER BY w, k;

-- ---- chunks of so many events, not of so much time ----
\! test/broker/broker-command create changed_rows 1
CREATE FOREIGN TABLE many (k int, ts timestamptz) SERVER changed_kafka OPTIONS (topic 'changed_rows', event_time 'ts');
SELECT streambatch.create_view('minutes', $$SELECT k, streambatch.tumble(ts, '1 min') AS w, count(*) AS n FROM many GROUP BY 1, 2$$);
INSERT INTO many SELECT i, '2025-01-01Z'::timestamptz + i * interval '7 s' FROM generate_series(1, 50000) i;
INSERT INTO many VALUES (0, '1970-01-01Z');
SELECT streambatch.wait_for('many');
SELECT 'streambatch_state.batch_' || id AS batch FROM streambatch._view WHERE view = 'minutes'::regclass \gset
SET streambatch.refresh_chunk_rows = 5000;
CALL streambatch.refresh('minutes', "to" => 'infinity');
SELECT max(n) <= 5000 AS small, count(*) BETWEEN 11 AND 13 AS few, sum(n) FROM (SELECT count(*) AS n FROM :batch GROUP BY xmin) c;
-- more than one range: only what is uncovered, again in chunks
INSERT INTO many SELECT i, '2025-01-01Z'::timestamptz + i * interval '7 s' FROM generate_series(50001, 70000) i;
INSERT INTO many SELECT i, '2025-01-01Z'::timestamptz + i * interval '70 s' FROM generate_series(1, 5000) i;
SELECT streambatch.wait_for('many');
CALL streambatch.refresh('minutes');
SELECT max(n) <= 5000 AS small FROM (SELECT count(*) AS n FROM :batch GROUP BY xmin) c;
SELECT state, chunks = chunks_done AS done FROM history WHERE view = 'minutes'::regclass AND chunks > 1;
SELECT recommended, count(*) FROM minutes_layers GROUP BY 1 ORDER BY 1;
RESET streambatch.refresh_chunk_rows;

-- ---- changed windows of every kind, far apart and side by side, are those of the plain query ----
\! test/broker/broker-command create changed_kinds 1
CREATE FOREIGN TABLE kinds (n int, ts timestamptz, local timestamp, d date) SERVER changed_kafka OPTIONS (topic 'changed_kinds', event_time 'ts');
CREATE FUNCTION event(i int, OUT n int, OUT ts timestamptz, OUT local timestamp, OUT d date) LANGUAGE sql AS $$
    SELECT i, t, t AT TIME ZONE 'Europe/Berlin', (t AT TIME ZONE 'UTC')::date FROM (SELECT '2024-09-01 00:07Z'::timestamptz + i * interval '97 min') e (t) $$;
CREATE TABLE query (name text PRIMARY KEY, sql text);
INSERT INTO query VALUES
    ('by_month', $$SELECT streambatch.tumble(ts, '1 month', NULL, 'Europe/Berlin') AS w, count(*) AS c, sum(n) AS s FROM kinds GROUP BY 1$$),
    ('by_day', $$SELECT streambatch.tumble(ts, '1 day', NULL, 'Europe/Berlin') AS w, count(*) AS c, sum(n) AS s FROM kinds GROUP BY 1$$),
    ('by_hours', $$SELECT streambatch.tumble(ts, '3 hours', NULL, 'Europe/Berlin') AS w, n % 3 AS k, count(*) AS c, sum(n) AS s FROM kinds GROUP BY 1, 2$$),
    ('by_trunc', $$SELECT date_trunc('hour', ts, 'Europe/Berlin') AS w, count(*) AS c, sum(n) AS s FROM kinds GROUP BY 1$$),
    ('by_local', $$SELECT streambatch.tumble(local, '2 hours', NULL, 'Europe/Berlin') AS w, count(*) AS c, sum(n) AS s FROM kinds GROUP BY 1$$),
    ('by_date', $$SELECT streambatch.tumble(d, '1 week') AS w, count(*) AS c, sum(n) AS s FROM kinds GROUP BY 1$$),
    ('by_expression', $$SELECT streambatch.tumble(ts + n * interval '1 min', '1 hour') AS w, count(*) AS c, sum(n) AS s FROM kinds GROUP BY 1$$),
    ('hops', $$SELECT streambatch.hop(ts, '1 hour', '5 hours') AS w, count(*) AS c, sum(n) AS s FROM kinds GROUP BY 1$$),
    ('steps', $$SELECT streambatch.cumulate(ts, '6 hours', '1 day') AS w, streambatch.cumulate_end(ts, '6 hours', '1 day') AS e, count(*) AS c FROM kinds GROUP BY 1, 2$$),
    ('sessions', $$SELECT streambatch.session(ts, '40 min') AS w, streambatch.session_end(ts, '40 min') AS e, n % 3 AS k, count(*) AS c FROM kinds GROUP BY 1, 2, 3$$),
    ('totals', $$SELECT n % 3 AS k, count(*) AS c, sum(n) AS s FROM kinds GROUP BY 1$$);
SELECT count(streambatch.create_view(name, sql)) FROM query;
CREATE FUNCTION different(name text, sql text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    result bigint;
    plain text := replace(sql, 'kinds', 'kinds_archive');
BEGIN
    IF name = 'sessions' THEN
        plain := $plain$SELECT min(ts) AS w, max(ts) + interval '40 min' AS e, k, count(*) AS c FROM (
            SELECT *, sum(opens) OVER (PARTITION BY k ORDER BY ts) AS island FROM (
                SELECT ts, n % 3 AS k, CASE WHEN ts - lag(ts) OVER (PARTITION BY n % 3 ORDER BY ts) <= interval '40 min' THEN 0 ELSE 1 END AS opens
                  FROM kinds_archive) o) i GROUP BY k, island$plain$;
    END IF;
    EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL TABLE %1$I)) d', name, plain) INTO result;
    RETURN result;
END $$;
CREATE PROCEDURE refresh_all() LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT q.name FROM changed.query q ORDER BY 1 LOOP
        CALL streambatch.refresh('changed.' || name);
    END LOOP;
END $$;
INSERT INTO kinds SELECT e.* FROM generate_series(0, 2999) i, event(i) e;
SELECT streambatch.wait_for('kinds');
SET streambatch.refresh_chunk_rows = 400;
CALL refresh_all();
SELECT name, different(name, sql) FROM query WHERE different(name, sql) <> 0;
-- every 7th of them again, and a month's of each
INSERT INTO kinds SELECT e.* FROM generate_series(0, 2900, 7) i, event(i) e;
INSERT INTO kinds SELECT e.* FROM generate_series(700, 1100) i, event(i) e;
SELECT streambatch.wait_for('kinds');
SELECT name, different(name, sql) FROM query WHERE different(name, sql) <> 0;
CALL refresh_all();
SELECT name, different(name, sql) FROM query WHERE different(name, sql) <> 0;
-- nothing is left to do, and the coverage is one interval as of one cut
SELECT count(*) AS views, max(intervals) AS intervals FROM covered WHERE view::text IN (SELECT name FROM query);
SELECT recommended, count(*), count(DISTINCT batch_as_of) AS cuts FROM by_hours_layers WHERE closed GROUP BY 1;
CALL streambatch.refresh('by_hours');
CALL streambatch.refresh('by_date');
RESET streambatch.refresh_chunk_rows;

-- ---- a group that raises keeps no other window from being refreshed ----
\! test/broker/broker-command create changed_raise 1
CREATE FOREIGN TABLE raising (k int, x float8, ts timestamptz) SERVER changed_kafka OPTIONS (topic 'changed_raise', event_time 'ts');
SELECT streambatch.create_view('sums', $$SELECT k, streambatch.tumble(ts, '1 day') AS w, sum(x) AS s, count(*) AS n FROM raising GROUP BY 1, 2$$);
INSERT INTO raising SELECT i % 2, 1, '2025-01-01Z'::timestamptz + i * interval '12 h' FROM generate_series(0, 59) i;
INSERT INTO raising VALUES (1, '1.7976931348623157e308', '2025-01-04 01:00Z');
INSERT INTO raising VALUES (2, '1.7976931348623157e308', '2025-01-04 01:00Z');
SELECT streambatch.wait_for('raising');
CALL streambatch.refresh('sums');
INSERT INTO raising SELECT i % 2, 1, '2025-01-01 00:10Z'::timestamptz + i * interval '12 h' FROM generate_series(0, 59) i;
-- not together with a stored state, so that it is no dead letter
INSERT INTO raising VALUES (2, '1.7976931348623157e308', '2025-01-04 02:00Z'), (7, 1, '2025-02-02Z');
SELECT streambatch.wait_for('raising');
SELECT count(*) FROM streambatch.dead_letter WHERE stream = 'raising'::regclass;
SET streambatch.refresh_chunk_rows = 12;
CALL streambatch.refresh('sums');
\echo :SQLSTATE
SELECT state, chunks > 5 AS many, chunks - chunks_done AS not_done, error FROM history WHERE view = 'sums'::regclass ORDER BY state DESC LIMIT 1;
SELECT w::date, count(*), sum(n) FROM sums WHERE w <> '2025-01-04' AND w < '2025-02-01' GROUP BY 1 HAVING count(*) <> 2 OR sum(n) <> 4;
SELECT recommended, count(*) FROM (SELECT w, recommended FROM sums_layers WHERE w <> '2025-01-04Z') l GROUP BY 1 ORDER BY 1;
SELECT k, n FROM (SELECT k, w, n FROM sums WHERE k <> 2) s WHERE w = '2025-01-04Z' ORDER BY 1;
-- the rest is covered as of the new cut
SELECT * FROM covered WHERE view = 'sums'::regclass;
-- the same by range, in full, and in one chunk
CALL streambatch.refresh('sums', '2025-01-03Z', '2025-01-06Z');
CALL streambatch.refresh('sums', full => true);
RESET streambatch.refresh_chunk_rows;
CALL streambatch.refresh('sums', full => true);
SELECT recommended, count(*) FROM (SELECT w, recommended FROM sums_layers WHERE w <> '2025-01-04Z') l GROUP BY 1 ORDER BY 1;
-- mended
DELETE FROM raising_archive WHERE x > 1e308 AND ts = '2025-01-04 02:00Z';
CALL streambatch.refresh('sums');
SELECT k, w, n, recommended FROM sums_layers WHERE w = '2025-01-04Z' ORDER BY 1;
SELECT * FROM covered WHERE view = 'sums'::regclass;
-- two events at once, or one after the other: the second one is a dead letter of the view, and the rest is refreshed
INSERT INTO raising VALUES (3, '1.7976931348623157e308', '2025-01-05 01:00Z'), (3, '1.7976931348623157e308', '2025-01-05 02:00Z');
INSERT INTO raising VALUES (4, '1.7976931348623157e308', '2025-01-05 01:00Z');
SELECT streambatch.wait_for('raising');
INSERT INTO raising VALUES (4, '1.7976931348623157e308', '2025-01-05 02:00Z');
INSERT INTO raising SELECT 5, 1, '2025-01-01 00:10Z'::timestamptz + i * interval '1 day' FROM generate_series(0, 29) i;
SELECT streambatch.wait_for('raising');
SELECT view, kafka_offset, sqlstate FROM streambatch.dead_letter WHERE stream = 'raising'::regclass ORDER BY 2;
CALL streambatch.refresh('sums');
SELECT k, n, recommended FROM sums_layers WHERE w = '2025-01-05Z' ORDER BY 1;
-- one event by itself, in each of three windows; a window that nothing computes
UPDATE raising_archive SET x = 0 WHERE k = 5 AND ts IN ('2025-01-07 00:10Z', '2025-01-09 00:10Z', '2025-01-11 00:10Z');
SELECT streambatch.create_view('inverse', $$SELECT streambatch.tumble(ts, '1 day') AS w, sum(1 / x) AS s FROM raising WHERE x < 10 GROUP BY 1$$, history => false);
CALL streambatch.refresh('inverse');
SELECT count(*) FROM inverse;
SELECT coverage FROM streambatch.stat_view WHERE view = 'inverse'::regclass;
UPDATE raising_archive SET x = 1 WHERE x = 0;
CALL streambatch.refresh('inverse');
SELECT coverage FROM streambatch.stat_view WHERE view = 'inverse'::regclass;
-- a view without windows has nothing else to refresh
SELECT streambatch.create_view('total', $$SELECT k, sum(x) AS s FROM raising GROUP BY 1$$, history => false);
UPDATE raising_archive SET x = '1.7976931348623157e308' WHERE k = 5 AND ts < '2025-01-03Z';
CALL streambatch.refresh('total');

SET client_min_messages = error;
DROP SCHEMA changed CASCADE;
DROP SERVER changed_kafka;

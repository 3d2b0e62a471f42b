-- The batch layer: which windows a refresh computes, what it says, and what the layers hold before and after.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA refresh;
SET search_path = refresh;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create refresh 2
CREATE SERVER refresh_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k text, n int, ts timestamptz, partition int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
    SERVER refresh_kafka OPTIONS (topic 'refresh', event_time 'ts', max_out_of_orderness '10 min', idle_timeout '1 h');
SELECT streambatch.create_view('hourly', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n) AS s, avg(n) AS a
    FROM events GROUP BY 1, 2$$, allowed_lateness => '30 min');
SELECT streambatch.create_view('lifetime', 'SELECT k, count(*) AS c, sum(n) AS s FROM events GROUP BY k');
CREATE VIEW layers AS
SELECT k, w, stream_c, batch_c, c, stream_s, batch_s, s, stream_a, batch_a, round(a, 2) AS a, stream_as_of IS NOT NULL AS s_at,
       batch_as_of IS NOT NULL AS b_at, recommended, exact, closed
  FROM hourly_layers ORDER BY w, k;
CREATE VIEW history AS
SELECT view, kind, state, cut, cut_epoch, from_time, to_time, chunks, chunks_done, rows, error, ended_at >= started_at AS ended, cut_at <= ended_at AS cut_first
  FROM streambatch.refresh_history WHERE view::text IN ('hourly', 'lifetime') ORDER BY id;
CREATE VIEW layer_of AS
SELECT (SELECT stream FROM streambatch.stat_view WHERE view = 'hourly'::regclass) AS stream, coverage, last_cut, epoch, state,
       last_refresh IS NOT NULL AS refreshed FROM streambatch.stat_view WHERE view = 'hourly'::regclass;
CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS $$
WITH plain AS (SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n) AS s, avg(n) AS a FROM refresh.events_archive GROUP BY 1, 2)
SELECT count(*) FROM ((TABLE refresh.hourly EXCEPT ALL TABLE plain) UNION ALL (TABLE plain EXCEPT ALL TABLE refresh.hourly)) d $$;

-- ---- nothing yet ----
CALL streambatch.refresh('hourly');
CALL streambatch.refresh('lifetime');
SELECT * FROM layer_of;
SELECT * FROM history;

-- ---- the watermark: the least of the partitions' latest events, less max_out_of_orderness ----
INSERT INTO events (k, n, ts, partition) VALUES
    ('a', 1, '2025-02-14 00:10', 0), ('a', 2, '2025-02-14 00:50', 0), ('b', 3, '2025-02-14 01:05', 0), ('a', 4, '2025-02-14 02:30', 0),
    ('a', 5, '2025-02-14 00:20', 1), ('b', 6, '2025-02-14 02:00', 1), ('a', 7, '2025-02-14 03:09:59', 1), ('a', 8, '2025-02-14 04:10', 0);
SELECT streambatch.wait_for('events');
SELECT watermark FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT * FROM layers;
CALL streambatch.refresh('hourly');
SELECT * FROM layers;
SELECT * FROM layer_of;
-- 02:59:59 is not 03:00; one more event, and the window has ended
INSERT INTO events (k, n, ts, partition) VALUES ('a', 9, '2025-02-14 03:10', 1);
SELECT streambatch.wait_for('events');
SELECT watermark FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT w, closed FROM layers WHERE k = 'a';
CALL streambatch.refresh('hourly');
SELECT coverage FROM layer_of;
CALL streambatch.refresh('hourly');
SELECT differences();

-- ---- late events: merged at once, folded in by the next refresh ----
INSERT INTO events (k, n, ts, partition) VALUES ('a', 10, '2025-02-14 00:59', 0), ('late', 11, '2025-02-14 01:59', 0), ('b', 12, '2025-02-13 23:59', 0);
SELECT streambatch.wait_for('events');
SELECT watermark FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT * FROM layers WHERE w < '2025-02-14 02:00';
SELECT differences();
SET streambatch.serve = 'batch';
SELECT * FROM hourly WHERE w < '2025-02-14 02:00' ORDER BY w, k;
SET streambatch.serve = 'stream';
SELECT * FROM hourly WHERE w < '2025-02-14 02:00' ORDER BY w, k;
SET streambatch.serve = 'merged';
SELECT * FROM hourly WHERE w < '2025-02-14 02:00' ORDER BY w, k;
SET streambatch.serve = 'both';
RESET streambatch.serve;
-- the layers view does not depend on the setting
SET streambatch.serve = 'batch';
SELECT recommended, count(*), sum(c) FROM layers GROUP BY 1 ORDER BY 1;
RESET streambatch.serve;
CALL streambatch.refresh('hourly');
SELECT * FROM layers WHERE w < '2025-02-14 02:00';
SELECT * FROM history;

-- ---- ranges ----
CALL streambatch.refresh('hourly', '2025-02-14 00:00', '2025-02-14 01:00');
CALL streambatch.refresh('hourly', '2025-02-14 00:00:00.000001', '2025-02-14 01:00');
CALL streambatch.refresh('hourly', '2025-02-14 00:00', '2025-02-14 01:00:00.000001');
CALL streambatch.refresh('hourly', '2025-02-14 00:30', '2025-02-14 00:30');
CALL streambatch.refresh('hourly', '2025-02-14 00:00', '2025-02-14 00:00');
CALL streambatch.refresh('hourly', '2025-02-14 01:00', '2025-02-14 00:00');
CALL streambatch.refresh('hourly', "to" => '2025-02-14 00:15');
CALL streambatch.refresh('hourly', '2025-02-14 01:15');
CALL streambatch.refresh('hourly', '-infinity', '2025-02-14 00:00');
CALL streambatch.refresh('hourly', "to" => '-infinity');
CALL streambatch.refresh('hourly', 'infinity');
CALL streambatch.refresh('hourly', 'infinity', 'infinity');
CALL streambatch.refresh('hourly', '2030-01-01');
-- a window that has not ended, as of the cut
CALL streambatch.refresh('hourly', '2025-02-14 04:00', '2025-02-14 05:00');
SELECT coverage FROM layer_of;
SELECT k, w, recommended FROM layers WHERE w >= '2025-02-14 03:00';
CALL streambatch.refresh('hourly', "to" => 'infinity');
SELECT coverage FROM layer_of;
SELECT recommended, count(*) FROM layers GROUP BY 1;
INSERT INTO events (k, n, ts, partition) VALUES ('a', 13, '2025-02-14 05:30', 0), ('a', 14, '2025-02-14 05:31', 1);
SELECT streambatch.wait_for('events');
SELECT k, w, stream_c, batch_c, c, recommended, closed FROM layers WHERE w >= '2025-02-14 03:00';
CALL streambatch.refresh('hourly', full => true);
SELECT coverage FROM layer_of;
SELECT k, w, recommended FROM layers WHERE w >= '2025-02-14 03:00';
SELECT differences();
-- the ends of the time line
CALL streambatch.refresh('hourly', '4714-11-24 00:30:00+00 BC', '294276-12-31 23:59:59.999999');
SELECT coverage FROM layer_of;
SELECT streambatch.create_view('weekly', $$SELECT streambatch.tumble(ts, '10 weeks') AS w, count(*) AS c FROM events GROUP BY 1$$);
CALL streambatch.refresh('weekly', '4714-11-24 00:00:00+00 BC', '294276-12-31 23:59:59.999999');
SELECT coverage FROM streambatch.stat_view WHERE view = 'weekly'::regclass;
SELECT * FROM weekly;
DROP VIEW weekly;

-- ---- in chunks: each a transaction ----
SET streambatch.refresh_chunk_rows = 3;
CALL streambatch.refresh('hourly', full => true);
SELECT chunks > 2 AS many, chunks = chunks_done AS done, rows = (SELECT count(*) FROM layers WHERE w < '2025-02-14 05:00') AS all_rows
  FROM streambatch.refresh_history WHERE view = 'hourly'::regclass ORDER BY id DESC LIMIT 1;
SELECT differences();
SET streambatch.refresh_chunk_rows = 0;
RESET streambatch.refresh_chunk_rows;

-- ---- a view without windows: all of it ----
CALL streambatch.refresh('lifetime');
SELECT k, stream_c, batch_c, c, recommended, closed FROM lifetime_layers ORDER BY k;
INSERT INTO events (k, n, ts, partition) VALUES ('a', 15, '2025-02-14 05:32', 0);
SELECT streambatch.wait_for('events');
SELECT k, stream_c, batch_c, c, recommended, closed FROM lifetime_layers ORDER BY k;
CALL streambatch.refresh('lifetime', full => true);
SELECT k, stream_c, batch_c, c, recommended, closed FROM lifetime_layers ORDER BY k;
SELECT coverage FROM streambatch.stat_view WHERE view = 'lifetime'::regclass;
CALL streambatch.refresh('lifetime', '2025-02-14', '2025-02-15');
CALL streambatch.refresh('lifetime', "to" => 'infinity');
CALL streambatch.refresh('lifetime', '-infinity');

-- ---- corrections in the archive ----
UPDATE events_archive SET n = n + 100 WHERE k = 'b' AND ts = '2025-02-14 01:05';
DELETE FROM events_archive WHERE k = 'late';
INSERT INTO events_archive (k, n, ts) VALUES ('added', 1, '2025-02-14 01:30');
CALL streambatch.refresh('hourly', '2025-02-14 01:00', '2025-02-14 02:00');
SELECT * FROM hourly WHERE w = '2025-02-14 01:00' ORDER BY k;
SELECT differences();

-- ---- refused ----
BEGIN;
CALL streambatch.refresh('hourly');
ROLLBACK;
DO $$ BEGIN CALL streambatch.refresh('refresh.hourly'); END $$;
CREATE FUNCTION in_function() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL streambatch.refresh('refresh.hourly'); END $$;
SELECT in_function();
CREATE PROCEDURE with_setting() LANGUAGE plpgsql SET search_path = refresh AS $$ BEGIN CALL streambatch.refresh('refresh.hourly'); END $$;
CALL with_setting();
CREATE PROCEDURE nightly() LANGUAGE plpgsql AS $$ BEGIN CALL streambatch.refresh('refresh.hourly'); CALL streambatch.refresh('refresh.lifetime'); END $$;
CALL nightly();
CALL streambatch.refresh('nothing');
CALL streambatch.refresh('events');
CALL streambatch.refresh('events_archive');
CALL streambatch.refresh('hourly_layers');
CALL streambatch.refresh(0);
CALL streambatch.refresh(NULL);
CALL streambatch.refresh('hourly', full => NULL);
SELECT streambatch.refresh('hourly');
CREATE FOREIGN TABLE bare (k text, ts timestamptz) SERVER refresh_kafka OPTIONS (topic 'refresh', event_time 'ts', archive 'none');
SELECT streambatch.create_view('of_bare', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) FROM bare GROUP BY 1$$);
SELECT streambatch.wait_for('bare');
SELECT * FROM of_bare WHERE w = '2025-02-14 00:00';
CALL streambatch.refresh('of_bare');
SELECT streambatch.create_view('of_bare_too', $$SELECT count(*) FROM bare$$);
SELECT streambatch.create_view('of_bare_too', $$SELECT count(*) FROM bare$$, history => false);
ALTER TABLE events_archive RENAME TO moved;
CALL streambatch.refresh('hourly');
CREATE TABLE copied AS TABLE moved;
DROP TABLE moved;
CALL streambatch.refresh('hourly');
CALL streambatch.rebuild('hourly');
SELECT streambatch.retain('events', '1 day');
-- another table in its place, whose events cannot be compared
SELECT streambatch.pause('events');
SELECT streambatch.change_archive('events', 'copied');
SELECT streambatch.change_archive('events', 'copied', force => true);
SELECT streambatch.resume('events');
CALL streambatch.refresh('hourly');
SELECT * FROM history WHERE state <> 'done';

-- ---- rows on which the view's own query fails ----
\set SHOW_CONTEXT never
CREATE FOREIGN TABLE failing (n int, d int, ts timestamptz, partition int OPTIONS (metadata 'partition')) SERVER refresh_kafka
    OPTIONS (topic 'failing', event_time 'ts');
\! test/broker/broker-command create failing 1
SELECT streambatch.create_view('ratio', $$SELECT streambatch.tumble(ts, '1 h') AS w, sum(n / d) AS s, count(*) AS c FROM failing GROUP BY 1$$);
INSERT INTO failing VALUES (6, 2, '2025-02-14 00:10'), (1, 0, '2025-02-14 00:20'), (8, 4, '2025-02-14 00:30'), (1, 1, '2025-02-14 03:30');
SELECT streambatch.wait_for('failing');
SELECT * FROM ratio ORDER BY w;
SELECT view, kafka_partition, kafka_offset, sqlstate, message FROM streambatch.dead_letter WHERE stream = 'failing'::regclass;
CALL streambatch.refresh('ratio');
SELECT * FROM ratio ORDER BY w;
-- one that the stream layer never saw: the refresh names it, and its window does not change
UPDATE failing_archive SET d = 0 WHERE n = 8;
CALL streambatch.refresh('ratio', full => true);
\echo :SQLSTATE
SELECT * FROM ratio ORDER BY w;
SELECT state, error, chunks_done FROM streambatch.refresh_history WHERE view = 'ratio'::regclass ORDER BY id DESC LIMIT 1;
UPDATE failing_archive SET d = 4 WHERE n = 8;
CALL streambatch.refresh('ratio', full => true);
SELECT * FROM ratio ORDER BY w;
-- a view made later counts them as well, and leaves out what it cannot process
SELECT streambatch.create_view('ratio_late', $$SELECT streambatch.tumble(ts, '1 h') AS w, sum(n / d) AS s FROM failing GROUP BY 1$$);
SELECT * FROM ratio_late ORDER BY w;
SELECT kafka_offset, sqlstate, message FROM streambatch.dead_letter WHERE view = 'ratio_late'::regclass;
DROP VIEW ratio_late;
SELECT streambatch.create_view('ratio_late', $$SELECT streambatch.tumble(ts, '1 h') AS w, sum(n / nullif(d, 0)) AS s FROM failing GROUP BY 1$$);
SELECT * FROM ratio_late ORDER BY w;
SELECT kind, state, cut, from_time, to_time, chunks, chunks_done FROM streambatch.refresh_history WHERE view = 'ratio_late'::regclass;
-- a row that somebody put into the archive has no position to be named by
INSERT INTO failing_archive (n, d, ts) VALUES (1, 0, '2025-02-14 00:40');
CALL streambatch.refresh('ratio', full => true);
DELETE FROM failing_archive WHERE partition IS NULL;
-- and what no row raises names none
SELECT streambatch.create_view('never', 'SELECT sum(1 / 0) AS s FROM failing');
-- the row at hand is marked for a refresh, and for nobody else
DO $$ BEGIN
    PERFORM streambatch._mark_row(NULL, 1, 1);
    RAISE 'it can be called';
EXCEPTION WHEN undefined_function OR feature_not_supported THEN -- which, depends on the server's version
END $$;

-- ---- no watermark yet: one partition of two is silent ----
\! test/broker/broker-command create silent 2
CREATE FOREIGN TABLE silent (n int, ts timestamptz, partition int OPTIONS (metadata 'partition')) SERVER refresh_kafka
    OPTIONS (topic 'silent', event_time 'ts', idle_timeout '1 h');
SELECT streambatch.create_view('silent_hourly', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c FROM silent GROUP BY 1$$);
INSERT INTO silent VALUES (1, '2025-02-14 00:10', 0), (2, '2025-02-14 03:10', 0);
SELECT streambatch.wait_for('silent');
CALL streambatch.refresh('silent_hourly');

SET client_min_messages = warning;
DROP SCHEMA refresh CASCADE;
DROP SERVER refresh_kafka;

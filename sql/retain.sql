-- Retention: retain() removes archived events that every batch layer has, and nothing else; windows keep their values.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA retain;
SET search_path = retain;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create retain 1
\! test/broker/broker-command create retain2 1
CREATE SERVER retain_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k int, n int, ts timestamptz) SERVER retain_kafka OPTIONS (topic 'retain', event_time 'ts');
CREATE FUNCTION keep(until timestamptz) RETURNS interval LANGUAGE sql AS 'SELECT now() - until';
RESET client_min_messages;
CREATE VIEW emptied AS SELECT stream, archive_from FROM streambatch.stat_stream WHERE stream::text IN ('events', 'parts') ORDER BY 1;

-- ---- what it refuses ----
SELECT streambatch.retain('events', NULL);
SELECT streambatch.retain('events', '-1 day');
SELECT streambatch.retain('emptied', '1 day');
CREATE FOREIGN TABLE timeless (k int) SERVER retain_kafka OPTIONS (topic 'retain2');
SELECT streambatch.retain('timeless', '1 day');
DROP FOREIGN TABLE timeless;
CREATE ROLE retain_other;
GRANT USAGE ON SCHEMA retain TO retain_other;
GRANT SELECT ON events TO retain_other;
SET ROLE retain_other;
SELECT streambatch.retain('events', '1 day');
RESET ROLE;
DROP OWNED BY retain_other;
DROP ROLE retain_other;

-- ---- views by hour and by week: whole windows of both ----
SET client_min_messages = warning;
SELECT streambatch.create_view('by_hour', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n) AS s FROM events GROUP BY 1$$);
SELECT streambatch.create_view('by_week', $$SELECT streambatch.tumble(ts, '7 days') AS w, count(*) AS c FROM events GROUP BY 1$$);
SELECT streambatch.create_view('truncated', $$SELECT date_trunc('hour', ts, 'Europe/Berlin') AS w, count(*) AS c FROM events GROUP BY 1$$);
INSERT INTO events SELECT i % 2, i, '2025-01-06'::timestamptz + i * interval '1 h' FROM generate_series(0, 24 * 21) i;
SELECT streambatch.wait_for('events');
RESET client_min_messages;
-- nothing is covered
SELECT streambatch.retain('events', keep('2025-01-15'));
CALL streambatch.refresh('by_hour');
CALL streambatch.refresh('by_week');
SELECT streambatch.retain('events', keep('2025-01-15'));
CALL streambatch.refresh('truncated');
CREATE TABLE hours AS TABLE by_hour;
CREATE TABLE weeks AS TABLE by_week;
SELECT streambatch.retain('events', keep('2025-01-15'));
TABLE emptied;
SELECT min(ts), count(*) FROM events_archive;
SELECT view, dirty_panes FROM streambatch.stat_view WHERE stream = 'events'::regclass ORDER BY 1;
CALL streambatch.refresh('by_hour');
SELECT count(*) FROM ((TABLE by_hour EXCEPT TABLE hours) UNION ALL (TABLE hours EXCEPT TABLE by_hour)) d;
SELECT count(*) FROM ((TABLE by_week EXCEPT TABLE weeks) UNION ALL (TABLE weeks EXCEPT TABLE by_week)) d;
-- once more: nothing is left to remove
SELECT streambatch.retain('events', keep('2025-01-15'));

-- ---- what would lose the removed events is refused, unless forced ----
CALL streambatch.refresh('by_hour', "full" => true);
CALL streambatch.refresh('by_hour', '2025-01-12', '2025-01-14');
CALL streambatch.refresh('by_hour', '2025-01-13', '2025-01-14');
CALL streambatch.refresh('by_hour', NULL, 'infinity');
CALL streambatch.rebuild('by_hour');
-- another source may have them
CREATE TABLE copy AS SELECT i % 2 AS k, i AS n, '2025-01-06'::timestamptz + i * interval '1 h' AS ts FROM generate_series(0, 24 * 21) i;
SELECT streambatch.set_source('by_week', 'retain.copy');
CALL streambatch.refresh('by_week', "full" => true);
SELECT count(*) FROM ((TABLE by_week EXCEPT TABLE weeks) UNION ALL (TABLE weeks EXCEPT TABLE by_week)) d;
SELECT streambatch.set_source('by_week', 'archive');
SELECT count(*) FROM ((TABLE by_hour EXCEPT TABLE hours) UNION ALL (TABLE hours EXCEPT TABLE by_hour)) d;
-- a late event, and a correction, of a window that was removed stay beside its value
INSERT INTO events VALUES (1, 1000, '2025-01-07 00:30');
SELECT streambatch.wait_for('events');
INSERT INTO events_archive (k, n, ts) VALUES (1, 1, '2025-01-08 00:30');
CALL streambatch.refresh('by_hour');
SELECT * FROM by_hour WHERE w IN ('2025-01-07 00:00', '2025-01-08 00:00') ORDER BY w;

-- ---- what is dirty, or has late events, is kept ----
CALL streambatch.refresh('by_week');
CALL streambatch.refresh('truncated');
UPDATE events_archive SET n = 1 WHERE ts = '2025-01-20 05:00';
SELECT streambatch.retain('events', keep('2025-01-27'));
CALL streambatch.refresh('by_hour');
CALL streambatch.refresh('by_week');
CALL streambatch.refresh('truncated');
INSERT INTO events VALUES (1, 1000, '2025-01-21 00:30');
SELECT streambatch.wait_for('events');
SELECT streambatch.retain('events', keep('2025-01-28'));
TABLE emptied;
CALL streambatch.refresh('by_hour');
CALL streambatch.refresh('by_week');
CALL streambatch.refresh('truncated');
CREATE TABLE hours2 AS TABLE by_hour;
SELECT streambatch.retain('events', keep('2025-01-28'));
TABLE emptied;
SELECT count(*) FROM ((TABLE by_hour EXCEPT TABLE hours2) UNION ALL (TABLE hours2 EXCEPT TABLE by_hour)) d;

-- ---- a view that is made later says from when on it is complete; one without windows, or by another time, keeps everything ----
SELECT streambatch.create_view('total', 'SELECT count(*) AS c FROM events');
SELECT streambatch.create_view('shifted', $$SELECT streambatch.tumble(ts + interval '1 h', '1 h') AS w, count(*) AS c FROM events GROUP BY 1$$);
SELECT streambatch.retain('events', '0');
DROP VIEW total;
DROP VIEW shifted;
CALL streambatch.refresh('by_hour', force => true);
SELECT * FROM by_hour WHERE w IN ('2025-01-07 00:00', '2025-01-08 00:00') ORDER BY w;

BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT streambatch.retain('events', '0');
ROLLBACK;

-- ---- partitions are dropped as a whole ----
CREATE FOREIGN TABLE parts (n int, ts timestamp) SERVER retain_kafka OPTIONS (topic 'retain2', event_time 'ts');
CREATE TABLE parts_archive (n int, ts timestamp, kafka_partition int, kafka_offset bigint) PARTITION BY RANGE (ts);
CREATE TABLE parts_1 PARTITION OF parts_archive FOR VALUES FROM (MINVALUE) TO ('2025-01-02');
CREATE TABLE parts_2 PARTITION OF parts_archive FOR VALUES FROM ('2025-01-02') TO ('2025-01-03');
CREATE TABLE parts_3 PARTITION OF parts_archive FOR VALUES FROM ('2025-01-03') TO ('2025-01-04');
CREATE TABLE parts_rest PARTITION OF parts_archive DEFAULT;
SELECT streambatch.create_view('by_part', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c FROM parts GROUP BY 1$$);
INSERT INTO parts SELECT i, '2025-01-01'::timestamp + i * interval '1 h' FROM generate_series(0, 95) i;
SELECT streambatch.wait_for('parts');
CALL streambatch.refresh('by_part');
CREATE TABLE before AS TABLE by_part;
SELECT streambatch.retain('parts', keep('2025-01-03 12:00'));
TABLE emptied;
SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'parts_archive'::regclass;
SELECT dirty_panes FROM streambatch.stat_view WHERE view = 'by_part'::regclass;
CALL streambatch.refresh('by_part');
SELECT count(*) FROM ((TABLE by_part EXCEPT TABLE before) UNION ALL (TABLE before EXCEPT TABLE by_part)) d;

-- of the default partition, the events themselves: the last day, and one that has come late for a partition that is gone
INSERT INTO parts VALUES (1, '2025-01-01 05:30'), (2, '2025-01-06');
SELECT streambatch.wait_for('parts');
CALL streambatch.refresh('by_part');
DROP TABLE before;
CREATE TABLE before AS TABLE by_part;
SELECT streambatch.retain('parts', keep('2025-01-04 12:30'));
TABLE emptied;
SELECT tableoid::regclass, min(ts), count(*) FROM parts_archive GROUP BY 1;
SELECT dirty_panes FROM streambatch.stat_view WHERE view = 'by_part'::regclass;
SELECT count(*) FROM ((TABLE by_part EXCEPT TABLE before) UNION ALL (TABLE before EXCEPT TABLE by_part)) d;

SET client_min_messages = warning;
DROP FOREIGN TABLE events, parts CASCADE;
DROP SERVER retain_kafka CASCADE;
DROP SCHEMA retain CASCADE;

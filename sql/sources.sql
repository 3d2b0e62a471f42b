-- What the batch layer is computed from: the archive, the log, other relations
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA sources;
SET search_path = sources;
RESET client_min_messages;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create sources 1
CREATE SERVER sources_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
-- without an archive, the log is all there is
CREATE FOREIGN TABLE bare (k int, v numeric, ts timestamptz) SERVER sources_kafka OPTIONS (topic 'sources', event_time 'ts', archive 'none');
-- the same topic, archived, to compare with
CREATE FOREIGN TABLE kept (k int, v numeric, ts timestamptz)
    SERVER sources_kafka OPTIONS (topic 'sources', event_time 'ts');
INSERT INTO kept SELECT i % 3, i, '2025-01-01Z'::timestamptz + i * interval '5 min' FROM generate_series(0, 99) i;
CREATE FOREIGN TABLE bytes (payload text) SERVER sources_kafka OPTIONS (topic 'sources', format 'raw', archive 'none');
INSERT INTO bytes VALUES ('no JSON'), ('{"k": 1, "v": 5}'), ('{"k": 1, "v": "x", "ts": "2025-01-01T00:00:00Z"}');
SELECT streambatch.create_view('plain', 'SELECT k, streambatch.tumble(ts, ''1 h'') AS w, count(*) AS n, sum(v) AS s, sum(10 / (v - 7)) AS d FROM kept GROUP BY 1, 2');
SELECT streambatch.create_view('fresh', 'SELECT k, streambatch.tumble(ts, ''1 h'') AS w, count(*) AS n, sum(v) AS s, sum(10 / (v - 7)) AS d FROM bare GROUP BY 1, 2', history => false);
SELECT streambatch.wait_for('bare'), streambatch.wait_for('kept');
CREATE VIEW differences AS SELECT count(*) FROM ((TABLE fresh EXCEPT ALL TABLE plain) UNION ALL (TABLE plain EXCEPT ALL TABLE fresh)) d;
SELECT view, sqlstate, message FROM streambatch.dead_letter WHERE stream IN ('bare'::regclass, 'kept'::regclass) ORDER BY 1, 2, 3;
CALL streambatch.refresh('fresh', "to" => 'infinity');
TABLE differences;
SELECT DISTINCT recommended FROM fresh_layers;
SELECT coverage FROM streambatch.stat_view WHERE view = 'fresh'::regclass;
-- late and further events; only what has changed is computed
INSERT INTO kept SELECT i % 3, i, '2025-01-01Z'::timestamptz + i * interval '5 min' FROM generate_series(90, 130) i;
SELECT streambatch.wait_for('bare'), streambatch.wait_for('kept');
TABLE differences;
CALL streambatch.refresh('fresh');
TABLE differences;
CALL streambatch.refresh('fresh', '2025-01-01 02:00Z', '2025-01-01 04:00Z');
CALL streambatch.refresh('fresh', full => true);
TABLE differences;
-- another query, from the log; and for a view of the archive
CALL streambatch.rebuild('fresh', 'SELECT k, streambatch.tumble(ts, ''1 h'') AS w, count(*) AS n, sum(v) * 2 AS s, sum(v) AS d FROM bare GROUP BY 1, 2');
CALL streambatch.rebuild('fresh', 'SELECT k, streambatch.tumble(ts, ''1 h'') AS w, count(*) AS n, sum(v) * 2 AS s, sum(v) AS d FROM bare GROUP BY 1, 2', source => 'log');
SELECT sum(n), sum(s), sum(d) FROM fresh;
CALL streambatch.rebuild('plain', 'SELECT k, streambatch.tumble(ts, ''1 h'') AS w, count(*) AS n, sum(v) * 2 AS s, sum(v) AS d FROM kept GROUP BY 1, 2', source => 'log');
TABLE differences;
INSERT INTO kept VALUES (0, 1, '2025-01-01Z');
SELECT streambatch.wait_for('bare'), streambatch.wait_for('kept');
TABLE differences;
-- an event that the query fails on, from the log
CALL streambatch.rebuild('fresh', 'SELECT k, streambatch.tumble(ts, ''1 h'') AS w, count(*) AS n, sum(v) AS s, sum(10 / (v - 8)) AS d FROM bare GROUP BY 1, 2', source => 'log');
CALL streambatch.rebuild('plain', 'SELECT k, streambatch.tumble(ts, ''1 h'') AS w, count(*) AS n, sum(v) AS s, sum(10 / (v - 8)) AS d FROM kept GROUP BY 1, 2', source => 'log');
SELECT view, sqlstate FROM streambatch.dead_letter WHERE stream = 'kept'::regclass AND view IS NOT NULL;
SELECT sum(n), sum(s) FROM plain;
-- positions: only a stream with these columns can tell them from the log
SELECT streambatch.create_view('firsts', 'SELECT k, streambatch.first(v ORDER BY ts) AS f FROM bare GROUP BY 1', history => false);
CALL streambatch.refresh('firsts');
CREATE FOREIGN TABLE positions (k int, v numeric, ts timestamptz, partition int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
    SERVER sources_kafka OPTIONS (topic 'sources', event_time 'ts');
SELECT streambatch.create_view('lasts', 'SELECT k, streambatch.last(v ORDER BY ts) AS l, streambatch.first(v ORDER BY ts) AS f FROM positions GROUP BY 1');
SELECT streambatch.wait_for('positions');
CALL streambatch.rebuild('lasts', source => 'log');
SELECT k, l FROM lasts ORDER BY 1;

-- ---- other relations ----
CREATE TABLE copied AS TABLE kept_archive;
CREATE TABLE partial (k int, v numeric, ts timestamptz, more text) PARTITION BY RANGE (ts);
CREATE TABLE partial_1 PARTITION OF partial FOR VALUES FROM ('2025-01-01Z') TO ('2025-01-01 06:00Z');
CREATE TABLE partial_2 PARTITION OF partial DEFAULT;
INSERT INTO partial SELECT k, v, ts FROM kept_archive;
CALL streambatch.rebuild('plain', 'SELECT k, streambatch.tumble(ts, ''1 h'') AS w, count(*) AS n, sum(v) AS s, sum(v) AS d FROM kept GROUP BY 1, 2');
CREATE VIEW wrong AS WITH p AS (SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(v) AS s, sum(v) AS d FROM kept_archive GROUP BY 1, 2)
SELECT count(*) FROM ((TABLE plain EXCEPT ALL TABLE p) UNION ALL (TABLE p EXCEPT ALL TABLE plain)) d;
SELECT streambatch.set_source('plain', 'copied');
SELECT source FROM streambatch._view WHERE view = 'plain'::regclass;
CALL streambatch.refresh('plain', "to" => 'infinity');
TABLE wrong;
-- with positions: what it lacks is not counted twice, since the cut tells
INSERT INTO kept SELECT 1, i, '2025-01-01Z'::timestamptz + i * interval '1 h' FROM generate_series(0, 9) i;
SELECT streambatch.wait_for('kept');
TABLE wrong;
INSERT INTO copied SELECT * FROM kept_archive a WHERE NOT EXISTS (SELECT FROM copied c WHERE (c.kafka_partition, c.kafka_offset) = (a.kafka_partition, a.kafka_offset));
INSERT INTO copied SELECT 1, 1000, '2025-01-01Z', 0, 1000000;
CALL streambatch.refresh('plain');
TABLE wrong;
-- without positions: its panes stand for all events so far
SELECT streambatch.set_source('plain', 'sources.partial');
INSERT INTO partial SELECT 1, i, '2025-01-01Z'::timestamptz + i * interval '1 h' FROM generate_series(0, 9) i;
CALL streambatch.refresh('plain', full => true);
TABLE wrong;
INSERT INTO kept VALUES (1, 1, '2025-01-01 00:30Z');
SELECT streambatch.wait_for('kept');
TABLE wrong;
INSERT INTO partial VALUES (1, 1, '2025-01-01 00:30Z');
CALL streambatch.refresh('plain');
TABLE wrong;
SELECT streambatch.set_source('plain', NULL);
CALL streambatch.refresh('plain', full => true);
TABLE wrong;

-- ---- refused ----
CREATE TABLE lacking (k int, v numeric);
CREATE TABLE other_type (k int, v text, ts timestamptz);
SELECT streambatch.set_source('plain', 'nowhere');
SELECT streambatch.set_source('plain', 'lacking');
SELECT streambatch.set_source('plain', 'other_type');
SELECT streambatch.set_source('plain', 'kept');
SELECT streambatch.set_source('plain', 'bare');
SELECT streambatch.set_source('fresh', 'archive');
SELECT streambatch.set_source('lasts', 'partial');
SELECT streambatch.set_source('copied', 'archive');
SELECT streambatch.set_source('plain', 'copied');
DROP TABLE copied;
CALL streambatch.refresh('plain');
SELECT streambatch.set_source('plain', 'archive');
CALL streambatch.refresh('plain', full => true);
TABLE wrong;
-- a log that no longer holds the events of before
SELECT streambatch.reset('bare');
SELECT streambatch.wait_for('bare');
CALL streambatch.refresh('fresh', full => true);
CALL streambatch.refresh('fresh', "to" => 'infinity', force => true);
SELECT sum(n) = (SELECT count(*) FROM kept_archive) AS once FROM fresh;
-- dead letters of the log that is read, of the stream and of the view, and not those of another: n = 3, s = 61
\! test/broker/broker-command create sources_first 1
\! test/broker/broker-command create sources_second 1
CREATE FOREIGN TABLE moving (k int, v int) SERVER sources_kafka OPTIONS (topic 'sources_first');
CREATE FOREIGN TABLE first_bytes (payload text) SERVER sources_kafka OPTIONS (topic 'sources_first', format 'raw', archive 'none');
CREATE FOREIGN TABLE second_bytes (payload text) SERVER sources_kafka OPTIONS (topic 'sources_second', format 'raw', archive 'none');
INSERT INTO first_bytes VALUES ('no JSON'), ('{"k": 1, "v": 0}'), ('{"k": 1, "v": 1}'), ('{"k": 1, "v": 2}');
INSERT INTO second_bytes VALUES ('{"k": 1, "v": 10}'), ('{"k": 1, "v": 20}'), ('{"k": 1, "v": 0}'), ('no JSON'), ('{"k": 1, "v": 31}');
SELECT streambatch.create_view('moved', 'SELECT k, count(*) AS n, sum(v) AS s, sum(10 / v) AS d FROM moving GROUP BY 1');
SELECT streambatch.wait_for('moving');
SELECT streambatch.pause('moving');
ALTER FOREIGN TABLE moving OPTIONS (SET topic 'sources_second');
SELECT streambatch.reset('moving');
SELECT streambatch.wait_for('moving');
SELECT topic, kafka_offset, view, topic_epoch FROM streambatch._dead_letter WHERE stream = 'moving'::regclass ORDER BY 1, 2;
TABLE moved;
SELECT streambatch.set_source('moved', 'log');
CALL streambatch.refresh('moved', force => true);
TABLE moved;
CALL streambatch.rebuild('moved', source => 'log', force => true);
TABLE moved;

SET client_min_messages = error;
DROP SCHEMA sources CASCADE;
DROP SERVER sources_kafka;

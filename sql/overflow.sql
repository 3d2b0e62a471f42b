-- Events that overflow an aggregate: the same outcome however they fall into flushes, and none costs more than a little.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA overflow;
SET search_path = overflow;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create overflow 1
CREATE SERVER overflow_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k text, f float8, ts timestamptz) SERVER overflow_kafka OPTIONS (topic 'overflow', event_time 'ts');
SELECT streambatch.create_view('sums', $$SELECT k, streambatch.tumble(ts, '1 day') AS day, count(*) AS n, sum(f) AS f FROM events GROUP BY 1, 2$$);
-- shares the fold of the first, and has a state table of its own
SELECT streambatch.create_view('days', $$SELECT k, streambatch.hop(ts, '1 day', '2 days') AS day, count(*) AS n, sum(f) AS f FROM events GROUP BY 1, 2$$);

-- the second of two values that are too large together: in one flush, and in two
INSERT INTO events VALUES ('one', 1.7e308, '2025-01-01'), ('one', 1.7e308, '2025-01-01'), ('one', 1, '2025-01-01');
SELECT streambatch.wait_for('events');
INSERT INTO events VALUES ('two', 1.7e308, '2025-01-01');
SELECT streambatch.wait_for('events');
INSERT INTO events VALUES ('other', 1, '2025-01-01'), ('two', 1.7e308, '2025-01-01'), ('two', 1, '2025-01-01');
SELECT streambatch.wait_for('events');
INSERT INTO events VALUES ('other', 2, '2025-01-01'), ('two', -1.7e308, '2025-01-01'), ('one', -1.7e308, '2025-01-01');
SELECT streambatch.wait_for('events');
SELECT k, n, f FROM sums ORDER BY k;
SELECT k, day, n, f FROM days ORDER BY k, day;
SELECT view, kafka_offset, sqlstate, message FROM streambatch.dead_letter WHERE stream = 'events'::regclass ORDER BY 1, 2;
-- the batch layer leaves the same events out
CALL streambatch.refresh('sums', NULL, 'infinity');
SELECT k, n, f FROM sums ORDER BY k;

-- what overflows only where the layers are merged raises at reading what the plain query raises
INSERT INTO events VALUES ('layers', 1.7e308, '2025-01-01');
SELECT streambatch.wait_for('events');
CALL streambatch.refresh('sums', NULL, 'infinity');
INSERT INTO events VALUES ('layers', 1.7e308, '2025-01-01');
SELECT streambatch.wait_for('events');
SELECT k, n, f FROM sums WHERE k = 'layers';
SELECT sum(f) FROM events_archive WHERE k = 'layers';
SELECT k, n, f FROM sums WHERE k = 'other';

-- very many of them
SELECT count(*) FROM streambatch.dead_letter WHERE view = 'sums'::regclass;
INSERT INTO events SELECT i % 10, CASE i % 100 WHEN 7 THEN 1.7e308 ELSE 1 END, '2025-01-02' FROM generate_series(1, 20000) i;
SELECT streambatch.wait_for('events', '120 s');
SELECT count(*) FROM streambatch.dead_letter WHERE view = 'sums'::regclass;
SELECT k, n, f FROM sums WHERE day = '2025-01-02' ORDER BY k;

-- each row of an event that is joined to several goes, or none
CREATE TABLE parts (k text, factor float8);
INSERT INTO parts VALUES ('joined', 1), ('joined', 1e300), ('joined', 2), ('fine', 1), ('fine', 2);
SELECT streambatch.create_view('parted', 'SELECT k, count(*) AS n, sum(f) AS f, max(factor) AS m FROM events JOIN parts USING (k) GROUP BY 1', history => false);
INSERT INTO events VALUES ('joined', 1e-300, '2025-01-03'), ('joined', 1.7e308, '2025-01-03'), ('fine', 2, '2025-01-03'), ('joined', 2, '2025-01-03');
SELECT streambatch.wait_for('events');
INSERT INTO events VALUES ('fine', 1.7e308, '2025-01-03'), ('joined', 3, '2025-01-03'), ('fine', 3, '2025-01-03');
SELECT streambatch.wait_for('events');
SELECT k, n, f, m FROM parted ORDER BY k;
SELECT view, (convert_from(payload, 'UTF8')::json ->> 'k') AS k, (convert_from(payload, 'UTF8')::json ->> 'f') AS f FROM streambatch.dead_letter WHERE view = 'parted'::regclass ORDER BY kafka_offset;

-- what only the final function of an aggregate refuses: two values in one flush, in two, and one among others
\! test/broker/broker-command create overflow_numeric 1
CREATE FOREIGN TABLE numbers (k text, x text, i bigint, f float8) SERVER overflow_kafka OPTIONS (topic 'overflow_numeric');
SELECT streambatch.create_view('numeric_sums', 'SELECT k, count(*) AS n, sum(x::numeric) > 1e131071 AS large FROM numbers GROUP BY k');
INSERT INTO numbers VALUES ('one', '9e131071'), ('one', '9e131071'), ('one', '1'), ('other', '1');
SELECT streambatch.wait_for('numbers');
INSERT INTO numbers VALUES ('two', '9e131071');
SELECT streambatch.wait_for('numbers');
INSERT INTO numbers VALUES ('two', '9e131071'), ('two', '1'), ('other', '2');
SELECT streambatch.wait_for('numbers');
SELECT k, n, large FROM numeric_sums ORDER BY k;
SELECT view, kafka_offset, sqlstate, message FROM streambatch.dead_letter WHERE view = 'numeric_sums'::regclass ORDER BY 2;
CALL streambatch.refresh('numeric_sums');
SELECT k, n, large FROM numeric_sums ORDER BY k;

-- an event that one aggregate refuses is in none, those before it in the list, whose states are pointers, included
SELECT streambatch.create_view('several', 'SELECT k, count(*) AS n, sum(i) AS i, avg(i) AS a, sum(f) AS f FROM numbers WHERE i > 0 GROUP BY k', history => false);
INSERT INTO numbers SELECT 'one', NULL, 5, f FROM unnest(ARRAY[1.7e308, 1.7e308, 1]) f;
SELECT streambatch.wait_for('numbers');
INSERT INTO numbers SELECT 'one', NULL, 5, f FROM unnest(ARRAY[1.7e308, 1]) f;
SELECT streambatch.wait_for('numbers');
SELECT k, n, i, round(a, 2) AS a, f FROM several;

SET client_min_messages = error;
DROP SCHEMA overflow CASCADE;
DROP SERVER overflow_kafka CASCADE;

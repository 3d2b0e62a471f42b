-- Dead letters: of a stream (in no view and not in the archive), and of a view (which leaves them out, while others count them).
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA dead_letter;
SET search_path = dead_letter;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create dead 1
CREATE SERVER dead_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE DOMAIN short AS text CHECK (length(VALUE) < 6);
CREATE FOREIGN TABLE events (k short, n int, i2 smallint, big bigint, x numeric, f float8, tags int[], ts timestamptz) SERVER dead_kafka
    OPTIONS (topic 'dead', event_time 'ts', max_future '1 day');
CREATE FOREIGN TABLE raw (value bytea, key text OPTIONS (metadata 'key')) SERVER dead_kafka OPTIONS (topic 'dead', format 'raw');
CREATE VIEW letters AS
SELECT view, kafka_offset AS o, key, left(encode(payload, 'escape'), 40) AS payload, sqlstate, message, detail FROM streambatch.dead_letter
 WHERE stream = 'events'::regclass ORDER BY kafka_offset, view::text;
SELECT streambatch.create_view('plain', 'SELECT count(*) AS c FROM events');
SELECT streambatch.create_view('ratio', 'SELECT k, sum(n / i2) AS s, count(*) AS c FROM events GROUP BY k');
SELECT streambatch.create_view('total', 'SELECT sum(f) AS f, min(tags[1]) AS t FROM events WHERE 10 / n > -100');
SELECT streambatch.create_view('windowed', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c FROM events GROUP BY 1$$);

-- ---- of the stream ----
INSERT INTO raw (value) VALUES ('{"k":"good","n":1,"i2":1,"ts":"2025-02-14T00:00:00Z"}'), ('not json'), (''), ('[1]'), ('"text"'), ('{"k":'), ('{} {}'),
    (NULL), ('\xff'), ('{"ts":null}'), ('{"k":"no time"}'), ('{"ts":"infinity"}'), ('{"ts":"-infinity"}'), ('{"ts":"yesterday-ish"}'),
    ('{"ts":"2999-01-01T00:00:00Z"}'), ('{"k":"too long","ts":"2025-02-14T00:00:00Z"}'), ('{"n":2147483648,"ts":"2025-02-14T00:00:00Z"}'),
    ('{"n":1.5,"ts":"2025-02-14T00:00:00Z"}'), ('{"n":"x","ts":"2025-02-14T00:00:00Z"}'), ('{"n":{},"ts":"2025-02-14T00:00:00Z"}'),
    ('{"tags":[1,"x"],"ts":"2025-02-14T00:00:00Z"}'), ('{"f":1e999,"ts":"2025-02-14T00:00:00Z"}'), ('{"k":"\\u0000","ts":"2025-02-14T00:00:00Z"}');
INSERT INTO raw VALUES (repeat('[', 100)::bytea, 'a key');
SELECT streambatch.wait_for('events');
SELECT * FROM letters;
SELECT received, folded, filtered, dead, skipped FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT k, n FROM events_archive;
SELECT * FROM plain;
SELECT count(*) AS payloads FROM streambatch.dead_letter d JOIN events_archive a USING (kafka_partition, kafka_offset) WHERE stream = 'events'::regclass;

-- ---- of a view: WHERE, keys and arguments, the fold itself ----
TRUNCATE events_archive;
DELETE FROM streambatch._dead_letter WHERE stream = 'events'::regclass;
INSERT INTO events (k, n, i2, f, ts) VALUES ('a', 4, 2, 1e308, '2025-02-14 01:00'), ('a', 0, 2, 1, '2025-02-14 01:00'), ('a', 4, 0, 1, '2025-02-14 01:00'),
    ('b', 2, 1, 1e308, '2025-02-14 01:00'), ('b', 6, 3, -1e308, '2025-02-14 01:00'), ('c', 1, 1, 1e308, '2025-02-14 01:00');
SELECT streambatch.wait_for('events');
SELECT * FROM letters;
SELECT k, n FROM events_archive ORDER BY kafka_offset;
SELECT * FROM plain;
SELECT * FROM ratio ORDER BY k;
SELECT * FROM total;
SELECT * FROM windowed ORDER BY w;
SELECT received, folded, filtered, dead, skipped, received = folded + filtered + dead + skipped AS all_counted FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
-- the batch layer leaves the same rows out
CALL streambatch.refresh('ratio');
SELECT * FROM ratio ORDER BY k;
SELECT count(*) FROM letters;
-- an event whose value is too large together with the stored states (overflow.sql has more of them); numeric sums have room
SELECT streambatch.create_view('summed', 'SELECT sum(big) AS s, sum(i2) AS i FROM events', history => false);
SELECT streambatch.create_view('floats', 'SELECT sum(f) AS f FROM events WHERE f > 0', history => false);
INSERT INTO events (k, f, big, ts) VALUES ('d', 1e308, 9223372036854775807, '2025-02-14 02:00');
SELECT streambatch.wait_for('events');
INSERT INTO events (k, f, big, ts) VALUES ('d', 1e308, 9223372036854775807, '2025-02-14 02:00');
SELECT streambatch.wait_for('events');
SELECT s FROM summed;
SELECT * FROM floats;
SELECT view, sqlstate, message FROM letters WHERE view = 'floats'::regclass;

-- ---- what FILTER leaves out is not computed, in either layer ----
SELECT streambatch.create_view('guarded', 'SELECT k, sum(n / i2) FILTER (WHERE i2 <> 0) AS s, count(*) AS c FROM events GROUP BY k');
SELECT * FROM guarded WHERE k = 'a';

-- ---- many on which the aggregate itself fails: none costs more than a few messages around it ----
CREATE FUNCTION add_even(int8, int8) RETURNS int8 LANGUAGE plpgsql IMMUTABLE STRICT AS $$BEGIN IF $2 % 4 = 3 THEN RAISE 'odd'; END IF; RETURN $1 + $2; END$$;
CREATE AGGREGATE even_sum(int8) (SFUNC = add_even, STYPE = int8, INITCOND = '0', COMBINEFUNC = int8pl);
SELECT streambatch.create_view('evens', $$SELECT dead_letter.even_sum(big) AS s, count(*) AS c FROM events WHERE k = 'e'$$, history => false);
INSERT INTO events (k, n, i2, big, ts) SELECT 'e', 1, 1, i, '2025-02-14 02:00' FROM generate_series(1, 1000) i;
SELECT streambatch.wait_for('events');
SELECT * FROM evens;
SELECT count(*), min(message) FROM letters WHERE view = 'evens'::regclass;
DROP VIEW evens;

-- ---- a flood: neighbours are unharmed, and each is a row ----
INSERT INTO raw (value) SELECT CASE WHEN i % 3 = 0 THEN '{"k":"flood","n":1,"i2":1,"ts":"2025-02-14T03:00:00Z"}' WHEN i % 3 = 1 THEN 'no json'
    ELSE '{"k":"flood","n":1,"i2":0,"ts":"2025-02-14T03:00:00Z"}' END::bytea FROM generate_series(1, 3000) i;
SELECT streambatch.wait_for('events');
SELECT view, sqlstate, count(*) FROM letters WHERE o > 1060 GROUP BY view, sqlstate ORDER BY sqlstate;
SELECT * FROM ratio WHERE k = 'flood';
SELECT * FROM guarded WHERE k = 'flood';
SELECT c FROM windowed WHERE w = '2025-02-14 03:00';

DROP VIEW ratio;
SELECT count(*) FROM letters WHERE view IS NOT NULL AND o > 1060;
DROP SCHEMA dead_letter CASCADE;
DROP SERVER dead_kafka;

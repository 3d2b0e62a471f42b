-- reset(): who may call it, on what; the archive's column for topic epochs; adopted archives
\getenv broker STREAMBATCH_BROKER
SET client_min_messages = warning;
CREATE SCHEMA reset;
SET search_path = reset, public;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SERVER reset_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
RESET client_min_messages;
\! test/broker/broker-command create reset 1
\! test/broker/broker-command create reset_other 1
CREATE FOREIGN TABLE events (n int) SERVER reset_kafka OPTIONS (topic 'reset');
INSERT INTO events VALUES (1), (2), (3);

-- ---- who, and on what ----
SELECT streambatch.reset(NULL) IS NULL AS strict;
SELECT streambatch.reset('pg_class');
CREATE FOREIGN TABLE nothing (n int) SERVER reset_kafka OPTIONS (topic 'reset', archive 'none');
SELECT streambatch.reset('nothing');
CREATE ROLE reset_reader;
GRANT USAGE ON SCHEMA reset TO reset_reader;
SELECT streambatch.create_view('totals', 'SELECT count(*) AS c, sum(n) AS s FROM events');
GRANT SELECT ON events, events_archive TO reset_reader;
SET ROLE reset_reader;
SELECT streambatch.reset('events');
RESET ROLE;

-- ---- the archive ----
SELECT streambatch.wait_for('events');
TABLE totals;
SELECT obj_description('events_archive'::regclass);
SELECT streambatch.reset('events');
SELECT streambatch.wait_for('events');
TABLE totals;
SELECT * FROM events_archive ORDER BY kafka_epoch, kafka_offset;
SELECT attnotnull, atthasmissing, pg_get_expr(adbin, adrelid) FROM pg_attribute JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
 WHERE attrelid = 'events_archive'::regclass AND attname = 'kafka_epoch';
SELECT obj_description('events_archive'::regclass);
-- a paused stream is resumed
SELECT streambatch.pause('events');
SELECT streambatch.reset('events');
SELECT streambatch.wait_for('events');
TABLE totals;
SELECT state, topic_epoch FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
-- rows of one's own: in no topic epoch but the first, and below every cut
INSERT INTO events_archive VALUES (100);
CALL streambatch.refresh('totals');
TABLE totals;
SELECT streambatch.reset('events');
SELECT streambatch.wait_for('events');
TABLE totals;
CALL streambatch.refresh('totals');
TABLE totals;

-- ---- before anything was read, there is nothing to keep apart ----
CREATE FOREIGN TABLE unread (n int) SERVER reset_kafka OPTIONS (topic 'reset', start 'latest');
SELECT streambatch.pause('unread');
SELECT streambatch.reset('unread');
SELECT streambatch.wait_for('unread');
SELECT topic_epoch, received FROM streambatch.stat_stream WHERE stream = 'unread'::regclass;
SELECT * FROM unread_archive ORDER BY kafka_offset;

-- ---- adopted ----
SET client_min_messages = warning;
DROP FOREIGN TABLE events CASCADE;
RESET client_min_messages;
-- its comment says of which topic, and which epoch, even if nothing of that was archived
CREATE FOREIGN TABLE wrong (n int) SERVER reset_kafka OPTIONS (topic 'reset_other', archive 'events_archive');
SELECT streambatch.resume('wrong');
CREATE FOREIGN TABLE events (n int) SERVER reset_kafka OPTIONS (topic 'reset', archive 'events_archive');
SELECT streambatch.resume('events');
SELECT streambatch.wait_for('events');
SELECT topic_epoch, received FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SET client_min_messages = warning;
DROP FOREIGN TABLE events CASCADE;
RESET client_min_messages;
COMMENT ON TABLE events_archive IS 'events of Kafka topic reset (topic epoch 5)';
CREATE FOREIGN TABLE events (n int) SERVER reset_kafka OPTIONS (topic 'reset', archive 'events_archive');
SELECT streambatch.resume('events');
SELECT streambatch.wait_for('events');
SELECT topic_epoch, received FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT kafka_epoch, count(*) FROM events_archive GROUP BY 1 ORDER BY 1;

-- ---- archives that cannot have the column, or have another one by that name ----
CREATE TABLE texts (n int, kafka_partition int, kafka_offset bigint, kafka_epoch text);
CREATE FOREIGN TABLE of_texts (n int) SERVER reset_kafka OPTIONS (topic 'reset', archive 'texts');
SELECT streambatch.resume('of_texts');
CREATE FOREIGN TABLE field (n int, kafka_epoch int) SERVER reset_kafka OPTIONS (topic 'reset');
SELECT streambatch.resume('field');
SELECT streambatch.wait_for('field');
SELECT streambatch.reset('field');

SET client_min_messages = warning;
DROP SCHEMA reset CASCADE;
DROP SERVER reset_kafka CASCADE;
DROP ROLE reset_reader;

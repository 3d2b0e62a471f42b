-- pause, resume and wait_for; what they and create_view say of brokers and topics that are not there.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA control;
SET search_path = control;
RESET client_min_messages;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create control 1
CREATE SERVER control_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k text, n int) SERVER control_kafka OPTIONS (topic 'control');
CREATE FUNCTION await(wanted text, stream regclass DEFAULT 'control.events') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    s text;
BEGIN
    FOR i IN 1 .. 600 LOOP
        -- paused it is when its worker has gone, too
        SELECT state INTO s FROM streambatch.stat_stream WHERE stat_stream.stream = await.stream AND (state <> 'paused' OR pid IS NULL);
        EXIT WHEN s = wanted;
        PERFORM pg_sleep(0.05);
    END LOOP;
    RETURN s;
END $$;

-- ---- not started ----
SELECT state, pid, lag, watermark, received, folded, filtered, dead, skipped, flushes, archive, error_message FROM streambatch.stat_stream
 WHERE stream = 'events'::regclass;
SELECT streambatch.wait_for('events');
INSERT INTO events VALUES ('a', 1);

-- ---- for the archive alone ----
SELECT streambatch.resume('events');
SELECT streambatch.wait_for('events');
SELECT * FROM events_archive;
SELECT await('streaming');
SELECT pid IS NOT NULL AS pid, lag, received, folded, filtered, dead, archive FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT backend_type FROM pg_stat_activity WHERE application_name = 'pg_streambatch events' AND datname = current_database();
SELECT streambatch.resume('events');

-- ---- pause: nothing moves, views answer what they have ----
SELECT streambatch.create_view('v', 'SELECT k, count(*) AS c FROM events GROUP BY k');
SELECT streambatch.pause('events');
SELECT await('paused');
SELECT streambatch.pause('events');
SELECT streambatch.wait_for('events');
INSERT INTO events VALUES ('a', 2), ('b', 3);
SELECT pid IS NULL AS pid FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT * FROM v;
SELECT streambatch.create_view('while_paused', 'SELECT k, sum(n) AS s FROM events GROUP BY k');
SELECT * FROM while_paused;
SELECT state FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
CALL streambatch.refresh('v');
SELECT recommended, c FROM v_layers;
-- undone with its transaction
BEGIN;
SELECT streambatch.resume('events');
ROLLBACK;
SELECT await('paused');
BEGIN;
SELECT streambatch.resume('events');
COMMIT;
SELECT streambatch.wait_for('events');
SELECT * FROM v ORDER BY k;
SELECT * FROM while_paused ORDER BY k;
BEGIN;
SELECT streambatch.pause('events');
ROLLBACK;
SELECT streambatch.wait_for('events');
SELECT await('streaming');

-- ---- wait_for: true, or false after the timeout ----
SELECT streambatch.wait_for('events', '0'), streambatch.wait_for('events', '-1 s'), streambatch.wait_for('events', timeout => '1 month'),
       streambatch.wait_for('events', '2000000000 days');
SELECT streambatch.wait_for(NULL), streambatch.wait_for('events', NULL);
-- the worker cannot write, so that nothing arrives; a notice may say which process it waits for
BEGIN;
SET LOCAL client_min_messages = warning;
LOCK TABLE events_archive IN SHARE MODE;
INSERT INTO events VALUES ('c', 4);
SELECT streambatch.wait_for('events', '200 ms');
COMMIT;
SELECT streambatch.wait_for('events');
SELECT * FROM v ORDER BY k;
SELECT streambatch.wait_for('events') FROM generate_series(1, 3);

-- ---- the last view is dropped: the worker continues for the archive, because of resume() ----
DROP VIEW v, while_paused;
INSERT INTO events VALUES ('d', 5);
SELECT streambatch.wait_for('events');
SELECT count(*) FROM events_archive;

-- ---- what is no stream ----
CREATE TABLE plain ();
SELECT streambatch.pause('plain');
SELECT streambatch.resume('events_archive');
SELECT streambatch.wait_for('plain');
SELECT streambatch.pause('nothing');
SELECT streambatch.pause(0);
SELECT streambatch.wait_for(4294967295);
SELECT streambatch.pause(NULL) IS NULL;
CREATE FOREIGN TABLE bare (k text) SERVER control_kafka OPTIONS (topic 'control', archive 'none');
SELECT streambatch.resume('bare');
SELECT streambatch.pause('bare');
SELECT await('paused', 'bare');
SELECT streambatch.create_view('of_bare', 'SELECT count(*) FROM bare');
SELECT streambatch.wait_for('bare');
SELECT streambatch.resume('bare');
SELECT streambatch.wait_for('bare');
SELECT * FROM of_bare;
DROP VIEW of_bare;
SELECT streambatch.wait_for('bare');
SELECT await('stopped', 'bare');

-- ---- no broker, no topic ----
CREATE SERVER control_nowhere FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" '127.0.0.1:1');
CREATE FOREIGN TABLE unreachable (k text) SERVER control_nowhere OPTIONS (topic 'control');
-- librdkafka's words are its own
\set VERBOSITY sqlstate
SELECT streambatch.create_view('of_unreachable', 'SELECT count(*) FROM unreachable');
SELECT * FROM of_unreachable;
SELECT await('reconnecting', 'unreachable');
SELECT error_sqlstate, error_hint FROM streambatch.stat_stream WHERE stream = 'unreachable'::regclass;
SELECT streambatch.wait_for('unreachable', '1 s');
\set VERBOSITY default
-- a corrected address is found
SELECT set_config('control.broker', :'broker', false) IS NOT NULL AS set;
DO $$ BEGIN EXECUTE format('ALTER SERVER control_nowhere OPTIONS (SET "bootstrap.servers" %L)', current_setting('control.broker')); END $$;
SELECT streambatch.resume('unreachable');
SELECT await('streaming', 'unreachable');
SELECT streambatch.wait_for('unreachable');
SELECT * FROM of_unreachable;
\! test/broker/broker-command create missing 1
\! test/broker/broker-command topic_error missing UNKNOWN_TOPIC_OR_PART
CREATE FOREIGN TABLE missing (k text) SERVER control_kafka OPTIONS (topic 'missing');
SELECT streambatch.create_view('of_missing', 'SELECT count(*) FROM missing');
SELECT await('reconnecting', 'missing');
SELECT error_sqlstate, error_message, error_hint FROM streambatch.stat_stream WHERE stream = 'missing'::regclass;
SELECT streambatch.wait_for('missing', '1 s');
\! test/broker/broker-command topic_error missing NO_ERROR
SELECT await('streaming', 'missing');
SELECT streambatch.wait_for('missing');

-- ---- stopped with an error: tried again when foreign table, server or user mapping are altered ----
\! test/broker/broker-command create long 1
\! test/broker/broker-command create short 1
\! test/broker/broker-command create empty 1
CREATE SERVER control_mended FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE mended (n int) SERVER control_mended OPTIONS (topic 'long');
CREATE FOREIGN TABLE short (n int) SERVER control_kafka OPTIONS (topic 'short');
-- an archive that the worker cannot give the column that another topic needs; whoever does that alters no table
CREATE TYPE archived AS (n int, kafka_partition int, kafka_offset bigint);
CREATE TABLE mended_archive OF archived;
INSERT INTO mended SELECT generate_series(1, 10);
INSERT INTO short SELECT generate_series(1, 5);
SELECT streambatch.create_view('of_mended', 'SELECT count(*) AS c, sum(n) AS s FROM mended');
SELECT streambatch.wait_for('mended');
ALTER FOREIGN TABLE mended OPTIONS (SET topic 'short');
SELECT await('error', 'mended');
SELECT error_sqlstate, error_message, error_hint FROM streambatch.stat_stream WHERE stream = 'mended'::regclass;
SELECT streambatch.wait_for('mended');
-- what is rolled back, and what is another's, starts nothing
BEGIN;
ALTER FOREIGN TABLE mended OPTIONS (SET topic 'long');
ROLLBACK;
ALTER FOREIGN TABLE short OPTIONS (ADD on_gap 'stop');
ALTER SERVER control_kafka OPTIONS (ADD "client.id" 'control');
SELECT state FROM streambatch._workers() WHERE stream = 'mended'::regclass;
ALTER FOREIGN TABLE mended OPTIONS (SET topic 'long');
SELECT await('streaming', 'mended');
SELECT streambatch.wait_for('mended');
TABLE of_mended;
-- the same where the table is right, and the server or the mapping was not
ALTER FOREIGN TABLE mended OPTIONS (SET topic 'short');
SELECT await('error', 'mended');
ALTER TYPE archived ADD ATTRIBUTE kafka_epoch int CASCADE;
SELECT state FROM streambatch._workers() WHERE stream = 'mended'::regclass;
CREATE USER MAPPING FOR PUBLIC SERVER control_mended OPTIONS ("sasl.username" 'nobody asks');
SELECT await('streaming', 'mended');
SELECT streambatch.wait_for('mended');
TABLE of_mended;
ALTER TYPE archived DROP ATTRIBUTE kafka_epoch CASCADE;
ALTER FOREIGN TABLE mended OPTIONS (SET topic 'empty');
SELECT await('error', 'mended');
ALTER TYPE archived ADD ATTRIBUTE kafka_epoch int CASCADE;
DROP USER MAPPING FOR PUBLIC SERVER control_mended;
SELECT await('streaming', 'mended');
INSERT INTO mended VALUES (1000);
SELECT streambatch.wait_for('mended');
TABLE of_mended;
ALTER TYPE archived DROP ATTRIBUTE kafka_epoch CASCADE;
ALTER FOREIGN TABLE mended OPTIONS (SET topic 'long');
SELECT await('error', 'mended');
ALTER TYPE archived ADD ATTRIBUTE kafka_epoch int CASCADE;
ALTER SERVER control_mended OPTIONS (ADD "client.id" 'mended');
SELECT await('streaming', 'mended');
SELECT streambatch.wait_for('mended');
TABLE of_mended;
-- a paused one stays so
ALTER TYPE archived DROP ATTRIBUTE kafka_epoch CASCADE;
ALTER FOREIGN TABLE mended OPTIONS (SET topic 'missing');
SELECT await('error', 'mended');
SELECT streambatch.pause('mended');
ALTER FOREIGN TABLE mended OPTIONS (SET topic 'long');
SELECT s.state, w.state AS worker FROM streambatch.stat_stream s JOIN streambatch._workers() w USING (stream) WHERE stream = 'mended'::regclass;

SET client_min_messages = warning;
DROP SCHEMA control CASCADE;
DROP SERVER control_kafka, control_nowhere, control_mended;

-- Whose table an archive may be: the stream's owner's alone, when it is taken and ever after.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA archive_owner;
SET search_path = archive_owner;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create archive_owner 1
CREATE ROLE archive_stream;
CREATE ROLE archive_other;
CREATE ROLE archive_group;
GRANT archive_group TO archive_stream;
GRANT USAGE, CREATE ON SCHEMA archive_owner TO archive_stream, archive_other, archive_group;
CREATE SERVER archive_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
GRANT USAGE ON FOREIGN SERVER archive_kafka TO archive_stream;
CREATE TABLE ran (who text);
GRANT SELECT, INSERT ON ran TO PUBLIC;
RESET client_min_messages;

-- a table that lies in wait, open to all, with a trigger
SET SESSION AUTHORIZATION archive_other;
CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO archive_owner.ran VALUES (current_user); RETURN NEW; END $$;
CREATE TABLE events_archive (n int, ts timestamptz, kafka_partition int, kafka_offset bigint);
CREATE TRIGGER take BEFORE INSERT ON events_archive FOR EACH ROW EXECUTE FUNCTION take();
GRANT ALL ON events_archive TO PUBLIC;
RESET SESSION AUTHORIZATION;
\! printf '0\t\\N\t{"n": 1, "ts": "2025-02-14 00:00:00+00"}\t0\n' | test/broker/produce archive_owner

-- ---- for a superuser's stream, and for anybody's ----
CREATE FOREIGN TABLE events (n int, ts timestamptz) SERVER archive_kafka OPTIONS (topic 'archive_owner', event_time 'ts');
SELECT streambatch.create_view('v', 'SELECT count(*) FROM events');
SELECT streambatch.resume('events');
SELECT streambatch.pause('events');
ALTER FOREIGN TABLE events OWNER TO archive_stream;
SET SESSION AUTHORIZATION archive_stream;
SELECT streambatch.create_view('v', 'SELECT count(*) FROM events');
-- a role that one belongs to is another one all the same: its other members could hang something on it
RESET SESSION AUTHORIZATION;
ALTER TABLE events_archive OWNER TO archive_group;
SET SESSION AUTHORIZATION archive_stream;
SELECT streambatch.create_view('v', 'SELECT count(*) FROM events');
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM events_archive;
SELECT * FROM ran;

-- ---- the statement of the hint helps; with what hangs on it, the table is the owner's from now on ----
DROP TRIGGER take ON events_archive;
ALTER TABLE archive_owner.events_archive OWNER TO archive_stream;
SET SESSION AUTHORIZATION archive_stream;
SELECT streambatch.create_view('v', 'SELECT count(*) FROM events');
SELECT streambatch.wait_for('events');
SELECT * FROM v;
RESET SESSION AUTHORIZATION;

-- ---- owners part later: the worker does not write, and says why; nothing is lost ----
ALTER TABLE events_archive OWNER TO archive_other;
GRANT ALL ON events_archive TO archive_stream;
CREATE TRIGGER take BEFORE INSERT ON events_archive FOR EACH ROW EXECUTE FUNCTION take();
\! printf '0\t\\N\t{"n": 2, "ts": "2025-02-14 00:00:00+00"}\t0\n' | test/broker/produce archive_owner
DO $$
BEGIN
    FOR i IN 1 .. 300 LOOP
        EXIT WHEN EXISTS (SELECT FROM streambatch.stat_stream WHERE stream = 'events'::regclass AND error_sqlstate IS NOT NULL);
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
SELECT error_sqlstate, error_message, error_hint FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT * FROM ran;
DROP TRIGGER take ON events_archive;
ALTER TABLE events_archive OWNER TO archive_stream;
SELECT streambatch.wait_for('events');
SELECT count(*) FROM events_archive;
SELECT * FROM v;
-- the stream's owner likewise
ALTER FOREIGN TABLE events OWNER TO archive_other;
GRANT ALL ON events_archive TO archive_other;
\! printf '0\t\\N\t{"n": 3, "ts": "2025-02-14 00:00:00+00"}\t0\n' | test/broker/produce archive_owner
DO $$
BEGIN
    FOR i IN 1 .. 300 LOOP
        EXIT WHEN EXISTS (SELECT FROM streambatch.stat_stream WHERE stream = 'events'::regclass AND error_sqlstate IS NOT NULL);
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
SELECT error_sqlstate, error_message, error_hint FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
REASSIGN OWNED BY archive_stream, archive_other TO archive_group;
SELECT streambatch.resume('events');
SELECT streambatch.wait_for('events');
SELECT count(*) FROM events_archive;
SELECT * FROM v;

SET client_min_messages = error;
DROP SCHEMA archive_owner CASCADE;
DROP SERVER archive_kafka CASCADE;
DROP OWNED BY archive_stream, archive_other, archive_group CASCADE;
DROP ROLE archive_stream, archive_other, archive_group;

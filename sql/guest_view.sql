-- What the owner of one view can do to others: nothing. What the owner of a stream can do about the views that others have on it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA guest_view;
SET search_path = guest_view;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create guest_view 1
CREATE ROLE guest_stream;
CREATE ROLE guest_view;
CREATE ROLE guest_other;
GRANT USAGE, CREATE ON SCHEMA guest_view TO guest_stream, guest_view, guest_other;
CREATE SERVER guest_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
GRANT USAGE ON FOREIGN SERVER guest_kafka TO guest_stream;
SET SESSION AUTHORIZATION guest_stream;
CREATE FOREIGN TABLE events (id int, ts timestamptz) SERVER guest_kafka OPTIONS (topic 'guest_view', event_time 'ts');
SELECT streambatch.resume('events');
GRANT SELECT ON events, events_archive TO guest_view;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION id_of(view regclass) RETURNS int SECURITY DEFINER SET search_path = pg_catalog LANGUAGE sql AS 'SELECT id FROM streambatch._view v WHERE v.view = $1';
RESET client_min_messages;

-- ---- a rule in the place of a view's: refused, and where it has been made all the same, nobody else's commands mind ----
SET SESSION AUTHORIZATION guest_view;
SELECT streambatch.create_view('guests', 'SELECT id, count(*) AS count FROM events GROUP BY 1');
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO guests DO INSTEAD SELECT 1 AS id, 2::bigint AS count;
CREATE OR REPLACE VIEW guests AS SELECT 1 AS id, 2::bigint AS count;
-- any other rule is as good as on any view
CREATE RULE added AS ON INSERT TO guests DO INSTEAD NOTHING;
INSERT INTO guests VALUES (1, 1);
RESET SESSION AUTHORIZATION;
ALTER EVENT TRIGGER streambatch_on_alter DISABLE;
SET SESSION AUTHORIZATION guest_view;
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO guests DO INSTEAD SELECT 1 AS id, 2::bigint AS count;
RESET SESSION AUTHORIZATION;
ALTER EVENT TRIGGER streambatch_on_alter ENABLE ALWAYS;
SET SESSION AUTHORIZATION guest_other;
CREATE VIEW innocent AS SELECT 1 AS one;
ALTER VIEW innocent RENAME TO harmless;
CREATE TABLE plain (a int);
ALTER TABLE plain ADD COLUMN b int;
DROP VIEW harmless;
-- its owner can still be rid of it
SET SESSION AUTHORIZATION guest_view;
DROP VIEW guests;
SELECT count(*) FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace AND relowner = 'guest_view'::regrole;

-- ---- a dependent of somebody else on the parts of a view ----
SELECT streambatch.create_view('guests', 'SELECT id, count(*) AS count FROM events GROUP BY 1');
SELECT id_of('guests') AS id \gset
GRANT SELECT ON streambatch_state.merged_:id, streambatch_state.stream_:id TO guest_other;
SET SESSION AUTHORIZATION guest_other;
CREATE VIEW on_merged AS SELECT * FROM streambatch_state.merged_:id;
CREATE MATERIALIZED VIEW on_stream AS SELECT count(*) FROM streambatch_state.stream_:id;
SET SESSION AUTHORIZATION guest_view;
\set VERBOSITY terse
-- as any view that something depends on
\set VERBOSITY sqlstate
DROP VIEW guests;
\set VERBOSITY terse
SELECT count(*) FROM guests;
SET SESSION AUTHORIZATION guest_stream;
DROP FOREIGN TABLE events;
DROP FOREIGN TABLE events CASCADE;
\set VERBOSITY default
SELECT to_regclass('guests') IS NULL AND to_regclass('on_merged') IS NULL AND to_regclass('on_stream') IS NULL AS gone;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace AND relname ~ format('_%s(_|$)', :id);
SET client_min_messages = warning;
DROP TABLE events_archive;
SET SESSION AUTHORIZATION guest_stream;
CREATE FOREIGN TABLE events (id int, ts timestamptz) SERVER guest_kafka OPTIONS (topic 'guest_view', event_time 'ts');
SELECT streambatch.resume('events');
GRANT SELECT ON events, events_archive TO guest_view;
RESET client_min_messages;

-- ---- the stream's owner sees what others have on the stream, without their data, and may drop it ----
SET SESSION AUTHORIZATION guest_view;
SELECT streambatch.create_view('guests', 'SELECT id, count(*) AS count FROM events GROUP BY 1');
SELECT streambatch.create_view('others', 'SELECT count(*) AS count FROM events');
CREATE VIEW on_others AS SELECT * FROM others;
SET SESSION AUTHORIZATION guest_stream;
SELECT streambatch.create_view('hosts', 'SELECT count(*) AS count FROM events');
SELECT view, owner, state, groups IS NULL AS unknown FROM streambatch.stat_view WHERE stream = 'events'::regclass ORDER BY view::text;
SELECT count(*) FROM guests;
DROP VIEW guests;
SELECT streambatch.drop_view('guests');
SELECT view, owner FROM streambatch.stat_view WHERE stream = 'events'::regclass ORDER BY view::text;
-- with what depends on it where that is said
SELECT streambatch.drop_view('others');
SELECT streambatch.drop_view('others', cascade => true);
SELECT streambatch.drop_view('hosts');
SELECT streambatch.drop_view('events');
SELECT streambatch.drop_view(NULL);
SELECT count(*) FROM streambatch.stat_view WHERE stream = 'events'::regclass;
-- nobody else may
SELECT streambatch.create_view('hosts', 'SELECT count(*) AS count FROM events');
SET SESSION AUTHORIZATION guest_view;
SELECT streambatch.drop_view('hosts');
SET SESSION AUTHORIZATION guest_other;
SELECT streambatch.drop_view('hosts');
SELECT count(*) FROM streambatch.stat_view WHERE view = 'hosts'::regclass;
RESET SESSION AUTHORIZATION;

-- ---- how many streams of a role may run at a time ----
SELECT name, setting, context, min_val FROM pg_settings WHERE name IN ('streambatch.max_streams_per_role', 'streambatch.view_timeout') ORDER BY 1;
SET streambatch.max_streams_per_role = 2;
SET SESSION AUTHORIZATION guest_stream;
SET client_min_messages = error;
CREATE FOREIGN TABLE second (id int, ts timestamptz) SERVER guest_kafka OPTIONS (topic 'guest_view', event_time 'ts');
CREATE FOREIGN TABLE third (id int, ts timestamptz) SERVER guest_kafka OPTIONS (topic 'guest_view', event_time 'ts');
RESET client_min_messages;
SELECT streambatch.resume('second');
SELECT streambatch.resume('third');
SELECT streambatch.create_view('of_third', 'SELECT count(*) FROM third');
RESET SESSION AUTHORIZATION;
SET streambatch.max_streams_per_role = 3;
SET SESSION AUTHORIZATION guest_stream;
-- one that runs may be asked for again, and get views; one that is paused leaves its place
SELECT streambatch.create_view('of_second', 'SELECT count(*) FROM second');
SELECT streambatch.resume('third');
CREATE FOREIGN TABLE fourth (id int, ts timestamptz) SERVER guest_kafka OPTIONS (topic 'guest_view', event_time 'ts');
-- two at once, of which one is too many, and one that has left its place
SELECT streambatch.pause('third');
DO $$
BEGIN
    FOR i IN 1 .. 300 LOOP
        EXIT WHEN EXISTS (SELECT FROM streambatch.stat_stream WHERE stream = 'third'::regclass AND pid IS NULL);
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
SET client_min_messages = error;
SELECT streambatch.resume('third'), streambatch.resume('fourth');
SELECT streambatch.resume('fourth');
RESET client_min_messages;
SELECT streambatch.resume('third');
RESET SESSION AUTHORIZATION;
-- a superuser's are not counted
SET client_min_messages = error;
CREATE FOREIGN TABLE of_super1 (id int) SERVER guest_kafka OPTIONS (topic 'guest_view');
CREATE FOREIGN TABLE of_super2 (id int) SERVER guest_kafka OPTIONS (topic 'guest_view');
CREATE FOREIGN TABLE of_super3 (id int) SERVER guest_kafka OPTIONS (topic 'guest_view');
SELECT streambatch.resume('of_super1'), streambatch.resume('of_super2'), streambatch.resume('of_super3');
SET streambatch.max_streams_per_role = 0;
SET SESSION AUTHORIZATION guest_stream;
SELECT streambatch.resume('third');
RESET SESSION AUTHORIZATION;
RESET streambatch.max_streams_per_role;
DROP SCHEMA guest_view CASCADE;
DROP SERVER guest_kafka CASCADE;
DROP OWNED BY guest_stream, guest_view, guest_other CASCADE;
DROP ROLE guest_stream, guest_view, guest_other;

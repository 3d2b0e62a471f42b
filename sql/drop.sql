-- DROP: what goes with what, what is refused, and that nothing is left.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA dropping;
SET search_path = dropping;
RESET client_min_messages;
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create drop 1
CREATE SERVER drop_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE ROLE drop_owner;
GRANT CREATE, USAGE ON SCHEMA dropping TO drop_owner;
GRANT USAGE ON FOREIGN SERVER drop_kafka TO drop_owner;
CREATE TYPE size AS ENUM ('s', 'm');
CREATE FUNCTION doubled(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FOREIGN TABLE events (k text, n int, s size, ts timestamptz) SERVER drop_kafka OPTIONS (topic 'drop', event_time 'ts');
-- what of ours there is, beside what other tests have
CREATE FUNCTION left_over() RETURNS TABLE (what text, n bigint) LANGUAGE sql AS $$
SELECT 'views', count(*) FROM streambatch._view WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = view)
UNION ALL SELECT 'streams', count(*) FROM streambatch._stream WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = stream)
UNION ALL SELECT 'positions', count(*) FROM streambatch._progress WHERE stream NOT IN (SELECT stream FROM streambatch._stream)
UNION ALL SELECT 'coverage', count(*) FROM streambatch._coverage WHERE view_id NOT IN (SELECT id FROM streambatch._view)
UNION ALL SELECT 'runs', count(*) FROM streambatch._run WHERE view_id NOT IN (SELECT id FROM streambatch._view)
UNION ALL SELECT 'dead letters', count(*) FROM streambatch._dead_letter WHERE stream NOT IN (SELECT stream FROM streambatch._stream)
   OR view NOT IN (SELECT view FROM streambatch._view)
UNION ALL SELECT 'gaps', count(*) FROM streambatch._gap WHERE stream NOT IN (SELECT stream FROM streambatch._stream)
UNION ALL SELECT 'states', count(*) FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace AND relkind IN ('r', 'v')
   AND substring(relname, '\d+$')::int NOT IN (SELECT id FROM streambatch._view) $$;
CREATE VIEW leftovers AS SELECT * FROM left_over() WHERE n <> 0;
CREATE FUNCTION hybrid(name text, query text DEFAULT 'SELECT k, count(*) AS c FROM dropping.events GROUP BY k') RETURNS text
    LANGUAGE sql AS $$ SELECT streambatch.create_view('dropping.' || name, query)::text $$;
CREATE FUNCTION state_of(view regclass, what text) RETURNS text LANGUAGE sql AS $$
SELECT format('streambatch_state.%s_%s', what, id) FROM streambatch._view v WHERE v.view = state_of.view $$;

-- ---- a view: its layers, states, rows of our tables, dead letters ----
SELECT hybrid('v', 'SELECT k, sum(10 / n) AS q FROM dropping.events GROUP BY k');
INSERT INTO events VALUES ('a', 1, 's', '2025-02-14'), ('a', 0, 'm', '2025-02-15');
SELECT streambatch.wait_for('events');
CALL streambatch.refresh('v');
SELECT count(*) FROM streambatch.dead_letter WHERE stream = 'events'::regclass;
SELECT state_of('v', 'stream') AS stream_table, state_of('v', 'batch') AS batch_table, state_of('v', 'query') AS query_view, state_of('v', 'merged') AS merged_view \gset
DROP VIEW v;
SELECT to_regclass(:'stream_table'), to_regclass(:'batch_table'), to_regclass(:'query_view'), to_regclass(:'merged_view'), to_regclass('v_layers');
SELECT count(*) FROM streambatch.dead_letter WHERE stream = 'events'::regclass;
SELECT * FROM leftovers;
-- the name is free again; a rolled back DROP is none
SELECT hybrid('v');
BEGIN;
DROP VIEW v;
ROLLBACK;
INSERT INTO events VALUES ('b', 1, 's', '2025-02-14');
SELECT streambatch.wait_for('events');
SELECT * FROM v ORDER BY k;
DROP VIEW IF EXISTS v, nothing;
SELECT * FROM leftovers;

-- ---- the objects behind a view are not to be dropped, nor its layers alone ----
SELECT hybrid('v');
CREATE FUNCTION fails(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    h text;
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS h = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '_\d+', '_N', 'g') || CASE WHEN h <> '' THEN ' | ' || h ELSE '' END;
END $$;
SELECT fails('DROP TABLE ' || state_of('v', 'stream'));
SELECT fails('DROP TABLE ' || state_of('v', 'batch'));
SELECT fails('DROP VIEW ' || state_of('v', 'merged'));
SELECT fails('DROP VIEW ' || state_of('v', 'query'));
SELECT fails('DROP VIEW v_layers');
SELECT fails('DROP VIEW v_layers CASCADE');
-- what others made of them is in the way
SELECT format('CREATE VIEW on_states AS SELECT * FROM %s', state_of('v', 'batch')) AS command \gset
:command;
SELECT fails('DROP VIEW dropping.v');
DROP VIEW on_states;
-- with CASCADE they take the view along
BEGIN;
SET client_min_messages = warning;
SELECT fails('DROP TABLE ' || state_of('v', 'batch') || ' CASCADE');
SELECT * FROM leftovers;
SELECT to_regclass('v'), to_regclass('v_layers');
ROLLBACK;
SELECT count(*) FROM streambatch.stat_view WHERE stream = 'events'::regclass;
SELECT fails('DROP TABLE streambatch._view');
SELECT fails('DROP SCHEMA streambatch_state');
SELECT fails('DROP FUNCTION streambatch._serves(text)');
SELECT fails('DROP EVENT TRIGGER streambatch_on_drop');
SELECT * FROM leftovers;

-- ---- what a view depends on ----
DROP VIEW IF EXISTS v;
SELECT hybrid('v');
SELECT hybrid('w', 'SELECT s, max(dropping.doubled(n)) AS d FROM dropping.events GROUP BY s');
CREATE VIEW on_top AS SELECT * FROM v;
SELECT fails('DROP VIEW dropping.v');
SELECT fails('DROP FOREIGN TABLE dropping.events');
SELECT fails('ALTER FOREIGN TABLE dropping.events DROP COLUMN s');
SELECT fails('ALTER FOREIGN TABLE dropping.events ALTER COLUMN n TYPE bigint');
SELECT fails('DROP TYPE dropping.size');
SELECT fails('DROP FUNCTION dropping.doubled(int)');
SELECT fails('DROP SERVER drop_kafka');
DROP VIEW v CASCADE;
SELECT * FROM leftovers;
-- with CASCADE, whatever the command
SET client_min_messages = warning;
DROP FUNCTION doubled(int) CASCADE;
SELECT count(*) FROM streambatch.stat_view WHERE stream = 'events'::regclass;
SELECT hybrid('w', 'SELECT s, count(*) AS c FROM dropping.events GROUP BY s');
ALTER TABLE events DROP COLUMN s CASCADE;
SELECT count(*) FROM streambatch.stat_view WHERE stream = 'events'::regclass;
SELECT hybrid('w', 'SELECT upper(k COLLATE "C") AS k, count(*) AS c FROM dropping.events GROUP BY 1');
ALTER FOREIGN TABLE events ADD COLUMN s size;
ALTER TABLE events_archive DROP COLUMN s, ADD COLUMN s size;
SELECT hybrid('x', 'SELECT s, max(s) AS m, count(*) AS c FROM dropping.events WHERE false GROUP BY 1');
DROP TYPE size CASCADE;
SELECT attname FROM pg_attribute WHERE attrelid = 'events'::regclass AND attnum > 0 AND NOT attisdropped;
CREATE COLLATION mine FROM "C";
SELECT hybrid('x', 'SELECT k COLLATE dropping.mine AS k, count(*) AS c FROM dropping.events GROUP BY 1');
DROP COLLATION mine CASCADE;
CREATE FUNCTION doubled(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
SELECT hybrid('y', 'SELECT sum(dropping.doubled(n)) AS s FROM dropping.events');
DROP ROUTINE doubled(int) CASCADE;
SELECT view FROM streambatch.stat_view WHERE stream = 'events'::regclass;
SELECT * FROM leftovers;
-- the stream continues
INSERT INTO events VALUES ('c', 1, '2025-02-14');
SELECT streambatch.wait_for('events');
SELECT * FROM w ORDER BY k;
RESET client_min_messages;

-- ---- a stream: refused while views depend on it, unless CASCADE ----
DROP FOREIGN TABLE events;
DROP TABLE events;
DROP FOREIGN TABLE events CASCADE;
SELECT count(*) FROM events_archive;
SELECT * FROM leftovers;
SELECT count(*) FROM streambatch.stat_stream WHERE stream::text = 'events';
DROP TABLE events_archive;

-- ---- a server, a role's belongings, a schema ----
SET client_min_messages = warning;
CREATE FOREIGN TABLE events (k text, n int) SERVER drop_kafka OPTIONS (topic 'drop');
SELECT hybrid('v');
SELECT streambatch.wait_for('events');
DROP SERVER drop_kafka CASCADE;
SELECT * FROM leftovers;
CREATE SERVER drop_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
GRANT USAGE ON FOREIGN SERVER drop_kafka TO drop_owner;
SET ROLE drop_owner;
CREATE FOREIGN TABLE theirs (k text) SERVER drop_kafka OPTIONS (topic 'drop');
SELECT streambatch.create_view('theirs_count', 'SELECT count(*) FROM theirs');
SELECT streambatch.wait_for('theirs');
RESET ROLE;
DROP OWNED BY drop_owner CASCADE;
DROP ROLE drop_owner;
SELECT * FROM leftovers;
CREATE SCHEMA dropping_too;
CREATE FOREIGN TABLE dropping_too.events (k text) SERVER drop_kafka OPTIONS (topic 'drop');
SELECT streambatch.create_view('dropping_too.v', 'SELECT count(*) FROM dropping_too.events');
SELECT streambatch.create_view('elsewhere', 'SELECT count(*) FROM dropping_too.events');
SELECT streambatch.wait_for('dropping_too.events');
DROP SCHEMA dropping_too CASCADE;
SELECT to_regclass('elsewhere');
SELECT * FROM leftovers;
-- created and dropped in one transaction, with its stream
BEGIN;
CREATE FOREIGN TABLE brief (k text) SERVER drop_kafka OPTIONS (topic 'drop');
SELECT streambatch.create_view('brief_count', 'SELECT count(*) FROM brief');
DROP FOREIGN TABLE brief CASCADE;
COMMIT;
SELECT * FROM leftovers;
BEGIN;
CREATE FOREIGN TABLE brief (k text) SERVER drop_kafka OPTIONS (topic 'drop', archive 'none');
SELECT streambatch.create_view('brief_count', 'SELECT count(*) FROM brief');
ROLLBACK;
SELECT * FROM leftovers;
-- sessions that replay changes
SET session_replication_role = replica;
CREATE FOREIGN TABLE replayed (k text) SERVER drop_kafka OPTIONS (topic 'drop', archive 'none');
SELECT streambatch.create_view('replayed_count', 'SELECT count(*) FROM replayed');
DROP FOREIGN TABLE replayed CASCADE;
RESET session_replication_role;
SELECT * FROM leftovers;

-- ---- no workers for what is gone: one that is only just started looks, and leaves ----
CREATE FUNCTION homeless_workers() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    FOR i IN 1 .. 200 LOOP
        SELECT count(*) INTO n FROM streambatch._workers() w WHERE w.pid IS NOT NULL AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = w.stream);
        EXIT WHEN n = 0;
        PERFORM pg_sleep(0.05);
    END LOOP;
    RETURN n;
END $$;
SELECT homeless_workers();

-- ---- the extension ----
DROP SCHEMA dropping CASCADE;
DROP SERVER drop_kafka CASCADE;
CREATE DATABASE streambatch_drop;
\set here :DBNAME
\c streambatch_drop
SET client_min_messages = warning;
CREATE EXTENSION pg_streambatch;
CREATE SERVER drop_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k text, n int) SERVER drop_kafka OPTIONS (topic 'drop');
SELECT streambatch.create_view('v', 'SELECT k, count(*) AS c FROM events GROUP BY k');
SELECT streambatch.wait_for('events');
\set VERBOSITY terse
DROP EXTENSION pg_streambatch;
DROP EXTENSION pg_streambatch CASCADE;
SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'streambatch%';
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'f');
SELECT count(*) FROM pg_event_trigger;
CREATE EXTENSION pg_streambatch;
CREATE SERVER drop_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k text, n int) SERVER drop_kafka OPTIONS (topic 'drop');
SELECT streambatch.create_view('v', 'SELECT k, count(*) AS c FROM events GROUP BY k');
SELECT streambatch.wait_for('events');
SELECT * FROM v ORDER BY k;
\c :here
DROP DATABASE streambatch_drop;
SELECT count(*) FROM pg_stat_activity WHERE datname = 'streambatch_drop';

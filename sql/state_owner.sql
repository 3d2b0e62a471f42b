-- The states of a hybrid view are its owner's: what hangs on their types runs as nobody else, and nobody can make anything else of them.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA state_owner;
SET search_path = state_owner;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create state_owner 1
CREATE ROLE state_stream;
CREATE ROLE state_view;
CREATE ROLE state_heir;
GRANT USAGE, CREATE ON SCHEMA state_owner TO state_stream, state_view, state_heir;
CREATE SERVER state_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
GRANT USAGE ON FOREIGN SERVER state_kafka TO state_stream;
CREATE TABLE seen (what text, who text);
GRANT SELECT, INSERT ON seen TO PUBLIC;
RESET client_min_messages;

-- who runs a piece of code: the same role in every respect
CREATE FUNCTION who() RETURNS text LANGUAGE sql VOLATILE AS $$
SELECT format('%s, session %s%s', current_user, session_user, CASE current_setting('is_superuser') WHEN 'on' THEN ', superuser' ELSE '' END) $$;
-- a function of the superuser's that trusts a superuser's session
CREATE FUNCTION gate() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN CASE WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) THEN 'open' ELSE 'shut' END;
END $$;
CREATE FUNCTION note(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO state_owner.seen VALUES (what, format('%s, gate %s', state_owner.who(), state_owner.gate())); END $$;
CREATE FUNCTION noted(what text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM state_owner.note(what); RETURN true; END $$;
SET SESSION AUTHORIZATION state_stream;
CREATE FOREIGN TABLE events (id int, ts timestamptz) SERVER state_kafka OPTIONS (topic 'state_owner', event_time 'ts');
SELECT streambatch.resume('events');
GRANT SELECT ON events, events_archive TO state_view, state_heir;
CREATE FUNCTION note_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM state_owner.noted('archive trigger'); RETURN NEW; END $$;
CREATE TRIGGER note BEFORE INSERT ON events_archive FOR EACH ROW EXECUTE FUNCTION note_row();

SET SESSION AUTHORIZATION state_view;
-- a type whose statistics call a function of its owner's
CREATE FUNCTION distance(text, text) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    PERFORM state_owner.note('distance of ' || current_user);
    RETURN 1;
END $$;
CREATE TYPE span AS RANGE (subtype = text, subtype_diff = state_owner.distance);
CREATE FUNCTION advance(bigint, int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN PERFORM state_owner.noted('transition'); RETURN coalesce($1, 0) + 1; END $$;
CREATE FUNCTION unite(bigint, bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN PERFORM state_owner.noted('combination'); RETURN coalesce($1 + $2, $1, $2); END $$;
CREATE AGGREGATE counted(int) (SFUNC = advance, STYPE = bigint, COMBINEFUNC = unite);
SELECT streambatch.create_view('spans', 'SELECT span(id::text, id || ''z'') AS k, count(*) AS n FROM events GROUP BY 1');
SELECT streambatch.create_view('theirs', 'SELECT id % 2 AS k, counted(id) AS n FROM events WHERE noted(''where'') GROUP BY 1');
SET SESSION AUTHORIZATION state_stream;
SELECT streambatch.create_view('ours', 'SELECT count(*) AS n FROM events WHERE noted(''ours where'')');
RESET SESSION AUTHORIZATION;
CREATE FUNCTION id_of(view regclass) RETURNS int LANGUAGE sql AS 'SELECT id FROM streambatch._view v WHERE v.view = $1';
SELECT streambatch.create_view('supers', 'SELECT count(*) AS n FROM events WHERE noted(''super where'')');
TRUNCATE seen;
\copy (SELECT 0, NULL, json_build_object('id', i, 'ts', '2025-02-14 00:00+00')::text, 0 FROM generate_series(1, 40) i) TO PROGRAM 'test/broker/produce state_owner'
SELECT streambatch.wait_for('events');
\copy (SELECT 0, NULL, json_build_object('id', i, 'ts', '2025-02-14 00:00+00')::text, 0 FROM generate_series(41, 50) i) TO PROGRAM 'test/broker/produce state_owner'
SELECT streambatch.wait_for('events');
SET SESSION AUTHORIZATION state_view;
SELECT sum(n) FROM theirs;
RESET SESSION AUTHORIZATION;

-- ---- as whom it runs in a worker ----
SELECT DISTINCT what, who FROM seen ORDER BY 1, 2;

-- ---- as whom statistics of states are made ----
DO $$
BEGIN
    EXECUTE format('ANALYZE streambatch_state.stream_%1$s, streambatch_state.batch_%1$s', id_of('spans'));
END $$;
SELECT DISTINCT what FROM seen WHERE what LIKE 'distance%';

-- ---- whose the objects are ----
CREATE FUNCTION whose() RETURNS TABLE (relation text, owner regrole) LANGUAGE sql AS $$
SELECT replace(c.relname, id_of('spans')::text, 'N') AS relation, c.relowner::regrole AS owner FROM pg_class c
 WHERE c.relnamespace = 'streambatch_state'::regnamespace AND c.relname ~ format('^(query|stream|batch|merged)_%s$', id_of('spans')) AND c.relkind IN ('r', 'v')
UNION ALL SELECT relname, relowner::regrole FROM pg_class WHERE oid IN ('spans'::regclass, 'spans_layers'::regclass)
 ORDER BY 1 $$;
SELECT * FROM whose();
SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
 WHERE c.relname ~ format('(toast_\d+|_%s_)', id_of('spans')) AND c.relnamespace = 'streambatch_state'::regnamespace AND r.rolsuper;
ALTER VIEW spans OWNER TO state_heir;
SELECT DISTINCT owner FROM whose();
-- the worker goes on as the heir, who could not read the type before
\copy (SELECT 0, NULL, json_build_object('id', 51, 'ts', '2025-02-14 00:00+00')::text, 0) TO PROGRAM 'test/broker/produce state_owner'
SELECT streambatch.wait_for('events');
SELECT count(*) FROM spans;
SELECT view, state FROM streambatch.stat_view WHERE view = 'spans'::regclass;
REASSIGN OWNED BY state_heir TO state_view;
SELECT DISTINCT owner FROM whose();

-- ---- what owners cannot make of them ----
CREATE FUNCTION attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE WHEN SQLSTATE <> '42501' THEN 'other error: ' ELSE '' END || SQLERRM;
END $$;
CREATE TABLE commands (n serial, command text);
GRANT SELECT ON commands TO PUBLIC;
INSERT INTO commands (command) VALUES
    ('CREATE TRIGGER t BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION state_owner.note_row()'),
    ('CREATE RULE r AS ON INSERT TO %s DO INSTEAD NOTHING'),
    ('CREATE POLICY p ON %s USING (true)'),
    ('CREATE INDEX ON %s ((1))'),
    ('CREATE STATISTICS state_owner.s ON k1, s1 FROM %s'),
    ('CREATE TABLE state_owner.child () INHERITS (%s)'),
    ('ALTER TABLE state_owner.orphan INHERIT %s'),
    ('ALTER TABLE %s INHERIT state_owner.parent'),
    ('ALTER TABLE state_owner.partitioned ATTACH PARTITION %s DEFAULT'),
    ('ALTER TABLE %s ADD CHECK (true)'),
    ('ALTER TABLE %s DROP COLUMN k1 CASCADE'),
    ('ALTER TABLE %s ALTER COLUMN s1 SET STATISTICS 10'),
    ('ALTER TABLE %s ENABLE ROW LEVEL SECURITY'),
    ('ALTER TABLE %s OWNER TO state_heir'),
    ('ALTER TABLE %s RENAME TO other'),
    ('ALTER TABLE %s SET SCHEMA state_owner'),
    ('COMMENT ON TABLE %s IS ''mine'''),
    ('CREATE PUBLICATION state_publication FOR TABLE %s (k1)'),
    ('ALTER PUBLICATION empty_publication ADD TABLE %s WHERE (s1 > 0)'),
    ('DROP TABLE %s CASCADE');
GRANT state_heir TO state_view;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO state_view', current_database()); END $$;
SELECT format('streambatch_state.stream_%s', id_of('spans')) AS stream, format('streambatch_state.batch_%s', id_of('spans')) AS batch,
       format('streambatch_state.query_%s', id_of('spans')) AS query, format('streambatch_state.merged_%s', id_of('spans')) AS merged, id_of('spans') AS id \gset
SET SESSION AUTHORIZATION state_view;
SET client_min_messages = error;
CREATE TABLE parent ();
CREATE PUBLICATION empty_publication;
CREATE TABLE orphan (epoch int8 NOT NULL, k1 span, s1 int8);
CREATE TABLE partitioned (epoch int8, k1 span, s1 int8) PARTITION BY LIST (epoch);
SELECT command, regexp_replace(attempt(format(command, relation)), '_\d+', '_N') FROM commands, unnest(ARRAY[:'stream', :'batch']) relation WHERE relation LIKE '%.stream%' OR n IN (1, 15, 20) ORDER BY n, 2;
-- the batch layer is empty, and could be made a view; PostgreSQL 16 does that with no table
SELECT regexp_replace(regexp_replace(attempt(format('CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO %s DO INSTEAD SELECT NULL::state_owner.span AS %s, 1::bigint AS %s', relation, key, state)), '_\d+', '_N'),
                      'could not convert table ("\w+") to a view because it has indexes', 'relation \1 cannot have ON SELECT rules')
  FROM (VALUES (:'batch', 'k1', 's1'), (:'query', 'k', 'n'), (:'merged', 'k1', 'a1')) r (relation, key, state);
SELECT regexp_replace(attempt(format(command, relation)), '_\d+', '_N')
  FROM unnest(ARRAY['ALTER VIEW %s SET (security_barrier)', 'DROP VIEW %s CASCADE']) command, unnest(ARRAY[:'query', :'merged']) relation;
\set VERBOSITY sqlstate
CREATE INDEX CONCURRENTLY ON streambatch_state.stream_:id ((k1::text));
SELECT 'DROP INDEX CONCURRENTLY ' || min(indexrelid::regclass::text) AS command FROM pg_index WHERE indrelid = :'stream'::regclass \gset drop_
:drop_command;
SELECT regexp_replace(attempt('DROP INDEX ' || min(indexrelid::regclass::text)), '_\d+', '_N') FROM pg_index WHERE indrelid = :'stream'::regclass;
\set VERBOSITY default
-- nothing of it has stayed
SELECT count(*) AS indexes FROM pg_index WHERE indrelid = :'stream'::regclass;
SELECT count(*) FROM spans;
-- the hint says what helps
SELECT set_config('test.id', :'id', false) IS NOT NULL;
SET client_min_messages = warning;
DO $$
DECLARE
    message text; detail text; hint text;
BEGIN
    EXECUTE format('DROP TABLE streambatch_state.stream_%s CASCADE', current_setting('test.id'));
EXCEPTION WHEN insufficient_privilege THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE WARNING '%; %; %', replace(message, current_setting('test.id'), 'N'), detail, hint;
END $$;
RESET client_min_messages;
-- their own rows are theirs
DELETE FROM streambatch_state.stream_:id WHERE lower(k1) = '7';
SELECT count(*) FROM spans;
-- nor can others
SET SESSION AUTHORIZATION state_stream;
SELECT DISTINCT attempt(format('%s streambatch_state.stream_%s', verb, :'id')) <> 'done' AS denied
  FROM unnest(ARRAY['DELETE FROM', 'TRUNCATE', 'TABLE', 'LOCK', 'DROP TABLE']) verb;
RESET SESSION AUTHORIZATION;
SELECT has_schema_privilege('state_view', 'streambatch_state', 'CREATE');

-- ---- whose view is dropped loses them, and who goes takes them along ----
SET SESSION AUTHORIZATION state_view;
DROP VIEW spans;
SELECT count(*) FROM unnest(ARRAY[:'stream', :'batch', :'query', :'merged']) relation WHERE to_regclass(relation) IS NOT NULL;
RESET SESSION AUTHORIZATION;
SET client_min_messages = error;
DROP OWNED BY state_view CASCADE;
SELECT view FROM streambatch.stat_view WHERE stream = 'events'::regclass ORDER BY view::text;
SELECT count(*) FROM pg_class c WHERE relnamespace = 'streambatch_state'::regnamespace AND relowner = 'state_view'::regrole;
DROP SCHEMA state_owner CASCADE;
DROP SERVER state_kafka CASCADE;
DROP OWNED BY state_stream, state_view, state_heir CASCADE;
DROP ROLE state_stream, state_view, state_heir;

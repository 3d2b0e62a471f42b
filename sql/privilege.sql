-- Who may do what, who sees what, and as whom things run.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA privilege;
SET search_path = privilege;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create privilege 1
CREATE ROLE privilege_owner;
CREATE ROLE privilege_reader;
CREATE ROLE privilege_stranger;
CREATE ROLE privilege_monitor IN ROLE pg_monitor;
GRANT USAGE ON SCHEMA privilege TO privilege_owner, privilege_reader, privilege_stranger, privilege_monitor;
GRANT CREATE ON SCHEMA privilege TO privilege_owner, privilege_reader;
RESET client_min_messages;

-- ---- an ordinary user needs USAGE on the wrapper, and no user mapping ----
SET ROLE privilege_owner;
CREATE SERVER privilege_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
RESET ROLE;
GRANT USAGE ON FOREIGN DATA WRAPPER streambatch_kafka TO privilege_owner;
SET ROLE privilege_owner;
CREATE SERVER privilege_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k text, n int, ts timestamptz) SERVER privilege_kafka OPTIONS (topic 'privilege', event_time 'ts');
CREATE FOREIGN TABLE raw (value text) SERVER privilege_kafka OPTIONS (topic 'privilege', format 'raw');
SELECT streambatch.create_view('own', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(10 / n) AS s FROM events GROUP BY 1, 2$$);
INSERT INTO events VALUES ('a', 1, '2025-02-14 00:10'), ('b', 0, '2025-02-14 00:20'), ('a', 2, '2025-02-14 02:10');
INSERT INTO raw VALUES ('nonsense');
SELECT streambatch.wait_for('events');
SELECT * FROM own ORDER BY w;
CALL streambatch.refresh('own');
SELECT k, w, recommended FROM own_layers ORDER BY w;
SELECT count(*) FROM events_archive;
SELECT tableowner FROM pg_tables WHERE tablename = 'events_archive' AND schemaname = 'privilege';
SELECT viewname, viewowner FROM pg_views WHERE schemaname = 'privilege' ORDER BY 1;
SELECT stream, state IN ('streaming', 'catching up') AS runs FROM streambatch.stat_stream WHERE stream IN ('events'::regclass, 'raw'::regclass) ORDER BY stream::text;
SELECT view, kafka_offset, sqlstate FROM streambatch.dead_letter WHERE stream = 'events'::regclass ORDER BY kafka_offset;
SELECT view, state FROM streambatch.stat_view WHERE stream = 'events'::regclass;
SELECT kind, state FROM streambatch.refresh_history WHERE view = 'own'::regclass;
SELECT partition, next_offset, lag FROM streambatch.stat_partition WHERE stream = 'events'::regclass;
SELECT count(*) > 3 AS lines FROM streambatch.explain('own');

-- ---- the internal tables are nobody's ----
SELECT * FROM streambatch._view;
SELECT * FROM streambatch._dead_letter;
DELETE FROM streambatch._progress;
UPDATE streambatch._stream SET paused = true;
SELECT nextval('streambatch._view_id');
CREATE TABLE streambatch.mine ();
CREATE TABLE streambatch_state.mine ();
SELECT streambatch._on_drop();
SELECT streambatch._fdw_handler();
RESET ROLE;
SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname IN ('streambatch', 'streambatch_state') AND c.relkind IN ('r', 'v', 'S', 'm')
   AND (has_table_privilege('privilege_stranger', c.oid, 'SELECT') OR has_table_privilege('privilege_stranger', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
 ORDER BY 1, 2;
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'streambatch'::regnamespace AND NOT has_function_privilege('privilege_stranger', p.oid, 'EXECUTE') ORDER BY p.oid;

-- ---- strangers: nothing, and no statistics ----
SET ROLE privilege_stranger;
SELECT * FROM events;
SELECT * FROM own;
SELECT * FROM own_layers;
SELECT * FROM events_archive;
SELECT count(*) FROM streambatch.stat_stream;
SELECT count(*) FROM streambatch._workers();
SELECT count(*) FROM streambatch.stat_view;
SELECT count(*) FROM streambatch.stat_partition;
SELECT count(*) FROM streambatch.refresh_history;
SELECT count(*) FROM streambatch.dead_letter;
SELECT count(*) FROM streambatch.gap;
SELECT streambatch.create_view('privilege.theirs', 'SELECT count(*) FROM privilege.events');
SELECT streambatch.pause('events');
SELECT streambatch.resume('events');
SELECT streambatch.wait_for('events');
SELECT streambatch.explain('own');
CALL streambatch.refresh('own');
DROP VIEW own;
RESET ROLE;
DO $$
DECLARE
    o text;
BEGIN
    -- none of the objects behind a view is for others
    FOR o IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'streambatch_state'::regnamespace AND c.relkind IN ('r', 'v')
                AND (has_table_privilege('privilege_stranger', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')) LOOP
        RAISE WARNING 'open to all: %', o;
    END LOOP;
END $$;

-- ---- monitors see the state of all, and no data ----
SET ROLE privilege_monitor;
SELECT stream, state, received, dead FROM streambatch.stat_stream WHERE stream = 'privilege.events'::regclass;
SELECT view, state FROM streambatch.stat_view WHERE view = 'privilege.own'::regclass;
SELECT count(*) FROM streambatch.refresh_history WHERE view = 'privilege.own'::regclass;
SELECT count(*) FROM streambatch.dead_letter WHERE stream = 'privilege.events'::regclass;
SELECT * FROM own;
RESET ROLE;

-- ---- readers: by GRANT, view by view ----
SET ROLE privilege_owner;
GRANT SELECT ON own TO privilege_reader;
SET ROLE privilege_reader;
SELECT * FROM own ORDER BY w;
SELECT * FROM own_layers;
SELECT view, state FROM streambatch.stat_view WHERE view = 'own'::regclass;
SELECT count(*) FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT count(*) > 3 AS lines FROM streambatch.explain('own');
SELECT streambatch.wait_for('events');
CALL streambatch.refresh('own');
RESET ROLE;

-- ---- a view of somebody else's stream: SELECT on the stream and on its archive ----
SET ROLE privilege_owner;
GRANT SELECT ON events TO privilege_reader;
SET ROLE privilege_reader;
SELECT streambatch.create_view('theirs', 'SELECT k, count(*) AS c FROM events GROUP BY k');
SET ROLE privilege_owner;
GRANT SELECT ON events_archive TO privilege_reader;
SET ROLE privilege_reader;
SELECT streambatch.create_view('theirs', 'SELECT k, count(*) AS c FROM events GROUP BY k');
SELECT * FROM theirs ORDER BY k;
SELECT streambatch.wait_for('events');
SELECT view FROM streambatch.stat_view WHERE stream = 'events'::regclass ORDER BY 1;
CALL streambatch.refresh('theirs');
SELECT k, recommended FROM theirs_layers ORDER BY k;
SELECT view, kafka_offset FROM streambatch.dead_letter WHERE stream = 'events'::regclass;
SELECT streambatch.pause('events');
SET ROLE privilege_owner;
INSERT INTO events VALUES ('a', 1, '2025-02-14 02:30');
SELECT streambatch.wait_for('events');
SELECT * FROM theirs;
SET ROLE privilege_reader;
SELECT * FROM theirs ORDER BY k;
-- and without it the view stops, the others go on
SET ROLE privilege_owner;
REVOKE SELECT ON events FROM privilege_reader;
INSERT INTO events VALUES ('a', 1, '2025-02-14 02:40');
SELECT streambatch.wait_for('events');
SELECT k, w, c FROM own ORDER BY w;
SET ROLE privilege_reader;
SELECT view, state, error_sqlstate, error_message FROM streambatch.stat_view WHERE view = 'theirs'::regclass;
SELECT * FROM theirs ORDER BY k;
-- until it is granted again, and the view refreshed
CALL streambatch.refresh('theirs');
SET ROLE privilege_owner;
GRANT SELECT ON events TO privilege_reader;
SET ROLE privilege_reader;
CALL streambatch.refresh('theirs');
SELECT view, state, error_sqlstate, error_message FROM streambatch.stat_view WHERE view = 'theirs'::regclass;
SELECT * FROM theirs ORDER BY k;
DROP VIEW theirs;
SET ROLE privilege_owner;
REVOKE SELECT ON events FROM privilege_reader;
RESET ROLE;

-- ---- an archive that is somebody else's table, and one that its owner may not write ----
CREATE TABLE foreign_archive (k text, kafka_partition int, kafka_offset bigint);
GRANT SELECT, INSERT ON foreign_archive TO privilege_owner;
SET ROLE privilege_owner;
CREATE FOREIGN TABLE into_foreign (k text) SERVER privilege_kafka OPTIONS (topic 'privilege', archive 'foreign_archive');
SELECT streambatch.resume('into_foreign');
RESET ROLE;
ALTER TABLE foreign_archive OWNER TO privilege_owner;
REVOKE INSERT ON foreign_archive FROM privilege_owner;
SET ROLE privilege_owner;
SELECT streambatch.resume('into_foreign');
SELECT streambatch.create_view('v', 'SELECT count(*) FROM into_foreign');
RESET ROLE;
GRANT INSERT ON foreign_archive TO privilege_owner;
SET ROLE privilege_owner;
SELECT streambatch.resume('into_foreign');
SELECT streambatch.wait_for('into_foreign');
RESET ROLE;
SELECT k, kafka_offset FROM foreign_archive ORDER BY kafka_offset;
REVOKE INSERT ON foreign_archive FROM privilege_owner;
SET ROLE privilege_owner;
INSERT INTO events VALUES ('c', 1, '2025-02-14 02:50');
DO $$
BEGIN
    FOR i IN 1 .. 100 LOOP
        EXIT WHEN EXISTS (SELECT FROM streambatch.stat_stream WHERE stream = 'into_foreign'::regclass AND error_sqlstate IS NOT NULL);
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
SELECT error_sqlstate, error_message, error_hint FROM streambatch.stat_stream WHERE stream = 'into_foreign'::regclass;
DROP FOREIGN TABLE into_foreign;
RESET ROLE;

-- ---- as whom code runs that users hang on what is theirs ----
CREATE TABLE seen (what text, who text);
GRANT ALL ON seen TO privilege_owner;
SET ROLE privilege_owner;
CREATE FUNCTION note(text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO privilege.seen VALUES ($1, current_user); END $$;
CREATE FUNCTION noted(text, text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM privilege.note($2); RETURN true; END $$;
CREATE FUNCTION noted_size(text) RETURNS interval LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM privilege.note($1); RETURN '1 h'; END $$;
CREATE FUNCTION note_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM privilege.note(TG_ARGV[0]); RETURN NEW; END $$;
CREATE DOMAIN noted_text AS text CHECK (privilege.noted(VALUE, 'domain'));
CREATE FOREIGN TABLE hooks (k noted_text, n int, ts timestamptz) SERVER privilege_kafka OPTIONS (topic 'privilege', event_time 'ts');
SELECT streambatch.create_view('hooked', $$SELECT k, streambatch.tumble(ts, privilege.noted_size('size')) AS w, count(*) AS c FROM hooks
    WHERE privilege.noted(k, 'where') GROUP BY 1, 2 HAVING privilege.noted(k, 'having')$$);
SELECT streambatch.wait_for('hooks');
SELECT streambatch.pause('hooks');
CREATE INDEX ON hooks_archive ((privilege.noted(k, 'archive index')));
CREATE INDEX ON hooks_archive (n) WHERE privilege.noted('x', 'archive index condition');
ALTER TABLE hooks_archive ADD CHECK (privilege.noted(k, 'archive check'));
-- nothing can be hung on the states, nor can they be made something else
SELECT format('streambatch_state.%%s_%s', max(id)) AS state FROM (SELECT substring(relname FROM '\d+$')::int AS id FROM pg_class
    WHERE relnamespace = 'streambatch_state'::regnamespace AND relkind = 'r') i \gset
CREATE FUNCTION attempt(command text, layer text, state text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(command, format(state, layer));
    RETURN 'done';
EXCEPTION WHEN insufficient_privilege THEN
    RETURN 'denied';
END $$;
SET client_min_messages = warning;
SELECT command, layer, attempt(command, layer, :'state') FROM unnest(ARRAY[
    'CREATE TRIGGER t BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION privilege.note_row(''state trigger'')',
    'CREATE INDEX ON %s ((privilege.noted(k1, ''state index'')))',
    'CREATE POLICY p ON %s USING (privilege.noted(k1, ''state policy''))',
    'CREATE TABLE privilege.child () INHERITS (%s)',
    'ALTER TABLE %s ADD CHECK (privilege.noted(k1, ''state check''))',
    'ALTER TABLE %s DROP COLUMN k1 CASCADE']) command, unnest(ARRAY['stream', 'batch']) layer;
RESET client_min_messages;
RESET ROLE;
TRUNCATE seen;
SELECT streambatch.resume('hooks');
INSERT INTO events VALUES ('d', 1, '2025-02-14 04:50');
SELECT streambatch.wait_for('hooks');
CALL streambatch.refresh('hooked', "to" => 'infinity');
SELECT count(*) FROM streambatch.explain('hooked') WHERE explain LIKE '%01:00:00%';
SELECT DISTINCT what, who FROM seen ORDER BY 1, 2;
SET ROLE privilege_owner;
CREATE TRIGGER t BEFORE INSERT ON hooks_archive FOR EACH ROW EXECUTE FUNCTION note_row('archive trigger');
RESET ROLE;
TRUNCATE seen;
INSERT INTO events VALUES ('e', 1, '2025-02-14 04:50');
SELECT streambatch.wait_for('hooks');
SELECT DISTINCT what, who FROM seen ORDER BY 1, 2;

-- ---- a new owner owns all of a view ----
CREATE VIEW privilege.owners AS
SELECT v.viewowner, l.viewowner AS layers_owner,
       ARRAY(SELECT DISTINCT r.rolname FROM pg_class c, pg_roles r WHERE c.relnamespace = 'streambatch_state'::regnamespace
                AND c.relname ~ ('_' || w.id || '$') AND NOT r.rolsuper AND r.rolname LIKE 'privilege%'
                AND has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') ORDER BY 1) AS users
  FROM pg_views v, pg_views l, streambatch._view w
 WHERE v.viewname = 'own' AND v.schemaname = 'privilege' AND l.viewname = 'own_layers' AND l.schemaname = 'privilege' AND w.view = 'privilege.own'::regclass;
SELECT * FROM owners;
GRANT SELECT ON events, events_archive TO privilege_reader;
ALTER VIEW own OWNER TO privilege_reader;
SELECT * FROM owners;
SET ROLE privilege_owner;
INSERT INTO events VALUES ('f', 1, '2025-02-14 06:10');
SELECT streambatch.wait_for('events');
CALL streambatch.refresh('own');
SET ROLE privilege_reader;
SELECT c FROM own WHERE k = 'f';
CALL streambatch.refresh('own', "to" => 'infinity');
SELECT c, recommended FROM own_layers WHERE k = 'f';
RESET ROLE;
ALTER TABLE own OWNER TO postgres;
SELECT * FROM owners;
ALTER VIEW own OWNER TO privilege_reader;
REASSIGN OWNED BY privilege_reader TO privilege_owner;
SELECT * FROM owners;
SET ROLE privilege_owner;
SELECT c FROM own WHERE k = 'f';

-- ---- the times that <view>_layers shows: for its readers, also through a view over it; directly for the owner alone ----
CREATE VIEW over AS SELECT k, w, stream_as_of, batch_as_of, closed FROM own_layers;
GRANT SELECT ON over TO privilege_stranger;
CREATE FUNCTION times() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    times text;
BEGIN
    FOREACH times IN ARRAY '{cuts,clock}'::text[] LOOP
        BEGIN
            EXECUTE format('SELECT count(*) > 0 FROM streambatch_state.%s_%s', times, current_setting('privilege.own'));
            RETURN NEXT times || ' of own';
        EXCEPTION WHEN insufficient_privilege THEN
            RETURN NEXT replace(SQLERRM, current_setting('privilege.own'), 'N');
        END;
    END LOOP;
END $$;
RESET ROLE;
SELECT set_config('privilege.own', id::text, false) <> '' AS known FROM streambatch._view WHERE view = 'own'::regclass;
SET ROLE privilege_owner;
SELECT count(*) > 0 AS some, count(*) = count(coalesce(stream_as_of, batch_as_of)) AS times FROM own_layers;
SELECT * FROM times();
SET ROLE privilege_stranger;
SELECT count(*) > 0 AS some, count(*) = count(coalesce(stream_as_of, batch_as_of)) AS times FROM over;
SELECT * FROM times();
SELECT count(*) FROM streambatch._batch_as_of;
SELECT count(*) FROM streambatch._stream_as_of;
-- nor a former owner
SET ROLE privilege_reader;
SELECT * FROM times();
SELECT streambatch._groups('own');
SET ROLE privilege_owner;
SELECT streambatch._groups('own') > 0 AS groups;
RESET ROLE;

SET client_min_messages = error;
DROP SCHEMA privilege CASCADE;
DROP OWNED BY privilege_owner, privilege_reader, privilege_stranger, privilege_monitor CASCADE;
DROP ROLE privilege_owner, privilege_reader, privilege_stranger, privilege_monitor;

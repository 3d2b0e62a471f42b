-- Texts of errors may tell of events, so they are for those who may read them; row security is not for the data of hybrid views.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA error_text;
SET search_path = error_text;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create error_text 1
CREATE ROLE text_stream;
CREATE ROLE text_view;
CREATE ROLE text_reader;
CREATE ROLE text_both;
CREATE ROLE text_monitor IN ROLE pg_monitor;
CREATE ROLE text_none;
GRANT USAGE ON SCHEMA error_text TO PUBLIC;
GRANT CREATE ON SCHEMA error_text TO text_stream, text_view;
CREATE SERVER text_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
GRANT USAGE ON FOREIGN SERVER text_kafka TO text_stream;
RESET client_min_messages;

SET SESSION AUTHORIZATION text_stream;
CREATE FOREIGN TABLE events (name text, n int, ts timestamptz) SERVER text_kafka OPTIONS (topic 'error_text', event_time 'ts');
SELECT streambatch.resume('events');
GRANT SELECT ON events TO text_view, text_both;
GRANT SELECT ON events_archive TO text_view;
SET SESSION AUTHORIZATION text_view;
SELECT streambatch.create_view('totals', $$SELECT streambatch.tumble(ts, '1 d') AS day, count(*) AS c, sum(n) AS s FROM events GROUP BY 1$$);
-- a query that fails as a whole, and not on the event at hand
CREATE FUNCTION reveal() RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
    secret text := (SELECT min(name) FROM error_text.events_archive);
BEGIN
    IF secret IS NOT NULL THEN RAISE undefined_function USING MESSAGE = format('there is a %s', secret); END IF;
    RETURN true;
END $$;
SELECT streambatch.create_view('revealing', 'SELECT sum(n) AS s FROM events WHERE reveal()');
GRANT SELECT ON totals, revealing TO text_reader, text_both;
RESET SESSION AUTHORIZATION;
INSERT INTO events VALUES ('swordfish', 1, '2025-02-14');
SELECT streambatch.wait_for('events');
-- what a plain refresh meets: an event that somebody has added to the archive
SET SESSION AUTHORIZATION text_stream;
SELECT streambatch.create_view('narrow', $$SELECT count(*) AS c FROM events WHERE name::int > 0 OR name = 'swordfish'$$, history => false);
GRANT SELECT ON narrow TO text_reader, text_both, text_view;
CALL streambatch.refresh('narrow');
RESET SESSION AUTHORIZATION;
-- with a new view, the worker plans all queries anew
INSERT INTO events VALUES ('7', 1, '2025-02-14');
SELECT streambatch.wait_for('events');

-- ---- who is told what ----
CREATE FUNCTION told(role name) RETURNS TABLE (of text, object text, state text, sqlstate text, secret boolean) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    RETURN QUERY SELECT 'stat_view', view::text, v.state, v.error_sqlstate, v.error_message LIKE '%swordfish%'
          FROM streambatch.stat_view v WHERE v.error_sqlstate IS NOT NULL AND v.stream = 'events'::regclass
        UNION ALL SELECT 'refresh_history', view::text, h.state, h.error_sqlstate, h.error LIKE '%swordfish%' FROM streambatch.refresh_history h
          WHERE h.state = 'failed' AND h.view::text IN ('totals', 'narrow', 'revealing') ORDER BY 1, 2;
    RESET ROLE;
END $$;
SELECT role, t.* FROM unnest('{postgres,text_stream,text_view,text_reader,text_both,text_monitor,text_none}'::name[]) WITH ORDINALITY r(role, i), told(role) t ORDER BY i, of, object;
-- no more than what the stream's readers are told
REVOKE SELECT ON events FROM text_view;
SELECT * FROM told('text_view');
GRANT SELECT ON events TO text_view;

CALL streambatch.refresh('totals', "to" => 'infinity');
-- ---- row security: the archive's rows would not be those that were counted as they came ----
SET SESSION AUTHORIZATION text_stream;
ALTER TABLE events_archive ENABLE ROW LEVEL SECURITY;
CREATE POLICY greater ON events_archive USING (n > 1);
-- it is not applied to the owner
CALL streambatch.refresh('narrow');
SELECT streambatch.create_view('owners', 'SELECT count(*) AS c FROM events');
SELECT * FROM owners;
SET SESSION AUTHORIZATION text_view;
SELECT streambatch.create_view('filtered', 'SELECT count(*) AS c FROM events');
SELECT streambatch.create_view('filtered', 'SELECT count(*) AS c FROM events', history => false);
CALL streambatch.refresh('totals', '-infinity', 'infinity');
SELECT c FROM totals;
SET row_security = off;
CALL streambatch.refresh('totals', '-infinity', 'infinity');
RESET row_security;
-- and once it is, to the owner as well
SET SESSION AUTHORIZATION text_stream;
ALTER TABLE events_archive FORCE ROW LEVEL SECURITY;
SELECT streambatch.create_view('forced', 'SELECT count(*) AS c FROM events');
ALTER TABLE events_archive DISABLE ROW LEVEL SECURITY;
SET SESSION AUTHORIZATION text_view;
CALL streambatch.refresh('totals', '-infinity', 'infinity');
SELECT c FROM totals;
RESET SESSION AUTHORIZATION;

SET client_min_messages = error;
DROP SCHEMA error_text CASCADE;
DROP SERVER text_kafka CASCADE;
DROP OWNED BY text_stream, text_view, text_reader, text_both, text_monitor, text_none CASCADE;
DROP ROLE text_stream, text_view, text_reader, text_both, text_monitor, text_none;

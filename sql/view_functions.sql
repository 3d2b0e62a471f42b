-- What a view's own functions may do: they run as the view's owner, under the view's settings, and cannot take the stream's rows away.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA view_functions;
SET search_path = view_functions;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
CREATE SERVER view_functions_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
\! test/broker/broker-command create view_functions 1
-- the stream's settings are not those of its views
SET datestyle = 'SQL, DMY';
CREATE FOREIGN TABLE events (u int, c text, ts timestamptz) SERVER view_functions_kafka OPTIONS (topic 'view_functions', event_time 'ts');
SELECT streambatch.create_view('plain', 'SELECT count(*) FROM events');
SET datestyle = 'ISO, MDY';
SELECT streambatch.create_view('dated', $$SELECT count(*) FROM events WHERE ts >= '2025-03-04 00:00+00'$$);
CREATE TABLE country (c text PRIMARY KEY);
INSERT INTO country VALUES ('a');

-- as whom transition functions run, with and without a join
CREATE ROLE regress_streambatch_view_functions;
GRANT USAGE, CREATE ON SCHEMA view_functions TO regress_streambatch_view_functions;
GRANT SELECT ON events, events_archive, country TO regress_streambatch_view_functions;
SET ROLE regress_streambatch_view_functions;
CREATE FUNCTION whose(text, int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN $1 <> current_user THEN 'both ' || $1 || ' and ' || current_user ELSE current_user END;
END $$;
CREATE FUNCTION whose_both(text, text) RETURNS text LANGUAGE sql AS $$ SELECT CASE WHEN $1 <> $2 THEN 'both ' || $1 || ' and ' || $2 ELSE coalesce($1, $2) END $$;
CREATE AGGREGATE whose(int) (SFUNC = whose, STYPE = text, COMBINEFUNC = whose_both);
SELECT streambatch.create_view('by_itself', 'SELECT whose(u) FROM events');
SELECT streambatch.create_view('joined', 'SELECT whose(e.u) FROM events e JOIN country USING (c)');
-- a combine function that raises, at the second flush: groups are folded again, and their events become dead letters
CREATE FUNCTION raises(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not these two'; END $$;
CREATE AGGREGATE uncombined(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', COMBINEFUNC = raises);
SELECT streambatch.create_view('raising', 'SELECT c, uncombined(u) FROM events GROUP BY 1');
RESET ROLE;

-- the stream read a second time, by the event and in FROM; a table that inherits from it
CREATE FUNCTION in_all(int) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM view_functions.events WHERE u = $1';
CREATE FUNCTION users() RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT u FROM view_functions.events';
SELECT streambatch.create_view('by_event', 'SELECT in_all(u) AS n, count(*) FROM events GROUP BY 1');
SELECT streambatch.create_view('in_from', 'SELECT count(*) FROM events, users() u');
CREATE TABLE child () INHERITS (events);
INSERT INTO child VALUES (1, 'a', '2025-03-30 00:00+00');

-- an aggregate that is replaced by one whose states are of another type
CREATE FUNCTION add(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT coalesce($1, 0) + coalesce($2, 0)';
CREATE FUNCTION add(bigint, int) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT coalesce($1, 0) + coalesce($2, 0)';
CREATE FUNCTION add(bigint, bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT coalesce($1, 0) + coalesce($2, 0)';
CREATE FUNCTION narrow(bigint) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1::int';
CREATE AGGREGATE total(int) (SFUNC = add, STYPE = int, COMBINEFUNC = add);
SELECT streambatch.create_view('replaced', 'SELECT total(u) FROM events');

\copy (SELECT 0, NULL, json_build_object('u', i, 'c', 'a', 'ts', timestamptz '2025-03-03 23:59:30+00' + i * interval '1 s')::text, 0 FROM generate_series(1, 50) i) TO PROGRAM 'test/broker/produce view_functions'
SELECT streambatch.wait_for('events');
\copy (SELECT 0, NULL, json_build_object('u', i, 'c', 'a', 'ts', timestamptz '2025-03-03 23:59:30+00' + i * interval '1 s')::text, 0 FROM generate_series(51, 60) i) TO PROGRAM 'test/broker/produce view_functions'
SELECT streambatch.wait_for('events');
SELECT p.count AS plain, d.count AS dated, (SELECT count(*) FROM events_archive) AS archive, total FROM plain p, dated d, replaced;
SELECT * FROM raising;
SELECT b.whose AS by_itself, j.whose AS joined FROM by_itself b, joined j;
SELECT view, count(*), min(message) FROM streambatch.dead_letter WHERE stream = 'view_functions.events'::regclass GROUP BY 1;
SELECT view, error_message FROM streambatch.stat_view WHERE stream = 'view_functions.events'::regclass AND state <> 'active';

CREATE OR REPLACE AGGREGATE total(int) (SFUNC = add, STYPE = bigint, FINALFUNC = narrow, COMBINEFUNC = add);
SELECT streambatch.create_view('later', 'SELECT count(*) FROM events');
\copy (SELECT 0, NULL, '{"u": 1, "c": "b", "ts": "2025-03-04 00:01:00+00"}', 0) TO PROGRAM 'test/broker/produce view_functions'
SELECT streambatch.wait_for('events');
SELECT p.count AS plain, l.count AS later FROM plain p, later l;
SELECT view, error_message FROM streambatch.stat_view WHERE stream = 'view_functions.events'::regclass AND state <> 'active' ORDER BY 1;

SET client_min_messages = error;
DROP SCHEMA view_functions CASCADE;
DROP SERVER view_functions_kafka CASCADE;
DROP OWNED BY regress_streambatch_view_functions;
DROP ROLE regress_streambatch_view_functions;

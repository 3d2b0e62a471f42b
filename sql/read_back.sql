-- What can be read of a view: its query, which can be run again, its state tables, comments; no statistics show infinity.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE ROLE read_back_owner;
CREATE ROLE read_back_reader;
CREATE SCHEMA "read back" AUTHORIZATION read_back_owner;
GRANT USAGE ON SCHEMA "read back" TO read_back_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER streambatch_kafka TO read_back_owner;
SET search_path = "read back";
SET timezone = 'Europe/Rome';
SET datestyle = 'German';
SET intervalstyle = 'sql_standard';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create read_back 2
SET ROLE read_back_owner;
CREATE SERVER read_back_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE "an ""event""" (id int, "user id" text, ts timestamptz, amount numeric, at int OPTIONS (metadata 'partition'))
    SERVER read_back_kafka OPTIONS (topic 'read_back', event_time 'ts', idle_timeout '1 h', archive '"archive of events"');
CREATE TABLE "it's a user" ("user id" text, "group" text);
INSERT INTO "it's a user" VALUES ('a', 'x'), ('b', 'x'), ('c', 'it''s\y');
CREATE FUNCTION "twice;"(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT 2 * $1';

SELECT streambatch.create_view('"a ""view"""', $$
    -- of each user, by hour
    SELECT "user id", streambatch.tumble(ts, '1 h') AS "the hour", count(*) AS "how many?", sum("twice;"(amount)) AS "twice the amount"
    FROM "an ""event""" WHERE ts >= '01.02.2025 00:00' GROUP BY 1, 2;

$$);
SELECT streambatch.create_view('joined', $$SELECT "group", count(*) FILTER (WHERE amount > 1 AND u."group" <> 'it''s\z') AS c, max(amount), min(e.ts) AS first
    FROM "an ""event""" e JOIN "it's a user" u USING ("user id") WHERE e.ts < timestamptz '31.12.2099' GROUP BY "group" HAVING count(*) > 0 ;;$$);
SELECT streambatch.create_view('hops', $$SELECT streambatch.hop(ts, '0 1:00:00', '0 2:00:00'), streambatch.hop_end(ts, '1 h', '2 h') AS "end", avg(amount) FROM "an ""event""" GROUP BY 1, 2$$);
SELECT streambatch.create_view('sessions', $$SELECT "user id", streambatch.session(ts, '10 min') AS s, streambatch.session_end(ts, '10 min') AS e,
    streambatch.last(amount ORDER BY ts) AS last FROM "an ""event""" GROUP BY 1, 2, 3$$);
SELECT streambatch.create_view('days', $$SELECT extract(dow FROM streambatch.tumble(ts, size => '1 day', time_zone => 'Asia/Tokyo')) AS dow, count(*) AS c
    FROM "an ""event""" WHERE EXISTS (SELECT FROM "it's a user" u WHERE u."user id" = "an ""event"""."user id") GROUP BY 1$$);
SELECT streambatch.create_view('totals', $$SELECT count(*) AS c, sum(amount) AS s, -'1 day -2:00:00'::interval AS i FROM "an ""event""" WHERE id % 2 = 0$$);
INSERT INTO "an ""event""" SELECT i, chr(97 + i % 4), '14.02.2025 00:05'::timestamptz + i * interval '7 min', i / 3.0, i % 2 FROM generate_series(1, 40) i;
SELECT streambatch.wait_for('"an ""event"""');
RESET ROLE;

-- as written
SELECT view, query, regexp_replace(stream_table::text, '\d+$', 'N') AS stream_table, regexp_replace(batch_table::text, '\d+$', 'N') AS batch_table FROM streambatch.stat_view WHERE stream = '"an ""event"""'::regclass ORDER BY view::text;
-- with every name qualified, and the same whatever the settings of the session
SELECT streambatch.query('"a ""view"""') AS query \gset
SELECT :'query' AS query;
SELECT streambatch.query('totals');
RESET datestyle;
RESET intervalstyle;
SET search_path = '';
SELECT streambatch.query('"read back"."a ""view"""') = :'query' AS same;

-- Run a text; is what it returns what the view returns?
CREATE FUNCTION pg_temp.same_rows(view regclass, query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    differences bigint;
    rows bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM ((TABLE %1$s EXCEPT ALL (%2$s)) UNION ALL ((%2$s) EXCEPT ALL TABLE %1$s)) d', view, query) INTO differences;
    EXECUTE format('SELECT count(*) FROM %s', view) INTO rows;
    RETURN differences = 0 AND rows > 0;
END $$;
-- Is the view that is made from a view's query equal to it?
CREATE FUNCTION pg_temp.equal_view(original regclass) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    query text := streambatch.query(original);
    made regclass := streambatch.create_view('"read back".again', query);
    equal boolean;
BEGIN
    equal := pg_temp.same_rows(original, 'TABLE "read back".again') AND streambatch.query(made) = query
        AND (SELECT v.query FROM streambatch.stat_view v WHERE v.view = made) = query
        AND (SELECT array_agg((attname, atttypid, atttypmod, attcollation) ORDER BY attnum) FROM pg_attribute WHERE attrelid = original)
          = (SELECT array_agg((attname, atttypid, atttypmod, attcollation) ORDER BY attnum) FROM pg_attribute WHERE attrelid = made);
    EXECUTE format('DROP VIEW %s', made);
    RETURN equal;
END $$;
-- sessions are found in a view only
CREATE VIEW pg_temp.compared AS
SELECT view, CASE WHEN view::text !~ 'sessions$' THEN pg_temp.same_rows(view, streambatch.query(view)) END AS same_rows, pg_temp.equal_view(view) AS equal_view FROM streambatch.stat_view
 WHERE stream IN (SELECT oid FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^read back'));
SELECT * FROM pg_temp.compared ORDER BY view::text;
-- the text as written too, under the settings that it was written under
SET search_path = "read back";
SET datestyle = 'German';
SET intervalstyle = 'sql_standard';
SELECT view, pg_temp.same_rows(view, query) FROM streambatch.stat_view WHERE stream = '"an ""event"""'::regclass AND view <> 'sessions'::regclass ORDER BY view::text;
RESET datestyle;
RESET intervalstyle;

-- renamed
BEGIN;
ALTER FOREIGN TABLE "an ""event""" RENAME COLUMN "user id" TO "ID of user";
ALTER FOREIGN TABLE "an ""event""" RENAME COLUMN ts TO "when";
ALTER FOREIGN TABLE "an ""event""" OPTIONS (SET event_time 'when'), ALTER COLUMN "ID of user" OPTIONS (path 'user id'), ALTER COLUMN "when" OPTIONS (path 'ts');
ALTER TABLE "archive of events" RENAME COLUMN "user id" TO "ID of user";
ALTER TABLE "archive of events" RENAME COLUMN ts TO "when";
COMMIT;
ALTER FOREIGN TABLE "an ""event""" RENAME TO "events, renamed";
ALTER TABLE "it's a user" RENAME TO "user";
ALTER TABLE "user" RENAME COLUMN "group" TO "select";
ALTER FUNCTION "twice;" RENAME TO "two""times";
ALTER VIEW totals RENAME TO "the totals";
ALTER SCHEMA "read back" RENAME TO "read back""";
CREATE SCHEMA "read back";
SET search_path = '';
SELECT streambatch.query('"read back""".joined');
SELECT streambatch.query('"read back"""."a ""view"""');
SELECT query FROM streambatch.stat_view WHERE view = '"read back"""."the totals"'::regclass;
SELECT streambatch.wait_for('"read back"""."events, renamed"');
SELECT * FROM pg_temp.compared ORDER BY view::text;
SET search_path = "read back""";
DROP SCHEMA "read back";

-- what it is not for, and not for whom
SELECT streambatch.query(NULL) IS NULL AS null;
\set VERBOSITY sqlstate
SELECT streambatch.query('"events, renamed"');
SELECT streambatch.query('joined_layers');
SELECT streambatch.query(0);
SET ROLE read_back_reader;
SELECT streambatch.query('joined');
RESET ROLE;
\set VERBOSITY default
GRANT SELECT ON joined TO read_back_reader;
SET ROLE read_back_reader;
SELECT streambatch.query('joined') IS NOT NULL AS printed;
SELECT view, query IS NOT NULL AS query, stream_table IS NOT NULL AS stream_table FROM streambatch.stat_view ORDER BY view::text;
RESET ROLE;

-- comments
SELECT substring(relname, '^[a-z]+') AS object, obj_description(oid) FROM pg_class
 WHERE relnamespace = 'streambatch_state'::regnamespace AND substring(relname, '\d+$') =
       (SELECT substring(stream_table::text, '\d+$') FROM streambatch.stat_view WHERE view = 'joined'::regclass) ORDER BY 1;
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'joined_layers'::regclass ORDER BY attnum;
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'totals_layers'::regclass ORDER BY attnum;
SELECT oid::regclass AS without_comment FROM pg_class WHERE obj_description(oid) IS NULL
   AND (relnamespace = 'streambatch_state'::regnamespace AND relkind IN ('r', 'v') OR relnamespace = '"read back"""'::regnamespace AND relkind = 'v');
SELECT obj_description('joined'::regclass), obj_description('joined_layers'::regclass);
SET ROLE read_back_owner;
COMMENT ON VIEW joined IS 'mine';
COMMENT ON VIEW joined_layers IS NULL;
COMMENT ON COLUMN joined_layers.closed IS 'never';
RESET ROLE;
SELECT obj_description('joined'::regclass), obj_description('joined_layers'::regclass);

-- no infinity: without windows, everything, nothing, in part
CALL streambatch.refresh('"the totals"');
CALL streambatch.refresh('hops', NULL, 'infinity');
CALL streambatch.refresh('sessions');
CALL streambatch.refresh('days', '2025-02-14 00:00+09', 'infinity');
CREATE FOREIGN TABLE unread (n int, ts timestamptz) SERVER read_back_kafka OPTIONS (topic 'read_back', event_time 'ts', idle_timeout '1 h');
CREATE TABLE unread_archive (n int, ts timestamptz, kafka_partition int, kafka_offset bigint);
INSERT INTO unread_archive VALUES (1, '2025-02-14');
SELECT streambatch.create_view('of_unread', $$SELECT streambatch.tumble(ts, '1 h'), count(*) FROM unread GROUP BY 1$$);
-- and of a dead letter
CREATE FOREIGN TABLE raw (value text) SERVER read_back_kafka OPTIONS (topic 'read_back', format 'raw');
INSERT INTO raw VALUES ('nonsense');
SELECT streambatch.wait_for('"events, renamed"');
DO $$
DECLARE
    name text;
    shown bigint;
    infinite bigint;
BEGIN
    FOREACH name IN ARRAY '{stat_stream,stat_partition,stat_view,refresh_history,dead_letter,gap,stat_progress_refresh}'::text[] LOOP
        EXECUTE format('SELECT count(*), count(*) FILTER (WHERE v::text ILIKE %L) FROM streambatch.%I v', '%infinity%', name) INTO shown, infinite;
        RAISE WARNING '%: % rows with infinity%', name, infinite, CASE WHEN shown = 0 THEN ' of none' ELSE '' END;
    END LOOP;
END $$;
SET timezone = 'UTC';
SELECT view, coverage FROM streambatch.stat_view WHERE view::text IN ('"the totals"', 'hops', 'sessions', 'days', 'joined') ORDER BY view::text;
SELECT view, kind, CASE WHEN from_time IS DISTINCT FROM cut_at THEN from_time END AS from_time, CASE WHEN to_time IS DISTINCT FROM cut_at THEN to_time END AS to_time,
       from_time = to_time AS nothing FROM streambatch.refresh_history WHERE view::text IN ('"the totals"', 'hops', 'sessions', 'days', 'of_unread')
   AND (kind = 'refresh' OR view::text = 'of_unread') ORDER BY view::text, id;

\set VERBOSITY terse
SET client_min_messages = error;
DROP SCHEMA "read back""" CASCADE;
DROP SERVER read_back_kafka;
REVOKE USAGE ON FOREIGN DATA WRAPPER streambatch_kafka FROM read_back_owner;
DROP ROLE read_back_owner, read_back_reader;

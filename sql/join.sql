-- Tables looked up as events arrive: joins, EXISTS and IN, functions in FROM; what that means when a table changes; what is refused.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA joins;
SET search_path = joins;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
CREATE SERVER join_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
\! test/broker/broker-command create joins 2
CREATE FOREIGN TABLE events (u int, x int, c text, tags text[], ts timestamptz) SERVER join_kafka OPTIONS (topic 'joins', event_time 'ts');
CREATE TABLE country (c text PRIMARY KEY, name text, weight int, long text);
INSERT INTO country VALUES ('a', 'Alpha', 1, repeat('alpha ', 2000)), ('b', 'Beta', 0, repeat('beta ', 2000)), ('z', 'Zed', 3, 'z');
ALTER TABLE country ALTER COLUMN long SET STORAGE EXTERNAL;
UPDATE country SET long = long || '.';
CREATE TABLE blocked (u int, since timestamptz);
INSERT INTO blocked VALUES (1, '2025-01-01'), (NULL, '2025-01-01');
CREATE TABLE many (c text, n int);
INSERT INTO many SELECT 'a', i FROM generate_series(1, 3) i;
CREATE MATERIALIZED VIEW kept AS SELECT c, weight FROM country;
CREATE TABLE views (view text, query text);
CREATE FUNCTION differences() RETURNS TABLE (view text, n bigint) LANGUAGE plpgsql AS $$
DECLARE
    v record;
BEGIN
    FOR v IN SELECT * FROM views ORDER BY 1 LOOP
        EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL TABLE %1$I)) d',
                       v.view, replace(v.query, 'events e', 'events_archive e')) INTO n;
        view := v.view;
        CONTINUE WHEN n = 0;
        RETURN NEXT;
    END LOOP;
END $$;
CREATE FUNCTION hybrid(name text, query text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM streambatch.create_view(name, query);
    INSERT INTO views VALUES (name, query);
END $$;

SELECT hybrid('inner_using', 'SELECT c, d.name, count(*), sum(x * weight) FROM events e JOIN country d USING (c) GROUP BY 1, 2');
SELECT hybrid('comma', 'SELECT d.name, count(*) AS n FROM country d, events e WHERE d.c = e.c AND e.x > 1 GROUP BY 1');
SELECT hybrid('left_on', $$SELECT d.name, streambatch.tumble(ts, '1 min') AS w, count(*), count(d.c) AS known, sum(x)
    FROM events e LEFT JOIN country d ON d.c = e.c AND d.weight > 0 GROUP BY 1, 2$$);
SELECT hybrid('cross_join', 'SELECT d.c, count(*), sum(x) FROM events e CROSS JOIN country d GROUP BY 1');
SELECT hybrid('several', 'SELECT e.u, count(*), sum(m.n) FROM events e JOIN many m ON m.c = e.c GROUP BY 1');
SELECT hybrid('two_tables', 'SELECT d.name, m.n, count(*) FROM events e LEFT JOIN country d ON d.c = e.c LEFT JOIN many m ON m.c = d.c GROUP BY 1, 2');
SELECT hybrid('in_table', 'SELECT u, count(*) FROM events e WHERE c IN (SELECT c FROM country) GROUP BY 1');
SELECT hybrid('not_in_list', 'SELECT u, count(*) FROM events e WHERE c NOT IN (SELECT c FROM country WHERE weight > 0) GROUP BY 1');
SELECT hybrid('exists_since', 'SELECT u, count(*) FROM events e WHERE EXISTS (SELECT FROM blocked b WHERE b.u = e.u AND b.since < e.ts) GROUP BY 1');
SELECT hybrid('not_exists', $$SELECT streambatch.hop(ts, '20 s', '1 min') AS w, count(*) FROM events e
    WHERE NOT EXISTS (SELECT FROM blocked b WHERE b.u = e.u) GROUP BY 1$$);
SELECT hybrid('exists_join', $$SELECT count(*), max(x) FROM events e JOIN country d USING (c) WHERE EXISTS (SELECT FROM many m WHERE m.c = d.c AND m.n > e.x)$$);
SELECT hybrid('of_array', 'SELECT tag, count(*), sum(x) FROM events e, unnest(tags) AS tag GROUP BY 1');
SELECT hybrid('left_array', 'SELECT tag, n, count(*) FROM events e LEFT JOIN LATERAL unnest(tags) WITH ORDINALITY AS t (tag, n) ON true GROUP BY 1, 2');
SELECT hybrid('of_values', $$SELECT v.kind, count(*) FROM events e JOIN (VALUES ('a', 'first'), ('b', 'second')) v (c, kind) USING (c) GROUP BY 1$$);
SELECT hybrid('derived', 'SELECT d.heavy, count(*) FROM events e JOIN (SELECT c, weight > 1 AS heavy FROM country) d USING (c) GROUP BY 1');
SELECT hybrid('matview', 'SELECT k.weight, count(*) FROM events e JOIN kept k USING (c) GROUP BY 1');
SELECT hybrid('long_key', 'SELECT md5(d.long) AS h, max(d.long) AS l, count(*) FROM events e JOIN country d USING (c) GROUP BY 1');
SELECT hybrid('self_lateral', 'SELECT l.y, count(*) FROM events e, LATERAL (SELECT e.x % 2 AS y) l GROUP BY 1');

SELECT setseed(0.75);
CREATE TABLE batches AS
SELECT b, floor(random() * 2)::int AS p, json_build_object('u', nullif(floor(random() * 4), 3), 'x', floor(random() * 10), 'c', (ARRAY['a', 'b', 'c', NULL])[1 + floor(random() * 4)::int],
           'tags', (ARRAY['{p}', '{p,q}', '{}', NULL])[1 + floor(random() * 4)::int]::text[],
           'ts', timestamptz '2025-03-01 12:00+00' + floor(random() * 600) * interval '1 s')::text AS payload
  FROM generate_series(1, 3) b, generate_series(1, 200) i;
\copy (SELECT p, NULL, payload, 0 FROM batches WHERE b = 1) TO PROGRAM 'test/broker/produce joins'
SELECT streambatch.wait_for('events');
SELECT * FROM differences();
SELECT received, folded, dead, filtered FROM streambatch.stat_stream WHERE stream = 'joins.events'::regclass;
SELECT format('CALL streambatch.refresh(%L)', view) FROM views
\gexec
SELECT * FROM differences();
\copy (SELECT p, NULL, payload, 0 FROM batches WHERE b = 2) TO PROGRAM 'test/broker/produce joins'
SELECT streambatch.wait_for('events');
SELECT * FROM differences();
SELECT view, state, error_message FROM streambatch.stat_view WHERE stream = 'joins.events'::regclass AND state <> 'active';
-- a late view computes its past with the tables as they are
SELECT hybrid('late', 'SELECT d.name, count(*) FROM events e LEFT JOIN country d USING (c) GROUP BY 1');
SELECT * FROM differences();

-- ---- a table that changes: events that come see it as it is then, those that were there at the next refresh ----
DELETE FROM views WHERE view <> 'inner_using';
UPDATE country SET name = 'Omega' WHERE c = 'a';
SELECT * FROM differences() WHERE n = 0;
SELECT count(*) FROM inner_using WHERE name = 'Alpha';
CALL streambatch.refresh('inner_using');
SELECT * FROM differences();
SELECT count(*) FROM inner_using WHERE name = 'Alpha';

-- ---- events on which the query fails, one by one and behind joins ----
SELECT streambatch.create_view('fails', 'SELECT d.c, sum(e.x / (e.x - 7)) AS s FROM events e JOIN country d ON d.c = e.c GROUP BY 1', history => false);
SELECT streambatch.create_view('overflows', 'SELECT d.c, sum(e.x::int8 * 922337203685477580) AS s, max((e.x * 400000000)::int8) AS m FROM events e JOIN country d ON d.c = e.c GROUP BY 1', history => false);
\copy (SELECT p, NULL, payload, 0 FROM batches WHERE b = 3) TO PROGRAM 'test/broker/produce joins'
SELECT streambatch.wait_for('events');
-- the one with 7s, the other where x * 400000000 exceeds an int
CREATE TABLE third AS SELECT (payload::json ->> 'x')::int AS x, payload::json ->> 'c' AS c FROM batches WHERE b = 3;
SELECT view, count(*), min(message) FROM streambatch.dead_letter WHERE stream = 'joins.events'::regclass GROUP BY 1 ORDER BY 1;
SELECT count(*) FILTER (WHERE x = 7) AS sevens, count(*) FILTER (WHERE x * 400000000::int8 > 2147483647) AS large FROM third JOIN country USING (c);
SELECT * FROM fails EXCEPT ALL SELECT c, sum(x / (x - 7)) FROM third JOIN country USING (c) WHERE x <> 7 GROUP BY 1;
SELECT count(*) FROM fails;
SELECT view, state FROM streambatch.stat_view WHERE view IN ('fails'::regclass, 'overflows'::regclass) ORDER BY view::text;

-- ---- who may, and what happens to the table ----
CREATE ROLE regress_streambatch_joiner;
GRANT USAGE, CREATE ON SCHEMA joins TO regress_streambatch_joiner;
GRANT SELECT ON events, events_archive, many TO regress_streambatch_joiner;
SET ROLE regress_streambatch_joiner;
SELECT streambatch.create_view('theirs', 'SELECT d.c, count(*) FROM events e JOIN country d USING (c) GROUP BY 1');
SELECT streambatch.create_view('theirs', 'SELECT m.c, count(*) FROM events e JOIN many m USING (c) GROUP BY 1');
RESET ROLE;
SELECT * FROM theirs EXCEPT ALL SELECT m.c, count(*) FROM events_archive e JOIN many m USING (c) GROUP BY 1;
DROP TABLE many;
ALTER TABLE country RENAME COLUMN name TO label;
ALTER TABLE country RENAME TO land;
\copy (SELECT p, NULL, payload, 0 FROM batches WHERE b = 1) TO PROGRAM 'test/broker/produce joins'
SELECT streambatch.wait_for('events');
SELECT sum(count) = (SELECT count(*) FROM events_archive JOIN land USING (c)) FROM inner_using;
-- the one view loses what it may see, the others go on
REVOKE SELECT ON many FROM regress_streambatch_joiner;
\copy (SELECT p, NULL, payload, 0 FROM batches WHERE b = 1) TO PROGRAM 'test/broker/produce joins'
SELECT streambatch.wait_for('events');
SELECT view, state, error_message FROM streambatch.stat_view WHERE stream = 'joins.events'::regclass AND state <> 'active';
SELECT sum(count) = (SELECT count(*) FROM events_archive JOIN land USING (c)) FROM inner_using;

SET client_min_messages = error;
DROP SCHEMA joins CASCADE;
DROP SERVER join_kafka CASCADE;
DROP OWNED BY regress_streambatch_joiner;
DROP ROLE regress_streambatch_joiner;

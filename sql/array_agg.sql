-- array_agg and string_agg: taken where the server can combine their states, which it can since PostgreSQL 16, and refused elsewhere.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA array_agg;
SET search_path = array_agg;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create array_agg 2
CREATE SERVER array_agg_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k int, n numeric, word text, bytes bytea, pair int[], ts timestamptz) SERVER array_agg_kafka
    OPTIONS (topic 'array_agg', event_time 'ts');
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    EXECUTE statement;
    RETURN 'taken';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
    RETURN sqlstate || ' ' || sqlerrm || ' ' || said;
END $$;
-- what a view collects, with its own order put aside
CREATE TABLE collected (view text, aggregate regprocedure, value text, sorted text);
INSERT INTO collected VALUES
    ('numbers', 'array_agg(anynonarray)', 'array_agg(n)', 'SELECT array_agg(e ORDER BY e) FROM unnest(%s) e'),
    ('words', 'array_agg(anynonarray)', 'array_agg(word) FILTER (WHERE n > 5)', 'SELECT array_agg(e ORDER BY e) FROM unnest(%s) e'),
    ('joined', 'string_agg(text,text)', 'string_agg(word, '', '')', 'SELECT array_agg(e ORDER BY e) FROM string_to_table(%s, '', '') e'),
    ('binary', 'string_agg(bytea,bytea)', 'string_agg(bytes, ''\x00'')', 'SELECT array_agg(e ORDER BY e) FROM string_to_table(encode(%s, ''escape''), ''\000'') e'),
    ('pairs', 'array_agg(anyarray)', 'array_agg(pair)', 'SELECT array_agg(e ORDER BY e) FROM jsonb_array_elements(to_jsonb(%s)) e');
CREATE VIEW attempts AS
SELECT c.*, format('SELECT k, streambatch.tumble(ts, ''1 h'') AS w, %s AS v FROM events GROUP BY 1, 2', value) AS query,
       (SELECT aggcombinefn <> 0 AND aggserialfn <> 0 FROM pg_aggregate WHERE aggfnoid = aggregate) AS combinable
  FROM collected c;
SELECT view, said FROM (SELECT view, aggregate, combinable, try(format('SELECT streambatch.create_view(%L, %L)', view, query)) AS said FROM attempts) a
 WHERE said <> CASE WHEN combinable THEN 'taken' ELSE
              format('0A000 aggregate %s cannot be used in a hybrid view PostgreSQL supports combining its partial results only in version 16 and later.', aggregate) END;
-- one answer for each server, by its version
SELECT count(*) AS aggregates, bool_and(combinable = (current_setting('server_version_num')::int >= 160000)) AS by_version,
       bool_and(combinable = (to_regclass(view) IS NOT NULL)) AS made FROM attempts;

-- ---- both layers, several flushes and groups: the same values as in the archive ----
SELECT streambatch.create_view('counted', 'SELECT count(*) FROM events');
CREATE FUNCTION differing() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    a record;
    n bigint;
BEGIN
    FOR a IN SELECT * FROM attempts WHERE combinable LOOP
        EXECUTE format('SELECT count(*) FROM (SELECT k, w, (%s) FROM %I) v FULL JOIN (SELECT k, w, (%s) FROM (%s) q) p ON v = p WHERE v IS NULL OR p IS NULL',
                       format(a.sorted, 'v'), a.view, format(a.sorted, 'v'), replace(a.query, 'FROM events', 'FROM events_archive')) INTO n;
        IF n > 0 THEN
            RETURN NEXT a.view || ': ' || n;
        END IF;
    END LOOP;
END $$;
CREATE VIEW source AS
SELECT i % 3 AS k, i / 4.0 AS n, CASE WHEN i % 5 > 0 THEN 'w' || i % 17 END AS word, decode(lpad(to_hex(i % 200 + 1), 2, '0'), 'hex') AS bytes,
       ARRAY[i, i % 7] AS pair, '2025-02-14 12:00+00'::timestamptz + i * interval '40 s' AS ts FROM generate_series(0, 299) i;
INSERT INTO events SELECT * FROM source WHERE n < 25;
SELECT streambatch.wait_for('events');
SELECT * FROM differing();
INSERT INTO events SELECT * FROM source WHERE n >= 25;
SELECT streambatch.wait_for('events');
SELECT * FROM differing();
-- half of the windows from the batch layer, then with late events beside them, then all
\set ECHO none
SELECT format('CALL streambatch.refresh(%L, "to" => %L)', view, '2025-02-14 14:00+00') FROM attempts WHERE combinable \gexec
\set ECHO all
SELECT * FROM differing();
INSERT INTO events SELECT * FROM source;
SELECT streambatch.wait_for('events');
SELECT * FROM differing();
\set ECHO none
SELECT format('CALL streambatch.refresh(%L, "to" => ''infinity'')', view) FROM attempts WHERE combinable \gexec
\set ECHO all
SELECT * FROM differing();
SELECT count AS events FROM counted;
DROP SCHEMA array_agg CASCADE;

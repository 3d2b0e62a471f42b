-- reading an archive: many ranges of time by a block range index; up to a cut
\set VERBOSITY default
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA blocks;
SET search_path = blocks, pg_catalog;
SET timezone = 'UTC';

-- ---- the rows are those of the plain condition, whatever the index knows ----
CREATE TABLE event (n int, ts timestamptz, local timestamp, d date, filler text) WITH (autovacuum_enabled = off);
CREATE INDEX by_ts ON event USING brin (ts) WITH (pages_per_range = 2);
CREATE INDEX by_local ON event USING brin (local) WITH (pages_per_range = 1);
CREATE INDEX by_d ON event USING brin (d, n) WITH (pages_per_range = 4);
CREATE PROCEDURE fill(first int, last int) LANGUAGE sql AS $$
    INSERT INTO event SELECT i, t, t AT TIME ZONE 'UTC', (t AT TIME ZONE 'UTC')::date, repeat('x', 300)
      FROM generate_series(first, last) i, LATERAL (SELECT '2025-01-01Z'::timestamptz + i * interval '1 min') e (t) $$;
-- with the ranges as constants, so that the planner knows them
CREATE FUNCTION found(col text, OUT rows bigint, OUT missed bigint, OUT more bigint) LANGUAGE plpgsql AS $$
DECLARE
    froms text; tos text;
BEGIN
    SELECT array_agg(f ORDER BY f), array_agg(f + interval '7 min' ORDER BY f) INTO froms, tos FROM generate_series('2025-01-01 05:00Z'::timestamptz, '2025-01-03Z', '10 h') f;
    EXECUTE format('CREATE TEMP TABLE got AS SELECT n, %1$I AS at FROM blocks.event WHERE streambatch._in_ranges(%1$I, %2$L, %3$L)', col, froms, tos);
    EXECUTE format('CREATE TEMP TABLE wanted AS SELECT n, e.%1$I AS at FROM blocks.event e, unnest(%2$L::timestamptz[], %3$L::timestamptz[]) r (a, b)
        WHERE e.%1$I >= r.a AT TIME ZONE ''UTC'' AND e.%1$I < r.b AT TIME ZONE ''UTC''', col, froms, tos);
    SELECT count(*) INTO rows FROM got;
    SELECT count(*) INTO missed FROM (TABLE wanted EXCEPT ALL TABLE got) m;
    SELECT count(*) INTO more FROM (TABLE got EXCEPT ALL TABLE wanted) m;
    DROP TABLE got, wanted;
END $$;
-- whether a query reads the table by the index, in parallel, and less than half of its blocks
CREATE FUNCTION plan(query text, OUT by_blocks boolean, OUT parallel boolean, OUT part boolean) LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
    by_blocks := plan::text LIKE '%StreamBatchBlocks%';
    parallel := plan::text LIKE '%"Gather"%';
    part := 2 * (regexp_match(plan::text, '"Blocks": (\d+)'))[1]::int8 < pg_relation_size('blocks.event') / 8192;
END $$;
CREATE VIEW found AS SELECT col, f.* FROM unnest('{ts,local,d}'::text[]) col, found(col) f;
-- nothing is there; then nothing is summarized; then some is
TABLE found;
CALL fill(1, 3000);
TABLE found;
SELECT bool_and(brin_summarize_new_values(i::regclass) > 0) FROM unnest('{by_ts,by_local,by_d}'::text[]) i;
TABLE found;
CALL fill(3001, 6000);
INSERT INTO event SELECT i FROM generate_series(1, 3000) i;
TABLE found;
VACUUM ANALYZE event;
TABLE found;
\set ranges '''{2025-01-02,2025-01-03}'', ''{2025-01-02 01:00,2025-01-03 01:00}'''
SET max_parallel_workers_per_gather = 0;
SELECT col, p.* FROM unnest('{ts,local,d}'::text[]) col, plan(format('SELECT FROM blocks.event WHERE streambatch._in_ranges(%I, %s)', col, :'ranges')) p;
-- many ranges side by side, for which a sequential scan would cost no less
SELECT array_agg(f ORDER BY f) AS froms, array_agg(f + interval '1 min' ORDER BY f) AS tos FROM generate_series('2025-01-02Z'::timestamptz, '2025-01-02 02:00Z', '2 min') f \gset
SELECT p.* FROM plan(format('SELECT FROM blocks.event WHERE streambatch._in_ranges(ts, %L, %L)', :'froms', :'tos')) p;
-- later rows in old pages, and times from long ago
DELETE FROM event WHERE n % 3 = 0;
VACUUM event;
INSERT INTO event SELECT n, ts, ts AT TIME ZONE 'UTC', (ts AT TIME ZONE 'UTC')::date FROM (SELECT i, '2025-01-01 15:03Z'::timestamptz FROM generate_series(1, 200) i UNION ALL SELECT 0, '-infinity' UNION ALL SELECT 0, 'infinity') e (n, ts);
TABLE found;
-- an index that is made to forget what it knew
SELECT count(brin_desummarize_range('by_ts', b)) FROM generate_series(0, 40, 2) b;
TABLE found;
-- in parallel, and when it is scanned more than once
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT * FROM plan(format('SELECT count(*), sum(n) FROM blocks.event WHERE streambatch._in_ranges(ts, %s)', :'ranges'));
SELECT count(*), sum(n) FROM event WHERE streambatch._in_ranges(ts, :ranges);
RESET max_parallel_workers_per_gather;
SELECT count(*), sum(n) FROM event WHERE ts >= '2025-01-02' AND ts < '2025-01-02 01:00' OR ts >= '2025-01-03' AND ts < '2025-01-03 01:00';
SELECT x, c FROM generate_series(1, 3) x, LATERAL (SELECT count(*) AS c FROM event WHERE streambatch._in_ranges(ts, :ranges) AND n % x = 0 OFFSET 0) e;
-- backwards by a cursor, with FOR UPDATE, as the target of an UPDATE, and as a part of a partitioned table
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT n FROM event WHERE streambatch._in_ranges(ts, :ranges) ORDER BY n;
FETCH 2 c;
FETCH BACKWARD 1 c;
SELECT count(*) FROM (SELECT FROM event WHERE streambatch._in_ranges(ts, :ranges) FOR UPDATE) e;
UPDATE event SET n = -n WHERE streambatch._in_ranges(ts, :ranges);
SELECT count(*) FROM event WHERE n < 0;
ROLLBACK;
CREATE TABLE parted (filler text, ts timestamptz) PARTITION BY RANGE (ts);
CREATE TABLE january (ts timestamptz, filler text);
INSERT INTO january SELECT ts, repeat('x', 500) FROM event WHERE ts BETWEEN '2025-01-01' AND '2025-01-31';
ALTER TABLE parted ATTACH PARTITION january FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE february PARTITION OF parted FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
CREATE INDEX ON parted USING brin (ts) WITH (pages_per_range = 1);
VACUUM ANALYZE parted;
SELECT by_blocks FROM plan(format('SELECT ts FROM blocks.parted WHERE streambatch._in_ranges(ts, %s)', :'ranges'));
SELECT count(*) FROM parted WHERE streambatch._in_ranges(ts, :ranges);

-- in a parallel worker alone, and of tables that inherit from another one
ALTER TABLE january SET (parallel_workers = 0);
SET parallel_leader_participation = off;
SELECT count(*) FROM parted WHERE streambatch._in_ranges(ts, :ranges);
RESET parallel_leader_participation;
CREATE TABLE parent (ts timestamptz, filler text);
CREATE INDEX ON parent USING brin (ts);
ALTER TABLE parted DETACH PARTITION january;
ALTER TABLE january INHERIT parent;
SELECT count(*) FROM parent WHERE streambatch._in_ranges(ts, :ranges);
SELECT count(*) FROM ONLY parent WHERE streambatch._in_ranges(ts, :ranges);
-- another function of the same name
CREATE FUNCTION streambatch._in_ranges(timestamptz, bigint, bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END';
CREATE FUNCTION streambatch._in_ranges(timestamptz, timestamptz[], timestamptz[]) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END';
SELECT (SELECT count(*) FROM event) = count(*) AS all FROM event WHERE streambatch._in_ranges(ts, 1, 2);
SELECT (SELECT count(*) FROM event) = count(*) AS all FROM event WHERE streambatch._in_ranges(ts, '{2025-01-02}'::timestamptz[], '{2025-01-03}'::timestamptz[]);
DROP FUNCTION streambatch._in_ranges(timestamptz, bigint, bigint), streambatch._in_ranges(timestamptz, timestamptz[], timestamptz[]);

-- ---- a condition like any other, where no index helps ----
CREATE INDEX by_number ON event USING brin (n);
DROP INDEX by_ts;
CREATE INDEX by_tree ON event (ts);
CREATE INDEX by_bloom ON event USING brin (ts timestamptz_bloom_ops);
CREATE INDEX by_part ON event USING brin (ts) WHERE n > 0;
SELECT by_blocks FROM plan(format('SELECT count(*) FROM blocks.event WHERE streambatch._in_ranges(ts, %s)', :'ranges'));
SELECT count(*) FROM event WHERE streambatch._in_ranges(ts, :ranges);
SELECT t, streambatch._in_ranges(t, froms, tos) FROM unnest(ARRAY['2025-01-01Z', '2025-01-01 00:59Z', '2025-01-01 01:00Z', '-infinity', 'infinity', NULL]::timestamptz[]) t,
    (VALUES ('{2025-01-01}'::timestamptz[], '{2025-01-01 01:00}'::timestamptz[])) r (froms, tos);
SELECT streambatch._in_ranges('2025-01-01'::timestamptz, '{}', '{}'), streambatch._in_ranges('2025-01-01'::timestamptz, NULL, '{}'), streambatch._in_ranges('infinity'::date, '{2025-01-01}', '{infinity}'), streambatch._in_ranges('5874897-12-31'::date, '{2025-01-01}', '{infinity}');
SELECT streambatch._in_ranges(1, '{}', '{}');
SELECT streambatch._in_ranges('2025-01-01'::date, '{2025-01-01}', '{}');
SELECT streambatch._in_ranges('2025-01-01'::date, '{2025-01-02}', '{2025-01-01}');
SELECT streambatch._in_ranges('2025-01-01'::date, '{2025-01-01,2025-01-01}', '{2025-01-02,2025-01-03}');
SELECT streambatch._in_ranges('2025-01-01'::date, '{NULL}', '{2025-01-02}');
SELECT streambatch._in_ranges('2025-01-01'::date, '{{2025-01-01}}', '{{2025-01-02}}');

-- ---- offsets below a cut ----
SELECT p, o, streambatch._below_cut(cut, p, o), o < cut[p + 1] AS same
  FROM (VALUES ('{10,20}'::bigint[]), ('{NULL,20,NULL,5}'::bigint[]), ('{}'::bigint[])) c (cut), (VALUES (0, 9::bigint), (0, 10), (1, 19), (1, 20), (2, 0), (3, 4), (4, 0), (-1, 0), (NULL, 0), (0, NULL)) e (p, o)
 WHERE streambatch._below_cut(cut, p, o) IS DISTINCT FROM (o < cut[p + 1]);
SELECT streambatch._below_cut('{10,20}', 1, 19), streambatch._below_cut('{10,20}', 1, 20), streambatch._below_cut('{{10}}', 0, 1), streambatch._below_cut(NULL, 0, 1);
SELECT count(*) AS different FROM generate_series(0, 19) p, generate_series(0, 20) o,
    (SELECT array_agg(CASE WHEN i % 3 > 0 THEN i END ORDER BY i) AS cut FROM generate_series(0::bigint, 19) i) c
 WHERE streambatch._below_cut(cut, p, o) IS DISTINCT FROM (o < cut[p + 1]);
DROP SCHEMA blocks CASCADE;

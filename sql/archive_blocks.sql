-- reading an archive: by the blocks of a block range index, up to a cut
\set VERBOSITY default
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA blocks;
SET search_path = blocks, pg_catalog;
SET timezone = 'UTC';

-- ---- every row whose time is in a range is in the blocks; what is in other blocks only is left out ----
CREATE TABLE event (n int, ts timestamptz, local timestamp, d date, filler text) WITH (autovacuum_enabled = off);
CREATE INDEX by_ts ON event USING brin (ts) WITH (pages_per_range = 2);
CREATE INDEX by_local ON event USING brin (local) WITH (pages_per_range = 1);
CREATE INDEX by_d ON event USING brin (d, n) WITH (pages_per_range = 4);
CREATE PROCEDURE fill(first int, last int) LANGUAGE sql AS $$
    INSERT INTO event SELECT i, t, t AT TIME ZONE 'UTC', (t AT TIME ZONE 'UTC')::date, repeat('x', 300)
      FROM generate_series(first, last) i, LATERAL (SELECT '2025-01-01Z'::timestamptz + i * interval '1 min') e (t) $$;
CREATE FUNCTION missed(index regclass, col text, froms timestamptz[], tos timestamptz[], OUT missed bigint, OUT read int) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT count(*) FROM blocks.event e, unnest($1, $2) r (a, b) WHERE e.%I >= r.a AT TIME ZONE ''UTC'' AND e.%1$I < r.b AT TIME ZONE ''UTC''
        AND NOT EXISTS (SELECT FROM streambatch._blocks($3, $1, $2) l WHERE e.ctid >= l.first AND e.ctid < l.beyond AND r.a >= l.from_time AND r.b <= l.to_time)', col)
        USING froms, tos, index INTO missed;
    SELECT 100 * sum((beyond::text::point)[0] - (first::text::point)[0]) / (pg_relation_size('blocks.event') / 8192) INTO read FROM streambatch._blocks(index, froms, tos);
END $$;
SELECT array_agg(f ORDER BY f) AS froms, array_agg(f + interval '7 min' ORDER BY f) AS tos
  FROM generate_series('2025-01-01 05:00Z'::timestamptz, '2025-01-03Z', '10 h') f \gset
CREATE VIEW found AS
    SELECT index, m.missed, m.read < 50 AS part
      FROM (VALUES ('by_ts', 'ts'), ('by_local', 'local'), ('by_d', 'd')) i (index, col), missed(('blocks.' || index)::regclass, col, :'froms', :'tos') m;
-- nothing is there; then nothing is summarized: all blocks; then some are
SELECT * FROM found;
CALL fill(1, 3000);
TABLE found;
SELECT bool_and(brin_summarize_new_values(i::regclass) > 0) FROM unnest('{by_ts,by_local,by_d}'::text[]) i;
TABLE found;
CALL fill(3001, 6000);
INSERT INTO event SELECT i FROM generate_series(1, 3000) i;
TABLE found;
VACUUM event;
TABLE found;
-- later rows in old pages, and times from long ago
DELETE FROM event WHERE n % 3 = 0;
VACUUM event;
INSERT INTO event SELECT n, ts, ts AT TIME ZONE 'UTC', (ts AT TIME ZONE 'UTC')::date FROM (SELECT i, '2025-01-01 15:03Z'::timestamptz FROM generate_series(1, 200) i UNION ALL SELECT 0, '-infinity' UNION ALL SELECT 0, 'infinity') e (n, ts);
TABLE found;
-- an index that is being emptied of what it knew
SELECT count(brin_desummarize_range('by_ts', b)) FROM generate_series(0, 40, 2) b;
TABLE found;
-- ranges of which one block contains several are one; no range, no block
SELECT count(*), min(from_time), max(to_time) FROM streambatch._blocks('by_ts'::regclass, ARRAY['2025-01-02Z', '2025-01-02 00:01Z']::timestamptz[], ARRAY['2025-01-02 00:01Z', '2025-01-02 00:02Z']::timestamptz[]);
SELECT * FROM streambatch._blocks('by_ts'::regclass, '{}', '{}');
SELECT * FROM streambatch._blocks(NULL, '{}', '{}');

-- ---- what it is not for, and not for whom ----
CREATE INDEX by_tree ON event (ts);
CREATE INDEX by_number ON event USING brin (n);
CREATE INDEX by_bloom ON event USING brin (ts timestamptz_bloom_ops);
SELECT * FROM streambatch._blocks(0, '{}', '{}');
SELECT * FROM streambatch._blocks('by_tree'::regclass, '{}', '{}');
SELECT * FROM streambatch._blocks('by_number'::regclass, '{}', '{}');
SELECT * FROM streambatch._blocks('by_bloom'::regclass, '{}', '{}');
SELECT * FROM streambatch._blocks('by_ts'::regclass, '{2025-01-01}', '{}');
SELECT * FROM streambatch._blocks('by_ts'::regclass, '{2025-01-02}', '{2025-01-01}');
SELECT * FROM streambatch._blocks('by_ts'::regclass, '{2025-01-01,2025-01-01}', '{2025-01-02,2025-01-03}');
SELECT * FROM streambatch._blocks('by_ts'::regclass, '{NULL}', '{2025-01-02}');
SELECT * FROM streambatch._blocks('by_ts'::regclass, '{{2025-01-01}}', '{{2025-01-02}}');
CREATE ROLE blocks_reader;
GRANT USAGE ON SCHEMA blocks TO blocks_reader;
SET ROLE blocks_reader;
SELECT count(*) FROM streambatch._blocks('by_ts'::regclass, '{2025-01-01}', '{2025-01-02}');
RESET ROLE;
GRANT SELECT ON event TO blocks_reader;
SET ROLE blocks_reader;
SELECT count(*) > 0 FROM streambatch._blocks('by_ts'::regclass, '{2025-01-01}', '{2025-01-02}');
RESET ROLE;
ALTER TABLE event ENABLE ROW LEVEL SECURITY;
SET ROLE blocks_reader;
SELECT count(*) FROM streambatch._blocks('by_ts'::regclass, '{2025-01-01}', '{2025-01-02}');
RESET ROLE;

-- ---- offsets below a cut ----
SELECT p, o, streambatch._below_cut(cut, p, o), o < cut[p + 1] AS same
  FROM (VALUES ('{10,20}'::bigint[]), ('{NULL,20,NULL,5}'::bigint[]), ('{}'::bigint[])) c (cut), (VALUES (0, 9::bigint), (0, 10), (1, 19), (1, 20), (2, 0), (3, 4), (4, 0), (-1, 0), (NULL, 0), (0, NULL)) e (p, o)
 WHERE streambatch._below_cut(cut, p, o) IS DISTINCT FROM (o < cut[p + 1]);
SELECT streambatch._below_cut('{10,20}', 1, 19), streambatch._below_cut('{10,20}', 1, 20), streambatch._below_cut('{{10}}', 0, 1), streambatch._below_cut(NULL, 0, 1);
SELECT count(*) AS different FROM generate_series(0, 19) p, generate_series(0, 20) o,
    (SELECT array_agg(CASE WHEN i % 3 > 0 THEN i END ORDER BY i) AS cut FROM generate_series(0::bigint, 19) i) c
 WHERE streambatch._below_cut(cut, p, o) IS DISTINCT FROM (o < cut[p + 1]);
DROP SCHEMA blocks CASCADE;
DROP ROLE blocks_reader;

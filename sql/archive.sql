-- Archives: made or found, what fits, what they refuse, and what becomes of them when the stream goes.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA archive;
CREATE SCHEMA archive_elsewhere;
SET search_path = archive;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create archive 2
CREATE SERVER archive_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FUNCTION columns(t regclass) RETURNS text LANGUAGE sql AS $$
SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END ||
                  CASE WHEN attcollation NOT IN (0, 100) THEN ' collate ' || attcollation::regcollation ELSE '' END, ', ' ORDER BY attnum)
  FROM pg_attribute WHERE attrelid = t AND attnum > 0 AND NOT attisdropped $$;

-- ---- made: the stream's columns, and the position ----
CREATE FOREIGN TABLE plain (k text COLLATE "C", n numeric(10, 2), v varchar(5), tags text[], ts timestamptz NOT NULL) SERVER archive_kafka
    OPTIONS (topic 'archive', event_time 'ts');
CREATE FOREIGN TABLE with_metadata (k text, p int OPTIONS (metadata 'partition'), "Offset" bigint OPTIONS (metadata 'offset'), key text OPTIONS (metadata 'key'),
    at timestamptz OPTIONS (metadata 'timestamp'), headers jsonb OPTIONS (metadata 'headers'), topic text OPTIONS (metadata 'topic'))
    SERVER archive_kafka OPTIONS (topic 'archive');
CREATE FOREIGN TABLE qualified (k text) SERVER archive_kafka OPTIONS (topic 'archive', archive 'archive_elsewhere.kept');
CREATE FOREIGN TABLE quoted (k text) SERVER archive_kafka OPTIONS (topic 'archive', archive '"Odd name"');
CREATE FOREIGN TABLE a_name_of_a_stream_that_is_as_long_as_the_name_of_a_table_can_b (k text) SERVER archive_kafka OPTIONS (topic 'archive');
INSERT INTO with_metadata (k, p, key) VALUES ('a', 0, 'x'), ('b', 1, NULL), ('c', 1, 'y');
SELECT count(streambatch.resume(s)) FROM unnest(ARRAY['plain', 'with_metadata', 'qualified', 'quoted',
    'a_name_of_a_stream_that_is_as_long_as_the_name_of_a_table_can_b']::regclass[]) s;
SELECT streambatch.wait_for(s) FROM unnest(ARRAY['plain', 'with_metadata', 'qualified', 'quoted',
    'a_name_of_a_stream_that_is_as_long_as_the_name_of_a_table_can_b']::regclass[]) s;
SELECT stream, archive, columns(archive) FROM streambatch.stat_stream WHERE archive IS NOT NULL AND stream::text !~ '\.' ORDER BY stream::text COLLATE "C";
SELECT indexdef FROM pg_indexes WHERE schemaname = 'archive' ORDER BY 1;
SELECT * FROM archive_elsewhere.kept ORDER BY kafka_partition, kafka_offset;
SELECT k, p, "Offset", key, at IS NOT NULL AS at, headers, topic FROM with_metadata_archive ORDER BY p, "Offset";
-- ts is missing: those messages are no events
SELECT count(*) FROM plain_archive;
SELECT kafka_partition, kafka_offset, view, sqlstate, message FROM streambatch.dead_letter WHERE stream = 'plain'::regclass ORDER BY 1, 2;
-- dropping the stream leaves the archive; a stream of the same name resumes after its last offsets
DROP FOREIGN TABLE quoted;
DROP FOREIGN TABLE a_name_of_a_stream_that_is_as_long_as_the_name_of_a_table_can_b, qualified;
CREATE FOREIGN TABLE again (k text) SERVER archive_kafka OPTIONS (topic 'archive', archive 'archive_elsewhere.kept');
SELECT streambatch.create_view('again_count', 'SELECT k, count(*) FROM again GROUP BY k');
INSERT INTO with_metadata (k, p) VALUES ('a', 0), ('d', 1);
SELECT streambatch.wait_for('again');
SELECT * FROM again_count ORDER BY k;
SELECT * FROM archive_elsewhere.kept ORDER BY kafka_partition, kafka_offset;
SELECT received, folded FROM streambatch.stat_stream WHERE stream = 'again'::regclass;
DROP VIEW again_count;
DROP FOREIGN TABLE again;

-- ---- found: what fits ----
CREATE TABLE found (id bigserial, n int, kafka_offset bigint, at timestamptz DEFAULT '2025-01-01', k text, twice int GENERATED ALWAYS AS (n * 2) STORED,
                    kafka_partition int, PRIMARY KEY (kafka_partition, kafka_offset));
CREATE FOREIGN TABLE finds (k text, n int) SERVER archive_kafka OPTIONS (topic 'found', archive 'found');
\! test/broker/broker-command create found 1
INSERT INTO finds VALUES ('a', 1), ('b', 2);
SELECT streambatch.create_view('finds_count', 'SELECT k, sum(n) AS s FROM finds GROUP BY k');
SELECT streambatch.wait_for('finds');
SELECT * FROM found ORDER BY id;
SELECT * FROM finds_count ORDER BY k;
CALL streambatch.refresh('finds_count');
SELECT * FROM finds_count ORDER BY k;
DROP VIEW finds_count;
DROP FOREIGN TABLE finds;
-- what does not
CREATE VIEW a_view AS SELECT 'a'::text AS k;
CREATE TABLE no_offset (k text, kafka_partition int);
CREATE TABLE no_column (kafka_partition int, kafka_offset bigint);
CREATE TABLE other_type (k int, kafka_partition int, kafka_offset bigint);
CREATE TABLE other_offset (k text, kafka_partition int, kafka_offset int);
CREATE SEQUENCE a_sequence;
CREATE FUNCTION try(archive text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    d text; h text;
BEGIN
    EXECUTE format('CREATE FOREIGN TABLE tried (k text) SERVER archive_kafka OPTIONS (topic ''archive'', archive %L)', archive);
    PERFORM streambatch.create_view('tried_count', 'SELECT count(*) FROM tried');
    RAISE SQLSTATE 'ZZZZZ';
EXCEPTION WHEN SQLSTATE 'ZZZZZ' THEN
    RETURN 'accepted';
WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN E'\n  DETAIL: ' || d ELSE '' END || CASE WHEN h <> '' THEN E'\n  HINT: ' || h ELSE '' END;
END $$;
\pset format unaligned
\pset tuples_only on
SELECT a || E'\n  ' || try(a) FROM unnest(ARRAY['a_view', 'no_offset', 'no_column', 'other_type', 'other_offset', 'a_sequence', 'nowhere.archive', 'with_metadata',
    'a.b.c', '', 'pg_temp.t', 'none', 'None', '"none"', 'with_metadata_archive']) a;
\pset tuples_only off
\pset format aligned
-- one archive, one stream; and no stream into a stream
CREATE FOREIGN TABLE sharing (k text, p int OPTIONS (metadata 'partition'), "Offset" bigint OPTIONS (metadata 'offset'), key text OPTIONS (metadata 'key'),
    at timestamptz OPTIONS (metadata 'timestamp'), headers jsonb OPTIONS (metadata 'headers'), topic text OPTIONS (metadata 'topic'))
    SERVER archive_kafka OPTIONS (topic 'found', archive 'with_metadata_archive');
SELECT streambatch.resume('sharing');
ALTER FOREIGN TABLE sharing OPTIONS (SET archive 'sharing');
SELECT streambatch.resume('sharing');

-- ---- its own rules hold: NOT NULL, CHECK, unique; row triggers fire; partitions, columns of its own ----
\! test/broker/broker-command create rules 1
CREATE TABLE rules_log (k text);
CREATE TABLE strict (k text NOT NULL, n int CHECK (n > 0), kafka_partition int, kafka_offset bigint, UNIQUE (k));
CREATE FOREIGN TABLE rules (k text, n int) SERVER archive_kafka OPTIONS (topic 'rules', archive 'strict');
SELECT streambatch.create_view('rules_count', 'SELECT count(*) AS c, sum(n) AS s FROM rules');
INSERT INTO rules VALUES ('a', 1), (NULL, 2), ('b', -1), ('a', 3), ('c', 4), ('d', NULL);
SELECT streambatch.wait_for('rules');
SELECT k, n, kafka_offset FROM strict ORDER BY kafka_offset;
SELECT * FROM rules_count;
SELECT view, kafka_offset, sqlstate, message, detail FROM streambatch.dead_letter WHERE stream = 'rules'::regclass ORDER BY kafka_offset;
SELECT received, folded, filtered, dead FROM streambatch.stat_stream WHERE stream = 'rules'::regclass;
-- a trigger that changes rows, one that refuses them, and one that leaves them out
CREATE FUNCTION rules_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO archive.rules_log VALUES (NEW.k);
    IF NEW.k = 'refused' THEN
        RAISE EXCEPTION 'not this one' USING ERRCODE = 'P0001';
    END IF;
    NEW.n := NEW.n + 100;
    RETURN NEW;
END $$;
CREATE TRIGGER t BEFORE INSERT ON strict FOR EACH ROW EXECUTE FUNCTION rules_trigger();
INSERT INTO rules VALUES ('e', 5), ('refused', 6), ('f', 7);
SELECT streambatch.wait_for('rules');
SELECT k, n, kafka_offset FROM strict WHERE kafka_offset > 5 ORDER BY kafka_offset;
SELECT * FROM rules_log ORDER BY k;
SELECT view, kafka_offset, sqlstate, message FROM streambatch.dead_letter WHERE stream = 'rules'::regclass AND kafka_offset > 5;
SELECT * FROM rules_count;
DROP FOREIGN TABLE rules CASCADE;
-- indexes of every kind, while rows are rejected: by a constraint before they are in any index, or by one of the indexes
\! test/broker/broker-command create indexed 1
CREATE TABLE indexed (k text, n int CHECK (n % 100 > 0), tags text[], kafka_partition int, kafka_offset bigint);
CREATE INDEX ON indexed USING brin (n) WITH (pages_per_range = 1);
CREATE INDEX ON indexed USING brin (k text_bloom_ops) WITH (pages_per_range = 1);
CREATE INDEX ON indexed USING hash (n);
CREATE INDEX ON indexed USING gin (tags);
CREATE INDEX ON indexed USING gist (point(n, n));
CREATE INDEX ON indexed USING spgist (k);
CREATE INDEX ON indexed (lower(k)) WHERE n > 10;
CREATE UNIQUE INDEX ON indexed (k);
CREATE FOREIGN TABLE of_indexed (k text, n int, tags text[]) SERVER archive_kafka OPTIONS (topic 'indexed', archive 'indexed');
SELECT streambatch.create_view('indexed_count', 'SELECT count(*) AS c, sum(n) AS s FROM of_indexed');
INSERT INTO of_indexed SELECT 'k' || i % 970, i, ARRAY['t' || i % 7] FROM generate_series(1, 1000) i;
SELECT streambatch.wait_for('of_indexed');
SELECT count(brin_summarize_new_values(indexrelid)) FROM pg_index WHERE indrelid = 'indexed'::regclass AND pg_get_indexdef(indexrelid) LIKE '%USING brin%';
INSERT INTO of_indexed SELECT 'l' || i % 970, i, ARRAY['t' || i % 7] FROM generate_series(1, 1000) i;
INSERT INTO of_indexed SELECT 'm' || i, i + 1, ARRAY['t' || i % 7] FROM generate_series(1, 97) i;
SELECT streambatch.wait_for('of_indexed');
SELECT c, s, (SELECT count(*) FROM indexed) AS rows, (SELECT sum(n) FROM indexed) AS sum FROM indexed_count;
SELECT sqlstate, count(*) FROM streambatch.dead_letter WHERE stream = 'of_indexed'::regclass GROUP BY 1 ORDER BY 1;
-- each condition by its index, and by the table alone
CREATE FUNCTION found(condition text, by_index boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    PERFORM set_config('enable_seqscan', CASE WHEN by_index THEN 'off' ELSE 'on' END, true),
            set_config('enable_bitmapscan', CASE WHEN by_index THEN 'on' ELSE 'off' END, true), set_config('enable_indexscan', 'off', true),
            set_config('enable_indexonlyscan', 'off', true);
    EXECUTE 'SELECT count(*) FROM archive.indexed WHERE ' || condition INTO n;
    RETURN n;
END $$;
SELECT condition, found(condition, true) AS by_index, found(condition, false) AS by_table
  FROM unnest(ARRAY['n BETWEEN 200 AND 400', 'n = 77', 'tags @> ''{t3}''', 'point(n, n) <@ box ''(100,100),(300,300)''', 'k ^@ ''l1''', 'k = ''m50''',
                    'lower(k) = ''k501'' AND n > 10']) condition;
DROP FOREIGN TABLE of_indexed CASCADE;
DROP TABLE indexed;
-- partitioned, with a partition missing
CREATE TABLE parts (k text, n int, kafka_partition int, kafka_offset bigint, note text DEFAULT 'own') PARTITION BY LIST (k);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
CREATE TABLE parts_b PARTITION OF parts (CHECK (n < 4)) FOR VALUES IN ('b');
CREATE FOREIGN TABLE parted (k text, n int) SERVER archive_kafka OPTIONS (topic 'parts', archive 'parts');
\! test/broker/broker-command create parts 1
SELECT streambatch.create_view('parted_count', 'SELECT k, count(*) AS c FROM parted GROUP BY k');
INSERT INTO parted VALUES ('a', 1), ('b', 2), ('c', 3), ('b', 4), ('a', 5);
SELECT streambatch.wait_for('parted');
SELECT tableoid::regclass, k, n, kafka_offset, note FROM parts ORDER BY kafka_offset;
SELECT * FROM parted_count ORDER BY k;
SELECT kafka_offset, sqlstate, message FROM streambatch.dead_letter WHERE stream = 'parted'::regclass ORDER BY kafka_offset;
CALL streambatch.refresh('parted_count');
SELECT k, c, recommended FROM parted_count_layers ORDER BY k;
-- a column that comes to the archive is its own; one that comes to the stream stops it until the archive has it too
ALTER TABLE parts ADD COLUMN more int;
INSERT INTO parted VALUES ('a', 6);
SELECT streambatch.wait_for('parted');
SELECT * FROM parts WHERE n = 6;
CREATE FUNCTION await_error(stream regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    m text;
BEGIN
    FOR i IN 1 .. 600 LOOP
        SELECT error_sqlstate || ' ' || error_message || ' | ' || error_hint INTO m FROM streambatch.stat_stream s WHERE s.stream = await_error.stream;
        EXIT WHEN m IS NOT NULL;
        PERFORM pg_sleep(0.05);
    END LOOP;
    RETURN m;
END $$;
ALTER FOREIGN TABLE parted ADD COLUMN later numeric(5, 1);
INSERT INTO parted VALUES ('a', 7, 7.7);
SELECT await_error('parted');
SELECT streambatch.wait_for('parted', '100 ms');
ALTER TABLE parts ADD COLUMN later numeric(5, 1);
SELECT streambatch.wait_for('parted');
SELECT n, later FROM parts WHERE n > 5 ORDER BY n;
ALTER FOREIGN TABLE parted RENAME COLUMN k TO kind;
INSERT INTO parted VALUES ('a', 8, 8.8);
SELECT await_error('parted');
ALTER TABLE parts RENAME COLUMN k TO kind;
SELECT streambatch.wait_for('parted');
SELECT * FROM parted_count ORDER BY k;
CALL streambatch.refresh('parted_count');
SELECT * FROM parted_count ORDER BY k;
-- names and schemas may change
ALTER FOREIGN TABLE parted RENAME TO parted_now;
ALTER FOREIGN TABLE parted_now SET SCHEMA archive_elsewhere;
ALTER TABLE parts SET SCHEMA archive_elsewhere;
ALTER TABLE archive_elsewhere.parts RENAME TO parts_now;
ALTER VIEW parted_count SET SCHEMA archive_elsewhere;
ALTER VIEW archive_elsewhere.parted_count RENAME TO counted;
INSERT INTO archive_elsewhere.parted_now VALUES ('a', 9, 9.9);
SELECT streambatch.wait_for('archive_elsewhere.parted_now');
SELECT * FROM archive_elsewhere.counted ORDER BY k;
CALL streambatch.refresh('archive_elsewhere.counted');
SELECT * FROM archive_elsewhere.counted ORDER BY k;
SELECT stream, archive FROM streambatch.stat_stream WHERE stream = 'archive_elsewhere.parted_now'::regclass;

-- ---- types that are altered on one side alone: nothing is rounded in silence ----
\! test/broker/broker-command create drift 1
CREATE FOREIGN TABLE drift (x int, n numeric(6, 2)) SERVER archive_kafka OPTIONS (topic 'drift');
SELECT streambatch.create_view('drift_count', 'SELECT count(*) AS c FROM drift');
INSERT INTO drift VALUES (1, 1.25);
SELECT streambatch.wait_for('drift');
ALTER FOREIGN TABLE drift ALTER COLUMN n TYPE numeric(6, 3);
SELECT await_error('drift');
SELECT streambatch.create_view('drift_sum', 'SELECT sum(n) AS n, sum(x) AS x FROM drift');
CALL streambatch.refresh('drift_count');
-- without a modifier it holds every value
ALTER TABLE drift_archive ALTER COLUMN n TYPE numeric;
SELECT streambatch.create_view('drift_sum', 'SELECT sum(n) AS n, sum(x) AS x FROM drift');
INSERT INTO drift VALUES (40000, 1.255);
SELECT streambatch.wait_for('drift');
SELECT * FROM drift_sum, drift_count;
CALL streambatch.refresh('drift_sum');
SELECT * FROM drift_sum, drift_count;
ALTER TABLE drift_archive ALTER COLUMN x TYPE float8;
INSERT INTO drift VALUES (3, 1);
SELECT await_error('drift');
ALTER TABLE drift_archive ALTER COLUMN x TYPE int;
SELECT streambatch.wait_for('drift');
SELECT * FROM drift_sum, drift_count;
ALTER FOREIGN TABLE drift ADD COLUMN late text;
SELECT await_error('drift');
SELECT streambatch.create_view('drift_late', 'SELECT late, count(*) FROM drift GROUP BY 1');

-- ---- rows that were there before the first message ----
\! test/broker/broker-command create backfill 1
CREATE FOREIGN TABLE backfill (k text) SERVER archive_kafka OPTIONS (topic 'backfill');
CREATE TABLE backfill_archive (k text, kafka_partition int, kafka_offset bigint);
INSERT INTO backfill_archive (k) VALUES ('a'), ('a'), ('b');
SELECT streambatch.create_view('backfill_count', 'SELECT k, count(*) AS c FROM backfill GROUP BY k');
SELECT * FROM backfill_count ORDER BY k;
\copy (SELECT 0, NULL, '{"k": "b"}', 0) TO PROGRAM 'test/broker/produce backfill'
SELECT streambatch.wait_for('backfill');
SELECT * FROM backfill_count ORDER BY k;

-- ---- none ----
CREATE FOREIGN TABLE none (k text) SERVER archive_kafka OPTIONS (topic 'archive', archive 'none');
SELECT streambatch.create_view('none_count', 'SELECT count(*) AS c FROM none');
SELECT streambatch.wait_for('none');
SELECT c > 0 AS counted FROM none_count;
SELECT to_regclass('none_archive'), (SELECT archive FROM streambatch.stat_stream WHERE stream = 'none'::regclass);
SET client_min_messages = warning;
DROP FOREIGN TABLE none CASCADE;

-- ---- an archive outlives its stream, and says what it holds ----
SELECT obj_description('archive.with_metadata_archive'::regclass);
DROP FOREIGN TABLE with_metadata CASCADE;
CREATE FOREIGN TABLE other_topic (k text) SERVER archive_kafka OPTIONS (topic 'found', archive 'with_metadata_archive');
SELECT streambatch.resume('other_topic');

DROP SCHEMA archive CASCADE;
DROP SCHEMA archive_elsewhere CASCADE;
DROP SERVER archive_kafka;

-- Dirty marks: changes of the archive by anybody but the worker, and the refresh that follows them.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA dirty;
SET search_path = dirty;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create dirty 1
CREATE SERVER dirty_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (id int, k text, n int, ts timestamptz) SERVER dirty_kafka OPTIONS (topic 'dirty', event_time 'ts', idle_timeout '1 h');
CREATE TABLE price (k text PRIMARY KEY, price int);
INSERT INTO price VALUES ('a', 2), ('b', 3);
SELECT streambatch.create_view('by_hour', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n) AS s, array_length(ARRAY[min(n)], 1) AS l FROM events GROUP BY 1, 2$$);
SELECT streambatch.create_view('by_hop', $$SELECT k, streambatch.hop(ts, '1 h', '3 h') AS w, count(*) AS c, sum(n) AS s FROM events GROUP BY 1, 2$$);
SELECT streambatch.create_view('by_step', $$SELECT streambatch.cumulate(ts, '1 h', '6 h') AS w, streambatch.cumulate_end(ts, '1 h', '6 h') AS e, count(*) AS c, sum(n) AS s
    FROM events GROUP BY 1, 2$$);
SELECT streambatch.create_view('by_day', $$SELECT streambatch.tumble(ts::date, '1 day') AS d, count(*) AS c, sum(n) AS s FROM events GROUP BY 1$$);
SELECT streambatch.create_view('by_session', $$SELECT k, streambatch.session(ts, '20 min') AS w, streambatch.session_end(ts, '20 min') AS e, count(*) AS c FROM events GROUP BY 1, 2, 3$$);
SELECT streambatch.create_view('total', 'SELECT k, count(*) AS c, sum(n) AS s FROM events GROUP BY k');
SELECT streambatch.create_view('revenue', $$SELECT streambatch.tumble(ts, '1 h') AS w, sum(n * price) AS s FROM events JOIN price USING (k) GROUP BY 1$$);
SELECT streambatch.create_view('big', $$SELECT date_trunc('hour', ts, 'UTC') AS w, count(*) AS c FROM events WHERE n > 5 GROUP BY 1$$);
RESET client_min_messages;
INSERT INTO events SELECT i, CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END, i % 10, '2025-01-01'::timestamptz + i * interval '10 min' FROM generate_series(0, 287) i;
SELECT streambatch.wait_for('events');

-- for each view, how many of its rows differ from the plain query over the archive
CREATE VIEW wrong AS
WITH by_hour AS (SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n) AS s, array_length(ARRAY[min(n)], 1) AS l FROM events_archive GROUP BY 1, 2),
by_hop AS (SELECT k, streambatch.hop(ts, '1 h', '3 h') AS w, count(*) AS c, sum(n) AS s FROM events_archive GROUP BY 1, 2),
by_step AS (SELECT streambatch.cumulate(ts, '1 h', '6 h') AS w, streambatch.cumulate_end(ts, '1 h', '6 h') AS e, count(*) AS c, sum(n) AS s FROM events_archive GROUP BY 1, 2),
by_day AS (SELECT streambatch.tumble(ts::date, '1 day') AS d, count(*) AS c, sum(n) AS s FROM events_archive GROUP BY 1),
by_session AS (SELECT k, min(ts) AS w, max(ts) + interval '20 min' AS e, count(*) AS c
    FROM (SELECT k, ts, sum(first) OVER (PARTITION BY k ORDER BY ts) AS session
            FROM (SELECT k, ts, coalesce(ts - lag(ts) OVER (PARTITION BY k ORDER BY ts) > interval '20 min', true)::int AS first FROM events_archive) x) y
   GROUP BY k, session),
total AS (SELECT k, count(*) AS c, sum(n) AS s FROM events_archive GROUP BY k),
revenue AS (SELECT streambatch.tumble(ts, '1 h') AS w, sum(n * price) AS s FROM events_archive JOIN price USING (k) GROUP BY 1),
big AS (SELECT date_trunc('hour', ts, 'UTC') AS w, count(*) AS c FROM events_archive WHERE n > 5 GROUP BY 1)
SELECT (SELECT count(*) FROM ((TABLE dirty.by_hour EXCEPT ALL TABLE by_hour) UNION ALL (TABLE by_hour EXCEPT ALL TABLE dirty.by_hour)) d) AS by_hour,
       (SELECT count(*) FROM ((TABLE dirty.by_hop EXCEPT ALL TABLE by_hop) UNION ALL (TABLE by_hop EXCEPT ALL TABLE dirty.by_hop)) d) AS by_hop,
       (SELECT count(*) FROM ((TABLE dirty.by_step EXCEPT ALL TABLE by_step) UNION ALL (TABLE by_step EXCEPT ALL TABLE dirty.by_step)) d) AS by_step,
       (SELECT count(*) FROM ((TABLE dirty.by_day EXCEPT ALL TABLE by_day) UNION ALL (TABLE by_day EXCEPT ALL TABLE dirty.by_day)) d) AS by_day,
       (SELECT count(*) FROM ((TABLE dirty.by_session EXCEPT ALL TABLE by_session) UNION ALL (TABLE by_session EXCEPT ALL TABLE dirty.by_session)) d) AS by_session,
       (SELECT count(*) FROM ((TABLE dirty.total EXCEPT ALL TABLE total) UNION ALL (TABLE total EXCEPT ALL TABLE dirty.total)) d) AS total,
       (SELECT count(*) FROM ((TABLE dirty.revenue EXCEPT ALL TABLE revenue) UNION ALL (TABLE revenue EXCEPT ALL TABLE dirty.revenue)) d) AS revenue,
       (SELECT count(*) FROM ((TABLE dirty.big EXCEPT ALL TABLE big) UNION ALL (TABLE big EXCEPT ALL TABLE dirty.big)) d) AS big;
CREATE VIEW marked AS SELECT view, dirty_panes FROM streambatch.stat_view WHERE stream = 'events'::regclass ORDER BY view::text;
\set refresh_them 'CALL streambatch.refresh(\'by_hour\'); CALL streambatch.refresh(\'by_hop\'); CALL streambatch.refresh(\'by_step\'); CALL streambatch.refresh(\'by_day\'); CALL streambatch.refresh(\'by_session\'); CALL streambatch.refresh(\'total\'); CALL streambatch.refresh(\'revenue\'); CALL streambatch.refresh(\'big\');'
-- the batch rows of a view that a refresh has not touched since this is called
SELECT 'streambatch_state.batch_' || substring(batch_table::text, '\d+$') AS batch_of_hour
  FROM streambatch.stat_view WHERE view = 'by_hour'::regclass \gset

-- ---- the worker's own appends and the first refresh mark nothing ----
:refresh_them
TABLE marked;
TABLE wrong;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'events_archive'::regclass ORDER BY 1;
CREATE TABLE before AS SELECT pane, k1, xmin::text AS x FROM :batch_of_hour;

-- ---- UPDATE: the panes of the old rows and of the new ones ----
UPDATE events_archive SET n = n + 100, ts = ts + interval '5 h' WHERE id IN (7, 8, 60);
TABLE marked;
SELECT count(*) > 0 AS not_yet FROM wrong WHERE by_hour > 0;
:refresh_them
TABLE marked;
TABLE wrong;
-- 01:10, 01:20 and 10:00 became 06:10, 06:20 and 15:00; no other pane was written
SELECT DISTINCT extract(hour FROM b.pane) AS touched FROM :batch_of_hour b LEFT JOIN before o ON o.pane = b.pane AND o.k1 = b.k1 AND o.x = b.xmin::text WHERE o.x IS NULL ORDER BY 1;
CALL streambatch.refresh('by_hour');

-- ---- INSERT and COPY: with no position; also into a pane that had no event ----
INSERT INTO events_archive (id, k, n, ts) VALUES (1000, 'a', 1, '2025-01-01 03:30'), (1001, 'c', 1, '2024-12-24 12:00');
COPY events_archive (id, k, n, ts) FROM stdin;
1002	b	7	2025-01-01 04:30
1003	b	7	2025-01-01 04:31
\.
TABLE marked;
:refresh_them
TABLE marked;
TABLE wrong;

-- ---- DELETE of a part of a pane, and of all of others: the former is computed, the latter keep their values ----
DELETE FROM events_archive WHERE id IN (1000, 1001) OR ts >= '2025-01-01 12:00' AND ts < '2025-01-01 14:00';
SELECT dirty_panes FROM marked WHERE view = 'by_hour'::regclass;
SELECT count(*), sum(c) FROM by_hour WHERE w >= '2025-01-01 12:00' AND w < '2025-01-01 14:00';
CALL streambatch.refresh('by_hour');
SELECT dirty_panes FROM marked WHERE view = 'by_hour'::regclass;
SELECT count(*), sum(c) FROM by_hour WHERE w >= '2025-01-01 12:00' AND w < '2025-01-01 14:00';
SELECT w, c FROM by_hour WHERE w = '2025-01-01 03:00' AND k = 'a';
-- and again
CALL streambatch.refresh('by_hour');
-- a late event stays beside what is kept
INSERT INTO events VALUES (2000, 'a', 1, '2025-01-01 12:30');
SELECT streambatch.wait_for('events');
CALL streambatch.refresh('by_hour');
SELECT sum(c) FROM by_hour WHERE w >= '2025-01-01 12:00' AND w < '2025-01-01 14:00';
-- unless forced
CALL streambatch.refresh('by_hour', force => true);
SELECT dirty_panes FROM marked WHERE view = 'by_hour'::regclass;
SELECT by_hour FROM wrong;
CALL streambatch.refresh('by_hop', force => true);
CALL streambatch.refresh('by_step', force => true);
CALL streambatch.refresh('by_session', force => true);
CALL streambatch.refresh('by_day');
CALL streambatch.refresh('total');
CALL streambatch.refresh('revenue', force => true);
CALL streambatch.refresh('big', force => true);
TABLE marked;
TABLE wrong;

-- ---- a range and full clear the marks of their panes ----
UPDATE events_archive SET n = 3 WHERE ts >= '2025-01-01 00:00' AND ts < '2025-01-01 06:00';
SELECT dirty_panes FROM marked WHERE view = 'by_hour'::regclass;
CALL streambatch.refresh('by_hour', '2025-01-01 02:00', '2025-01-01 04:00');
SELECT dirty_panes FROM marked WHERE view = 'by_hour'::regclass;
CALL streambatch.refresh('by_hour', "full" => true);
SELECT dirty_panes FROM marked WHERE view = 'by_hour'::regclass;
SELECT by_hour FROM wrong;

-- ---- a thousand changes of one pane leave one mark; those that change nothing, or are rolled back, leave none ----
DO $$ BEGIN FOR i IN 1..200 LOOP UPDATE dirty.events_archive SET n = i WHERE id = 20; END LOOP; END $$;
UPDATE events_archive SET n = 1 WHERE false;
BEGIN;
UPDATE events_archive SET n = 1 WHERE id = 100;
SELECT dirty_panes FROM marked WHERE view = 'by_hour'::regclass;
ROLLBACK;
SELECT count(*) FROM streambatch._dirty d JOIN streambatch._view v ON v.id = d.view_id WHERE v.view = 'by_hour'::regclass;
SELECT dirty_panes FROM marked WHERE view = 'by_hour'::regclass;
:refresh_them
TABLE marked;
TABLE wrong;

-- ---- a pane that is not covered yet: the mark stays until it is ----
UPDATE events_archive SET n = 50 WHERE id = 287;
CALL streambatch.refresh('by_hour');
SELECT dirty_panes FROM marked WHERE view = 'by_hour'::regclass;
CALL streambatch.refresh('by_hour', "to" => 'infinity');
SELECT dirty_panes FROM marked WHERE view = 'by_hour'::regclass;
SELECT by_hour FROM wrong;

-- ---- a row whose pane cannot be computed marks everything ----
SET client_min_messages = warning;
SELECT streambatch.create_view('quotient', $$SELECT streambatch.tumble(to_timestamp(1735689600 + 36000 / n), '1 h') AS w, count(*) AS c FROM events WHERE n > 0 GROUP BY 1$$);
RESET client_min_messages;
UPDATE events_archive SET n = 0 WHERE id = 20;
SELECT view, from_time, to_time FROM streambatch._dirty d JOIN streambatch._view v ON v.id = d.view_id WHERE v.view = 'quotient'::regclass;
SELECT dirty_panes FROM marked WHERE view = 'quotient'::regclass;
DROP VIEW quotient;
-- no time
INSERT INTO events_archive (id, k, n) VALUES (3000, 'x', 1);
SELECT from_time, to_time FROM streambatch._dirty d JOIN streambatch._view v ON v.id = d.view_id WHERE v.view = 'by_hour'::regclass ORDER BY 1;
CALL streambatch.refresh('by_hour', "to" => 'infinity');
SELECT from_time, to_time FROM streambatch._dirty d JOIN streambatch._view v ON v.id = d.view_id WHERE v.view = 'by_hour'::regclass ORDER BY 1;
SELECT by_hour FROM wrong;
DELETE FROM events_archive WHERE id = 3000;
CALL streambatch.refresh('by_hour', "to" => 'infinity');
CALL streambatch.refresh('by_hop', "to" => 'infinity');
CALL streambatch.refresh('by_step', "to" => 'infinity');
CALL streambatch.refresh('by_day', "to" => 'infinity');
CALL streambatch.refresh('by_session', "to" => 'infinity');
CALL streambatch.refresh('total');
CALL streambatch.refresh('revenue', "to" => 'infinity');
CALL streambatch.refresh('big', "to" => 'infinity');
TABLE marked;
TABLE wrong;

-- ---- other roles may correct the archive, and learn nothing of marks ----
CREATE ROLE dirty_editor;
GRANT USAGE ON SCHEMA dirty TO dirty_editor;
GRANT SELECT, UPDATE, TRIGGER ON events_archive TO dirty_editor;
SET ROLE dirty_editor;
UPDATE events_archive SET n = 9 WHERE id = 30;
SELECT count(*) FROM streambatch._dirty;
SELECT streambatch._dirty_panes('by_hour');
SELECT streambatch._mark();
RESET ROLE;
SELECT dirty_panes FROM marked WHERE view = 'by_hour'::regclass;
-- a table of anybody, with our trigger function, is no archive
CREATE TABLE other (i int);
CREATE TRIGGER mark AFTER INSERT ON other FOR EACH STATEMENT EXECUTE FUNCTION streambatch._mark();
CREATE TRIGGER mark_row BEFORE UPDATE ON other FOR EACH ROW EXECUTE FUNCTION streambatch._mark();
INSERT INTO other VALUES (1);
UPDATE other SET i = 2;

-- ---- REPEATABLE READ: a view that is made during the transaction ----
UPDATE events_archive SET n = 10 WHERE id = 30;
:refresh_them
TABLE wrong;
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE events_archive SET n = 11 WHERE id = 31;
UPDATE events_archive SET n = 12 WHERE id = 31;
COMMIT;
:refresh_them
TABLE marked;
TABLE wrong;

-- ---- a joined table: only if it is tracked ----
UPDATE price SET price = 20 WHERE k = 'a';
SELECT dirty_panes FROM marked WHERE view = 'revenue'::regclass;
SELECT streambatch.track('revenue', 'price');
SELECT streambatch.track('revenue', 'price');
SELECT streambatch.track('revenue', 'events');
SELECT streambatch.track('by_hour', 'price');
SELECT streambatch.track('revenue', NULL);
SELECT streambatch.track('price', 'revenue');
UPDATE price SET price = 21 WHERE false;
SELECT dirty_panes FROM marked WHERE view = 'revenue'::regclass;
UPDATE price SET price = 30 WHERE k = 'b';
SELECT view, dirty_panes FROM marked WHERE dirty_panes IS DISTINCT FROM 0;
CALL streambatch.refresh('revenue', "to" => 'infinity');
TABLE marked;
TABLE wrong;
INSERT INTO price VALUES ('c', 1), ('x', 1);
CALL streambatch.refresh('revenue');
SELECT revenue FROM wrong;
SELECT dirty_panes FROM marked WHERE view = 'revenue'::regclass;
-- after a rebuild, too
CALL streambatch.rebuild('revenue');
DELETE FROM price WHERE k = 'c';
SELECT view, dirty_panes FROM marked WHERE dirty_panes IS DISTINCT FROM 0;
CALL streambatch.refresh('revenue');
SELECT revenue FROM wrong;
GRANT SELECT, INSERT ON price TO dirty_editor;
SET ROLE dirty_editor;
INSERT INTO price VALUES ('d', 1);
SELECT streambatch.track('revenue', 'price');
RESET ROLE;
SELECT view, dirty_panes FROM marked WHERE dirty_panes IS DISTINCT FROM 0;
CALL streambatch.refresh('revenue');
SELECT streambatch.untrack('revenue', 'price');
SELECT streambatch.untrack('revenue', 'price');
DELETE FROM price WHERE k = 'd';
SELECT view, dirty_panes FROM marked WHERE dirty_panes IS DISTINCT FROM 0;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'price'::regclass;
SELECT streambatch.track('revenue', 'price');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'price'::regclass;

-- ---- many corrections in a session: what is known of views and of the transaction's marks is not looked up again ----
\set refresh_rest 'CALL streambatch.refresh(\'by_hour\', "to" => \'infinity\'); CALL streambatch.refresh(\'by_hop\', "to" => \'infinity\'); CALL streambatch.refresh(\'by_step\', "to" => \'infinity\'); CALL streambatch.refresh(\'by_day\', "to" => \'infinity\'); CALL streambatch.refresh(\'by_session\', "to" => \'infinity\'); CALL streambatch.refresh(\'revenue\', "to" => \'infinity\'); CALL streambatch.refresh(\'big\', "to" => \'infinity\'); CALL streambatch.refresh(\'total\');'
:refresh_rest
CREATE VIEW marks AS SELECT v.view, m.* FROM streambatch._view v, LATERAL (SELECT count(*) AS n, bool_or(from_time = 'infinity') AS no_time, range_agg(tstzrange(from_time, to_time)) AS panes
    FROM streambatch._dirty d WHERE d.view_id = v.id) m WHERE v.stream = 'events'::regclass AND n > 0;
-- few rows, and so many that their panes are computed by a query
INSERT INTO events_archive (id, k, n, ts) SELECT 2000 + i, 'b', 1, t FROM generate_series(1, 400) i, unnest('{2025-01-01 03:10,2025-01-02 00:20,2025-01-02 01:20,NULL}'::timestamptz[]) t;
CREATE TABLE by_query AS SELECT view, no_time, panes FROM marks;
SELECT * FROM by_query ORDER BY view::text;
DELETE FROM streambatch._dirty;
UPDATE events_archive SET n = 2 WHERE id = 2001;
SELECT view, no_time, panes FROM marks EXCEPT TABLE by_query;
SELECT count(*) = (SELECT count(*) FROM by_query) AS all_views FROM marks;
DELETE FROM events_archive WHERE ts IS NULL;
:refresh_rest
TABLE wrong;
-- one mark, however many corrections
BEGIN;
UPDATE events_archive SET n = 3 WHERE id = 7;
UPDATE events_archive SET n = 4 WHERE id = 7;
UPDATE events_archive SET n = 5 WHERE id IN (7, 60);
SELECT n, panes FROM marks WHERE view = 'by_hour'::regclass;
COMMIT;
BEGIN;
UPDATE events_archive SET n = 6 WHERE id = 7;
SELECT n, panes FROM marks WHERE view = 'by_hour'::regclass;
COMMIT;
:refresh_rest
-- what a savepoint takes back is marked again
BEGIN;
SAVEPOINT a;
UPDATE events_archive SET n = 7 WHERE id = 7;
SELECT n, panes FROM marks WHERE view = 'by_hour'::regclass;
ROLLBACK TO a;
SELECT n, panes FROM marks WHERE view = 'by_hour'::regclass;
UPDATE events_archive SET n = 8 WHERE id = 7;
RELEASE a;
UPDATE events_archive SET n = 9 WHERE id = 60;
SAVEPOINT b;
UPDATE events_archive SET n = 10 WHERE id = 61;
ROLLBACK TO b;
UPDATE events_archive SET n = 11 WHERE id IN (60, 67);
COMMIT;
SELECT n, panes FROM marks WHERE view = 'by_hour'::regclass;
:refresh_rest
TABLE wrong;
BEGIN;
UPDATE events_archive SET n = 12 WHERE id = 7;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE events_archive SET n = 13 WHERE id = 7;
UPDATE events_archive SET n = 14 WHERE id = 7;
COMMIT;
SELECT n, panes FROM marks WHERE view = 'by_hour'::regclass;
:refresh_rest
TABLE wrong;
-- a column by another name; a rebuild with another window
ALTER FOREIGN TABLE events RENAME ts TO happened;
ALTER TABLE events_archive RENAME ts TO happened;
UPDATE events_archive SET n = 15 WHERE id = 7;
SELECT n, panes FROM marks WHERE view = 'by_hour'::regclass;
ALTER FOREIGN TABLE events RENAME happened TO ts;
ALTER TABLE events_archive RENAME happened TO ts;
:refresh_rest
CALL streambatch.rebuild('by_hour', $$SELECT k, streambatch.tumble(ts, '1 day') AS w, count(*) AS c, sum(n) AS s, array_length(ARRAY[min(n)], 1) AS l FROM events GROUP BY 1, 2$$);
UPDATE events_archive SET n = 16 WHERE id = 7;
SELECT n, panes FROM marks WHERE view = 'by_hour'::regclass;
CALL streambatch.rebuild('by_hour', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n) AS s, array_length(ARRAY[min(n)], 1) AS l FROM events GROUP BY 1, 2$$);
UPDATE events_archive SET n = 17 WHERE id = 7;
SELECT n, panes FROM marks WHERE view = 'by_hour'::regclass;
-- a time that has no window: all is marked
UPDATE events_archive SET ts = 'infinity' WHERE id = 8;
SELECT n, panes FROM marks WHERE view = 'by_hour'::regclass;
DELETE FROM events_archive WHERE id = 8;
:refresh_rest
TABLE wrong;

-- ---- TRUNCATE: nobody knows what it removes; everything keeps its value, unless forced ----
BEGIN;
TRUNCATE events_archive;
TABLE marked;
COMMIT;
CALL streambatch.refresh('by_hour');
TABLE marked;
SELECT count(*) > 50 AS kept FROM by_hour;
CALL streambatch.refresh('by_hour', force => true);
SELECT count(*), sum(dirty_panes) FROM by_hour, marked WHERE view = 'by_hour'::regclass;

-- ---- the triggers go with the stream, the marks with the view ----
SET client_min_messages = warning;
DROP FOREIGN TABLE events CASCADE;
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('events_archive'::regclass, 'price'::regclass);
SELECT count(*) FROM streambatch._tracked;
SELECT count(*) FROM streambatch._dirty d WHERE NOT EXISTS (SELECT FROM streambatch._view v WHERE v.id = d.view_id);
DROP OWNED BY dirty_editor;
DROP ROLE dirty_editor;
DROP SERVER dirty_kafka CASCADE;
DROP SCHEMA dirty CASCADE;

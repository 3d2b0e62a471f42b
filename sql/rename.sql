-- The query of a view keeps meaning what it meant, whatever is renamed.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA rename;
SET search_path = rename;
\getenv broker STREAMBATCH_BROKER
CREATE SERVER rename_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
\! test/broker/broker-command create renamed 1
CREATE SCHEMA rename_names;
CREATE FUNCTION rename_names.twice(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN 2 * $1; END';
CREATE FOREIGN TABLE rename_names.numbers (n int) SERVER rename_kafka OPTIONS (topic 'renamed');
SELECT streambatch.create_view('doubled', 'SELECT rename_names.twice(n) AS d, count(*) AS c FROM rename_names.numbers GROUP BY 1');
INSERT INTO rename_names.numbers VALUES (1);
SELECT streambatch.wait_for('rename_names.numbers');
ALTER FUNCTION rename_names.twice RENAME TO double;
INSERT INTO rename_names.numbers VALUES (2);
SELECT streambatch.wait_for('rename_names.numbers');
CREATE FUNCTION rename_names.twice(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN 3 * $1; END';
INSERT INTO rename_names.numbers VALUES (3);
SELECT streambatch.wait_for('rename_names.numbers');
BEGIN;
DROP FUNCTION rename_names.twice;
ALTER FUNCTION rename_names.double RENAME TO twice;
COMMIT;
INSERT INTO rename_names.numbers VALUES (4);
SELECT streambatch.wait_for('rename_names.numbers');
BEGIN;
ALTER FUNCTION rename_names.twice RENAME TO double;
CREATE FUNCTION rename_names.twice(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN 3 * $1; END';
COMMIT;
ALTER SCHEMA rename_names RENAME TO rename_other_names;
INSERT INTO rename_other_names.numbers VALUES (5);
SELECT streambatch.wait_for('rename_other_names.numbers');
SELECT state FROM streambatch.stat_view WHERE view = 'doubled'::regclass;
SELECT * FROM doubled ORDER BY d;
CALL streambatch.refresh('doubled');
SELECT * FROM doubled ORDER BY d;
-- a view that is replaced would be a hybrid view in name alone
CREATE OR REPLACE VIEW doubled AS SELECT 1 AS d, 2::bigint AS c;
CREATE VIEW on_top AS SELECT * FROM doubled;
CREATE OR REPLACE VIEW on_top AS SELECT d, c FROM doubled WHERE d > 0;
SET client_min_messages = error;
DROP SCHEMA rename_other_names CASCADE;
DROP SCHEMA rename CASCADE;
DROP SERVER rename_kafka;

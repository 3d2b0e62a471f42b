/* pg_streambatch--0.1.0--0.2.0.sql: turns the objects of version 0.1.0 into those of pg_streambatch--0.2.0.sql */

-- complain if the script is run by hand
\echo Use "ALTER EXTENSION pg_streambatch UPDATE TO '0.2.0'" to load this file. \quit

ALTER TABLE streambatch._run ADD COLUMN cut_topic_epoch int; -- that the cut's offsets are of; NULL: a run of version 0.1.0

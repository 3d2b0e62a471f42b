/* pg_streambatch--0.1.0--0.2.0.sql: turns the objects of version 0.1.0 into those of pg_streambatch--0.2.0.sql */

-- complain if the script is run by hand
\echo Use "ALTER EXTENSION pg_streambatch UPDATE TO '0.2.0'" to load this file. \quit

-- where the stream has been in no other topic epoch, the cuts of earlier runs are of that one
ALTER TABLE streambatch._run ADD COLUMN cut_topic_epoch int;
UPDATE streambatch._run r SET cut_topic_epoch = 0
  FROM streambatch._view v JOIN streambatch._stream s ON s.stream = v.stream
 WHERE v.id = r.view_id AND s.topic_epoch = 0;

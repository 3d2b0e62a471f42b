/* pg_streambatch--0.1.0--0.2.0.sql: turns the objects of version 0.1.0 into those of pg_streambatch--0.2.0.sql */

-- complain if the script is run by hand
\echo Use "ALTER EXTENSION pg_streambatch UPDATE TO '0.2.0'" to load this file. \quit

-- in the order in which statements of workers lock them, which would otherwise wait for one table while they hold another
LOCK TABLE streambatch._stream, streambatch._view, streambatch._coverage, streambatch._run, streambatch._dead_letter, streambatch._gap,
    streambatch._progress IN ACCESS EXCLUSIVE MODE;

ALTER TABLE streambatch._stream ADD COLUMN archive_from timestamptz;

-- where the stream has been in no other topic epoch, the cuts of earlier runs are of that one
ALTER TABLE streambatch._run ADD COLUMN cut_topic_epoch int;
UPDATE streambatch._run r SET cut_topic_epoch = 0
  FROM streambatch._view v JOIN streambatch._stream s ON s.stream = v.stream
 WHERE v.id = r.view_id AND s.topic_epoch = 0;

-- Panes whose archived events have been changed by anybody but the worker, until they are computed: [from_time, to_time); of events
-- without a time, from infinity to infinity (src/batch/dirty_marks.c).
CREATE TABLE streambatch._dirty (
    view_id     int NOT NULL,
    from_time   timestamptz NOT NULL,
    to_time     timestamptz NOT NULL
);
ALTER TABLE streambatch._dirty REPLICA IDENTITY FULL;
CREATE INDEX ON streambatch._dirty (view_id, from_time);

-- Tables that hybrid views join, and whose changes mark them as dirty.
CREATE TABLE streambatch._tracked (
    view        regclass NOT NULL,
    relation    regclass NOT NULL,
    names       text[] CONSTRAINT restored_by_trigger CHECK (names IS NULL), -- of both, in a dump
    PRIMARY KEY (view, relation)
);
COMMENT ON TABLE streambatch._tracked IS 'internal: tables whose changes mark the hybrid views that join them';
COMMENT ON TABLE streambatch._dirty IS 'internal: ranges of panes whose archived events have been changed';

-- ------------------------------------------------------------------------------------------------------------------
-- Dirty marks (src/batch/dirty_marks.c)
-- ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION streambatch._mark()
    RETURNS trigger AS 'MODULE_PATHNAME', 'streambatch_mark' LANGUAGE C;
COMMENT ON FUNCTION streambatch._mark() IS
    'internal: marks the panes of hybrid views whose archived events a statement has changed, so that the next refresh computes them; does nothing on a table that is no archive, nor a part of one';

CREATE FUNCTION streambatch._dirty_panes(view regclass)
    RETURNS bigint AS 'MODULE_PATHNAME', 'streambatch_dirty_panes' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION streambatch._dirty_panes(regclass) IS
    'internal: how many panes of a hybrid view are marked; NULL: all, or more than a million, or the view is locked; raises insufficient_privilege for views that stat_view does not show';

-- ------------------------------------------------------------------------------------------------------------------
-- What can be read of hybrid views: their queries, comments, and statistics without infinity
-- ------------------------------------------------------------------------------------------------------------------

ALTER TABLE streambatch._view ADD COLUMN query text;
ALTER TABLE streambatch._view ADD COLUMN source text;
ALTER TABLE streambatch._view ADD COLUMN complete_from timestamptz;

-- how far a run is
ALTER TABLE streambatch._run ADD COLUMN phase text, ADD COLUMN panes bigint, ADD COLUMN panes_done bigint NOT NULL DEFAULT 0,
    ADD COLUMN progress_at timestamptz, ADD COLUMN compared bigint, ADD COLUMN differed bigint, ADD COLUMN drift jsonb;

CREATE FUNCTION streambatch.query(view regclass)
    RETURNS text AS 'MODULE_PATHNAME', 'streambatch_query' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION streambatch.query(regclass) IS
    'the query of a hybrid view, with the current names of what it reads, qualified, so that it can be run again under any search_path; NULL for NULL; raises wrong_object_type for anything but a hybrid view';

-- what was written is not known any more
UPDATE streambatch._view SET query = streambatch.query(view)
 WHERE EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = view)
   AND EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname = 'query_' || id AND relnamespace = 'streambatch_state'::pg_catalog.regnamespace);

-- the comments that create_view() gives to the objects of a view (src/serve/view_comments.c)
CREATE FUNCTION streambatch._comment_view(view regclass, layers regclass)
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_comment_view' LANGUAGE C VOLATILE;
SELECT streambatch._comment_view(v.view, (SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class l ON l.oid = d.objid
                                           WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
                                             AND d.refobjid = v.view AND d.deptype = 'i' AND l.relnamespace <> 'streambatch_state'::pg_catalog.regnamespace))
  FROM streambatch._view v JOIN pg_catalog.pg_class c ON c.oid = v.view;
DROP FUNCTION streambatch._comment_view(regclass, regclass);

CREATE OR REPLACE VIEW streambatch.stat_view WITH (security_barrier) AS
SELECT v.view, v.stream, w.relowner::pg_catalog.regrole AS owner, v.state, v.error_sqlstate,
       CASE WHEN pg_catalog.pg_has_role(w.relowner, 'USAGE') AND pg_catalog.has_table_privilege(v.stream::oid, 'SELECT')
              OR pg_catalog.pg_has_role('pg_read_all_data', 'USAGE') THEN v.error_message END AS error_message,
       CASE WHEN pg_catalog.has_table_privilege(v.view::oid, 'SELECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
            THEN streambatch._groups(v.view) END AS groups,
       coalesce(c.coverage, '{}'::tstzmultirange) AS coverage,
       r.ended_at AS last_refresh,
       r.cut AS last_cut,
       r.cut_at AS last_cut_at,
       v.epoch,
       v.max_staleness, v.allowed_lateness,
       v.suspended_at,
       d.dead_letters,
       v.query,
       (SELECT oid::pg_catalog.regclass FROM pg_catalog.pg_class
         WHERE relname = 'stream_' || v.id AND relnamespace = 'streambatch_state'::pg_catalog.regnamespace) AS stream_table,
       (SELECT oid::pg_catalog.regclass FROM pg_catalog.pg_class
         WHERE relname = 'batch_' || v.id AND relnamespace = 'streambatch_state'::pg_catalog.regnamespace) AS batch_table,
       coalesce(k.complete, true) AS complete,
       nullif(k.complete_from, 'infinity') AS complete_from,
       CASE WHEN pg_catalog.has_table_privilege(v.view::oid, 'SELECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
            THEN streambatch._dirty_panes(v.view) END AS dirty_panes
  FROM streambatch._view v
  JOIN pg_catalog.pg_class w ON w.oid = v.view
  JOIN pg_catalog.pg_class t ON t.oid = v.stream
  LEFT JOIN LATERAL (SELECT pg_catalog.range_agg(pg_catalog.tstzrange(nullif(from_time, '-infinity'), nullif(to_time, 'infinity'))) AS coverage
                       FROM streambatch._coverage WHERE view_id = v.id) c ON true
  LEFT JOIN LATERAL (SELECT ended_at, cut, cut_at FROM streambatch._run WHERE view_id = v.id AND state = 'done'
                      ORDER BY id DESC LIMIT 1) r ON true
  LEFT JOIN LATERAL (SELECT count(*) AS dead_letters FROM streambatch._dead_letter WHERE view = v.view AND NOT discarded) d ON true
  -- what is covered up to the first complete pane is complete, too
  LEFT JOIN LATERAL (SELECT pg_catalog.lower(r) AS complete_from, pg_catalog.lower_inf(r) AS complete
                       FROM pg_catalog.unnest(coalesce(c.coverage, '{}') + pg_catalog.tstzmultirange(pg_catalog.tstzrange(v.complete_from, NULL))) r
                      WHERE r @> v.complete_from) k ON true
 WHERE pg_catalog.has_table_privilege(v.view::oid, 'SELECT') OR pg_catalog.pg_has_role(t.relowner, 'USAGE')
    OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
COMMENT ON VIEW streambatch.stat_view IS
    'one row per hybrid view that the user may SELECT from, or that is on a stream of the user: owner, state (building, active, suspended) and error, number of groups in both layers (an estimate above 100,000 rows of states), ranges of time that the batch layer covers, end and cut of the last refresh (next offset of partition i at index i + 1), epoch, query as written, state tables';
COMMENT ON COLUMN streambatch.stat_view.view IS 'the hybrid view';
COMMENT ON COLUMN streambatch.stat_view.stream IS 'the stream that its query reads';
COMMENT ON COLUMN streambatch.stat_view.owner IS 'owner of the hybrid view: worker and refreshes run its query as this role';
COMMENT ON COLUMN streambatch.stat_view.state IS 'active, or suspended: its query has failed as a whole';
COMMENT ON COLUMN streambatch.stat_view.error_sqlstate IS 'SQLSTATE of the error for which the view is suspended; NULL unless suspended';
COMMENT ON COLUMN streambatch.stat_view.error_message IS 'message of that error; NULL: not suspended, or it may contain data that the user may not read';
COMMENT ON COLUMN streambatch.stat_view.groups IS 'groups in both layers, estimated above 100,000 rows of states; NULL: the user may not SELECT from the view, or its states are locked';
COMMENT ON COLUMN streambatch.stat_view.coverage IS 'ranges of event time, in whole panes, that the batch layer holds; empty: none; a range without a bound has no limit there';
COMMENT ON COLUMN streambatch.stat_view.last_refresh IS 'when the last run of the batch layer ended that was done; NULL: none was';
COMMENT ON COLUMN streambatch.stat_view.last_cut IS 'its cut: next offset of partition i at index i + 1; NULL: no run was done, or, as an element, the partition had not been read';
COMMENT ON COLUMN streambatch.stat_view.last_cut_at IS 'when the cut was taken; NULL: no run was done';
COMMENT ON COLUMN streambatch.stat_view.epoch IS 'epoch of the rows that flushes write into the stream layer now; each refresh raises it';
COMMENT ON COLUMN streambatch.stat_view.max_staleness IS 'longest delay under load before events become visible';
COMMENT ON COLUMN streambatch.stat_view.allowed_lateness IS 'how long after its end a window stays open';
COMMENT ON COLUMN streambatch.stat_view.suspended_at IS 'next offset of partition i, at index i + 1, from which on a suspended view lacks events; NULL unless suspended';
COMMENT ON COLUMN streambatch.stat_view.dead_letters IS 'dead letters of the view that are kept';
COMMENT ON COLUMN streambatch.stat_view.query IS 'the query as given to create_view(), with the names of then, in the search_path of then; streambatch.query() returns it with current, qualified names; NULL: not recorded';
COMMENT ON COLUMN streambatch.stat_view.stream_table IS 'table of the states of the stream layer';
COMMENT ON COLUMN streambatch.stat_view.batch_table IS 'table of the states of the batch layer';
COMMENT ON COLUMN streambatch.stat_view.complete IS 'whether no window lacks events from before create_view(…, history => false): the view has its history, or refreshes have added it';
COMMENT ON COLUMN streambatch.stat_view.complete_from IS 'of a view that is not complete, the start from which on windows are; NULL: the view is complete, or it is not known';
COMMENT ON COLUMN streambatch.stat_view.dirty_panes IS 'panes whose archived events have been changed since they were computed; NULL: all, or more than a million, or the user may not SELECT from the view, or it is locked';

CREATE OR REPLACE VIEW streambatch.refresh_history WITH (security_barrier) AS
SELECT r.id, r.view, r.kind, r.state, r.cut, r.cut_epoch, r.cut_at,
       -- drivers cannot read infinity; of history of which no window had ended, the range ends where it begins
       CASE WHEN r.from_time = r.to_time THEN r.cut_at ELSE nullif(r.from_time, '-infinity') END AS from_time,
       CASE WHEN r.from_time = r.to_time THEN r.cut_at ELSE nullif(r.to_time, 'infinity') END AS to_time,
       r.chunks, r.chunks_done, r.rows, r.started_at,
       r.ended_at, r.error_sqlstate,
       CASE WHEN pg_catalog.pg_has_role(w.relowner, 'USAGE') AND pg_catalog.has_table_privilege(v.stream::oid, 'SELECT')
              OR pg_catalog.pg_has_role('pg_read_all_data', 'USAGE') THEN r.error END AS error
  FROM streambatch._run r
  JOIN streambatch._view v ON v.view = r.view
  JOIN pg_catalog.pg_class w ON w.oid = v.view
 WHERE pg_catalog.has_table_privilege(r.view::oid, 'SELECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
COMMENT ON VIEW streambatch.refresh_history IS
    'runs of the batch layer: kind (history: by create_view(); refresh; outside: by another engine), state (running, done, failed), cut, range of time, chunks, rows of states written';
COMMENT ON COLUMN streambatch.refresh_history.id IS 'number of the run';
COMMENT ON COLUMN streambatch.refresh_history.view IS 'the hybrid view';
COMMENT ON COLUMN streambatch.refresh_history.kind IS 'refresh; history: what create_view() computed; outside: what another engine computes, from begin_batch() on';
COMMENT ON COLUMN streambatch.refresh_history.state IS 'running, done or failed; a run that was killed remains running until the next refresh, an outside one until it is published or abandoned';
COMMENT ON COLUMN streambatch.refresh_history.cut IS 'next offset of partition i at index i + 1: the events below are in what the run computed; NULL as an element: the partition had not been read';
COMMENT ON COLUMN streambatch.refresh_history.cut_epoch IS 'epoch of the stream layer that the cut closed';
COMMENT ON COLUMN streambatch.refresh_history.cut_at IS 'when the cut was recorded';
COMMENT ON COLUMN streambatch.refresh_history.from_time IS 'beginning of the range of event time that is computed; NULL: without limit; the same as to_time: nothing was computed for the batch layer';
COMMENT ON COLUMN streambatch.refresh_history.to_time IS 'end, exclusive, of the range; NULL: without limit';
COMMENT ON COLUMN streambatch.refresh_history.chunks IS 'transactions planned; 0: not planned yet';
COMMENT ON COLUMN streambatch.refresh_history.chunks_done IS 'transactions done';
COMMENT ON COLUMN streambatch.refresh_history.rows IS 'rows of states written';
COMMENT ON COLUMN streambatch.refresh_history.started_at IS 'when the run began';
COMMENT ON COLUMN streambatch.refresh_history.ended_at IS 'when it ended; NULL: it has not';
COMMENT ON COLUMN streambatch.refresh_history.error_sqlstate IS 'SQLSTATE of the error of a failed run; NULL: none';
COMMENT ON COLUMN streambatch.refresh_history.error IS 'message of that error; NULL: none, or it may contain data that the user may not read';

CREATE FUNCTION streambatch._reads_partition(stream oid, kafka_partition int)
    RETURNS boolean AS 'MODULE_PATHNAME', 'streambatch_reads_partition' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION streambatch._reads_partition(oid, int) IS
    'internal: whether a stream reads a partition, according to its option partitions; false for anything but a stream; NULL for a NULL argument';

CREATE OR REPLACE VIEW streambatch.stat_partition WITH (security_barrier) AS
SELECT p.stream, p.partition, p.next_offset, greatest(p.log_end, p.next_offset) AS log_end,
       CASE WHEN p.reading THEN greatest(p.log_end, p.next_offset) - p.next_offset END AS lag,
       p.max_event_time, p.log_end_at, p.reading
  FROM (SELECT coalesce(s.stream, l.stream::regclass) AS stream, coalesce(s.kafka_partition, l.kafka_partition) AS partition,
               coalesce(s.next_offset, l.log_start) AS next_offset, greatest(s.log_end, l.log_end) AS log_end, s.max_event_time, l.at AS log_end_at,
               s.stream IS NOT NULL AS known,
               streambatch._reads_partition(coalesce(s.stream::oid, l.stream), coalesce(s.kafka_partition, l.kafka_partition)) AS reading
          FROM streambatch._progress s
          FULL JOIN (SELECT * FROM streambatch._log_ends() e WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = e.stream)) l
            ON l.stream = s.stream AND l.kafka_partition = s.kafka_partition) p
 WHERE (p.reading OR p.known)
   AND (pg_catalog.has_table_privilege(p.stream::oid, 'SELECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'));
COMMENT ON COLUMN streambatch.stat_partition.stream IS 'the stream';
COMMENT ON COLUMN streambatch.stat_partition.partition IS 'number of the partition in the topic';
COMMENT ON COLUMN streambatch.stat_partition.next_offset IS 'offset that is read next; of a partition that was never read, the beginning of its log';
COMMENT ON COLUMN streambatch.stat_partition.log_end IS 'end of the log (last stable offset), as last reported by the broker';
COMMENT ON COLUMN streambatch.stat_partition.lag IS 'offsets from next_offset to log_end; NULL: the partition is not read any more';
COMMENT ON COLUMN streambatch.stat_partition.max_event_time IS 'latest event time read; NULL: none, or the stream has no option event_time';
COMMENT ON COLUMN streambatch.stat_partition.log_end_at IS 'when the worker last learned the end of the log; NULL: not since the server started';
COMMENT ON COLUMN streambatch.stat_partition.reading IS 'false: the partition was read up to next_offset, and then removed from the option partitions';
COMMENT ON COLUMN streambatch.stat_stream.stream IS 'the stream';
COMMENT ON COLUMN streambatch.stat_stream.state IS 'state of the worker: stopped, starting, catching up, streaming, paused, reconnecting or error';
COMMENT ON COLUMN streambatch.stat_stream.pid IS 'process id of the worker; NULL: none runs';
COMMENT ON COLUMN streambatch.stat_stream.lag IS 'sum of the lags of the partitions, in offsets; NULL: no partition is known yet';
COMMENT ON COLUMN streambatch.stat_stream.watermark IS 'event time before which all events are assumed to have been seen, never later than now; NULL: none yet, or the stream has no option event_time';
COMMENT ON COLUMN streambatch.stat_stream.received IS 'messages read since the stream was first used: folded + filtered + dead + skipped';
COMMENT ON COLUMN streambatch.stat_stream.folded IS 'messages that at least one hybrid view has counted';
COMMENT ON COLUMN streambatch.stat_stream.filtered IS 'messages that passed the WHERE of no hybrid view';
COMMENT ON COLUMN streambatch.stat_stream.dead IS 'messages that are dead letters of the stream, or of a hybrid view and counted by none';
COMMENT ON COLUMN streambatch.stat_stream.skipped IS 'messages without payload (tombstones)';
COMMENT ON COLUMN streambatch.stat_stream.flushes IS 'transactions in which the worker made events visible';
COMMENT ON COLUMN streambatch.stat_stream.dead_letters IS 'dead letters that are kept, of the stream and of its hybrid views';
COMMENT ON COLUMN streambatch.stat_stream.flushed_at IS 'when the last flush ended; NULL: none yet';
COMMENT ON COLUMN streambatch.stat_stream.archive IS 'table that keeps the events; NULL: none, or the stream was never used';
COMMENT ON COLUMN streambatch.stat_stream.error_sqlstate IS 'SQLSTATE of what has stopped the worker or keeps it from going on; NULL: nothing';
COMMENT ON COLUMN streambatch.stat_stream.error_message IS 'message of that error; NULL: no error, or it may contain data that the user may not read';
COMMENT ON COLUMN streambatch.stat_stream.error_hint IS 'what to do about that error; NULL: no error or no hint';
COMMENT ON COLUMN streambatch.stat_stream.topic_epoch IS 'how often reading has started over with new positions; NULL: the stream was never used';
COMMENT ON COLUMN streambatch.dead_letter.stream IS 'the stream';
COMMENT ON COLUMN streambatch.dead_letter.view IS 'the only hybrid view that lacks the message; NULL: no view and no archive contains it';
COMMENT ON COLUMN streambatch.dead_letter.topic IS 'topic of the message';
COMMENT ON COLUMN streambatch.dead_letter.kafka_partition IS 'partition of the message';
COMMENT ON COLUMN streambatch.dead_letter.kafka_offset IS 'offset of the message';
COMMENT ON COLUMN streambatch.dead_letter.kafka_timestamp IS 'timestamp of the message; NULL: it has none';
COMMENT ON COLUMN streambatch.dead_letter.key IS 'key of the message, up to its first megabyte; NULL: it has none, or could not be unpacked';
COMMENT ON COLUMN streambatch.dead_letter.headers IS 'headers of the message, an array of {"key": …, "value": …}; NULL: it has none';
COMMENT ON COLUMN streambatch.dead_letter.payload IS 'payload of the message, up to its first megabyte; NULL: it could not be unpacked';
COMMENT ON COLUMN streambatch.dead_letter.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN streambatch.dead_letter.message IS 'message of the error';
COMMENT ON COLUMN streambatch.dead_letter.detail IS 'detail of the error; NULL: none';
COMMENT ON COLUMN streambatch.dead_letter.at IS 'when the dead letter was recorded';
COMMENT ON COLUMN streambatch.dead_letter.topic_epoch IS 'topic epoch that the position is of';
COMMENT ON COLUMN streambatch.gap.stream IS 'the stream';
COMMENT ON COLUMN streambatch.gap.kafka_partition IS 'partition of the offsets';
COMMENT ON COLUMN streambatch.gap.from_offset IS 'first offset that was missed';
COMMENT ON COLUMN streambatch.gap.to_offset IS 'first offset after the gap';
COMMENT ON COLUMN streambatch.gap.noticed_at IS 'when the worker noticed the gap';
COMMENT ON COLUMN streambatch.gap.action IS 'what was done: skip';
COMMENT ON COLUMN streambatch.gap.topic_epoch IS 'topic epoch that the offsets are of';

-- ------------------------------------------------------------------------------------------------------------------
-- Dumps
-- ------------------------------------------------------------------------------------------------------------------

ALTER TABLE streambatch._stream ADD names text[] CONSTRAINT restored_by_trigger CHECK (names[1] IS NULL);
ALTER TABLE streambatch._progress ADD COLUMN first_offset bigint;
ALTER TABLE streambatch._progress ADD names text[] CONSTRAINT restored_by_trigger CHECK (names IS NULL);
ALTER TABLE streambatch._view ADD names text[] CONSTRAINT restored_by_trigger CHECK (names IS NULL);
ALTER TABLE streambatch._run ADD names text[] CONSTRAINT restored_by_trigger CHECK (names IS NULL);
ALTER TABLE streambatch._dead_letter ADD names text[] CONSTRAINT restored_by_trigger CHECK (names IS NULL);
ALTER TABLE streambatch._gap ADD names text[] CONSTRAINT restored_by_trigger CHECK (names IS NULL);

CREATE FUNCTION streambatch._restore()
    RETURNS trigger AS 'MODULE_PATHNAME', 'streambatch_restore' LANGUAGE C;
COMMENT ON FUNCTION streambatch._restore() IS
    'internal: finds the relations of a row from a dump by their names; arguments of the trigger: the columns of these relations; pauses streams; leaves out rows of relations that do not exist';
REVOKE ALL ON FUNCTION streambatch._restore() FROM PUBLIC;

CREATE FUNCTION streambatch._database()
    RETURNS oid AS 'MODULE_PATHNAME', 'streambatch_database' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._database() IS 'internal: identifies this database among the databases of all servers; a hash of both';

CREATE TRIGGER _restore BEFORE INSERT ON streambatch._stream FOR EACH ROW WHEN (NEW.names IS NOT NULL)
    EXECUTE FUNCTION streambatch._restore('stream', 'archive');
CREATE TRIGGER _restore BEFORE INSERT ON streambatch._progress FOR EACH ROW WHEN (NEW.names IS NOT NULL)
    EXECUTE FUNCTION streambatch._restore('stream');
CREATE TRIGGER _restore BEFORE INSERT ON streambatch._view FOR EACH ROW WHEN (NEW.names IS NOT NULL)
    EXECUTE FUNCTION streambatch._restore('view', 'stream');
CREATE TRIGGER _restore BEFORE INSERT ON streambatch._run FOR EACH ROW WHEN (NEW.names IS NOT NULL)
    EXECUTE FUNCTION streambatch._restore('view');
CREATE TRIGGER _restore BEFORE INSERT ON streambatch._dead_letter FOR EACH ROW WHEN (NEW.names IS NOT NULL)
    EXECUTE FUNCTION streambatch._restore('stream', 'view');
CREATE TRIGGER _restore BEFORE INSERT ON streambatch._tracked FOR EACH ROW WHEN (NEW.names IS NOT NULL)
    EXECUTE FUNCTION streambatch._restore('view', 'relation');
CREATE TRIGGER _restore BEFORE INSERT ON streambatch._gap FOR EACH ROW WHEN (NEW.names IS NOT NULL)
    EXECUTE FUNCTION streambatch._restore('stream');
ALTER TABLE streambatch._stream ENABLE ALWAYS TRIGGER _restore;
ALTER TABLE streambatch._progress ENABLE ALWAYS TRIGGER _restore;
ALTER TABLE streambatch._view ENABLE ALWAYS TRIGGER _restore;
ALTER TABLE streambatch._run ENABLE ALWAYS TRIGGER _restore;
ALTER TABLE streambatch._dead_letter ENABLE ALWAYS TRIGGER _restore;
ALTER TABLE streambatch._gap ENABLE ALWAYS TRIGGER _restore;
ALTER TABLE streambatch._tracked ENABLE ALWAYS TRIGGER _restore;
COMMENT ON TRIGGER _restore ON streambatch._stream IS 'internal: restores a row from a dump';
COMMENT ON TRIGGER _restore ON streambatch._progress IS 'internal: restores a row from a dump';
COMMENT ON TRIGGER _restore ON streambatch._view IS 'internal: restores a row from a dump';
COMMENT ON TRIGGER _restore ON streambatch._run IS 'internal: restores a row from a dump';
COMMENT ON TRIGGER _restore ON streambatch._dead_letter IS 'internal: restores a row from a dump';
COMMENT ON TRIGGER _restore ON streambatch._gap IS 'internal: restores a row from a dump';
COMMENT ON TRIGGER _restore ON streambatch._tracked IS 'internal: restores a row from a dump';

CREATE FUNCTION streambatch._dump(relation regclass, VARIADIC columns text[]) RETURNS void LANGUAGE sql AS $$
-- pg_dump appends the condition to SELECT <all columns> FROM <table>: here an alias that hides some columns, and others in their place
SELECT pg_catalog.pg_extension_config_dump(relation, pg_catalog.format('AS r (%s), LATERAL (SELECT %s, ARRAY[%s] AS names) n', a.aliases, c.oids, c.names))
  FROM (SELECT pg_catalog.string_agg(CASE WHEN attname = ANY (columns || 'names'::text) THEN 'old_' ELSE '' END || attname, ', ' ORDER BY attnum) AS aliases
          FROM pg_catalog.pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped) a,
       (SELECT pg_catalog.string_agg(pg_catalog.format('old_%1$s::oid AS %1$s', name), ', ' ORDER BY i) AS oids,
               pg_catalog.string_agg(pg_catalog.format('coalesce(old_%s::text, old_names[%s])', name, i), ', ' ORDER BY i) AS names
          FROM pg_catalog.unnest(columns) WITH ORDINALITY AS u (name, i)) c
$$;
COMMENT ON FUNCTION streambatch._dump(regclass, text[]) IS
    'internal, for scripts of the extension: makes pg_dump dump a table, with the names of relations; columns: those of type regclass, as in the arguments of its trigger _restore';
REVOKE ALL ON FUNCTION streambatch._dump(regclass, text[]) FROM PUBLIC;

SELECT streambatch._dump('streambatch._stream', 'stream', 'archive');
SELECT streambatch._dump('streambatch._progress', 'stream');
SELECT streambatch._dump('streambatch._view', 'view', 'stream');
SELECT streambatch._dump('streambatch._run', 'view');
SELECT streambatch._dump('streambatch._dead_letter', 'stream', 'view');
SELECT streambatch._dump('streambatch._gap', 'stream');
SELECT streambatch._dump('streambatch._tracked', 'view', 'relation');
SELECT pg_catalog.pg_extension_config_dump('streambatch._coverage', '');
SELECT pg_catalog.pg_extension_config_dump('streambatch._dirty', '');
SELECT pg_catalog.pg_extension_config_dump('streambatch._view_id', '');
SELECT pg_catalog.pg_extension_config_dump('streambatch._run_id', '');

UPDATE streambatch._stream SET database = streambatch._database()
 WHERE database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database());

CREATE OR REPLACE VIEW streambatch.stat_stream WITH (security_barrier) AS
SELECT c.oid::regclass AS stream,
       CASE WHEN s.stream IS NULL THEN 'stopped'
            WHEN s.paused OR s.database <> streambatch._database() THEN 'paused'
            WHEN s.stop_lasts OR s.stop_sqlstate IS NOT NULL AND w.state IS NULL THEN 'error'
            ELSE coalesce(w.state, 'stopped') END AS state,
       w.pid,
       p.lag,
       greatest(s.watermark, CASE WHEN s.watermark_limit IS NOT NULL THEN least(s.watermark_limit, pg_catalog.now()) END) AS watermark,
       coalesce(s.received, 0) AS received,
       coalesce(s.folded, 0) AS folded,
       coalesce(s.filtered, 0) AS filtered,
       coalesce(s.dead, 0) AS dead,
       coalesce(s.skipped, 0) AS skipped,
       coalesce(s.flushes, 0) AS flushes,
       l.dead_letters,
       s.flushed_at,
       s.archive,
       e.error_sqlstate, e.error_message, e.error_hint,
       s.topic_epoch,
       s.archive_from
  FROM pg_catalog.pg_foreign_table f
  JOIN pg_catalog.pg_foreign_server v ON v.oid = f.ftserver
  JOIN pg_catalog.pg_foreign_data_wrapper d ON d.oid = v.srvfdw AND d.fdwname = 'streambatch_kafka'
  JOIN pg_catalog.pg_class c ON c.oid = f.ftrelid
  LEFT JOIN streambatch._stream s ON s.stream = c.oid
  LEFT JOIN streambatch._workers() w ON w.stream = c.oid
  LEFT JOIN LATERAL (SELECT count(*) AS dead_letters FROM streambatch._dead_letter WHERE stream = c.oid AND NOT discarded) l ON true
  -- what has stopped the worker is stored, because shared memory is lost with a restart
  LEFT JOIN LATERAL (SELECT w.error_sqlstate, w.error_message, w.error_hint
                      WHERE w.error_sqlstate IS NOT NULL AND NOT coalesce(s.stop_lasts, false)
                     UNION ALL
                     SELECT s.stop_sqlstate, s.stop_message, s.stop_hint
                      WHERE s.stop_sqlstate IS NOT NULL AND (w.error_sqlstate IS NULL OR s.stop_lasts)) e ON true
  LEFT JOIN (SELECT stream, sum(lag)::bigint AS lag FROM streambatch.stat_partition GROUP BY stream) p ON p.stream = c.oid
 WHERE pg_catalog.has_table_privilege(c.oid, 'SELECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');

COMMENT ON COLUMN streambatch.stat_stream.archive_from IS 'event time before which retain() has removed events from the archive; NULL: it has not';

COMMENT ON FUNCTION streambatch._on_start() IS
    'internal: refuses changes of the internal objects of hybrid views that would be committed, or hidden, at the end of the command; in a restored or upgraded database, adds the dependencies of hybrid views';
DROP EVENT TRIGGER streambatch_on_start;
CREATE EVENT TRIGGER streambatch_on_start ON ddl_command_start
    WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'CREATE INDEX', 'DROP INDEX', 'ALTER FOREIGN TABLE', 'DROP VIEW', 'DROP FOREIGN TABLE', 'DROP TABLE',
                 'DROP SCHEMA', 'DROP OWNED', 'DROP SERVER', 'DROP FOREIGN DATA WRAPPER', 'DROP TYPE', 'DROP DOMAIN', 'DROP FUNCTION',
                 'DROP PROCEDURE', 'DROP ROUTINE', 'DROP AGGREGATE', 'DROP OPERATOR', 'DROP COLLATION', 'DROP MATERIALIZED VIEW', 'DROP SEQUENCE',
                 'DROP EXTENSION')
    EXECUTE FUNCTION streambatch._on_start();
ALTER EVENT TRIGGER streambatch_on_start ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER streambatch_on_start IS 'refuses changes of the internal objects of hybrid views that would be committed, or hidden, at the end of the command; in a restored or upgraded database, adds the dependencies of hybrid views';

ALTER FUNCTION streambatch._state_in(cstring) STABLE;
ALTER FUNCTION streambatch._state_out(streambatch._state) STABLE;
COMMENT ON FUNCTION streambatch._state_in(cstring) IS 'internal: restores a state from a dump; raises feature_not_supported for anybody but superusers';
COMMENT ON FUNCTION streambatch._state_out(streambatch._state) IS 'internal: a hash of the functions of the aggregate, its argument types, and the bytes of the state in hexadecimal';

-- A literal in the place of the origin that is the name of a time zone: a hint
CREATE TYPE streambatch._origin;
CREATE FUNCTION streambatch._origin_in(cstring)
    RETURNS streambatch._origin AS 'MODULE_PATHNAME', 'streambatch_origin_in' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION streambatch._origin_out(streambatch._origin)
    RETURNS cstring AS 'MODULE_PATHNAME', 'streambatch_origin_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._origin_in(cstring) IS 'internal: a timestamp, with and without time zone; raises invalid_datetime_format, for the name of a time zone with the hint to use time_zone';
COMMENT ON FUNCTION streambatch._origin_out(streambatch._origin) IS 'internal: the timestamp with its offset';
CREATE TYPE streambatch._origin (INPUT = streambatch._origin_in, OUTPUT = streambatch._origin_out, INTERNALLENGTH = 16, ALIGNMENT = double, CATEGORY = 'S');
COMMENT ON TYPE streambatch._origin IS 'internal: the origin of a window, written as a literal';

CREATE FUNCTION streambatch.tumble(ts timestamptz, size interval, streambatch._origin)
    RETURNS timestamptz AS 'MODULE_PATHNAME', 'streambatch_tumble' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.tumble(ts timestamp, size interval, streambatch._origin)
    RETURNS timestamp AS 'MODULE_PATHNAME', 'streambatch_tumble' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.tumble(ts date, size interval, streambatch._origin)
    RETURNS date AS 'MODULE_PATHNAME', 'streambatch_tumble' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch.tumble(timestamptz, interval, streambatch._origin) IS 'as with an origin of type timestamptz, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.tumble(timestamp, interval, streambatch._origin) IS 'as with an origin of type timestamp, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.tumble(date, interval, streambatch._origin) IS 'as with an origin of type date, in UTC; raises for the name of a time zone, with a hint';
CREATE FUNCTION streambatch.tumble_end(ts timestamptz, size interval, streambatch._origin)
    RETURNS timestamptz AS 'MODULE_PATHNAME', 'streambatch_tumble_end' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.tumble_end(ts timestamp, size interval, streambatch._origin)
    RETURNS timestamp AS 'MODULE_PATHNAME', 'streambatch_tumble_end' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.tumble_end(ts date, size interval, streambatch._origin)
    RETURNS date AS 'MODULE_PATHNAME', 'streambatch_tumble_end' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch.tumble_end(timestamptz, interval, streambatch._origin) IS 'as with an origin of type timestamptz, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.tumble_end(timestamp, interval, streambatch._origin) IS 'as with an origin of type timestamp, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.tumble_end(date, interval, streambatch._origin) IS 'as with an origin of type date, in UTC; raises for the name of a time zone, with a hint';
CREATE FUNCTION streambatch.hop(ts timestamptz, slide interval, size interval, streambatch._origin)
    RETURNS SETOF timestamptz AS 'MODULE_PATHNAME', 'streambatch_hop' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
CREATE FUNCTION streambatch.hop(ts timestamp, slide interval, size interval, streambatch._origin)
    RETURNS SETOF timestamp AS 'MODULE_PATHNAME', 'streambatch_hop' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
CREATE FUNCTION streambatch.hop(ts date, slide interval, size interval, streambatch._origin)
    RETURNS SETOF date AS 'MODULE_PATHNAME', 'streambatch_hop' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
COMMENT ON FUNCTION streambatch.hop(timestamptz, interval, interval, streambatch._origin) IS 'as with an origin of type timestamptz, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.hop(timestamp, interval, interval, streambatch._origin) IS 'as with an origin of type timestamp, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.hop(date, interval, interval, streambatch._origin) IS 'as with an origin of type date, in UTC; raises for the name of a time zone, with a hint';
CREATE FUNCTION streambatch.hop_end(ts timestamptz, slide interval, size interval, streambatch._origin)
    RETURNS SETOF timestamptz AS 'MODULE_PATHNAME', 'streambatch_hop_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
CREATE FUNCTION streambatch.hop_end(ts timestamp, slide interval, size interval, streambatch._origin)
    RETURNS SETOF timestamp AS 'MODULE_PATHNAME', 'streambatch_hop_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
CREATE FUNCTION streambatch.hop_end(ts date, slide interval, size interval, streambatch._origin)
    RETURNS SETOF date AS 'MODULE_PATHNAME', 'streambatch_hop_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
COMMENT ON FUNCTION streambatch.hop_end(timestamptz, interval, interval, streambatch._origin) IS 'as with an origin of type timestamptz, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.hop_end(timestamp, interval, interval, streambatch._origin) IS 'as with an origin of type timestamp, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.hop_end(date, interval, interval, streambatch._origin) IS 'as with an origin of type date, in UTC; raises for the name of a time zone, with a hint';
CREATE FUNCTION streambatch.cumulate(ts timestamptz, step interval, size interval, streambatch._origin)
    RETURNS SETOF timestamptz AS 'MODULE_PATHNAME', 'streambatch_cumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
CREATE FUNCTION streambatch.cumulate(ts timestamp, step interval, size interval, streambatch._origin)
    RETURNS SETOF timestamp AS 'MODULE_PATHNAME', 'streambatch_cumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
CREATE FUNCTION streambatch.cumulate(ts date, step interval, size interval, streambatch._origin)
    RETURNS SETOF date AS 'MODULE_PATHNAME', 'streambatch_cumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
COMMENT ON FUNCTION streambatch.cumulate(timestamptz, interval, interval, streambatch._origin) IS 'as with an origin of type timestamptz, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.cumulate(timestamp, interval, interval, streambatch._origin) IS 'as with an origin of type timestamp, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.cumulate(date, interval, interval, streambatch._origin) IS 'as with an origin of type date, in UTC; raises for the name of a time zone, with a hint';
CREATE FUNCTION streambatch.cumulate_end(ts timestamptz, step interval, size interval, streambatch._origin)
    RETURNS SETOF timestamptz AS 'MODULE_PATHNAME', 'streambatch_cumulate_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
CREATE FUNCTION streambatch.cumulate_end(ts timestamp, step interval, size interval, streambatch._origin)
    RETURNS SETOF timestamp AS 'MODULE_PATHNAME', 'streambatch_cumulate_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
CREATE FUNCTION streambatch.cumulate_end(ts date, step interval, size interval, streambatch._origin)
    RETURNS SETOF date AS 'MODULE_PATHNAME', 'streambatch_cumulate_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
COMMENT ON FUNCTION streambatch.cumulate_end(timestamptz, interval, interval, streambatch._origin) IS 'as with an origin of type timestamptz, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.cumulate_end(timestamp, interval, interval, streambatch._origin) IS 'as with an origin of type timestamp, in UTC; raises for the name of a time zone, with a hint';
COMMENT ON FUNCTION streambatch.cumulate_end(date, interval, interval, streambatch._origin) IS 'as with an origin of type date, in UTC; raises for the name of a time zone, with a hint';

CREATE FUNCTION streambatch._quantile(sketch bytea, fraction double precision, type anyelement, digest_type anycompatible, discrete boolean, descending boolean)
    RETURNS anyelement AS 'MODULE_PATHNAME', 'streambatch_quantile' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._quantiles(sketch bytea, fractions double precision[], type anyelement, digest_type anycompatible, discrete boolean, descending boolean)
    RETURNS anyarray AS 'MODULE_PATHNAME', 'streambatch_quantiles' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._holds_all(sketch anyelement)
    RETURNS boolean AS 'MODULE_PATHNAME', 'streambatch_holds_all' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._quantile(bytea, double precision, anyelement, anycompatible, boolean, boolean) IS
    'internal: a percentile of a list of values or a t-digest from state tables; type: a NULL of the result type; digest_type: a NULL of type tdigest; NULL for a NULL sketch; raises invalid_binary_representation if the bytes are not a sketch made by _sketch';
COMMENT ON FUNCTION streambatch._quantiles(bytea, double precision[], anyelement, anycompatible, boolean, boolean) IS
    'internal: percentiles of a list of values or a t-digest; type: a NULL of the element type of the result';
COMMENT ON FUNCTION streambatch._holds_all(anyelement) IS
    'internal: whether a sketch has every value, so that what is computed from it is exact; NULL for NULL';
COMMENT ON AGGREGATE streambatch._sketch_merge(anyelement) IS 'internal: the union of sketches';
COMMENT ON AGGREGATE streambatch._sketch(anyelement, anycompatible) IS
    'internal: a sketch of the values that are not NULL; type: a NULL of type hll (HyperLogLog, of hashes), tdigest (t-digest, of double precision) or bytea (a list of up to 320 values, then a t-digest as bytes); NULL if there are no values';

-- ------------------------------------------------------------------------------------------------------------------
-- The batch layer
-- ------------------------------------------------------------------------------------------------------------------

DROP PROCEDURE streambatch.refresh(regclass, timestamptz, timestamptz, boolean);
CREATE PROCEDURE streambatch.refresh(view regclass, "from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL,
                                     "full" boolean DEFAULT false, force boolean DEFAULT false, newest_first boolean DEFAULT false)
    AS 'MODULE_PATHNAME', 'streambatch_refresh' LANGUAGE C;
COMMENT ON PROCEDURE streambatch.refresh(regclass, timestamptz, timestamptz, boolean, boolean, boolean) IS
    'recomputes the windows in [from, to) exactly from the archive, committing after each chunk; NULL from: since the beginning; NULL to: up to the watermark; both NULL: the windows that have ended and are not covered yet or have changed; full: all windows in the range; force: also windows whose events have left the archive, computed from what it holds; newest_first: the latest windows first; raises null_value_not_allowed for a NULL view or flag, active_sql_transaction inside a transaction block';

CREATE FUNCTION streambatch.set_source(view regclass, source text)
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_set_source' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION streambatch.set_source(regclass, text) IS
    'sets what refreshes of a hybrid view compute from: archive, log (the stream''s topic), or the name of a relation with the columns of the stream; NULL: the archive, or if the stream has none the log; raises undefined_table, undefined_column, datatype_mismatch or wrong_object_type for a source that cannot be read';

CREATE PROCEDURE streambatch.rebuild(view regclass, query text DEFAULT NULL, source text DEFAULT 'archive', force boolean DEFAULT false)
    AS 'MODULE_PATHNAME', 'streambatch_rebuild' LANGUAGE C;
COMMENT ON PROCEDURE streambatch.rebuild(regclass, text, text, boolean) IS
    'computes a hybrid view anew, by another query if one is given, while readers see what there was, and replaces it in one transaction; query: of the same stream, with the columns of the view, and perhaps more at the end; NULL: the present one; source: archive, log (the topic from its beginning) or the name of a relation; force: even if the log no longer holds all events; raises invalid_table_definition for other columns, object_in_use while the view is refreshed, active_sql_transaction inside a transaction block; after an error nothing has changed';

-- ------------------------------------------------------------------------------------------------------------------
-- Progress, schedules and drift
-- ------------------------------------------------------------------------------------------------------------------

-- The state of a run that was killed stays "running". A run is alive while its session holds the refresh lock of the view.
CREATE OR REPLACE VIEW streambatch.stat_progress_refresh WITH (security_barrier) AS
SELECT l.pid, r.id, r.view,
       coalesce(r.phase, CASE WHEN r.chunks = 0 THEN 'planning' ELSE 'computing' END) AS phase,
       r.chunks_done, r.chunks AS chunks_total, r.rows, r.started_at,
       CASE WHEN r.chunks_done > 0 THEN greatest(r.started_at + t.passed * (r.chunks::float8 / r.chunks_done), pg_catalog.clock_timestamp()) END AS expected_end,
       r.kind,
       CASE WHEN r.panes IS NOT NULL THEN r.panes_done END AS panes_done, r.panes AS panes_total,
       CASE WHEN t.seconds > 0 THEN r.rows / t.seconds END AS rows_per_second,
       CASE WHEN t.seconds > 0 AND r.panes IS NOT NULL THEN r.panes_done / t.seconds END AS panes_per_second,
       CASE WHEN r.panes_done > 0 AND r.panes >= r.panes_done THEN pg_catalog.round(r.rows::numeric * r.panes / r.panes_done)::bigint END AS rows_total
  FROM streambatch._run r
  JOIN pg_catalog.pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.classid = r.view_id::oid AND l.objid = 0 AND l.objsubid = 3
  JOIN pg_catalog.pg_database d ON d.oid = l.database AND d.datname = pg_catalog.current_database(),
       -- until the last chunk was done; NULL: none is
       LATERAL (SELECT r.progress_at - r.started_at AS passed, extract(epoch FROM r.progress_at - r.started_at)::float8 AS seconds) t
 WHERE r.state = 'running' AND r.kind <> 'outside'
   AND (pg_catalog.has_table_privilege(r.view::oid, 'SELECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'));
COMMENT ON VIEW streambatch.stat_progress_refresh IS
    'runs of the batch layer in progress: pid of the session, phase, chunks and panes done and total, rows of states written, rates, expected end';
COMMENT ON COLUMN streambatch.stat_progress_refresh.pid IS 'process id of the session of the run';
COMMENT ON COLUMN streambatch.stat_progress_refresh.id IS 'number of the run, as in refresh_history';
COMMENT ON COLUMN streambatch.stat_progress_refresh.view IS 'the hybrid view';
COMMENT ON COLUMN streambatch.stat_progress_refresh.phase IS 'planning, computing, or a phase of a run of another kind';
COMMENT ON COLUMN streambatch.stat_progress_refresh.chunks_done IS 'transactions done';
COMMENT ON COLUMN streambatch.stat_progress_refresh.chunks_total IS 'transactions planned; 0 while planning';
COMMENT ON COLUMN streambatch.stat_progress_refresh.rows IS 'rows of states written';
COMMENT ON COLUMN streambatch.stat_progress_refresh.started_at IS 'when the run began';
COMMENT ON COLUMN streambatch.stat_progress_refresh.expected_end IS 'when it will end, estimated from the chunks done so far; NULL: none is done';
COMMENT ON COLUMN streambatch.stat_progress_refresh.kind IS 'what runs, as in refresh_history';
COMMENT ON COLUMN streambatch.stat_progress_refresh.panes_done IS 'panes of the chunks that are done; NULL: panes_total is not known';
COMMENT ON COLUMN streambatch.stat_progress_refresh.panes_total IS 'panes (windows, or the parts that overlapping windows are made of) to compute, with and without events, of ranges without a limit about from the first to the last event; NULL: not known, or the view has no window';
COMMENT ON COLUMN streambatch.stat_progress_refresh.rows_per_second IS 'rows of states written per second, up to the last chunk that is done; NULL: none is';
COMMENT ON COLUMN streambatch.stat_progress_refresh.panes_per_second IS 'panes computed per second, up to the last chunk that is done; NULL: none is, or panes_total is not known';
COMMENT ON COLUMN streambatch.stat_progress_refresh.rows_total IS 'rows of states that will be written, estimated from those of the panes done so far; NULL: none is, or panes_total is not known';

CREATE PROCEDURE streambatch.refresh_all(stream regclass DEFAULT NULL, "from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL,
                                         "full" boolean DEFAULT false, force boolean DEFAULT false, newest_first boolean DEFAULT false)
    AS 'MODULE_PATHNAME', 'streambatch_refresh_all' LANGUAGE C;
COMMENT ON PROCEDURE streambatch.refresh_all(regclass, timestamptz, timestamptz, boolean, boolean, boolean) IS
    'refreshes the hybrid views that the caller owns, of one stream or of all, one after the other, each as refresh() does; one that fails is a warning, and the others are refreshed; raises, at the end, the SQLSTATE of the first that failed; raises null_value_not_allowed for a NULL flag, active_sql_transaction inside a transaction block';

CREATE FUNCTION streambatch.schedule(view regclass DEFAULT NULL, cron text DEFAULT NULL, "full" boolean DEFAULT false, last interval DEFAULT NULL)
    RETURNS bigint AS 'MODULE_PATHNAME', 'streambatch_schedule' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION streambatch.schedule(regclass, text, boolean, interval) IS
    'makes, or replaces, a job of pg_cron that refreshes a hybrid view, or all that the caller owns (NULL), and returns its number; cron: when, as pg_cron takes it; full: all windows; last: all windows of the time before now; otherwise those that have ended and are not covered yet or have changed; restricted to the owner of the view; raises object_not_in_prerequisite_state where pg_cron is not installed in this database';

CREATE FUNCTION streambatch.unschedule(view regclass DEFAULT NULL)
    RETURNS int AS 'MODULE_PATHNAME', 'streambatch_unschedule' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION streambatch.unschedule(regclass) IS
    'removes the jobs that the caller has made with schedule() for a hybrid view, or for all (NULL), and returns their number; restricted to the owner of the view; raises object_not_in_prerequisite_state where pg_cron is not installed in this database';

CREATE FUNCTION streambatch._view_of(id int)
    RETURNS regclass AS 'MODULE_PATHNAME', 'streambatch_view_of' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION streambatch._view_of(int) IS
    'internal, for jobs: the hybrid view with an id, which no ALTER and no dump changes; NULL for NULL; raises undefined_table if there is none';

-- ------------------------------------------------------------------------------------------------------------------
-- Engines outside (src/batch/outside_*.c)
-- ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION streambatch.begin_batch(view regclass, "from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL,
                                        OUT id bigint, OUT topic text, OUT cut bigint[], OUT topic_epoch int,
                                        OUT from_time timestamptz, OUT to_time timestamptz, OUT query text, OUT staging regclass)
    AS 'MODULE_PATHNAME', 'streambatch_begin_batch' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION streambatch.begin_batch(regclass, timestamptz, timestamptz) IS
    'takes a cut for an engine outside of PostgreSQL, and returns what the engine needs to compute the windows in [from, to): the topic, and the next offset of partition i at index i + 1 (NULL: not read), below which its events are; the range in whole panes (NULL: no limit); the query in portable SQL, over a relation "events"; the table that takes its result. NULL from: since the beginning; NULL to: up to the watermark; raises null_value_not_allowed for a NULL view, feature_not_supported for what other engines cannot compute';

CREATE FUNCTION streambatch.publish_batch(id bigint)
    RETURNS bigint AS 'MODULE_PATHNAME', 'streambatch_publish_batch' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION streambatch.publish_batch(bigint) IS
    'replaces the windows of a batch by the rows of its staging table, as of its cut, drops the table, and returns the number of rows; NULL for NULL; raises object_not_in_prerequisite_state if windows of the range were computed as of a later cut, object_in_use during a refresh of the view, check_violation or unique_violation for a row that cannot be published, no_data for an empty table';

CREATE FUNCTION streambatch.abandon_batch(id bigint)
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_abandon_batch' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION streambatch.abandon_batch(bigint) IS
    'ends a batch without a change of its hybrid view, and drops its staging table; NULL for NULL; raises object_not_in_prerequisite_state if the batch is not open';

CREATE VIEW streambatch.stat_drift WITH (security_barrier) AS
SELECT r.id, r.view, r.kind, r.started_at, r.compared, r.differed AS windows_differed, d.column_name, d.differed, d.largest AS largest_difference,
       -- they contain data
       CASE WHEN pg_catalog.has_table_privilege(r.view::oid, 'SELECT') THEN d.examples END AS examples
  FROM streambatch._run r,
       LATERAL (SELECT c ->> 'column' AS column_name, (c ->> 'differed')::bigint AS differed, (c ->> 'largest')::float8 AS largest, c -> 'examples' AS examples
                  FROM pg_catalog.jsonb_array_elements(r.drift) c) d
 WHERE pg_catalog.has_table_privilege(r.view::oid, 'SELECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
COMMENT ON VIEW streambatch.stat_drift IS
    'how much the values that runs of the batch layer computed differ from those that the view returned before; one row per run and output column with aggregates';
COMMENT ON COLUMN streambatch.stat_drift.id IS 'number of the run, as in refresh_history';
COMMENT ON COLUMN streambatch.stat_drift.view IS 'the hybrid view';
COMMENT ON COLUMN streambatch.stat_drift.kind IS 'what ran, as in refresh_history';
COMMENT ON COLUMN streambatch.stat_drift.started_at IS 'when the run began';
COMMENT ON COLUMN streambatch.stat_drift.compared IS 'windows of a key (of overlapping windows: panes) that the run has computed, or that were there before';
COMMENT ON COLUMN streambatch.stat_drift.windows_differed IS 'those of which at least one column differs, or that were there only before or only afterwards';
COMMENT ON COLUMN streambatch.stat_drift.column_name IS 'output column of the view';
COMMENT ON COLUMN streambatch.stat_drift.differed IS 'windows of which this column differs; of floating-point numbers, by more than rounding';
COMMENT ON COLUMN streambatch.stat_drift.largest_difference IS 'largest difference of a number, relative to the new value, or to the old one where the new one is 0; NULL: none differs, or they are not numbers';
COMMENT ON COLUMN streambatch.stat_drift.examples IS 'up to ten of the windows that differ, with the largest differences: an array of {"keys": …, "old": …, "new": …}; NULL: the user may not SELECT from the view';
GRANT SELECT ON streambatch.stat_drift TO PUBLIC;

CREATE FUNCTION streambatch.change_archive(stream regclass, archive regclass, force boolean DEFAULT false)
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_change_archive' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION streambatch.change_archive(regclass, regclass, boolean) IS
    'makes another table, for example a partitioned one, the archive of a paused stream; it must contain the same events, by number and last offset of each partition; force: it may contain others, and all windows are marked to be computed; for the stream''s owner; raises null_value_not_allowed for NULL, object_not_in_prerequisite_state if the stream is not paused or the events differ, object_in_use while a view is refreshed';

CREATE FUNCTION streambatch.track(view regclass, relation regclass)
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_track' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION streambatch.track(regclass, regclass) IS
    'from now on, changes of a table that a hybrid view joins mark all of its windows, so that the next refresh computes them; for the view''s owner, who needs TRIGGER on the table; raises null_value_not_allowed for NULL, invalid_parameter_value for a relation that the view does not join';

CREATE FUNCTION streambatch.untrack(view regclass, relation regclass)
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_untrack' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION streambatch.untrack(regclass, regclass) IS
    'ends what track() began; a notice if it had not; for the view''s owner; raises null_value_not_allowed for NULL';

CREATE FUNCTION streambatch.retain(stream regclass, keep interval)
    RETURNS bigint AS 'MODULE_PATHNAME', 'streambatch_retain' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION streambatch.retain(regclass, interval) IS
    'removes from the archive of a stream events older than keep, by their event time, that the batch layer of every hybrid view contains, and returns their number; drops partitions of an archive that is partitioned by the event time, else deletes rows; a notice names the view for which others are kept; windows before stat_stream.archive_from are then computed by force only; for the stream''s owner; raises null_value_not_allowed for NULL, invalid_parameter_value for an interval that is negative or infinite, object_in_use while a view is refreshed';

-- from now on, changes of archives are noticed
CREATE FUNCTION streambatch._track_archives()
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_track_archives' LANGUAGE C VOLATILE;
SELECT streambatch._track_archives();
DROP FUNCTION streambatch._track_archives();

-- Aggregates whose value is again a state: what a server combines before another one reads it (src/serve/states_view.c)
CREATE FUNCTION streambatch._gather_add(internal, regprocedure, anyelement, VARIADIC "any")
    RETURNS internal AS 'MODULE_PATHNAME', 'streambatch_gather_add' LANGUAGE C IMMUTABLE;
CREATE FUNCTION streambatch._gather_end(internal, regprocedure, anyelement, VARIADIC "any")
    RETURNS anyelement AS 'MODULE_PATHNAME', 'streambatch_gather_end' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION streambatch._gather_add(internal, regprocedure, anyelement, VARIADIC "any") IS 'internal: transition function of the aggregate _gather';
COMMENT ON FUNCTION streambatch._gather_end(internal, regprocedure, anyelement, VARIADIC "any") IS 'internal: final function of the aggregate _gather';
CREATE AGGREGATE streambatch._gather(aggregate regprocedure, state anyelement, VARIADIC arguments "any")
    (SFUNC = streambatch._gather_add, STYPE = internal, SSPACE = 256, FINALFUNC = streambatch._gather_end, FINALFUNC_EXTRA, FINALFUNC_MODIFY = READ_WRITE);
CREATE AGGREGATE streambatch._first_gather(state bytea) (SFUNC = streambatch._first_combine, STYPE = bytea, COMBINEFUNC = streambatch._first_combine, PARALLEL = SAFE);
CREATE AGGREGATE streambatch._last_gather(state bytea) (SFUNC = streambatch._last_combine, STYPE = bytea, COMBINEFUNC = streambatch._last_combine, PARALLEL = SAFE);
CREATE AGGREGATE streambatch._sketch_gather(sketch anyelement)
    (SFUNC = streambatch._sketch_combine, STYPE = anyelement, COMBINEFUNC = streambatch._sketch_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE streambatch._gather(regprocedure, anyelement, VARIADIC "any") IS
    'internal: the state of an aggregate from stored states; state: a NULL of the type of the state; arguments: the state, then a NULL of each argument type of the aggregate; raises insufficient_privilege if the caller may not execute the aggregate';
COMMENT ON AGGREGATE streambatch._first_gather(bytea) IS 'internal: the state of first() from a column of its states';
COMMENT ON AGGREGATE streambatch._last_gather(bytea) IS 'internal: the state of last() from a column of its states';
COMMENT ON AGGREGATE streambatch._sketch_gather(anyelement) IS 'internal: the union of sketches, as they are stored';

-- ------------------------------------------------------------------------------------------------------------------
-- Several servers (src/serve/states_view.c, src/serve/merged_view.c)
-- ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION streambatch.start_at(stream regclass, kafka_partition int, kafka_offset bigint)
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_start_at' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION streambatch.start_at(regclass, int, bigint) IS
    'sets where a stream begins to read a partition that it has not read yet, for a partition that another server has read up to there; restricted to the owner of the stream; NULL for a NULL argument; raises object_not_in_prerequisite_state if the stream has read the partition';

CREATE FUNCTION streambatch.create_states_view(view regclass)
    RETURNS regclass AS 'MODULE_PATHNAME', 'streambatch_create_states_view' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION streambatch.create_states_view(regclass) IS
    'creates the view <view>_states, through which another server reads the states of a hybrid view, and returns it; restricted to the owner of the hybrid view; NULL for NULL; raises feature_not_supported for states that only the server that made them can read';

CREATE FUNCTION streambatch.create_merged_view(name text, servers name[], view text DEFAULT NULL)
    RETURNS regclass AS 'MODULE_PATHNAME', 'streambatch_create_merged_view' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION streambatch.create_merged_view(text, name[], text) IS
    'creates a view, and <name>_layers, that merges the states of a hybrid view of several servers that share a topic, and returns it; servers: foreign servers of postgres_fdw; view: name of the hybrid view on them (default: the same name and schema); raises invalid_parameter_value if their queries or settings differ or if they read the same partitions';

CREATE FUNCTION streambatch._states_definition(view regclass)
    RETURNS text[] AS 'MODULE_PATHNAME', 'streambatch_states_definition' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION streambatch._states_definition(regclass) IS
    'internal: query, settings, SQL of a merged view and of its layers, and name, type and collation of each column of states; NULL for NULL; raises insufficient_privilege if the user may not SELECT from the hybrid view';

CREATE VIEW streambatch.states_view WITH (security_barrier) AS
SELECT n.nspname AS view_schema, c.relname AS view_name, m.nspname AS states_schema, l.relname AS states_name, l.attname AS definition_column,
       streambatch._states_definition(v.view) AS definition,
       (SELECT option_value FROM pg_catalog.pg_options_to_table(f.ftoptions) WHERE option_name = 'topic') AS topic,
       (SELECT option_value FROM pg_catalog.pg_options_to_table(f.ftoptions) WHERE option_name = 'partitions') AS partitions,
       (SELECT pg_catalog.array_agg(pg_catalog.format('%s:%s-%s', kafka_partition, coalesce(first_offset, 0), next_offset) ORDER BY kafka_partition)
          FROM streambatch._progress WHERE stream = v.stream) AS positions,
       t.flushed_at, t.watermark
  FROM streambatch._view v
  JOIN pg_catalog.pg_class c ON c.oid = v.view
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN streambatch._stream_as_of t ON t.view_id = v.id
  JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = v.stream
  JOIN LATERAL (SELECT l.oid, l.relname, l.relnamespace, a.attname
                  FROM pg_catalog.pg_class k
                  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = k.oid
                  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
                  JOIN pg_catalog.pg_class l ON l.oid = r.ev_class AND l.relowner = c.relowner AND l.relnamespace <> k.relnamespace
                  JOIN pg_catalog.pg_attribute a ON a.attrelid = l.oid AND a.attname ~ '^definition_[0-9a-f]{16}$'
                 WHERE k.relname = 'clock_' || v.id AND k.relnamespace = 'streambatch_state'::pg_catalog.regnamespace
                 ORDER BY l.oid LIMIT 1) l ON true
  JOIN pg_catalog.pg_namespace m ON m.oid = l.relnamespace
 WHERE pg_catalog.has_table_privilege(v.view::oid, 'SELECT') AND pg_catalog.has_table_privilege(l.oid, 'SELECT');
COMMENT ON VIEW streambatch.states_view IS
    'one row per hybrid view with a view of its states, both of which the user may SELECT from: what create_merged_view() on another server needs to know';
COMMENT ON COLUMN streambatch.states_view.view_schema IS 'schema of the hybrid view';
COMMENT ON COLUMN streambatch.states_view.view_name IS 'name of the hybrid view';
COMMENT ON COLUMN streambatch.states_view.states_schema IS 'schema of the view of its states';
COMMENT ON COLUMN streambatch.states_view.states_name IS 'name of the view of its states';
COMMENT ON COLUMN streambatch.states_view.definition_column IS 'name of the column that identifies the definition, for those who read the states';
COMMENT ON COLUMN streambatch.states_view.definition IS 'query, settings, SQL of a merged view and of its layers, and name, type and collation of each column of states';
COMMENT ON COLUMN streambatch.states_view.topic IS 'topic of the stream';
COMMENT ON COLUMN streambatch.states_view.partitions IS 'partitions that the stream reads, as in its option; NULL: all';
COMMENT ON COLUMN streambatch.states_view.positions IS 'of each partition that was read, number, first and next offset, as 3:0-120; NULL: none was';
COMMENT ON COLUMN streambatch.states_view.flushed_at IS 'when the last flush of the stream ended; NULL: none yet';
COMMENT ON COLUMN streambatch.states_view.watermark IS 'watermark of the stream; NULL: none yet';
GRANT SELECT ON streambatch.states_view TO PUBLIC;

REVOKE ALL ON FUNCTION streambatch._gather_add(internal, regprocedure, anyelement, VARIADIC "any"), streambatch._gather_end(internal, regprocedure, anyelement, VARIADIC "any")
    FROM PUBLIC;

-- ------------------------------------------------------------------------------------------------------------------
-- Reading the archive (src/batch)
-- ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION streambatch._below_cut(cut bigint[], kafka_partition int, kafka_offset bigint)
    RETURNS boolean AS 'MODULE_PATHNAME', 'streambatch_below_cut' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._below_cut(bigint[], int, bigint) IS
    'internal: whether an offset is below that of its partition in a cut, whose elements are offsets by partition; NULL if the partition is not in the cut';

CREATE FUNCTION streambatch._in_ranges("time" anyelement, from_times timestamptz[], to_times timestamptz[])
    RETURNS boolean AS 'MODULE_PATHNAME', 'streambatch_in_ranges' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._in_ranges(anyelement, timestamptz[], timestamptz[]) IS
    'internal: whether a timestamptz, or a timestamp or date in UTC, is in one of the ranges, which are in ascending order; a block range index over it finds the rows';

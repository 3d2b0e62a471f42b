/* pg_streambatch--0.2.0.sql: the objects that CREATE EXTENSION creates */

-- complain if the script is run by hand
\echo Use "CREATE EXTENSION pg_streambatch" to load this file. \quit

CREATE SCHEMA streambatch;
CREATE SCHEMA streambatch_state;
COMMENT ON SCHEMA streambatch IS 'pg_streambatch: functions, procedures and views';
COMMENT ON SCHEMA streambatch_state IS 'pg_streambatch: the states of hybrid views; internal';
GRANT USAGE ON SCHEMA streambatch TO PUBLIC;
GRANT USAGE ON SCHEMA streambatch_state TO PUBLIC;

-- ------------------------------------------------------------------------------------------------------------------
-- Streams (src/stream)
-- ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION streambatch._fdw_handler() RETURNS pg_catalog.fdw_handler
    AS 'MODULE_PATHNAME', 'streambatch_fdw_handler' LANGUAGE C STRICT;
COMMENT ON FUNCTION streambatch._fdw_handler() IS 'handler of the foreign data wrapper streambatch_kafka';

CREATE FUNCTION streambatch._fdw_validator(options pg_catalog.text[], catalog pg_catalog.oid) RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'streambatch_fdw_validator' LANGUAGE C STRICT;
COMMENT ON FUNCTION streambatch._fdw_validator(pg_catalog.text[], pg_catalog.oid) IS
    'checks the options of a server, user mapping, foreign table or column; raises fdw_invalid_option_name or a related error';

REVOKE ALL ON FUNCTION streambatch._fdw_handler() FROM PUBLIC;
REVOKE ALL ON FUNCTION streambatch._fdw_validator(pg_catalog.text[], pg_catalog.oid) FROM PUBLIC;

CREATE FOREIGN DATA WRAPPER streambatch_kafka
    HANDLER streambatch._fdw_handler VALIDATOR streambatch._fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER streambatch_kafka IS
    'Kafka topics as foreign tables, for ad hoc queries and as streams of hybrid views; creating a server requires USAGE';

CREATE FUNCTION streambatch.decode(base anyelement, payload bytea, key bytea DEFAULT NULL)
	RETURNS anyelement
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'streambatch_decode';
COMMENT ON FUNCTION streambatch.decode(anyelement, bytea, bytea) IS
	'decodes the payload of a message into a row of a stream; base: a NULL of the stream''s row type, for example NULL::events; metadata columns other than key and topic are NULL; NULL for a NULL payload; raises the error that would make the message a dead letter';

-- ------------------------------------------------------------------------------------------------------------------
-- Catalog (src/common/catalog_*.c)
-- ------------------------------------------------------------------------------------------------------------------

-- One row per stream that has, or had, a worker. Each flush and each cut locks this row first.
CREATE TABLE streambatch._stream (
    stream      regclass PRIMARY KEY,
    generation  bigint NOT NULL DEFAULT 0,      -- raised whenever the set of views changes
    archive     regclass UNIQUE,                -- NULL: archive 'none'
    resumed     boolean NOT NULL DEFAULT false, -- by resume() without hybrid views: runs for its archive
    paused      boolean NOT NULL DEFAULT false, -- by pause()
    database    oid NOT NULL,                   -- _database() where it was made or last resumed: in a copy of that database it is paused
    started     boolean NOT NULL DEFAULT false, -- its first positions are stored: partitions added later are read from their beginning
    topic       text NOT NULL,                  -- that the positions are of
    topic_epoch int NOT NULL DEFAULT 0,         -- raised when reading starts over: for another topic, or by reset()
    stop_sqlstate text,                         -- what stopped the worker; NULL: nothing
    stop_message text,
    stop_hint   text,
    stop_lasts  boolean NOT NULL DEFAULT false, -- it stays stopped until the next topic epoch
    watermark   timestamptz,                    -- as of the last flush; since then it moves with the clock, up to the limit (src/worker/watermark.c)
    watermark_limit timestamptz,
    received    bigint NOT NULL DEFAULT 0,
    folded      bigint NOT NULL DEFAULT 0,
    filtered    bigint NOT NULL DEFAULT 0,
    dead        bigint NOT NULL DEFAULT 0,
    skipped     bigint NOT NULL DEFAULT 0,      -- tombstones
    flushes     bigint NOT NULL DEFAULT 0,
    flushed_at  timestamptz,
    settings    text[] NOT NULL,                -- name, value, …: settings that text conversion depends on, as of the stream's first use
    archive_from timestamptz,                   -- retain() has removed events before it from the archive; NULL: it has not
    names       text[]                          -- of stream and archive, in a dump (below); otherwise only that of an archive not restored yet
                CONSTRAINT restored_by_trigger CHECK (names[1] IS NULL)
) WITH (fillfactor = 50);

-- The next offset to read of each partition, updated in the transaction that writes what was read.
CREATE TABLE streambatch._progress (
    stream          regclass NOT NULL,
    kafka_partition int NOT NULL,
    next_offset     bigint NOT NULL,
    log_end         bigint,                     -- last stable offset that the broker reported last
    max_event_time  timestamptz,
    last_offset     bigint,                     -- the fingerprint of the last message that was taken
    last_timestamp  timestamptz,
    last_hash       bigint,                     -- of its key and payload
    first_offset    bigint,                     -- set by start_at(); NULL: the beginning of the log
    names           text[] CONSTRAINT restored_by_trigger CHECK (names IS NULL), -- of stream, in a dump
    PRIMARY KEY (stream, kafka_partition)
) WITH (fillfactor = 50);

CREATE SEQUENCE streambatch._view_id;

-- One row per hybrid view. The names of its objects in streambatch_state end with its id.
CREATE TABLE streambatch._view (
    view             regclass PRIMARY KEY,
    id               int NOT NULL UNIQUE,
    stream           regclass NOT NULL,
    epoch            bigint NOT NULL DEFAULT 1, -- of the stream rows that flushes write now
    max_staleness    interval NOT NULL,
    allowed_lateness interval NOT NULL,
    state            text NOT NULL DEFAULT 'active' CHECK (state IN ('building', 'active', 'suspended')),
    error_sqlstate   text,
    error_message    text,
    suspended_at     bigint[],                  -- next offset of partition i at index i + 1 that its states lack; NULL unless suspended
    suspended_epoch  int NOT NULL DEFAULT 0,    -- topic epoch of these offsets
    settings         text[] NOT NULL,
    query            text,                      -- as given to create_view(); NULL: made by a library older than this script
    source           text,                      -- what the batch layer is computed from (src/batch/batch_source.h); NULL: by default
    complete_from    timestamptz,               -- the first pane without events from before create_view(…, history => false); infinity: not known; NULL: has history
    names            text[] CONSTRAINT restored_by_trigger CHECK (names IS NULL) -- of view and stream, in a dump
) WITH (fillfactor = 50);
CREATE INDEX ON streambatch._view (stream);

-- Panes that the batch layer contains: disjoint intervals [from_time, to_time), each as of the cut of a run.
CREATE TABLE streambatch._coverage (
    view_id     int NOT NULL,
    from_time   timestamptz NOT NULL,
    to_time     timestamptz NOT NULL,
    cut_epoch   bigint NOT NULL,
    cut_at      timestamptz NOT NULL,
    PRIMARY KEY (view_id, from_time)
);

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

-- Refreshes, and the history computed by create_view().
CREATE SEQUENCE streambatch._run_id;
CREATE TABLE streambatch._run (
    id          bigint PRIMARY KEY DEFAULT nextval('streambatch._run_id'),
    view_id     int NOT NULL,
    view        regclass NOT NULL,
    kind        text NOT NULL,                  -- history | refresh | outside
    state       text NOT NULL,                  -- running | done | failed
    cut_epoch   bigint NOT NULL,                -- the epoch that the cut closed
    cut         bigint[] NOT NULL,              -- next offset of partition i at index i + 1; NULL: not read yet
    cut_at      timestamptz NOT NULL,
    from_time   timestamptz NOT NULL,
    to_time     timestamptz NOT NULL,
    chunks      int NOT NULL DEFAULT 0,
    chunks_done int NOT NULL DEFAULT 0,
    rows        bigint NOT NULL DEFAULT 0,      -- batch rows written
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    error_sqlstate text,
    error       text,
    cut_topic_epoch int,                        -- that the cut's offsets are of; NULL: not known, of a run of version 0.1.0
    phase       text,                           -- while it runs
    panes       bigint,                         -- to compute; NULL: not known
    panes_done  bigint NOT NULL DEFAULT 0,
    progress_at timestamptz,                    -- when the last chunk was done
    compared    bigint,                         -- groups whose values were compared with those before; NULL: not done
    differed    bigint,                         -- of them
    drift       jsonb,                          -- for each output column: column, differed, largest, examples (src/batch/drift.c)
    names       text[] CONSTRAINT restored_by_trigger CHECK (names IS NULL) -- of view, in a dump
);
CREATE INDEX ON streambatch._run (view_id, id);

CREATE TABLE streambatch._dead_letter (
    stream          regclass NOT NULL,
    view            regclass,                   -- the only view without the message; NULL: no view contains it
    topic           text NOT NULL,
    kafka_partition int NOT NULL,
    kafka_offset    bigint NOT NULL,
    kafka_timestamp timestamptz,
    key             bytea,
    payload         bytea,
    sqlstate        text NOT NULL,
    message         text NOT NULL,
    detail          text,
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    topic_epoch     int NOT NULL,               -- that the position is of
    headers         jsonb,
    discarded       boolean NOT NULL DEFAULT false, -- by discard_dead_letters(): still left out, but no longer shown
    names           text[] CONSTRAINT restored_by_trigger CHECK (names IS NULL) -- of stream and view, in a dump
);
ALTER TABLE streambatch._dead_letter REPLICA IDENTITY FULL;
CREATE INDEX ON streambatch._dead_letter (stream, kafka_partition, kafka_offset);
CREATE INDEX ON streambatch._dead_letter (view, kafka_partition, kafka_offset) WHERE view IS NOT NULL;

CREATE TABLE streambatch._gap (
    stream          regclass NOT NULL,
    kafka_partition int NOT NULL,
    from_offset     bigint NOT NULL,
    to_offset       bigint NOT NULL,
    noticed_at      timestamptz NOT NULL,
    action          text NOT NULL,
    topic_epoch     int NOT NULL,
    names           text[] CONSTRAINT restored_by_trigger CHECK (names IS NULL) -- of stream, in a dump
);
ALTER TABLE streambatch._gap REPLICA IDENTITY FULL;

COMMENT ON TABLE streambatch._stream IS 'internal: streams that have, or had, a worker';
COMMENT ON TABLE streambatch._progress IS 'internal: positions per partition';
COMMENT ON TABLE streambatch._view IS 'internal: hybrid views';
COMMENT ON TABLE streambatch._coverage IS 'internal: ranges of time that batch layers cover';
COMMENT ON TABLE streambatch._tracked IS 'internal: tables whose changes mark the hybrid views that join them';
COMMENT ON TABLE streambatch._dirty IS 'internal: ranges of panes whose archived events have been changed';
COMMENT ON TABLE streambatch._run IS 'internal: runs of the batch layer';
COMMENT ON TABLE streambatch._dead_letter IS 'internal: dead letters';
COMMENT ON TABLE streambatch._gap IS 'internal: offsets that the broker deleted before they were read';
COMMENT ON SEQUENCE streambatch._view_id IS 'internal: ids of hybrid views';
COMMENT ON SEQUENCE streambatch._run_id IS 'internal: ids of runs';

-- Rows in a dump have the names of their relations, whose OIDs differ in another database (src/common/catalog_restore.c). The
-- constraints refuse rows that come without the trigger, as with pg_dump --disable-triggers: their OIDs mean something else here.
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

-- ------------------------------------------------------------------------------------------------------------------
-- Windows (src/window/window_functions.c)
-- ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION streambatch._hop_rows(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'streambatch_hop_rows' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION streambatch._cumulate_rows(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'streambatch_cumulate_rows' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._hop_rows(internal) IS 'internal: planner support function, estimates the number of rows of hop()';
COMMENT ON FUNCTION streambatch._cumulate_rows(internal) IS 'internal: planner support function, estimates the number of rows of cumulate()';

CREATE FUNCTION streambatch.tumble(ts timestamptz, size interval, origin timestamptz DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS timestamptz AS 'MODULE_PATHNAME', 'streambatch_tumble' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.tumble(ts timestamp, size interval, origin timestamp DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS timestamp AS 'MODULE_PATHNAME', 'streambatch_tumble' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.tumble(ts date, size interval, origin date DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS date AS 'MODULE_PATHNAME', 'streambatch_tumble' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch.tumble(timestamptz, interval, timestamptz, text) IS
    'start of the tumbling window [start, end) of the given size that contains ts. Windows are aligned to origin (default: Monday 2000-01-03 00:00, for months 2000-01-01, in time_zone); days, weeks, months and 2, 3, 4, 6, 8 and 12 hours follow the calendar of time_zone, other sizes are exact durations. NULL for a NULL ts, size or time_zone; raises invalid_parameter_value for a size that is not positive or mixes units and for an unknown time zone, datetime_value_out_of_range for infinity and for a window out of range';
COMMENT ON FUNCTION streambatch.tumble(timestamp, interval, timestamp, text) IS
    'start of the tumbling window that contains ts, a local time in time_zone; otherwise as for timestamptz';
COMMENT ON FUNCTION streambatch.tumble(date, interval, date, text) IS
    'first day of the tumbling window of whole days or months that contains ts; otherwise as for timestamptz';

CREATE FUNCTION streambatch.tumble_end(ts timestamptz, size interval, origin timestamptz DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS timestamptz AS 'MODULE_PATHNAME', 'streambatch_tumble_end' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.tumble_end(ts timestamp, size interval, origin timestamp DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS timestamp AS 'MODULE_PATHNAME', 'streambatch_tumble_end' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.tumble_end(ts date, size interval, origin date DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS date AS 'MODULE_PATHNAME', 'streambatch_tumble_end' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch.tumble_end(timestamptz, interval, timestamptz, text) IS
    'end (exclusive) of the tumbling window whose start is tumble() of the same arguments';
COMMENT ON FUNCTION streambatch.tumble_end(timestamp, interval, timestamp, text) IS
    'end (exclusive) of the tumbling window whose start is tumble() of the same arguments';
COMMENT ON FUNCTION streambatch.tumble_end(date, interval, date, text) IS
    'first day after the tumbling window whose start is tumble() of the same arguments';

CREATE FUNCTION streambatch.hop(ts timestamptz, slide interval, size interval, origin timestamptz DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF timestamptz AS 'MODULE_PATHNAME', 'streambatch_hop' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
CREATE FUNCTION streambatch.hop(ts timestamp, slide interval, size interval, origin timestamp DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF timestamp AS 'MODULE_PATHNAME', 'streambatch_hop' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
CREATE FUNCTION streambatch.hop(ts date, slide interval, size interval, origin date DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF date AS 'MODULE_PATHNAME', 'streambatch_hop' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
COMMENT ON FUNCTION streambatch.hop(timestamptz, interval, interval, timestamptz, text) IS
    'starts, in ascending order, of the hopping windows [start, end) of the given size that contain ts; a window starts every slide, aligned to origin. No rows for a NULL ts, slide, size or time_zone; raises invalid_parameter_value also for a slide that is longer than the size or of another kind; otherwise as tumble()';
COMMENT ON FUNCTION streambatch.hop(timestamp, interval, interval, timestamp, text) IS
    'starts of the hopping windows that contain ts, a local time in time_zone; otherwise as for timestamptz';
COMMENT ON FUNCTION streambatch.hop(date, interval, interval, date, text) IS
    'first days of the hopping windows of whole days or months that contain ts; otherwise as for timestamptz';

CREATE FUNCTION streambatch.hop_end(ts timestamptz, slide interval, size interval, origin timestamptz DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF timestamptz AS 'MODULE_PATHNAME', 'streambatch_hop_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
CREATE FUNCTION streambatch.hop_end(ts timestamp, slide interval, size interval, origin timestamp DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF timestamp AS 'MODULE_PATHNAME', 'streambatch_hop_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
CREATE FUNCTION streambatch.hop_end(ts date, slide interval, size interval, origin date DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF date AS 'MODULE_PATHNAME', 'streambatch_hop_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._hop_rows;
COMMENT ON FUNCTION streambatch.hop_end(timestamptz, interval, interval, timestamptz, text) IS
    'ends (exclusive) of the hopping windows whose starts are hop() of the same arguments, in the same order';
COMMENT ON FUNCTION streambatch.hop_end(timestamp, interval, interval, timestamp, text) IS
    'ends (exclusive) of the hopping windows whose starts are hop() of the same arguments, in the same order';
COMMENT ON FUNCTION streambatch.hop_end(date, interval, interval, date, text) IS
    'ends (exclusive) of the hopping windows whose starts are hop() of the same arguments, in the same order';

CREATE FUNCTION streambatch._hop_pane(ts timestamptz, slide interval, size interval, origin timestamptz, time_zone text)
    RETURNS timestamptz AS 'MODULE_PATHNAME', 'streambatch_hop_pane' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._hop_pane(ts timestamp, slide interval, size interval, origin timestamp, time_zone text)
    RETURNS timestamp AS 'MODULE_PATHNAME', 'streambatch_hop_pane' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._hop_pane(ts date, slide interval, size interval, origin date, time_zone text)
    RETURNS date AS 'MODULE_PATHNAME', 'streambatch_hop_pane' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._hop_pane(timestamptz, interval, interval, timestamptz, text) IS
    'internal: start of the pane of hop() that contains ts';
COMMENT ON FUNCTION streambatch._hop_pane(timestamp, interval, interval, timestamp, text) IS
    'internal: start of the pane of hop() that contains ts';
COMMENT ON FUNCTION streambatch._hop_pane(date, interval, interval, date, text) IS
    'internal: start of the pane of hop() that contains ts';

CREATE FUNCTION streambatch.cumulate(ts timestamptz, step interval, size interval, origin timestamptz DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF timestamptz AS 'MODULE_PATHNAME', 'streambatch_cumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
CREATE FUNCTION streambatch.cumulate(ts timestamp, step interval, size interval, origin timestamp DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF timestamp AS 'MODULE_PATHNAME', 'streambatch_cumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
CREATE FUNCTION streambatch.cumulate(ts date, step interval, size interval, origin date DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF date AS 'MODULE_PATHNAME', 'streambatch_cumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
COMMENT ON FUNCTION streambatch.cumulate(timestamptz, interval, interval, timestamptz, text) IS
    'start of the tumbling window of the given size that contains ts, once for each cumulating window [start, start + n steps) that contains ts. No rows for a NULL ts, step, size or time_zone; raises invalid_parameter_value also for a size that is not a multiple of the step; otherwise as tumble()';
COMMENT ON FUNCTION streambatch.cumulate(timestamp, interval, interval, timestamp, text) IS
    'start of the cumulating windows that contain ts, a local time in time_zone; otherwise as for timestamptz';
COMMENT ON FUNCTION streambatch.cumulate(date, interval, interval, date, text) IS
    'first day of the cumulating windows of whole days or months that contain ts; otherwise as for timestamptz';

CREATE FUNCTION streambatch.cumulate_end(ts timestamptz, step interval, size interval, origin timestamptz DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF timestamptz AS 'MODULE_PATHNAME', 'streambatch_cumulate_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
CREATE FUNCTION streambatch.cumulate_end(ts timestamp, step interval, size interval, origin timestamp DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF timestamp AS 'MODULE_PATHNAME', 'streambatch_cumulate_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
CREATE FUNCTION streambatch.cumulate_end(ts date, step interval, size interval, origin date DEFAULT NULL, time_zone text DEFAULT 'UTC')
    RETURNS SETOF date AS 'MODULE_PATHNAME', 'streambatch_cumulate_end' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT streambatch._cumulate_rows;
COMMENT ON FUNCTION streambatch.cumulate_end(timestamptz, interval, interval, timestamptz, text) IS
    'ends (exclusive, ascending) of the cumulating windows whose starts are cumulate() of the same arguments, in the same order';
COMMENT ON FUNCTION streambatch.cumulate_end(timestamp, interval, interval, timestamp, text) IS
    'ends (exclusive, ascending) of the cumulating windows whose starts are cumulate() of the same arguments, in the same order';
COMMENT ON FUNCTION streambatch.cumulate_end(date, interval, interval, date, text) IS
    'ends (exclusive, ascending) of the cumulating windows whose starts are cumulate() of the same arguments, in the same order';

CREATE FUNCTION streambatch._cumulate_pane(ts timestamptz, step interval, size interval, origin timestamptz, time_zone text)
    RETURNS timestamptz AS 'MODULE_PATHNAME', 'streambatch_cumulate_pane' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._cumulate_pane(ts timestamp, step interval, size interval, origin timestamp, time_zone text)
    RETURNS timestamp AS 'MODULE_PATHNAME', 'streambatch_cumulate_pane' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._cumulate_pane(ts date, step interval, size interval, origin date, time_zone text)
    RETURNS date AS 'MODULE_PATHNAME', 'streambatch_cumulate_pane' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._cumulate_pane(timestamptz, interval, interval, timestamptz, text) IS
    'internal: start of the pane of cumulate() that contains ts';
COMMENT ON FUNCTION streambatch._cumulate_pane(timestamp, interval, interval, timestamp, text) IS
    'internal: start of the pane of cumulate() that contains ts';
COMMENT ON FUNCTION streambatch._cumulate_pane(date, interval, interval, date, text) IS
    'internal: start of the pane of cumulate() that contains ts';

CREATE FUNCTION streambatch.session(ts timestamptz, gap interval)
    RETURNS timestamptz AS 'MODULE_PATHNAME', 'streambatch_session' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.session(ts timestamp, gap interval)
    RETURNS timestamp AS 'MODULE_PATHNAME', 'streambatch_session' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.session(ts date, gap interval)
    RETURNS date AS 'MODULE_PATHNAME', 'streambatch_session' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch.session(timestamptz, interval) IS
    'start of the session that contains ts, a series of events at most gap apart; for the queries of hybrid views only: raises feature_not_supported when called';
COMMENT ON FUNCTION streambatch.session(timestamp, interval) IS
    'start of the session that contains ts, a series of events at most gap apart; for the queries of hybrid views only: raises feature_not_supported when called';
COMMENT ON FUNCTION streambatch.session(date, interval) IS
    'start of the session that contains ts, a series of events at most gap apart; for the queries of hybrid views only: raises feature_not_supported when called';

CREATE FUNCTION streambatch.session_end(ts timestamptz, gap interval)
    RETURNS timestamptz AS 'MODULE_PATHNAME', 'streambatch_session' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.session_end(ts timestamp, gap interval)
    RETURNS timestamp AS 'MODULE_PATHNAME', 'streambatch_session' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch.session_end(ts date, gap interval)
    RETURNS date AS 'MODULE_PATHNAME', 'streambatch_session' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch.session_end(timestamptz, interval) IS
    'end of the session that contains ts: its last event plus gap; for the queries of hybrid views only: raises feature_not_supported when called';
COMMENT ON FUNCTION streambatch.session_end(timestamp, interval) IS
    'end of the session that contains ts: its last event plus gap; for the queries of hybrid views only: raises feature_not_supported when called';
COMMENT ON FUNCTION streambatch.session_end(date, interval) IS
    'end of the session that contains ts: its last event plus gap; for the queries of hybrid views only: raises feature_not_supported when called';

CREATE FUNCTION streambatch._session_pane(ts timestamptz, gap interval)
    RETURNS timestamptz AS 'MODULE_PATHNAME', 'streambatch_session_pane' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._session_pane(ts timestamp, gap interval)
    RETURNS timestamp AS 'MODULE_PATHNAME', 'streambatch_session_pane' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._session_pane(ts date, gap interval)
    RETURNS date AS 'MODULE_PATHNAME', 'streambatch_session_pane' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._session_pane(timestamptz, interval) IS
    'internal: start of the pane of session() that contains ts';
COMMENT ON FUNCTION streambatch._session_pane(timestamp, interval) IS
    'internal: start of the pane of session() that contains ts';
COMMENT ON FUNCTION streambatch._session_pane(date, interval) IS
    'internal: start of the pane of session() that contains ts';

CREATE FUNCTION streambatch._pane_known(pane anyelement)
    RETURNS boolean AS 'MODULE_PATHNAME', 'streambatch_pane_known' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION streambatch._pane_known(anyelement) IS
    'internal: whether this call was recently evaluated for the same pane; true for NULL';

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

-- ------------------------------------------------------------------------------------------------------------------
-- First and last values, sketches (src/aggregate)
-- ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION streambatch._take_first(internal, anyelement)
    RETURNS internal AS 'MODULE_PATHNAME', 'streambatch_take_first' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._take_last(internal, anyelement)
    RETURNS internal AS 'MODULE_PATHNAME', 'streambatch_take_last' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._taken(internal, anyelement)
    RETURNS anyelement AS 'MODULE_PATHNAME', 'streambatch_taken' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._taken_only(internal, anyelement)
    RETURNS anyelement AS 'MODULE_PATHNAME', 'streambatch_taken_only' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._take_first(internal, anyelement) IS 'internal: transition function of the aggregates first and _only';
COMMENT ON FUNCTION streambatch._take_last(internal, anyelement) IS 'internal: transition function of the aggregate last';
COMMENT ON FUNCTION streambatch._taken(internal, anyelement) IS 'internal: final function of the aggregates first and last';
COMMENT ON FUNCTION streambatch._taken_only(internal, anyelement) IS 'internal: final function of the aggregate _only';

CREATE AGGREGATE streambatch.first(value anyelement)
    (SFUNC = streambatch._take_first, STYPE = internal, FINALFUNC = streambatch._taken, FINALFUNC_EXTRA);
CREATE AGGREGATE streambatch.last(value anyelement)
    (SFUNC = streambatch._take_last, STYPE = internal, FINALFUNC = streambatch._taken, FINALFUNC_EXTRA);
CREATE AGGREGATE streambatch._only(value anyelement)
    (SFUNC = streambatch._take_first, STYPE = internal, FINALFUNC = streambatch._taken_only, FINALFUNC_EXTRA);
COMMENT ON AGGREGATE streambatch.first(anyelement) IS
    'first value in the order of the ORDER BY in the call, including NULL; NULL if there are no rows; in a hybrid view, ORDER BY takes one date, time or integer key, and events with equal keys are ordered by partition and offset';
COMMENT ON AGGREGATE streambatch.last(anyelement) IS
    'last value in the order of the ORDER BY in the call, including NULL; otherwise as first()';
COMMENT ON AGGREGATE streambatch._only(anyelement) IS 'internal: the value of the only row; NULL if there is no row or more than one';

CREATE FUNCTION streambatch._first_add(state bytea, value anyelement, key anycompatible, kafka_partition bigint, kafka_offset bigint)
    RETURNS bytea AS 'MODULE_PATHNAME', 'streambatch_first_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._last_add(state bytea, value anyelement, key anycompatible, kafka_partition bigint, kafka_offset bigint)
    RETURNS bytea AS 'MODULE_PATHNAME', 'streambatch_last_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._first_combine(bytea, bytea)
    RETURNS bytea AS 'MODULE_PATHNAME', 'streambatch_first_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION streambatch._last_combine(bytea, bytea)
    RETURNS bytea AS 'MODULE_PATHNAME', 'streambatch_last_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION streambatch._first_merge(bytea, state bytea, type anyelement)
    RETURNS bytea AS 'MODULE_PATHNAME', 'streambatch_first_merge' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._last_merge(bytea, state bytea, type anyelement)
    RETURNS bytea AS 'MODULE_PATHNAME', 'streambatch_last_merge' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._rank_value(state bytea, bytea, type anyelement)
    RETURNS anyelement AS 'MODULE_PATHNAME', 'streambatch_rank_value' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._first_add(bytea, anyelement, anycompatible, bigint, bigint) IS 'internal: transition function of the aggregate _first_state';
COMMENT ON FUNCTION streambatch._last_add(bytea, anyelement, anycompatible, bigint, bigint) IS 'internal: transition function of the aggregate _last_state';
COMMENT ON FUNCTION streambatch._first_combine(bytea, bytea) IS 'internal: combines two states of first(): returns that of the earlier event';
COMMENT ON FUNCTION streambatch._last_combine(bytea, bytea) IS 'internal: combines two states of last(): returns that of the later event';
COMMENT ON FUNCTION streambatch._first_merge(bytea, bytea, anyelement) IS 'internal: transition function of the aggregate _first_value';
COMMENT ON FUNCTION streambatch._last_merge(bytea, bytea, anyelement) IS 'internal: transition function of the aggregate _last_value';
COMMENT ON FUNCTION streambatch._rank_value(bytea, bytea, anyelement) IS
    'internal: the value in a state of first() or last(); type: a NULL of the type of the value; raises invalid_binary_representation';

CREATE AGGREGATE streambatch._first_state(value anyelement, key anycompatible, kafka_partition bigint, kafka_offset bigint)
    (SFUNC = streambatch._first_add, STYPE = bytea, COMBINEFUNC = streambatch._first_combine, PARALLEL = SAFE);
CREATE AGGREGATE streambatch._last_state(value anyelement, key anycompatible, kafka_partition bigint, kafka_offset bigint)
    (SFUNC = streambatch._last_add, STYPE = bytea, COMBINEFUNC = streambatch._last_combine, PARALLEL = SAFE);
CREATE AGGREGATE streambatch._first_value(state bytea, type anyelement)
    (SFUNC = streambatch._first_merge, STYPE = bytea, FINALFUNC = streambatch._rank_value, FINALFUNC_EXTRA, COMBINEFUNC = streambatch._first_combine, PARALLEL = SAFE);
CREATE AGGREGATE streambatch._last_value(state bytea, type anyelement)
    (SFUNC = streambatch._last_merge, STYPE = bytea, FINALFUNC = streambatch._rank_value, FINALFUNC_EXTRA, COMBINEFUNC = streambatch._last_combine, PARALLEL = SAFE);
COMMENT ON AGGREGATE streambatch._first_state(anyelement, anycompatible, bigint, bigint) IS
    'internal: the state of first(value ORDER BY key): the rank of the earliest event and its value; key: a date, time or integer';
COMMENT ON AGGREGATE streambatch._last_state(anyelement, anycompatible, bigint, bigint) IS 'internal: the state of last(value ORDER BY key): the rank of the latest event and its value; key: a date, time or integer';
COMMENT ON AGGREGATE streambatch._first_value(bytea, anyelement) IS 'internal: the value of first() from a column of its states; type: a NULL of the type of the value';
COMMENT ON AGGREGATE streambatch._last_value(bytea, anyelement) IS 'internal: the value of last() from a column of its states; type: a NULL of the type of the value';

CREATE FUNCTION streambatch._sketch_add(internal, value anyelement, type anycompatible)
    RETURNS internal AS 'MODULE_PATHNAME', 'streambatch_sketch_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._sketch_end(internal, value anyelement, type anycompatible)
    RETURNS anycompatible AS 'MODULE_PATHNAME', 'streambatch_sketch_end' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._sketch_combine(anyelement, anyelement)
    RETURNS anyelement AS 'MODULE_PATHNAME', 'streambatch_sketch_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION streambatch._sketch_merge_add(internal, sketch anyelement)
    RETURNS internal AS 'MODULE_PATHNAME', 'streambatch_sketch_merge_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._sketch_merge_end(internal, sketch anyelement)
    RETURNS anyelement AS 'MODULE_PATHNAME', 'streambatch_sketch_merge_end' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._cardinality(sketch anyelement)
    RETURNS bigint AS 'MODULE_PATHNAME', 'streambatch_cardinality' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION streambatch._digest_value(double precision)
    RETURNS double precision AS 'MODULE_PATHNAME', 'streambatch_digest_value' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION streambatch._quantile(sketch bytea, fraction double precision, type anyelement, digest_type anycompatible, discrete boolean, descending boolean)
    RETURNS anyelement AS 'MODULE_PATHNAME', 'streambatch_quantile' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._quantiles(sketch bytea, fractions double precision[], type anyelement, digest_type anycompatible, discrete boolean, descending boolean)
    RETURNS anyarray AS 'MODULE_PATHNAME', 'streambatch_quantiles' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._holds_all(sketch anyelement)
    RETURNS boolean AS 'MODULE_PATHNAME', 'streambatch_holds_all' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION streambatch._percentile(digest anyelement, fraction double precision, type anycompatible)
    RETURNS anycompatible AS 'MODULE_PATHNAME', 'streambatch_percentile' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._percentiles(digest anyelement, fractions double precision[], type anycompatible)
    RETURNS anycompatiblearray AS 'MODULE_PATHNAME', 'streambatch_percentiles' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._exact_add(int, exact anyelement, sketch anycompatible)
    RETURNS int AS 'MODULE_PATHNAME', 'streambatch_exact_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION streambatch._exact_end(int, exact anyelement, sketch anycompatible)
    RETURNS boolean AS 'MODULE_PATHNAME', 'streambatch_exact_end' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._sketch_add(internal, anyelement, anycompatible) IS 'internal: transition function of the aggregate _sketch';
COMMENT ON FUNCTION streambatch._sketch_end(internal, anyelement, anycompatible) IS 'internal: final function of the aggregate _sketch';
COMMENT ON FUNCTION streambatch._sketch_combine(anyelement, anyelement) IS 'internal: the union of two sketches';
COMMENT ON FUNCTION streambatch._sketch_merge_add(internal, anyelement) IS 'internal: transition function of the aggregate _sketch_merge';
COMMENT ON FUNCTION streambatch._sketch_merge_end(internal, anyelement) IS 'internal: final function of the aggregate _sketch_merge';
COMMENT ON FUNCTION streambatch._cardinality(anyelement) IS
    'internal: estimated number of different values in a HyperLogLog; NULL for NULL; raises invalid_binary_representation if the bytes are not a sketch made by _sketch';
COMMENT ON FUNCTION streambatch._digest_value(double precision) IS
    'internal: returns its argument; raises numeric_value_out_of_range for NaN, infinity and absolute values above 1e285, which a t-digest cannot store';
COMMENT ON FUNCTION streambatch._quantile(bytea, double precision, anyelement, anycompatible, boolean, boolean) IS
    'internal: a percentile of a list of values or a t-digest from state tables; type: a NULL of the result type; digest_type: a NULL of type tdigest; NULL for a NULL sketch; raises invalid_binary_representation if the bytes are not a sketch made by _sketch';
COMMENT ON FUNCTION streambatch._quantiles(bytea, double precision[], anyelement, anycompatible, boolean, boolean) IS
    'internal: percentiles of a list of values or a t-digest; type: a NULL of the element type of the result';
COMMENT ON FUNCTION streambatch._holds_all(anyelement) IS
    'internal: whether a sketch has every value, so that what is computed from it is exact; NULL for NULL';
COMMENT ON FUNCTION streambatch._percentile(anyelement, double precision, anycompatible) IS
    'internal: a percentile of a t-digest, rounded to the result type; type: a NULL of the result type; NULL for a NULL digest';
COMMENT ON FUNCTION streambatch._percentiles(anyelement, double precision[], anycompatible) IS
    'internal: percentiles of a t-digest; type: a NULL of the element type of the result';
COMMENT ON FUNCTION streambatch._exact_add(int, anyelement, anycompatible) IS 'internal: transition function of the aggregate _exact';
COMMENT ON FUNCTION streambatch._exact_end(int, anyelement, anycompatible) IS 'internal: final function of the aggregate _exact';

CREATE AGGREGATE streambatch._sketch(value anyelement, type anycompatible)
    (SFUNC = streambatch._sketch_add, STYPE = internal, SSPACE = 512, FINALFUNC = streambatch._sketch_end, FINALFUNC_EXTRA, FINALFUNC_MODIFY = SHAREABLE);
CREATE AGGREGATE streambatch._sketch_merge(sketch anyelement)
    (SFUNC = streambatch._sketch_merge_add, STYPE = internal, FINALFUNC = streambatch._sketch_merge_end, FINALFUNC_EXTRA, FINALFUNC_MODIFY = SHAREABLE);
CREATE AGGREGATE streambatch._exact(exact anyelement, sketch anycompatible)
    (SFUNC = streambatch._exact_add, STYPE = int, INITCOND = '0', FINALFUNC = streambatch._exact_end, FINALFUNC_EXTRA);
COMMENT ON AGGREGATE streambatch._sketch(anyelement, anycompatible) IS
    'internal: a sketch of the values that are not NULL; type: a NULL of type hll (HyperLogLog, of hashes), tdigest (t-digest, of double precision) or bytea (a list of up to 320 values, then a t-digest as bytes); NULL if there are no values';
COMMENT ON AGGREGATE streambatch._sketch_merge(anyelement) IS 'internal: the union of sketches';
COMMENT ON AGGREGATE streambatch._exact(anyelement, anycompatible) IS
    'internal: whether the value of a group is exact: the group has a single row with an exact value, or all sketches are empty';

-- ------------------------------------------------------------------------------------------------------------------
-- Hybrid views (src/serve, src/batch, src/aggregate)
-- ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION streambatch.create_view(name text, query text, max_staleness interval DEFAULT '1 s',
                                        allowed_lateness interval DEFAULT '0', history boolean DEFAULT true)
    RETURNS regclass AS 'MODULE_PATHNAME', 'streambatch_create_view' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION streambatch.create_view(text, text, interval, interval, boolean) IS
    'creates a hybrid view, and the view <name>_layers, from an aggregate query over a stream, and returns the hybrid view; max_staleness: maximum delay under load before events become visible; allowed_lateness: how long a window stays open after its end; history: whether to compute the earlier events of the stream now, instead of in the first refresh; raises null_value_not_allowed for a NULL argument, feature_not_supported for a query that cannot be maintained';

CREATE FUNCTION streambatch.drop_view(view regclass, "cascade" boolean DEFAULT false)
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_drop_view' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION streambatch.drop_view(regclass, boolean) IS
    'drops a hybrid view, as DROP VIEW does, for its owner and for the owner of its stream; cascade: with what depends on it; NULL: nothing is done; raises dependent_objects_still_exist, wrong_object_type for anything but a hybrid view';

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

CREATE FUNCTION streambatch.explain(view regclass)
    RETURNS SETOF text AS 'MODULE_PATHNAME', 'streambatch_explain' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION streambatch.explain(regclass) IS 'the SQL that each layer of a hybrid view runs, one row per line; no rows for NULL';

CREATE FUNCTION streambatch.query(view regclass)
    RETURNS text AS 'MODULE_PATHNAME', 'streambatch_query' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION streambatch.query(regclass) IS
    'the query of a hybrid view, with the current names of what it reads, qualified, so that it can be run again under any search_path; NULL for NULL; raises wrong_object_type for anything but a hybrid view';

CREATE FUNCTION streambatch.pause(stream regclass)
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_pause' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION streambatch.pause(regclass) IS 'stops the worker of a stream until resume() is called; only the owner may do this; NULL for NULL';

CREATE FUNCTION streambatch.resume(stream regclass)
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_resume' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION streambatch.resume(regclass) IS
    'starts the worker of a stream after pause() or an error; without hybrid views, the worker only writes the archive; only the owner may do this; NULL for NULL; raises object_not_in_prerequisite_state if the stream has neither a hybrid view nor an archive';

CREATE FUNCTION streambatch.reset(stream regclass)
    RETURNS void AS 'MODULE_PATHNAME', 'streambatch_reset' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION streambatch.reset(regclass) IS
    'reads the topic of a stream from its beginning, as a new topic epoch, keeps what was counted before, and resumes the stream: for a topic that was recreated or truncated; adds the column kafka_epoch to the archive; only the owner may do this; NULL for NULL; raises object_not_in_prerequisite_state if the archive cannot have that column';

CREATE FUNCTION streambatch.wait_for(stream regclass, timeout interval DEFAULT '30 s')
    RETURNS boolean AS 'MODULE_PATHNAME', 'streambatch_wait_for' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION streambatch.wait_for(regclass, interval) IS
    'waits until all messages that were in the log at the time of the call are visible in the views; returns true, or false after the timeout; NULL for a NULL argument; raises object_not_in_prerequisite_state if the stream is paused or stopped; if its worker has stopped with an error, raises that error';

CREATE FUNCTION streambatch.retry_dead_letters(relation regclass, kafka_partition int DEFAULT NULL, kafka_offset bigint DEFAULT NULL,
                                               payload bytea DEFAULT NULL)
    RETURNS bigint AS 'MODULE_PATHNAME', 'streambatch_retry_dead_letters' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION streambatch.retry_dead_letters(regclass, int, bigint, bytea) IS
    'processes dead letters of a stream, or of a hybrid view, again, and returns how many are dead letters no longer; kafka_partition, kafka_offset: only those; payload: for a single one, what its message should have been; restricted to the owner of the stream, or of the view; raises an error while a view of the stream is refreshed';

CREATE FUNCTION streambatch.discard_dead_letters(relation regclass, kafka_partition int DEFAULT NULL, kafka_offset bigint DEFAULT NULL)
    RETURNS bigint AS 'MODULE_PATHNAME', 'streambatch_discard_dead_letters' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION streambatch.discard_dead_letters(regclass, int, bigint) IS
    'deletes dead letters of a stream, or of a hybrid view, and returns how many; their messages remain left out; kafka_partition, kafka_offset: only those; restricted to the owner of the stream, or of the view';

CREATE FUNCTION streambatch._serves(layer text)
    RETURNS boolean AS 'MODULE_PATHNAME', 'streambatch_serves' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._serves(text) IS 'internal: whether this session reads the layer (batch or stream), according to streambatch.serve';

-- Merges counts and sums of integers as bigint; PostgreSQL's sum(bigint) returns numeric.
CREATE AGGREGATE streambatch._sum(bigint) (SFUNC = pg_catalog.int8pl, STYPE = bigint, COMBINEFUNC = pg_catalog.int8pl, PARALLEL = SAFE);
COMMENT ON AGGREGATE streambatch._sum(bigint) IS 'internal: sum of bigint as bigint; NULL if there are no values; raises numeric_value_out_of_range';

-- Transition states of any other aggregate (src/aggregate/state_functions.c). The functions that read a value of this
-- type do not validate it, so its input function raises; only a superuser can create a cast to it.
CREATE TYPE streambatch._state;
CREATE FUNCTION streambatch._state_in(cstring)
    RETURNS streambatch._state AS 'MODULE_PATHNAME', 'streambatch_state_in' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._state_in(cstring) IS 'internal: restores a state from a dump; raises feature_not_supported for anybody but superusers';
CREATE FUNCTION streambatch._state_out(streambatch._state)
    RETURNS cstring AS 'MODULE_PATHNAME', 'streambatch_state_out' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION streambatch._state_out(streambatch._state) IS 'internal: a hash of the functions of the aggregate, its argument types, and the bytes of the state in hexadecimal';
CREATE TYPE streambatch._state (INPUT = streambatch._state_in, OUTPUT = streambatch._state_out, STORAGE = extended);
COMMENT ON TYPE streambatch._state IS
    'internal: serialised transition state of an aggregate, with the aggregate and its argument types; created only by _partial and the worker';

CREATE FUNCTION streambatch._partial_add(internal, regprocedure, anyelement, VARIADIC "any")
    RETURNS internal AS 'MODULE_PATHNAME', 'streambatch_partial_add' LANGUAGE C IMMUTABLE;
CREATE FUNCTION streambatch._partial_add(internal, regprocedure, anyelement)
    RETURNS internal AS 'MODULE_PATHNAME', 'streambatch_partial_add' LANGUAGE C IMMUTABLE;
CREATE FUNCTION streambatch._partial_end(internal, regprocedure, anyelement, VARIADIC "any")
    RETURNS anyelement AS 'MODULE_PATHNAME', 'streambatch_partial_end' LANGUAGE C IMMUTABLE;
CREATE FUNCTION streambatch._partial_end(internal, regprocedure, anyelement)
    RETURNS anyelement AS 'MODULE_PATHNAME', 'streambatch_partial_end' LANGUAGE C IMMUTABLE;
CREATE FUNCTION streambatch._merge_add(internal, regprocedure, anyelement, VARIADIC "any")
    RETURNS internal AS 'MODULE_PATHNAME', 'streambatch_merge_add' LANGUAGE C IMMUTABLE;
CREATE FUNCTION streambatch._merge_end(internal, regprocedure, anyelement, VARIADIC "any")
    RETURNS anyelement AS 'MODULE_PATHNAME', 'streambatch_merge_end' LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION streambatch._partial_add(internal, regprocedure, anyelement, VARIADIC "any") IS 'internal: transition function of the aggregate _partial';
COMMENT ON FUNCTION streambatch._partial_add(internal, regprocedure, anyelement) IS 'internal: transition function of the aggregate _partial';
COMMENT ON FUNCTION streambatch._partial_end(internal, regprocedure, anyelement, VARIADIC "any") IS 'internal: final function of the aggregate _partial';
COMMENT ON FUNCTION streambatch._partial_end(internal, regprocedure, anyelement) IS 'internal: final function of the aggregate _partial';
COMMENT ON FUNCTION streambatch._merge_add(internal, regprocedure, anyelement, VARIADIC "any") IS 'internal: transition function of the aggregate _merge';
COMMENT ON FUNCTION streambatch._merge_end(internal, regprocedure, anyelement, VARIADIC "any") IS 'internal: final function of the aggregate _merge';

CREATE AGGREGATE streambatch._partial(aggregate regprocedure, state anyelement, VARIADIC arguments "any")
    (SFUNC = streambatch._partial_add, STYPE = internal, SSPACE = 256, FINALFUNC = streambatch._partial_end, FINALFUNC_EXTRA, FINALFUNC_MODIFY = READ_WRITE);
CREATE AGGREGATE streambatch._partial(aggregate regprocedure, state anyelement)
    (SFUNC = streambatch._partial_add, STYPE = internal, SSPACE = 256, FINALFUNC = streambatch._partial_end, FINALFUNC_EXTRA, FINALFUNC_MODIFY = READ_WRITE);
CREATE AGGREGATE streambatch._merge(aggregate regprocedure, value anyelement, VARIADIC arguments "any")
    (SFUNC = streambatch._merge_add, STYPE = internal, SSPACE = 256, FINALFUNC = streambatch._merge_end, FINALFUNC_EXTRA, FINALFUNC_MODIFY = READ_WRITE);
COMMENT ON AGGREGATE streambatch._partial(regprocedure, anyelement, VARIADIC "any") IS
    'internal: the transition state of an aggregate in the form that state tables store; state: a NULL of the type of the state; raises insufficient_privilege if the caller may not execute the aggregate';
COMMENT ON AGGREGATE streambatch._partial(regprocedure, anyelement) IS 'internal: the transition state of an aggregate without arguments; otherwise as with arguments';
COMMENT ON AGGREGATE streambatch._merge(regprocedure, anyelement, VARIADIC "any") IS
    'internal: the value of an aggregate from stored states; value: a NULL of the result type; arguments: the state, then a NULL of each argument type of the aggregate; raises insufficient_privilege if the caller may not execute the aggregate';

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

CREATE FUNCTION streambatch._mark_row(internal, kafka_partition int, kafka_offset bigint)
    RETURNS boolean AS 'MODULE_PATHNAME', 'streambatch_mark_row' LANGUAGE C VOLATILE COST 1000000;
COMMENT ON FUNCTION streambatch._mark_row(internal, int, bigint) IS
    'internal: records which event a refresh evaluates next, for error messages; returns true, or NULL for a NULL first argument';


CREATE FUNCTION streambatch._on_drop()
    RETURNS event_trigger AS 'MODULE_PATHNAME', 'streambatch_on_drop' LANGUAGE C;
COMMENT ON FUNCTION streambatch._on_drop() IS 'internal: deletes the catalog rows and state tables of dropped hybrid views and streams';
REVOKE ALL ON FUNCTION streambatch._on_drop() FROM PUBLIC;
-- For all commands, since CASCADE can drop a view with any object; ALWAYS, for sessions that apply replicated changes.
CREATE EVENT TRIGGER streambatch_on_drop ON sql_drop EXECUTE FUNCTION streambatch._on_drop();
ALTER EVENT TRIGGER streambatch_on_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER streambatch_on_drop IS 'deletes the catalog rows and state tables of dropped hybrid views and streams';

-- The objects in streambatch_state belong to the owners of the views, who may change their rows, but not their definitions.
CREATE FUNCTION streambatch._on_alter()
    RETURNS event_trigger AS 'MODULE_PATHNAME', 'streambatch_on_alter' LANGUAGE C;
COMMENT ON FUNCTION streambatch._on_alter() IS 'internal: gives the internal objects of hybrid views to the current owners of the views, and refuses other changes of them';
REVOKE ALL ON FUNCTION streambatch._on_alter() FROM PUBLIC;
CREATE EVENT TRIGGER streambatch_on_alter ON ddl_command_end
    WHEN TAG IN ('ALTER FOREIGN TABLE', 'ALTER INDEX', 'ALTER POLICY', 'ALTER PUBLICATION', 'ALTER RULE', 'ALTER STATISTICS', 'ALTER TABLE',
                 'ALTER TRIGGER', 'ALTER VIEW', 'COMMENT', 'CREATE FOREIGN TABLE', 'CREATE INDEX', 'CREATE POLICY', 'CREATE PUBLICATION',
                 'CREATE RULE', 'CREATE SCHEMA', 'CREATE STATISTICS', 'CREATE TABLE', 'CREATE TRIGGER', 'CREATE VIEW', 'SECURITY LABEL')
    EXECUTE FUNCTION streambatch._on_alter();
ALTER EVENT TRIGGER streambatch_on_alter ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER streambatch_on_alter IS 'gives the internal objects of hybrid views to the new owners of the views, and refuses other changes of them';

CREATE FUNCTION streambatch._on_start()
    RETURNS event_trigger AS 'MODULE_PATHNAME', 'streambatch_on_start' LANGUAGE C;
COMMENT ON FUNCTION streambatch._on_start() IS
    'internal: refuses changes of the internal objects of hybrid views that would be committed, or hidden, at the end of the command; in a restored or upgraded database, adds the dependencies of hybrid views';
REVOKE ALL ON FUNCTION streambatch._on_start() FROM PUBLIC;
CREATE EVENT TRIGGER streambatch_on_start ON ddl_command_start
    WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'CREATE INDEX', 'DROP INDEX', 'ALTER FOREIGN TABLE', 'DROP VIEW', 'DROP FOREIGN TABLE', 'DROP TABLE',
                 'DROP SCHEMA', 'DROP OWNED', 'DROP SERVER', 'DROP FOREIGN DATA WRAPPER', 'DROP TYPE', 'DROP DOMAIN', 'DROP FUNCTION',
                 'DROP PROCEDURE', 'DROP ROUTINE', 'DROP AGGREGATE', 'DROP OPERATOR', 'DROP COLLATION', 'DROP MATERIALIZED VIEW', 'DROP SEQUENCE',
                 'DROP EXTENSION')
    EXECUTE FUNCTION streambatch._on_start();
ALTER EVENT TRIGGER streambatch_on_start ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER streambatch_on_start IS 'refuses changes of the internal objects of hybrid views that would be committed, or hidden, at the end of the command; in a restored or upgraded database, adds the dependencies of hybrid views';

CREATE FUNCTION streambatch._on_define()
    RETURNS event_trigger AS 'MODULE_PATHNAME', 'streambatch_on_define' LANGUAGE C;
COMMENT ON FUNCTION streambatch._on_define() IS 'internal: restarts the workers of streams that stopped with an error when the streams are altered';
REVOKE ALL ON FUNCTION streambatch._on_define() FROM PUBLIC;
CREATE EVENT TRIGGER streambatch_on_define ON ddl_command_end
    WHEN TAG IN ('ALTER FOREIGN TABLE', 'ALTER TABLE', 'ALTER SERVER', 'CREATE USER MAPPING', 'ALTER USER MAPPING', 'DROP USER MAPPING')
    EXECUTE FUNCTION streambatch._on_define();
ALTER EVENT TRIGGER streambatch_on_define ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER streambatch_on_define IS 'restarts the workers of streams that stopped with an error when their foreign table, archive, server or user mapping is altered';

-- ------------------------------------------------------------------------------------------------------------------
-- Dirty marks (src/batch/dirty_marks.c)
-- ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION streambatch._mark()
    RETURNS trigger AS 'MODULE_PATHNAME', 'streambatch_mark' LANGUAGE C;
COMMENT ON FUNCTION streambatch._mark() IS
    'internal: marks the panes of hybrid views whose archived events a statement has changed, so that the next refresh computes them; does nothing on a table that is no archive, nor a part of one';

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

CREATE FUNCTION streambatch._dirty_panes(view regclass)
    RETURNS bigint AS 'MODULE_PATHNAME', 'streambatch_dirty_panes' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION streambatch._dirty_panes(regclass) IS
    'internal: how many panes of a hybrid view are marked; NULL: all, or more than a million, or the view is locked; raises insufficient_privilege for views that stat_view does not show';

-- ------------------------------------------------------------------------------------------------------------------
-- Statistics
-- ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION streambatch._workers(OUT stream oid, OUT state text, OUT pid int, OUT error_sqlstate text, OUT error_message text,
                                     OUT error_hint text)
    RETURNS SETOF record AS 'MODULE_PATHNAME', 'streambatch_workers' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION streambatch._workers() IS 'internal: state of the workers of this database, from shared memory';

CREATE FUNCTION streambatch._log_ends(OUT stream oid, OUT kafka_partition int, OUT log_start bigint, OUT log_end bigint, OUT at timestamptz)
    RETURNS SETOF record AS 'MODULE_PATHNAME', 'streambatch_log_ends' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION streambatch._log_ends() IS
    'internal: log ends that the workers of this database have learned, from shared memory; log_start: NULL unless the partition was never read';

CREATE FUNCTION streambatch._reads_partition(stream oid, kafka_partition int)
    RETURNS boolean AS 'MODULE_PATHNAME', 'streambatch_reads_partition' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION streambatch._reads_partition(oid, int) IS
    'internal: whether a stream reads a partition, according to its option partitions; false for anything but a stream; NULL for a NULL argument';

CREATE VIEW streambatch.stat_partition WITH (security_barrier) AS
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
COMMENT ON VIEW streambatch.stat_partition IS
    'one row per partition of a stream: next offset to read, end of the log (last stable offset) last reported by the broker, lag in messages, latest event time read, when the end of the log was reported (NULL: not since the server started)';
COMMENT ON COLUMN streambatch.stat_partition.stream IS 'the stream';
COMMENT ON COLUMN streambatch.stat_partition.partition IS 'number of the partition in the topic';
COMMENT ON COLUMN streambatch.stat_partition.next_offset IS 'offset that is read next; of a partition that was never read, the beginning of its log';
COMMENT ON COLUMN streambatch.stat_partition.log_end IS 'end of the log (last stable offset), as last reported by the broker';
COMMENT ON COLUMN streambatch.stat_partition.lag IS 'offsets from next_offset to log_end; NULL: the partition is not read any more';
COMMENT ON COLUMN streambatch.stat_partition.max_event_time IS 'latest event time read; NULL: none, or the stream has no option event_time';
COMMENT ON COLUMN streambatch.stat_partition.log_end_at IS 'when the worker last learned the end of the log; NULL: not since the server started';
COMMENT ON COLUMN streambatch.stat_partition.reading IS 'false: the partition was read up to next_offset, and then removed from the option partitions';

CREATE VIEW streambatch.stat_stream WITH (security_barrier) AS
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
COMMENT ON VIEW streambatch.stat_stream IS
    'one row per stream that the user may SELECT from: state of the worker (stopped, starting, catching up, streaming, paused, reconnecting, error) and its error, lag in messages, watermark; numbers of messages: received = folded + filtered + dead + skipped (tombstones)';
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
COMMENT ON COLUMN streambatch.stat_stream.archive_from IS 'event time before which retain() has removed events from the archive; NULL: it has not';

CREATE FUNCTION streambatch._groups(view regclass)
    RETURNS bigint AS 'MODULE_PATHNAME', 'streambatch_groups' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION streambatch._groups(regclass) IS
    'internal: number of groups of a hybrid view in both layers; above 100,000 rows of states, the number of rows as of the last ANALYZE; NULL for NULL; or while they cannot be read at once; raises insufficient_privilege if the user may neither SELECT from the view nor read all statistics';

-- The text of an error may contain data of the stream and of joined tables: it is for the view's owner, who reads all of them, as long as
-- the owner may read the stream. The stream's owner sees which views others have on it.
CREATE VIEW streambatch.stat_view WITH (security_barrier) AS
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

CREATE VIEW streambatch.refresh_history WITH (security_barrier) AS
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

-- The state of a run that was killed stays "running". A run is alive while its session holds the refresh lock of the view.
CREATE VIEW streambatch.stat_progress_refresh WITH (security_barrier) AS
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

CREATE VIEW streambatch.dead_letter WITH (security_barrier) AS
SELECT d.stream, d.view, d.topic, d.kafka_partition, d.kafka_offset, d.kafka_timestamp, d.key, d.headers, d.payload, d.sqlstate, d.message, d.detail, d.at,
       d.topic_epoch
  FROM streambatch._dead_letter d
  JOIN pg_catalog.pg_class c ON c.oid = d.stream
 WHERE NOT d.discarded AND pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW streambatch.dead_letter IS
    'messages that no view (view is NULL) or a single view could not process, with position, payload and error; visible to the owner of the stream';
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

CREATE VIEW streambatch.gap WITH (security_barrier) AS
SELECT g.stream, g.kafka_partition, g.from_offset, g.to_offset, g.noticed_at, g.action, g.topic_epoch
  FROM streambatch._gap g
 WHERE pg_catalog.has_table_privilege(g.stream::oid, 'SELECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
COMMENT ON VIEW streambatch.gap IS 'ranges of offsets [from_offset, to_offset) that the broker deleted before they were read, skipped because of the option on_gap ''skip''';
COMMENT ON COLUMN streambatch.gap.stream IS 'the stream';
COMMENT ON COLUMN streambatch.gap.kafka_partition IS 'partition of the offsets';
COMMENT ON COLUMN streambatch.gap.from_offset IS 'first offset that was missed';
COMMENT ON COLUMN streambatch.gap.to_offset IS 'first offset after the gap';
COMMENT ON COLUMN streambatch.gap.noticed_at IS 'when the worker noticed the gap';
COMMENT ON COLUMN streambatch.gap.action IS 'what was done: skip';
COMMENT ON COLUMN streambatch.gap.topic_epoch IS 'topic epoch that the offsets are of';

-- Read through the views cuts_<id> and clock_<id> in streambatch_state, which show to the owner of one view what is of that view.
CREATE VIEW streambatch._batch_as_of AS SELECT view_id, from_time, to_time, cut_at FROM streambatch._coverage;
CREATE VIEW streambatch._stream_as_of AS
SELECT v.id AS view_id, s.flushed_at, greatest(s.watermark, CASE WHEN s.watermark_limit IS NOT NULL THEN least(s.watermark_limit, pg_catalog.now()) END) AS watermark FROM streambatch._view v JOIN streambatch._stream s ON s.stream = v.stream;
COMMENT ON VIEW streambatch._batch_as_of IS 'internal: ranges of time that batch layers cover, and the times of their cuts';
COMMENT ON VIEW streambatch._stream_as_of IS 'internal: last flush and watermark of the stream of each hybrid view';

GRANT SELECT ON streambatch.stat_stream, streambatch.stat_partition, streambatch.stat_view, streambatch.stat_progress_refresh, streambatch.refresh_history,
    streambatch.stat_drift, streambatch.dead_letter, streambatch.gap TO PUBLIC;

-- ------------------------------------------------------------------------------------------------------------------
-- Privileges
-- ------------------------------------------------------------------------------------------------------------------

-- Functions that only the server calls: for an aggregate (its owner needs the privilege, not its user), a type or the planner.
REVOKE ALL ON FUNCTION
    streambatch._hop_rows(internal), streambatch._cumulate_rows(internal), streambatch._state_in(cstring), streambatch._state_out(streambatch._state),
    streambatch._take_first(internal, anyelement), streambatch._take_last(internal, anyelement), streambatch._taken(internal, anyelement),
    streambatch._taken_only(internal, anyelement),
    streambatch._first_add(bytea, anyelement, anycompatible, bigint, bigint), streambatch._last_add(bytea, anyelement, anycompatible, bigint, bigint),
    streambatch._first_combine(bytea, bytea), streambatch._last_combine(bytea, bytea),
    streambatch._first_merge(bytea, bytea, anyelement), streambatch._last_merge(bytea, bytea, anyelement), streambatch._rank_value(bytea, bytea, anyelement),
    streambatch._sketch_add(internal, anyelement, anycompatible), streambatch._sketch_end(internal, anyelement, anycompatible),
    streambatch._sketch_combine(anyelement, anyelement), streambatch._sketch_merge_add(internal, anyelement), streambatch._sketch_merge_end(internal, anyelement),
    streambatch._exact_add(int, anyelement, anycompatible), streambatch._exact_end(int, anyelement, anycompatible),
    streambatch._partial_add(internal, regprocedure, anyelement, VARIADIC "any"), streambatch._partial_add(internal, regprocedure, anyelement),
    streambatch._partial_end(internal, regprocedure, anyelement, VARIADIC "any"), streambatch._partial_end(internal, regprocedure, anyelement),
    streambatch._merge_add(internal, regprocedure, anyelement, VARIADIC "any"), streambatch._merge_end(internal, regprocedure, anyelement, VARIADIC "any")
    FROM PUBLIC;

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

/* pg_streambatch--0.1.0--0.2.0.sql: turns the objects of version 0.1.0 into those of pg_streambatch--0.2.0.sql */

-- complain if the script is run by hand
\echo Use "ALTER EXTENSION pg_streambatch UPDATE TO '0.2.0'" to load this file. \quit

-- ------------------------------------------------------------------------------------------------------------------
-- Dumps
-- ------------------------------------------------------------------------------------------------------------------

ALTER TABLE streambatch._stream ADD names text[];
ALTER TABLE streambatch._progress ADD names text[];
ALTER TABLE streambatch._view ADD names text[];
ALTER TABLE streambatch._run ADD names text[];
ALTER TABLE streambatch._dead_letter ADD names text[];
ALTER TABLE streambatch._gap ADD names text[];

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
CREATE TRIGGER _restore BEFORE INSERT ON streambatch._gap FOR EACH ROW WHEN (NEW.names IS NOT NULL)
    EXECUTE FUNCTION streambatch._restore('stream');
ALTER TABLE streambatch._stream ENABLE ALWAYS TRIGGER _restore;
ALTER TABLE streambatch._progress ENABLE ALWAYS TRIGGER _restore;
ALTER TABLE streambatch._view ENABLE ALWAYS TRIGGER _restore;
ALTER TABLE streambatch._run ENABLE ALWAYS TRIGGER _restore;
ALTER TABLE streambatch._dead_letter ENABLE ALWAYS TRIGGER _restore;
ALTER TABLE streambatch._gap ENABLE ALWAYS TRIGGER _restore;
COMMENT ON TRIGGER _restore ON streambatch._stream IS 'internal: restores a row from a dump';
COMMENT ON TRIGGER _restore ON streambatch._progress IS 'internal: restores a row from a dump';
COMMENT ON TRIGGER _restore ON streambatch._view IS 'internal: restores a row from a dump';
COMMENT ON TRIGGER _restore ON streambatch._run IS 'internal: restores a row from a dump';
COMMENT ON TRIGGER _restore ON streambatch._dead_letter IS 'internal: restores a row from a dump';
COMMENT ON TRIGGER _restore ON streambatch._gap IS 'internal: restores a row from a dump';

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
SELECT pg_catalog.pg_extension_config_dump('streambatch._coverage', '');
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
       s.topic_epoch
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

/* pg_streambatch--0.1.0.sql: everything that CREATE EXTENSION makes */

-- complain if the script is run by hand
\echo Use "CREATE EXTENSION pg_streambatch" to load this file. \quit

CREATE SCHEMA streambatch;
CREATE SCHEMA streambatch_state;
COMMENT ON SCHEMA streambatch IS 'pg_streambatch: functions, procedures and views';
COMMENT ON SCHEMA streambatch_state IS 'pg_streambatch: the states of hybrid views; internal';
GRANT USAGE ON SCHEMA streambatch TO PUBLIC;
GRANT USAGE ON SCHEMA streambatch_state TO PUBLIC;

-- ------------------------------------------------------------------------------------------------------------------
-- Streams (src/source)
-- ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION streambatch._fdw_handler() RETURNS pg_catalog.fdw_handler
    AS 'MODULE_PATHNAME', 'streambatch_fdw_handler' LANGUAGE C STRICT;
COMMENT ON FUNCTION streambatch._fdw_handler() IS 'the routines of the foreign data wrapper streambatch_kafka';

CREATE FUNCTION streambatch._fdw_validator(options pg_catalog.text[], catalog pg_catalog.oid) RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'streambatch_fdw_validator' LANGUAGE C STRICT;
COMMENT ON FUNCTION streambatch._fdw_validator(pg_catalog.text[], pg_catalog.oid) IS
    'checks the options of a server, user mapping, foreign table or column; raises fdw_invalid_option_name and its kin';

REVOKE ALL ON FUNCTION streambatch._fdw_handler() FROM PUBLIC;
REVOKE ALL ON FUNCTION streambatch._fdw_validator(pg_catalog.text[], pg_catalog.oid) FROM PUBLIC;

CREATE FOREIGN DATA WRAPPER streambatch_kafka
    HANDLER streambatch._fdw_handler VALIDATOR streambatch._fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER streambatch_kafka IS
    'Kafka topics as foreign tables, read ad hoc or as streams of hybrid views; one needs USAGE to create a server';

CREATE FUNCTION streambatch.decode(base anyelement, payload bytea, key bytea DEFAULT NULL)
	RETURNS anyelement
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'streambatch_decode';
COMMENT ON FUNCTION streambatch.decode(anyelement, bytea, bytea) IS
	'the row that a stream makes of a payload, or the error for which it would be a dead letter; base names the stream: NULL::events; metadata columns but key and topic are NULL; NULL for a NULL payload';

-- ------------------------------------------------------------------------------------------------------------------
-- Catalog (src/common/catalog.c)
-- ------------------------------------------------------------------------------------------------------------------

-- ------------------------------------------------------------------------------------------------------------------
-- Windows (src/define/window.c)
-- ------------------------------------------------------------------------------------------------------------------

-- ------------------------------------------------------------------------------------------------------------------
-- Hybrid views (src/serve, src/batch, src/stream)
-- ------------------------------------------------------------------------------------------------------------------

-- ------------------------------------------------------------------------------------------------------------------
-- Statistics (src/common/stats.c)
-- ------------------------------------------------------------------------------------------------------------------

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

-- On the server that merges; see README.md. Variables: host_a, port_a, host_b, port_b, database.
\set ON_ERROR_STOP on

CREATE EXTENSION pg_streambatch;
CREATE EXTENSION postgres_fdw;
CREATE SERVER node_a FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host :'host_a', port :'port_a', dbname :'database');
CREATE SERVER node_b FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host :'host_b', port :'port_b', dbname :'database');
-- elsewhere than on a test machine, merger has a password: add it here as option password
CREATE USER MAPPING FOR CURRENT_USER SERVER node_a OPTIONS (user 'merger');
CREATE USER MAPPING FOR CURRENT_USER SERVER node_b OPTIONS (user 'merger');

SELECT streambatch.create_merged_view('sales', ARRAY['node_a', 'node_b']);

-- Payloads are UTF-8 whatever the database's encoding is: text is converted, paths as well, and what the encoding lacks is refused.
\set here :DBNAME
CREATE DATABASE decode_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c decode_latin1
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE EXTENSION pg_streambatch;
CREATE SERVER decode_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
DO $$
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE t (%I text, v varchar(2), p text OPTIONS (path %L), j jsonb, js json, a text[], k text OPTIONS (metadata %L)) SERVER decode_kafka OPTIONS (topic %L)',
		chr(233), '/' || chr(232) || '/0', 'key', 't');
	EXECUTE format('CREATE FOREIGN TABLE r (value text) SERVER decode_kafka OPTIONS (topic %L, format %L)', 't', 'raw');
END $$;
-- e acute as key, u umlaut as value, twice, once escaped; e grave as key of the path
SELECT *, octet_length(v) FROM streambatch.decode(NULL::t, '\x7b22c3a9223a22c3bc5c7530306663222c2276223a22c3bc78222c22c3a8223a5b22c3bc225d2c226a223a22c3bc222c226a73223a225c7530306663222c2261223a5b225c7530306663222c2262225d7d', '\xc3bc');
SELECT streambatch.decode(NULL::t, '\x7b22c3a9223a22e282ac227d');
SELECT streambatch.decode(NULL::t, '\x7b22c3a9223a225c7532306163227d');
SELECT streambatch.decode(NULL::t, '\x7b226a223a22e282ac227d');
SELECT streambatch.decode(NULL::t, '{}', '\xe282ac');
SELECT t IS NULL AS unasked FROM streambatch.decode(NULL::t, convert_to('{"other": "\u20ac"}', 'UTF8')) t;
SELECT streambatch.decode(NULL::t, '\x7b22223a22fc227d');
SELECT length(value), ascii(value) FROM streambatch.decode(NULL::r, '\xc3bc');
SELECT streambatch.decode(NULL::r, '\xfc');
\c :here
DROP DATABASE decode_latin1;

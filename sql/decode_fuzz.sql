-- Hostile payloads: what the decoder takes for a document, and what it finds there, agrees with PostgreSQL's own jsonb.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SERVER decode_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
CREATE SCHEMA decode_fuzz;
SET search_path = decode_fuzz;

CREATE FOREIGN TABLE nothing (k text OPTIONS (metadata 'key')) SERVER decode_kafka OPTIONS (topic 't');
CREATE FOREIGN TABLE fields (
	a jsonb, ab jsonb OPTIONS (path 'a.b'), abc jsonb OPTIONS (path 'a.b.c'), a0 jsonb OPTIONS (path 'a[0]'), a1b jsonb OPTIONS (path 'a[1].b'), p jsonb OPTIONS (path '/a/0'), b text, e text OPTIONS (path '/'), "a.b" jsonb
) SERVER decode_kafka OPTIONS (topic 't');

CREATE FUNCTION pick(VARIADIC a anyarray) RETURNS anyelement LANGUAGE sql VOLATILE AS $$ SELECT a[1 + floor(random() * cardinality(a))::int] $$;
CREATE FUNCTION mutated(p bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	at int := 1 + floor(random() * length(p))::int;
	token bytea;
BEGIN
	CASE floor(random() * 6)
		WHEN 0, 1 THEN
			token := convert_to(pick('{'::text, '}', '[', ']', ':', ',', '"', '\', '"a"', '"b":', '"a":', '{"a":', '{"b":1}', '[1,{"b":[2]}]', 'null', 'true', 'fals', '0', '-1.50', '1e5', '01', '1e', '"\u0061":1,', '\u0000', '\ud83d\ude00',
				'\ud83d', '\ude00', '\n', '\q', ' ', E'\t', E'\n', E'\f', E'\x1a', '"a.b":{},', '"":"",'), 'UTF8');
			RETURN overlay(p PLACING token FROM at FOR 0);
		WHEN 2 THEN
			RETURN overlay(p PLACING pick('\xc3'::bytea, '\xc3a9'::bytea, '\x00'::bytea, '\xff'::bytea, '\xeda080'::bytea, '\xf09f9880'::bytea, '\xefbbbf'::bytea) FROM at FOR floor(random() * 2)::int);
		WHEN 3 THEN
			RETURN overlay(p PLACING ''::bytea FROM at FOR 1 + floor(random() * 3)::int);
		WHEN 4 THEN
			RETURN set_byte(p, at - 1, floor(random() * 256)::int);
		ELSE
			RETURN overlay(p PLACING substring(p FROM 1 + floor(random() * at)::int FOR floor(random() * 30)::int) FROM at FOR 0);
	END CASE;
END $$;

-- 'document', 'other' (valid, but no object), or the SQLSTATE
CREATE FUNCTION by_jsonb(payload bytea, OUT verdict text, OUT value jsonb) LANGUAGE plpgsql AS $$
BEGIN
	-- a byte order mark before the document is skipped
	value := convert_from(CASE WHEN substring(payload FOR 3) = '\xefbbbf' THEN substring(payload FROM 4) ELSE payload END, 'UTF8')::jsonb;
	verdict := CASE jsonb_typeof(value) WHEN 'object' THEN 'document' ELSE 'other' END;
EXCEPTION WHEN OTHERS THEN
	verdict := SQLSTATE;
END $$;
CREATE FUNCTION by_decode(payload bytea, OUT verdict text, OUT value fields) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM streambatch.decode(NULL::nothing, payload);
	verdict := 'document';
	value := streambatch.decode(NULL::fields, payload);
EXCEPTION WHEN OTHERS THEN
	verdict := coalesce(verdict || ' ', '') || SQLSTATE;
END $$;

\set seed 0.20
SELECT :seed AS seed, setseed(:seed) IS NOT NULL AS set;
CREATE TABLE inputs (id serial, payload bytea);
DO $$
DECLARE
	p bytea;
BEGIN
	FOR i IN 1..20000 LOOP
		p := pick('{"a":1,"b":"x"}'::bytea, '{"a":{"b":{"c":[1,2]}},"b":2.50}', '{"a":[{"b":1},{"b":null}], "b" : true, "" : "e"}', '{"a.b":"dot","a":{"b":"nested"}}', ' { } ',
			convert_to('{"b":"\u00e9\"\\\/\n","a":["\ud83d\ude00",-1.5e-3,[]]}', 'UTF8'), convert_to('{"a":"', 'UTF8') || '\xe282ac'::bytea || '","b":{"a":{}}}'::bytea);
		FOR j IN 1..floor(random() * 4)::int LOOP
			p := decode_fuzz.mutated(p);
			EXIT WHEN p = '';
		END LOOP;
		INSERT INTO decode_fuzz.inputs (payload) VALUES (p);
	END LOOP;
END $$;
CREATE TABLE verdicts AS
SELECT id, payload, j.verdict AS j, j.value AS doc, d.verdict AS d, d.value AS row FROM inputs, by_jsonb(payload) j, by_decode(payload) d;
SELECT count(*) AS inputs, count(*) FILTER (WHERE d = 'document') > 3000 AS many_taken, count(*) FILTER (WHERE d <> 'document') > 3000 AS many_refused FROM verdicts;
-- 22003: a number that is valid JSON, but too large for numeric
SELECT j, d, encode(payload, 'escape') FROM verdicts WHERE (j = 'document') <> (d = 'document') AND NOT (j = '22003' AND d ~ '^document|^22032') LIMIT 10;
SELECT encode(payload, 'escape'), v.row FROM verdicts v
WHERE j = 'document' AND d = 'document' AND ROW((v.row).a, (v.row).ab, (v.row).abc, (v.row).a0, (v.row).a1b, (v.row).p, (v.row).b, (v.row).e, (v.row)."a.b") IS DISTINCT FROM
	ROW(nullif(doc->'a', 'null'), nullif(CASE jsonb_typeof(doc->'a') WHEN 'object' THEN doc#>'{a,b}' END, 'null'), nullif(CASE jsonb_typeof(doc#>'{a,b}') WHEN 'object' THEN doc#>'{a,b,c}' END, 'null'),
		nullif(CASE jsonb_typeof(doc->'a') WHEN 'array' THEN doc#>'{a,0}' END, 'null'), nullif(CASE WHEN jsonb_typeof(doc->'a') = 'array' AND jsonb_typeof(doc#>'{a,1}') = 'object' THEN doc#>'{a,1,b}' END, 'null'),
		nullif(doc#>'{a,0}', 'null'), CASE WHEN jsonb_typeof(doc->'b') IN ('object', 'array', 'number') THEN (v.row).b ELSE doc->>'b' END,
		CASE WHEN jsonb_typeof(doc->'') IN ('object', 'array', 'number') THEN (v.row).e ELSE doc->>'' END, nullif(doc->'a.b', 'null')) LIMIT 10;
-- texts of objects, arrays and numbers keep their spelling, so they are compared by what they mean
SELECT encode(payload, 'escape') FROM verdicts v WHERE j = 'document' AND d = 'document' AND jsonb_typeof(doc->'b') IN ('object', 'array', 'number') AND (v.row).b::jsonb IS DISTINCT FROM doc->'b' LIMIT 10;
DROP SCHEMA decode_fuzz CASCADE;
DROP SERVER decode_kafka;

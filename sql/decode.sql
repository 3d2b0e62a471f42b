-- Decoding: what a JSON payload makes of each type, what is refused and with which words. No broker is asked.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SERVER decode_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
CREATE SCHEMA decode;
SET search_path = decode;
SET client_encoding = 'UTF8';
SET bytea_output = 'hex';
-- nothing of this may matter
SET TimeZone = 'Asia/Kolkata';
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN percent AS numeric(5,2) CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN code AS text NOT NULL CHECK (VALUE ~ '^[A-Z]+$');
CREATE DOMAIN scores AS int[] CHECK (cardinality(VALUE) <= 3);

CREATE FOREIGN TABLE one_each (
	bool bool, int2 int2, int4 int4, int8 int8, float4 float4, float8 float8, num numeric, num52 numeric(5,2),
	text text, varchar3 varchar(3), char3 char(3), date date, time time, timestamp timestamp, timestamptz timestamptz, timestamptz0 timestamptz(0),
	interval interval, uuid uuid, json json, jsonb jsonb, bytea bytea, mood mood, percent percent, inet inet, range tstzrange, pair pair, oid oid,
	ints int[], texts text[], nums numeric(4,1)[], jsons jsonb[], moods mood[], percents percent[], stamps timestamptz[], scores scores
) SERVER decode_kafka OPTIONS (topic 't', time_zone 'Europe/Berlin');

-- the column of that name after a payload with this value for it, or the error
CREATE FUNCTION try(col text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT (streambatch.decode(NULL::decode.one_each, $1)).%I::text', col) INTO result
	USING convert_to(format('{"x": 1, "%s": %s}', col, value), 'UTF8');
	RETURN CASE WHEN length(result) > 200 THEN length(result) || ' characters' ELSE coalesce(result, 'NULL') END;
EXCEPTION WHEN OTHERS THEN
	RETURN format('%s: %s', SQLSTATE, SQLERRM);
END $$;

-- ---- missing and null are NULL for every type ----
SELECT count(*) AS columns, count(*) FILTER (WHERE try(attname, 'null') <> 'NULL') AS not_null
FROM pg_attribute WHERE attrelid = 'one_each'::regclass AND attnum > 0;
SELECT streambatch.decode(NULL::one_each, '{}') IS NULL AS all_null;
SELECT streambatch.decode(NULL::one_each, NULL) IS NULL AS tombstone;

-- ---- numbers ----
SELECT col, value, try(col, value) FROM (VALUES
	('int4', '1'), ('int4', '-1'), ('int4', '-0'), ('int4', '1.0'), ('int4', '1e3'), ('int4', '120e-1'), ('int4', '1.50E+1'), ('int4', '"2"'), ('int4', '" 2 "'),
	('int4', '1.5'), ('int4', '1e-1'), ('int4', '"1.0"'), ('int4', '""'), ('int4', '"x"'), ('int4', 'true'), ('int4', '[1]'), ('int4', '{"a":1}'),
	('int4', '2147483647'), ('int4', '2147483648'), ('int4', '-2147483648'), ('int4', '-2147483649'), ('int4', '"2147483648"'), ('int4', '1e9999'), ('int4', '1e-9999'),
	('int4', '1.00000000000000000000000000'), ('int4', '1.00000000000000000000000001'), ('int4', '10000000000000000000000000e-24'),
	('int2', '32767'), ('int2', '32768'), ('int2', '-32768'), ('int2', '-32769'),
	('int8', '9223372036854775807'), ('int8', '9223372036854775808'), ('int8', '-9223372036854775808'), ('int8', '-9223372036854775809'), ('int8', '9223372036854775807.000'), ('int8', '99999999999999999999'),
	('float8', '0.1'), ('float8', '-0'), ('float8', '-0.0'), ('float8', '1e22'), ('float8', '1e23'), ('float8', '9007199254740993'), ('float8', '4.9e-324'), ('float8', '1.7976931348623157e308'),
	('float8', '1e309'), ('float8', '1e-400'), ('float8', '"NaN"'), ('float8', '"-Infinity"'), ('float8', '"0.5"'), ('float8', 'false'),
	('float4', '0.1'), ('float4', '16777217'), ('float4', '3.4028235e38'), ('float4', '1e39'), ('float4', '1e-46'),
	('num', '1'), ('num', '1.10'), ('num', '-0.00'), ('num', '1e3'), ('num', '1.5e-3'), ('num', '"12.500"'), ('num', '"NaN"'), ('num', '123456789012345678901234567890.123456789'), ('num', '1e131071'), ('num', '1e131072'), ('num', '{}'),
	('num52', '1'), ('num52', '1.005'), ('num52', '-1.005'), ('num52', '1.004999'), ('num52', '999.99'), ('num52', '999.994'), ('num52', '999.995'), ('num52', '1000'), ('num52', '"7.1"'),
	('oid', '7'), ('oid', '"7"'), ('oid', '1.5')
	) AS v(col, value);

-- ---- booleans ----
SELECT col, value, try(col, value) FROM (VALUES
	('bool', 'true'), ('bool', 'false'), ('bool', '"t"'), ('bool', '"off"'), ('bool', '1'), ('bool', '0'), ('bool', '2'), ('bool', '"maybe"'), ('bool', '[]')
	) AS v(col, value);

-- ---- text: numbers keep their spelling, arrays and objects are their JSON text ----
SELECT col, value, '"' || try(col, value) || '"' AS try FROM (VALUES
	('text', '"a"'), ('text', '""'), ('text', '1.50'), ('text', '1E+2'), ('text', '-0'), ('text', 'true'), ('text', '[1, 2]'), ('text', '{"a" : "\u00e9"}'),
	('text', '"a\"b\\c\/d\u0041"'), ('text', '"\ud83d\ude00"'), ('text', '"null"'),
	('varchar3', '"abc"'), ('varchar3', '"abc  "'), ('varchar3', '"abcd"'), ('varchar3', '1.5'), ('varchar3', '1.55'), ('varchar3', '"\u00e4\u00f6\u00fc"'),
	('char3', '"a"'), ('char3', '"abc  "'), ('char3', '"abcd"')
	) AS v(col, value) WHERE value !~ 'ud83d|u00e4';
SELECT octet_length(try('text', '"\ud83d\ude00"')) AS emoji, octet_length(try('text', '"\b\f\n\r\t"')) AS controls, try('varchar3', '"\u00e4\u00f6\u00fc"') = U&'\00e4\00f6\00fc' AS umlauts,
	octet_length((streambatch.decode(NULL::one_each, '{"char3": "a"}')).char3) AS padded;

-- ---- dates and times ----
SELECT col, value, try(col, value) FROM (VALUES
	('date', '"2024-02-29"'), ('date', '"2023-02-29"'), ('date', '"2025-04-31"'), ('date', '"1900-02-29"'), ('date', '"02/03/2025"'), ('date', '"2025-02-14T23:00:00Z"'), ('date', '"infinity"'), ('date', '"0044-03-15 BC"'),
	('date', '20250214'), ('date', '"20250214"'), ('date', '"today"'), ('date', '"x"'),
	('timestamp', '"2025-02-14T10:00:00"'), ('timestamp', '"2025-02-14 10:00:00.5"'), ('timestamp', '"2025-02-14T10:00:00+05"'), ('timestamp', '"02/03/2025 10:00"'), ('timestamp', '1739527200'), ('timestamp', '"2025-02-14T25:00:00"'),
	('timestamptz', '"2025-02-14T10:00:00Z"'), ('timestamptz', '"2025-02-14 10:00:00+00"'), ('timestamptz', '"2025-02-14T10:00:00"'), ('timestamptz', '"2025-07-14T10:00:00"'), ('timestamptz', '"2025-02-14"'),
	('timestamptz', '"2025-02-14T10:00:00.123456+05:30"'), ('timestamptz', '"2025-02-14T10:00:00.1234565Z"'), ('timestamptz', '"2025-02-14T10:00:00.9999999Z"'), ('timestamptz', '"2025-02-14T10:00:00-0800"'), ('timestamptz', '"2025-02-14T10:00:00+16"'),
	('timestamptz', '"2025-03-30T02:30:00"'), ('timestamptz', '"2025-10-26T02:30:00"'), ('timestamptz', '"2025-12-31T23:59:60Z"'), ('timestamptz', '"2025-12-31T24:00:00Z"'), ('timestamptz', '"0001-01-01T00:00:00Z"'),
	('timestamptz', '"2025-02-14 10:00:00 America/New_York"'), ('timestamptz', '"Fri, 14 Feb 2025 10:00:00 GMT"'), ('timestamptz', '"03/02/2025 10:00"'),
	('timestamptz', '"infinity"'), ('timestamptz', '"epoch"'), ('timestamptz', '"now"'), ('timestamptz', '"Tomorrow 10:00"'), ('timestamptz', '"2025-02-30T10:00:00Z"'), ('timestamptz', '"2025-02-14T10:60:00Z"'), ('timestamptz', '""'),
	('timestamptz', '1739527200'), ('timestamptz', 'true'), ('timestamptz', '"999999-01-01T00:00:00Z"'),
	('timestamptz0', '"2025-02-14T10:00:00.5Z"'), ('timestamptz0', '"2025-02-14T10:00:00.499999Z"'),
	('time', '"10:11:12.5"'), ('time', '101112'), ('time', '"now"'),
	('interval', '"1 day -2 hours"'), ('interval', '"-1 2:03:04"'), ('interval', '"P1DT2H"'), ('interval', '5'),
	('range', '"[2025-02-14 10:00, 2025-02-15 10:00)"')
	) AS v(col, value);

-- ---- the others ----
SELECT col, value, try(col, value) FROM (VALUES
	('uuid', '"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"'), ('uuid', '"x"'), ('uuid', '1'),
	('bytea', '"\\x00ff"'), ('bytea', '"abc"'), ('bytea', '"\\x0"'), ('bytea', '1'),
	('json', '{"a": 1.0,"a":2}'), ('json', '"s\u0041"'), ('json', '1.50'), ('json', ' [ ] '), ('json', 'false'),
	('jsonb', '{"b": 1.0,"a":[null],"b":2.50}'), ('jsonb', '"s\u0041"'), ('jsonb', '1.50'), ('jsonb', 'true'), ('jsonb', '[1e999999]'),
	('mood', '"ok"'), ('mood', '"OK"'), ('mood', '1'),
	('percent', '12.345'), ('percent', '"99"'), ('percent', '100.01'), ('percent', '1000'), ('percent', '"x"'),
	('inet', '"10.0.0.1/8"'), ('inet', '"10.0.0.256"'), ('inet', '[]'), ('pair', '"(1,x)"'), ('pair', '{"a":1}')
	) AS v(col, value);

-- ---- arrays ----
SELECT col, value, try(col, value) FROM (VALUES
	('ints', '[]'), ('ints', '[1, 2.0, "3", null]'), ('ints', '[[1,2],[3,4]]'), ('ints', '[[1],[2,3]]'), ('texts', '[["a"],["b","c"]]'), ('ints', '[1,[2]]'), ('ints', '[[1],2]'), ('ints', '[[],[]]'), ('ints', '[[],[1]]'), ('ints', '[[1],null]'),
	('ints', '[[[[[[1]]]]]]'), ('ints', '[[[[[[[1]]]]]]]'), ('ints', '[1,"x"]'), ('ints', '[1.5]'), ('ints', '[{}]'), ('ints', '"{1,2}"'), ('ints', '"[0:1]={1,2}"'), ('ints', '"x"'), ('ints', '1'), ('ints', '[[[1,2]],[[3,4]],[[5,6]]]'),
	('texts', '["a", 1.50, true, {"k": [1, "]"]}, null, "x\"y\u0041", ""]'), ('texts', '[["a","b"],["c",null]]'),
	('nums', '[1.05, 12, "3"]'), ('nums', '[1000]'),
	('jsons', '[1, [2, 3], {"a": "]"}, null, "x"]'),
	('moods', '["sad","ok"]'), ('moods', '["sad","bad"]'),
	('percents', '[1, 99.999]'), ('percents', '[1, 101]'),
	('stamps', '["2025-02-14T10:00:00", "2025-02-14T10:00:00Z", null]'),
	('scores', '[1,2,3]'), ('scores', '[1,2,3,4]')
	) AS v(col, value);

-- ---- epoch numbers ----
CREATE FOREIGN TABLE in_s (t timestamptz, l timestamp, t0 timestamptz(0)) SERVER decode_kafka OPTIONS (topic 't', time_unit 's', time_zone 'America/New_York');
CREATE FOREIGN TABLE in_ms (t timestamptz) SERVER decode_kafka OPTIONS (topic 't', time_unit 'ms');
CREATE FOREIGN TABLE in_us (t timestamptz) SERVER decode_kafka OPTIONS (topic 't', time_unit 'us');
CREATE FOREIGN TABLE in_ns (t timestamptz) SERVER decode_kafka OPTIONS (topic 't', time_unit 'ns');
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
SELECT * FROM streambatch.decode(NULL::in_s, '{"t": 1739527200.5, "l": 1739527200, "t0": 1739527200.5}');
SELECT v, (streambatch.decode(NULL::in_s, convert_to(format('{"t": %s}', v), 'UTF8'))).t FROM unnest(ARRAY['0', '-1', '1e9', '1739527200.1234565', '1739527200.12345649999999999999', '-0.0000005', '"2025-02-14T10:00:00Z"', 'null']) v;
SELECT v, (streambatch.decode(NULL::in_ms, convert_to(format('{"t": %s}', v), 'UTF8'))).t FROM unnest(ARRAY['1739527200123', '1739527200123.456']) v;
SELECT v, (streambatch.decode(NULL::in_us, convert_to(format('{"t": %s}', v), 'UTF8'))).t FROM unnest(ARRAY['1739527200123456', '1739527200123456.5']) v;
SELECT v, (streambatch.decode(NULL::in_ns, convert_to(format('{"t": %s}', v), 'UTF8'))).t FROM unnest(ARRAY['1739527200123456789', '1739527200123456499', '1739527200123456499.00000000000']) v;
SELECT streambatch.decode(NULL::in_s, '{"t": 9224318016000}');
SELECT streambatch.decode(NULL::in_s, '{"t": 1e30}');
SELECT streambatch.decode(NULL::in_s, '{"t": "1739527200"}');
SELECT (streambatch.decode(NULL::in_s, '{"t": 9223372036854}')).t;

-- ---- paths ----
CREATE FOREIGN TABLE paths (
	plain text,
	"with.dot" text,
	"Case" text,
	"case" text,
	deep int OPTIONS (path 'a.b.c'),
	whole jsonb OPTIONS (path 'a'),
	again jsonb OPTIONS (path 'a'),
	first int OPTIONS (path 'list[0]'),
	nested text OPTIONS (path 'list[1].x[2][0]'),
	pointer text OPTIONS (path '/a/b/c'),
	pointer_index text OPTIONS (path '/list/0'),
	pointer_escapes text OPTIONS (path '/with.dot~1and~0'),
	pointer_empty text OPTIONS (path '/'),
	digits text OPTIONS (path '/7'),
	escaped text OPTIONS (path 'eA')
) SERVER decode_kafka OPTIONS (topic 't');
\x on
SELECT * FROM streambatch.decode(NULL::paths, convert_to('{"plain": 1, "with.dot": 2, "with": {"dot": 3}, "Case": "upper", "a": {"b": {"c": 7}, "d": [1]}, "list": [10, {"x": [0, 0, ["deep"]]}],
	"with.dot/and~": "escapes", "": "empty", "7": "key", "e\u0041": "escaped key"}', 'UTF8'));
-- of equal keys the last counts, with all below it
SELECT * FROM streambatch.decode(NULL::paths, convert_to('{"plain": 1, "a": {"b": {"c": 7}}, "list": [1, {"x": [1, 2, [3]]}], "plain": 2, "a": {"d": 1}, "list": {"0": "object"}, "\u0070lain": null}', 'UTF8'));
SELECT * FROM streambatch.decode(NULL::paths, '{"a": {"b": {"c": 1, "c": 2}, "b": {"c": 3, "c": 4}}, "list": "scalar", "7": [], "case": "lower"}');
\x off
CREATE FOREIGN TABLE bad_path (c int OPTIONS (path 'a..b')) SERVER decode_kafka OPTIONS (topic 't');
CREATE FOREIGN TABLE bad_path (c int OPTIONS (path 'a')) SERVER decode_kafka OPTIONS (topic 't');
CREATE FUNCTION try_path(path text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE format('ALTER FOREIGN TABLE decode.bad_path ALTER c OPTIONS (SET path %L)', path);
	EXECUTE 'SELECT streambatch.decode(NULL::decode.bad_path, ''{}'')';
	RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN format('%s: %s: %s', SQLSTATE, SQLERRM, detail);
END $$;
SELECT p, try_path(p) FROM unnest(ARRAY['a', 'a[0]', 'a[0][1].b', '/a', '/', '/a//b', '/0/1/2/3/4/5',
	'.a', 'a.', 'a[', 'a[]', 'a[x]', 'a[-1]', 'a[01]', 'a[0', 'a[0]b', 'a]', '[0]', 'a[9999999999]', '/a~', '/a~2', '/0/1/2/3/4/5/6']) p;

-- ---- metadata ----
CREATE FOREIGN TABLE meta (
	v int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'), t timestamptz OPTIONS (metadata 'timestamp'), k text OPTIONS (metadata 'key'),
	kb bytea OPTIONS (metadata 'key'), h jsonb OPTIONS (metadata 'headers'), topic text OPTIONS (metadata 'topic')
) SERVER decode_kafka OPTIONS (topic 'clicks');
SELECT * FROM streambatch.decode(NULL::meta, '{"v": 1, "topic": 2, "p": 3}', 'key 1');
SELECT * FROM streambatch.decode(NULL::meta, '{"v": 1}');
SELECT * FROM streambatch.decode(NULL::meta, '{"v": 1}', '\xff');

-- ---- format raw ----
CREATE FOREIGN TABLE raw_bytes (value bytea, k bytea OPTIONS (metadata 'key')) SERVER decode_kafka OPTIONS (topic 't', format 'raw');
CREATE FOREIGN TABLE raw_text (value text) SERVER decode_kafka OPTIONS (topic 't', format 'raw');
SELECT * FROM streambatch.decode(NULL::raw_bytes, '\x00ff', '\xfe');
SELECT *, value = '' AS empty FROM streambatch.decode(NULL::raw_text, '');
SELECT * FROM streambatch.decode(NULL::raw_text, 'plain {');
SELECT * FROM streambatch.decode(NULL::raw_text, '\xff00');
SELECT * FROM streambatch.decode(NULL::raw_text, '\x00');

-- ---- documents that are refused, wherever it is that they are wrong ----
CREATE FUNCTION refused(payload bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM streambatch.decode(NULL::decode.meta, payload);
	RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
	RETURN format('%s: %s', SQLSTATE, SQLERRM);
END $$;
SELECT to_json(p), refused(convert_to(p, 'UTF8')) FROM unnest(ARRAY['', ' ', '{}', ' {"v":1} ', E'\t\r\n{}\n', '1', '"a"', '[]', 'null', '[', '{"v":1', '{"v":1}}', '{} {}', '{"v":1}x', '{,}', '{"v"}', '{"v":}', '{"v":1,}', '{v:1}', '{"v" 1}', '{"v":1 "w":2}',
	'{"x":[1,]}', '{"x":[1 2]}', '{"x":[,1]}', '{"x":]}', '{"x":{"y"}}', '{"x":tru}', '{"x":truee}', '{"x":nul}', '{"x":True}', '{"x":NaN}', '{"x":01}', '{"x":-}', '{"x":1.}', '{"x":.5}', '{"x":1e}', '{"x":+1}', '{"x":0x1}', '{"x":1a}', '{"x":1"a"}',
	'{"x":"', '{"x":"a}', '{"x":"\"}', '{"x":"\x"}', '{"x":"\u12"}', '{"x":"\u12g4"}', '{"x":"\u0000"}', '{"\u0000":1}', '{"x":"\ud800"}', '{"x":"\udc00"}', '{"x":"\ud800\u0041"}', '{"x":"\ud800\ud800"}', '{"\ud83d\ude00":1}',
	E'{"x":"a\nb"}', E'{"x":"a\tb"}', E'{\f}', '{"x":''a''}', '{"x":1/*c*/}', '{"x":"a""b"}', '{1:2}', '{"x":1,,"y":2}', '{"a":1}]']) p;
SELECT n, refused(p) FROM (VALUES
	('UTF-8 in a string', '{"x":"'::bytea || '\xc3a9'::bytea || '"}'), ('cut UTF-8', '{"x":"'::bytea || '\xc3'::bytea || '"}'), ('overlong', '{"x":"'::bytea || '\xc0af'::bytea || '"}'),
	('surrogate in UTF-8', '{"x":"'::bytea || '\xeda080'::bytea || '"}'), ('beyond Unicode', '{"x":"'::bytea || '\xf4908080'::bytea || '"}'), ('Latin-1 key', '{"'::bytea || '\xe9'::bytea || '":1}'),
	('byte order mark', '\xefbbbf'::bytea || '{}'), ('NUL byte in a string', '{"x":"'::bytea || '\x00'::bytea || '"}'), ('NUL byte behind', '{}'::bytea || '\x00'::bytea), ('NUL byte', '\x00'::bytea),
	('depth 64', convert_to('{"x":' || repeat('[', 63) || repeat(']', 63) || '}', 'UTF8')), ('depth 65', convert_to('{"x":' || repeat('[', 64) || repeat(']', 64) || '}', 'UTF8')),
	('depth of objects', convert_to(repeat('{"x":', 65) || '1' || repeat('}', 65), 'UTF8')), ('depth, open', convert_to(repeat('[', 100000), 'UTF8')),
	('long number', convert_to('{"x":' || repeat('1', 16384) || '}', 'UTF8')), ('longer number', convert_to('{"x":' || repeat('1', 16385) || '}', 'UTF8')),
	('long string', convert_to('{"x":"' || repeat('x', 3000000) || '"}', 'UTF8')), ('small again', '{"v":1}'), ('64 MB', convert_to('{"x":"' || repeat('x', 64 * 1024 * 1024) || '"}', 'UTF8'))
	) AS v(n, p);

-- ---- a domain's NOT NULL ----
CREATE FOREIGN TABLE coded (c code) SERVER decode_kafka OPTIONS (topic 't');
SELECT * FROM streambatch.decode(NULL::coded, '{"c": "AB"}');
SELECT * FROM streambatch.decode(NULL::coded, '{"c": "ab"}');
SELECT * FROM streambatch.decode(NULL::coded, '{}');

-- ---- messages cite little of the payload, and no control characters ----
SELECT try('int4', '"' || repeat('ab', 1000) || '"');
SELECT try('int4', repeat('1', 1000));
SELECT try('int4', '"a\nb\u001b[2J"');
SELECT try('timestamptz', '"' || repeat('y', 1000) || '"');
SELECT try('num', '"' || repeat('z', 100000) || '"');
SELECT try('bool', '{"a": "' || repeat('q', 1000) || '"}');
SELECT try('inet', '"' || repeat('9', 1000) || '"');
SELECT length(try('ints', '"{1,' || repeat('k', 10000) || '}"')) < 300 AS short;

-- ---- context and hints ----
SELECT streambatch.decode(NULL::one_each, '{"int4": 1.5}');
SELECT streambatch.decode(NULL::one_each, '{"timestamptz": 1739527200}');
SELECT streambatch.decode(NULL::one_each, '{"ints": [[1],[2,3]]}');
SELECT streambatch.decode(NULL::pg_class, '{}');
SELECT streambatch.decode(NULL::pair, '{}');
SELECT streambatch.decode(1, '{}');
-- the session's settings are as they were
SET TimeZone = 'Asia/Kolkata';
SET DateStyle = 'SQL, DMY';
SELECT streambatch.decode(NULL::one_each, '{"timestamptz": "2025-02-14 10:00 nowhere"}');
SHOW TimeZone;
SHOW DateStyle;
SHOW IntervalStyle;
SELECT timestamptz '02/03/2025 10:00';

-- a changed foreign table is read again by the next query
ALTER FOREIGN TABLE coded ADD COLUMN d int, DROP COLUMN c;
SELECT * FROM streambatch.decode(NULL::coded, '{"c": "ab", "d": 2}');

DROP SCHEMA decode CASCADE;
DROP SERVER decode_kafka;

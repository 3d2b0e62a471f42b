-- Options: which are taken where, from whom, and the words of every refusal. No broker is asked.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA options;
SET search_path = options;
CREATE ROLE options_user;
CREATE ROLE options_reader IN ROLE pg_read_server_files;
GRANT USAGE ON FOREIGN DATA WRAPPER streambatch_kafka TO options_user, options_reader;
GRANT USAGE, CREATE ON SCHEMA options TO options_user, options_reader;

-- ---- what is taken ----
CREATE SERVER options_full FOREIGN DATA WRAPPER streambatch_kafka OPTIONS (
    "bootstrap.servers" 'localhost:1, localhost:2', "security.protocol" 'sasl_ssl', "sasl.mechanism" 'SCRAM-SHA-256',
    "ssl.ca.pem" 'no certificate, but only a connection would know', "ssl.cipher.suites" 'ECDHE-RSA-AES128-GCM-SHA256',
    "ssl.endpoint.identification.algorithm" 'https', "enable.ssl.certificate.verification" 'true',
    "client.id" 'me', "client.rack" 'a', "broker.address.family" 'v4', "socket.timeout.ms" '10000',
    "socket.connection.setup.timeout.ms" '5000', "socket.keepalive.enable" 'true', "connections.max.idle.ms" '60000',
    "reconnect.backoff.ms" '50', "reconnect.backoff.max.ms" '500', "metadata.max.age.ms" '60000', "fetch.min.bytes" '1',
    "fetch.max.bytes" '52428800', "fetch.message.max.bytes" '1048576', "fetch.wait.max.ms" '100',
    "fetch.error.backoff.ms" '100', "compression.type" 'lz4', "linger.ms" '5', "message.max.bytes" '1000000',
    "message.timeout.ms" '10000', "request.timeout.ms" '5000');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_full OPTIONS (
    "sasl.username" 'me', "sasl.password" 'secret', "ssl.certificate.pem" 'c', "ssl.key.pem" 'k', "ssl.key.password" 'p');
CREATE SERVER options_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
GRANT USAGE ON FOREIGN SERVER options_kafka TO options_user;
CREATE FOREIGN TABLE full_options (
    id bigint, country text OPTIONS (path 'geo.country'), ts timestamptz,
    p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'), t timestamptz OPTIONS (metadata 'timestamp'),
    k bytea OPTIONS (metadata 'key'), h jsonb OPTIONS (metadata 'headers'), topic text OPTIONS (metadata 'topic')
) SERVER options_kafka OPTIONS (
    topic 'events', format 'json', event_time 'ts', start 'latest', archive 'options.history', max_out_of_orderness '5 s',
    max_future '1 day 12 hours', idle_timeout '0', on_gap 'skip', time_zone 'Europe/Berlin', time_unit 'ms');
EXPLAIN (COSTS OFF) SELECT * FROM full_options WHERE o BETWEEN 10 AND 19 AND p IN (0, 2) AND id > 0;
EXPLAIN (COSTS OFF) SELECT id FROM full_options WHERE 7 < o AND p < 3 AND t >= '2025-01-01 00:00+00';
EXPLAIN (COSTS OFF) SELECT id FROM full_options WHERE o < 0;
EXPLAIN (COSTS OFF) SELECT id FROM full_options WHERE p < 1 AND p > 1;
EXPLAIN (COSTS OFF) SELECT id FROM full_options WHERE o = NULL;
EXPLAIN (COSTS OFF) SELECT id FROM full_options WHERE p = ANY ('{}');
EXPLAIN (COSTS OFF) SELECT id FROM full_options WHERE o > 9223372036854775807 OR id = 1;
EXPLAIN (COSTS OFF) SELECT id FROM full_options WHERE o > 9223372036854775807;
EXPLAIN (COSTS OFF) SELECT id FROM full_options WHERE o = id OR o + 1 = 5 OR o = random();
EXPLAIN (COSTS OFF) INSERT INTO full_options (id) VALUES (1);

-- ---- the wrapper takes none ----
ALTER FOREIGN DATA WRAPPER streambatch_kafka OPTIONS (ADD "bootstrap.servers" 'x');
ALTER FOREIGN DATA WRAPPER streambatch_kafka OPTIONS (ADD nonsense 'x');

-- ---- unknown names, and what they may have meant ----
CREATE FUNCTION try_server(name text, value text, role regrole DEFAULT current_user::regrole) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    m text; d text; h text;
BEGIN
    EXECUTE format('SET ROLE %s', role);
    EXECUTE format('CREATE SERVER options_try FOREIGN DATA WRAPPER streambatch_kafka OPTIONS (%s%I %L)',
                   CASE WHEN name <> 'bootstrap.servers' THEN '"bootstrap.servers" ''localhost:1'', ' END, name, value);
    DROP SERVER options_try;
    RESET ROLE;
    RETURN NEXT 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN NEXT SQLSTATE || ': ' || m;
    IF d <> '' THEN RETURN NEXT 'DETAIL: ' || d; END IF;
    IF h <> '' THEN RETURN NEXT 'HINT: ' || h; END IF;
END $$;
SELECT * FROM try_server('bootstrap_servers', 'x');
SELECT * FROM try_server('BOOTSTRAP.SERVERS', 'x');
SELECT * FROM try_server('security.protokol', 'x');
SELECT * FROM try_server('fetch.max.byte', '1');
SELECT * FROM try_server('nonsense', 'x');
SELECT * FROM try_server(repeat('x', 63), 'x');
CREATE USER MAPPING FOR options_user SERVER options_kafka OPTIONS ("sasl.pasword" 'x');
CREATE USER MAPPING FOR options_user SERVER options_kafka OPTIONS (password 'x');
CREATE FOREIGN TABLE bad (id int) SERVER options_kafka OPTIONS (topik 'x');
CREATE FOREIGN TABLE bad (id int OPTIONS (pth 'x')) SERVER options_kafka OPTIONS (topic 'x');

-- ---- known, but not there ----
SELECT * FROM try_server('sasl.password', 'x');
SELECT * FROM try_server('topic', 'x');
SELECT * FROM try_server('path', 'x');
CREATE USER MAPPING FOR options_user SERVER options_kafka OPTIONS ("bootstrap.servers" 'x');
CREATE FOREIGN TABLE bad (id int) SERVER options_kafka OPTIONS (topic 'x', "sasl.password" 'x');
CREATE FOREIGN TABLE bad (id int OPTIONS (topic 'x')) SERVER options_kafka OPTIONS (topic 'x');

-- ---- never ----
SELECT name, r.* FROM unnest('{plugin.library.paths, ssl.engine.location, ssl.engine.id, ssl.providers, interceptors,
    sasl.kerberos.kinit.cmd, sasl.kerberos.keytab, sasl.kerberos.principal, sasl.oauthbearer.client.secret,
    enable.sasl.oauthbearer.unsecure.jwt, ssl.keystore.location, https.ca.location, offset.store.path, offset.store.method,
    auto.offset.reset, group.id, group.instance.id, enable.auto.commit, enable.auto.offset.store, auto.commit.interval.ms,
    isolation.level, check.crcs, allow.auto.create.topics, enable.partition.eof, enable.idempotence, acks,
    request.required.acks, transactional.id, queued.min.messages, queued.max.messages.kbytes, fetch.queue.backoff.ms,
    receive.message.max.bytes, debug, log_level, log.queue, log_cb, statistics.interval.ms, opaque, rebalance_cb,
    metadata.broker.list, max.partition.fetch.bytes, compression.codec, queue.buffering.max.ms,
    delivery.timeout.ms}'::text[]) WITH ORDINALITY n(name, i), try_server(name, 'true') r ORDER BY i;

-- ---- values ----
SELECT * FROM try_server('bootstrap.servers', '');
SELECT address, r FROM unnest('{",,", " ", "x:99999999", x:65536, x:0, "x:", ":9092", x:kafka, "a:1, b:c", "[::1]:x", "[::1]9092",
    "SSL://x:y", x:65535, ::1, fe80::abcd, "[::1]", "SSL://x:1", "a:1,,b "}'::text[]) WITH ORDINALITY a(address, i),
    try_server('bootstrap.servers', address) r ORDER BY i;
SELECT * FROM try_server('security.protocol', 'tls');
SELECT * FROM try_server('security.protocol', 'sasl_plaintext');
SELECT * FROM try_server('sasl.mechanism', 'GSSAPI');
SELECT * FROM try_server('compression.type', 'rar');
SELECT * FROM try_server('socket.timeout.ms', 'soon');
SELECT * FROM try_server('socket.timeout.ms', '-5');
SELECT * FROM try_server('fetch.max.bytes', '1000000000');
SELECT * FROM try_server('broker.address.family', 'v5');
SELECT * FROM try_server('enable.ssl.certificate.verification', 'maybe');
CREATE SERVER options_try FOREIGN DATA WRAPPER streambatch_kafka;
CREATE SERVER options_try FOREIGN DATA WRAPPER streambatch_kafka OPTIONS (
    "bootstrap.servers" 'x', "sasl.mechanism" 'PLAIN', "sasl.mechanisms" 'PLAIN');
ALTER SERVER options_kafka OPTIONS (DROP "bootstrap.servers");
CREATE FOREIGN TABLE bad (id int) SERVER options_kafka;
CREATE FUNCTION try_table(name text, value text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    m text; d text; h text;
BEGIN
    EXECUTE format('CREATE FOREIGN TABLE options.try (id int) SERVER options_kafka OPTIONS (%s%I %L)',
                   CASE WHEN name <> 'topic' THEN 'topic ''x'', ' END, name, value);
    DROP FOREIGN TABLE options.try;
    RETURN NEXT 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN NEXT SQLSTATE || ': ' || m;
    IF d <> '' THEN RETURN NEXT 'DETAIL: ' || d; END IF;
    IF h <> '' THEN RETURN NEXT 'HINT: ' || h; END IF;
END $$;
SELECT * FROM try_table('topic', '');
SELECT * FROM try_table('topic', 'no spaces');
SELECT * FROM try_table('topic', '..');
SELECT * FROM try_table('topic', repeat('x', 249));
SELECT * FROM try_table('topic', repeat('x', 250));
SELECT * FROM try_table('format', 'avro');
SELECT * FROM try_table('start', 'now');
SELECT * FROM try_table('on_gap', 'ignore');
SELECT * FROM try_table('time_unit', 'min');
SELECT * FROM try_table('time_zone', 'Mars/Olympus');
SELECT * FROM try_table('max_out_of_orderness', '1 month');
SELECT * FROM try_table('max_out_of_orderness', '-1 s');
SELECT * FROM try_table('max_future', 'a while');
SELECT * FROM try_table('idle_timeout', '106751991 days 4 hours 1 minute');
SELECT * FROM try_table('archive', 'a.b.c');
SELECT * FROM try_table('archive', '"a');
SELECT * FROM try_table('archive', 'none');
CREATE FOREIGN TABLE bad (id int OPTIONS (metadata 'colour')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE bad (id int OPTIONS (path '')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE bad (id int OPTIONS (path 'a..b')) SERVER options_kafka OPTIONS (topic 'x');
CREATE FOREIGN TABLE bad (id int OPTIONS (path 'a[x]')) SERVER options_kafka OPTIONS (topic 'x');
ALTER FOREIGN TABLE full_options ALTER country OPTIONS (SET path 'a[0');
ALTER FOREIGN TABLE full_options ALTER country OPTIONS (SET path '/a~2');
CREATE FOREIGN TABLE bad (id int OPTIONS (path 'a', metadata 'offset')) SERVER options_kafka OPTIONS (topic 'x');
-- a secret is not repeated where it is refused
CREATE USER MAPPING FOR options_user SERVER options_kafka OPTIONS ("sasl.password" '');

-- ---- privileges ----
SELECT role, name, value, r FROM unnest('{options_user, options_reader}'::regrole[]) role,
    (VALUES ('ssl.ca.location', '/etc/hostname'), ('ssl.crl.location', '/etc/hostname'),
            ('enable.ssl.certificate.verification', 'false'), ('enable.ssl.certificate.verification', 'true'),
            ('ssl.endpoint.identification.algorithm', 'none'), ('ssl.endpoint.identification.algorithm', 'https')) o(name, value),
    try_server(name, value, role) r;
SET ROLE options_user;
CREATE USER MAPPING FOR CURRENT_USER SERVER options_kafka OPTIONS ("ssl.key.location" '/etc/hostname');
RESET ROLE;
SELECT * FROM try_server('enable.ssl.certificate.verification', 'false');
-- asked again when connecting, of the server's owner
CREATE SERVER options_owned FOREIGN DATA WRAPPER streambatch_kafka OPTIONS (
    "bootstrap.servers" 'localhost:1', "ssl.ca.location" '/etc/hostname');
CREATE FOREIGN TABLE owned (id int) SERVER options_owned OPTIONS (topic 'x');
ALTER SERVER options_owned OWNER TO options_user;
SELECT * FROM owned;

-- ---- streambatch.allowed_brokers ----
SET streambatch.allowed_brokers = 'kafka-*.example.com:9092, [::1]:9092, 10.0.0.*, ::2';
SELECT address, r FROM unnest('{kafka-1.example.com:9092, kafka-1.example.com, KAFKA-2.EXAMPLE.COM:9092, "a:1,kafka-1.example.com",
    kafka-1.example.com:9093, example.com:9092, 10.0.0.1:1234, 10.0.1.1:1234, [::1]:9092, [::1]:9093, [::2]:1,
    "SSL://kafka-1.example.com:9092", "kafka-1.example.com.evil.org:9092"}'::text[]) WITH ORDINALITY a(address, i),
    try_server('bootstrap.servers', address) WITH ORDINALITY t(r, line) WHERE line = 1 ORDER BY i;
SELECT * FROM full_options;
RESET streambatch.allowed_brokers;
SET ROLE options_user;
SET streambatch.allowed_brokers = '*';
RESET ROLE;

-- ---- options against columns, when a stream is opened ----
CREATE TABLE ordinary (id int);
CREATE FOREIGN TABLE c1 (id int, ts text) SERVER options_kafka OPTIONS (topic 'x', event_time 'ts');
SELECT * FROM c1;
ALTER FOREIGN TABLE c1 OPTIONS (SET event_time 'when');
SELECT * FROM c1;
CREATE FOREIGN TABLE c2 (id int OPTIONS (metadata 'offset')) SERVER options_kafka OPTIONS (topic 'x');
SELECT * FROM c2;
CREATE FOREIGN TABLE c3 (a text OPTIONS (metadata 'partition')) SERVER options_kafka OPTIONS (topic 'x');
SELECT * FROM c3;
CREATE FOREIGN TABLE c4 (a date OPTIONS (metadata 'timestamp')) SERVER options_kafka OPTIONS (topic 'x');
SELECT * FROM c4;
CREATE FOREIGN TABLE c5 (a int OPTIONS (metadata 'key')) SERVER options_kafka OPTIONS (topic 'x');
SELECT * FROM c5;
CREATE FOREIGN TABLE c6 (value text, other text) SERVER options_kafka OPTIONS (topic 'x', format 'raw');
SELECT * FROM c6;
CREATE FOREIGN TABLE c7 (value int) SERVER options_kafka OPTIONS (topic 'x', format 'raw');
SELECT * FROM c7;

-- ---- what cannot be done to a log ----
UPDATE full_options SET id = 1;
DELETE FROM full_options;
TRUNCATE full_options;
INSERT INTO full_options (id) VALUES (1) ON CONFLICT DO NOTHING;
INSERT INTO full_options (id, o) VALUES (1, 5);
INSERT INTO full_options (id, topic) VALUES (1, 'other');
INSERT INTO full_options (id, p) VALUES (1, -1);
INSERT INTO full_options (id, t) VALUES (1, 'infinity');
INSERT INTO full_options (id, t) VALUES (1, '1969-12-31');
INSERT INTO full_options (id, h) VALUES (1, '{"key": "a"}');
INSERT INTO full_options (id, h) VALUES (1, '["a"]');
INSERT INTO full_options (id, h) VALUES (1, '[{"name": "a"}]');
CREATE FOREIGN TABLE unwritable (a int OPTIONS (path 'x[0]'), b int OPTIONS (path 'y'), c int OPTIONS (path 'y'), d int OPTIONS (path 'y.z'))
    SERVER options_kafka OPTIONS (topic 'x');
INSERT INTO unwritable (a) VALUES (1);
INSERT INTO unwritable (b, c) VALUES (1, 2);
INSERT INTO unwritable (b, d) VALUES (1, 2);

\set VERBOSITY terse
DROP SCHEMA options CASCADE;
DROP SERVER options_full CASCADE;
DROP SERVER options_kafka CASCADE;
DROP SERVER options_owned CASCADE;
DROP OWNED BY options_user, options_reader;
DROP ROLE options_user, options_reader;

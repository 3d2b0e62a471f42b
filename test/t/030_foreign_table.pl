# A stream as a foreign table: what SELECT reads and what INSERT sends, against what was produced and what other clients read
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use JSON::PP;
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;

my $columns = <<'SQL';
id bigint, name text, amount numeric, city text OPTIONS (path 'geo.city'),
o bigint OPTIONS (metadata 'offset'), p int OPTIONS (metadata 'partition'), t timestamptz OPTIONS (metadata 'timestamp'),
k text OPTIONS (metadata 'key'), h jsonb OPTIONS (metadata 'headers'), topic text OPTIONS (metadata 'topic')
SQL

# not long ago, for retention removes what is old
my $base = (int(time / 86400) - 1) * 86400;

# one result as text, and what the server said beside it
sub query
{
    my ($sql) = @_;
    my ($stdout, $stderr);

    $node->psql('postgres', $sql, stdout => \$stdout, stderr => \$stderr);
    return wantarray ? ($stdout, $stderr) : $stdout;
}

sub foreign_table
{
    my ($server, $name, $topic, $definition, $options) = @_;

    $node->safe_psql('postgres', sprintf "CREATE FOREIGN TABLE %s (%s) SERVER %s OPTIONS (topic '%s'%s)",
        $name, $definition, $server, $topic, $options // '');
    return;
}

foreach my $kind (qw(embedded kafka))
{
    my $broker = StreamBatch::Broker->$kind;
    $node->create_server($broker, $kind);

    # ---- reading: 3 partitions of 1000, 500 and 0 messages ----
    $broker->create_topic('events', 3);
    my ($sum, @expected) = (0);
    foreach my $partition (0, 1)
    {
        my @messages;
        foreach my $i (1 .. 1000 / (1 + $partition))
        {
            my $id = $partition * 10_000 + $i;
            push @messages, [ "k$id", encode_json({ id => $id, amount => $i, geo => { city => "c$i" } }), $base * 1000 + $i ];
            $sum += $id;
        }
        $broker->produce('events', $partition, @messages);
    }
    foreign_table($kind, "${kind}_events", 'events', $columns);
    is(scalar query("SELECT count(*), sum(id), sum(amount) FROM ${kind}_events"), "1500|$sum|625750", "$kind: every message once");
    is( scalar query("SELECT id, name IS NULL, amount, city, o, p, extract(epoch FROM t), k, h IS NULL, topic
                      FROM ${kind}_events WHERE p = 1 AND o = 6"),
        "10007|t|7|c7|6|1|$base.007000|k10007|t|events",
        "$kind: fields and metadata");
    is(scalar query("SELECT count(*), min(o), max(o) FROM ${kind}_events WHERE o BETWEEN 490 AND 509"), '30|490|509', "$kind: a range of offsets");
    is(scalar query("SELECT count(*) FROM ${kind}_events WHERE o >= 1000 OR p = 2"), '0', "$kind: beyond the end");
    is( scalar query("SELECT count(*) FROM ${kind}_events WHERE p = ANY (ARRAY[1, 2, NULL]) AND o > -5"), '500', "$kind: a set of partitions");
    is( scalar query("PREPARE q (bigint) AS SELECT count(*) FROM ${kind}_events WHERE o < \$1;
                      SET plan_cache_mode = force_generic_plan; EXECUTE q(3); EXECUTE q(NULL); EXECUTE q(700)"),
        "6\n0\n1200", "$kind: a parameter as bound");
    is( scalar query("SELECT g, (SELECT count(*) FROM ${kind}_events WHERE p = g) FROM generate_series(0, 2) g"),
        "0|1000\n1|500\n2|0", "$kind: read again for each row of another table");
    like(
        scalar query("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT id FROM ${kind}_events WHERE p = 1 AND o >= 480"),
        qr/Topic: events\n\s*Partitions: 1\n\s*Offsets: from 480\n\s*Messages Read: 20\n/,
        "$kind: a range is all that is read");
    my ($read) = query("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT id FROM ${kind}_events LIMIT 5") =~ /Messages Read: (\d+)/;
    cmp_ok($read, '<', 500, "$kind: LIMIT stops early");

    # ---- what does not decode ----
    $broker->create_topic('mixed', 1);
    $broker->produce('mixed', 0, [ undef, '{"id": 1}' ], [ undef, undef ], [ undef, '{"id":' ], [ undef, '{"id": "two"}' ], [ undef, '{"id": 3}' ]);
    foreign_table($kind, "${kind}_mixed", 'mixed', $columns);
    my ($rows, $said) = query("SELECT id, o FROM ${kind}_mixed");
    is($rows, "1|0\n3|4", "$kind: neighbours of a bad message are unharmed");
    like($said, qr/WARNING:  2 messages of stream "${kind}_mixed" were skipped because they could not be decoded\nDETAIL:  The first one is at partition 0, offset 2: /,
        "$kind: one warning tells of all");
    is(scalar(() = $said =~ /WARNING/g), 1, "$kind: and is the only one");
    ($rows, $said) = query("SELECT o FROM ${kind}_mixed");
    is($rows, "0\n3\n4", "$kind: a column that is not asked for is not converted");
    foreign_table($kind, "${kind}_mixed_raw", 'mixed', "value text, o bigint OPTIONS (metadata 'offset')", ", format 'raw'");
    is(scalar query("SELECT value FROM ${kind}_mixed_raw WHERE o = 2"), '{"id":', "$kind: raw shows it");
    (undef, $said) = query("CREATE TABLE ${kind}_local AS SELECT generate_series(1, 1000)::bigint AS id; ANALYZE ${kind}_local;
        SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
        SELECT count(*) FROM ${kind}_local JOIN ${kind}_mixed USING (id)");
    like($said, qr/HINT:  Parallel queries cannot skip messages. Use SET max_parallel_workers_per_gather = 0.\nCONTEXT: .*partition 0, offset 2 of stream "${kind}_mixed"/s,
        "$kind: beside parallel workers a bad message is an error");
    ($rows, $said) = query("SELECT 1 FROM ${kind}_mixed WHERE 1 / (o - 3) > 0 AND p = 0");
    like($said, qr/ERROR:  division by zero/, "$kind: an error of the query is the query's");

    # ---- writing ----
    $broker->create_topic('out', 2);
    foreign_table($kind, "${kind}_out", 'out', "$columns, f float8, b boolean, j jsonb, a int[][], s text[], ts timestamptz, d date, i interval, u uuid, y bytea");
    foreign_table($kind, "${kind}_out_raw", 'out', "value bytea, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'),
        k bytea OPTIONS (metadata 'key'), h jsonb OPTIONS (metadata 'headers'), t timestamptz OPTIONS (metadata 'timestamp')", ", format 'raw'");
    ($rows, $said) = query(<<"SQL");
SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET TimeZone = 'Asia/Kolkata'; SET extra_float_digits = -15; SET bytea_output = 'escape';
INSERT INTO ${kind}_out (id, name, amount, city, p, k, h, t, f, b, j, a, s, ts, d, i, u, y) VALUES
    (1, E'q"\\\\\\n\\u00fc', 123456789012345678901234567890.10, 'Rome', 1, 'key', '[{"key": "h", "value": "v"}, {"key": "n", "value": null}]',
     to_timestamp($base + 0.5), 0.1::float8 + 0.2::float8, true, '{"x": [1, null, "y"]}', '{{1,2},{3,NULL}}', '{"a,b",NULL,""}',
     '2025-07-01 12:00:00.123456+02', '2025-01-31', '1 mon 2 days 03:04:05', '00000000-0000-0000-0000-000000000001', '\\xdeadbeef');
INSERT INTO ${kind}_out (id, p, f, amount, j) VALUES (2, 1, 'NaN', 'Infinity', '"text"');
SQL
    is($said, '', "$kind: INSERT");
    my $payload = query("SELECT convert_from(value, 'UTF8') FROM ${kind}_out_raw WHERE o = 0");
    is_deeply(
        JSON::PP->new->utf8->allow_bignum->decode($payload),
        JSON::PP->new->allow_bignum->decode(
            '{"id": 1, "name": "q\"\\\\\n\u00fc", "amount": 123456789012345678901234567890.10, "geo": {"city": "Rome"}, "f": 0.30000000000000004,
              "b": true, "j": {"x": [1, null, "y"]}, "a": [[1, 2], [3, null]], "s": ["a,b", null, ""], "ts": "2025-07-01T10:00:00.123456+00:00",
              "d": "2025-01-31", "i": "1 mon 2 days 03:04:05", "u": "00000000-0000-0000-0000-000000000001", "y": "\\\\xdeadbeef"}'),
        "$kind: the payload, whatever the session's settings") or diag $payload;
    is(scalar query("SELECT p, encode(k, 'escape'), h, extract(epoch FROM t) FROM ${kind}_out_raw WHERE o = 0"),
        qq(1|key|[{"key": "h", "value": "v"}, {"key": "n", "value": null}]|$base.500000), "$kind: what goes beside the payload");
    is(scalar query("SET TimeZone = 'UTC'; SELECT id, amount, city, f, b, j, a, s, ts, d, i, u, y, name = E'q\"\\\\\\n\\u00fc' FROM ${kind}_out ORDER BY id"),
        '1|123456789012345678901234567890.10|Rome|0.30000000000000004|t|{"x": [1, null, "y"]}|{{1,2},{3,NULL}}|{"a,b",NULL,""}|2025-07-01 10:00:00.123456+00|2025-01-31|1 mon 2 days 03:04:05|00000000-0000-0000-0000-000000000001|\xdeadbeef|t'
          . "\n2|Infinity||NaN||\"text\"||||||||", "$kind: reads back as it was");
    is(scalar query("INSERT INTO ${kind}_out_raw (value, p) VALUES (NULL, 0), ('\\x00ff', 0) RETURNING value, o"), "|\n\\x00ff|", "$kind: raw, with a tombstone");
    is_deeply([ $broker->range('out', 0) ], [ 0, 2 ], "$kind: both are acknowledged when INSERT returns");
    $node->safe_psql('postgres', "BEGIN; INSERT INTO ${kind}_out (id, p) VALUES (3, 0); ROLLBACK");
    is_deeply([ $broker->range('out', 0) ], [ 0, 3 ], "$kind: a rollback takes nothing back");

    $broker->create_topic('bulk', 4);
    foreign_table($kind, "${kind}_bulk", 'bulk', $columns);
    $node->safe_psql('postgres', "INSERT INTO ${kind}_bulk (id, k) SELECT i, i FROM generate_series(1, 30000) i");
    $node->safe_psql('postgres', "COPY ${kind}_bulk (id, k) FROM PROGRAM 'seq 30001 50000 | sed ''s/.*/&\t&/'''");
    is(scalar query("SELECT count(*), count(DISTINCT id), sum(id), count(DISTINCT p) FROM ${kind}_bulk"), '50000|50000|1250025000|4', "$kind: many rows");
    is(scalar query("SELECT count(*) FROM (SELECT FROM ${kind}_bulk GROUP BY p HAVING bool_and(k = id::text)) x"), '4', "$kind: keys go with their rows");
    (undef, $said) = query("INSERT INTO ${kind}_bulk (id, p) VALUES (1, 99)");
    like($said, qr/ERROR:  the requested partition of topic "bulk" does not exist/, "$kind: no such partition");

    # ---- brokers that do not answer ----
    $broker->stop;
    (undef, $said) = query("SELECT * FROM ${kind}_events");
    like($said, qr/ERROR:  could not read topic "events": broker did not respond\n(DETAIL:  librdkafka: .*\n)?HINT:  Check the broker addresses: ALTER SERVER/,
        "$kind: SELECT without a broker");
    (undef, $said) = query("INSERT INTO ${kind}_events (id) VALUES (1)");
    like($said, qr/ERROR:  could not send to topic "events": broker did not respond/, "$kind: INSERT without a broker");
    (undef, $said) = query("SET statement_timeout = 300; SELECT * FROM ${kind}_events");
    like($said, qr/canceling statement due to statement timeout/, "$kind: waiting can be cancelled");
    (undef, $said) = query("SET statement_timeout = 300; INSERT INTO ${kind}_events (id) VALUES (1)");
    like($said, qr/canceling statement due to statement timeout/, "$kind: in INSERT too");
    is(query("EXPLAIN (COSTS OFF) SELECT * FROM ${kind}_events WHERE o < 5"), "Foreign Scan on ${kind}_events\n  Filter: (o < 5)\n  Topic: events\n  Offsets: 0 to 4",
        "$kind: EXPLAIN asks nobody");
    $broker->start;
    is(scalar query("SELECT count(*) FROM ${kind}_events WHERE p = 1"), '500', "$kind: it is back");
}

# ---- what only a real broker does ----
my $kafka = StreamBatch::Broker->kafka;
$node->create_server($kafka, 'real');
foreign_table('real', 'nowhere', 'nowhere', $columns);
my (undef, $said) = query('SELECT * FROM nowhere');
like($said, qr/ERROR:  topic "nowhere" of stream "nowhere" does not exist\n/, 'no such topic');

$kafka->create_topic('times', 2);
$kafka->produce('times', 0, map { [ undef, "{\"id\": $_}", ($base + $_) * 1000 ] } 1 .. 100);
$kafka->produce('times', 1, map { [ undef, "{\"id\": $_}", ($base - 3600 + $_) * 1000 ] } 1 .. 100);
foreign_table('real', 'times', 'times', $columns);
like(query("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM times WHERE t > to_timestamp($base + 90)"),
    qr/actual rows=10\b.*Messages Read: 11\n/s, 'a lower bound on the timestamp is looked up');
is(scalar query("SELECT count(*), min(id) FROM times WHERE t >= to_timestamp($base + 50.001)"), '50|51', 'to the millisecond');
is(scalar query("SELECT count(*) FROM times WHERE t >= 'infinity'"), '0', 'no message is as late');
is(scalar query("SELECT count(*) FROM times WHERE t >= '-infinity' AND t < to_timestamp($base)"), '100', 'an upper bound is only a filter');
$kafka->truncate('times', 0, 40);
is(scalar query('SELECT count(*), min(o) FROM times WHERE p = 0'), '60|40', 'what retention removed is not missed');

$kafka->create_topic('committed', 1);
foreign_table('real', 'committed', 'committed', $columns);
my $client = $kafka->client('transactional.id' => 'one');
$client->call('begin');
$client->produce('committed', 0, map { [ undef, "{\"id\": $_}" ] } 1 .. 3);
$client->call('commit');
$client->call('begin');
$client->produce('committed', 0, map { [ undef, "{\"id\": $_}" ] } 4 .. 5);
$client->call('abort');
is(scalar query('SELECT id FROM committed'), "1\n2\n3", 'aborted messages are not read, and a log that ends in markers ends');
$client->call('begin');
$client->produce('committed', 0, [ undef, '{"id": 6}' ]);
is(scalar query('SELECT id FROM committed'), "1\n2\n3", 'open transactions are waited for by nobody');
$client->call('commit');
is(scalar query('SELECT id FROM committed'), "1\n2\n3\n6", 'until they commit');
$client->close;

$kafka->create_topic('compacted', 1, 'cleanup.policy' => 'compact');
foreign_table('real', 'compacted', 'compacted', $columns);
(undef, $said) = query("INSERT INTO compacted (id) VALUES (1)");
like($said, qr/ERROR:  could not send to topic "compacted": .*\n/, 'what the broker refuses is an error of INSERT');
is(scalar query("INSERT INTO compacted (id, k) VALUES (1, 'a') RETURNING id"), '1', 'and only that');

$node->stop;
done_testing();

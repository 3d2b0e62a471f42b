# Whose fault an error is: data makes dead letters, anything else waits, is shown, and goes on by itself
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic($_, 1) foreach qw(deferred waits damaged decoded remote parts);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub failure
{
    my (undef, undef, $errors) = $node->psql('postgres', $_[0]);
    return $errors;
}

sub produce
{
    my ($topic, @payloads) = @_;

    $broker->produce($topic, 0, map { [ undef, $_ ] } @payloads);
    return;
}
sub letters { return sql("SELECT kafka_offset, sqlstate FROM streambatch.dead_letter WHERE stream = '$_[0]'::regclass ORDER BY 1"); }

sub await
{
    my ($query, $what) = @_;

    ok($node->poll_query_until('postgres', $query), $what) or diag(sql('TABLE streambatch.stat_stream'));
    return;
}

# ---- deferred constraints and triggers of the archive ----
sql(<<'SQL');
CREATE TABLE users (id bigint PRIMARY KEY);
INSERT INTO users SELECT generate_series(1, 5);
CREATE TABLE fired (user_id bigint);
CREATE TABLE deferred_archive (user_id bigint REFERENCES users DEFERRABLE INITIALLY DEFERRED, amount numeric, kafka_partition int, kafka_offset bigint,
    UNIQUE (amount) DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION at_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount < 0 THEN
        RAISE 'negative';
    END IF;
    INSERT INTO public.fired VALUES (NEW.user_id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER at_end AFTER INSERT ON deferred_archive DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_end();
CREATE FOREIGN TABLE deferred (user_id bigint, amount numeric) SERVER kafka OPTIONS (topic 'deferred');
SELECT streambatch.create_view('deferred_count', 'SELECT count(*) AS c, sum(amount) AS s FROM deferred');
SQL
produce('deferred', map { "{\"user_id\": $_->[0], \"amount\": $_->[1]}" } [ 1, 1 ], [ 2, 2 ], [ 99, 3 ], [ 3, 4 ], [ 4, -5 ], [ 5, 4 ], [ 5, 6 ]);
$node->wait_for('deferred');
is(sql('SELECT user_id, amount FROM deferred_archive ORDER BY kafka_offset'), "1|1\n2|2\n3|4\n5|6", 'deferred constraints let good events pass');
is(letters('deferred'), "2|23503\n4|P0001\n5|23505", 'and refuse the others, one by one');
is(sql('SELECT user_id FROM fired ORDER BY 1'), "1\n2\n3\n5", 'a deferred trigger fires once for each event');
is(sql('TABLE deferred_count'), '4|13', 'views count what is archived');

# ---- what a trigger of the archive raises about the system ----
sql(<<'SQL');
CREATE SEQUENCE raised;
CREATE TABLE waits_archive (n int, kafka_partition int, kafka_offset bigint);
CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.n % 10 = 7 AND nextval('public.raised') <= 3 THEN
        RAISE 'not now' USING ERRCODE = (ARRAY['08006', '25006', '55006'])[currval('public.raised')];
    ELSIF NEW.n % 10 = 9 THEN
        RAISE 'never' USING ERRCODE = 'P0001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER once BEFORE INSERT ON waits_archive FOR EACH ROW EXECUTE FUNCTION once();
CREATE FOREIGN TABLE waits (n int) SERVER kafka OPTIONS (topic 'waits');
SELECT streambatch.create_view('waits_count', 'SELECT count(*) AS c, sum(n) AS s FROM waits');
SQL
produce('waits', map { "{\"n\": $_}" } 1 .. 20);
$node->wait_for('waits');
is(sql('SELECT last_value > 3 FROM raised'), 't', 'the trigger has raised three errors of the system');
is(letters('waits'), "8|P0001\n18|P0001", 'which make no dead letter, while the error that it means does');
is(sql('SELECT count(*), sum(n) FROM waits_archive'), '18|182', 'all other events are archived, once');
is(sql('TABLE waits_count'), '18|182', 'and counted, once');

# ---- a damaged index ----
sql(<<'SQL');
CREATE TABLE damaged_archive (n int, kafka_partition int, kafka_offset bigint);
CREATE INDEX damaged_index ON damaged_archive (n);
CREATE FOREIGN TABLE damaged (n int) SERVER kafka OPTIONS (topic 'damaged');
SELECT streambatch.create_view('damaged_count', 'SELECT count(*) AS c, sum(n) AS s FROM damaged');
SQL
produce('damaged', map { "{\"n\": $_}" } 1 .. 10);
$node->wait_for('damaged');
my $path = $node->data_dir . '/' . sql("SELECT pg_relation_filepath('damaged_index')");
$node->stop;
open my $file, '+<:raw', $path or die "$path: $!";
print {$file} 'x' x 8192;
close $file or die $!;
$node->start;
produce('damaged', map { "{\"n\": $_}" } 11 .. 20);
await("SELECT state = 'error' AND error_sqlstate LIKE 'XX%' FROM streambatch.stat_stream WHERE stream = 'damaged'::regclass", 'a damaged index stops the stream');
is(letters('damaged'), '', 'and makes no dead letter');
sql('REINDEX INDEX damaged_index');
$node->wait_for('damaged');
is(sql('SELECT count(*), sum(n) FROM damaged_archive'), '20|210', 'once it is mended, the stream goes on');
is(sql('TABLE damaged_count'), '20|210', 'with every event');

# ---- decoding: an input function may raise anything, save what is clearly of the system ----
sql(<<'SQL');
CREATE SEQUENCE asked;
CREATE FUNCTION fits(text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF $1 = 'internal' THEN
        RAISE 'internal' USING ERRCODE = 'XX000';
    ELSIF $1 = 'away' AND nextval('public.asked') < 2 THEN
        RAISE 'away' USING ERRCODE = '08006';
    ELSIF $1 = 'privilege' THEN
        PERFORM 1 FROM public.secret;
    END IF;
    RETURN true;
END $$;
CREATE ROLE owner_of_decoded;
GRANT USAGE ON FOREIGN SERVER kafka TO owner_of_decoded;
GRANT CREATE ON SCHEMA public TO owner_of_decoded;
GRANT USAGE ON SEQUENCE asked TO owner_of_decoded;
CREATE TABLE secret ();
CREATE DOMAIN fitting AS text CHECK (fits(VALUE));
SET ROLE owner_of_decoded;
CREATE FOREIGN TABLE decoded (k fitting, q tsquery, r regclass) SERVER kafka OPTIONS (topic 'decoded');
SELECT streambatch.create_view('decoded_count', 'SELECT k::text AS k, count(*) AS c FROM decoded GROUP BY 1');
SQL
produce('decoded', '{"k": "a"}', '{"k": "internal"}', '{"k": "away"}', '{"q": "a & | b"}', '{"r": "no_such_table"}', '{"q": "a & b", "r": "pg_class", "k": "b"}');
$node->wait_for('decoded');
is(letters('decoded'), "1|XX000\n3|42601\n4|42P01", 'what an input function makes of its text is data');
is(sql('SELECT k, c FROM decoded_count ORDER BY k'), "a|1\naway|1\nb|1", 'what it makes of a lost connection is not');
produce('decoded', '{"k": "privilege"}', '{"k": "c"}');
await("SELECT state = 'error' AND error_sqlstate = '42501' FROM streambatch.stat_stream WHERE stream = 'decoded'::regclass", 'nor is a privilege that is missing');
sql('GRANT SELECT ON secret TO owner_of_decoded');
$node->wait_for('decoded');
is(letters('decoded'), "1|XX000\n3|42601\n4|42P01", 'there is no dead letter of it');
is(sql('SELECT k, c FROM decoded_count ORDER BY k'), "a|1\naway|1\nb|1\nc|1\nprivilege|1", 'and nothing is missing');

# ---- archives that commit by themselves ----
my $host = $node->host;
my $port = $node->port;
sql(<<"SQL");
CREATE EXTENSION postgres_fdw;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
CREATE USER MAPPING FOR PUBLIC SERVER elsewhere;
CREATE TABLE kept_elsewhere (n int, kafka_partition int, kafka_offset bigint);
CREATE FOREIGN TABLE remote_archive (n int, kafka_partition int, kafka_offset bigint) SERVER elsewhere OPTIONS (table_name 'kept_elsewhere');
CREATE FOREIGN TABLE remote (n int) SERVER kafka OPTIONS (topic 'remote');
CREATE TABLE parts_archive (n int, kafka_partition int, kafka_offset bigint) PARTITION BY RANGE (n);
CREATE TABLE parts_low PARTITION OF parts_archive FOR VALUES FROM (0) TO (100);
CREATE FOREIGN TABLE parts (n int) SERVER kafka OPTIONS (topic 'parts');
SELECT streambatch.create_view('parts_count', 'SELECT count(*) AS c, sum(n) AS s FROM parts');
SQL
like(failure("\\set VERBOSITY verbose\nSELECT streambatch.create_view('remote_count', 'SELECT count(*) FROM remote')"),
    qr/0A000: table "remote_archive" cannot be the archive of stream "remote".*It is a foreign table.*HINT:/s, 'a foreign table is refused as an archive');
produce('parts', map { "{\"n\": $_}" } 1, 2);
$node->wait_for('parts');
sql("CREATE FOREIGN TABLE parts_high PARTITION OF parts_archive FOR VALUES FROM (100) TO (200) SERVER elsewhere OPTIONS (table_name 'kept_elsewhere')");
produce('parts', map { "{\"n\": $_}" } 3, 104, 5);
await("SELECT state = 'error' AND error_sqlstate = '0A000' AND error_message LIKE '%\"parts_high\"%' FROM streambatch.stat_stream WHERE stream = 'parts'::regclass",
    'a foreign partition stops the stream');
is(sql('SELECT count(*) FROM kept_elsewhere'), '0', 'before anything is written to it');
sql('ALTER TABLE parts_archive DETACH PARTITION parts_high; CREATE TABLE parts_more PARTITION OF parts_archive FOR VALUES FROM (100) TO (200)');
$node->wait_for('parts');
is(sql('TABLE parts_count'), '5|115', 'detached, it goes on');
is(letters('parts'), '', 'with every event');

$node->stop;
$broker->stop;
done_testing();

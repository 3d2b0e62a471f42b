# Apache Spark as the batch layer of hybrid views (examples/spark): it reads the same topic up to a cut, while the stream goes on and late
# events arrive; what is published equals the plain query to the digit
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $spark = "$FindBin::RealBin/../spark/spark.sh";
my $batch = "$FindBin::RealBin/../../examples/spark/batch.py";
my $columns = 'user_id BIGINT, country STRING, amount DECIMAL(12, 2), score DOUBLE, premium BOOLEAN, ts TIMESTAMP';

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic('orders', 3);
my $node = StreamBatch::Node->new('main');
$node->init;
# JDBC knows no other sockets
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$node->start;
$node->create_server($broker);
my $database = 'postgresql://' . $node->safe_psql('postgres', 'SELECT current_user') . '@127.0.0.1:' . $node->port . '/postgres';

my %query = (
    hourly => q{SELECT country, streambatch.tumble(ts, '1 h') AS w, count(*) AS orders, sum(amount) AS revenue, avg(amount), min(amount), max(ts) AS last,
        sum(user_id) AS users, bool_and(premium) AS premium, count(*) FILTER (WHERE amount > 50) AS big, sum(amount * 2) FILTER (WHERE country LIKE '%e') AS double
        FROM %s WHERE user_id % 10 <> 3 GROUP BY 1, 2},
    # days of 23 hours
    daily => q{SELECT streambatch.tumble(ts, '1 day', time_zone => 'Europe/Berlin') AS day, count(*), sum(amount), max(score) FROM %s GROUP BY 1},
    total => q{SELECT count(*), sum(amount), count(country) AS countries FROM %s},
    hops => q{SELECT premium, streambatch.hop(ts, '10 min', '30 min') AS w, count(*), sum(amount) FROM %s GROUP BY 1, 2});
my @views = sort keys %query;

$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE orders (user_id bigint, country text, amount numeric(12,2), score float8, premium boolean, ts timestamptz, kafka_partition int OPTIONS (metadata 'partition'))
    SERVER kafka OPTIONS (topic 'orders', event_time 'ts', max_out_of_orderness '1 h');
SQL
foreach my $view (@views)
{
    (my $sql = $query{$view}) =~ s/%s/orders/;
    $node->safe_psql('postgres', "SELECT streambatch.create_view('$view', \$q\$$sql\$q\$)");
}
insert(1, 2000);
# dead letters: one of the stream, which Spark would read; one that nobody can read
$broker->produce('orders', 1, [ undef, '{"user_id": 1, "country": "far", "amount": 1, "ts": "2999-01-01T00:00:00Z"}' ], [ undef, '{"user_id": 1, "amou' ], [ undef, undef ]);
$node->wait_for('orders');
is($node->safe_psql('postgres', 'SELECT count(*) FROM streambatch.dead_letter'), '2', 'two messages are dead letters');
same('before any batch');

# the stream goes on while Spark computes
my $traffic = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \<<'SQL', '>', \my $out, '2>', \my $err);
INSERT INTO orders SELECT i, 'during', i / 100.0, i, true, '2025-03-30 00:00Z'::timestamptz + i * interval '3 min', i % 3 FROM generate_series(1, 300) i;
SELECT pg_sleep(2);
INSERT INTO orders SELECT i, 'during', i / 100.0, i, true, '2025-03-30 00:00Z'::timestamptz + i * interval '3 min', i % 3 FROM generate_series(1, 300) i;
SQL
my ($printed) = submit('--no-publish', @views);
$traffic->finish;
is($err, '', 'events arrive meanwhile');
my %id = $printed =~ /^(\w+): batch (\d+) is in streambatch_state\.staging_\d+_\d+$/mg;
is(join(' ', sort keys %id), join(' ', @views), 'Spark has computed the views') or BAIL_OUT($printed);
same('computed, not published');

# late events, for windows that Spark has computed
insert(500, 600);
$node->wait_for('orders');
foreach my $view (@views)
{
    cmp_ok($node->safe_psql('postgres', "SELECT streambatch.publish_batch($id{$view})"), '>', 0, "$view: published");
    same("$view published");
}
is($node->safe_psql('postgres', "SELECT count(*) > 0 FROM hourly_layers WHERE recommended = 'merged' AND batch_orders > 0 AND stream_orders > 0"),
    't', 'late events are merged with what Spark has computed');
is($node->safe_psql('postgres', "SELECT count(*), bool_and(state = 'done' AND rows > 0) FROM streambatch.refresh_history WHERE kind = 'outside'"),
    @views . '|t', 'the runs are recorded');

# once more, by the script alone, of a part; then a refresh agrees with all of it
($printed) = submit('--from', '2025-03-29 10:00Z', '--to', '2025-03-29 20:00Z', 'hourly');
like($printed, qr/^hourly: batch \d+ is published, \d+ groups$/m, 'Spark has published a range');
same('a range published');
$node->safe_psql('postgres', "CALL streambatch.refresh('$_')") foreach @views;
same('refreshed');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname LIKE 'staging%'"), '0', 'no staging table is left');

# what fails leaves nothing open
$node->safe_psql('postgres', "SELECT streambatch.create_view('deviation', 'SELECT stddev(amount) FROM orders')");
my $status;
($printed, $status) = submit('deviation');
isnt($status, 0, 'a view that Spark cannot compute');
like($printed, qr/column "stddev" cannot be computed outside of PostgreSQL/, 'is refused');
is($node->safe_psql('postgres', "SELECT count(*) FROM streambatch.refresh_history WHERE state = 'running'"), '0', 'no batch is open');

$node->stop;
done_testing();

sub insert
{
    my ($from, $to) = @_;

    $node->safe_psql('postgres', <<"SQL");
INSERT INTO orders SELECT i, (ARRAY['de', 'fr', 'it', NULL, 'O''Neil\\'])[i % 5 + 1], i * 7 % 10000 / 100.0, sqrt(i), CASE WHEN i % 4 > 0 THEN i % 3 > 0 END,
    '2025-03-28 10:00:00.25Z'::timestamptz + i * interval '61.5 s', i % 3 FROM generate_series($from, $to) i;
SQL
    return;
}

# run the example; what it prints, and its exit status
sub submit
{
    my (@arguments) = @_;

    IPC::Run::run([ $spark, 'submit', $batch, '--database', $database, '--brokers', $broker->bootstrap, '--columns', $columns, @arguments ],
        '>', \my $stdout, '2>', \my $stderr);
    my $exit = $?;
    note($stderr);
    # an error of Python's is on one of them
    return ("$stdout$stderr", $exit);
}

# each view is what the plain query returns over all events so far
sub same
{
    my ($when) = @_;

    $node->wait_for('orders');
    my @rows = map { [ $_, $query{$_} =~ s/%s/orders_archive/r ] } @views;
    is(join("\n", $node->safe_psql('postgres', join(';', map { "SELECT '$_->[0]', to_jsonb(v) FROM $_->[0] v ORDER BY 2" } @rows))),
        join("\n", $node->safe_psql('postgres', join(';', map { "SELECT '$_->[0]', to_jsonb(p) FROM ($_->[1]) p ORDER BY 2" } @rows))),
        "$when: the views are the plain queries to the digit");
    return;
}

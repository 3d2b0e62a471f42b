# Erasing a person, as docs/operations.md describes it: afterwards archive, states, batch rows and dead letters hold nothing of her, not even
# the files of the tables; and the states are those of a view that never saw her
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $her = 'Penelope Nightingale';
my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('orders', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);

sub sql { return $node->safe_psql('postgres', $_[0]); }

my %views = (
    by_name => q{SELECT name, streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(amount) FROM orders GROUP BY 1, 2},
    visits => q{SELECT name, streambatch.session(ts, '30 min') AS w, count(*) AS c FROM orders GROUP BY 1, 2},
    lately => q{SELECT streambatch.hop(ts, '1 h', '3 h') AS w, streambatch.last(name ORDER BY ts) AS l, max(name) AS m, count(*) AS c FROM orders GROUP BY 1},
    sketches => q{SELECT streambatch.tumble(ts, '1 day') AS w, count(DISTINCT name) AS d, percentile_disc(0.5) WITHIN GROUP (ORDER BY amount) AS p FROM orders GROUP BY 1},
    total => q{SELECT name, count(*) AS c, sum(amount) FROM orders GROUP BY 1},
    quotient => q{SELECT name, streambatch.tumble(ts, '1 h') AS w, sum(1 / (amount - 3)) AS q FROM orders GROUP BY 1, 2});

# the tables and indexes whose files contain her name
sub files_with_her
{
    sql('CHECKPOINT');
    my @found;
    foreach my $line (split /\n/, sql(<<'SQL'))
SELECT c.oid::regclass || '|' || pg_relation_filepath(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'i', 't') AND (n.nspname IN ('public', 'streambatch', 'streambatch_state') OR c.oid IN
       (SELECT reltoastrelid FROM pg_class t JOIN pg_namespace m ON m.oid = t.relnamespace WHERE m.nspname IN ('public', 'streambatch', 'streambatch_state')))
 ORDER BY c.oid
SQL
    {
        my ($name, $path) = split /\|/, $line;
        push @found, $name if slurp_file($node->data_dir . "/$path") =~ /\Q$her\E/;
    }
    return join ' ', @found;
}

sub states
{
    my ($view) = @_;
    my $table = sql("SELECT batch_table FROM streambatch.stat_view WHERE view = '$view'::regclass");
    return sql("SELECT t::text FROM $table t ORDER BY 1");
}

sql(<<'SQL');
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;
CREATE FOREIGN TABLE orders (name text, amount numeric, ts timestamptz) SERVER kafka OPTIONS (topic 'orders', event_time 'ts');
CREATE FOREIGN TABLE raw (value text) SERVER kafka OPTIONS (topic 'orders', format 'raw', archive 'none');
SQL
sql("SELECT streambatch.create_view('$_', \$\$$views{$_}\$\$)") foreach sort keys %views;
sub buy { my ($from, $to) = @_; return sql("INSERT INTO orders SELECT CASE i % 4 WHEN 0 THEN '$her' ELSE 'customer ' || i % 3 END, i, '2025-01-01Z'::timestamptz + i * interval '17 min' FROM generate_series($from, $to) i"); }

buy(0, 150);
sql(qq{INSERT INTO orders VALUES ('$her', 3, '2025-01-01 05:05Z'), ('$her', 100, '2025-01-01 23:55Z')});
sql(qq{INSERT INTO raw VALUES ('{"name": "$her", "amount": "much", "ts": "2025-01-01T00:00:00Z"}'), ('{"name": "customer 1", "amount": "$her", "ts": "2025-01-01T00:00:00Z"}')});
$node->wait_for('orders');
sql("CALL streambatch.refresh('$_')") foreach sort keys %views;

# a late event of hers, and open windows
buy(149, 170);
$node->wait_for('orders');
my $before = files_with_her();
like($before, qr/\b$_\b/, "$_ contains her name") foreach 'orders_archive', 'streambatch._dead_letter', map { my $view = $_; map { sql("SELECT ${_}_table FROM streambatch.stat_view WHERE view = '$view'::regclass") } qw(batch stream) } qw(by_name visits lately total);
is(sql('SELECT count(*) FROM streambatch.dead_letter'), '4', 'two messages of the stream and two events of a view are dead letters');

# ---- the sequence ----
sql("DELETE FROM orders_archive WHERE name = '$her'");
sql("SELECT streambatch.discard_dead_letters(coalesce(view, stream), kafka_partition, kafka_offset) FROM streambatch.dead_letter WHERE convert_from(payload, 'UTF8') LIKE '%$her%'");
foreach my $view (sort keys %views)
{
    my $to = $view eq 'total' ? '' : q{"to" => 'infinity', };
    sql("CALL streambatch.refresh('$view', ${to}force => true)");
}
is(sql(q{SELECT string_agg(format('%s %s', view, dirty_panes), ', ') FROM streambatch.stat_view WHERE dirty_panes IS DISTINCT FROM 0}), '', 'nothing is dirty any more');
is(sql("SELECT count(*) FROM by_name WHERE name = '$her'") . sql("SELECT count(*) FROM total WHERE name = '$her'") . sql("SELECT count(*) FROM lately WHERE l = '$her' OR m = '$her'"),
    '000', 'no view shows her');
foreach my $table (split /\n/, sql(q{SELECT 'orders_archive' UNION ALL SELECT 'streambatch._dead_letter' UNION ALL SELECT unnest(ARRAY[batch_table, stream_table])::text FROM streambatch.stat_view}))
{
    is(sql("SELECT count(*) FROM $table t WHERE t::text LIKE '%$her%' OR t::text LIKE '%' || encode('$her', 'hex') || '%'"), '0', "$table has no row of her");
    sql("VACUUM FULL $table");
}
is(files_with_her(), '', 'no file contains her name');

# ---- and the rest is as if she had never been there ----
foreach my $view (sort keys %views)
{
    sql("SET client_min_messages = error; SELECT streambatch.create_view('again_$view', \$\$$views{$view}\$\$)");
    sql("CALL streambatch.refresh('again_$view'" . ($view eq 'total' ? '' : q{, "to" => 'infinity'}) . ')');
    is(states($view), states("again_$view"), "$view: the states are those of a view that never saw her");
    isnt(states($view), '', "$view: there are some");
}
buy(171, 180);
$node->wait_for('orders');
is(sql(q{SELECT count(*) FROM ((TABLE by_name EXCEPT TABLE again_by_name) UNION ALL (TABLE again_by_name EXCEPT TABLE by_name)) d}), '0', 'the stream goes on');

$node->stop;
done_testing();

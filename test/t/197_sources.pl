# Refreshes and rebuilds from each kind of source, while events come in: each event once, at every instant
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Background;
use StreamBatch::Broker;
use StreamBatch::Node;
use StreamBatch::Traffic;
use Test::More;

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic('events', 2);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'streambatch.refresh_chunk_rows = 500');
$node->start;
$node->create_server($broker);

sub sql { return $node->safe_psql('postgres', $_[0]); }

my ($host, $port, $file) = ($node->host, $node->port, $node->data_dir . '/events.csv');
sql(<<"SQL");
CREATE FOREIGN TABLE events (user_id int, amount numeric, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
CREATE FOREIGN TABLE bare (user_id int, amount numeric, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts', archive 'none');
SELECT streambatch.create_view('sums', \$\$SELECT user_id, streambatch.tumble(ts, '10 s') AS w, count(*) AS n, sum(amount) AS s FROM events GROUP BY 1, 2\$\$);
SELECT streambatch.create_view('of_bare', \$\$SELECT user_id, streambatch.tumble(ts, '10 s') AS w, count(*) AS n, sum(amount) AS s FROM bare GROUP BY 1, 2\$\$, history => false);
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION file_fdw;
CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
CREATE USER MAPPING FOR CURRENT_USER SERVER loopback;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE elsewhere (user_id int, amount numeric, ts timestamptz, kafka_partition int, kafka_offset bigint)
    SERVER loopback OPTIONS (table_name 'events_archive');
CREATE FOREIGN TABLE in_file (user_id int, amount numeric, ts timestamptz, kafka_partition int, kafka_offset bigint)
    SERVER files OPTIONS (filename '$file', format 'csv');
CREATE TABLE parts (LIKE in_file) PARTITION BY HASH (user_id);
CREATE TABLE part_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE no_positions (user_id int, amount numeric, ts timestamptz);
CREATE VIEW plain AS SELECT user_id, streambatch.tumble(ts, '10 s') AS w, count(*) AS n, sum(amount) AS s FROM events_archive GROUP BY 1, 2;
SQL
my $wrong = 'SELECT count(*) FROM ((TABLE sums EXCEPT ALL TABLE plain) UNION ALL (TABLE plain EXCEPT ALL TABLE sums)) d';
my $traffic = StreamBatch::Traffic->new($broker, 'events', 2);
$node->poll_query_until('postgres', 'SELECT count(*) > 1500 FROM events_archive') or die 'no events';
my ($reads, $failed) = (0, 0);

# Run a statement, and compare in one snapshot after the other meanwhile
sub beside
{
    my ($statement) = @_;
    my $background = StreamBatch::Background->new($node);

    $background->start($statement);
    do
    {
        $reads++;
        $failed++ if sql($wrong) ne '0';
        $background->reap;
    } while ($background->running);
    $background->finish;
    return;
}

foreach my $source ('archive', 'log', 'elsewhere')
{
    sql("SELECT streambatch.set_source('sums', '$source')");
    beside(q{CALL streambatch.refresh('sums', "to" => 'infinity')});
    is(sql($wrong), '0', "$source: refreshed");
    is(sql("SELECT count(*) > 0 FROM sums_layers WHERE batch_n > 0"), 't', "$source: there is a batch layer");
    $traffic->burst;
    beside(q{CALL streambatch.refresh('sums')});
    is(sql($wrong), '0', "$source: refreshed again");
    beside("CALL streambatch.rebuild('sums', source => '$source')");
    is(sql($wrong), '0', "$source: rebuilt");
}
# what holds the events of one instant: the stream is paused at it, and goes on afterwards
foreach my $source ('in_file', 'parts', 'no_positions')
{
    sql("SELECT streambatch.pause('events')");
    $node->poll_query_until('postgres', "SELECT pid IS NULL FROM streambatch.stat_stream WHERE stream = 'events'::regclass") or die 'not paused';
    sql("COPY (SELECT user_id, amount, ts, kafka_partition, kafka_offset FROM events_archive) TO '$file' (FORMAT csv); "
      . 'INSERT INTO parts TABLE in_file EXCEPT ALL TABLE parts; TRUNCATE no_positions; INSERT INTO no_positions SELECT user_id, amount, ts FROM in_file');
    sql("SELECT streambatch.set_source('sums', '$source')");
    beside(q{CALL streambatch.refresh('sums', "to" => 'infinity')});
    sql("SELECT streambatch.resume('events')");
    $traffic->burst;
    is(sql($wrong), '0', "$source: refreshed");
    is(sql('SELECT count(*) FROM (SELECT sum(batch_n) AS n FROM sums_layers) b WHERE b.n >= (SELECT count(*) FROM no_positions)'), '1', "$source: from what it holds");
}
# a stream without an archive, from its log alone
beside(q{CALL streambatch.refresh('of_bare', "to" => 'infinity')});
beside(q{CALL streambatch.rebuild('of_bare', source => 'log')});
my $sent = $traffic->finish;
$node->wait_for($_) foreach qw(events bare);
is(sql('SELECT sum(n) FROM sums'), $sent, 'every event is counted');
is(sql('SELECT count(*) FROM ((TABLE of_bare EXCEPT ALL TABLE plain) UNION ALL (TABLE plain EXCEPT ALL TABLE of_bare)) d'), '0', 'without an archive, too');
# the plan knows how much of the log is read: otherwise it would sort all of it
sql("SELECT streambatch.create_view('totals', 'SELECT user_id, count(*) AS n FROM bare GROUP BY 1', history => false)");
my (undef, undef, $plans) = $node->psql('postgres', "SET client_min_messages = log; SET debug_print_plan = on; CALL streambatch.rebuild('totals', source => 'log')");
my ($rows) = $plans =~ /\{FOREIGNSCAN\b.*?plan_rows (\d+)/s;
is($rows, sql("SELECT sum(next_offset) FROM streambatch.stat_partition WHERE stream = 'bare'::regclass"), 'a rebuild is planned for as many rows as it reads');
is($failed, 0, 'every read was right');
cmp_ok($reads, '>', 10, 'there were reads');

# a source that is away, or lacks rights: an error, and nothing has changed
sql("SELECT streambatch.set_source('sums', 'elsewhere'); ALTER SERVER loopback OPTIONS (SET port '1')");
my (undef, undef, $error) = $node->psql('postgres', q{CALL streambatch.refresh('sums', "full" => true)});
like($error, qr/could not connect to server "loopback"/, 'a source that is away');
is(sql($wrong), '0', 'nothing has changed');
$node->stop;
done_testing();

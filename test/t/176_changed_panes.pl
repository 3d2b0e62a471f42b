# A refresh of 100,000 changed panes takes memory by what it reads at once, and a suspended view that comes back lacks nothing else
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic($_, 1) foreach qw(events joined);
my $node = StreamBatch::Node->new('main');
$node->init;
# the memory that is measured contains the shared buffers that a backend has touched
$node->append_conf('postgresql.conf', "shared_buffers = 16MB\nmax_wal_size = 2GB");
$node->start;
$node->create_server($broker);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# the growth of a session's peak memory during a refresh, in MB
sub peak_growth
{
    my ($call) = @_;
    my $peak = q{SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmHWM:\s+(\d+)'))[1];};
    # the first one of a session loads libraries and fills caches
    my @peaks = split /\n/, sql("SET client_min_messages = warning; CALL streambatch.refresh('seconds', '2025-01-01Z', '2025-01-01 00:00:01Z'); $peak $call; $peak");

    return ($peaks[1] - $peaks[0]) / 1024;
}

sub add_events
{
    my ($n, $value) = @_;

    sql("INSERT INTO events SELECT $value, '2025-01-01Z'::timestamptz + i * interval '3 s' FROM generate_series(0, $n - 1) i");
    $node->wait_for('events', '180 s');
    return;
}
sub wrong { return sql('SELECT count(*) FROM ((TABLE seconds EXCEPT ALL TABLE plain) UNION ALL (TABLE plain EXCEPT ALL TABLE seconds)) d'); }

sql(<<'SQL');
CREATE FOREIGN TABLE events (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SELECT streambatch.create_view('seconds', $$SELECT streambatch.tumble(ts, '1 s') AS w, count(*) AS c, sum(n) AS s FROM events GROUP BY 1$$);
CREATE VIEW plain AS SELECT streambatch.tumble(ts, '1 s') AS w, count(*) AS c, sum(n) AS s FROM events_archive GROUP BY 1;
SQL
add_events(100_000, 1);
sql(q{CALL streambatch.refresh('seconds', "to" => 'infinity')});

# first a number of them that a quadratic list in memory would survive
foreach my $changed (8_000, 100_000)
{
    add_events($changed, 2);
    my $growth = peak_growth("CALL streambatch.refresh('seconds')");

    cmp_ok($growth, '<', 64, "$changed changed panes: the memory is bounded") or BAIL_OUT("$growth MB");
    note("$changed changed panes: $growth MB");
    is(wrong(), 0, "$changed changed panes: all is right");
    is(sql("SELECT count(*) FROM seconds_layers WHERE recommended <> 'batch' AND w < (SELECT max(w) FROM seconds)"), 0, "$changed changed panes: all are computed");
    is(sql('SELECT count(*) FROM streambatch._coverage'), 2, "$changed changed panes: the coverage is in one piece up to the watermark");
}

# what comes back computes what it missed
sql(<<'SQL');
CREATE ROLE owner;
GRANT CREATE ON SCHEMA public TO owner;
CREATE TABLE price (k int PRIMARY KEY, price int);
INSERT INTO price VALUES (1, 10);
CREATE FOREIGN TABLE joined (k int, ts timestamptz) SERVER kafka OPTIONS (topic 'joined', event_time 'ts');
SELECT streambatch.resume('joined');
GRANT SELECT ON price, joined, joined_archive TO owner;
SET ROLE owner;
SELECT streambatch.create_view('sales', $$SELECT streambatch.tumble(ts, '1 day') AS w, count(*) AS c, sum(price) AS s FROM joined JOIN price USING (k) GROUP BY 1$$);
RESET ROLE;
INSERT INTO joined SELECT 1, '2025-01-01Z'::timestamptz + i * interval '6 h' FROM generate_series(0, 399) i;
SQL
$node->wait_for('joined');
sql("CALL streambatch.refresh('sales')");
sql(<<'SQL');
DELETE FROM joined_archive WHERE ts < '2025-02-01';
UPDATE price SET price = 20;
REVOKE SELECT ON price FROM owner;
INSERT INTO joined VALUES (1, '2025-03-01 01:00Z');
SQL
$node->wait_for('joined');
is(sql("SELECT state FROM streambatch.stat_view WHERE view = 'sales'::regclass"), 'suspended', 'a view that may not read a table is suspended');
sql('GRANT SELECT ON price TO owner');
# it comes back by itself, or by the refresh, whichever is first
sql("CALL streambatch.refresh('sales')");
is(sql("SELECT state FROM streambatch.stat_view WHERE view = 'sales'::regclass"), 'active', 'it comes back');
is(sql("SELECT count(*), sum(c), sum(s) FROM sales WHERE w < '2025-02-01Z'"), '31|124|1240', 'windows without archived events keep their values');
is(sql("SELECT count(*), sum(c), sum(s) FROM sales WHERE w >= '2025-02-01Z' AND w <> '2025-03-01Z'"), '68|272|2720', 'and other windows their prices');
is(sql("SELECT c, s FROM sales WHERE w = '2025-03-01Z'"), '5|100', 'the window of the missed event is computed');

$node->stop;
done_testing();

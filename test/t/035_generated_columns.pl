# Generated columns, of streams and of archives: stored ones in every version, and virtual ones, which PostgreSQL 18 brought
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);
my $virtual = $node->safe_psql('postgres', 'SHOW server_version_num') >= 180000;

# ---- a stored column of a stream is like any other: it is read from the messages, and computed by INSERT ----
$broker->create_topic('stored', 1);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE stored (n int, twice int GENERATED ALWAYS AS (n * 2) STORED) SERVER kafka OPTIONS (topic 'stored');
SELECT streambatch.create_view('sums', 'SELECT n, sum(twice) AS s FROM stored GROUP BY n');
INSERT INTO stored (n) VALUES (1), (2);
SQL
$broker->produce('stored', 0, [ undef, '{"n": 3, "twice": 7}' ], [ undef, '{"n": 4}' ]);
$node->wait_for('stored');
my $sums = "1|2\n2|4\n3|7\n4|";
is($node->safe_psql('postgres', 'SELECT * FROM sums ORDER BY n'), $sums, 'stored: as the messages have it');
$node->safe_psql('postgres', "CALL streambatch.refresh('sums')");
is($node->safe_psql('postgres', 'SELECT * FROM sums ORDER BY n'), $sums, 'and in the batch layer, too');

# ---- a virtual one is refused wherever the stream is used ----
my $definition = q{CREATE FOREIGN TABLE computed (n int, twice int GENERATED ALWAYS AS (n * 2) VIRTUAL) SERVER kafka OPTIONS (topic 'computed')};
if ($virtual)
{
    $broker->create_topic('computed', 1);
    $node->safe_psql('postgres', $definition);
    foreach my $sql ('SELECT n FROM computed', 'INSERT INTO computed (n) VALUES (1)',
        q{SELECT streambatch.create_view('v', 'SELECT n, sum(twice) AS s FROM computed GROUP BY n')})
    {
        like(error($sql), qr/ERROR:  column "twice" of stream "computed" is a virtual generated column\nHINT:  Drop it with ALTER FOREIGN TABLE public\.computed DROP COLUMN twice,/, $sql);
    }
    $node->safe_psql('postgres', 'ALTER FOREIGN TABLE public.computed DROP COLUMN twice');
    is($node->safe_psql('postgres', 'SELECT n FROM computed'), '', 'without it, the stream is read');
}
else
{
    like(error($definition), qr/ERROR:  syntax error at or near "VIRTUAL"/, 'a virtual column is unknown to this version');
}

# ---- an archive, and a joined table, may have either, where they are not the stream's ----
foreach my $kind ('STORED', $virtual ? 'VIRTUAL' : ())
{
    my $name = lc $kind;
    $broker->create_topic("archived_$name", 1);
    $node->safe_psql('postgres', <<"SQL");
CREATE TABLE kept_$name (k int, n int, twice int GENERATED ALWAYS AS (n * 2) $kind, kafka_partition int, kafka_offset bigint,
                         PRIMARY KEY (kafka_partition, kafka_offset));
CREATE TABLE names_$name (k int PRIMARY KEY, half numeric GENERATED ALWAYS AS (k / 2.0) $kind);
INSERT INTO names_$name VALUES (1), (2);
CREATE FOREIGN TABLE events_$name (k int, n int) SERVER kafka OPTIONS (topic 'archived_$name', archive 'kept_$name');
SELECT streambatch.create_view('joined_$name',
    'SELECT half, sum(n) AS s FROM events_$name JOIN names_$name USING (k) WHERE half < 5 GROUP BY half');
SQL
    $broker->produce("archived_$name", 0, map { [ undef, "{\"k\": $_, \"n\": 10}" ] } 1, 2, 2);
    $node->wait_for("events_$name");
    is($node->safe_psql('postgres', "SELECT round(half, 1), s FROM joined_$name ORDER BY 1"), "0.5|10\n1.0|20", "$name: joined");
    $node->safe_psql('postgres', "CALL streambatch.refresh('joined_$name')");
    is($node->safe_psql('postgres', "SELECT round(half, 1), s FROM joined_$name ORDER BY 1"), "0.5|10\n1.0|20", "$name: joined again by a refresh");
    is($node->safe_psql('postgres', "SELECT k, twice FROM kept_$name ORDER BY kafka_offset"), "1|20\n2|20\n2|20", "$name: a column of the archive");
}

$node->stop;
done_testing();

sub error
{
    my ($sql) = @_;
    my $stderr;

    $node->psql('postgres', $sql, stderr => \$stderr);
    return $stderr;
}

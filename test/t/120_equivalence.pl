# Random queries over random streams: each view is what the plain query over the archive says, in the stream layer alone, the batch layer alone, and merged
#
# SEED repeats a run; SEED=seed:round one round of it, SEED=seed:round:query one query of that. QUERIES: how many.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Equivalence::Grammar;
use StreamBatch::Equivalence::Round;
use StreamBatch::Node;
use Test::More;
use Time::HiRes qw(time);

my ($seed, $one, $only) = split /:/, $ENV{STREAMBATCH_SEED} // $ENV{SEED} // int time;
my $queries = $ENV{QUERIES} || 200;
my $each = 40;
diag("SEED=$seed QUERIES=$queries");

my $broker = StreamBatch::Broker->embedded;
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
streambatch.refresh_chunk_rows = 100
streambatch.work_mem = 1MB
fsync = off
CONF
$node->start;
$node->create_server($broker);
$node->safe_psql('postgres', 'ALTER SERVER kafka OPTIONS (ADD "fetch.wait.max.ms" \'50\')');
$node->safe_psql('postgres', $StreamBatch::Equivalence::Grammar::dimensions);

my @refused;
my $compared = 0;
foreach my $number (defined $one ? $one : 1 .. int(($queries + $each - 1) / $each))
{
    my $round = StreamBatch::Equivalence::Round->new(
        node => $node,
        broker => $broker,
        seed => $seed,
        number => $number,
        only => $only,
        queries => $each);
    my $began = time;

    is(join("\n", $round->run), '', "round $number");
    push @refused, $round->refused;
    $compared += $round->compared;
    note(sprintf '%d comparisons, %d of them of nothing, in %.1f s', $round->compared, $round->empty, time - $began);
}
ok($compared > 0, "$compared comparisons");
note(map { "refused: $_->[1]\n$_->[0]\n" } @refused);

$node->stop;

done_testing();

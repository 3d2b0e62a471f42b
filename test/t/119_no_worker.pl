# Streams without a worker: wait_for() reports that where it would wait in vain, but not on a standby, where it waits for the primary's worker
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init(allows_streaming => 1);
$node->start;
$node->create_server($broker);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE events (n int) SERVER kafka OPTIONS (topic 'events');
SELECT streambatch.create_view('counts', 'SELECT count(*) FROM events');
INSERT INTO events VALUES (1), (2);
SQL
$node->wait_for('events');

# ---- a standby has no workers ----
$node->backup('backup');
my $standby = StreamBatch::Node->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$standby->wait_for('events');
pass('on a standby one can wait');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standby->poll_query_until('postgres', "SELECT pg_get_wal_replay_pause_state() = 'paused'") or die 'the standby does not pause';
$node->safe_psql('postgres', 'INSERT INTO events VALUES (3)');
$node->wait_for('events');
is($standby->safe_psql('postgres', "SELECT streambatch.wait_for('events', '3 s')"), 'f', 'and there is no notice about workers where the standby lags');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$standby->wait_for('events');
is($standby->safe_psql('postgres', 'TABLE counts'), '3', 'when it has replayed, one reads what one has waited for');
$standby->stop;

# ---- a copy of the database ----
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
$node->safe_psql('postgres', 'INSERT INTO events VALUES (4)');
stopped('copy', 'a copy of a database', 'paused');
$node->wait_for('events');
is($node->safe_psql('postgres', 'TABLE counts'), '4', 'the original continues');

# ---- streambatch.autostart ----
$node->append_conf('postgresql.conf', 'streambatch.autostart = off');
$node->restart;
$node->safe_psql('postgres', 'INSERT INTO events VALUES (5)');
stopped('postgres', 'without autostart', 'stopped');
my ($status, $out, $err) = $node->psql('postgres', "SELECT streambatch.wait_for('events', '10 ms')");
is("$status $out", '0 f', 'a short timeout returns false');
like($err, qr/NOTICE:  stream "events" is not being read: no worker has been requested\nHINT:  Use SELECT streambatch\.resume\('events'\) to start it\./, 'and a notice says why');
foreach my $database (qw(postgres copy))
{
    $node->safe_psql($database, "SELECT streambatch.resume('events')");
    $node->wait_for('events', '60 s', $database);
    is($node->safe_psql($database, 'TABLE counts'), '5', "$database: the hint helps");
}

$node->stop;
done_testing();

sub stopped
{
    my ($database, $name, $how) = @_;
    my (undef, undef, $said) = $node->psql($database, "\\set VERBOSITY verbose\nSELECT streambatch.wait_for('events', '60 s')");

    like($said, qr/ERROR:  55000: stream "events" is $how\nHINT:  Use SELECT streambatch\.resume\('events'\) to (?:start|resume) it\./, "$name: the stream is $how, and how to start it");
    return;
}

# A view whose query fails is suspended until a refresh; a gap in the log stops the stream, or is skipped and recorded
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE reader;
GRANT CREATE ON SCHEMA public TO reader;
CREATE FOREIGN TABLE events (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SELECT streambatch.resume('events');
GRANT SELECT ON events, events_archive TO reader;
SELECT streambatch.create_view('mine', 'SELECT streambatch.tumble(ts, ''1 h'') AS w, count(*) AS c, sum(n) AS s FROM events GROUP BY 1');
SET ROLE reader;
SELECT streambatch.create_view('theirs', 'SELECT streambatch.tumble(ts, ''1 h'') AS w, count(*) AS c, sum(n) AS s FROM events GROUP BY 1');
SQL

sub events
{
    my ($from, $to) = @_;

    $broker->produce('events', 0, map { [ undef, sprintf('{"n": %d, "ts": "2025-02-14T%02d:30:00Z"}', $_, $_ % 3), 0 ] } $from .. $to);
    return;
}
sub sql { return $node->safe_psql('postgres', $_[0]); }
sub total { return sql("SELECT coalesce(sum(c), 0) || ' ' || coalesce(sum(s), 0) FROM $_[0]"); }
sub expected { my $sum = 0; $sum += $_ foreach @_; return @_ . " $sum"; }

events(1, 10);
$node->wait_for('events');
is(total('theirs'), expected(1 .. 10), 'both views count');

# ---- suspended, and back ----
sql('REVOKE SELECT ON events FROM reader');
events(11, 20);
$node->wait_for('events');
is(total('mine'), expected(1 .. 20), 'one view continues');
is(sql("SELECT state || ' ' || error_sqlstate FROM streambatch.stat_view WHERE view = 'theirs'::regclass"),
    'suspended 42501', 'the other is suspended, with its error');
is(total('theirs'), expected(1 .. 10), 'and keeps what it has');
sql('GRANT SELECT ON events TO reader');
events(21, 30);
$node->wait_for('events');
sql("CALL streambatch.refresh('theirs')");
events(31, 40);
$node->wait_for('events');
is(total('theirs'), expected(1 .. 40), 'a refresh computes what it missed, and it continues');
is(sql("SELECT state || ' ' || (error_message IS NULL) FROM streambatch.stat_view WHERE view = 'theirs'::regclass"),
    'active true', 'it is active');
is(sql('SELECT count(*) FROM ((TABLE theirs EXCEPT ALL TABLE mine) UNION ALL (TABLE mine EXCEPT ALL TABLE theirs)) d'), '0', 'and the same as the other');

# ---- a gap ----
sql("SELECT streambatch.pause('events')");
$node->wait_for_state('events', 'paused');
events(41, 50);
$broker->truncate('events', 0, 45);
sql("SELECT streambatch.resume('events')");
$node->wait_for_state('events', 'error');
like(sql("SELECT error_message FROM streambatch.stat_stream WHERE stream = 'events'::regclass"), qr/offset 40 of partition 0 is out of range/, 'a gap stops the stream');
is(total('mine'), expected(1 .. 40), 'which serves what it has');
sql("ALTER FOREIGN TABLE events OPTIONS (ADD on_gap 'skip')");
sql("SELECT streambatch.resume('events')");
$node->wait_for('events');
is(total('mine'), expected(1 .. 40, 46 .. 50), 'with on_gap skip, it continues behind the gap');
is(sql('SELECT kafka_partition, from_offset, to_offset, action FROM streambatch.gap'), '0|40|45|skip', 'and the gap is recorded');

my (undef, undef, $errors) = $node->psql('postgres', <<'SQL');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM mine;
INSERT INTO events VALUES (51, '2025-02-14 00:30Z');
SELECT streambatch.wait_for('events');
SQL
like($errors, qr/cannot wait in a REPEATABLE READ/, 'waiting for what a snapshot cannot show is refused');

$node->stop;
$broker->stop;
done_testing();

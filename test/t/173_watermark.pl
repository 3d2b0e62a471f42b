# The watermark never passes the clock: an event of tomorrow closes nothing before its time, and everything in time
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;
use Time::HiRes qw(sleep time);

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('carts', 2);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE carts (id int, ts timestamptz) SERVER kafka OPTIONS (topic 'carts', event_time 'ts', idle_timeout '1 s');
SELECT streambatch.create_view('sessions', $$SELECT id, streambatch.session(ts, '30 min') AS begins, count(*) FROM carts GROUP BY 1, 2$$);
SELECT streambatch.create_view('seconds', $$SELECT streambatch.tumble(ts, '1 s') AS begins, count(*) FROM carts GROUP BY 1$$);
SQL
my $begin = time;

# one cart of now, and one of a shop whose clock is ahead
put(0, 1, $begin - 10);
put(1, 2, $begin + 23 * 3600);
$node->wait_for('carts');
my $limit = "(SELECT max(max_event_time) FROM streambatch.stat_partition)";
$node->poll_query_until('postgres', 'SELECT watermark > to_timestamp(' . ($begin - 5) . ') FROM streambatch.stat_stream') or die 'partition 0 does not become idle';
is(query("SELECT watermark <= now(), $limit > now() + interval '22 h' FROM streambatch.stat_stream"), 't|t', 'the watermark does not pass the clock');
is(query('SELECT id, closed FROM sessions_layers ORDER BY 1'), "1|f\n2|f", 'no session is closed');
is(query('SELECT count(*) FROM seconds_layers WHERE closed <> (begins + interval \'1 s\' <= now())'), '0', 'the second that has ended is closed, that of tomorrow is not');

# the watermark moves with the clock, without a flush; what closes, does so at its time
my ($flushes, $watermark) = split /\|/, query('SELECT flushes, watermark FROM streambatch.stat_stream');
$node->poll_query_until('postgres', "SELECT watermark > '$watermark'::timestamptz + interval '2.5 s' FROM streambatch.stat_stream") or die 'the watermark stands still';
is(query('SELECT flushes FROM streambatch.stat_stream'), $flushes, 'it moves with the clock, without a flush');
my $soon = time + 2;
put(1, 3, $soon);
$node->wait_for('carts');
my $of_soon = "begins = date_trunc('second', to_timestamp($soon))";
my $answers = '';
for (;;)
{
    my $answer = query("SELECT closed, begins + interval '1 s' <= now() FROM seconds_layers WHERE $of_soon");

    $answers .= "$answer ";
    last if $answer =~ /\|t/;
    sleep 0.05;
}
like($answers, qr/^(?:f\|f )+t\|t $/, 'a window of the near future closes at its end');

# a refresh takes what has ended, and nothing else
query("CALL streambatch.refresh('seconds')");
is(query("SELECT upper(coverage) <= now(), upper(coverage) > to_timestamp($soon) FROM streambatch.stat_view WHERE view = 'seconds'::regclass"),
    't|t', 'a refresh covers the windows that have ended');
is(query('SELECT recommended, closed FROM seconds_layers ORDER BY begins'), "batch|t\nbatch|t\nstream|f", 'and leaves tomorrow to the stream');

# the other partition comes back to life, with the right time: the limit moves back, the watermark does not
put(0, 4, time - 1);
my $before = query('SELECT watermark FROM streambatch.stat_stream');
$node->wait_for('carts');
is(query("SELECT watermark >= '$before', watermark <= now() FROM streambatch.stat_stream"), 't|t', 'the watermark does not move back');
$node->safe_psql('postgres', "SELECT streambatch.pause('carts')");
$node->poll_query_until('postgres', 'SELECT pid IS NULL FROM streambatch.stat_stream') or die;
$before = query('SELECT watermark FROM streambatch.stat_stream');
$node->restart;
is(query("SELECT watermark >= '$before', watermark <= now() FROM streambatch.stat_stream"), 't|t', 'nor after a restart');
$node->stop;
done_testing();

sub put
{
    my ($partition, $id, $time) = @_;

    $broker->produce('carts', $partition, [ undef, sprintf('{"id": %d, "ts": "%s"}', $id, query("SELECT to_json(to_timestamp($time)) #>> '{}'")) ]);
    return;
}

sub query { return $node->safe_psql('postgres', @_); }

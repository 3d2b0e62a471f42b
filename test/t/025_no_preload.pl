# Without shared_preload_libraries: everything can be defined and read, nothing runs, and every place where one would wait says what to do
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
my $node = StreamBatch::Node->new('plain');
$node->init(preload => '');
$node->start;
$node->create_server($broker);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE events (k text, n int) SERVER kafka OPTIONS (topic 'events');
INSERT INTO events VALUES ('a', 1), ('a', 2);
SQL
my $missing = qr/stream "events" has no worker because pg_streambatch is not preloaded/;
my $hint = qr/HINT:  Add pg_streambatch to shared_preload_libraries and restart the server\./;

is($node->safe_psql('postgres', 'SELECT sum(n) FROM events'), '3', 'the log can be read');

my ($status, $out, $err) = $node->psql('postgres', q{SELECT streambatch.create_view('v', 'SELECT k, sum(n) AS s FROM events GROUP BY k')});
is($status, 0, 'a view can be created');
like($err, qr/WARNING:  $missing.*$hint/s, 'with a warning that names the setting');

($status, $out, $err) = $node->psql('postgres', q{SELECT streambatch.resume('events')});
is($status, 0, 'resume() can be called');
like($err, qr/WARNING:  $missing.*$hint/s, 'with the same warning');

($status, $out, $err) = $node->psql('postgres', q{SELECT streambatch.wait_for('events')});
isnt($status, 0, 'wait_for() does not wait in vain');
like($err, qr/ERROR:  $missing.*$hint/s, 'its error names the setting');

is($node->safe_psql('postgres', 'SELECT * FROM v'), '', 'reading the view works');
is($node->safe_psql('postgres', q{SELECT state FROM streambatch.stat_stream WHERE stream = 'events'::regclass}),
    'stopped', 'the statistics work');
is($node->safe_psql('postgres', q{CALL streambatch.refresh('v'); SELECT recommended FROM v_layers}), '', 'a refresh works');
$node->safe_psql('postgres', q{SELECT streambatch.pause('events')});
is($node->safe_psql('postgres', q{SELECT state FROM streambatch.stat_stream WHERE stream = 'events'::regclass}), 'paused', 'pause() works');
$node->safe_psql('postgres', q{SELECT streambatch.resume('events')});
$node->safe_psql('postgres', q{SET streambatch.serve = 'batch'; SELECT * FROM v});

$node->append_conf('postgresql.conf', q{shared_preload_libraries = 'pg_streambatch'});
$node->restart;
$node->wait_for('events');
is($node->safe_psql('postgres', 'SELECT * FROM v'), 'a|3', 'once it is preloaded, the stream runs by itself');

$node->safe_psql('postgres', 'DROP SERVER kafka CASCADE');
$node->stop;
$broker->stop;
done_testing();

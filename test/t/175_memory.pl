# A server with little memory: a worker's queue takes less, or the worker reports the error; the server does not crash
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Background;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic('large', 1, 'max.message.bytes' => 104_857_600);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', "max_connections = 20\nrestart_after_crash = on\n");
$node->start;
$node->create_server($broker);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# 900 messages of 900 kB, which do not compress
my $pad = join '', map { chr(32 + int rand 2) . chr(97 + int rand 26) . chr(65 + int rand 26) } 1 .. 300_000;
produce_all();
create('large', 'large');

# the address space that `ulimit -v` would leave a server; backends inherit it
my $used = $node->safe_psql('postgres', q(SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmSize:\s+(\d+)'))[1]));
limit($used + 300_000);
foreach my $attempt (1 .. 3)
{
    is($node->safe_psql('postgres', 'SELECT count(*), sum(n) FROM large'), '900|405450', "an ad hoc query reads all ($attempt)");
}
$node->safe_psql('postgres', "SELECT streambatch.create_view('counts', 'SELECT count(*), sum(n) FROM large')");
$node->wait_for('large', '120 s');
is($node->safe_psql('postgres', 'TABLE counts'), '900|405450', 'a worker reads all');
no_crash();

# a worker that is held up for a moment, while its queue fills
my $holder = StreamBatch::Background->new($node);
create('large', 'again');
$node->safe_psql('postgres', "SELECT streambatch.create_view('held', 'SELECT count(*) FROM again')");
$node->wait_for('again', '120 s');
$holder->start('BEGIN', "SELECT FROM streambatch._stream WHERE stream = 'again'::regclass FOR UPDATE", 'SELECT pg_sleep(4)', 'COMMIT');
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") or die;
produce_all();
$holder->finish;
$node->wait_for('again', '120 s');
is($node->safe_psql('postgres', 'TABLE held'), '1800', 'a worker that is held up reads all');
no_crash();

# less than any queue needs
$node->safe_psql('postgres', "SELECT streambatch.pause('again')");
$node->safe_psql('postgres', "SELECT streambatch.pause('large')");
$node->poll_query_until('postgres', 'SELECT bool_and(pid IS NULL) FROM streambatch.stat_stream') or die;
limit($used + 60_000);
$node->safe_psql('postgres', "SELECT streambatch.resume('large')");
ok($node->poll_query_until('postgres', "SELECT state = 'error' AND error_sqlstate = '53200' FROM streambatch.stat_stream WHERE stream = 'large'::regclass"), 'too little for any queue: error 53200');
like($node->safe_psql('postgres', "SELECT error_hint FROM streambatch.stat_stream WHERE stream = 'large'::regclass"), qr/ulimit -v/, 'with a hint');
my (undef, undef, $said) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT count(*) FROM large");
like($said, qr/ERROR:  53200: /, 'a query says so, too');
no_crash();
limit('unlimited');
$broker->produce('large', 0, [ undef, '{"n": 1000}' ]);
$node->safe_psql('postgres', "SELECT streambatch.resume('large')");
$node->wait_for('large');
is($node->safe_psql('postgres', 'TABLE counts'), '1801|811900', 'with memory it goes on');
no_crash();

# memory that is there for the queue, and not for a message that is larger than what malloc() has in reserve for a thread: librdkafka
# aborts
my $worker = $node->worker_pid('large');
my ($uses) = slurp_file("/proc/$worker/status") =~ /VmSize:\s+(\d+)/;
limit($uses + 20_000, $worker);
my $client = $broker->client('message.max.bytes' => 104_857_600);
$client->produce('large', 0, [ undef, $_ ]) foreach '{"n": 1, "pad": "' . 'x' x 102_000_000 . '"}', '{"n": 2}';
$client->close;
$node->wait_for('large', '120 s');
is($node->safe_psql('postgres', 'TABLE counts'), '1802|811902', 'a worker whose memory ends while it reads is replaced');
like(slurp_file($node->logfile), qr/ERROR:  out of memory while reading or writing a topic/, 'after an error');
isnt($node->worker_pid('large'), $worker, 'the process has ended');
no_crash();
$node->stop;
done_testing();

sub produce_all
{
    $broker->produce('large', 0, map { [ undef, qq({"n": $_, "pad": "$pad"}) ] } 10 * $_ - 9 .. 10 * $_) foreach 1 .. 90;
    return;
}

sub create
{
    my ($topic, $name) = @_;

    $node->safe_psql('postgres', "CREATE FOREIGN TABLE $name (n int) SERVER kafka OPTIONS (topic '$topic', archive 'none')");
    return;
}

sub limit
{
    my ($kilobytes, $pid) = @_;

    ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/ unless $pid;
    # the soft limit alone, which may be raised again
    system('prlimit', '--pid', $pid, '--as=' . ($kilobytes eq 'unlimited' ? $kilobytes : 1024 * $kilobytes) . ':') == 0 or die 'prlimit';
    return;
}

sub no_crash
{
    unlike(slurp_file($node->logfile), qr/terminated by signal|reinitializing/, 'no process has crashed');
    return;
}

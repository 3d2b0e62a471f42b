# The system clock is set back by an hour: messages become visible all the same, pause and idle partitions are not forgotten
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use StreamBatch::Preload;
use Test::More;

# The clock of a process is an hour slow as long as there is a file. time() is not used by the server.
my $slow = PostgreSQL::Test::Utils::tempdir() . '/slow';
my $library = StreamBatch::Preload::build('clock', <<"C");
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void) { return access("$slow", F_OK) == 0 ? 3600 : 0; }

int gettimeofday(struct timeval *tv, void *zone)
{
	static int (*real)(struct timeval *, void *);
	int rc;

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "gettimeofday");
	rc = real(tv, zone);
	tv->tv_sec -= offset();
	return rc;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int rc;

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "clock_gettime");
	rc = real(clock, ts);
	if (clock == CLOCK_REALTIME)
		ts->tv_sec -= offset();
	return rc;
}
C

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 2);
my $node = StreamBatch::Node->new('main');
$node->init;
{
    local $ENV{LD_PRELOAD} = $library;
    $node->start;
}
$node->create_server($broker);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE events (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts', idle_timeout '2 s', archive 'none');
SELECT streambatch.create_view('counts', 'SELECT count(*) FROM events');
SQL
$broker->produce('events', 0, map { [ undef, qq({"n": $_, "ts": "2025-01-01T00:00:00Z"}) ] } 1 .. 10);
$node->wait_for('events');
is($node->safe_psql('postgres', 'TABLE counts'), '10', 'before');

my $hour_ago = hour_ago();
append_to_file($slow, '');
cmp_ok(hour_ago(), '<', $hour_ago - 3000, 'the clock of the server is set back');

$broker->produce('events', 0, map { [ undef, qq({"n": $_, "ts": "2025-01-01T00:00:10Z"}) ] } 11 .. 20);
# not with wait_for(): librdkafka has been seen not to get an answer in a new session whose clock is slow, which is no worker's
ok($node->poll_query_until('postgres', 'TABLE counts', '20'), 'messages after it are visible');

# partition 1 never had a message: it holds the watermark back until it counts as idle
ok($node->poll_query_until('postgres', "SELECT watermark = '2025-01-01 00:00:10Z' FROM streambatch.stat_stream"), 'an idle partition is noticed');

$node->safe_psql('postgres', "SELECT streambatch.pause('events')");
ok(
    $node->poll_query_until(
        'postgres',
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_streambatch worker'"),
    'pause is obeyed');
is($node->stream_state('events'), 'paused', 'and shown');

# a worker that ended with an error is started again after a second, whatever the clock says
$node->safe_psql('postgres', "SELECT streambatch.resume('events')");
$node->wait_for_state('events', 'streaming');
my $pid = $node->worker_pid('events');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
unlink $slow or die;
append_to_file($slow, '');
ok($node->poll_query_until('postgres', "SELECT pid <> $pid AND state = 'streaming' FROM streambatch.stat_stream"), 'a terminated worker is replaced');
unlink $slow or die;
$broker->produce('events', 0, [ undef, '{"n": 21, "ts": "2025-01-01T00:00:20Z"}' ]);
$node->wait_for('events', '20 s');
is($node->safe_psql('postgres', 'TABLE counts'), '21', 'nor does a step ahead harm');
$node->stop;
done_testing();

sub hour_ago { return $node->safe_psql('postgres', 'SELECT extract(epoch FROM clock_timestamp())::bigint'); }

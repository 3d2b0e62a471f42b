# A name server that does not answer: nobody waits for its answer, neither a statement that is cancelled nor a server that stops
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use IPC::Run;
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use StreamBatch::Preload;
use Test::More;
use Time::HiRes qw(sleep);

use constant HANGS => 15;    # seconds that getaddrinfo takes

my $log = PostgreSQL::Test::Utils::tempdir() . '/resolved';
my $library = StreamBatch::Preload::build('resolver', <<"C");
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void note(const char *what)
{
	char line[64];
	int fd = open("$log", O_WRONLY | O_APPEND | O_CREAT, 0600);
	int n = snprintf(line, sizeof(line), "%s %d\\n", what, (int) getpid());

	if (write(fd, line, n) != n)
		_exit(3);
	close(fd);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (node != NULL && strcmp(node, "slow.example") == 0)
	{
		struct timespec rest = {@{[ HANGS ]}, 0};

		note("begin");
		nanosleep(&rest, NULL);
		note("end");
		return EAI_AGAIN;
	}
	if (real == NULL)
		real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(node, service, hints, result);
}
C

my $node = StreamBatch::Node->new('main');
$node->init;
{
    local $ENV{LD_PRELOAD} = $library;
    $node->start;
}
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_streambatch;
CREATE SERVER kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" 'slow.example:9092');
CREATE FOREIGN TABLE events (n int) SERVER kafka OPTIONS (topic 'events', archive 'none');
SQL

# statement_timeout
my %statements = (
    create_view => "SELECT streambatch.create_view('unmade', 'SELECT count(*) FROM events')",
    SELECT => 'SELECT count(*) FROM events',
    INSERT => 'INSERT INTO events VALUES (1)');
unanswered($_, qr/57014/, beside("SET statement_timeout = '500 ms'", $statements{$_})) foreach sort keys %statements;

# the view of a stream whose brokers nobody can find yet
unanswered('create_view gives up its check of the brokers, which', qr/08006/, beside("SELECT streambatch.create_view('counts', 'SELECT count(*) FROM events')"));
$node->poll_query_until('postgres', "SELECT pid IS NOT NULL FROM streambatch.stat_stream") or die 'no worker';
unanswered('wait_for', qr/57014/, beside("SET statement_timeout = '500 ms'", "SELECT streambatch.wait_for('events', '1 min')"));

# cancel
my $finish = beside('SELECT count(*) FROM events');
wait_for_session();
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '^SELECT count'");
unanswered('a cancelled SELECT', qr/57014/, $finish);

# a session goes on, beyond the end of the threads that it has left behind
my $outcome = beside("SET statement_timeout = '300 ms'", 'SELECT FROM events', 'RESET statement_timeout', "SELECT pg_sleep(@{[ HANGS + 1 ]})", 'SELECT 1/0')->();
like($outcome->{said}, qr/57014.*22012/s, 'the session goes on');
is_deeply([ resolved($outcome->{pid}) ], [ 1, 1 ], 'beyond the end of what it has left behind');

# the worker
my $worker = restarted();
sleep 0.1 while (resolved($worker))[0] == 0;
$node->safe_psql('postgres', "SELECT streambatch.pause('events')");
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_streambatch worker'") or die;
is((resolved($worker))[1], 0, 'a paused worker does not wait for the answer');
$worker = restarted();
sleep 0.1 while (resolved($worker))[0] == 0;

# the server
my $session = beside('SELECT count(*) FROM events');
wait_for_session();
$node->stop('fast');
unanswered('a session at shutdown', qr/57P01/, $session);
is((resolved($worker))[1], 0, 'nor does the worker hold up the shutdown');
unlike(slurp_file($node->logfile), qr/terminated by signal|exited with exit code [^1]/, 'no process has crashed');
done_testing();

# The session ends with this error, or warning, while it still waits for the name server.
sub unanswered
{
    my ($name, $error, $session) = @_;
    my $result = $session->();

    like($result->{said}, qr/^(?:ERROR|FATAL|WARNING):  $error: /m, "$name ends");
    is_deeply([ resolved($result->{pid}) ], [ 1, 0 ], "$name does not wait for the answer");
    return;
}

# psql beside the test; the function returned waits for its end and returns its server's pid and what it was told
sub beside
{
    my (@statements) = @_;
    my ($out, $err) = ('', '');
    my $run = IPC::Run::start(
        [ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), map { ('-c', $_) } 'SELECT pg_backend_pid()', @statements ],
        '<', \'', '>', \$out, '2>', \$err);

    return sub { $run->finish; return { pid => $out =~ /^(\d+)/, said => $err } };
}

# how often this process has begun to resolve a name, and how often it was answered
sub resolved
{
    my ($pid) = @_;
    my $text = slurp_file($log);

    return map { scalar(() = $text =~ /^$_ $pid$/mg) } qw(begin end);
}

# the pid of a new worker
sub restarted
{
    $node->safe_psql('postgres', "SELECT streambatch.pause('events')");
    $node->poll_query_until('postgres', 'SELECT pid IS NULL FROM streambatch.stat_stream') or die 'the worker does not leave';
    $node->safe_psql('postgres', "SELECT streambatch.resume('events')");
    $node->poll_query_until('postgres', 'SELECT pid IS NOT NULL FROM streambatch.stat_stream') or die 'no worker';
    return $node->worker_pid('events');
}

sub wait_for_session
{
    $node->poll_query_until('postgres',
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND query ~ '^SELECT count'")
      or die 'the session does not wait';
    return;
}

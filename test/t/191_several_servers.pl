# One topic, two servers that read half of its partitions each, and a third one that merges their states: equal to the
# plain query over all events, at rest and while servers are killed; what is refused; who may read
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;
use Time::HiRes qw(sleep time);

srand(my $seed = $ENV{SEED} // time);
diag("seed $seed");

my %queries = (
    sums => q(SELECT user_id, streambatch.tumble(ts, '10 s') AS window_start, count(*), sum(amount), avg(amount), min(amount), max(note),
              stddev(amount::float8)::numeric(20, 6) AS deviation, streambatch.first(note ORDER BY ts) AS opening, streambatch.last(note ORDER BY ts) AS closing,
              bool_or(amount > 95) AS large
              FROM events WHERE amount >= 0 GROUP BY 1, 2 HAVING count(*) > 1),
    total => q(SELECT count(*), sum(amount), max(ts), count(*) FILTER (WHERE user_id IS NULL) AS unknown FROM events),
    hops => q(SELECT streambatch.hop(ts, '10 s', '30 s') AS window_start, count(*), avg(amount) FROM events GROUP BY 1),
    distincts => q(SELECT streambatch.tumble(ts, '1 minute') AS window_start, count(DISTINCT note), percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS median FROM events GROUP BY 1),
    visits => q(SELECT user_id, streambatch.session(ts, '3 s') AS session_start, streambatch.session_end(ts, '3 s') AS session_end, count(*) FROM events GROUP BY 1, 2, 3));

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic('events', 4);
my %partitions = (a => '0-1', b => '2-');
my %node;
foreach my $name ('a', 'b', 'c')
{
    my $new = $node{$name} = StreamBatch::Node->new($name);
    # the third one reads no topic, and needs no workers
    $new->init($name eq 'c' ? (preload => '') : ());
    $new->start;
    create_hybrid_views($name) if $name ne 'c';
}
my $c = $node{c};
$c->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_streambatch;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;
CREATE ROLE dana;
CREATE ROLE reader;
GRANT CREATE ON SCHEMA public TO dana;
CREATE TABLE events (user_id int, amount numeric, note text, ts timestamptz);
SQL
foreach my $name ('a', 'b')
{
    my ($host, $port) = ($node{$name}->host, $node{$name}->port);
    $c->safe_psql('postgres', <<"SQL");
CREATE SERVER node_$name FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
GRANT USAGE ON FOREIGN SERVER node_$name TO dana;
CREATE USER MAPPING FOR dana SERVER node_$name OPTIONS (user 'merger', password_required 'false');
SQL
}
my $dana = 'SET ROLE dana; SET client_min_messages = error;';
my $servers = q(ARRAY['node_a', 'node_b']);

like(merge_error('total'), qr/server "node_a" has no hybrid view public\.total whose states may be read\nHINT:  .*create_states_view\('public\.total'\)/, 'states are not there by themselves');
foreach my $name ('a', 'b')
{
    $node{$name}->safe_psql('postgres', join '', map { "SELECT streambatch.create_states_view('$_');" } sort keys %queries);
}
like(merge_error('total'), qr/server "node_a" has no hybrid view public\.total/, 'nor for everybody');
foreach my $name ('a', 'b')
{
    $node{$name}->safe_psql('postgres', join '', map { "GRANT SELECT ON $_, ${_}_states TO merger;" } sort keys %queries);
}
$c->safe_psql('postgres', join '', $dana, map { "SELECT streambatch.create_merged_view('$_', $servers);" } sort keys %queries);
$c->safe_psql('postgres', 'GRANT SELECT ON total, sums TO reader');
is($c->safe_psql('postgres', 'SET ROLE reader; SELECT * FROM total'), '0|||0', 'before the first event there is one row, for those who may SELECT from the view alone');

produce(200);
caught_up();
same('events of the stream layer');
done_testing();

sub create_hybrid_views
{
    my ($name) = @_;

    $node{$name}->create_server($broker);
    $node{$name}->safe_psql('postgres', join '', <<"SQL", map { "SELECT streambatch.create_view('$_', \$\$ $queries{$_} \$\$);" } sort keys %queries);
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;
CREATE ROLE merger LOGIN;
CREATE FOREIGN TABLE events (user_id int, amount numeric, note text, ts timestamptz)
    SERVER kafka OPTIONS (topic 'events', event_time 'ts', partitions '$partitions{$name}');
SQL
    return;
}

sub merge_error
{
    my ($view, @more) = @_;
    my (undef, undef, $err) = $c->psql('postgres', "$dana SELECT streambatch.create_merged_view('$view', $servers" . join('', map { ", $_" } @more) . ')');

    return $err;
}

sub produce
{
    my ($n) = @_;
    my @batches = ([], [], [], []);

    foreach (1 .. $n)
    {
        my $user = int rand 10;
        my $amount = int(rand 10000) / 100;
        my $note = chr(97 + int rand 26) x (1 + int rand 3);
        my $ts = sprintf '2025-03-01T00:%02d:%02d.%06dZ', int rand 10, int rand 60, int rand 1_000_000;

        push @{ $batches[ int rand 4 ] }, [ $user || 'null', $amount, $note, $ts ];
    }
    foreach my $partition (0 .. 3)
    {
        my @events = @{ $batches[$partition] } or next;

        $broker->produce('events', $partition, map { [ undef, qq({"user_id": $_->[0], "amount": $_->[1], "note": "$_->[2]", "ts": "$_->[3]"}) ] } @events);
        $c->safe_psql('postgres', 'INSERT INTO events VALUES ' . join ', ', map { "($_->[0], $_->[1], '$_->[2]', '$_->[3]')" } @events);
    }
    return;
}

sub caught_up { $node{$_}->wait_for('events') foreach 'a', 'b'; return; }

# sessions of a plain table, by their definition
sub plain
{
    my ($view) = @_;

    return $queries{$view} if $view ne 'visits';
    return q(SELECT user_id, min(ts) AS session_start, max(ts) + interval '3 s' AS session_end, count(*)
               FROM (SELECT *, count(*) FILTER (WHERE opens) OVER (PARTITION BY user_id ORDER BY ts) AS n
                       FROM (SELECT *, ts - lag(ts) OVER (PARTITION BY user_id ORDER BY ts) <= interval '3 s' IS NOT TRUE AS opens FROM events) e) e GROUP BY user_id, n);
}

sub same
{
    my ($when, @views) = @_;

    foreach my $view (@views ? @views : sort keys %queries)
    {
        my $plain = plain($view);

        is($c->safe_psql('postgres', "SELECT * FROM ((TABLE $view EXCEPT ALL ($plain)) UNION ALL (($plain) EXCEPT ALL TABLE $view)) d ORDER BY 1 LIMIT 5"), '', "$when: $view");
    }
    return;
}

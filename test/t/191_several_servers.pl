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
    rolled => q(SELECT user_id, streambatch.tumble(ts, '1 minute') AS window_start, count(*), sum(amount), GROUPING(user_id) AS every FROM events GROUP BY ROLLUP (1, 2)),
    distincts => q(SELECT streambatch.tumble(ts, '1 minute') AS window_start, count(DISTINCT note), percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS median FROM events GROUP BY 1),
    visits => q(SELECT user_id, streambatch.session(ts, '3 s') AS session_start, streambatch.session_end(ts, '3 s') AS session_end, count(*) FROM events GROUP BY 1, 2, 3));

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic('events', 4);
my %partitions = (a => '0-1', b => '2-');
my %node;
my %confirmed;
my %produced;
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
connect_to($_) foreach 'a', 'b';
my $dana = 'SET ROLE dana; SET client_min_messages = error;';
my $servers = q(ARRAY['node_a', 'node_b']);

like(merge_error('total'), qr/server "node_a" has no hybrid view public\.total whose states may be read\nHINT:  .*create_states_view\('public\.total'\)/, 'states are not there by themselves');
foreach my $name ('a', 'b')
{
    $node{$name}->safe_psql('postgres', join '', map { "SELECT streambatch.create_states_view('$_');" } sort keys %queries);
}
like(merge_error('total'), qr/server "node_a" has no hybrid view public\.total/, 'nor for everybody');
grant($_, sort keys %queries) foreach 'a', 'b';
$c->safe_psql('postgres', join '', $dana, map { "SELECT streambatch.create_merged_view('$_', $servers);" } sort keys %queries);
$c->safe_psql('postgres', 'GRANT SELECT ON total, sums TO reader');
is($c->safe_psql('postgres', 'SET ROLE reader; SELECT * FROM total'), '0|||0', 'before the first event there is one row, for those who may SELECT from the view alone');

produce(60);
caught_up();
same('a few events');
delete $queries{distincts};    # of so few values sketches are exact; of more they are not
produce(200);
caught_up();
same('events of the stream layer');
is($c->safe_psql('postgres', 'SELECT count(*) > 50 FROM sums'), 't', 'there are groups to compare');

# ---- what reaches the servers ----
my $plan = $c->safe_psql('postgres', q(EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM sums WHERE user_id = 3 AND window_start >= '2025-03-01 00:05Z'));
is(() = $plan =~ /Async Foreign Scan.*\n(?:.*Output.*\n)?.*Remote SQL: SELECT k1, pane, s1.* FROM public\.sums_states WHERE .*pane >= '2025-03-01 00:05:00\+00'.*k1 = 3/g,
    2, 'conditions on key and window, at the same time') or diag($plan);
$plan = $c->safe_psql('postgres', q(EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM hops WHERE window_start >= '2025-03-01 00:05Z'));
is(() = $plan =~ /Remote SQL: .*pane >= '2025-03-01 00:05:00\+00'/g, 2, 'conditions on panes that follow from those on windows') or diag($plan);

# ---- the batch layer of one server ----
$node{a}->safe_psql('postgres', "CALL streambatch.refresh('$_', NULL, 'infinity')") foreach 'sums', 'hops', 'visits';
$node{a}->safe_psql('postgres', q(CALL streambatch.refresh('total')));
same('one server has refreshed');
produce(100);
caught_up();
same('events after the refresh');
is($c->safe_psql('postgres', q(SELECT string_agg(DISTINCT recommended, ' ' ORDER BY recommended), bool_and(count = coalesce(stream_count, 0) + coalesce(batch_count, 0)),
                                      bool_and((batch_as_of IS NOT NULL) = (batch_count IS NOT NULL)), bool_and((stream_as_of IS NOT NULL) = (stream_count IS NOT NULL)), bool_and(exact)
                                 FROM sums_layers)), 'batch merged stream|t|t|t|t', 'the layers');
is($c->safe_psql('postgres', q(SELECT user_id, window_start, count, sum, opening FROM sums_layers EXCEPT SELECT user_id, window_start, count, sum, opening FROM sums)), '',
    'serve the same values');
my @batch = map { $_->safe_psql('postgres', q(SET streambatch.serve = 'batch'; SELECT count FROM total)) } $c, $node{a}, $node{b};
is($batch[0], $batch[1] + $batch[2], 'streambatch.serve chooses the layer of all servers');
my $watermark = least('watermark');
is($c->safe_psql('postgres', "SELECT bool_and(closed = (window_start + interval '10 s' <= '$watermark')) FROM sums_layers"), 't', 'windows are closed by the least watermark');
is($c->safe_psql('postgres', q(SET timezone = 'UTC'; SELECT stream_as_of FROM total_layers)), least('flushed_at'), 'they are as recent as the least recent server');

# ---- servers are killed ----
$produced{$_} = $node{$_}->safe_psql('postgres', 'SELECT count FROM total') foreach 'a', 'b';
confirm();
foreach my $round (1 .. 4)
{
    my $name = $round % 2 ? 'a' : 'b';

    produce(50);
    probe('while it is produced');
    $node{$name}->stop('immediate');
    produce(50);
    my ($status, undef, $err) = $c->psql('postgres', 'SELECT * FROM total');
    isnt($status, 0, 'a server is away: no answer');
    like($err, qr/could not connect to server "node_$name"|CONTEXT:  remote SQL command/, 'but an error that names it');
    $node{$name}->start;
    probe('the server is back') foreach 1 .. 3;
    confirm();
    probe('after a crash');
}
same('after crashes');
is($node{$_}->doubled_groups, '', "no group is there twice: $_") foreach 'a', 'b';
$node{$_}->safe_psql('postgres', q(CALL streambatch.refresh('sums'))) foreach 'a', 'b';
same('after refreshes');
$node{a}->safe_psql('postgres', q(CALL streambatch.rebuild('sums')));
same('a server has rebuilt its view');

# ---- a partition moves to a new server ----
$partitions{d} = '3';
my $d = $node{d} = StreamBatch::Node->new('d');
$d->init;
$d->start;
$node{b}->safe_psql('postgres', q(SELECT streambatch.pause('events')));
$node{b}->poll_query_until('postgres', q(SELECT pid IS NULL FROM streambatch.stat_stream)) or die 'the worker does not stop';
$node{b}->safe_psql('postgres', q(ALTER FOREIGN TABLE events OPTIONS (SET partitions '2')));
my $next = $node{b}->safe_psql('postgres', 'SELECT next_offset FROM streambatch.stat_partition WHERE partition = 3 AND NOT reading');
$node{b}->safe_psql('postgres', q(SELECT streambatch.resume('events')));
produce(50);
create_hybrid_views('d', "SELECT streambatch.start_at('events', 3, $next);");
share('d');
connect_to('d');
$c->safe_psql('postgres', join '', $dana, 'BEGIN;', (map { "DROP VIEW $_; SELECT streambatch.create_merged_view('$_', $servers || name 'node_d');" } sort keys %queries), 'COMMIT');
caught_up();
same('a partition has moved');
$node{$_}->safe_psql('postgres', q(CALL streambatch.rebuild('hops', source => 'log'))) foreach 'b', 'd';
same('servers have rebuilt their views from the log', 'hops');
$d->safe_psql('postgres', 'UPDATE streambatch._progress SET first_offset = NULL');
like(error("SET ROLE dana; SELECT streambatch.create_merged_view('twice', $servers || name 'node_d', 'hops'); DROP VIEW twice"),
    qr/WARNING:  events of partition 3 of topic "events" may be counted twice\nDETAIL:  Server "node_b" has read it up to offset $next, and server "node_d" from offset 0 on\.\nHINT:  .*start_at/, 'a partition that was not taken over where it was left');
$d->safe_psql('postgres', "UPDATE streambatch._progress SET first_offset = $next");

# ---- what cannot be merged ----
is($c->safe_psql('postgres', q(SELECT relname FROM pg_class WHERE relname ~ 'total' ORDER BY 1)), "total\ntotal_layers", 'views are all that users see');
$c->safe_psql('postgres', "$dana DROP VIEW total, sums");
$node{b}->safe_psql('postgres', q(SELECT streambatch.pause('events')));
$node{b}->poll_query_until('postgres', q(SELECT pid IS NULL FROM streambatch.stat_stream)) or die 'the worker does not stop';
$node{b}->safe_psql('postgres', q(ALTER FOREIGN TABLE events OPTIONS (SET partitions '1-2')));
like(merge_error('total'), qr/servers "node_a" and "node_b" both read partition 1 of topic "events"\nDETAIL:  .*counted twice.*\nHINT:  .*disjoint/, 'partitions that two servers read');
$node{b}->safe_psql('postgres', q(ALTER FOREIGN TABLE events OPTIONS (DROP partitions)));
like(merge_error('total'), qr/both read partition 0 of/, 'a server that reads all');
$node{b}->safe_psql('postgres', q(ALTER FOREIGN TABLE events OPTIONS (ADD partitions '2'); SELECT streambatch.resume('events')));
replace('b', 'total', 'SELECT count(*), sum(amount), max(ts), count(*) FILTER (WHERE user_id = 1) AS unknown FROM events');
like(merge_error('total'), qr/hybrid view public\.total has different definitions on servers "node_a" and "node_b"\nDETAIL:  They differ in: query: .*\nHINT:/s, 'another query');
is(merge_error('sums'), '', 'the same one is merged again');
$node{b}->safe_psql('postgres', 'CALL streambatch.rebuild(\'sums\', $$' . ($queries{sums} =~ s/amount >= 0/amount >= 50/r) . '$$)');
like(error('SELECT count(*) FROM sums'), qr/column "definition_[0-9a-f]+" does not exist/, 'a view that has become another one is not read');
$c->safe_psql('postgres', q(CREATE SERVER kafka_like FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" 'localhost:1')));
foreach my $case (
    [ q(ARRAY['kafka_like']), qr/server "kafka_like" is not a server of postgres_fdw\nHINT/ ],
    [ q(ARRAY['node_a', 'node_a']), qr/server "node_a" is named twice/ ],
    [ q(ARRAY['nowhere']), qr/server "nowhere" does not exist/ ],
    [ q(ARRAY[NULL]::name[]), qr/the name of a server must not be null/ ],
    [ q('{}'), qr/a merged view needs at least one server/ ],
    [ q(NULL), qr/must not be null/ ])
{
    like(error("SELECT streambatch.create_merged_view('x', $case->[0])"), $case->[1], "servers $case->[0]");
}
like(error(q(SELECT streambatch.create_merged_view('hops', ARRAY['node_a']))), qr/relation "hops" already exists\nHINT/, 'a name that is taken');
like(error(q(SET ROLE reader; SELECT streambatch.create_merged_view('x', ARRAY['node_a']))), qr/permission denied for (?:schema public|foreign server node_a)/, 'somebody without privileges');
$node{a}->safe_psql('postgres', q(CREATE TYPE mood AS ENUM ('a')));
foreach my $case (
    [ 'stddev(amount)', qr/the state of aggregate stddev\(numeric\) cannot be sent to another server\nDETAIL:  It is of type internal.*\nHINT/ ],
    [ 'streambatch.last(ARRAY[note::mood] ORDER BY ts)', qr/cannot be sent to another server\nDETAIL:  It depends on OIDs of user-defined types in values of type public\.mood\[\].*\nHINT/ ])
{
    my ($aggregate, $message) = @$case;

    $node{a}->safe_psql('postgres', "SELECT streambatch.create_view('x', 'SELECT $aggregate AS x FROM events WHERE user_id < 0')");
    like(($node{a}->psql('postgres', q(SELECT streambatch.create_states_view('x'))))[2], $message, "$aggregate is refused");
    $node{a}->safe_psql('postgres', 'DROP VIEW x');
}
like(($node{a}->psql('postgres', q(SELECT streambatch.create_states_view('hops'))))[2], qr/relation "hops_states" already exists/, 'states are shared once');

# ---- owners, dumps and drops ----
$c->safe_psql('postgres', 'CREATE ROLE erin; ALTER VIEW hops OWNER TO erin');
like(error('SELECT * FROM hops'), qr/user mapping not found for (?:user )?"erin"/, 'a new owner needs user mappings of its own');
$c->safe_psql('postgres', join '', map { "CREATE USER MAPPING FOR erin SERVER node_$_ OPTIONS (user 'merger', password_required 'false');" } 'a', 'b', 'd');
same('the owner has changed', 'hops');
my $part = $c->safe_psql('postgres', q(SELECT min(oid::regclass::text) FROM pg_class WHERE relname ~ '^info_' AND relowner = 'erin'::regrole));
like(error("SET ROLE erin; DROP FOREIGN TABLE $part CASCADE"), qr/cannot change the definition of "$part"/, 'parts are not dropped by themselves');
foreach my $name ('a', 'c')
{
    my $server = $node{$name};

    $server->safe_psql('postgres', 'CREATE DATABASE copy');
    command_ok([ 'pg_dump', '--dbname', $server->connstr('postgres'), '--file', $server->basedir . '/dump.sql' ], "dump of $name");
    $server->safe_psql('copy', '\i ' . $server->basedir . '/dump.sql');
}
is($c->safe_psql('copy', 'SELECT count(*) FROM hops'), $c->safe_psql('postgres', 'SELECT count(*) FROM hops'), 'a dump has the merged view');
$c->safe_psql('copy', 'DROP VIEW hops, visits, sums, distincts, rolled');
is(parts('copy'), '', 'whose parts are dropped with it');
is($node{a}->safe_psql('copy', q(DROP VIEW hops; SELECT count(*) FROM pg_class WHERE relname ~ 'hops')), 0, 'and the view of states with the hybrid view');
$c->safe_psql('postgres', 'SET client_min_messages = error; DROP VIEW hops, visits, rolled; DROP SERVER node_a CASCADE');
is(parts('postgres'), '', 'DROP leaves nothing');
done_testing();

sub create_hybrid_views
{
    my ($name, $first) = @_;

    $first //= '';
    $node{$name}->create_server($broker);
    $node{$name}->safe_psql('postgres', join '', <<"SQL", map { "SELECT streambatch.create_view('$_', \$\$ $queries{$_} \$\$);" } sort keys %queries);
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;
CREATE ROLE merger LOGIN;
CREATE FOREIGN TABLE events (user_id int, amount numeric, note text, ts timestamptz)
    SERVER kafka OPTIONS (topic 'events', event_time 'ts', partitions '$partitions{$name}');
$first
SQL
    return;
}

sub connect_to
{
    my ($name) = @_;
    my ($host, $port) = ($node{$name}->host, $node{$name}->port);

    $c->safe_psql('postgres', <<"SQL");
CREATE SERVER node_$name FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
GRANT USAGE ON FOREIGN SERVER node_$name TO dana;
CREATE USER MAPPING FOR dana SERVER node_$name OPTIONS (user 'merger', password_required 'false');
SQL
    return;
}

sub share
{
    my ($name, @views) = @_;

    @views = sort keys %queries unless @views;
    $node{$name}->safe_psql('postgres', join '', map { "SELECT streambatch.create_states_view('$_');" } @views);
    return grant($name, @views);
}

sub grant
{
    my ($name, @views) = @_;

    $node{$name}->safe_psql('postgres', join '', map { "GRANT SELECT ON $_, ${_}_states TO merger;" } @views);
    return;
}

sub replace
{
    my ($name, $view, $query) = @_;

    $node{$name}->safe_psql('postgres', "DROP VIEW $view; SELECT streambatch.create_view('$view', \$\$ $query \$\$)");
    return share($name, $view);
}

sub error { my ($sql) = @_; return ($c->psql('postgres', $sql))[2]; }

sub parts { my ($database) = @_; return $c->safe_psql($database, q(SELECT relname FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace)); }

# of the two servers that the stream began with
sub least
{
    my ($column) = @_;

    return (sort map { $node{$_}->safe_psql('postgres', "SET timezone = 'UTC'; SELECT $column FROM streambatch.stat_stream") } 'a', 'b')[0];
}

# what each server has counted, and will not count less of after a crash
sub confirm
{
    foreach my $name ('a', 'b')
    {
        $node{$name}->wait_for('events');
        # a synchronous commit makes those before it durable
        $node{$name}->safe_psql('postgres', 'CREATE TABLE durable (); DROP TABLE durable');
        $confirmed{$name} = $produced{$name};
    }
    return;
}

sub probe
{
    my ($when) = @_;
    my $count = $c->safe_psql('postgres', 'SELECT count FROM total');

    ok($count >= $confirmed{a} + $confirmed{b} && $count <= $produced{a} + $produced{b}, "$when: between what was confirmed and what was produced")
      or diag("$count, confirmed $confirmed{a} + $confirmed{b}, produced $produced{a} + $produced{b}");
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
        my $ts = sprintf '2025-03-01T00:%02d:%02d.%06dZ', int rand 3, int rand 60, int rand 1_000_000;

        push @{ $batches[ int rand 4 ] }, [ $user || 'null', $amount, $note, $ts ];
    }
    foreach my $partition (0 .. 3)
    {
        my @events = @{ $batches[$partition] } or next;

        $broker->produce('events', $partition, map { [ undef, qq({"user_id": $_->[0], "amount": $_->[1], "note": "$_->[2]", "ts": "$_->[3]"}) ] } @events);
        $produced{ $partition < 2 ? 'a' : 'b' } += @events;
        $c->safe_psql('postgres', 'INSERT INTO events VALUES ' . join ', ', map { "($_->[0], $_->[1], '$_->[2]', '$_->[3]')" } @events);
    }
    return;
}

sub caught_up { $node{$_}->wait_for('events') foreach grep { $_ ne 'c' } sort keys %node; return; }

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

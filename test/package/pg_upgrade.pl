# pg_upgrade from an older server (OLD_BINDIR) with hybrid views of every kind: states, sketches, positions, coverage and dead letters are
# there afterwards, nothing was read meanwhile, the stream is paused; after resume() and refresh() every view has what the plain query
# over the archive has; dropping leaves nothing. test/package/upgrade runs this where both servers are installed.
use strict;
use warnings;

use Cwd;
use File::Basename qw(dirname);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $old_bin = $ENV{OLD_BINDIR} // die "OLD_BINDIR: the programs of the older server\n";
chomp(my $new_bin = qx("$ENV{PG_CONFIG}" --bindir));

# of each view its query, in which FROM_EVENTS stands for the stream or its archive, and where that cannot be run as it is, a plain one
my %view = (
    tumbling => [ q{SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(a), avg(a), stddev(a) AS spread, corr(a, k) AS c, min(a), max(ts) FROM_EVENTS GROUP BY 1, 2} ],
    hopping => [ q{SELECT k % 3 AS k, streambatch.hop(ts, '1 h', '3 h') AS w, count(*) AS n, avg(a) FROM_EVENTS GROUP BY 1, 2} ],
    sharing => [ q{SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n FROM_EVENTS GROUP BY 1, 2 HAVING count(*) > 1} ],
    by_day => [ q{SELECT date_trunc('day', ts, 'Europe/Rome') AS d, count(*) AS n FROM_EVENTS GROUP BY 1} ],
    visits => [
        q{SELECT k, streambatch.session(ts, '80 min') AS s, count(*) AS n, sum(a) FROM_EVENTS GROUP BY 1, 2},
        q{SELECT k, min(ts), count(*), sum(a) FROM
            (SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY k ORDER BY ts) AS session FROM
              (SELECT *, ts - lag(ts, 1, '-infinity') OVER (PARTITION BY k ORDER BY ts) > '80 min' AS begins FROM_EVENTS) e) e GROUP BY k, session} ],
    distincts => [ q{SELECT k % 2 AS odd, count(DISTINCT a) AS d FROM_EVENTS GROUP BY 1} ],
    medians => [ q{SELECT k % 2 AS odd, percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS p FROM_EVENTS GROUP BY 1} ],
    own => [ q{SELECT k, public.own_sum(a) AS own FROM_EVENTS GROUP BY 1} ],
    latest => [ q{SELECT k, streambatch.first(a ORDER BY ts) AS f, streambatch.last(a ORDER BY ts) AS l FROM_EVENTS GROUP BY 1} ],
    countries => [ q{SELECT u.country, count(*) AS n, sum(e.a) FROM_EVENTS e JOIN public.users u ON u.id = e.k GROUP BY 1} ],
    sets => [ q{SELECT k, k % 3 AS r, date_trunc('day', ts, 'Europe/Rome') AS d, grouping(k, k % 3) AS rolled, count(*) AS n, avg(a) FROM_EVENTS GROUP BY ROLLUP (k, 3), CUBE (k % 3)} ],
    totals => [ q{SELECT count(*) AS n, sum(a), min(ts), bool_and(a > 0) FROM_EVENTS} ]);
my @views = sort keys %view;
my $sent = 0;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 2);
my $old = StreamBatch::Node->new('old', install_path => dirname($old_bin));
$old->init;
$old->start;
$old->create_server($broker);
prepare($old);
send_events(300);
$old->wait_for('events');
$old->safe_psql('postgres', "CALL streambatch.refresh('$_')") foreach qw(tumbling visits distincts own);
$old->safe_psql('postgres', "CALL streambatch.refresh('hopping', '2025-01-01Z', '2025-01-01 12:00Z')");
send_events(100);
$old->wait_for('events');
my %before = map { $_ => contents($old, $_) } @views, 'failing';
my $catalog = catalog($old);
forget_unknown_marks();
$old->stop;

# neither server may read these while pg_upgrade runs it
send_events(200);
my $new = StreamBatch::Node->new('new');
$new->init(major($new_bin) >= 18 ? (extra => ['--no-data-checksums']) : ());
upgrades() or BAIL_OUT('there is no upgraded cluster');
$new->start;

is($new->stream_state('events'), 'paused', 'the stream is paused');
is(contents($new, $_), $before{$_}, "$_ has what it had") foreach @views, 'failing';
is(catalog($new), $catalog, 'positions, coverage, dead letters, runs');

$new->safe_psql('postgres', "SELECT streambatch.resume('events')");
$new->wait_for('events');
is($new->safe_psql('postgres', 'SELECT count(*) FROM events_archive'), $sent, 'resume() reads on, each event once');
agrees($_, 'both layers') foreach grep { !/distincts|medians/ } @views;
$new->safe_psql('postgres', "CALL streambatch.refresh('$_')") foreach @views, 'failing';
agrees($_, 'after a refresh') foreach @views;
send_events(100);
$new->wait_for('events');
agrees($_, 'after more events') foreach grep { !/distincts|medians/ } @views;
$new->safe_psql('postgres', "CALL streambatch.refresh('$_', full => true)") foreach @views, 'failing';
agrees($_, 'after a full refresh') foreach @views;

$new->safe_psql('postgres', 'DROP VIEW hopping');
is($new->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname = 'hopping_layers'"), '0', 'DROP VIEW takes its layers with it');
$new->safe_psql('postgres', 'SET client_min_messages = error; DROP FOREIGN TABLE events CASCADE');
is($new->safe_psql('postgres', <<'SQL'), '', 'DROP FOREIGN TABLE … CASCADE leaves nothing');
SELECT relname FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace
UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'
UNION ALL SELECT 'view ' || view FROM streambatch._view
UNION ALL SELECT 'stream ' || stream FROM streambatch._stream
UNION ALL SELECT 'progress of ' || stream FROM streambatch._progress
UNION ALL SELECT 'coverage of ' || view_id FROM streambatch._coverage
UNION ALL SELECT 'run ' || id FROM streambatch._run
UNION ALL SELECT 'dead letter of ' || stream FROM streambatch._dead_letter
SQL
$new->stop;
done_testing();

sub prepare
{
    my ($node) = @_;

    $node->safe_psql('postgres', <<'SQL');
SET client_min_messages = warning;
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;
CREATE TABLE users (id int PRIMARY KEY, country text);
INSERT INTO users SELECT i, 'c' || i % 3 FROM generate_series(0, 9) i;
CREATE AGGREGATE own_sum(numeric) (SFUNC = numeric_avg_accum, STYPE = internal, COMBINEFUNC = numeric_avg_combine,
    SERIALFUNC = numeric_avg_serialize, DESERIALFUNC = numeric_avg_deserialize, FINALFUNC = numeric_sum, PARALLEL = SAFE);
CREATE FOREIGN TABLE events (k int, a numeric, x float8, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SQL
    foreach my $name (@views)
    {
        my $query = $view{$name}[0] =~ s/FROM_EVENTS/FROM events/r;
        $node->safe_psql('postgres', "SET client_min_messages = warning; SELECT streambatch.create_view('$name', \$\$ $query \$\$)");
    }
    $node->safe_psql('postgres', "SELECT streambatch.create_view('failing', 'SELECT sum(1 / (k - 3)) AS s FROM events')");
    return;
}

# The security releases of November 2026 (17.12 and others) mark the columns of views and of some tables. A newer major version that is
# older than that release refuses the mark in whatever is upgraded: without it, the cluster is as the release before has it.
sub forget_unknown_marks
{
    my $mark = 'pg_attver';

    return if PostgreSQL::Test::Utils::slurp_file("$new_bin/pg_dump") =~ /$mark/;
    $old->safe_psql($_, "UPDATE pg_attribute SET attoptions = NULL WHERE attoptions::text LIKE '{$mark=%}'") foreach qw(postgres template1);
    return;
}

# Events whose values follow from their number. Between two calls the time goes on by more than any session's gap.
sub send_events
{
    my ($n) = @_;
    my @messages = ([], []);

    foreach my $i ($sent + 1 .. $sent + $n)
    {
        my $seconds = 1_735_689_600 + 420 * $i + 360 * $sent;
        push @{ $messages[ $i % 2 ] }, [ undef, sprintf('{"k": %d, "a": %.1f, "x": %d, "ts": "%s"}', $i % 10, 1.5 * $i, $i % 7, timestamp($seconds)) ];
    }
    $broker->produce('events', $_, @{ $messages[$_] }) foreach 0, 1;
    $sent += $n;
    return;
}

sub timestamp
{
    my ($s, $min, $h, $d, $m, $y) = gmtime $_[0];

    return sprintf '%d-%02d-%02dT%02d:%02d:%02dZ', $y + 1900, $m + 1, $d, $h, $min, $s;
}

sub contents
{
    my ($node, $name) = @_;

    return $node->safe_psql('postgres', "SELECT t::text FROM $name t ORDER BY 1");
}

sub catalog
{
    my ($node) = @_;

    return $node->safe_psql('postgres', <<'SQL');
SELECT kafka_partition, next_offset, max_event_time, last_offset, last_hash FROM streambatch._progress ORDER BY 1;
SELECT view, stream, owner, state, coverage, epoch, last_cut, dead_letters FROM streambatch.stat_view ORDER BY view::text COLLATE "C";
SELECT archive, watermark, received, folded, dead FROM streambatch.stat_stream;
SELECT stream, view, kafka_partition, kafka_offset, sqlstate, message FROM streambatch.dead_letter ORDER BY 3, 4;
SELECT view, kind, state, rows FROM streambatch.refresh_history ORDER BY id;
SQL
}

# One test: a view has the rows of the plain query over the archive
sub agrees
{
    my ($name, $when) = @_;
    my $plain = ($view{$name}[1] // $view{$name}[0]) =~ s/FROM_EVENTS/FROM events_archive/r;

    is( contents($new, $name),
        $new->safe_psql('postgres', "SELECT t::text FROM ($plain) t ORDER BY 1"),
        "$name, $when");
    return;
}

# One test; the logs of pg_upgrade are shown where it fails
sub upgrades
{
    my $here = getcwd;
    my $log = PostgreSQL::Test::Utils::tempdir;

    # it writes into the current directory
    chdir $log or die "$log: $!";
    my $done = IPC::Run::run(
        [
            'pg_upgrade', '--no-sync',
            '--old-bindir' => $old_bin,
            '--new-bindir' => $new_bin,
            '--old-datadir' => $old->data_dir,
            '--new-datadir' => $new->data_dir,
            '--socketdir' => $new->host,
            '--old-port' => $old->port,
            '--new-port' => $new->port
        ],
        '>', 'pg_upgrade.log', '2>&1');
    chdir $here or die "$here: $!";
    ok($done, 'pg_upgrade from ' . major($old_bin) . ' to ' . major($new_bin)) and return 1;
    diag(map { ("==> $_\n", qx(tail -n 30 '$_')) } "$log/pg_upgrade.log", glob $new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_*[0-9].log');
    return 0;
}

sub major
{
    my ($bin) = @_;

    return (qx("$bin/pg_config" --version) =~ /(\d+)/)[0];
}

# Suspended views come back by themselves once the cause has passed, with every event once and without computing anything else again
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic('events', 2);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->start;
$node->create_server($broker);
my ($host, $port) = ($node->host, $node->port);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub failure
{
    my (undef, undef, $errors) = $node->psql('postgres', $_[0]);
    return $errors;
}

# the messages of each partition, as the test knows them: [n, hour]
my @sent = ([], []);

sub produce
{
    my ($partition, @numbers) = @_;

    my @new = map { [ $_, $_ % 3 ] } @numbers;
    $broker->produce('events', $partition, map { [ undef, sprintf('{"n": %d, "ts": "2025-02-14T%02d:30:00Z"}', @$_), 0 ] } @new);
    push @{ $sent[$partition] }, @new;
    return;
}

# hour|count|sum of what was sent and passes, computed here
sub expected
{
    my ($passes) = @_;
    my %windows;

    foreach my $event (grep { !$passes || $passes->($_->[0]) } map { @$_ } @sent)
    {
        $windows{ $event->[1] }[0]++;
        $windows{ $event->[1] }[1] += $event->[0];
    }
    return join "\n", map { "$_|$windows{$_}[0]|$windows{$_}[1]" } sort keys %windows;
}
sub content { return sql("SELECT extract(hour FROM w)::int, c, s FROM $_[0] ORDER BY 1"); }
sub state_of { return sql("SELECT state || ' ' || coalesce(error_sqlstate, '') FROM streambatch.stat_view WHERE view = '$_[0]'::regclass"); }

sub await_state
{
    my ($view, $state) = @_;

    ok($node->poll_query_until('postgres', "SELECT state = '$state' FROM streambatch.stat_view WHERE view = '$view'::regclass"), "$view is $state")
      or diag(state_of($view));
    return;
}

# both streams read one topic; "bare" keeps no archive
sql(<<"SQL");
CREATE EXTENSION postgres_fdw;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
CREATE USER MAPPING FOR PUBLIC SERVER elsewhere;
CREATE TABLE names (n int PRIMARY KEY);
INSERT INTO names SELECT generate_series(0, 9);
CREATE FOREIGN TABLE remote (n int) SERVER elsewhere OPTIONS (table_name 'names');
CREATE SEQUENCE calls;
CREATE FUNCTION shaky(n int, code text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS \$\$
BEGIN
    IF n = 1000 THEN
        RAISE 'no' USING ERRCODE = code;
    END IF;
    RETURN n;
END \$\$;
CREATE FOREIGN TABLE events (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
CREATE FOREIGN TABLE bare (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts', archive 'none');
SQL
foreach my $stream (qw(events bare))
{
    sql(<<"SQL");
SELECT streambatch.create_view('${stream}_joined', \$\$SELECT streambatch.tumble(e.ts, '1 h') AS w, count(*) AS c, sum(e.n) AS s FROM $stream e JOIN remote r ON r.n = e.n % 10 GROUP BY 1\$\$);
SELECT streambatch.create_view('${stream}_plain', \$\$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n) AS s FROM $stream GROUP BY 1\$\$);
SELECT streambatch.create_view('${stream}_shaky', \$\$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(shaky(n, '08006')) AS s FROM $stream GROUP BY 1\$\$);
SQL
}
sub wait_for { $node->wait_for($_) foreach qw(events bare); return; }
my @streams = qw(events bare);

produce($_, 1 + $_ * 100 .. 50 + $_ * 100) foreach 0, 1;
wait_for();
is(content("${_}_joined"), expected(), "$_: all is counted") foreach @streams;

# ---- what a view joins with is away, for a moment ----
sql('ALTER TABLE names RENAME TO away');
produce($_, 51 + $_ * 100 .. 80 + $_ * 100) foreach 0, 1;
wait_for();
foreach my $stream (@streams)
{
    is(state_of("${stream}_joined"), 'suspended 42P01', "$stream: the view is suspended");
    is(content("${stream}_plain"), expected(), "$stream: the others go on");
}
is(sql('SELECT count(*) FROM streambatch.dead_letter'), '0', 'nothing is a dead letter');
is(sql("SELECT suspended_at FROM streambatch.stat_view WHERE view = 'bare_joined'::regclass"), '{50,50}', 'the view shows since when it lacks events');
$node->restart;
produce(0, 81 .. 90);
wait_for();
is(state_of('bare_joined'), 'suspended 42P01', 'a restart changes nothing');
sql('ALTER TABLE away RENAME TO names');
foreach my $stream (@streams)
{
    await_state("${stream}_joined", 'active');
    is(content("${stream}_joined"), expected(), "$stream: back, nothing is missing, nothing doubled");
}
produce(1, 181 .. 190);
wait_for();
is(content("${_}_joined"), expected(), "$_: and it goes on") foreach @streams;
sql("CALL streambatch.refresh('events_joined', \"to\" => 'infinity')");
is(content('events_joined'), expected(), 'a refresh agrees');

# ---- an error of the system, raised for one event; what data raises meanwhile is a dead letter in the end ----
produce(0, 1000, 91 .. 95);
wait_for();
is(state_of("${_}_shaky"), 'suspended 08006', "$_: suspended for one event") foreach @streams;
produce(1, 191 .. 199);
wait_for();
sql(q{CREATE OR REPLACE FUNCTION shaky(n int, code text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF n = 195 THEN
        RAISE 'bad data';
    END IF;
    RETURN n;
END $$});
foreach my $stream (@streams)
{
    await_state("${stream}_shaky", 'active');
    is(content("${stream}_shaky"), expected(sub { $_[0] != 195 }), "$stream: back, without the event that its expression refuses");
}
is(sql('SELECT stream, view, kafka_partition, kafka_offset, sqlstate FROM streambatch.dead_letter ORDER BY stream::text'),
    "bare|bare_shaky|1|94|P0001\nevents|events_shaky|1|94|P0001", 'which is its dead letter');
is(content("${_}_plain"), expected(), "$_: and counted by the others") foreach @streams;

# ---- killed in the middle ----
sql('ALTER TABLE names RENAME TO away');
produce($_, 200 + $_ * 30000 .. 20199 + $_ * 30000) foreach 0, 1;
wait_for();
is(state_of("${_}_joined"), 'suspended 42P01', "$_: suspended again") foreach @streams;
sql('ALTER TABLE away RENAME TO names');
foreach my $kill (1 .. 5)
{
    my $before = sql("SELECT coalesce(suspended_at::text, '') FROM streambatch.stat_view WHERE view = 'events_joined'::regclass");

    # as soon as a step has been stored
    $node->poll_query_until('postgres', "SELECT coalesce(suspended_at::text, '') <> '$before' OR state = 'active' FROM streambatch.stat_view WHERE view = 'events_joined'::regclass");
    kill 'KILL', grep { defined } map { $node->worker_pid($_) } @streams;
    ok($node->poll_query_until('postgres', "SELECT count(*) = 2 FROM streambatch.stat_stream WHERE pid IS NOT NULL"), "kill $kill: the workers are back");
}
foreach my $stream (@streams)
{
    await_state("${stream}_joined", 'active');
    is(content("${stream}_joined"), expected(), "$stream: kills lose nothing and double nothing");
}

# ---- the log has forgotten what a view has missed ----
sql('ALTER TABLE names RENAME TO away');
produce($_, 60001 + $_ * 100 .. 60010 + $_ * 100) foreach 0, 1;
wait_for();
is(state_of("${_}_joined"), 'suspended 42P01', "$_: suspended once more") foreach @streams;
$broker->truncate('events', 0, scalar @{ $sent[0] });
sql('ALTER TABLE away RENAME TO names');
await_state('events_joined', 'active');
is(content('events_joined'), expected(), 'the archive has it');
ok($node->poll_query_until('postgres', "SELECT state = 'suspended' AND error_message ~ 'no longer contains' FROM streambatch.stat_view WHERE view = 'bare_joined'::regclass"),
    'without an archive the view remains suspended, and says so');
is(content('bare_plain'), expected(), 'the others go on');

# ---- a refresh brings a view back, too, and computes what was missed and nothing else ----
sql('CREATE ROLE reader; GRANT CREATE ON SCHEMA public TO reader; GRANT SELECT ON events, events_archive, remote TO reader');
sql(<<'SQL');
SET ROLE reader;
SELECT streambatch.create_view('theirs', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n) AS s FROM events WHERE n >= 60000 GROUP BY 1$$);
SQL
my $late = sub { $_[0] >= 60000 };
is(content('theirs'), expected($late), 'a view of somebody else');
sql('REVOKE SELECT ON events FROM reader');
produce(1, 60201 .. 60210);
wait_for();
is(state_of('theirs'), 'suspended 42501', 'its privilege is gone');
like(failure("CALL streambatch.refresh('theirs')"), qr/permission denied for foreign table events/, 'a refresh fails');
is(state_of('theirs'), 'suspended 42501', 'and says so');
# events that the batch layer holds leave the archive
sql("DELETE FROM events_archive WHERE n BETWEEN 60000 AND 60010");
sql("GRANT SELECT ON events TO reader; CALL streambatch.refresh('theirs', '2031-01-01Z', '2031-01-02Z')");
is(state_of('theirs'), 'active ', 'a refresh of any range brings it back');
is(content('theirs'), expected($late), 'windows whose events have left the archive keep their values');

# ---- a refresh that fails shows why ----
sql("REVOKE SELECT ON events FROM reader");
produce(1, 60211 .. 60215);
wait_for();
is(state_of('theirs'), 'suspended 42501', 'suspended');
sql("SELECT streambatch.pause('events')");
$node->wait_for_state('events', 'paused');
sql('GRANT SELECT ON events TO reader; REVOKE SELECT ON events_archive FROM reader');
like(failure("CALL streambatch.refresh('theirs')"), qr/permission denied for table events_archive/, 'a refresh that fails');
is(sql("SELECT state, error_message FROM streambatch.stat_view WHERE view = 'theirs'::regclass"), 'suspended|permission denied for table events_archive',
    'leaves its error with the view');
sql("SELECT streambatch.resume('events')");
await_state('theirs', 'active');
is(content('theirs'), expected($late), 'the worker needs no archive to bring it back');

$node->stop;
$broker->stop;
done_testing();

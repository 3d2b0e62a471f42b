# What a run shows of its progress, and a view whose history is added later, the newest windows first
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Background;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'streambatch.refresh_chunk_rows = 20');
$node->start;
$node->create_server($broker);

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub poll { return $node->poll_query_until('postgres', $_[0]); }

# a refresh that waits for a row lock on the batch rows of a window; returns how to let it go on
sub hold_refresh
{
    my ($call, $condition) = @_;
    my $holder = StreamBatch::Background->new($node);
    my $refresh = StreamBatch::Background->new($node);

    $holder->start('BEGIN', "SELECT pg_advisory_lock(1) FROM (SELECT FROM $condition FOR UPDATE) x", 'SELECT pg_sleep(600)');
    poll("SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND wait_event = 'PgSleep'") or die 'nobody holds the lock';
    $refresh->start($call);
    # the chunk at hand waits for the holder
    poll(q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'CALL%' AND wait_event_type = 'Lock'}) or die 'the refresh does not wait';
    return sub {
        sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'});
        $holder->finish;
        $refresh->finish;
    };
}

sql(<<'SQL');
CREATE FOREIGN TABLE events (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
CREATE FUNCTION slow(t timestamptz) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    IF current_setting('application_name') = 'planner' THEN PERFORM pg_advisory_xact_lock_shared(42); END IF;
    RETURN t; END $$;
SELECT streambatch.create_view('hourly', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c FROM events GROUP BY 1$$);
SELECT streambatch.create_view('planned', $$SELECT streambatch.tumble(slow(ts), '1 h') AS w, count(*) AS c FROM events GROUP BY 1$$);
INSERT INTO events SELECT i, '2025-02-14Z'::timestamptz + i * interval '6 min' FROM generate_series(0, 200) i;
SQL
$node->wait_for('events');

# 20 windows of 10 events, in chunks of two
sql("CALL streambatch.refresh('hourly')");
my $release = hold_refresh("CALL streambatch.refresh('hourly', \"full\" => true)", "streambatch_state.batch_1 WHERE pane = '2025-02-14 08:00Z'");
is(sql('SELECT kind, phase, chunks_done, chunks_total, panes_done, panes_total, rows, rows_total, rows_per_second > 0, panes_per_second > 0, expected_end > started_at, pid IS NOT NULL FROM streambatch.stat_progress_refresh'),
    'refresh|computing|4|10|8|20|8|20|t|t|t|t', 'chunks, panes and rows of a run of which a limit is open');
$release->();
is(sql('SELECT count(*) FROM streambatch.stat_progress_refresh'), '0', 'a run that is done is not in progress');

$release = hold_refresh("CALL streambatch.refresh('hourly', '2025-02-14 05:00Z', '2025-02-14 15:00Z')", "streambatch_state.batch_1 WHERE pane = '2025-02-14 10:00Z'");
is(sql('SELECT chunks_done > 0, panes_done < 10, panes_done = rows, panes_total FROM streambatch.stat_progress_refresh'), 't|t|t|10', 'of a range');
$release->();

# planning, and an error in it
{
    my $locker = StreamBatch::Background->new($node);
    $locker->start('SELECT pg_advisory_lock(42), pg_sleep(600)');
    poll("SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND granted") or die 'nobody holds the lock';
    my $refresh = StreamBatch::Background->new($node, qr/canceling statement/);
    $refresh->start("SET application_name = 'planner'", "CALL streambatch.refresh('planned')");
    poll("SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted") or die 'the refresh does not wait';
    is(sql('SELECT view, phase, chunks_total, panes_total, panes_done, expected_end FROM streambatch.stat_progress_refresh'), 'planned|planning|0|||', 'a run that plans');
    sql(q{SELECT pg_cancel_backend(pid) FROM streambatch.stat_progress_refresh});
    $refresh->finish;
    is(sql(q{SELECT state, error_sqlstate, chunks FROM streambatch.refresh_history WHERE view = 'planned'::regclass ORDER BY id DESC LIMIT 1}), 'failed|57014|0', 'an error in it is recorded');
    sql(q{SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND granted});
    $locker->finish;
}

# without history
my ($rc, $out, $said) = $node->psql('postgres', q{SET timezone = 'UTC'; SELECT streambatch.create_view('late', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c FROM events GROUP BY 1$$, history => false)});
like($said, qr/NOTICE:  hybrid view "late" is complete from 2025-02-14 21:00:00\+00 on/, 'the first window after the latest event');
like($said, qr/HINT:  CALL streambatch.refresh\('late'\)/, 'and what to do');
($rc, $out, $said) = $node->psql('postgres', q{SELECT streambatch.create_view('total', 'SELECT count(*) AS c FROM events', history => false)});
like($said, qr/NOTICE:  hybrid view "total" lacks the events/, 'without window');
my $complete = q{SET timezone = 'UTC'; SELECT view, complete, complete_from FROM streambatch.stat_view ORDER BY view::text};
is(sql($complete), "hourly|t|\nlate|f|2025-02-14 21:00:00+00\nplanned|t|\ntotal|f|", 'stat_view says so');

sql(q{INSERT INTO events SELECT i, '2025-02-14Z'::timestamptz + i * interval '6 min' FROM generate_series(201, 249) i});
$node->wait_for('events');
is(sql("SELECT sum(c), min(w) = '2025-02-14 20:00Z' FROM late"), '49|t', 'only what came later is in it');
my $lacking = q{SELECT string_agg(to_char(w AT TIME ZONE 'UTC', 'HH24'), ' ' ORDER BY w) FROM hourly h WHERE NOT EXISTS (SELECT FROM late l WHERE l.w = h.w AND l.c = h.c)};
# the newest first: up to the watermark; the refresh is held back by the window of 20 h, which has batch rows after a first refresh of that window
sql(q{CALL streambatch.refresh('late', '2025-02-14 06:00Z', '2025-02-14 07:00Z')});
$release = hold_refresh("CALL streambatch.refresh('late', newest_first => true, \"full\" => true)", "streambatch_state.batch_3 WHERE pane = '2025-02-14 06:00Z'");
my $seen = sql($lacking);
like($seen, qr/^00 01 02 03 04 05( 07)?$/, 'readers see the newest windows first') or diag($seen);
like(sql($complete), qr/^late\|f\|2025-02-14 0[78]:00:00\+00$/m, 'and what is complete grows backwards') or diag(sql($complete));
$release->();
is(sql($lacking), '', 'then all');
is(sql("SELECT streambatch.query('late') IS NOT NULL, complete, complete_from FROM streambatch.stat_view WHERE view = 'late'::regclass"), 't|t|', 'and the view is complete');
sql(q{CALL streambatch.refresh('total')});
is(sql("SELECT complete FROM streambatch.stat_view WHERE view = 'total'::regclass"), 't', 'without window after any refresh');
is(sql('SELECT c FROM total'), '250', 'which is right');

# nothing is missing in a view of a stream that was never read, whatever was asked for
$broker->create_topic('fresh', 1);
($rc, $out, $said) = $node->psql('postgres', q{CREATE FOREIGN TABLE fresh (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'fresh', event_time 'ts');
SELECT streambatch.create_view('first', 'SELECT count(*) AS c FROM fresh', history => false)});
unlike($said, qr/NOTICE/, 'nothing to say');
is(sql("SELECT complete, complete_from FROM streambatch.stat_view WHERE view = 'first'::regclass"), 't|', 'nothing is missing');
# but what a user has loaded is
sql(q{SELECT streambatch.drop_view('first'); INSERT INTO fresh_archive (n, ts) VALUES (1, '2025-01-01 12:34Z')});
($rc, $out, $said) = $node->psql('postgres', q{SELECT streambatch.create_view('second', $$SELECT streambatch.tumble(ts, '1 day') AS d, count(*) AS c FROM fresh GROUP BY 1$$, history => false)});
is(sql("SELECT complete, complete_from = '2025-01-02Z' FROM streambatch.stat_view WHERE view = 'second'::regclass"), 'f|t', 'what a user has loaded is missing');

$node->stop;
done_testing();

# refresh_all(), and refreshes as jobs of the real pg_cron
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic($_, 1) foreach qw(events others);
my $node = StreamBatch::Node->new('main');
$node->init(preload => 'pg_streambatch, pg_cron');
$node->append_conf('postgresql.conf', "cron.database_name = 'postgres'\nmax_prepared_transactions = 2\nstreambatch.refresh_chunk_rows = 20\n");
$node->append_conf('postgresql.conf', "cron.host = '" . $node->host . "'\n");
$node->start;
$node->create_server($broker);

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub said { my (undef, undef, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$_[0]"); return $err; }
sub runs { return sql(q{SELECT view, state, count(*) FROM streambatch.refresh_history WHERE kind = 'refresh' GROUP BY 1, 2 ORDER BY view::text, 2}); }

sql(<<'SQL');
CREATE FOREIGN TABLE events (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
CREATE FOREIGN TABLE others (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'others', event_time 'ts');
SELECT streambatch.create_view('hourly', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n) AS s FROM events GROUP BY 1$$);
SELECT streambatch.create_view('fails', $$SELECT streambatch.tumble(ts, '1 h') AS w, sum(1 / (n - 1000)) AS s FROM events GROUP BY 1$$);
SELECT streambatch.create_view('"an ''odd"" näme"', $$SELECT streambatch.tumble(ts, '1 h') AS w, max(n) AS m FROM events GROUP BY 1$$);
SELECT streambatch.create_view('total', 'SELECT count(*) AS c FROM others');
INSERT INTO events SELECT i, '2025-02-14Z'::timestamptz + i * interval '6 min' FROM generate_series(0, 99) i;
INSERT INTO others SELECT i, '2025-02-14Z' FROM generate_series(0, 9) i;
SQL
$node->wait_for($_) foreach qw(events others);

# ---- refresh_all ----
sql('CALL streambatch.refresh_all()');
is(runs(), "\"an 'odd\"\" näme\"|done|1\nfails|done|1\nhourly|done|1\ntotal|done|1", 'all views are refreshed');
like(said('BEGIN; CALL streambatch.refresh_all(); ROLLBACK'), qr/25001: refresh_all cannot run inside a transaction block/, 'not in a transaction block');
like(said(q{DO $$ BEGIN BEGIN CALL streambatch.refresh_all(); EXCEPTION WHEN division_by_zero THEN NULL; END; END $$}), qr/25001/, 'nor in a subtransaction');
like(said('CALL streambatch.refresh_all("full" => NULL)'), qr/22004/, 'no NULL flag');
like(said(q{CALL streambatch.refresh_all('hourly')}), qr/ERROR:  42809/, 'only of a stream');
sql(q{CALL streambatch.refresh_all('others')});
like(runs(), qr/total\|done\|2/, 'the views of one stream');
like(runs(), qr/hourly\|done\|1/, 'and no other');

# one that cannot be computed in the middle
sql(q{UPDATE events_archive SET n = 1000 WHERE n = 15});
my $said = said('CALL streambatch.refresh_all("full" => true)');
like($said, qr/WARNING:  22012: could not refresh hybrid view "fails": could not compute window [^\n]*division by zero/, 'the one that fails is a warning');
like($said, qr/ERROR:  22012: 1 of 4 hybrid views could not be refreshed\nDETAIL:  fails: could not compute window [^\n]*division by zero/, 'and counted in the error at the end');
like(runs(), qr/fails\|done\|1\nfails\|failed\|1\nhourly\|done\|2\ntotal\|done\|3/, 'the others are refreshed');
is(sql('SELECT s FROM hourly WHERE w = \'2025-02-14 01:00Z\''), 10 + 11 + 12 + 13 + 14 + 1000 + 16 + 17 + 18 + 19, 'with what they should have');
is(sql(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), '0', 'no lock is left');
like(said(q{DO $$ BEGIN CALL streambatch.refresh_all("full" => true); END $$}), qr/ERROR:  22012: 1 of 4/, 'from a procedural language, too');

# errors that come before a run, and outside of the computation
sql(q{CREATE ROLE guest LOGIN; GRANT SELECT ON others, others_archive TO guest; GRANT CREATE ON SCHEMA public TO guest});
sql(q{SET SESSION AUTHORIZATION guest; SELECT streambatch.create_view('guests', 'SELECT count(*) AS n FROM others'); SELECT streambatch.create_view('guests_too', 'SELECT sum(n) AS n FROM others')});
sql('REVOKE SELECT ON others_archive FROM guest');
like(said('SET SESSION AUTHORIZATION guest; CALL streambatch.refresh_all()'), qr/WARNING.*"guests".*WARNING.*"guests_too".*ERROR:  42501: 2 of 2/s, 'only those that the caller owns, and any error');
sql('GRANT SELECT ON others_archive TO guest');
is(said('SET SESSION AUTHORIZATION guest; CALL streambatch.refresh_all()'), '', 'the error is gone');
like(said(q{SET SESSION AUTHORIZATION guest; CALL streambatch.refresh_all("from" => '2025-01-01')}), qr/NOTICE:.*"guests" has no window/, 'a range of a view without windows');
like(said('CREATE ROLE nobody LOGIN; SET SESSION AUTHORIZATION nobody; CALL streambatch.refresh_all()'), qr/NOTICE:.*there is no hybrid view to refresh/, 'somebody without views');
like(said(q{SET SESSION AUTHORIZATION guest; SELECT streambatch.schedule('hourly', cron => '0 * * * *')}), qr/ERROR:  42501: must be owner of view hourly/, 'others\' views are not scheduled');

# ---- schedules: what is refused ----
like(said(q{SELECT streambatch.schedule('hourly', cron => '0 * * * *')}), qr/ERROR:  55000: extension pg_cron is not installed in database "postgres".*HINT:  Add pg_cron to shared_preload_libraries/s, 'without pg_cron');
like(said(q{SELECT streambatch.unschedule('hourly')}), qr/ERROR:  55000/, 'likewise');
sql(q{SELECT streambatch.drop_view('guests_too')});
sql('CREATE EXTENSION pg_cron');
like(said(q{SELECT streambatch.schedule('hourly')}), qr/ERROR:  22004/, 'when is needed');
like(said(q{SELECT streambatch.schedule('hourly', cron => 'whenever')}), qr/ERROR:.*whenever/, 'pg_cron says what a time is');
like(said(q{SELECT streambatch.schedule('hourly', cron => '0 * * * *', "full" => true, last => '1 h')}), qr/ERROR:  22023/, 'full or last');
like(said(q{SELECT streambatch.schedule('hourly', cron => '0 * * * *', last => '-1 h')}), qr/ERROR:  22023/, 'a positive interval');
like(said(q{SELECT streambatch.schedule('total', cron => '0 * * * *', last => '1 h')}), qr/ERROR:  22023: cannot refresh a range/, 'no range without windows');
like(said(q{SELECT streambatch.schedule('events', cron => '0 * * * *')}), qr/ERROR:  42809/, 'only a hybrid view');
is(sql('SELECT count(*) FROM cron.job'), '0', 'no job is made by any of these');

# ---- jobs ----
my $jobs = q{SELECT jobname, schedule, command FROM cron.job ORDER BY jobname};
sql(q{SELECT streambatch.schedule('hourly', cron => '0 3 * * *', "full" => true), streambatch.schedule('hourly', cron => '10 * * * *'),
             streambatch.schedule('hourly', cron => '0 4 * * *', last => '3 days'), streambatch.schedule(cron => '30 * * * *'), streambatch.schedule('total', cron => '5 * * * *')});
sql(q{SELECT streambatch.schedule('hourly', cron => '15 * * * *')});
is(sql($jobs), <<'JOBS' =~ s/\n\z//r, 'one job of each kind; the last call counts');
streambatch refresh 1 full|0 3 * * *|CALL streambatch.refresh(streambatch._view_of(1), "full" => true)
streambatch refresh 1 incremental|15 * * * *|CALL streambatch.refresh(streambatch._view_of(1))
streambatch refresh 1 last|0 4 * * *|CALL streambatch.refresh(streambatch._view_of(1), "from" => pg_catalog.now() - '0 months 3 days 0 microseconds'::pg_catalog.interval)
streambatch refresh 4 incremental|5 * * * *|CALL streambatch.refresh(streambatch._view_of(4))
streambatch refresh_all incremental|30 * * * *|CALL streambatch.refresh_all()
JOBS
my @commands = split /\n/, sql('SELECT command FROM cron.job WHERE jobname <> \'streambatch refresh_all incremental\' ORDER BY jobname');
is(said("$_;"), '', "a job's command: $_") foreach @commands[0, 3];
like(said("$_;"), qr/NOTICE.*has no windows to refresh/, "with nothing to do: $_") foreach @commands[1, 2];
is(sql(q{SELECT streambatch.unschedule('hourly'), streambatch.unschedule(), streambatch.unschedule('hourly')}), '3|1|0', 'jobs are removed');
is(sql($jobs), 'streambatch refresh 4 incremental|5 * * * *|CALL streambatch.refresh(streambatch._view_of(4))', 'and no other');
# by whoever may drop the view
sql(q{GRANT USAGE ON SCHEMA cron TO guest; SET SESSION AUTHORIZATION guest; SELECT streambatch.schedule('guests', cron => '0 * * * *')});
sql('DROP VIEW total; DROP VIEW guests');
is(sql($jobs), '', 'DROP VIEW removes the jobs');
like(said('SELECT streambatch._view_of(4)'), qr/ERROR:  42P01: the hybrid view of this job no longer exists/, 'a job made elsewhere says what has become of it');

# ---- they run; @reboot spares the wait for a full minute ----
my $details = q{SELECT jobname, r.status FROM cron.job_run_details r JOIN cron.job USING (jobid) ORDER BY 1, 2};

# run the jobs that there are; meanwhile, something
sub run_jobs
{
    my ($meanwhile) = @_;

    sql('TRUNCATE cron.job_run_details, streambatch._run');
    $node->restart;
    $meanwhile->() if $meanwhile;
    $node->poll_query_until('postgres', q{SELECT count(*) = (SELECT count(*) FROM cron.job) FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')})
      or die 'the jobs do not end: ' . sql('SELECT command, status, return_message FROM cron.job_run_details');
    my $result = sql($details);
    sql('SELECT cron.unschedule(jobid) FROM cron.job');
    return $result;
}

# a view with an odd name, renamed meanwhile, twice at once: the one that comes first waits for a lock that a restart does not end
sql(q{SELECT streambatch.schedule('"an ''odd"" näme"', cron => '@reboot', "full" => true), streambatch.schedule('"an ''odd"" näme"', cron => '@reboot', last => '100 years')});
sql(q{ALTER VIEW "an 'odd"" näme" RENAME TO "another;name"});
sql(q{BEGIN; LOCK events_archive IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'hold'});
is(run_jobs(sub {
        $node->poll_query_until('postgres', q{SELECT string_agg(status, ' ' ORDER BY status) = 'running succeeded' FROM cron.job_run_details})
          or die 'no job leaves: ' . sql('SELECT command, status, return_message FROM cron.job_run_details');
        is(sql(q{SELECT count(*) FROM streambatch.refresh_history}), '0', 'one of two leaves while the other waits');
        sql(q{ROLLBACK PREPARED 'hold'});
    }), "streambatch refresh 3 full|succeeded\nstreambatch refresh 3 last|succeeded", 'then the other one ends well');
is(sql('SELECT view, state FROM streambatch.refresh_history'), '"another;name"|done', 'there was one refresh');

# one that fails
sql(q{SELECT streambatch.schedule('fails', cron => '@reboot', "full" => true)});
my $message = q{SELECT return_message FROM cron.job_run_details ORDER BY runid DESC LIMIT 1};
is(run_jobs(), 'streambatch refresh 2 full|failed', 'pg_cron shows that a refresh has failed');
like(sql($message), qr/could not compute window .* of hybrid view "fails": division by zero/, 'and why');
is(sql(q{SELECT view, state, error_sqlstate FROM streambatch.refresh_history}), 'fails|failed|22012', 'and so does the history of refreshes');

# all
sql(q{SELECT streambatch.schedule(cron => '@reboot', "full" => true)});
is(run_jobs(), 'streambatch refresh_all full|failed', 'pg_cron shows that one of all has failed');
like(sql($message), qr/1 of 3 hybrid views could not be refreshed/, 'and how many');
is(sql(q{SELECT view, state, error_sqlstate FROM streambatch.refresh_history ORDER BY view::text}), "\"another;name\"|done|\nfails|failed|22012\nhourly|done|", 'the history shows each');

$node->stop;
done_testing();

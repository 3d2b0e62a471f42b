# pg_cron calls a refresh, which commits as it goes; @reboot spares the wait for a full minute
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

foreach my $background ('off', 'on')
{
    my $node = StreamBatch::Node->new("background_workers_$background");
    $node->init(preload => 'pg_streambatch, pg_cron');
    $node->append_conf('postgresql.conf', <<"CONF");
cron.database_name = 'postgres'
cron.use_background_workers = $background
streambatch.refresh_chunk_rows = 10
CONF

    # pg_cron connects to where it is told, as anybody would
    $node->append_conf('postgresql.conf', "cron.host = '" . $node->host . "'\n");
    $node->start;
    $node->create_server($broker);
    $node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_cron;
CREATE FOREIGN TABLE events (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', format 'json', event_time 'ts');
SELECT streambatch.create_view('hourly', 'SELECT streambatch.tumble(ts, ''1 h'') AS w, count(*) AS c, sum(n) AS s FROM events GROUP BY 1');
INSERT INTO events SELECT i, '2025-02-14 00:00Z'::timestamptz + i * interval '6 min' FROM generate_series(0, 99) i;
SELECT streambatch.wait_for('events');
SELECT cron.schedule('now', '@reboot', $$CALL streambatch.refresh('hourly')$$);
SQL
    my $before = $node->safe_psql('postgres', 'TABLE hourly ORDER BY 1');
    $node->restart;
    ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM streambatch.refresh_history WHERE kind = 'refresh' AND state = 'done'"),
        "$background: the refresh is done")
      or diag($node->safe_psql('postgres', 'SELECT status, return_message FROM cron.job_run_details'));
    ok($node->poll_query_until('postgres', "SELECT status = 'succeeded' FROM cron.job_run_details"), "$background: pg_cron agrees");
    is($node->safe_psql('postgres', 'SELECT chunks > 5, chunks = chunks_done FROM streambatch.refresh_history'), 't|t', "$background: in many chunks");
    is($node->safe_psql('postgres', 'TABLE hourly ORDER BY 1'), $before, "$background: and nobody sees a difference");
    is($node->safe_psql('postgres', "SELECT count(*) FROM hourly_layers WHERE recommended <> 'batch'"), '1', "$background: but where it comes from");
    $node->stop;
}

done_testing();

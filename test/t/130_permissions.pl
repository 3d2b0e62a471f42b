# Who may do what: roles x objects x verbs, every cell tried. What stands in the tables follows from who owns what and who was
# granted what (docs/semantics.md, "Whose settings, whose rights"; docs/reference.md), not from what the program does.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Background;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

# the columns of the tables, in this order:
#   super    a superuser
#   stream   owns server, user mapping, stream and archive; may create servers, and create in schema p
#   view     owns the hybrid views; has SELECT on stream and archive, and may create in schema p
#   reader   has SELECT on the hybrid views, on nothing beside them
#   none     has nothing
#   monitor, stats, data    members of pg_monitor, of pg_read_all_stats, of pg_read_all_data
# All of them may enter schema p, and create in schema open.
my @roles = qw(super stream view reader none monitor stats data);

# A cell:
#   +      it is done
#   -      insufficient_privilege (42501)
#   1, 0   of a question: yes; no, or nothing to be seen, or not even asked
#   *      done, or refused by whatever error but an internal one
#   22023  the SQLSTATE
my $matrix = <<'END';
# the stream: a log can be read and added to
stream    SELECT                    +     +     +     -     -     -     -     +
stream    INSERT                    +     +     -     -     -     -     -     -
stream    UPDATE                    0A000 0A000 -     -     -     -     -     -
stream    DELETE                    0A000 0A000 -     -     -     -     -     -
stream    TRUNCATE                  0A000 0A000 0A000 0A000 0A000 0A000 0A000 0A000
stream    LOCK                      42809 42809 42809 42809 42809 42809 42809 42809
stream    ALTER COLUMN              +     +     -     -     -     -     -     -
stream    ALTER OPTIONS             +     +     -     -     -     -     -     -
stream    RENAME                    +     +     -     -     -     -     -     -
stream    DROP                      2BP01 2BP01 -     -     -     -     -     -
stream    CREATE TRIGGER            +     +     -     -     -     -     -     -
stream    CREATE RULE               42809 42809 42809 42809 42809 42809 42809 42809
stream    CREATE POLICY             42809 42809 -     -     -     -     -     -
stream    CREATE INDEX              42809 42809 -     -     -     -     -     -
stream    INHERIT                   +     +     -     -     -     -     -     -
stream    COMMENT                   +     +     -     -     -     -     -     -
stream    pause                     +     +     -     -     -     -     -     -
stream    retry_dead_letters        55000 55000 -     -     -     -     -     -
stream    discard_dead_letters      +     +     -     -     -     -     -     -
stream    resume                    +     +     -     -     -     -     -     -
stream    reset                     +     +     -     -     -     -     -     -
stream    wait_for                  +     +     +     -     -     -     -     +
stream    start_at                  +     +     -     -     -     -     -     -
stream    create_view               +     +     +     -     -     -     -     +
stream    create_view in p          +     +     +     -     -     -     -     -
stream    create_view in core       *     -     -     -     -     -     -     -
stream    create_view in ours       *     -     -     -     -     -     -     -
stream    create_view in states     *     -     -     -     -     -     -     -
stream    explain                   42809 42809 42809 *     *     *     *     42809

# server and user mapping
server    CREATE SERVER             +     +     -     -     -     -     -     -
server    ALTER SERVER              +     +     -     -     -     -     -     -
server    DROP SERVER               2BP01 2BP01 -     -     -     -     -     -
server    CREATE FOREIGN TABLE      +     +     -     -     -     -     -     -
server    CREATE USER MAPPING       +     42710 -     -     -     -     -     -
server    CREATE MAPPING FOR PUBLIC +     +     -     -     -     -     -     -
server    ALTER USER MAPPING        +     +     -     -     -     -     -     -
server    DROP USER MAPPING         +     +     -     -     -     -     -     -
server    see the password          1     1     0     0     0     0     0     0
wrapper   ALTER WRAPPER             +     -     -     -     -     -     -     -
wrapper   DROP WRAPPER              2BP01 -     -     -     -     -     -     -

# the archive: an ordinary table of the stream's owner
archive   SELECT                    +     +     +     -     -     -     -     +
archive   INSERT                    +     +     -     -     -     -     -     -
archive   UPDATE                    +     +     -     -     -     -     -     -
archive   DELETE                    +     +     -     -     -     -     -     -
archive   TRUNCATE                  +     +     -     -     -     -     -     -
archive   LOCK                      +     +     -     -     -     -     -     -
archive   ALTER COLUMN              +     +     -     -     -     -     -     -
archive   RENAME                    +     +     -     -     -     -     -     -
archive   DROP                      *     *     -     -     -     -     -     -
archive   CREATE TRIGGER            +     +     -     -     -     -     -     -
archive   CREATE RULE               +     +     -     -     -     -     -     -
archive   CREATE POLICY             +     +     -     -     -     -     -     -
archive   CREATE INDEX              +     +     -     -     -     -     -     -
archive   INHERIT                   +     +     -     -     -     -     -     -
archive   COMMENT                   +     +     -     -     -     -     -     -
archive   pause                     42809 42809 *     *     *     *     *     *
archive   explain                   42809 42809 42809 *     *     *     *     42809

# the hybrid view: an ordinary view of its owner, that cannot be replaced
view      SELECT                    +     -     +     +     -     -     -     +
view      INSERT                    55000 55000 55000 55000 55000 55000 55000 55000
view      UPDATE                    55000 55000 55000 55000 55000 55000 55000 55000
view      DELETE                    55000 55000 55000 55000 55000 55000 55000 55000
view      TRUNCATE                  42809 42809 42809 42809 42809 42809 42809 42809
view      RENAME                    +     -     +     -     -     -     -     -
view      SET SCHEMA                +     -     +     -     -     -     -     -
view      REPLACE                   42809 -     42809 -     -     -     -     -
view      DROP                      +     -     +     -     -     -     -     -
view      CREATE VIEW TRIGGER       +     -     +     -     -     -     -     -
view      CREATE RULE               +     -     +     -     -     -     -     -
view      REPLACE RULE              *     -     *     -     -     -     -     -
view      CREATE POLICY             42809 -     42809 -     -     -     -     -
view      CREATE INDEX              42809 -     42809 -     -     -     -     -
view      INHERIT                   42809 42809 42809 42809 42809 42809 42809 42809
view      COMMENT                   +     -     +     -     -     -     -     -
view      refresh                   +     -     +     -     -     -     -     -
view      create_states_view        0A000 -     0A000 -     -     -     -     -
view      set_source                +     -     +     -     -     -     -     -
view      rebuild                   42P01 -     42P01 -     -     -     -     -
view      explain                   +     -     +     +     -     -     -     +
# a view that other engines cannot compute, and a batch of another one
view      begin_batch               0A000 -     0A000 -     -     -     -     -
batch     publish_batch             +     -     +     -     -     -     -     -
batch     abandon_batch             +     -     +     -     -     -     -     -
view      query                     +     -     +     +     -     -     -     +
view      pause                     42809 *     42809 *     *     *     *     *
view      wait_for                  42809 *     42809 42809 *     *     *     42809

layers    SELECT                    +     -     +     -     -     -     -     +
layers    INSERT                    55000 55000 55000 55000 55000 55000 55000 55000
layers    RENAME                    +     -     +     -     -     -     -     -
layers    DROP                      2BP01 -     2BP01 -     -     -     -     -
layers    COMMENT                   +     -     +     -     -     -     -     -

# the states: the view's owner's, who may do with them what does harm to nobody else
state     SELECT                    +     -     +     -     -     -     -     +
state     INSERT                    +     -     *     -     -     -     -     -
state     UPDATE                    +     -     *     -     -     -     -     -
state     DELETE                    +     -     *     -     -     -     -     -
state     TRUNCATE                  +     -     *     -     -     -     -     -
state     LOCK                      +     -     *     -     -     -     -     -
state     ANALYZE                   +     +     +     +     +     +     +     +
state     ALTER COLUMN              *     -     *     -     -     -     -     -
state     RENAME                    *     -     *     -     -     -     -     -
state     DROP                      *     -     *     -     -     -     -     -
state     CREATE TRIGGER            *     -     *     -     -     -     -     -
state     CREATE RULE               *     -     *     -     -     -     -     -
state     CREATE POLICY             *     -     *     -     -     -     -     -
state     CREATE INDEX              *     -     *     -     -     -     -     -
state     INHERIT                   *     -     *     -     -     -     -     -
state     COMMENT                   *     -     *     -     -     -     -     -
staging   SELECT                    +     -     +     -     -     -     -     +
staging   INSERT                    +     -     +     -     -     -     -     -
staging   TRUNCATE                  +     -     +     -     -     -     -     -
staging   ALTER COLUMN              *     -     *     -     -     -     -     -
staging   DROP                      *     -     *     -     -     -     -     -
staging   CREATE TRIGGER            *     -     *     -     -     -     -     -
merge     SELECT                    +     -     +     -     -     -     -     +
merge     RENAME                    *     -     *     -     -     -     -     -
merge     DROP                      *     -     *     -     -     -     -     -
merge     REPLACE RULE              *     -     *     -     -     -     -     -
query     SELECT                    *     -     *     -     -     -     -     *
query     RENAME                    *     -     *     -     -     -     -     -
query     DROP                      *     -     *     -     -     -     -     -
query     REPLACE RULE              *     -     *     -     -     -     -     -

# what <view>_layers shows of the extension's own tables: the view's owner may read it
times     SELECT                    +     -     +     -     -     -     -     +
times     RENAME                    *     -     -     -     -     -     -     -
times     DROP                      *     -     -     -     -     -     -     -
times     REPLACE RULE              *     -     -     -     -     -     -     -
times     COMMENT                   +     -     -     -     -     -     -     -
alltimes  SELECT                    +     -     -     -     -     -     -     +

# the extension's own tables
catalog   SELECT                    +     -     -     -     -     -     -     +
catalog   INSERT                    +     -     -     -     -     -     -     -
catalog   UPDATE                    +     -     -     -     -     -     -     -
catalog   DELETE                    +     -     -     -     -     -     -     -
catalog   TRUNCATE                  +     -     -     -     -     -     -     -
catalog   LOCK                      +     -     -     -     -     -     -     -
catalog   ALTER COLUMN              +     -     -     -     -     -     -     -
catalog   RENAME                    *     -     -     -     -     -     -     -
catalog   DROP                      2BP01 -     -     -     -     -     -     -
catalog   CREATE TRIGGER            +     -     -     -     -     -     -     -
catalog   CREATE RULE               +     -     -     -     -     -     -     -
catalog   CREATE POLICY             +     -     -     -     -     -     -     -
catalog   CREATE INDEX              +     -     -     -     -     -     -     -
catalog   INHERIT                   +     -     -     -     -     -     -     -
catalog   COMMENT                   +     -     -     -     -     -     -     -
sequence  SELECT                    +     -     -     -     -     -     -     +
sequence  nextval                   +     -     -     -     -     -     -     -
sequence  setval                    +     -     -     -     -     -     -     -
sequence  DROP SEQUENCE             2BP01 -     -     -     -     -     -     -

# statistics are there for everybody to ask, and say what one may see
statistic SELECT                    +     +     +     +     +     +     +     +
statistic INSERT                    *     *     *     *     *     *     *     *
statistic RENAME                    +     -     -     -     -     -     -     -
statistic DROP                      2BP01 -     -     -     -     -     -     -
statistic CREATE VIEW TRIGGER       +     -     -     -     -     -     -     -
statistic CREATE RULE               +     -     -     -     -     -     -     -
statistic LOCK                      +     -     -     -     -     -     -     -
statistic COMMENT                   +     -     -     -     -     -     -     -
statistic see the secret            0     0     0     0     0     0     0     0
gap       INSERT                    +     -     -     -     -     -     -     -
gap       UPDATE                    +     -     -     -     -     -     -     -
gap       DELETE                    +     -     -     -     -     -     -     -
history   UPDATE                    55000 55000 55000 55000 55000 55000 55000 55000
partition UPDATE                    55000 55000 55000 55000 55000 55000 55000 55000

# of streams: whoever may SELECT the stream; pg_monitor and pg_read_all_stats
rows      stat_stream               1     1     1     0     0     1     1     1
rows      stat_partition            1     1     1     0     0     1     1     1
rows      gap                       1     1     1     0     0     1     1     1
rows      _workers                  1     1     1     0     0     1     1     1
# of views: whoever may SELECT the view; likewise
rows      stat_view                 1     1     1     1     0     1     1     1
rows      refresh_history           1     0     1     1     0     1     1     1
rows      stat_progress_refresh     1     0     1     1     0     1     1     1
rows      stat_drift                1     0     1     1     0     1     1     1
rows      _groups                   1     0     1     1     0     1     1     1
rows      _dirty_panes              1     0     1     1     0     1     1     1
# messages: the stream's owner
rows      dead_letter               1     1     0     0     0     0     0     0
# and texts of errors, where they tell of an event, to those who may SELECT the stream: pg_monitor may not
payload   stat_stream               1     1     1     0     0     0     0     1
payload   _workers                  1     1     1     0     0     0     0     1
payload   stat_view                 1     0     1     0     0     0     0     1
payload   refresh_history           1     0     1     0     0     0     0     1

# the extension itself
extension DROP EXTENSION            2BP01 -     -     -     -     -     -     -
extension ALTER EXTENSION           +     -     -     -     -     -     -     -
extension CREATE IN SCHEMA          +     -     -     -     -     -     -     -
extension CREATE IN STATE SCHEMA    +     -     -     -     -     -     -     -
extension ALTER EVENT TRIGGER       +     -     -     -     -     -     -     -
extension DROP EVENT TRIGGER        2BP01 -     -     -     -     -     -     -
extension REPLACE FUNCTION          +     -     -     -     -     -     -     -
extension DROP FUNCTION             2BP01 -     -     -     -     -     -     -
extension SET allowed_brokers       +     -     -     -     -     -     -     -
extension SET work_mem              55P02 55P02 55P02 55P02 55P02 55P02 55P02 55P02
extension SET serve                 +     +     +     +     +     +     +     +
END

# What is tried. %s is the object, %c its first column. What ends in a question mark is one; what begins with CALL is tried outside
# of a transaction, and stays; everything else is undone.
my %verbs = (
    'SELECT' => 'SELECT count(*) FROM %s',
    'INSERT' => 'INSERT INTO %s SELECT (NULL::%s).* WHERE false',
    'UPDATE' => 'UPDATE %s SET %c = NULL WHERE false',
    'DELETE' => 'DELETE FROM %s WHERE false',
    'TRUNCATE' => 'TRUNCATE %s',
    'LOCK' => 'LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE',
    # others are passed over with a warning
    'ANALYZE' => 'ANALYZE %s',
    'ALTER COLUMN' => 'ALTER TABLE %s ADD COLUMN permitted int',
    'ALTER OPTIONS' => q(ALTER FOREIGN TABLE %s OPTIONS (ADD on_gap 'skip')),
    'RENAME' => 'ALTER TABLE %s RENAME TO permitted',
    'SET SCHEMA' => 'ALTER VIEW %s SET SCHEMA open',
    'DROP' => 'DROP %k %s',
    'CREATE TRIGGER' => 'CREATE TRIGGER permitted BEFORE INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION open.nothing()',
    'CREATE VIEW TRIGGER' => 'CREATE TRIGGER permitted INSTEAD OF INSERT ON %s FOR EACH ROW EXECUTE FUNCTION open.nothing()',
    'CREATE RULE' => 'CREATE RULE permitted AS ON UPDATE TO %s DO INSTEAD NOTHING',
    'REPLACE RULE' => 'CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO %s DO INSTEAD SELECT (NULL::%s).*',
    'REPLACE' => 'CREATE OR REPLACE VIEW %s AS SELECT (NULL::%s).*',
    'CREATE POLICY' => 'CREATE POLICY permitted ON %s USING (true)',
    'CREATE INDEX' => 'CREATE INDEX ON %s ((1))',
    'INHERIT' => 'CREATE TABLE open.permitted () INHERITS (%s)',
    'COMMENT' => q(COMMENT ON %k %s IS 'permitted'),
    'pause' => q(SELECT streambatch.pause('%s')),
    'retry_dead_letters' => q(SELECT streambatch.retry_dead_letters('%s')),
    'discard_dead_letters' => q(SELECT streambatch.discard_dead_letters('%s')),
    'resume' => q(SELECT streambatch.resume('%s')),
    'reset' => q(SELECT streambatch.reset('%s')),
    'wait_for' => q(SELECT streambatch.wait_for('%s')),
    'start_at' => q(SELECT streambatch.start_at('%s', 99, 0)),
    'create_states_view' => q(SELECT streambatch.create_states_view('%s')),
    'explain' => q(SELECT streambatch.explain('%s') LIMIT 1),
    'query' => q(SELECT streambatch.query('%s')),
    'begin_batch' => q(SELECT streambatch.begin_batch('%s')),
    # %s is the staging table, whose name ends with the number
    'publish_batch' => q(SELECT streambatch.publish_batch(substring('%s' FROM '\d+$')::bigint)),
    'abandon_batch' => q(SELECT streambatch.abandon_batch(substring('%s' FROM '\d+$')::bigint)),
    'refresh' => q(CALL streambatch.refresh('%s')),
    'set_source' => q(SELECT streambatch.set_source('%s', NULL)),
    # it would give the view other states
    'rebuild' => q(CALL streambatch.rebuild('%s', source => 'none')),
    'create_view' => q(SELECT streambatch.create_view('open.permitted', 'SELECT count(*) FROM %s')),
    'create_view in p' => q(SELECT streambatch.create_view('p.permitted', 'SELECT count(*) FROM %s')),
    'create_view in core' => q(SELECT streambatch.create_view('pg_catalog.permitted', 'SELECT count(*) FROM %s')),
    'create_view in ours' => q(SELECT streambatch.create_view('streambatch.permitted', 'SELECT count(*) FROM %s')),
    'create_view in states' => q(SELECT streambatch.create_view('streambatch_state.permitted', 'SELECT count(*) FROM %s')),
    'nextval' => q(SELECT nextval('%s')),
    'setval' => q(SELECT setval('%s', 1000000)),
    'DROP SEQUENCE' => 'DROP SEQUENCE %s',
    'CREATE SERVER' => q(CREATE SERVER permitted FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" 'localhost:1')),
    'ALTER SERVER' => q(ALTER SERVER kafka OPTIONS (ADD "client.id" 'permitted')),
    'DROP SERVER' => 'DROP SERVER kafka',
    'CREATE FOREIGN TABLE' => q(CREATE FOREIGN TABLE open.permitted (k text) SERVER kafka OPTIONS (topic 'permitted')),
    'CREATE USER MAPPING' => 'CREATE USER MAPPING FOR CURRENT_USER SERVER kafka',
    'CREATE MAPPING FOR PUBLIC' => 'CREATE USER MAPPING FOR PUBLIC SERVER kafka',
    'ALTER USER MAPPING' => q(ALTER USER MAPPING FOR p_stream SERVER kafka OPTIONS (SET "sasl.username" 'permitted')),
    'DROP USER MAPPING' => 'DROP USER MAPPING FOR p_stream SERVER kafka',
    'see the password' => q(SELECT EXISTS (SELECT FROM pg_user_mappings WHERE umoptions::text LIKE '%%swordfish%%')?),
    'see the secret' => q(SELECT EXISTS (SELECT FROM %s x WHERE x::text LIKE '%%swordfish%%')?),
    'ALTER WRAPPER' => 'ALTER FOREIGN DATA WRAPPER streambatch_kafka NO VALIDATOR',
    'DROP WRAPPER' => 'DROP FOREIGN DATA WRAPPER streambatch_kafka',
    'DROP EXTENSION' => 'DROP EXTENSION pg_streambatch',
    'ALTER EXTENSION' => 'ALTER EXTENSION pg_streambatch DROP FUNCTION streambatch.explain(regclass)',
    'CREATE IN SCHEMA' => 'CREATE TABLE streambatch.permitted ()',
    'CREATE IN STATE SCHEMA' => 'CREATE TABLE streambatch_state.permitted ()',
    'ALTER EVENT TRIGGER' => 'ALTER EVENT TRIGGER streambatch_on_drop DISABLE',
    'DROP EVENT TRIGGER' => 'DROP EVENT TRIGGER streambatch_on_drop',
    'REPLACE FUNCTION' => q(ALTER FUNCTION streambatch.explain(regclass) COST 2),
    'DROP FUNCTION' => q(DROP FUNCTION streambatch.explain(regclass)),
    'SET allowed_brokers' => q(SET LOCAL streambatch.allowed_brokers = '*'),
    'SET work_mem' => q(SET LOCAL streambatch.work_mem = '1GB'),
    'SET serve' => q(SET LOCAL streambatch.serve = 'batch'),
    # rows and payload
    (map { $_ => "SELECT EXISTS (SELECT FROM streambatch.$_ x WHERE stream = 'p.events'::regclass)?" } qw(stat_partition gap dead_letter)),
    (map { $_ => "SELECT EXISTS (SELECT FROM streambatch.$_ x WHERE stream = '%f'::regclass AND x::text LIKE '%e')?" } qw(stat_stream)),
    '_workers' => q(SELECT EXISTS (SELECT FROM streambatch._workers() x WHERE stream = '%f'::regclass AND x::text LIKE '%e')?),
    # the query names what its error says of a row; like the definition of any view, it is no secret
    'stat_view' => q(SELECT EXISTS (SELECT FROM streambatch.stat_view x WHERE view = '%f'::regclass AND (to_jsonb(x) - 'query')::text LIKE '%e')?),
    'refresh_history' => q(SELECT EXISTS (SELECT FROM streambatch.refresh_history x WHERE view = '%f'::regclass AND x::text LIKE '%e')?),
    'stat_drift' => q(SELECT EXISTS (SELECT FROM streambatch.stat_drift WHERE view = '%f'::regclass)?),
    'stat_progress_refresh' => q(SELECT EXISTS (SELECT FROM streambatch.stat_progress_refresh WHERE view = 'p.slow'::regclass)?),
    '_groups' => q(SELECT streambatch._groups('p.own') IS NOT NULL?),
    '_dirty_panes' => q(SELECT streambatch._dirty_panes('p.own') IS NOT NULL?),
);

# Every function of the schema: its name, how many of that name, and who may execute it: all, because it is there to be used, or stands in
# the views and statements that run as anybody; or super alone, because only the server calls it, for an aggregate (whose owner needs
# the right, and not who uses the aggregate), a type, the planner or an event.
my $functions = <<'END';
create_view 1 all
drop_view 1 all
decode 1 all
explain 1 all
query 1 all
discard_dead_letters 1 all
pause 1 all
retry_dead_letters 1 all
refresh 1 all
retain 1 all
track 1 all
untrack 1 all
change_archive 1 all
rebuild 1 all
set_source 1 all
refresh_all 1 all
schedule 1 all
unschedule 1 all
_view_of 1 all
begin_batch 1 all
publish_batch 1 all
abandon_batch 1 all
resume 1 all
reset 1 all
wait_for 1 all
start_at 1 all
create_states_view 1 all
create_merged_view 1 all
first 1 all
last 1 all
tumble 6 all
tumble_end 6 all
hop 6 all
hop_end 6 all
cumulate 6 all
cumulate_end 6 all
session 3 all
session_end 3 all
_hop_pane 3 all
_origin_in 1 all
_origin_out 1 all
_cumulate_pane 3 all
_session_pane 3 all
_pane_known 1 all
_serves 1 all
_digest_value 1 all
_holds_all 1 all
_percentile 1 all
_percentiles 1 all
_quantile 1 all
_quantiles 1 all
_sum 1 all
_only 1 all
_first_state 1 all
_last_state 1 all
_first_value 1 all
_last_value 1 all
_sketch 1 all
_sketch_merge 1 all
_gather 1 all
_first_gather 1 all
_last_gather 1 all
_sketch_gather 1 all
_states_definition 1 all
_reads_partition 1 all
_below_cut 1 all
_in_ranges 1 all
_exact 1 all
_partial 2 all
_merge 1 all
_mark_row 1 all
_cardinality 1 all
_groups 1 all
_mark 1 all
_dirty_panes 1 all
_log_ends 1 all
_workers 1 all
_database 1 all
_fdw_handler 1 super
_fdw_validator 1 super
_on_alter 1 super
_on_start 1 super
_on_define 1 super
_on_drop 1 super
_restore 1 super
_dump 1 super
_state_in 1 super
_state_out 1 super
_hop_rows 1 super
_cumulate_rows 1 super
_take_first 1 super
_take_last 1 super
_taken 1 super
_taken_only 1 super
_first_add 1 super
_last_add 1 super
_first_combine 1 super
_last_combine 1 super
_first_merge 1 super
_last_merge 1 super
_rank_value 1 super
_sketch_add 1 super
_sketch_end 1 super
_sketch_combine 1 super
_sketch_merge_add 1 super
_sketch_merge_end 1 super
_gather_add 1 super
_gather_end 1 super
_exact_add 1 super
_exact_end 1 super
_partial_add 2 super
_partial_end 2 super
_merge_add 1 super
_merge_end 1 super
END

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);
set_up();

my %objects = objects();
my @lines = map { parse($_) } grep { /^\w/ } split /\n/, $matrix;

# one session for each role, which tries everything; what tells of a refresh that runs, while one does
my ($first, @rest) = sort { ($b->{verb} =~ /progress/) <=> ($a->{verb} =~ /progress/) } @lines;
my $refresh = hold_refresh();
my @results = map { [ try_all($_, $first) ] } @roles;
$refresh->();
foreach my $i (0 .. $#roles)
{
    push @{ $results[$i] }, try_all($roles[$i], @rest);
}
@lines = ($first, @rest);
foreach my $i (0 .. $#lines)
{
    my ($line, @got) = ($lines[$i], map { $_->[$i] // 'nothing' } @results);
    my @expected = @{ $line->{cells} };

    # what fits, is as it was expected
    @got = map { fits($got[$_], $expected[$_]) ? $expected[$_] : $got[$_] } 0 .. $#roles;
    is("@got", "@expected", "$line->{object} $line->{verb}" . ($line->{on} ? ": $line->{on}" : ''));
}

# the objects behind a view, and the archive, are their users'
is($node->safe_psql('postgres', <<'SQL'), '', 'what is behind the views belongs to their owner');
SELECT c.oid::regclass, c.relowner::regrole FROM pg_class c
 WHERE relnamespace = 'streambatch_state'::regnamespace AND relowner <> 'p_view'::regrole AND relname !~ '^(cuts|clock)_'
SQL
is($node->safe_psql('postgres', <<'SQL'), "p_stream\np_view\np_view", 'archive, view and layers have an owner that is no superuser');
SELECT relowner::regrole FROM pg_class WHERE oid IN ('p.events_archive'::regclass, 'p.own'::regclass, 'p.own_layers'::regclass) ORDER BY relname
SQL

# who may execute what
my %known = map { /^(\w+) (\d+) (\w+)$/ ? ($1 => [ $2, $3 ]) : die $_ } split /\n/, $functions;
my %found;
foreach (split /\n/, $node->safe_psql('postgres', <<'SQL'))
SELECT p.proname, p.oid::regprocedure, has_function_privilege('p_none', p.oid, 'EXECUTE') OR has_function_privilege('p_view', p.oid, 'EXECUTE')
       OR has_function_privilege('p_monitor', p.oid, 'EXECUTE')
  FROM pg_proc p WHERE p.pronamespace = 'streambatch'::regnamespace ORDER BY 2
SQL
{
    my ($name, $signature, $executable) = split /\|/;

    $found{$name}++;
    my $who = $known{$name} ? $known{$name}[1] : 'nobody has said who';
    $executable = $executable eq 't' ? 'all' : 'super';
    is($executable, $who, "$signature: who may execute it");
}
is(join("\n", map { "$_ $found{$_}" } sort keys %found),
    join("\n", map { "$_ $known{$_}[0]" } sort keys %known), 'the list has every function, and none that is not there');
is($node->safe_psql('postgres', <<'SQL'), '', 'what runs as its owner has a search_path of its own, which is pg_catalog');
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace IN ('streambatch'::regnamespace, 'streambatch_state'::regnamespace)
   AND prosecdef AND NOT coalesce(proconfig @> '{"search_path=pg_catalog, pg_temp"}', false)
SQL
is($node->safe_psql('postgres', <<'SQL'), '', 'no table, sequence or type of the extension is open to all for more than reading');
SELECT c.oid::regclass, a.privilege_type FROM pg_class c, aclexplode(relacl) a
 WHERE relnamespace IN ('streambatch'::regnamespace, 'streambatch_state'::regnamespace) AND a.grantee = 0 AND a.privilege_type <> 'SELECT'
SQL

$node->stop;
done_testing();

sub set_up
{
    my $sql = '';

    $sql .= "CREATE ROLE p_$_ LOGIN " . ($_ eq 'super' ? 'SUPERUSER' : '') . ";\n" foreach @roles;
    $node->safe_psql('postgres', $sql . <<'SQL');
CREATE SCHEMA p;
CREATE SCHEMA open;
GRANT USAGE ON SCHEMA p TO PUBLIC;
GRANT CREATE ON SCHEMA p TO p_stream, p_view;
GRANT USAGE, CREATE ON SCHEMA open TO PUBLIC;
GRANT pg_monitor TO p_monitor;
GRANT pg_read_all_stats TO p_stats;
GRANT pg_read_all_data TO p_data;
GRANT USAGE ON FOREIGN DATA WRAPPER streambatch_kafka TO p_stream;
ALTER SERVER kafka OWNER TO p_stream;
CREATE FUNCTION open.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;

-- what becomes of a command, which is undone; or the answer to a question
CREATE FUNCTION open.attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    IF command LIKE '%?' THEN
        EXECUTE left(command, -1) INTO answer;
        RETURN CASE WHEN answer = 'true' THEN '1' ELSE '0' END;
    END IF;
    EXECUTE command;
    RAISE SQLSTATE 'UNDO0';
EXCEPTION
    WHEN SQLSTATE 'UNDO0' THEN RETURN '+';
    WHEN OTHERS THEN RETURN CASE WHEN command LIKE '%?' AND SQLSTATE = '42501' THEN '0' ELSE SQLSTATE END;
END $$;

SET SESSION AUTHORIZATION p_stream;
CREATE USER MAPPING FOR p_stream SERVER kafka OPTIONS ("sasl.username" 'me', "sasl.password" 'swordfish');
CREATE FOREIGN TABLE p.events (k text, n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
CREATE FOREIGN TABLE p.stuck (k text, n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SELECT streambatch.resume('p.events'), streambatch.resume('p.stuck');
GRANT SELECT ON p.events, p.stuck, p.events_archive TO p_view;
-- an archive that refuses a row, and not as data does
CREATE FUNCTION open.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.k LIKE 'penguin%' THEN RAISE disk_full USING MESSAGE = format('no room for a %s', NEW.k); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON p.stuck_archive FOR EACH ROW EXECUTE FUNCTION open.refuse();

SET SESSION AUTHORIZATION p_view;
-- a query that fails as a whole, and not because of the row at hand
CREATE FUNCTION open.penguins() RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
    found text := (SELECT min(k) FROM p.events_archive WHERE k LIKE 'penguin%');
BEGIN
    IF found IS NOT NULL THEN RAISE 'a % was found', found; END IF;
    RETURN true;
END $$;
CREATE FUNCTION open.wait(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock_shared(1);
    PERFORM pg_advisory_unlock_shared(1);
    RETURN n;
END $$;
SELECT streambatch.create_view('p.own', 'SELECT n, streambatch.tumble(ts, ''1 h'') AS w, count(*) AS c, stddev(n) AS s FROM p.events GROUP BY 1, 2');
SELECT streambatch.create_view('p.failing', 'SELECT sum(n) AS s FROM p.events WHERE open.penguins()');
GRANT SELECT ON p.own, p.failing TO p_reader;
SELECT streambatch.create_view('p.counted', 'SELECT count(*) AS c FROM p.events');
SELECT id FROM streambatch.begin_batch('p.counted');
SQL
    $broker->produce('events', 0,
        [ undef, '{"k": "1", "n": 1, "ts": "2025-02-14 00:10:00+00"}' ],
        [ undef, 'penguins are no JSON' ],
        [ undef, '{"k": "penguin", "n": 2, "ts": "2025-02-14 02:10:00+00"}' ]);
    $node->wait_for('p.events');
    my (undef, undef, $error) = $node->psql('postgres', 'CALL streambatch.refresh(\'p.failing\')');
    like($error, qr/penguin/, 'a refresh fails, and its error tells of an event');
    # the worker opens its views anew for each that comes
    $node->safe_psql('postgres', <<'SQL');
CALL streambatch.refresh('p.own');
INSERT INTO streambatch._gap (stream, kafka_partition, from_offset, to_offset, noticed_at, action, topic_epoch) VALUES ('p.events', 0, 0, 1, now(), 'skip', 0);
SET SESSION AUTHORIZATION p_view;
SELECT streambatch.create_view('p.slow', 'SELECT sum(open.wait(n)) AS s FROM p.events');
GRANT SELECT ON p.slow TO p_reader;
SQL
    $broker->produce('events', 0, [ undef, '{"k": "2", "n": 2, "ts": "2025-02-14 02:20:00+00"}' ]);
    $node->wait_for('p.events');
    is($node->safe_psql('postgres', "SELECT state FROM streambatch.stat_view WHERE error_message LIKE '%penguin%'"),
        'suspended', 'a view is suspended, and its error tells of an event');
    ok( $node->poll_query_until('postgres', "SELECT error_message LIKE '%penguin%' FROM streambatch.stat_stream WHERE stream = 'p.stuck'::regclass"),
        'the worker of a stream fails, and its error tells of an event');
    return;
}

# of each class, its members
sub objects
{
    my %query = (
        state => q(relnamespace = 'streambatch_state'::regnamespace AND relname IN ('stream_%n', 'batch_%n')),
        staging => q(relnamespace = 'streambatch_state'::regnamespace AND relname LIKE 'staging%'),
        batch => q(relnamespace = 'streambatch_state'::regnamespace AND relname LIKE 'staging%'),
        merge => q(relnamespace = 'streambatch_state'::regnamespace AND relname = 'merged_%n'),
        query => q(relnamespace = 'streambatch_state'::regnamespace AND relname = 'query_%n'),
        times => q(relnamespace = 'streambatch_state'::regnamespace AND relname IN ('cuts_%n', 'clock_%n')),
        alltimes => q(oid IN ('streambatch._batch_as_of'::regclass, 'streambatch._stream_as_of'::regclass)),
        catalog => q(relnamespace = 'streambatch'::regnamespace AND relkind = 'r'),
        sequence => q(relnamespace = 'streambatch'::regnamespace AND relkind = 'S'),
        statistic => q(relnamespace = 'streambatch'::regnamespace AND relkind = 'v' AND relname !~ '^_'));
    my %objects = (
        stream => ['p.events'],
        archive => ['p.events_archive'],
        view => ['p.own'],
        layers => ['p.own_layers'],
        gap => ['streambatch.gap'],
        history => ['streambatch.refresh_history'],
        partition => ['streambatch.stat_partition'],
        map { $_ => [] } qw(server wrapper rows payload extension));

    foreach my $class (sort keys %query)
    {
        my $condition = $query{$class} =~ s/%n/view_id()/ger;
        $objects{$class} = [ split /\n/, $node->safe_psql('postgres', "SELECT oid::regclass FROM pg_class WHERE $condition ORDER BY 1") ];
        ok(@{ $objects{$class} } > 0, "there are objects of the class $class: @{ $objects{$class} }");
    }
    return %objects;
}

sub view_id { return $node->safe_psql('postgres', "SELECT id FROM streambatch._view WHERE view = 'p.own'::regclass"); }

# a line of the matrix, once for each object of its class
sub parse
{
    my ($line) = @_;
    my @words = split /\s+/, $line;
    my @cells = splice @words, -@roles;
    my ($object, $verb) = (shift @words, "@words");
    my $template = $verbs{$verb} or die "unknown verb: $line";

    die "no such object: $line" unless $objects{$object};
    my @members = @{ $objects{$object} };
    @members = ('') unless @members;
    return map { { object => $object, verb => $verb, on => $_, cells => \@cells, command => command($object, $verb, $template, $_) } } @members;
}

sub command
{
    my ($object, $verb, $command, $on) = @_;
    my %kinds = (r => 'TABLE', v => 'VIEW', f => 'FOREIGN TABLE', S => 'SEQUENCE');
    my %failing = (stat_stream => 'p.stuck', _workers => 'p.stuck', stat_view => 'p.failing', refresh_history => 'p.failing');
    my $payload = $object eq 'payload';

    if ($on ne '')
    {
        my ($kind, $column) = split /\|/, $node->safe_psql('postgres', <<"SQL");
SELECT relkind, attname FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum = 1 WHERE c.oid = '$on'::regclass
SQL
        $command =~ s/%k/$kinds{$kind}/g;
        $command =~ s/%c/$column/g;
    }
    my $rows_of = $verb =~ /^(?:stat_stream|_workers)$/ ? 'p.events' : 'p.own';
    my $text = $payload ? '%penguin%' : '%';
    my $id = $command =~ /%n/ ? view_id() : '';
    $command =~ s/%f/$payload ? $failing{$verb} : $rows_of/ge;
    $command =~ s/%e/$text/g;
    $command =~ s/%n/$id/g;
    $command =~ s/%s/$on/g;
    return $command;
}

# a refresh that waits until it is told to go on
sub hold_refresh
{
    my $background = StreamBatch::Background->new($node);

    $background->start('SELECT pg_advisory_lock(1), pg_sleep(600)');
    poll("SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND mode = 'ExclusiveLock' AND granted");
    $background->start(q(CALL streambatch.refresh('p.slow', "full" => true)));
    poll('SELECT count(*) = 1 FROM streambatch.stat_progress_refresh');
    return sub {
        $node->safe_psql('postgres',
            q(SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND mode = 'ExclusiveLock'));
        $background->finish;
    };
}

# what becomes of all of it, as this role
sub try_all
{
    my ($role, @attempts) = @_;
    my $script = "SET client_min_messages = error;\nSET lock_timeout = '10 s';\n";
    my ($out, $err);

    foreach (@attempts)
    {
        $script .= $_->{command} =~ /^CALL/
          ? "$_->{command};\n\\echo result :SQLSTATE\n"
          : "SELECT 'result ' || open.attempt(\$attempt\$$_->{command}\$attempt\$);\n";
    }
    $node->psql('postgres', $script, extra_params => [ '-U', "p_$role" ],
        stdout => \$out, stderr => \$err, on_error_stop => 0, on_error_die => 0);
    my @answers = map { /^result (\S+)$/ ? $1 : () } split /\n/, $out;
    is(scalar(@answers), scalar(@attempts), "$role: everything has been tried") or diag($err);
    return map { { '00000' => '+', '42501' => '-' }->{$_} // $_ } @answers;
}

sub poll
{
    my ($question) = @_;

    $node->poll_query_until('postgres', $question) or die "never: $question";
    return;
}

sub fits
{
    my ($got, $expected) = @_;

    return $expected eq '*' ? $got !~ /^XX/ : $got eq $expected;
}

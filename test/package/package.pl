# The Debian package for this release's PostgreSQL: built by a user, checked by lintian, installed, served from, removed
#
# package.pl DIRECTORY: leaves the packages in the directory. It installs, as root: test/versions runs it in a chroot.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use StreamBatch::Broker;
use Test::More;

my ($directory) = @ARGV;
die "usage: $0 DIRECTORY, as root\n" unless defined $directory && -d $directory && $> == 0;

chdir "$FindBin::RealBin/../.." or die "no source tree: $!";
my ($version) = slurp('pg_streambatch.control') =~ /^default_version = '(.*)'/m;
my ($major) = qx(pg_config --version) =~ /(\d+)/;
my $package = "postgresql-$major-streambatch";
my $source = "$directory/pg-streambatch-$version";

unpack_source();
runs('a user can build it', qw(runuser -u postgres -- sh -c), "cd '$source' && pg_buildext updatecontrol && dpkg-buildpackage --no-sign")
  or BAIL_OUT("there is no $package");
my ($changes) = glob "$directory/*.changes";
my ($deb) = glob "$directory/${package}_*.deb";
is($deb // 'none', "$directory/${package}_$version-1_" . qx(dpkg --print-architecture) =~ s/\n//r . '.deb', 'it has the version of the control file');
runs('lintian finds nothing', 'lintian', '--allow-root', '--fail-on', 'error,warning', $changes);
runs('it can be installed', qw(apt-get --quiet --quiet --yes --no-install-recommends install), $deb);
serves();
runs('it can be removed', qw(apt-get --quiet --quiet --yes purge), $package);
is(qx(find /usr /etc -xdev -name '*streambatch*'), '', 'and leaves nothing');
done_testing();

# As it would come from a release: a tar archive of the tree, and debian/ beside it
sub unpack_source
{
    mkdir $source or die "$source: $!";
    system("tar --create --exclude ./.git . | tar --extract --no-same-owner --directory '$source'") == 0
      && system("make --silent --directory '$source/test/broker' clean") == 0
      && system("cd '$directory' && tar --create --gzip --file pg-streambatch_$version.orig.tar.gz --exclude pg-streambatch-$version/debian pg-streambatch-$version") == 0
      && system(qw(chown -R postgres:), $directory) == 0
      or die 'the tree could not be copied';
    return;
}

# A cluster as Debian makes one, a stream, and a view that has its values first from one layer, and then from the other
sub serves
{
    my $broker = StreamBatch::Broker->embedded;
    my $bootstrap = $broker->bootstrap;
    my $printed = "$directory/printed";

    $broker->create_topic('events', 2);
    $broker->produce('events', 0, [ undef, '{"user_id": 1, "amount": 10.5}' ], [ undef, '{"user_id": 2, "amount": 5}' ]);
    $broker->produce('events', 1, [ undef, '{"user_id": 1, "amount": 20}' ]);
    spew("$directory/serve.sql", <<"SQL");
CREATE EXTENSION pg_streambatch;
SELECT extversion FROM pg_extension WHERE extname = 'pg_streambatch';
CREATE SERVER kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" '$bootstrap');
CREATE FOREIGN TABLE events (user_id bigint, amount numeric) SERVER kafka OPTIONS (topic 'events');
SELECT streambatch.create_view('totals', 'SELECT user_id, count(*) AS n, sum(amount) AS revenue FROM events GROUP BY user_id');
SELECT streambatch.wait_for('events', '60 s');
SELECT * FROM totals ORDER BY user_id;
CALL streambatch.refresh('totals');
SELECT totals.*, recommended FROM totals JOIN totals_layers USING (user_id) ORDER BY user_id;
SQL
    runs('a server is made, preloads it, and a view is served', 'pg_virtualenv', '-v', $major, '-o', 'shared_preload_libraries=pg_streambatch',
        qw(psql -X -A -t -q -v ON_ERROR_STOP=1 -o), $printed, '-f', "$directory/serve.sql");
    is(slurp($printed), "$version\ntotals\nt\n1|2|30.5\n2|1|5\n1|2|30.5|batch\n2|1|5|batch\n", 'its values come from both layers');
    return;
}

# One test: the command succeeds; its output is shown where it does not
sub runs
{
    my ($name, @command) = @_;
    my $log = "$directory/log";

    open my $output, '>', $log or die "$log: $!";
    my $pid = fork // die "fork: $!";
    if ($pid == 0)
    {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>&', $output;
        open STDERR, '>&', $output;
        exec @command or die "$command[0]: $!";
    }
    waitpid $pid, 0;
    my $succeeded = $? == 0;
    ok($succeeded, $name) or diag("@command", qx(tail -n 40 '$log'));
    return $succeeded;
}

sub slurp
{
    my ($file) = @_;

    open my $handle, '<', $file or die "$file: $!";
    local $/;
    return scalar <$handle>;
}

sub spew
{
    my ($file, $text) = @_;

    open my $handle, '>', $file or die "$file: $!";
    print $handle $text;
    close $handle;
    return;
}

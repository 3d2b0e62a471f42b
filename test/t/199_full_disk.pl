# A disk that is full in the middle of a refresh, a rebuild, a publication, the history of a new view, and a flush: an error, nothing lost, and all
# of them work once there is space
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use StreamBatch::Preload;
use Test::More;

my $full = PostgreSQL::Test::Utils::tempdir() . '/full';
my $library = StreamBatch::Preload::build('disk', <<"C");
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* while the file "full" exists, no file of a table, and no temporary file, grows beyond the size that it says */
static int no_space(int fd, off_t end)
{
	char link[64], path[4096];
	struct stat st;
	ssize_t n;
	long limit = 0;
	FILE *full = fopen("$full", "r");

	if (full == NULL)
		return 0;
	if (fscanf(full, "%ld", &limit) != 1)
		limit = 0;
	fclose(full);
	if (end <= limit || fstat(fd, &st) != 0 || end <= st.st_size)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = 0;
	return strstr(path, "/base/") != NULL;
}

static off_t length(const struct iovec *iov, int n)
{
	off_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

#define FAIL do { errno = ENOSPC; return -1; } while (0)
#define NEXT(name) dlsym(RTLD_NEXT, #name)

ssize_t pwrite(int fd, const void *b, size_t n, off_t at)
{
	ssize_t (*next)(int, const void *, size_t, off_t) = NEXT(pwrite);
	if (no_space(fd, at + n)) FAIL;
	return next(fd, b, n, at);
}

ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at)
{
	ssize_t (*next)(int, const void *, size_t, off64_t) = NEXT(pwrite64);
	if (no_space(fd, at + n)) FAIL;
	return next(fd, b, n, at);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	ssize_t (*next)(int, const struct iovec *, int, off_t) = NEXT(pwritev);
	if (no_space(fd, at + length(iov, n))) FAIL;
	return next(fd, iov, n, at);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
	ssize_t (*next)(int, const struct iovec *, int, off64_t) = NEXT(pwritev64);
	if (no_space(fd, at + length(iov, n))) FAIL;
	return next(fd, iov, n, at);
}

int posix_fallocate(int fd, off_t at, off_t n)
{
	int (*next)(int, off_t, off_t) = NEXT(posix_fallocate);
	return no_space(fd, at + n) ? ENOSPC : next(fd, at, n);
}

int posix_fallocate64(int fd, off64_t at, off64_t n)
{
	int (*next)(int, off64_t, off64_t) = NEXT(posix_fallocate64);
	return no_space(fd, at + n) ? ENOSPC : next(fd, at, n);
}
C

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'autovacuum = off');
{ local $ENV{LD_PRELOAD} = $library; $node->start; }
$node->create_server($broker);

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub fill { my ($limit) = @_; append_to_file("$full.new", $limit); rename "$full.new", $full or die; return; }
sub free { unlink $full or die; return; }
sub fails { my ($statement, $what) = @_; my (undef, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statement"); like($error, qr/ERROR:  53100: could not .*No space left on device/, $what); return; }

# the view and the plain query, row by row, and what is left of others
my $query = q{SELECT id, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(n) AS s FROM events GROUP BY 1, 2};
sub differs { my $plain = $query =~ s/events/events_archive/r; return sql("SELECT count(*) FROM ((TABLE groups EXCEPT ALL ($plain)) UNION ALL (($plain) EXCEPT ALL TABLE groups)) d"); }
my $left = "SELECT count(*) FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace AND relkind = 'r' AND relname !~ '^staging'";

sql("CREATE FOREIGN TABLE events (id int, n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts')");
sql("SELECT streambatch.create_view('groups', \$\$$query\$\$)");
sql(q{INSERT INTO events SELECT i, i, '2025-01-01Z'::timestamptz + i * interval '1 s' FROM generate_series(1, 20000) i});
$node->wait_for('events');
my $tables = sql($left);

# of what a run creates and records, there is space for all but the rows of the states: those take more than a megabyte
sql(q{CALL streambatch.rebuild('groups')});
sql(q{CALL streambatch.refresh('groups', '2025-01-01 02:00Z', '2025-01-01 03:00Z')});
sql('VACUUM');
fill(300_000);
fails(q{CALL streambatch.refresh('groups', "to" => 'infinity')}, 'a refresh');
is(differs(), '0', 'nothing is lost');
is(sql(q{SELECT state, error_sqlstate FROM streambatch.refresh_history ORDER BY id DESC LIMIT 1}), 'failed|53100', 'the history says why');
fails(q{CALL streambatch.rebuild('groups')}, 'a rebuild');
is(differs(), '0', 'nothing is lost');
fails(qq{SELECT streambatch.create_view('another', \$\$$query\$\$)}, 'the history of a new view');
is(sql(q{SELECT to_regclass('another')}), '', 'which is not there then');
free();
is(sql($left), $tables, 'nothing is left behind');
is(sql('SELECT count(*) FROM streambatch._view'), '1', 'nor a row');
sql(q{CALL streambatch.rebuild('groups')});
is(differs(), '0', 'with space, it is rebuilt');

# a batch of an engine outside
my ($id, $batch, $staging) = split /\|/, sql(q{SELECT id, regexp_replace(query, '\s+', ' ', 'g'), staging FROM streambatch.begin_batch('groups', "to" => 'infinity')});
sql("CREATE TEMP VIEW events AS TABLE events_archive; SET search_path = pg_temp, public; INSERT INTO $staging $batch");
sql("VACUUM $_") foreach split /\|/, sql("SELECT batch_table, stream_table FROM streambatch.stat_view");
fill(0);
fails("SELECT streambatch.publish_batch($id)", 'a publication');
is(differs(), '0', 'nothing is lost');
free();
is(sql("SELECT streambatch.publish_batch($id)"), '20000', 'it is published then');
is(differs(), '0', 'with the same values');

# the worker: events that need more space than there is
fill(0);
sql(q{INSERT INTO events SELECT i, i, '2025-01-02Z'::timestamptz + i * interval '1 s' FROM generate_series(1, 20000) i});
ok($node->poll_query_until('postgres', "SELECT error_sqlstate = '53100' FROM streambatch.stat_stream"), 'the worker says so');
is(differs(), '0', 'nothing is counted that is not archived');
free();
$node->wait_for('events', '100 s');
is(sql('SELECT count(*) FROM events_archive'), '40000', 'it goes on then');
is(differs(), '0', 'and nothing is lost or doubled');
$node->stop;
done_testing();

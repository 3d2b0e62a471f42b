
=head1 NAME

StreamBatch::Node - a PostgreSQL server for tests, with pg_streambatch preloaded

=head1 SYNOPSIS

  my $node = StreamBatch::Node->new('main');
  $node->init;                             # everything that PostgreSQL::Test::Cluster takes and has
  $node->start;
  $node->create_server($broker);           # CREATE EXTENSION, CREATE SERVER kafka
  $node->safe_psql('postgres', 'CREATE FOREIGN TABLE events …');
  $node->wait_for('events');               # all that is in the topic now is in the views

=head1 METHODS

  create_server(broker, name, database)    name 'kafka', database 'postgres' unless given
  wait_for(stream, timeout, database)      dies when the stream does not get there ('60 s')
  wait_for_state(stream, state, database)  polls streambatch.stat_stream
  stream_state(stream, database)           state
  worker_pid(stream, database)             pid of the stream's worker, undef without one
  doubled_groups(database)                 tables of the stream layer that hold a group twice under one epoch

The server listens on a socket in a temporary directory alone.

=cut

package StreamBatch::Node;

use strict;
use warnings;
use parent 'PostgreSQL::Test::Cluster';

use Carp;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

sub init
{
    my ($self, %params) = @_;

    my $preload = delete $params{preload} // 'pg_streambatch';
    $self->SUPER::init(%params);
    $self->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = '$preload'
max_worker_processes = 32
log_min_messages = warning
CONF
    return;
}

sub create_server
{
    my ($self, $broker, $name, $database) = @_;

    $name //= 'kafka';
    my $bootstrap = $broker->bootstrap;
    $self->safe_psql($database // 'postgres', <<"SQL");
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SERVER $name FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" '$bootstrap');
SQL
    return;
}

# psql that finds no server leaves before it has read the query, which IPC::Run may die of
sub poll_query_until
{
    my ($self, @query) = @_;

    foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
    {
        my $is = eval { $self->SUPER::poll_query_until(@query) };
        return $is unless $@;
        die $@ unless $@ =~ /Broken pipe/;
        usleep(100_000);
    }
    return 0;
}

sub wait_for
{
    my ($self, $stream, $timeout, $database) = @_;

    $timeout //= '60 s';
    my $arrived = $self->safe_psql($database // 'postgres', "SELECT streambatch.wait_for('$stream', '$timeout')");
    croak "stream $stream did not catch up within $timeout" unless $arrived eq 't';
    return;
}

sub wait_for_state
{
    my ($self, $stream, $state, $database) = @_;

    $self->poll_query_until(
        $database // 'postgres',
        "SELECT state = '$state' FROM streambatch.stat_stream WHERE stream = '$stream'::regclass")
      or croak "stream $stream is "
      . ($self->stream_state($stream, $database) // 'unknown')
      . ", expected $state";
    return;
}

sub stream_state { return _stat(@_[ 0, 1 ], 'state', $_[2]); }

sub worker_pid
{
    my $pid = _stat(@_[ 0, 1 ], 'pid', $_[2]);
    return defined $pid && $pid ne '' ? $pid : undef;
}

sub doubled_groups
{
    my ($self, $database) = @_;

    return $self->safe_psql($database // 'postgres', <<'SQL');
SELECT format('SELECT %L, count(*) FROM (SELECT FROM streambatch_state.%I GROUP BY %s HAVING count(*) > 1) doubled HAVING count(*) > 0',
              relname, relname, string_agg(quote_ident(attname), ', '))
  FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attname !~ '^s[0-9]+$'
 WHERE relnamespace = 'streambatch_state'::regnamespace AND relname ~ '^stream_[0-9]+$' AND relkind = 'r' GROUP BY relname
\gexec
SQL
}

sub _stat
{
    my ($self, $stream, $column, $database) = @_;

    return $self->safe_psql($database // 'postgres',
        "SELECT $column FROM streambatch.stat_stream WHERE stream = '$stream'::regclass");
}

1;

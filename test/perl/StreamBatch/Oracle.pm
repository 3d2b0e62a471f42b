
=head1 NAME

StreamBatch::Oracle - knows every message of a topic, and what hybrid views over it must say

=head1 SYNOPSIS

  my $oracle = StreamBatch::Oracle->new(node => $node, broker => $broker, topic => 'events', partitions => 3, events => $events);
  $oracle->create_stream;
  $oracle->create_view('totals', 'SELECT count(*) FROM events');
  $oracle->burst(100);           # random messages
  $oracle->probe('by and by');   # in one snapshot: views equal the plain query over the archive, which lacks nothing
  $oracle->verdict;              # views equal the plain query over the oracle's own table of all good events

=head1 DESCRIPTION

The server may crash at any time: statements are sent again until it is back.

A view that fails on some rows comes with C<fails>, a condition that holds for just those rows.

=cut

package StreamBatch::Oracle;

use strict;
use warnings;

use Carp;
use Test::More;
use Time::HiRes qw(sleep time);

my $gone = qr/terminat|server closed|recovery mode|starting up|shutting down|could not connect|connection to server|not yet accepting/;

sub new
{
    my ($class, %options) = @_;

    # of each partition: what lies at each offset, [payload, row or undef]; offsets without anything are control records and aborted
    return bless { %options, views => {}, log => [ map { {} } 1 .. $options{partitions} ], archive => 'events_archive' }, $class;
}

# Run SQL until the server is there to run it; its output.
sub sql
{
    my ($self, $sql) = @_;
    my $give_up = time + 60;

    for (;;)
    {
        my ($status, $out, $err) = $self->{node}->psql('postgres', $sql, on_error_stop => 1, on_error_die => 0);

        return $out if $status == 0;
        croak "$err\n$sql" if $err !~ $gone || time > $give_up;
        sleep 0.1;
    }
}

sub create_stream
{
    my ($self, %options) = @_;
    my $columns = join ', ', map { "$_->[0] $_->[1]" } $self->{events}->columns;
    my $more = join '', map { ", $_ '$options{$_}'" } sort keys %options;

    $self->{archived} = ($options{archive} // '') ne 'none';
    $self->sql(<<"SQL");
CREATE FOREIGN TABLE events ($columns) SERVER kafka OPTIONS (topic '$self->{topic}', format 'json', event_time 'ts'$more);
CREATE TABLE truth ($columns, kafka_partition int, kafka_offset bigint);
SQL
    return;
}

sub create_view
{
    my ($self, $name, $query, %options) = @_;
    my $history = exists $options{history} ? ", history => $options{history}" : '';
    my $positions = $self->sql(<<"SQL");
SET client_min_messages = error;
BEGIN;
CREATE TEMP TABLE made ON COMMIT DROP AS SELECT streambatch.create_view('$name', \$\$ $query \$\$$history);
SELECT partition, next_offset FROM streambatch.stat_partition WHERE stream = 'events'::regclass ORDER BY 1;
COMMIT;
SQL
    $self->{views}{$name} = { query => $query, fails => $options{fails} };
    $self->{views}{$name}{from} = { map { split /\|/ } split /\n/, $positions } if ($options{history} // '') eq 'false';
    return;
}

sub drop_view
{
    my ($self, $name) = @_;

    delete $self->{views}{$name};
    $self->sql("DROP VIEW IF EXISTS $name");
    return;
}

sub views { my ($self) = @_; return sort keys %{ $self->{views} }; }

# Messages to random partitions; aborted: in a transaction that is given up.
sub burst
{
    my ($self, $n, %options) = @_;
    my $client = $options{client} // $self->{broker};
    my @batches = map { [] } 1 .. $self->{partitions};
    my $only = $options{partition};

    foreach (1 .. $n)
    {
        my ($payload, $row) = $self->{events}->next;

        push @{ $batches[ $only // rand $self->{partitions} ] }, [ $payload, $row ];
    }
    $client->call('begin') if $options{client};
    foreach my $partition (grep { @{ $batches[$_] } } 0 .. $#batches)
    {
        my @batch = @{ $batches[$partition] };
        my @offsets = $client->produce($self->{topic}, $partition, map { [ undef, $_->[0] ] } @batch);

        next if $options{aborted};
        @{ $self->{log}[$partition] }{@offsets} = @batch;
    }
    $client->call($options{aborted} ? 'abort' : 'commit') if $options{client};
    return;
}

# The view's query over another source, as somebody would write it who has but a table.
sub _plain
{
    my ($self, $name, $source, $condition) = @_;
    my $view = $self->{views}{$name};
    my @conditions = grep { defined } $condition, $view->{from} && '(' . join(
        ' OR ',
        map { "kafka_partition = $_ AND kafka_offset >= " . ($view->{from}{$_} // 0) } 0 .. $self->{partitions} - 1) . ')';
    my $where = @conditions ? 'WHERE ' . join(' AND ', @conditions) : '';

    return $view->{query} =~ s/\bFROM events\b/FROM (SELECT * FROM $source event $where OFFSET 0) events/r;
}

sub _difference
{
    my ($self, $name, $plain) = @_;

    return <<"SQL";
SELECT '$name', 'view alone', x::text FROM (SELECT * FROM $name EXCEPT ALL ($plain)) x
UNION ALL SELECT '$name', 'plain query alone', x::text FROM (($plain) EXCEPT ALL SELECT * FROM $name) x LIMIT 20;
SQL
}

# In one snapshot, with everything else going on.
sub probe
{
    my ($self, $name) = @_;
    my @compare;

    foreach my $view ($self->views)
    {
        my $fails = $self->{views}{$view}{fails};
        my $dead = "(SELECT kafka_partition, kafka_offset FROM streambatch.dead_letter WHERE view = '$view'::regclass)";

        push @compare, $self->_difference($view, $self->_plain($view, $self->{archive}, "(kafka_partition, kafka_offset) NOT IN $dead"));
        push @compare, <<"SQL";
SELECT '$view', 'dead letters', x::text FROM
(SELECT coalesce(d.kafka_partition, a.kafka_partition), coalesce(d.kafka_offset, a.kafka_offset), d.kafka_offset IS NULL AS missing
   FROM $dead d FULL JOIN (SELECT kafka_partition, kafka_offset FROM $self->{archive} WHERE ${\ ($fails // 'false')}) a USING (kafka_partition, kafka_offset)
  WHERE d.kafka_offset IS NULL OR a.kafka_offset IS NULL) x LIMIT 20;
SQL
    }
    my $out = $self->sql(<<"SQL");
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT 'position', partition, next_offset FROM streambatch.stat_partition WHERE stream = 'events'::regclass;
SELECT 'archive', kafka_partition, count(*), count(DISTINCT kafka_offset) FROM $self->{archive} GROUP BY kafka_partition;
SELECT 'dead', kafka_partition, count(*), count(DISTINCT kafka_offset) FROM streambatch.dead_letter
 WHERE stream = 'events'::regclass AND view IS NULL GROUP BY kafka_partition;
SELECT 'count', received - folded - filtered - dead - skipped, received FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
@compare
COMMIT;
SQL
    is(join("\n", $self->_judge($out)), '', $name);
    return;
}

# What is wrong with a probe's output.
sub _judge
{
    my ($self, $out) = @_;
    my %seen;
    my @wrong;
    my $received = 0;

    foreach (split /\n/, $out)
    {
        my ($what, @rest) = split /\|/;

        if ($what =~ /^(?:position|archive|dead|count)$/)
        {
            $seen{$what}{ $rest[0] } = [ @rest[ 1 .. $#rest ] ];
            push @wrong, "duplicates: $_" if @rest == 3 && $rest[1] != $rest[2];
        }
        else { push @wrong, $_; }
    }
    foreach my $partition (0 .. $self->{partitions} - 1)
    {
        my $end = ($seen{position}{$partition} // [0])->[0];
        my @before = @{ $self->{log}[$partition] }{ grep { $_ < $end } keys %{ $self->{log}[$partition] } };
        my %expected = (
            archive => scalar(grep { $_->[1] } @before),
            dead => scalar(grep { defined $_->[0] && !$_->[1] } @before));

        $received += @before;
        foreach my $what (sort keys %expected)
        {
            my $count = ($seen{$what}{$partition} // [0])->[0];

            push @wrong, "partition $partition below $end: $count in $what, expected $expected{$what}" if $count != $expected{$what};
        }
    }
    push @wrong, 'counts do not add up: ' . join(' ', %{ $seen{count} }) if ($seen{count}{0}[0] // -1) != $received;
    return @wrong;
}

# Everything that was produced is in the views, to the last digit.
sub verdict
{
    my ($self) = @_;

    $self->{node}->wait_for('events');
    $self->_write_truth;
    foreach my $name ($self->views)
    {
        my $fails = $self->{views}{$name}{fails};

        is($self->sql($self->_difference($name, $self->_plain($name, 'truth', $fails && "($fails) IS NOT TRUE"))),
            '', "view $name is what the plain query says of all good events");
    }
    is($self->{node}->doubled_groups, '', 'no group is stored twice under one epoch');
    return unless $self->{archived};
    my $columns = join ', ', map { $_->[0] } $self->{events}->columns;
    is($self->sql(<<"SQL"), '', 'the archive is every good event, once');
(TABLE $self->{archive} EXCEPT ALL TABLE truth) UNION ALL (TABLE truth EXCEPT ALL TABLE $self->{archive}) LIMIT 20
SQL
    return;
}

# What the server's log has of crashes and of workers' errors that nobody caused.
sub unexpected
{
    my ($self, $name) = @_;
    my @lines = grep { /signal (?!9:)|PANIC|TRAP|\[\d+\] (?:ERROR|WARNING):/ } split /\n/,
      PostgreSQL::Test::Utils::slurp_file($self->{node}->logfile);

    is(join("\n", @lines), '', $name);
    return;
}

sub _write_truth
{
    my ($self) = @_;
    my @lines;

    foreach my $partition (0 .. $self->{partitions} - 1)
    {
        my $log = $self->{log}[$partition];

        push @lines, map { join("\t", map { $_ // '\N' } @{ $log->{$_}[1] }, $partition, $_) . "\n" } grep { $log->{$_}[1] } keys %$log;
    }
    my $file = $self->{node}->basedir . '/truth';
    PostgreSQL::Test::Utils::append_to_file($file, $_) foreach @lines;
    $self->sql("TRUNCATE truth; COPY truth FROM '$file' ENCODING 'UTF8'");
    unlink $file;
    return;
}

1;

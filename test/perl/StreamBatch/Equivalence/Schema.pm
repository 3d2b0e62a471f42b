
=head1 NAME

StreamBatch::Equivalence::Schema - a random stream, its archive, and random events for it

=head1 SYNOPSIS

  my $schema = StreamBatch::Equivalence::Schema->new($dice, 'events_3');
  $schema->ddl;                          # CREATE FOREIGN TABLE
  $schema->zone;                         # time zone of the sessions
  my @columns = $schema->columns;        # { name, type }
  my $sql = $schema->literal('int4', $dice);
  my $message = $schema->event($dice);   # key, payload, milliseconds

=head1 DESCRIPTION

A column takes its values from a small pool of its own, so that groups have several rows. Event times move on by themselves, some late, some out
of order, some exactly on the bounds of windows; some events come twice.

=cut

package StreamBatch::Equivalence::Schema;

use strict;
use warnings;

use StreamBatch::Equivalence::Types;

# Where event time begins, and how much of it passes in a run
my @bases = (
    { at => 1_677_628_800 },    # 2023-03-01
    { at => 1_711_843_200 },    # an hour before clocks change in Berlin, 2024-03-31
    { at => 1_698_537_600 },    # and back, 2023-10-29
    { at => 1_699_160_400 },    # New York, 2023-11-05
    { at => 1_672_527_600 },    # the end of 2022
    { at => -1_000 },           # 1969
    { at => 946_684_000 });     # 1999
my @spans = ({ span => 600, weight => 3 }, { span => 86_400, weight => 2 }, { span => 864_000 }, { span => 34_560_000 });

# Types that expressions need a column of
my @always = qw(int4 text numeric float8 bool);

# Narrower spellings of types, where all values fit
my %narrow = (
    numeric => { type => 'numeric(12,2)', fits => qr/^-?\d{1,6}(?:\.\d+)?$/ },
    timestamp => { type => 'timestamp(0)' },
    timestamptz => { type => 'timestamptz(3)' },
    interval => { type => 'interval(0)' });

# What columns may show of the message
my @metadata = (
    { name => 'part', type => 'int4', metadata => 'partition' },
    { name => 'pos', type => 'int8', metadata => 'offset' },
    { name => 'sent', type => 'timestamptz', metadata => 'timestamp' },
    { name => 'message_key', type => 'text', metadata => 'key' });

sub new
{
    my ($class, $dice, $name) = @_;
    my $clock = { base => $dice->weighted(@bases)->{at}, span => $dice->weighted(@spans)->{span} };
    my $self = bless { name => $name, clock => $clock, now => $clock->{base} * 1_000_000, sent => [] }, $class;

    $self->{time} = $dice->weighted({ type => 'timestamptz', weight => 6 }, { type => 'timestamp', weight => 2 }, { type => 'date' })->{type};
    $self->{options} = { max_out_of_orderness => $dice->pick('0', '5 s', '1 hour'), start => 'earliest' };
    $self->{partitions} = $dice->between(1, 4);
    $self->{zone} = $dice->pick(qw(UTC Europe/Berlin America/St_Johns));
    $self->{collation} = $dice->weighted({ name => '', weight => 2 }, { name => ' COLLATE "C"' }, { name => ' COLLATE "und-x-icu"' })->{name};
    $self->_columns($dice);
    return $self;
}

sub _columns
{
    my ($self, $dice) = @_;
    my @types = (@always, map { $dice->pick(StreamBatch::Equivalence::Types::names()) } 1 .. $dice->between(3, 9));
    my %count;

    $self->{columns} = [
        map { $self->_column($_, $dice->chance(0.1) ? "\"$_ " . ++$count{$_} . '"' : s/\[\]/s/r . '_' . ++$count{$_}, $dice) }
          $dice->some(scalar @types, @types) ];
    foreach my $column ({ name => 'ts', type => $self->{time} }, $dice->chance(0.3) ? $dice->some($dice->between(1, 4), @metadata) : ())
    {
        splice @{ $self->{columns} }, $dice->below(1 + @{ $self->{columns} }), 0, $column;
    }
    return;
}

sub _column
{
    my ($self, $type, $name, $dice) = @_;
    my @pool = map { [ StreamBatch::Equivalence::Types::value($type, $dice, $self->{clock}) ] } 1 .. $dice->pick(2, 4, 8, 40);

    my $narrow = $narrow{$type};
    my $declared = $narrow && $dice->chance(0.3) && !grep({ $narrow->{fits} && $_->[0] !~ $narrow->{fits} } @pool) ? $narrow->{type} : $type;

    $declared .= $self->{collation} if $type =~ /^text/;
    return { name => $name, type => $type, declared => $declared, pool => \@pool, nulls => $dice->pick(0, 0.1, 0.4) };
}

sub columns { my ($self) = @_; return @{ $self->{columns} }; }
sub name { my ($self) = @_; return $self->{name}; }
sub archive { my ($self) = @_; return "$self->{name}_archive"; }

# The archive's columns of partition and offset
sub position
{
    my ($self) = @_;
    my %shown = map { $_->{metadata} => $_->{name} } grep { $_->{metadata} } $self->columns;

    return ($shown{partition} // 'kafka_partition', $shown{offset} // 'kafka_offset');
}

sub partitions { my ($self) = @_; return $self->{partitions}; }
sub zone { my ($self) = @_; return "'$self->{zone}'"; }
sub clock { my ($self) = @_; return $self->{clock}; }

sub ddl
{
    my ($self) = @_;
    my $columns = join ', ', map { "$_->{name} " . ($_->{declared} // $_->{type}) . ($_->{metadata} ? " OPTIONS (metadata '$_->{metadata}')" : '') } $self->columns;
    my $options = join '', map { ", $_ '$self->{options}{$_}'" } sort keys %{ $self->{options} };

    return "CREATE FOREIGN TABLE $self->{name} ($columns) SERVER kafka OPTIONS (topic '$self->{name}', event_time 'ts'$options);";
}

# A constant of the type, of a column's pool where there is one.
sub literal
{
    my ($self, $type, $dice) = @_;
    my @like = grep { $_->{type} eq $type && $_->{pool} } $self->columns;
    my ($text) = @like && $dice->chance(0.8) ? $dice->pick(@{ $dice->pick(@like)->{pool} })->[0] : StreamBatch::Equivalence::Types::value($type, $dice, $self->{clock});

    $text =~ s/'/''/g;
    return "'$text'::$type";
}

# A message; one that was sent before now and then.
sub event
{
    my ($self, $dice) = @_;
    my $sent = $self->{sent};

    return $dice->pick(@$sent) if @$sent && $dice->chance(0.05);
    my @members = map { $self->_member($_, $dice) } grep { $_->{pool} } $self->columns;
    my $time = StreamBatch::Equivalence::Types::iso($self->_time($dice));
    splice @members, $dice->below(1 + @members), 0, '"ts": "' . ($self->{time} eq 'date' ? substr($time, 0, 10) : $time) . '"';
    push @$sent, [ $dice->pick(undef, '', 'k1', 'k2'), '{' . join(', ', @members) . '}', $dice->chance(0.5) ? 0 : 1_600_000_000_000 + $dice->below(100_000) ];
    return $sent->[-1];
}

sub _member
{
    my ($self, $column, $dice) = @_;
    my $key = StreamBatch::Equivalence::Types::json_string($column->{name} =~ tr/"//dr);

    return "$key: " . $dice->pick(@{ $column->{pool} })->[1] unless $dice->chance($column->{nulls});
    return $dice->chance(0.5) ? "$key: null" : ();
}

# About a thousand events for the whole span
sub _time
{
    my ($self, $dice) = @_;
    my $step = $self->{clock}{span} * 1000;

    $self->{now} += $dice->below(2 * $step);
    my $late = $dice->chance(0.003) ? 60 * 365 * 86_400 * 1_000_000 : $dice->chance(0.02) ? $dice->below(500 * $step) : $dice->chance(0.2) ? $dice->below(20 * $step) : 0;
    my $time = $self->{now} - $late;
    my $grain = $dice->weighted(
        { grain => 1, weight => 2 },
        { grain => 125_000, weight => 4 },
        { grain => 1_000_000 },
        { grain => 60_000_000 },
        { grain => 3_600_000_000 })->{grain};

    return $grain > 20 * $step ? $time : $time - $time % $grain;
}

1;


=head1 NAME

StreamBatch::Equivalence::Windows - the windows that random queries group by, as tables

=head1 DESCRIPTION

A row of C<windows> has C<start> and C<end> (none where there is no such function), with C<{ts}> the time and C<{arguments}> what C<shapes> offers:
C<args>, for streams whose events C<span> between so many and so many seconds. C<zone>: by the calendar of a time zone; C<whole>: for dates as
well. C<set>: the functions are set-returning, so that their calls cannot stand everywhere; C<session>: the plain query is written otherwise;
C<types>: of the time, any unless given; C<native>: PostgreSQL's own function, a window where it reads the event time alone and is a key itself.

C<edges>: what a query makes of a window, the keys that it groups by.

=cut

package StreamBatch::Equivalence::Windows;

use strict;
use warnings;

my @tumbles = (
    { args => [ "'1 s'", "'7 s'", "'10 s'", "'250 ms'", "'90 s'", "'1 min'", "'5 min'", "'1 hour'" ], span => [ 0, 3_600 ] },
    { args => [ "'5 min'", "'7 min'", "'1 hour'", "'5 hours'" ], span => [ 3_600, 100_000 ] },
    { args => [ "'24 hours'", "'36 hours'", "'7 hours'", "'100 hours'" ], span => [ 50_000, 50_000_000 ] },
    { args => [ "'1 day'", "'2 days'", "'10 days'", "'1 week'" ], span => [ 50_000, 50_000_000 ], whole => 1 },
    { args => [ "'2 hours'", "'6 hours'", "'12 hours'" ], span => [ 50_000, 1_000_000 ], zone => 1 },
    { args => [ "'1 day'", "'1 week'", "'1 month'", "'3 months'", "'1 year'" ], span => [ 50_000, 50_000_000 ], zone => 1, whole => 1 });

my @hops = (
    { args => [ "'10 s', '1 min'", "'7 s', '20 s'", "'250 ms', '1 s'", "'5 s', '5 s'", "'40 s', '90 s'", "'1 min', '1 hour'" ], span => [ 0, 3_600 ] },
    { args => [ "'10 min', '1 hour'", "'7 min', '20 min'", "'1 hour', '5 hours'", "'1 hour', '4 hours'" ], span => [ 3_600, 100_000 ], zone => 1 },
    { args => [ "'2 hours', '6 hours'", "'4 hours', '12 hours'", "'3 hours', '5 hours'", "'7 hours', '1000 min'" ], span => [ 50_000, 1_000_000 ], zone => 1 },
    { args => [ "'1 day', '1 week'", "'1 week', '10 days'", "'2 days', '3 days'", "'1 month', '3 months'", "'2 months', '1 year'" ], span => [ 50_000, 50_000_000 ], zone => 1, whole => 1 });

my @cumulates = (
    { args => [ "'10 s', '1 min'", "'7 s', '21 s'", "'250 ms', '1 s'", "'1 min', '1 hour'" ], span => [ 0, 3_600 ] },
    { args => [ "'10 min', '1 hour'", "'1 hour', '5 hours'", "'1 hour', '4 hours'" ], span => [ 3_600, 100_000 ], zone => 1 },
    { args => [ "'1 hour', '1 day'", "'6 hours', '1 day'", "'2 hours', '12 hours'", "'5 hours', '10 hours'", "'30 min', '1 day'" ], span => [ 50_000, 1_000_000 ], zone => 1 },
    { args => [ "'1 day', '1 week'", "'2 days', '10 days'", "'1 month', '3 months'", "'1 month', '1 year'" ], span => [ 50_000, 50_000_000 ], zone => 1, whole => 1 });

my @gaps = (
    { args => [ "'1 s'", "'3 s'", "'600 ms'", "'10 s'", "'1 min'" ], span => [ 0, 3_600 ] },
    { args => [ "'1 min'", "'5 min'", "'1 hour'" ], span => [ 3_600, 100_000 ] },
    { args => [ "'20 min'", "'2 hours'", "'1 day'" ], span => [ 100_000, 1_000_000 ] },
    { args => [ "'1 day'", "'36 hours'", "'7 days'" ], span => [ 1_000_000, 50_000_000 ] },
    { args => [ "'1 day'", "'2 days'", "'24 hours'" ], span => [ 0, 50_000_000 ], whole => 1 });

my @fields = (
    { args => [ 'second', 'minute', 'hour' ], span => [ 0, 3_600 ] },
    { args => [ 'minute', 'hour', 'day' ], span => [ 3_600, 100_000 ] },
    { args => [ 'hour', 'day', 'week' ], span => [ 100_000, 1_000_000 ] },
    { args => [ 'day', 'week', 'month', 'quarter', 'year', 'decade', 'century' ], span => [ 50_000, 50_000_000 ] });

my @strides = (
    { args => [ "'1 s'", "'7 s'", "'250 ms'", "'90 s'", "'5 min'" ], span => [ 0, 3_600 ] },
    { args => [ "'7 min'", "'1 hour'", "'5 hours'", "'1 day'" ], span => [ 3_600, 100_000 ] },
    { args => [ "'2 hours'", "'36 hours'", "'1 day'", "'7 days'", "'1 day 12 hours'" ], span => [ 50_000, 50_000_000 ] });

our @windows = (
    { start => 'streambatch.tumble({ts}, {arguments})', end => 'streambatch.tumble_end({ts}, {arguments})', shapes => \@tumbles, weight => 3 },
    {
        start => 'streambatch.hop({ts}, {arguments})', end => 'streambatch.hop_end({ts}, {arguments})',
        shapes => \@hops, set => 1, weight => 3
    },
    {
        start => 'streambatch.cumulate({ts}, {arguments})', end => 'streambatch.cumulate_end({ts}, {arguments})',
        shapes => \@cumulates, set => 1, weight => 2
    },
    {
        start => 'streambatch.session({ts}, {arguments})', end => 'streambatch.session_end({ts}, {arguments})',
        shapes => \@gaps, session => 1, weight => 3
    },
    { start => "date_trunc('{arguments}', {ts})", shapes => \@fields, native => 1, types => [qw(timestamptz timestamp)] },
    { start => "date_trunc('{arguments}', {ts}, 'Europe/Berlin')", shapes => \@fields, native => 1, types => ['timestamptz'] },
    { start => "date_bin({arguments}, {ts}, '2001-01-01 00:00:07')", shapes => \@strides, native => 1, types => [qw(timestamptz timestamp)] });

our @edges = (
    { keys => ['{start}'], weight => 4 },
    { keys => ['{end}'] },
    { keys => [ '{start}', '{end}' ], weight => 2 },
    { keys => ["({start} + interval '60 s')"] },
    { keys => [ 'extract(epoch FROM {start})', '{end}' ] });

my @origins = ("'2000-01-01 00:00:03'", "'1999-12-31 22:30'", "'2030-01-01 00:00:00.5'", "'2024-02-15'");
my @zones = ('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu');

# The arguments behind the time, for a time of this type
sub arguments
{
    my ($window, $dice, $span, $type) = @_;
    my @fitting = grep { $type eq 'date' ? $_->{whole} : $span > $_->{span}[0] && $span <= $_->{span}[1] } @{ $window->{shapes} };
    my $shape = $dice->weighted(@fitting);
    my $arguments = $dice->pick(@{ $shape->{args} });

    return $arguments if $window->{native} || $window->{session} || $dice->chance(0.3);
    $arguments .= $dice->chance(0.5) ? ', NULL' : ', ' . $dice->pick($type eq 'date' ? $origins[-1] : @origins);
    return "$arguments, '" . $dice->pick($shape->{zone} ? @zones : 'UTC') . "'" if $dice->chance(0.5);
    return $arguments;
}

# The window's edge as SQL; the type of a key made of it
sub call { my ($template, $time, $arguments) = @_; return $template =~ s/\{ts\}/$time/gr =~ s/\{arguments\}/$arguments/gr; }

sub edge_type
{
    my ($edge, $type) = @_;

    return $edge =~ /^\{/ ? $type : $edge =~ /^extract/ ? 'numeric' : $type eq 'date' ? 'timestamp' : $type;
}

1;

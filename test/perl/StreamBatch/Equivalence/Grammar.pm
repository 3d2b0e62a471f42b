
=head1 NAME

StreamBatch::Equivalence::Grammar - the language that random queries are made of, as tables

=head1 DESCRIPTION

A row's C<sql> is a template. In it, C<{int4}> is an expression of that type, C<{int4|int8}> of one of these, C<{*}> of the row's own type where
that is C<*> (any), C<{int4=}> a constant, C<{int4@}> a column, and C<{int4!}> an expression whose sum does not depend on the order of addition.
Whatever has a C<weight> is chosen that many times as often as rows without.

To teach the generator something new, add a row.

=over

=item expressions

C<type>; C<of>: another type, of which there should be columns; C<fails>: raises on some rows, which are then the view's dead letters; C<rough>: floats that are not exact in binary.

=item aggregates

C<over>: type of the argument, C<{%}> in the template, and type of the result; C<rough>: correct but for the last digits, so that the
result is compared rounded, and no other expression is made of it.

=item windows

C<start> and C<end>, with C<{ts}> the time and C<{arguments}> what C<arguments> chooses by the span of the events, in seconds; C<spans>: the spans
that it fits.

=item edges

What a query makes of a window: the C<keys> that it groups by.

=item sources

What a query reads: C<from>, with C<{stream}>; C<columns> that come with it.

=back

=cut

package StreamBatch::Equivalence::Grammar;

use strict;
use warnings;

my @comparable = qw(bool int2 int4 int8 numeric float4 float8 text date time timestamp timestamptz interval uuid jsonb mood int4[] text[]);
my @ordered = grep { !/^(?:bool|uuid|jsonb)$/ } @comparable;
my %same = map { $_ => $_ } @ordered;
my %sum = (
    int2 => 'int8', int4 => 'int8', int8 => 'numeric', numeric => 'numeric',
    float4 => 'float4', float8 => 'float8', interval => 'interval');
my %mean = (
    int2 => 'numeric', int4 => 'numeric', int8 => 'numeric', numeric => 'numeric',
    float4 => 'float8', float8 => 'float8', interval => 'interval');

our @expressions = (
    { type => '*', sql => 'coalesce({*}, {*})', weight => 0.5 },
    { type => '*', sql => 'nullif({*}, {*=})', weight => 0.3 },
    { type => '*', sql => 'CASE WHEN {bool} THEN {*} ELSE {*} END', weight => 0.5 },
    { type => '*', sql => 'CASE WHEN {bool} THEN {*} END', weight => 0.3 },
    { type => 'bool', sql => '({bool} AND {bool})' },
    { type => 'bool', sql => '({bool} OR {bool})' },
    { type => 'bool', sql => '(NOT {bool})' },
    _for_each(\@comparable, '=', '<>', 'IS DISTINCT FROM {%}|', 'IS NOT NULL|', 'IN ({%=}, {%=}, {%})|', 'IN ({%=}, {%=}, {%=}, {%=})|'),
    _for_each(\@ordered, '<', '>=', 'BETWEEN {%=} AND {%=}|'),
    { type => 'bool', sql => "({text} LIKE '%a%')" },
    { type => 'bool', sql => "({text} ~ '^[a-z]+\$')" },
    { type => 'bool', sql => "({jsonb} ? 'n')" },
    { type => 'bool', sql => "({jsonb} @> {jsonb=})" },
    { type => 'bool', sql => '({int4} = ANY ({int4[]}))' },
    { type => 'int2', sql => '({int2} % 3::int2)' },
    { type => 'int4', sql => '({int4} % 3)' },
    { type => 'int4', sql => '({int4@} + {int2@} * 2)' },
    { type => 'int4', sql => 'length({text})' },
    { type => 'int4', sql => 'cardinality({int4[]})' },
    { type => 'int4', sql => '({int4[]})[1]' },
    { type => 'int4', sql => 'extract(hour FROM {timestamp|timestamptz|time})::int4' },
    { type => 'int4', sql => 'extract(isodow FROM {date|timestamp})::int4' },
    { type => 'int4', sql => 'width_bucket({float8@}, 0, 1000, 5)', fails => 1 },
    { type => 'int4', sql => '({int4@} / {int4@})', fails => 1 },
    { type => 'int4', sql => '({int4@} / ({int4@} % 4))', fails => 1 },
    { type => 'int4', sql => '{text}::int4', fails => 1 },
    { type => 'int8', sql => '{int4}::int8' },
    { type => 'int8', sql => '({int8} % 7)' },
    { type => 'int8', sql => '({int8@} + {int8@})', fails => 1 },
    { type => 'numeric', sql => '{int8}::numeric' },
    { type => 'numeric', sql => '({numeric} + {numeric})' },
    { type => 'numeric', sql => '({numeric@} * {numeric=})' },
    { type => 'numeric', sql => 'round({numeric}, 1)' },
    { type => 'numeric', sql => '({numeric} / nullif({int4}, 0))' },
    { type => 'numeric', sql => '({int4} * 1.5)' },
    { type => 'numeric', sql => 'extract(epoch FROM {timestamptz|timestamp|date|interval})' },
    { type => 'numeric', sql => '{text}::numeric', fails => 1 },
    { type => 'numeric', sql => '({numeric} / {numeric@})', fails => 1 },
    { type => 'numeric', sql => 'sqrt({numeric@})', fails => 1 },
    { type => 'float4', sql => '({float4@} + 0.5::float4)' },
    { type => 'float8', sql => '{int4}::float8' },
    { type => 'float8', sql => '({float8@} + {int4@})' },
    { type => 'float8', sql => '({float8@} * 0.5)' },
    { type => 'float8', sql => '({float8} / nullif({float8}, 0))', rough => 1 },
    { type => 'float8', sql => '({float8} * {float8@})', rough => 1 },
    { type => 'text', sql => 'upper({text})' },
    { type => 'text', sql => '({text} || {text})' },
    { type => 'text', sql => '({text} COLLATE "C")' },
    { type => 'text', sql => 'substr({text}, 1, 1)' },
    { type => 'text', sql => '{int4|bool|date|uuid|mood|int4[]|timestamptz}::text' },
    { type => 'text', sql => "({jsonb} ->> 'k')" },
    { type => 'text', sql => "to_char({timestamptz}, 'YYYY-MM-DD')" },
    { type => 'text', sql => "CASE {text} WHEN 'buy' THEN 'b' WHEN 'sell' THEN 's' ELSE '' END" },
    { type => 'date', sql => '{timestamp|timestamptz}::date' },
    { type => 'date', sql => '({date} + 7)' },
    { type => 'time', sql => '{timestamp}::time' },
    { type => 'timestamp', sql => "({timestamptz} AT TIME ZONE 'America/New_York')" },
    { type => 'timestamp', sql => "date_trunc('hour', {timestamp})" },
    { type => 'timestamptz', sql => "({timestamptz} + interval '3 s')" },
    { type => 'timestamptz', sql => "({timestamp} AT TIME ZONE 'UTC')" },
    { type => 'interval', sql => '({timestamp} - {timestamp})' },
    { type => 'interval', sql => '({interval} + {interval=})' },
    { type => 'jsonb', sql => "({jsonb} -> 'n')" },
    { type => 'jsonb', sql => 'jsonb_build_array({int4}, {text})' },
    { type => 'int4[]', sql => 'ARRAY[{int4}, {int4}]' },
    { type => 'int4[]', sql => '({int4[]} || {int4})' },
    { type => 'text[]', sql => 'ARRAY[{text}]' },
    { type => 'mood', sql => "CASE WHEN {bool} THEN 'ok'::mood ELSE 'sad'::mood END" });

our @aggregates = (
    { sql => 'count(*)', over => { none => 'int8' }, weight => 4 },
    { sql => 'count({%})', over => { map { $_ => 'int8' } @comparable }, weight => 2 },
    { sql => 'sum({%!})', over => \%sum, weight => 5 },
    { sql => 'avg({%!})', over => \%mean, weight => 4 },
    { sql => 'min({%})', over => \%same, weight => 3 },
    { sql => 'max({%})', over => \%same, weight => 3 });

# Sizes and shifts by the span of the events
my @sizes = (
    { sizes => [ '1 s', '7 s', '10 s', '250 ms', '90 s', '1 min', '5 min', '1 hour' ], spans => [ 0, 3_600 ] },
    { sizes => [ '5 min', '7 min', '1 hour', '5 hours' ], spans => [ 3_600, 100_000 ] },
    { sizes => [ '24 hours', '36 hours', '7 hours', '100 hours' ], spans => [ 50_000, 50_000_000 ] },
    { sizes => [ '1 day', '2 days', '10 days', '1 week' ], spans => [ 50_000, 50_000_000 ], whole => 1 });

our @windows = (
    {
        start => 'streambatch.tumble({ts}, {arguments})',
        end => 'streambatch.tumble_end({ts}, {arguments})',
        arguments => \&_tumble_arguments
    });

our @edges = (
    { keys => ['{start}'], weight => 4 },
    { keys => ['{end}'] },
    { keys => [ '{start}', '{end}' ], weight => 2 },
    { keys => ["({start} + interval '60 s')"], type => 'shifted' },
    { keys => [ 'extract(epoch FROM {start})', '{end}' ], type => 'numeric' });

our @sources = ({ from => '{stream}' });

# Conditions on an expression of each type: operators with one more, or what follows up to |
sub _for_each
{
    my ($types, @operators) = @_;
    my @rows;

    foreach my $type (@$types)
    {
        foreach (@operators)
        {
            my $rest = /\|$/ ? s/\|$//r : "$_ {%}";

            push @rows, { type => 'bool', of => $type, weight => 0.25, sql => "({%} $rest)" =~ s/%/$type/gr };
        }
    }
    return @rows;
}

# of the window's time, date or not
sub _tumble_arguments
{
    my ($dice, $span, $type) = @_;
    my @fitting = grep { $span > $_->{spans}[0] && $span <= $_->{spans}[1] || $type eq 'date' } grep { $_->{whole} || $type ne 'date' } @sizes;
    my $size = $dice->pick(@{ $dice->pick(@fitting)->{sizes} });
    my $origin = $type eq 'date' ? '2000-01-01' : $dice->pick('2000-01-01 00:00:03', '1999-12-31 22:30', '2030-01-01 00:00:00.5');

    return "'$size'" if $dice->chance(0.7);
    return "'$size', '$origin" . ($type eq 'timestamptz' ? '+00' : '') . "'" if $dice->chance(0.6);
    return "size => '$size', time_zone => 'UTC'";
}

1;

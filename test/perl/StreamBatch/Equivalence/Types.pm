
=head1 NAME

StreamBatch::Equivalence::Types - the types of columns, and random values of them

=head1 SYNOPSIS

  my ($text, $json) = StreamBatch::Equivalence::Types::value('numeric', $dice, $clock);

=head1 DESCRIPTION

A value is what the type's input function reads, and the JSON that an event has for it. Floats are multiples of 1/8, and small, so that
their sums do not depend on the order of addition. C<clock> says around when times are: C<base>, seconds since 1970, and C<span>, seconds.

=cut

package StreamBatch::Equivalence::Types;

use strict;
use warnings;

use POSIX qw(floor strftime);

my @words = ('', 'a', 'b', 'buy', 'Buy', 'sell', "\xc3\xa9t\xc3\xa9", 'x y', "it's", 'say "so"', '100%', '0', '1.0', 'NULL', '{}', "\xe6\x97\xa5");
my @intervals = ('0', '1 s', '-1 s', '90 min', '1 day', '24:00:00', '30 days', '1 mon', '1 year -1 day', '00:00:00.125');
my @documents = ('{}', '[]', '1', '"x"', 'true', '{"n": 1}', '{"n": 2, "k": "v"}', '{"k": null}', '[1, 2]', '[1, [2, {"n": 3}]]');

my %types = (
    bool => { value => sub { $_[0]->pick(qw(true false)) }, bare => 1 },
    int2 => { value => sub { $_[0]->between(-20, 100) }, bare => 1 },
    int4 => { value => sub { $_[0]->between(-10, 1000) }, bare => 1 },
    int8 => {
        value => sub { $_[0]->chance(0.1) ? $_[0]->pick(qw(9223372036854775807 -9223372036854775808)) : $_[0]->between(-5, 5000) },
        bare => 1
    },
    numeric => {
        value => sub { $_[0]->chance(0.06) ? $_[0]->pick(qw(NaN Infinity -98765432109876543210.123456789 1e3)) : _decimal(@_) },
        bare => 1
    },
    float4 => { value => sub { $_[0]->between(-400, 400) / 8 }, bare => 1 },
    float8 => { value => sub { $_[0]->chance(0.03) ? $_[0]->pick(qw(NaN Infinity -0.0)) : $_[0]->between(-800, 8000) / 8 }, bare => 1 },
    text => { value => sub { $_[0]->pick(@words) } },
    date => { value => sub { _time(@_, '%Y-%m-%d') } },
    time => { value => sub { _time(@_, '%H:%M:%S') } },
    timestamp => { value => sub { _time(@_, '%Y-%m-%dT%H:%M:%S') } },
    timestamptz => { value => sub { _time(@_, '%Y-%m-%dT%H:%M:%SZ') } },
    interval => { value => sub { $_[0]->pick(@intervals) } },
    uuid => { value => sub { sprintf '%08x-0000-4000-8000-00000000000%x', $_[0]->below(3), $_[0]->below(16) } },
    jsonb => { value => sub { $_[0]->pick(@documents) }, json => sub { $_[0] } },
    bytea => { value => sub { '\\x' . join '', map { sprintf '%02x', $_[0]->pick(0, 1, 128, 255) } 1 .. $_[0]->below(3) } },
    inet => { value => sub { $_[0]->pick(qw(10.0.0.1 10.0.0.0/8 ::1 192.168.1.7/24)) } },
    tally => { value => sub { $_[0]->between(0, 20) }, bare => 1 },
    mood => { value => sub { $_[0]->pick(qw(sad ok happy)) } },
    int4range => { value => sub { my $from = $_[0]->between(-5, 20); "[$from," . ($from + $_[0]->below(6)) . ')' } },
    'int4[]' => { value => sub { '{' . join(',', map { $_[0]->pick(qw(NULL 1 2 3)) } 1 .. $_[0]->below(4)) . '}' }, json => \&_json_array },
    'text[]' => { value => sub { '{' . join(',', map { $_[0]->pick(qw(a b c)) } 1 .. $_[0]->below(3)) . '}' } });

sub names { my @names = sort keys %types; return @names; }

sub value
{
    my ($name, $dice, $clock) = @_;
    my $type = $types{$name};
    my $text = $type->{value}->($dice, $clock);

    return ($text, $type->{json}->($text)) if $type->{json};

    # a number is one in JSON, mostly; NaN is not
    return ($text, $text) if $type->{bare} && $text !~ /[NI]/ && $dice->chance(0.9);
    return ($text, json_string($text));
}

sub json_string
{
    my ($text) = @_;

    $text =~ s/([\\"])/\\$1/g;
    return "\"$text\"";
}

# An instant in ISO 8601, UTC: microseconds since 1970.
sub iso
{
    my ($time) = @_;
    my $seconds = floor($time / 1_000_000);

    return strftime('%Y-%m-%dT%H:%M:%S', gmtime $seconds) . sprintf('.%06dZ', $time - $seconds * 1_000_000);
}

sub _decimal { my ($dice) = @_; return sprintf '%.*f', $dice->below(4), $dice->between(-2000, 20000) / 100; }

sub _time
{
    my ($dice, $clock, $format) = @_;

    return strftime($format, gmtime($clock->{base} + $dice->below($clock->{span})));
}

sub _json_array { my ($text) = @_; $text =~ tr/{}/[]/; return $text =~ s/NULL/null/gr; }

1;

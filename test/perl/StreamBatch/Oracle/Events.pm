
=head1 NAME

StreamBatch::Oracle::Events - random messages, and what each of them means

=head1 SYNOPSIS

  my $events = StreamBatch::Oracle::Events->new(seed => 42);
  my ($payload, $row) = $events->next;

=head1 DESCRIPTION

C<next> makes a message for a stream of the columns C<columns>: its payload (undef: a tombstone) and its row as texts that PostgreSQL's own input
functions read, undef for NULL; no row where the message is a dead letter of the stream. Nothing here knows how the extension decodes.

Event times move on by themselves, some late, some out of order, a few of long ago.

=cut

package StreamBatch::Oracle::Events;

use strict;
use warnings;

use POSIX qw(floor strftime);

my @columns = (
    [ user_id => 'bigint' ],
    [ kind => 'text' ],
    [ amount => 'numeric' ],
    [ qty => 'int' ],
    [ score => 'float8' ],
    [ ts => 'timestamptz' ]);

# payloads that no stream can take: %s is where a good event time goes
my @bad = (
    '{"user_id": 1, "ts": "%s"',
    'not json', '', '[]', '"%s"',
    '{"user_id": 1}',
    '{"user_id": 1, "ts": null}',
    '{"user_id": 1, "ts": "infinity"}',
    '{"user_id": 1, "ts": "2990-01-01T00:00:00Z"}',
    '{"user_id": 1, "ts": "yesterday noon"}',
    '{"user_id": "one", "ts": "%s"}',
    '{"user_id": 99999999999999999999, "ts": "%s"}',
    '{"qty": 1.5, "ts": "%s"}',
    '{"qty": 3000000000, "ts": "%s"}',
    '{"amount": "a lot", "ts": "%s"}',
    '{"score": {}, "ts": "%s"}',
    '{"kind": "\ud800", "ts": "%s"}',
    "{\"kind\": \"\xff\", \"ts\": \"%s\"}");

sub new
{
    my ($class, %options) = @_;

    srand $options{seed};
    return bless {
        # 2025-03-01 00:00 UTC, in microseconds
        now => 1_740_787_200 * 1_000_000,
        users => $options{users} // 12,
        bad => $options{bad} // 0.02
    }, $class;
}

sub columns { return @columns; }

# Let event time pass.
sub pass
{
    my ($self, $seconds) = @_;

    $self->{now} += floor($seconds * 1_000_000);
    return;
}

sub next
{
    my ($self) = @_;

    $self->{now} += floor(rand 50_000);
    return (undef, undef) if rand() < $self->{bad} / 4;
    return ($self->_bad, undef) if rand() < $self->{bad};

    my %row = (
        user_id => maybe(0.1, sub { int rand $self->{users} }),
        kind => maybe(0.1, sub { (qw(buy sell hold), "\xc3\xa9t\xc3\xa9", '')[ rand 5 ] }),
        amount => maybe(0.1, \&amount),
        qty => maybe(0.1, sub { int(rand 40) - 5 }),
        score => maybe(0.1, sub { int(rand 4000) / 8 }));
    my $ts = $self->_time;
    my @members = map { defined $row{$_} ? "\"$_\": " . json($_, $row{$_}) : rand() < 0.5 ? "\"$_\": null" : () }
      grep { $_ ne 'ts' } map { $_->[0] } @columns;

    # duplicate keys: the last one wins
    unshift @members, '"qty": 77' if rand() < 0.02 && grep { /^"qty"/ } @members;
    push @members, '"ts": "' . iso($ts, rand() < 0.2 ? 5.5 : 0) . '"';
    push @members, '"more": {"nested": [1, 2, {"ts": null}]}' if rand() < 0.1;
    $row{ts} = iso($ts, 0);
    return ('{' . join(', ', @members) . '}', [ map { $row{ $_->[0] } } @columns ]);
}

sub _time
{
    my ($self) = @_;
    my $dice = rand;
    my $late = $dice < 0.01 ? 60 * 365 * 86400 : $dice < 0.05 ? rand 86400 : $dice < 0.3 ? rand 30 : 0;

    return $self->{now} - floor($late * 1_000_000);
}

sub _bad
{
    my ($self) = @_;
    my $payload = $bad[ rand @bad ];

    # more than a day ahead of any clock that runs this
    return $payload =~ s/%s/iso($self->_time, 0)/er;
}

sub maybe { my ($chance, $make) = @_; return rand() < $chance ? undef : $make->(); }

sub amount
{
    my $dice = rand;

    return '1e3' if $dice < 0.02;
    return '-98765432109876543210.123456789' if $dice < 0.03;
    return sprintf '%.*f', int rand 5, rand(200) - 20;
}

# text is always quoted, numbers sometimes
sub json
{
    my ($column, $value) = @_;

    return $column eq 'kind' || rand() < 0.1 ? "\"$value\"" : $value;
}

# microseconds since 1970 in ISO 8601, as a clock this many hours ahead of UTC shows it
sub iso
{
    my ($time, $hours) = @_;
    my $local = $time + $hours * 3_600_000_000;
    my $seconds = floor($local / 1_000_000);
    my $zone = $hours ? sprintf('+%02d:%02d', int $hours, 60 * ($hours - int $hours)) : 'Z';

    return strftime('%Y-%m-%dT%H:%M:%S', gmtime $seconds) . sprintf('.%06d', $local - $seconds * 1_000_000) . $zone;
}

1;

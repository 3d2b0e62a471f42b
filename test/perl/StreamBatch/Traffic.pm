
=head1 NAME

StreamBatch::Traffic - events that never end, from a process of its own

=head1 SYNOPSIS

  my $traffic = StreamBatch::Traffic->new($broker, 'events', 2);    # {"user_id": …, "amount": …, "ts": …} to two partitions
  $traffic->burst;                                                   # some more at once, acknowledged
  my $n = $traffic->finish;                                          # stops; how many there were altogether

=cut

package StreamBatch::Traffic;

use strict;
use warnings;

use Carp;
use POSIX qw(strftime);
use Time::HiRes qw(sleep);

sub new
{
    my ($class, $broker, $topic, $partitions) = @_;
    my $self = bless { broker => $broker, topic => $topic, partitions => $partitions, sent => 0, owner => $$ }, $class;

    pipe($self->{from}, my $to) or croak "pipe: $!";
    $self->{pid} = fork // croak "fork: $!";
    return $self if $self->{pid};

    # END blocks are the parent's
    eval { $self->_send($to) };
    print STDERR $@ if $@;
    POSIX::_exit($@ ? 1 : 0);
}

sub _send
{
    my ($self, $to) = @_;
    my $client = $self->{broker}->client;
    my $stop = 0;
    my $parent = $self->{owner};

    local $SIG{TERM} = sub { $stop = 1; };
    until ($stop || getppid != $parent)
    {
        $self->_some($client);
        # slow enough for an embedded broker, which keeps the newest of it only
        sleep 0.03;
    }
    $client->close;
    syswrite $to, "$self->{sent}\n";
    return;
}

sub _some
{
    my ($self, $client) = @_;

    foreach my $partition (0 .. $self->{partitions} - 1)
    {
        my @messages = map { [ undef, event($self->{sent} + $_) ] } 1 .. 10;

        $client->produce($self->{topic}, $partition, @messages);
        $self->{sent} += @messages;
    }
    return;
}

sub event
{
    my ($n) = @_;

    return sprintf '{"user_id": %d, "amount": %d.%02d, "ts": "%s"}', $n % 7, $n % 50, $n % 100,
      strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(1_740_787_200 + $n / 50));
}

sub burst
{
    my ($self) = @_;

    $self->_some($self->{broker}) foreach 1 .. 5;
    return;
}

sub finish
{
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    kill 'TERM', $pid;
    my $sent = readline $self->{from};
    waitpid $pid, 0;
    croak 'the traffic ended before its time' unless defined $sent;
    return $self->{sent} + $sent;
}

sub DESTROY { my ($self) = @_; local ($?, $!); eval { $self->finish } if $self->{pid} && $self->{owner} == $$; return; }

1;

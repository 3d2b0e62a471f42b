
=head1 NAME

StreamBatch::Broker - a Kafka broker for tests: embedded or Apache Kafka, behind one interface

=head1 SYNOPSIS

  my $broker = StreamBatch::Broker->embedded;    # at once, in memory; its limits: test/broker/mock_broker.c
  my $broker = StreamBatch::Broker->kafka;       # 3 seconds, everything

  $broker->create_topic('events', 4);
  my @offsets = $broker->produce('events', 0, [ 'key', '{"user_id": 1}' ], [ undef, '{}', 1_700_000_000_000, { h => 'x' } ]);
  $broker->stop;     # clients find nobody there
  $broker->start;    # and now they do, at the same address, with all messages

=head1 METHODS

  bootstrap                                bootstrap.servers
  create_topic(name, partitions, property => value …)    properties on Kafka only
  produce(topic, partition, [key, value, milliseconds, {header => value}] …)    acknowledged; returns the offsets
  produce_file(topic, partitions, path)    each line a message, partitions in turn; returns their number
  range(topic, partition)                  first offset and log end
  client(property => value …)              a client of its own, for transactions: StreamBatch::Client
  stop, start                              gone, and back with its messages
  freeze, thaw                             connections stay, answers do not come

Kafka only:

  delete_topic(name)   add_partitions(name, total)   truncate(topic, partition, first_offset_to_keep)
  kill                                     SIGKILL; start recovers it

Embedded only:

  command(words …)                         a command of mock_broker.c: injected errors, delays, leaders

Brokers end with the test.

=cut

package StreamBatch::Broker;

use strict;
use warnings;

use Carp;
use File::Temp ();
use StreamBatch::Broker::Embedded;
use StreamBatch::Broker::Kafka;
use StreamBatch::Client;

my @all;

sub embedded { my ($class, @args) = @_; return _remember(StreamBatch::Broker::Embedded->new(@args)); }
sub kafka { my ($class, @args) = @_; return _remember(StreamBatch::Broker::Kafka->new(@args)); }

sub _remember { push @all, $_[0]; return $_[0]; }

sub bootstrap { return $_[0]->{bootstrap}; }

sub client
{
    my ($self, %properties) = @_;

    return StreamBatch::Client->new($self->bootstrap, %properties);
}

sub produce { my ($self, @args) = @_; return $self->_own_client->produce(@args); }
sub produce_file { my ($self, @args) = @_; return ($self->_own_client->call('lines', @args))[0]; }
sub range { my ($self, @args) = @_; return $self->_own_client->call('range', @args); }

sub _own_client
{
    my ($self) = @_;

    $self->{client} //= $self->client;
    return $self->{client};
}

# a topic that comes back under the same name is another one to the client too
sub _forget_client
{
    my ($self) = @_;

    my $client = delete $self->{client};
    $client->close if $client;
    return;
}

sub freeze { my ($self) = @_; kill 'STOP', $self->pid; return; }
sub thaw { my ($self) = @_; kill 'CONT', $self->pid; return; }

END
{
    local $?;
    foreach my $broker (grep { $_->{owner} == $$ } @all)
    {
        $broker->_forget_client;
        $broker->finish;
    }
}

1;

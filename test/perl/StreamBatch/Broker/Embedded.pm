
=head1 NAME

StreamBatch::Broker::Embedded - mock_broker behind the interface of StreamBatch::Broker

=cut

package StreamBatch::Broker::Embedded;

use strict;
use warnings;
use parent -norequire, 'StreamBatch::Broker';

use Carp;
use IPC::Open2;
use StreamBatch::Paths;

sub new
{
    my ($class, %options) = @_;

    my $pid = open2(my $from, my $to, StreamBatch::Paths::tool('broker/mock_broker'), $options{brokers} // 1);
    $to->autoflush(1);
    my $bootstrap = readline($from) // croak 'the embedded broker did not start';
    chomp $bootstrap;
    return bless { bootstrap => $bootstrap, process => $pid, from => $from, to => $to, owner => $$ }, $class;
}

sub pid { return $_[0]->{process}; }

sub command
{
    my ($self, @words) = @_;

    local $SIG{PIPE} = 'IGNORE';
    print { $self->{to} } "@words\n" or croak 'the embedded broker is gone';
    my $answer = readline($self->{from}) // croak 'the embedded broker is gone';
    chomp $answer;
    croak "@words: $answer" unless $answer eq 'ok';
    return;
}

sub create_topic
{
    my ($self, $name, $partitions, %properties) = @_;

    croak 'the embedded broker does not support topic properties' if %properties;
    return $self->command('create', $name, $partitions // 1);
}

sub stop { return $_[0]->command('down', 0); }
sub start { return $_[0]->command('up', 0); }

sub finish
{
    my ($self) = @_;

    my $pid = delete $self->{process} or return;
    kill 'CONT', $pid;
    close($self->{to});
    waitpid($pid, 0);
    close($self->{from});
    return;
}

1;

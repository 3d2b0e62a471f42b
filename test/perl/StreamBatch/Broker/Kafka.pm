
=head1 NAME

StreamBatch::Broker::Kafka - kafka.sh behind the interface of StreamBatch::Broker

=cut

package StreamBatch::Broker::Kafka;

use strict;
use warnings;
use parent -norequire, 'StreamBatch::Broker';

use Carp;
use File::Temp ();
use StreamBatch::Paths;

sub new
{
    my ($class) = @_;

    my $self = bless { dir => File::Temp->newdir('kafka_XXXXXX', TMPDIR => 1), owner => $$ }, $class;
    $self->start;
    return $self;
}

sub start
{
    my ($self) = @_;

    $self->_script('start');
    open my $file, '<', "$self->{dir}/bootstrap" or croak "no bootstrap file: $!";
    chomp($self->{bootstrap} = readline $file);
    close $file;
    return;
}

sub stop { return $_[0]->_script('stop'); }
sub kill { return $_[0]->_script('kill'); }

sub pid
{
    my ($self) = @_;

    open my $file, '<', "$self->{dir}/kafka.pid" or croak 'Kafka does not run';
    chomp(my $pid = readline $file);
    close $file;
    return $pid;
}

sub create_topic
{
    my ($self, $name, $partitions, %properties) = @_;

    return $self->_own_client->call('create', $name, $partitions // 1,
        map { "$_=$properties{$_}" } sort keys %properties);
}

sub delete_topic
{
    my ($self, $name) = @_;

    $self->_own_client->call('delete', $name);
    return $self->_forget_client;
}

sub add_partitions { my ($self, @args) = @_; return $self->_own_client->call('grow', @args); }
sub truncate { my ($self, @args) = @_; return $self->_own_client->call('truncate', @args); }

sub finish
{
    my ($self) = @_;

    my $dir = delete $self->{dir} or return;
    CORE::kill 'CONT', $self->_pid_or_none($dir);
    system(StreamBatch::Paths::tool('broker/kafka.sh'), 'kill', "$dir");
    return;
}

sub _pid_or_none
{
    my ($self, $dir) = @_;

    open my $file, '<', "$dir/kafka.pid" or return ();
    chomp(my $pid = readline($file) // '');
    close $file;
    return $pid ? ($pid) : ();
}

sub _script
{
    my ($self, $command) = @_;

    system(StreamBatch::Paths::tool('broker/kafka.sh'), $command, "$self->{dir}") == 0
      or croak "kafka.sh $command failed";
    return;
}

1;

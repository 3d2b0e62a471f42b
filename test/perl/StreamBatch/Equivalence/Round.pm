
=head1 NAME

StreamBatch::Equivalence::Round - many random queries over one random stream, and everything that can happen meanwhile

=head1 SYNOPSIS

  my $round = StreamBatch::Equivalence::Round->new(node => $node, broker => $broker, seed => 42, number => 3, queries => 40);
  my @wrong = $round->run;

=head1 DESCRIPTION

Each query decides by its own dice when its view is made and when it is refreshed and how; C<only> runs one of them, with the same events.
Views that are made before the first event, and not refreshed until all has been read, show what the stream layer says by itself.

=cut

package StreamBatch::Equivalence::Round;

use strict;
use warnings;

use Carp;
use StreamBatch::Background;
use StreamBatch::Equivalence::Dice;
use StreamBatch::Equivalence::Query;
use StreamBatch::Equivalence::Schema;
use Time::HiRes qw(sleep);

my $steps = 7;

my @refreshes = (
    { call => sub { "CALL streambatch.refresh('$_[0]')" }, weight => 3 },
    { call => sub { "CALL streambatch.refresh('$_[0]', full => true)" } },
    { call => sub { "CALL streambatch.refresh('$_[0]', NULL, 'infinity')" }, range => 1 },
    { call => sub { "CALL streambatch.refresh('$_[0]', \"from\" => '" . _instant(@_[ 1, 2 ]) . '\')' }, range => 1 },
    { call => sub { "CALL streambatch.refresh('$_[0]', '-infinity', '" . _instant(@_[ 1, 2 ]) . '\')' }, range => 1, weight => 0.5 },
    { call => \&_range, range => 1, weight => 3 });

sub new
{
    my ($class, %options) = @_;
    my $self = bless { %options, log => [], compared => 0, empty => 0, refused => [], wrong => [] }, $class;

    $self->{dice} = $self->_dice('events');
    $self->{schema} = StreamBatch::Equivalence::Schema->new($self->_dice('schema'), "s$self->{number}");
    $self->{background} = StreamBatch::Background->new($self->{node});
    $self->{views} = [ map { $self->_plan($_) } grep { !defined $self->{only} || $_ == $self->{only} } 1 .. $self->{queries} ];
    return $self;
}

sub _dice { my ($self, @words) = @_; return StreamBatch::Equivalence::Dice->new($self->{seed}, $self->{number}, @words); }
sub empty { my ($self) = @_; return $self->{empty}; }
sub compared { my ($self) = @_; return $self->{compared}; }
sub refused { my ($self) = @_; return @{ $self->{refused} }; }

# When a query's view is made, and what refreshes it has
sub _plan
{
    my ($self, $n) = @_;
    my $dice = $self->_dice('query', $n);
    my $query = StreamBatch::Equivalence::Query->new($dice, $self->{schema}, "s$self->{number}_v$n");

    # a query that fails on an archived event cannot be created
    my $made = $query->fails || $dice->chance(0.5) ? 0 : $dice->between(1, $steps - 2);
    my $stays = $query->fails || $dice->chance(0.95);
    my $view = { number => $n, query => $query, made => $made, stream_only => $made == 0 && $dice->chance(0.4), refreshes => {}, dice => $dice };

    $view->{dropped} = $dice->between($made + 1, $steps) unless $stays;

    return $view if $view->{stream_only} || $view->{dropped};
    $view->{refreshes}{ $dice->between($made + 1, $steps) } = $self->_refresh($query, $dice) foreach 1 .. $dice->below(4);
    return $view;
}

sub _refresh
{
    my ($self, $query, $dice) = @_;

    return $dice->weighted(grep { $query->windowed || !$_->{range} } @refreshes)->{call}->($query->name, $dice, $self->{schema}->clock);
}

sub _instant
{
    my ($dice, $clock) = @_;

    return StreamBatch::Equivalence::Types::iso(1_000_000 * ($clock->{base} + $dice->below(1.2 * $clock->{span}) - 0.1 * $clock->{span}));
}

sub _range
{
    my ($view, $dice, $clock) = @_;
    my ($from, $to) = sort { $a cmp $b } map { _instant($dice, $clock) } 1 .. 2;

    return "CALL streambatch.refresh('$view', '$from', '$to')";
}

# ---- what happens

sub run
{
    my ($self) = @_;

    eval {
        $self->_begin;
        $self->_step($_) foreach 1 .. $steps;
        $self->_end;
    } or push @{ $self->{wrong} }, "round $self->{number} ended early: $@";
    return @{ $self->{wrong} };
}

sub _begin
{
    my ($self) = @_;
    my $schema = $self->{schema};

    $self->{broker}->create_topic($schema->name, $schema->partitions);
    $self->_psql('ALTER DATABASE postgres SET timezone = ' . $schema->zone . ";\n\\c\n" . $schema->ddl);
    $self->_create(0);
    $self->_psql('SELECT streambatch.resume(\'' . $schema->name . '\')') unless $self->_living;
    $self->_check('before the first event', [ $self->_living ]);
    return;
}

sub _step
{
    my ($self, $step) = @_;
    my $dice = $self->{dice};

    $self->_note("step $step");
    $self->_burst($dice->pick(20, 60, 100, 200));
    $self->_wait if $dice->chance(0.4);
    $self->_interrupt if $dice->chance(0.2);
    $self->_create($step);
    $self->_drop($_) foreach grep { $_->{dropped} && $_->{dropped} == $step } $self->_living;
    foreach my $view (grep { $_->{refreshes}{$step} } $self->_living)
    {
        $self->_start_refresh($view->{refreshes}{$step});
    }
    $self->_trickle(8);
    $self->_burst($dice->pick(0, 20, 50));
    $self->_check("step $step", [ grep { $_->{dice}->chance(0.35) } $self->_living ]) if $step % 2;
    $self->{background}->reap;
    return;
}

sub _end
{
    my ($self) = @_;
    my @views = $self->_living;

    $self->{background}->finish;
    $self->_wait;
    $self->_check('all is read', \@views);
    $self->_check('stream layer alone', [ grep { $_->{stream_only} } @views ], serve => 'stream');
    $self->_refresh_all(sub { "CALL streambatch.refresh('$_[0]'" . ($_[1]->windowed ? ', "to" => \'infinity\'' : '') . ', full => true)' });
    $self->_check('all is refreshed', \@views, exact => 1);
    $self->_check('batch layer alone', \@views, serve => 'batch', exact => 1);
    $self->_burst(100);
    $self->_wait;
    $self->_check('later events', \@views);
    $self->_refresh_in_traffic;
    $self->_check('refreshed in traffic', \@views);
    $self->_check('as layers', [ grep { $_->{query}->layered } @views ], layers => 1);
    $self->_all_is_well;
    $self->_psql('DROP FOREIGN TABLE ' . $self->{schema}->name . ' CASCADE; DROP TABLE ' . $self->{schema}->archive . ';');
    return 1;
}

sub _living { my ($self) = @_; return grep { $_->{lives} } @{ $self->{views} }; }

sub _note { my ($self, @what) = @_; push @{ $self->{log} }, @what; return; }

# A script whose statements go on after an error; its output.
sub _psql
{
    my ($self, $script) = @_;
    my ($status, $out, $err) = $self->{node}->psql('postgres', "SET client_min_messages = warning;\n$script", on_error_stop => 0, timeout => 300);

    push @{ $self->{wrong} }, "psql: $err" if $err =~ /ERROR/ && $script !~ /SQLSTATE/;
    return ($out, $err);
}

sub _burst
{
    my ($self, $n) = @_;
    my $dice = $self->{dice};
    my @batches;

    push @{ $batches[ $dice->below($self->{schema}->partitions) ] }, $self->{schema}->event($dice) foreach 1 .. $n;
    foreach my $partition (grep { $batches[$_] } 0 .. $#batches)
    {
        $self->{broker}->produce($self->{schema}->name, $partition, @{ $batches[$partition] });
    }
    $self->{sent} += $n;
    return;
}

# Few events at a time, so that some come between a refresh's cut and what it reads
sub _trickle
{
    my ($self, $times) = @_;

    $self->_note("$times times 3 events");
    foreach (1 .. $times)
    {
        $self->_burst(3);
        sleep 0.01;
    }
    return;
}

# The worker restarts at the stored positions.
sub _interrupt
{
    my ($self) = @_;
    my $name = $self->{schema}->name;

    $self->_note('pause, resume');
    $self->_psql("SELECT streambatch.pause('$name'); SELECT streambatch.resume('$name');");
    return;
}

sub _wait { my ($self) = @_; $self->_note('wait'); $self->{node}->wait_for($self->{schema}->name); return; }

sub _create
{
    my ($self, $step) = @_;
    my @views = grep { $_->{made} == $step } @{ $self->{views} } or return;
    my $script = '';

    foreach my $view (@views)
    {
        my $query = $view->{query};

        $script .= "\\echo # $view->{number}\nSELECT streambatch.create_view('${\ $query->name}', \$query\$${\ $query->view_sql}\$query\$);\n";
        $script .= "\\echo #ended :SQLSTATE :LAST_ERROR_MESSAGE\n";
    }
    my %ended = $self->_ended($self->_psql($script));
    foreach my $view (@views)
    {
        my ($state, $message) = @{ $ended{ $view->{number} } // [ 'none', 'psql did not get there' ] };

        $view->{lives} = $state eq '00000';
        $self->_note("create view $view->{number}");
        push @{ $self->{refused} }, [ $view->{query}->view_sql, "$state: $message" ] if $state =~ /^(?:0A000|42P20|22023)$/;
        next if $view->{lives};
        my ($out, $err) = $self->_psql('EXPLAIN ' . $view->{query}->plain_sql(condition => 'true') . "; -- SQLSTATE\n");
        $self->_complain($view, "create_view: $state: $message\nthe plain query: " . ($err || 'no error'));
    }
    return;
}

sub _drop
{
    my ($self, $view) = @_;

    $self->_note("drop view $view->{number}");
    $self->_psql('DROP VIEW ' . $view->{query}->name . ';');
    $view->{lives} = 0;
    return;
}

# Of a script: number => [SQLSTATE, message, lines]
sub _ended
{
    my ($self, $out) = @_;
    my (%ended, $number, @lines);

    foreach (split /\n/, $out)
    {
        if (/^# (\d+)/) { $number = $1; @lines = (); }
        elsif (/^#ended (\S+) ?(.*)/) { $ended{$number} = [ $1, $2, [@lines] ]; }
        else { push @lines, $_; }
    }
    return %ended;
}

sub _start_refresh
{
    my ($self, $call) = @_;

    $self->_note($call);
    $self->{background}->reap;
    $self->{background}->finish if $self->{background}->running >= 2;
    $self->{background}->start($call);
    return;
}

sub _refresh_all
{
    my ($self, $call) = @_;
    my @calls = map { $call->($_->{query}->name, $_->{query}) } $self->_living;

    $self->_note(@calls);
    $self->_psql(join ";\n", @calls, '');
    return;
}

# Each view, in two sessions, while events come.
sub _refresh_in_traffic
{
    my ($self) = @_;
    my @calls = map { "CALL streambatch.refresh('" . $_->{query}->name . "', full => " . ($_->{number} % 2 ? 'true)' : 'false)') } $self->_living;

    $self->_note(@calls);
    $self->{background}->start(@$_) foreach grep { @$_ } [ @calls[ grep { $_ % 2 == 0 } 0 .. $#calls ] ], [ @calls[ grep { $_ % 2 } 0 .. $#calls ] ];
    $self->_trickle(40);
    $self->{background}->finish;
    $self->_wait;
    return;
}

# ---- what must hold

# In one snapshot, with everything else going on.
sub _check
{
    my ($self, $when, $views, %options) = @_;
    my $serve = delete $options{serve} // 'merged';
    my $script = "SET streambatch.serve = '$serve';\n\\set ON_ERROR_ROLLBACK on\nBEGIN ISOLATION LEVEL REPEATABLE READ;\n";

    foreach my $view (@$views)
    {
        my $query = $view->{query};

        my $filter = $serve eq 'merged' && !$options{layers} && $view->{dice}->chance(0.4) ? $query->filter($view->{dice}) : undef;

        $view->{filter} = defined $filter ? " WHERE $filter" : '';

        $script .= "\\echo # $view->{number}\n" . $query->difference_sql(%options, filter => $filter) . ";\n\\echo #ended :SQLSTATE :LAST_ERROR_MESSAGE\n";
    }
    my %ended = $self->_ended($self->_psql("${script}COMMIT;"));
    $self->_note("check: $when");
    foreach my $view (@$views)
    {
        my ($state, $message, $lines) = @{ $ended{ $view->{number} } // [ 'none', 'psql did not get there' ] };

        $self->{compared}++;
        $self->{empty}++ if grep { $_ eq 'rows|0' } @$lines;
        $lines = [ grep { !/^rows\|/ } @$lines ];
        next if $state eq '00000' && !@$lines;
        $self->_complain($view, "$when ($serve$view->{filter}): " . ($state eq '00000' ? join("\n", @$lines) : "$state: $message"));
    }
    return;
}

# Nothing was lost on the way, no view gave up, and dead letters are such.
sub _all_is_well
{
    my ($self) = @_;
    my ($name, $archive) = ($self->{schema}->name, $self->{schema}->archive);
    my ($out) = $self->_psql(<<"SQL");
SELECT 'suspended', view, error_message FROM streambatch.stat_view WHERE stream = '$name'::regclass AND state <> 'active';
SELECT 'archived', count(*) FROM $archive HAVING count(*) <> $self->{sent};
SELECT 'dead', count(*), min(message) FROM streambatch.dead_letter WHERE stream = '$name'::regclass AND view IS NULL HAVING count(*) > 0;
SQL
    push @{ $self->{wrong} }, "$out\n" . $self->{schema}->ddl if $out ne '';
    foreach my $view (grep { $_->{query}->fails } $self->_living)
    {
        my ($innocent) = $self->_psql($view->{query}->innocent_sql . ';');

        $self->_complain($view, $innocent) if $innocent ne '';
    }
    return;
}

# All that it takes to see it again; once for a view.
sub _complain
{
    my ($self, $view, $what) = @_;

    return if $view->{complained}++;
    my @mine = grep { !/refresh\('(\w+)'/ || $1 eq $view->{query}->name } @{ $self->{log} };
    @mine = grep { !/^(?:create|drop) view (\d+)/ || $1 == $view->{number} } @mine;
    push @{ $self->{wrong} }, <<"WRONG";
again with SEED=$self->{seed}:$self->{number}:$view->{number}
$what
SET timezone = ${\ $self->{schema}->zone};
${\ $self->{schema}->ddl}
SELECT streambatch.create_view('${\ $view->{query}->name}', \$\$
${\ $view->{query}->view_sql} \$\$);
@{[ join '; ', @mine ]}
WRONG
    return;
}

1;

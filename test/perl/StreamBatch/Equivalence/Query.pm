
=head1 NAME

StreamBatch::Equivalence::Query - a random query of the grammar, and the SQL that judges a view of it

=head1 SYNOPSIS

  my $query = StreamBatch::Equivalence::Query->new($dice, $schema, 'v17');
  $query->view_sql;                      # for create_view()
  $query->plain_sql;                     # the same over the archive
  $query->difference_sql(%options);      # rows that only one of them has, and how many there are

=head1 DESCRIPTION

Options of C<difference_sql>: C<exact>, compare results of sketches too, because the batch layer has served it; C<layers>, compare with the layers view;
C<filter>, of the rows that a condition holds for.

Expressions are made in a scope: first of columns, for keys, WHERE, FILTER and arguments; then of keys and aggregates, for the select list and
HAVING. Attributes: C<name>, C<windowed>, C<fails> (some rows are the view's dead letters).

=cut

package StreamBatch::Equivalence::Query;

use strict;
use warnings;

use StreamBatch::Equivalence::Grammar;
use StreamBatch::Equivalence::Types;
use StreamBatch::Equivalence::Windows;

my @types = StreamBatch::Equivalence::Types::names();

sub new
{
    my ($class, $dice, $schema, $name) = @_;
    my $self = bless { dice => $dice, schema => $schema, name => $name, where => [], fails => 0, may_fail => $dice->chance(0.08) }, $class;

    $self->{rows} = 1;
    $self->{columns} = [ map { { type => $_->{type}, sql => ($dice->chance(0.05) ? $schema->name . '.' : '') . $_->{name} } } $schema->columns ];
    $self->{scope} = $self->{columns};
    $self->_window if $dice->chance(0.7);
    $self->_source;
    $self->{distinct} = $dice->chance(0.06);
    $self->_keys;
    push @{ $self->{where} }, map { $self->_expression('bool', 3) } 1 .. $dice->pick(0, 0, 0, 1, 1, 2);
    $self->_aggregates;
    $self->_select;
    return $self;
}

sub name { my ($self) = @_; return $self->{name}; }
sub windowed { my ($self) = @_; return $self->{windowed}; }
sub fails { my ($self) = @_; return $self->{fails}; }

sub _choose
{
    my ($self, @rows) = @_;
    my $row = $self->{dice}->weighted(@rows);

    $self->{fails} ||= $row->{fails};
    return $row;
}

# ---- expressions

# Of a type (of one of several: int4|int8), with so many levels at most
sub _expression
{
    my ($self, $types, $depth, $exact) = @_;
    my $type = $self->{dice}->pick(split /\|/, $types);
    my @rows = grep { $self->_fits($_, $type, $exact) } @StreamBatch::Equivalence::Grammar::expressions;

    # the leaves of a condition would be columns of bool alone
    return $self->_leaf($type) if $depth <= 0 || !@rows || $self->{dice}->chance($type eq 'bool' || !$self->_leaves($type) ? 0.1 : 0.45);
    return $self->_expand($self->_choose(@rows)->{sql}, $type, $depth - 1, $exact);
}

sub _fits
{
    my ($self, $row, $type, $exact) = @_;

    return if $row->{of} && !$self->_leaves($row->{of});
    return ($row->{type} eq $type || $row->{type} eq '*') && !($exact && $row->{rough}) && (!$row->{fails} || $self->{may_fail} && $self->{rows});
}

sub _expand
{
    my ($self, $template, $own, $depth, $exact) = @_;

    return $template =~ s/\{([a-z0-9\[\]|*%]+)([=@!]?)\}/$self->_filled($1 eq '*' || $1 eq '%' ? $own : $1, $2, $depth, $exact)/ger;
}

sub _filled
{
    my ($self, $types, $how, $depth, $exact) = @_;

    return $self->{schema}->literal($self->{dice}->pick(split /\|/, $types), $self->{dice}) if $how eq '=';
    return $self->_leaf($self->{dice}->pick(split /\|/, $types), 0) if $how eq '@';
    return $self->_expression($types, $depth, $exact || $how eq '!');
}

sub _leaves { my ($self, $type) = @_; return grep { $_->{type} eq $type } @{ $self->{scope} }; }

# Mostly of those types that there are columns of
sub _type
{
    my ($self, @types) = @_;
    my @known = $self->{dice}->chance(0.9) ? grep { $_ eq 'none' || $self->_leaves($_) } @types : ();

    return $self->{dice}->pick(@known ? @known : @types);
}

sub _leaf
{
    my ($self, $type, $constants) = @_;
    my @leaves = $self->_leaves($type);

    return $self->{schema}->literal($type, $self->{dice}) if !@leaves || $self->{dice}->chance($constants // 0.05);
    return $self->{dice}->weighted(@leaves)->{sql};
}

# ---- clauses

sub _source
{
    my ($self) = @_;
    my $source = $self->_choose(@StreamBatch::Equivalence::Grammar::sources);

    $self->{from} = $self->_expand($source->{from} =~ s/\{stream\}/<stream>/r, undef, 1);
    $self->{where} = [ $self->_expand($source->{where}, undef, 1) ] if $source->{where};
    push @{ $self->{columns} }, @{ $source->{columns} // [] };
    $self->{joined} = $source->{columns};

    # so that all that fails is an event's fault
    $self->{may_fail} = 0 if $self->{joined};
    return;
}

sub _window
{
    my ($self) = @_;
    my $dice = $self->{dice};
    my ($type, $time) = ($self->{schema}{time}, 'ts');

    if ($dice->chance(0.25))
    {
        $type = $dice->pick(qw(timestamptz timestamp date));
        $time = $self->_expression($type, 1);
    }
    my $window = $self->_choose(grep { !$_->{types} || grep { $_ eq $type } @{ $_->{types} } } @StreamBatch::Equivalence::Windows::windows);
    my $arguments = StreamBatch::Equivalence::Windows::arguments($window, $dice, $self->{schema}->clock->{span}, $type);
    foreach my $edge (grep { $window->{$_} } qw(start end))
    {
        $self->{$edge} = StreamBatch::Equivalence::Windows::call($window->{$edge}, $time, $arguments);
    }
    $self->{window} = $window;
    $self->{arguments} = $arguments;
    $self->{windowed} = !$window->{native};
    $self->{time} = { sql => $time, type => $type };
    return;
}

sub _reads_event_time_alone
{
    my ($self, $sql) = @_;
    my %columns = map { $_->{name} => 1 } $self->{schema}->columns;
    my @names = grep { $columns{$_} } $sql =~ s/'[^']*'//gr =~ /"[^"]*"|\w+/g;

    return @names && !grep { $_ ne 'ts' } @names;
}

sub _keys
{
    my ($self) = @_;
    my $dice = $self->{dice};
    my $n = $self->{distinct} ? $dice->between(1, 3) : $dice->chance(0.04) ? $dice->between(8, 20) : $dice->pick(0, 1, 1, 2, 2, 3);

    $self->{keys} = [ map { my $type = $self->_type(@types); { type => $type, sql => $self->_expression($type, 2) } } 1 .. $n ];

    # PostgreSQL takes a constant for an ordinal, and takes the key (a OR b) apart when it reads (a OR b) OR c; so it does with IN
    foreach my $key (@{ $self->{keys} })
    {
        $key->{sql} =~ s/^('.*)$/($1)/;
        $key->{sql} = "($key->{sql} IS TRUE)" if $key->{type} eq 'bool' && $key->{sql} =~ / (?:AND|OR|IN) /;
    }
    push @{ $self->{keys} }, $self->_window_keys if $self->{window};
    $self->{sets} = !$self->{distinct} && !($self->{window} && $self->{window}{session}) && $dice->chance(0.3);
    return unless $self->{sets};

    # which do not take a key twice; and in version 18 a constant key changes what the same constant is elsewhere
    my $name = $self->{schema}->name;
    my $columns = join '|', map { quotemeta($_->{sql} =~ s/^\Q$name\E\.//r) } @{ $self->{columns} };
    my %seen;
    $self->{keys} = [ grep { $_->{window} || $_->{sql} =~ s/'[^']*'//gr =~ /$columns/ } grep { !$seen{ $_->{sql} =~ s/\b\Q$name\E\.//gr }++ } @{ $self->{keys} } ];
    return;
}

sub _window_keys
{
    my ($self) = @_;
    my @edges = grep { $self->{end} || !grep { /\{end\}/ } @{ $_->{keys} } } @StreamBatch::Equivalence::Windows::edges;
    my @keys = @{ $self->_choose(@edges)->{keys} };

    $self->{windowed} ||= $keys[0] eq '{start}' && $self->_reads_event_time_alone($self->{time}{sql});
    return map {
        {
            sql => s/\{(start|end)\}/$self->{$1}/gr,
            type => StreamBatch::Equivalence::Windows::edge_type($_, $self->{time}{type}),
            window => 1
        }
    } @keys;
}

sub _aggregates
{
    my ($self) = @_;
    my $n = @{ $self->{keys} } ? $self->{dice}->pick(0, 1, 1, 2, 2, 3, 4, 6) : $self->{dice}->between(1, 4);

    $self->{aggregates} = [ map { $self->_aggregate } 1 .. ($self->{distinct} ? 0 : $n) ];
    return;
}

sub _aggregate
{
    my ($self) = @_;
    my $dice = $self->{dice};
    my $row = $self->_choose(grep { !$_->{single} || !$self->{joined} } @StreamBatch::Equivalence::Grammar::aggregates);
    my $over = $self->_type(sort keys %{ $row->{over} });
    my $sql = $self->_expand($row->{sql}, $over, 2);

    $sql .= ' FILTER (WHERE ' . $self->_expression('bool', 2) . ')' if $dice->chance(0.2);
    return { sql => $sql, type => $row->{over}{$over}, rough => $row->{rough}, few => $row->{few}, batch => $row->{batch} };
}

# The select list, HAVING, and GROUP BY in one of its spellings
sub _select
{
    my ($self) = @_;
    my $dice = $self->{dice};
    my @keys = @{ $self->{keys} };
    my @items = ((grep { $dice->chance(0.85) } @keys), @{ $self->{aggregates} });

    if ($self->{distinct}) { $self->{items} = [ $dice->some(scalar @keys, @keys) ]; $self->{group} = []; return; }
    $self->{rows} = 0;
    $self->{scope} = [ grep({ !($_->{window} && $self->{window}{set}) } @keys), grep { !$_->{rough} && !$_->{few} && !$_->{batch} } @{ $self->{aggregates} } ];
    $self->_grouping(\@items) if $self->{sets};
    push @items, { sql => $self->_expression($_, 2), type => $_ } foreach map { $self->_type(@types) } 1 .. $dice->pick(0, 0, 1, 2);
    @items = $dice->some(scalar @items, @items);
    push @items, { sql => 'count(*)', type => 'int8' } unless @items;
    $self->{items} = \@items;
    $self->{having} = $dice->chance(0.2) && @{ $self->{scope} } ? $self->_expression('bool', 2) : undef;
    $self->{group} = [ map { $self->_grouped($_) } @keys, $dice->chance(0.05) && @keys && !$self->{sets} ? $dice->pick(@keys) : () ];
    $self->{group} = [ $self->_sets(@{ $self->{group} }) ] if $self->{sets};
    return;
}

# Calls of GROUPING(), which takes no function that returns a set. Expressions over them, and over keys that are columns: PostgreSQL looks for
# the others after it has simplified what they are part of, and does not find them all, before version 18
sub _grouping
{
    my ($self, $items) = @_;
    my $dice = $self->{dice};
    my @keys = grep { !($_->{window} && $self->{window}{set}) } @{ $self->{keys} };
    my %columns = map { $_->{sql} => 1 } @{ $self->{columns} };
    my @calls =
      map { { sql => 'grouping(' . join(', ', map { $_->{sql} } $dice->some($dice->between(1, 3), @keys)) . ')', type => 'int4' } } 1 .. (@keys ? $dice->pick(0, 1, 1, 2) : 0);

    push @$items, @calls;
    my @aggregates = grep { my $one = $_; grep { $_ == $one } @{ $self->{aggregates} } } @{ $self->{scope} };
    $self->{scope} = [ (grep { $columns{ $_->{sql} } } @keys), @aggregates, @calls ];
    return;
}

# GROUP BY: some of the keys by themselves, the others in one element or two, which may have keys in common
sub _sets
{
    my ($self, @keys) = @_;
    my $dice = $self->{dice};

    $self->{once} = $dice->chance(0.2);
    return $dice->pick('()', 'GROUPING SETS (())', 'GROUPING SETS ((), ())') unless @keys;
    @keys = $dice->some(scalar @keys, @keys);
    my @alone = $dice->chance(0.3) ? splice(@keys, 0, $dice->below(scalar @keys)) : ();
    my @more = $dice->chance(0.2) ? $dice->some($dice->between(1, 2), @keys) : ();
    return $dice->some(2 + @alone, @alone, $self->_element(@keys), @more ? $self->_element(@more) : ());
}

# ROLLUP, CUBE or GROUPING SETS of all of these keys
sub _element
{
    my ($self, @keys) = @_;
    my $dice = $self->{dice};
    my $kind = $dice->pick('ROLLUP', 'CUBE', 'GROUPING SETS');
    my (@units, @sets);

    push @{ $units[ $dice->below($kind eq 'CUBE' ? 3 : 5) ] }, $_ foreach @keys;
    @units = map { @$_ > 1 || $dice->chance(0.1) ? '(' . join(', ', @$_) . ')' : $_->[0] } grep { $_ } @units;
    return "$kind (" . join(', ', @units) . ')' if $kind ne 'GROUPING SETS';
    @sets = $dice->chance(0.5) ? '(' . join(', ', @keys) . ')' : @units;
    push @sets, '(' . join(', ', $dice->some($dice->between(1, 3), @keys)) . ')' if $dice->chance(0.5);
    push @sets, '()' if $dice->chance(0.4);
    push @sets, $self->_element($dice->some($dice->between(1, 3), @keys)) if $dice->chance(0.3);
    return 'GROUPING SETS (' . join(', ', $dice->some(scalar @sets, @sets)) . ')';
}

sub _grouped
{
    my ($self, $key) = @_;
    my ($at) = grep { $self->{items}[ $_ - 1 ] == $key } 1 .. @{ $self->{items} };

    return $key->{sql} unless $at && $self->{dice}->chance(0.7);
    return $self->{dice}->chance(0.5) ? $at : "o$at";
}

# ---- SQL

sub _sql
{
    my ($self, $from, @conditions) = @_;
    my $n = 0;
    my $sql = 'SELECT ' . ($self->{distinct} ? 'DISTINCT ' : '') . join(', ', map { $n++; "$_->{sql} AS o$n" } @{ $self->{items} });

    $sql .= "\nFROM $from";
    $sql .= "\nWHERE " . join(' AND ', @conditions) if @conditions;
    $sql .= "\nGROUP BY " . ($self->{once} ? 'DISTINCT ' : '') . join(', ', @{ $self->{group} }) if @{ $self->{group} };
    $sql .= "\nHAVING $self->{having}" if defined $self->{having};
    return $sql;
}

sub view_sql
{
    my ($self) = @_;

    return $self->_sql($self->{from} =~ s/<stream>/$self->{schema}->name/er, @{ $self->{where} }) =~ s/<ties(?: DESC)?>//gr;
}

# Over those archived events that a condition holds for
sub plain_sql
{
    my ($self, %options) = @_;
    my ($archive, $name) = ($self->{schema}->archive, $self->{schema}->name);
    my $condition = $options{condition} // ($self->{fails} ? $self->_good_events : undef);
    my $from = defined $condition ? "(SELECT * FROM $archive WHERE $condition OFFSET 0) $name" : "$archive $name";

    $from = $self->{from} =~ s/<stream>/$from/r;
    my $sql =
      $self->{window}{session}
      ? $self->_sql($self->_sessions($from)) =~ s/\Q$self->{start}\E/session_start/gr =~ s/\Q$self->{end}\E/session_end/gr
      : $self->_sql($from, @{ $self->{where} });

    return $sql =~ s/<ties( DESC)?>/my $order = $1 \/\/ ''; join '', map { ", $_$order" } $self->{schema}->position/ger;
}

# Rows with their session: per group, a row begins one that comes more than the gap after the one before. A row without time is in none, and a
# day is 24 hours.
sub _sessions
{
    my ($self, $from) = @_;
    my ($time, $type) = @{ $self->{time} }{qw(sql type)};
    my $by = join ', ', map { $_->{sql} } grep { !$_->{window} } @{ $self->{keys} };
    my $gap = "make_interval(secs => extract(epoch FROM interval $self->{arguments}))";
    my $where = join ' AND ', "$time IS NOT NULL", @{ $self->{where} };
    my $cast = $type eq 'date' ? 'timestamp' : $type;
    my $group = $by eq '' ? '' : "PARTITION BY $by";
    my $name = $self->{schema}->name;

    return <<"SQL";
(SELECT *, min($time) OVER session AS session_start, (max($time) OVER session + $gap)::$type AS session_end
 FROM (SELECT *, sum(begins) OVER ($group ORDER BY $time) AS session_number
       FROM (SELECT *, coalesce(($time)::$cast - lag($time) OVER ($group ORDER BY $time)::$cast > $gap, true)::int AS begins
             FROM $from WHERE $where) $name) $name
 WINDOW session AS (PARTITION BY @{[ $by eq '' ? '' : "$by," ]} session_number)) $name
SQL
}

# Of a query that fails on some. An event without time is in no window of many: the view does not look at it further, PostgreSQL does
sub _good_events
{
    my ($self) = @_;
    my $timed = $self->{window}{set} ? " AND ($self->{time}{sql}) IS NOT NULL" : '';

    return $self->_position . ' NOT IN (' . $self->dead_sql . ")$timed";
}

sub _position { my ($self) = @_; return '(' . join(', ', $self->{schema}->position) . ')'; }

sub dead_sql
{
    my ($self) = @_;

    return "SELECT kafka_partition, kafka_offset FROM streambatch.dead_letter WHERE view = '$self->{name}'::regclass";
}

# What of a column is compared
sub _compared
{
    my ($item, $column, $exact) = @_;

    return $item->{rough} ? "nearly($column)"
      : $exact ? $column
      : $item->{few} ? "CASE WHEN $column <= 100 THEN $column END"
      : $item->{batch} ? 'NULL'
      : $column;
}

# A condition on a column c1, c2, …, most often on the window: it goes down to the states' indexes
sub filter
{
    my ($self, $dice) = @_;
    my @items = map { { %{ $self->{items}[$_] }, column => 'c' . ($_ + 1) } } 0 .. $#{ $self->{items} };
    my @known = grep { my $type = $_->{type}; !$_->{rough} && !$_->{few} && !$_->{batch} && grep { $_ eq $type } @types } @items;
    my @windows = grep { $_->{window} } @known;
    my $item = $dice->pick(@windows && $dice->chance(0.7) ? @windows : @known) // return;
    my $operator = $dice->pick('=', '>=', '<', '<=', 'BETWEEN');
    my @bounds = map { $self->{schema}->literal($item->{type}, $dice) } 1 .. 2;

    @bounds = map { $self->{start} =~ s/\Q$self->{time}{sql}\E/$_/r } @bounds
      if $item->{window} && $item->{sql} eq $self->{start} && !$self->{window}{set} && !$self->{window}{session} && $dice->chance(0.5);
    return "$item->{column} $operator $bounds[0]" . ($operator eq 'BETWEEN' ? " AND $bounds[1]" : '');
}

# Whether its layers have the same rows
sub layered { my ($self) = @_; return !defined $self->{having}; }

sub difference_sql
{
    my ($self, %options) = @_;
    my @names = map { "c$_" } 1 .. @{ $self->{items} };

    # windows of several panes are still estimated by sketches, and so are totals
    my $exact = $options{exact} && !$self->{window}{set} && !$self->{window}{session} && !$self->{sets};
    my @values = map { _compared($self->{items}[$_], 'c' . ($_ + 1), $exact) } 0 .. $#names;
    my ($names, $values) = (join(', ', @names), join(', ', @values));
    my $plain = $options{layers} ? 'SELECT ' . join(', ', map { "o$_" } 1 .. @names) . " FROM $self->{name}_layers" : $self->plain_sql(%options);

    my $where = $options{filter} ? "WHERE $options{filter}" : '';

    # OFFSET 0 keeps the condition from going further down
    return <<"SQL";
WITH v AS MATERIALIZED (SELECT $values FROM $self->{name} v($names) $where),
p AS MATERIALIZED (SELECT $values FROM (($plain) OFFSET 0) p($names) $where)
(SELECT 'view alone', x::text FROM (TABLE v EXCEPT ALL TABLE p) x LIMIT 5) UNION ALL
(SELECT 'plain query alone', x::text FROM (TABLE p EXCEPT ALL TABLE v) x LIMIT 5) UNION ALL SELECT 'rows', count(*)::text FROM p
SQL
}

# Dead letters of the view on which the plain query does not fail, of some of them. PostgreSQL may take HAVING first, where it can.
sub innocent_sql
{
    my ($self) = @_;
    local $self->{having};
    my $alone = $self->plain_sql(condition => $self->_position . ' = (@PARTITION@, @OFFSET@)');

    return <<"SQL";
SELECT 'dead letter without reason', kafka_partition, kafka_offset FROM (@{[ $self->dead_sql ]} ORDER BY kafka_offset LIMIT 5) d
WHERE NOT fails(replace(replace(\$q\$$alone\$q\$, '\@PARTITION\@', kafka_partition::text), '\@OFFSET\@', kafka_offset::text))
SQL
}

1;

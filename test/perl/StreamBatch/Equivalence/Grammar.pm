
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

C<over>: type of the argument, C<{%}> in the template, and type of the result. C<rough>: correct but for the last digits, so that the
result is compared rounded. C<few>: estimated by a sketch in the stream layer, which is exact up to a hundred values; C<batch>: by one whose values are
compared where the batch layer served them. No other expression is made of the latter three. C<single>: only where a row is an event. C<E<lt>tiesE<gt>> is
the order of events that are equal otherwise, which only the plain query has to say.

=item sources

What a query reads: C<from>, with C<{stream}>; C<where>; C<columns> that come with it. Tables are those of L</dimensions>.

=item dimensions

SQL that makes the ordinary tables and the aggregates that queries use.

=back

=cut

package StreamBatch::Equivalence::Grammar;

use strict;
use warnings;

my @comparable = qw(bool int2 int4 int8 numeric float4 float8 text date time timestamp timestamptz interval uuid jsonb mood bytea inet tally int4[] text[]);
my @ordered = grep { !/^(?:bool|uuid|jsonb)$/ } @comparable;
my %same = ((map { $_ => $_ } grep { $_ ne 'bytea' } @ordered), tally => 'int4');
my %sum = (
    int2 => 'int8', int4 => 'int8', tally => 'int8', int8 => 'numeric', numeric => 'numeric',
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
    { type => 'int4', sql => 'bucket({int4})' },
    { type => 'tally', sql => '{int4}::tally' },
    { type => 'int4', sql => '({tally} - 1)' },
    { type => 'int4', sql => 'family({inet})' },
    { type => 'text', sql => "encode({bytea}, 'hex')" },
    { type => 'text', sql => 'host({inet})' },
    { type => 'int4', sql => 'width_bucket({float8@}, 0, 1000, 5)', fails => 1 },
    { type => 'int4', sql => '({int4@} / {int4@})', fails => 1 },
    { type => 'int4', sql => '({int4@} / ({int4@} % 4))', fails => 1 },
    { type => 'int4', sql => '{text@}::int4', fails => 1 },
    { type => 'int8', sql => '{int4}::int8' },
    { type => 'int8', sql => '({int8} % 7)' },
    { type => 'int8', sql => '({int8@} + {int8@})', of => 'int8', fails => 1 },
    { type => 'numeric', sql => '{int8}::numeric' },
    { type => 'numeric', sql => '({numeric} + {numeric})' },
    { type => 'numeric', sql => '({numeric@} * {numeric=})' },
    { type => 'numeric', sql => 'round({numeric}, 1)' },
    { type => 'numeric', sql => '({numeric} / nullif({int4}, 0))' },
    { type => 'numeric', sql => '({int4} * 1.5)' },
    { type => 'numeric', sql => 'extract(epoch FROM {timestamptz|timestamp|date|interval})' },
    { type => 'numeric', sql => '{text@}::numeric', fails => 1 },
    { type => 'numeric', sql => '({numeric@} / {numeric@})', fails => 1 },
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
    { type => 'timestamptz', sql => "({timestamptz} + interval '3 s')" },
    { type => 'timestamptz', sql => "({timestamp} AT TIME ZONE 'UTC')" },
    { type => 'interval', sql => '({timestamp} - {timestamp})' },
    { type => 'interval', sql => '({interval} + {interval=})' },
    # a day and 24 hours are equal, but not to date_trunc(), and either of them may stand for the group
    { type => 'interval', sql => "date_trunc('hour', justify_interval({interval}))" },
    { type => 'jsonb', sql => "({jsonb} -> 'n')" },
    { type => 'jsonb', sql => 'jsonb_build_array({int4}, {text})' },
    { type => 'int4[]', sql => 'ARRAY[{int4}, {int4}]' },
    { type => 'int4[]', sql => '({int4[]} || {int4})' },
    { type => 'text[]', sql => 'ARRAY[{text}]' },
    { type => 'mood', sql => "CASE WHEN {bool} THEN 'ok'::mood ELSE 'sad'::mood END" });

my @spreads = qw(stddev stddev_pop stddev_samp variance var_pop var_samp);
my @pairs = qw(corr covar_pop covar_samp regr_avgx regr_avgy regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy);

our @aggregates = (
    { sql => 'count(*)', over => { none => 'int8' }, weight => 4 },
    { sql => 'count({%})', over => { map { $_ => 'int8' } @comparable }, weight => 2 },
    { sql => 'sum({%!})', over => \%sum, weight => 5 },
    { sql => 'avg({%!})', over => \%mean, weight => 4 },
    { sql => 'min({%})', over => \%same, weight => 3 },
    { sql => 'max({%})', over => \%same, weight => 3 },
    map({ { sql => "$_({%})", over => { bool => 'bool' } } } qw(bool_and bool_or every)),
    map({ { sql => "$_({%})", over => { int2 => 'int2', int4 => 'int4', int8 => 'int8' }, weight => 0.5 } } qw(bit_and bit_or bit_xor)),
    map({ { sql => "$_({%})", over => { map { $_ => 'numeric' } qw(int2 int4 int8 numeric) }, weight => 0.5 } } @spreads),
    map({ { sql => "$_({%!})", over => { float4 => 'float8', float8 => 'float8' }, rough => 1, weight => 0.5 } } @spreads),
    map({ { sql => "$_({float8!}, {float8!})", over => { none => 'float8' }, rough => 1, weight => 0.3 } } @pairs),
    { sql => 'regr_count({float8}, {float8!})', over => { none => 'int8' }, weight => 0.3 },
    { sql => 'range_agg({int4range})', over => { none => 'int4multirange' } },
    { sql => 'range_intersect_agg({int4range})', over => { none => 'int4range' } },
    { sql => 'weighed({int4}, {int2})', over => { none => 'int8' } },
    { sql => 'nulls({%})', over => { map { $_ => 'int8' } @comparable } },
    { sql => 'longest({text})', over => { none => 'text' } },
    { sql => 'span({float8!})', over => { none => 'float8' } },
    map({ my $function = $_;
            map { { sql => "streambatch.$function({%} ORDER BY $_->[0])", over => { map { $_ => $_ } @comparable }, single => 1 } }
              ([ 'ts<ties>' ], [ 'ts DESC<ties DESC>' ], ['{int2|int4|int8|date|timestamp|timestamptz}<ties>'])
    } qw(first last)),
    { sql => 'count(DISTINCT {%})', over => { map { $_ => 'int8' } grep { !/float4/ } @comparable }, few => 1, weight => 2 },
    map({ { sql => "percentile_cont($_) WITHIN GROUP (ORDER BY {%})", over => { map { $_ => 'float8' } qw(int2 int4 float4) }, batch => 1 } } 0.5, 0.9),
    { sql => 'percentile_disc(0.25) WITHIN GROUP (ORDER BY {%})', over => { map { $_ => $_ } qw(int2 int4 float4) }, batch => 1 });

my @dimension = (
    { type => 'text', sql => 'd_key' },
    { type => 'int4', sql => 'd_number' },
    { type => 'numeric', sql => 'd_factor' },
    { type => 'bool', sql => 'd_flag' });

our @sources = (
    { from => '{stream}', weight => 8 },
    { from => '{stream} JOIN dimension ON d_key = {text@}', columns => \@dimension },
    { from => 'dimension JOIN {stream} ON d_number = {int4@} AND d_flag', columns => \@dimension },
    { from => '{stream} LEFT JOIN dimension ON d_key = {text@}', columns => \@dimension },
    { from => '{stream} LEFT JOIN dimension ON d_key = {text@} AND {bool}', columns => \@dimension, where => 'd_key IS NULL' },
    { from => '{stream}, dimension', columns => \@dimension, where => 'd_key = {text@}' },
    { from => '{stream} CROSS JOIN tiny', columns => [ { type => 'int4', sql => 't_number' } ] },
    { from => '{stream} JOIN dimension ON d_key = {text@} LEFT JOIN tiny ON t_number = d_number', columns => [ @dimension, { type => 'int4', sql => 't_number' } ] },
    { from => '{stream}, unnest({int4[]@}) AS t_number', columns => [ { type => 'int4', sql => 't_number' } ] },
    { from => '{stream} CROSS JOIN generate_series(1, 2) AS t_number', columns => [ { type => 'int4', sql => 't_number' } ] },
    { from => '{stream}', where => 'EXISTS (SELECT FROM dimension WHERE d_key = {text@} AND d_number > {int4@})' },
    { from => '{stream}', where => 'NOT EXISTS (SELECT FROM dimension WHERE d_key = {text@})' },
    { from => '{stream}', where => '{text@} IN (SELECT d_key FROM dimension WHERE d_flag)' },
    { from => '{stream}', where => '({int4@} NOT IN (SELECT t_number FROM tiny) OR {bool})' });

our $dimensions = <<'SQL';
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN tally AS int4 CHECK (value > -1000000);
-- A float but for its last digits: nine significant ones, six decimals at most. What the events make often lies just
-- between two roundings, where the last digit decides: so all is moved a little first.
CREATE FUNCTION nearly(float8) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
SELECT CASE WHEN $1 IN ('Infinity', '-Infinity', 'NaN') OR abs($1) > 1e300 THEN $1::numeric
            WHEN abs($1) < 1000 THEN round(($1 * 1.000000012345)::numeric, 6)
            ELSE round(($1 * 1.000000012345)::numeric, 8 - floor(log(abs($1)))::int) END
$$;
CREATE FUNCTION bucket(n int4) RETURNS int4 LANGUAGE sql IMMUTABLE AS 'SELECT n / 100';
CREATE TABLE dimension (d_key text, d_number int4, d_factor numeric, d_flag bool);
INSERT INTO dimension VALUES ('a', 1, 1.5, true), ('a', 2, 0.25, false), ('buy', 3, -1, true), ('Buy', NULL, 7, NULL), ('', 10, 10, true),
    (NULL, 5, 5, true), ('100%', 2, NULL, false), ('never', 2, 2, true);
CREATE TABLE tiny (t_number int4);
INSERT INTO tiny VALUES (1), (2), (2);
-- of two arguments; of NULLs; with a tie that is broken; with a final function and an array as its state
CREATE FUNCTION weigh(int8, int4, int2) RETURNS int8 LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 + $2 * $3';
CREATE AGGREGATE weighed(int4, int2) (SFUNC = weigh, STYPE = int8, COMBINEFUNC = int8pl, INITCOND = '0');
CREATE FUNCTION count_null(int8, anyelement) RETURNS int8 LANGUAGE sql IMMUTABLE AS 'SELECT $1 + ($2 IS NULL)::int';
CREATE AGGREGATE nulls(anyelement) (SFUNC = count_null, STYPE = int8, COMBINEFUNC = int8pl, INITCOND = '0');
CREATE FUNCTION longer(text, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT CASE WHEN (length($1), $1 COLLATE "C") >= (length($2), $2 COLLATE "C") THEN $1 ELSE $2 END';
CREATE AGGREGATE longest(text) (SFUNC = longer, STYPE = text, COMBINEFUNC = longer);
CREATE FUNCTION widen(float8[], float8) RETURNS float8[] LANGUAGE sql IMMUTABLE STRICT AS 'SELECT ARRAY[least($1[1], $2), greatest($1[2], $2)]';
CREATE FUNCTION unite(float8[], float8[]) RETURNS float8[] LANGUAGE sql IMMUTABLE STRICT AS 'SELECT ARRAY[least($1[1], $2[1]), greatest($1[2], $2[2])]';
CREATE FUNCTION width(float8[]) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1[2] - $1[1]';
CREATE AGGREGATE span(float8) (SFUNC = widen, STYPE = float8[], COMBINEFUNC = unite, FINALFUNC = width, INITCOND = '{Infinity,-Infinity}');
-- whether a query raises an error
CREATE FUNCTION fails(query text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE query;
    RETURN false;
EXCEPTION WHEN data_exception THEN
    RETURN true;
END $$;
SQL

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

1;

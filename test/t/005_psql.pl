# What tests ask without psql (PatientPsql.pm) is answered as psql answers: results, messages, exit
# codes.

use strict;
use warnings FATAL => 'all';

use PatientPsql;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Watchdog;

plan skip_all => 'DBD::Pg is not here: all is asked by psql' if !PatientPsql::is_plain('SELECT 1');

my $node = PostgreSQL::Test::Cluster->new('psql');
$node->init;
$node->start;
$node->safe_psql('postgres', q{
	CREATE FUNCTION warn(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN
		RAISE WARNING '%', $1 USING DETAIL = 'a detail', HINT = 'a hint'; RETURN $1; END$$});

# A statement finds the same table, or none, whoever asks.
sub prepare_for
{
	my ($sql) = @_;

	return if $sql !~ /\bt\b/;
	$node->safe_psql('postgres', 'DROP TABLE IF EXISTS t; CREATE TABLE t (i int PRIMARY KEY); INSERT INTO t VALUES (1)');
	$node->safe_psql('postgres', 'DROP TABLE t; SELECT') if $sql =~ /^CREATE TABLE/;
	return;
}

# psql is asked when it is given an option.
my @by_psql = (extra_params => ['--set=a=']);

foreach my $sql (
	q{SELECT 1}, q{SELECT 1;}, q{SELECT}, q{SELECT FROM generate_series(1, 3)}, q{SELECT NULL, '', true, false, NULL::boolean},
	q{SELECT 1.50, 1e20::float8, 0.1::float8 + 0.2, 'NaN'::float8, '-Infinity'::float8, 1e-7::float8, 0.1::float4, 16777216::float4, 3e38::float4, 5::float8}, q{SELECT 20::float8, 100000::float8, 1e14::float8, 1e15::float8, -120::float8, 0::float8, '-0'::float8,
		123456.75::float8, 100000::float4, 1000000::float4, 0.0001::float8, 0.00001::float8, 1.5e300::float8, 20.5::float4},
	q{SELECT decode('00ff', 'hex'), ''::bytea, ARRAY[decode('00', 'hex')]},
	q{SELECT '{1,NULL}'::int[], ARRAY[true, NULL], '{"a": [1]}'::jsonb, ROW(1, 'x y'), '5 days'::interval, now() IS NULL, 'x'::char(5), 'ü€'},
	q{SELECT E'two
lines' AS x, '|'}, q{SELECT '?', ':a', '$1'}, q{SHOW work_mem}, q{SELECT * FROM generate_series(1, 3)},
	q{SELECT warn('x') FROM generate_series(1, 2)}, q{SELECT 1 / 0}, q{SELECT nothing
	FROM pg_class}, q{SELECT warn('first'), 1 / (SELECT 0)}, q{CREATE TABLE t (i int PRIMARY KEY)}, q{INSERT INTO t VALUES (1), (2) RETURNING i},
	q{INSERT INTO t VALUES (1)}, q{UPDATE t SET i = i + 10}, q{DELETE FROM t}, q{DROP TABLE t}, q{DROP TABLE IF EXISTS t},
	q{WITH x AS (SELECT 1) SELECT * FROM x}, q{ALTER SYSTEM RESET work_mem}, q{SELECT pg_terminate_backend(pg_backend_pid())})
{
	ok(PatientPsql::is_plain($sql), "asked without psql: $sql");
	prepare_for($sql);
	my @without = $node->psql('postgres', $sql);
	prepare_for($sql);
	my @with = $node->psql('postgres', $sql, @by_psql);

	is_deeply(\@without, \@with, "as psql: $sql");
	prepare_for($sql);
	my $without = $node->psql('postgres', $sql, on_error_stop => 0, stderr => \my $said);
	prepare_for($sql);
	is($without, scalar $node->psql('postgres', $sql, on_error_stop => 0, stderr => \$said, @by_psql), "exit code without stop: $sql");
}
foreach my $sql (q{SELECT 1; SELECT 2}, q{\echo x}, q{SELECT 1 \gset}, q{SELECT :'a'}, q{COPY t TO STDOUT}, q{SELECT 1 -- ;}, q{}, q{LISTEN x})
{
	ok(!PatientPsql::is_plain($sql), "left to psql: $sql");
}
eval { $node->safe_psql('postgres', 'SELECT 1 / 0') };
like($@, qr/error running SQL.*division by zero/s, 'an error can be deadly');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql' AND pid <> pg_backend_pid()}), 0,
	'no session is left');
$node->stop;

done_testing();

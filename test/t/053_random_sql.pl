# Any SQL as the body of a step: functions of the server with odd values, statements of every
# kind, put together at random.  A step completes if and only if the same statement succeeds in a
# session and in execute(), with the same error otherwise; what it did is there if and only if it
# completed; and nobody crashes.
#
# There are two runs: one that is always the same, and one whose seed is the time.  The seed is in
# the names of the tests: PGWF_SEED makes that run again, alone; PGWF_STATEMENTS a longer one.

use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my @seeds = defined $ENV{PGWF_SEED} ? $ENV{PGWF_SEED} : (1, time());
my $count = $ENV{PGWF_STATEMENTS} // 60;

sub one_of { return $_[ int(rand(@_)) ] }

# --- what a statement is made of ---

my %values = (
	int2 => [qw(0 -1 32767 -32768)],
	int4 => [qw(0 1 -1 2147483647 -2147483648)],
	int8 => [qw(0 -1 9223372036854775807 -9223372036854775808)],
	numeric => [qw(0 NaN Infinity -1.50 1e-300 1e300)],
	float4 => [qw(0 -0 NaN Infinity 1e-45)],
	float8 => [qw(0 -0 NaN -Infinity 1e308)],
	bool => [qw(t f)],
	text => [ '', 'x', 'ü€', '%s', "it's", '{}', '[', '${workflow.input}', '2024-02-29', 'a b' ],
	name => [ 'x', '' ], varchar => [ 'x', '' ], bpchar => [ 'x ', '' ], char => ['x'],
	date => [qw(infinity -infinity 2024-02-29 0001-01-01)],
	time => [qw(00:00 24:00)], timetz => ['12:00+14'],
	timestamp => [ 'infinity', '2024-02-29 23:59:60', '0044-03-15 BC' ],
	timestamptz => [ 'infinity', '-infinity', '2026-03-29 02:30+01' ],
	interval => [ '0', '-1 mon 1 day -1 sec', '178000000 years' ],
	json => [ 'null', '{"a": [1, null, {"b": ""}]}', '"\u00e9"' ],
	jsonb => [ 'null', '{"a": [1, null, {"b": ""}]}', '[]', '1e100' ],
	jsonpath => [ '$.a[*]', 'strict $' ],
	bytea => [ '', '\x00ff' ], bit => [ '101', '' ], varbit => ['1'], money => ['-1.50'],
	uuid => ['00000000-0000-0000-0000-000000000000'], inet => [ '::1', '10.0.0.1/8' ], cidr => ['10.0.0.0/8'],
	macaddr => ['08:00:2b:01:02:03'], oid => [qw(0 1 4294967295)], regclass => ['pg_class'], regtype => ['int4'],
	point => ['(1,NaN)'], box => ['((0,0),(1,1))'], circle => ['<(0,0),1>'], path => ['[(0,0),(1,1)]'],
	int4range => [ 'empty', '[1,)' ], tstzrange => ['(,)'], tsvector => ["'a':1 'b'"], tsquery => ['a & !b'],
	_text => [ '{}', '{a,NULL,"b c"}' ], _int4 => [ '{}', '{{1,2},{3,NULL}}' ], _float8 => ['{NaN}']);

sub literal
{
	my ($type) = @_;
	my $value = rand() < 0.1 || !$values{$type} ? undef : one_of(@{ $values{$type} });

	return "NULL::\"$type\"" if !defined $value;
	$value =~ s/'/''/g;
	return "'$value'::\"$type\"";
}

my $node = workflow_cluster('random', 'standard_conforming_strings = on', 'statement_timeout = 0');
$node->safe_psql('postgres', 'CREATE DATABASE w');
$node->safe_psql('w', q{
	CREATE EXTENSION pg_workflow;
	CREATE TABLE marks (n int, source text);
	CREATE TABLE parents (id int PRIMARY KEY, s text UNIQUE DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE children (parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED, v int CHECK (v < 10));
	CREATE TYPE mood AS ENUM ('sad', 'ok');
	CREATE TYPE pair AS (a int, b mood[]);
	CREATE DOMAIN small AS int CHECK (VALUE < 100);
	CREATE FUNCTION many(n int) RETURNS TABLE (a int, b text) LANGUAGE sql AS $$SELECT i, repeat('x', i) FROM generate_series(1, n) AS i$$;
	CREATE PROCEDURE in_parts() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$});

# Functions that neither look at the session nor go on for ever.
my @functions = map { [ split /\|/, $_, -1 ] } split /\n/, $node->safe_psql('w', q{
	SELECT proname || '|' || array_to_string(ARRAY(SELECT typname FROM unnest(proargtypes) WITH ORDINALITY AS a(type, n)
		JOIN pg_type AS t ON t.oid = a.type ORDER BY n), ' ')
	FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND provolatile = 'i' AND provariadic = 0
		AND NOT EXISTS (SELECT FROM unnest(proargtypes || prorettype) AS a(type) JOIN pg_type AS t ON t.oid = a.type
			WHERE typtype = 'p' AND typname <> 'void')
		AND proname !~ '^(generate_series|repeat|lpad|rpad|numeric_inc|factorial|numeric_power|power|pow|dpow|exp|bpchar$|pg_)'
	ORDER BY proname, proargtypes});
cmp_ok(scalar @functions, '>', 1000, 'there are functions');

sub call
{
	my ($name, $types) = @{ one_of(@functions) };

	return "\"$name\"(" . join(', ', map { literal($_) } split / /, $types) . ')';
}

sub any_literal { return literal(one_of(sort keys %values)) }

# Kinds of statements.
my $table = 0;
my @kinds = (
	sub { 'SELECT ' . call() . ' AS x' },
	sub { 'SELECT ' . call() . ' AS x' },
	sub { 'SELECT ' . call() . ' AS x' },
	sub { 'SELECT ' . call() . ' AS x, ' . call() . ' AS x, ' . any_literal() },
	sub { 'SELECT ARRAY[' . any_literal() . '] AS x, ROW(' . any_literal() . ', ' . any_literal() . ') AS r' },
	sub { 'SELECT * FROM many(' . one_of(0, 1, 50) . ') WHERE b <> ' . literal('text') },
	sub { 'VALUES (' . any_literal() . "), (" . any_literal() . ')' },
	sub { 'WITH x AS (INSERT INTO marks VALUES (-1) RETURNING *) SELECT ' . any_literal() . ' FROM x' },
	sub { 'INSERT INTO parents VALUES (' . int(rand(5)) . ', ' . literal('text') . ') RETURNING *' },
	sub { 'INSERT INTO children VALUES (' . int(rand(8)) . ', ' . int(rand(14)) . ')' },
	sub { 'DELETE FROM parents WHERE id = ' . int(rand(5)) },
	sub { 'UPDATE parents SET s = ' . literal('text') },
	sub { 'MERGE INTO parents AS p USING (VALUES (' . int(rand(5)) . ')) AS v(i) ON p.id = v.i WHEN MATCHED THEN DELETE '
		. "WHEN NOT MATCHED THEN INSERT VALUES (v.i, 'merged')" },
	sub { 'CREATE TEMP TABLE t ON COMMIT ' . one_of('DROP', 'PRESERVE ROWS') . ' AS SELECT ' . any_literal() . ' AS x' },
	sub { 'CREATE TABLE made_' . $table++ . ' (x ' . one_of('int', 'mood', 'pair', 'small', 'nothing') . ')' },
	sub { 'DROP TABLE made_' . int(rand($table + 1)) },
	sub { 'SELECT ' . int(rand(200)) . '::small, ' . one_of("'sad'", "'none'") . "::mood, ROW(1, '{ok}')::pair" },
	sub { 'DO $$BEGIN RAISE ' . one_of('NOTICE', 'WARNING', 'EXCEPTION', 'unique_violation', "SQLSTATE 'P0042'") . one_of(" USING MESSAGE = 'x'", '')
		. '; END$$' },
	sub { 'DO $$BEGIN BEGIN PERFORM ' . call() . '; EXCEPTION WHEN OTHERS THEN NULL; END; END$$' },
	sub { 'DO $$BEGIN EXECUTE ' . literal('text') . '; END$$' },
	sub { 'EXPLAIN (FORMAT ' . one_of('TEXT', 'JSON', 'XML') . ') SELECT ' . call() },
	sub { 'SET LOCAL ' . one_of('search_path = pg_catalog', 'work_mem = 64', "timezone = 'nowhere'", 'row_security = off', "datestyle = 'german'") },
	sub { 'PREPARE p AS SELECT ' . any_literal() },
	sub { 'EXECUTE p' },
	sub { 'DECLARE c CURSOR ' . one_of('', 'WITH HOLD ') . 'FOR SELECT ' . call() },
	sub { 'FETCH c' },
	sub { one_of('LOCK TABLE parents', "NOTIFY x, 'y'", 'UNLISTEN *', 'RESET ALL', 'SHOW work_mem', 'TABLE parents', 'CHECKPOINT', 'ANALYZE parents',
			'TRUNCATE children', 'COMMENT ON TABLE parents IS NULL', 'GRANT SELECT ON parents TO nobody', 'SET CONSTRAINTS ALL IMMEDIATE',
			'CLUSTER parents', 'REINDEX TABLE parents', "COPY parents TO '/nowhere/x'", 'SELECT', 'SELECT 1 WHERE false', 'this is no SQL', 'SELECT (1',
			"SELECT 'unterminated", 'SELECT 1/0', 'SELECT pg_catalog.now() IS NULL', 'CREATE VIEW v AS SELECT 1', 'CREATE TYPE mood AS ENUM ()') });

# --- the same in a session and in steps ---

# SQLSTATE of a script in a session of its own, empty when all goes well.
sub state_of
{
	my ($script) = @_;
	my ($status, $out, $err) = $node->psql('w', "\\set VERBOSITY sqlstate\n$script", on_error_stop => 1);

	return '' if $status == 0;
	return $err =~ /(?:ERROR|FATAL): +([0-9A-Z]{5})/ ? $1 : "status $status: $err";
}

my $json = JSON::PP->new->canonical;

# Both see the same tables: they are put back before each.
$node->safe_psql('w', q{
	CREATE PROCEDURE put_back() LANGUAGE plpgsql AS $$
	DECLARE
		made text;
	BEGIN
		FOR made IN SELECT oid::regclass FROM pg_class WHERE relname ~ '^made_' LOOP
			EXECUTE 'DROP TABLE ' || made;
		END LOOP;
		DROP VIEW IF EXISTS v;
		TRUNCATE parents, children;
		INSERT INTO parents VALUES (1, 'x'), (2, 'y');
	END $$});
# The statements of a seed, each in its workflow.
sub run_seed
{
	my ($seed) = @_;
	my (%refused, @statements);
	my ($different, $failed) = ('', 0);

	note("seed $seed");
	srand($seed);
	$table = 0;
	@statements = map { one_of(@kinds)->() } 1 .. $count;
	$node->safe_psql('w', 'TRUNCATE marks');
	# What cannot be parsed is refused by define() already.
	foreach my $number (0 .. $#statements)
	{
		my $status = $node->psql('w', "SELECT workflow.define(\$random\$"
			  . $json->encode({ name => "s$number", steps => [
				{ id => 'back', sql => 'CALL put_back()' },
				{ id => 's', sql => "INSERT INTO marks VALUES ($number, 'step'); $statements[$number]" } ] }) . '$random$)', stderr => \my $err);
		$refused{$number} = $err if $status != 0;
	}
	foreach my $number (sort keys %refused)
	{
		like($refused{$number}, qr/steps\[1\]\.sql: (?:syntax error|unterminated)/, "seed $seed: refused: $statements[$number]");
	}
	foreach my $number (0 .. $#statements)
	{
		$node->safe_psql('w', 'CALL put_back()');
		my $session = state_of("BEGIN;\nINSERT INTO marks VALUES ($number, 'session');\n$statements[$number];\nCOMMIT;\n");
		if ($refused{$number})
		{
			$different .= "$statements[$number]: session \"$session\", refused\n" if $session ne '42601';
			next;
		}
		my $execute = state_of("SELECT workflow.execute('s$number');\n");
		my $id = $node->safe_psql('w', "SELECT workflow.start('s$number')");
		my $step = $node->safe_psql('w', "SELECT coalesce(error_type, '') || CASE status WHEN 'completed' THEN '' WHEN 'failed' THEN '' ELSE status END
			FROM workflow.wait($id, '3 min')");

		$failed++ if $step ne '';
		$different .= "$statements[$number]: session \"$session\", step \"$step\", execute() \"$execute\"\n"
		  if $session ne $step || $session ne $execute;
	}
	is($different, '', "seed $seed: steps end as the statements do in a session");
	is($node->safe_psql('w', q{SELECT string_agg(n::text, ' ')
		FROM (SELECT n, count(*) FROM marks WHERE source = 'step' GROUP BY n) AS m
		FULL JOIN (SELECT substr(workflow, 2)::int AS n, count(*) FROM workflow.executions WHERE status = 'completed' GROUP BY 1) AS e
		USING (n, count) WHERE m IS NULL OR e IS NULL}), '', "seed $seed: what a step did is there if and only if it completed");
	cmp_ok($failed, '>', $count / 10, "seed $seed: some fail");
	cmp_ok($failed, '<', $count * 9 / 10, "seed $seed: some do not");
	return;
}

foreach my $seed (@seeds)
{
	run_seed($seed);
	$node->safe_psql('w', q{SELECT workflow.prune('0', max_executions => 1000000)});
}
unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;

done_testing();

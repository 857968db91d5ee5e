# What a step changes in its session and in its transaction, and what the next step finds of it:
# in a transaction of its own, in a shared one, in that of another execution, behind a step of
# another role, with children that one thread runs, and in execute().  The table in
# docs/definitions.md, "What a step finds in its session".
#
# Everything runs in one executor, so that a leak would be seen.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use JSON::PP;
use WorkflowTest;

my $node = workflow_cluster('session_state', 'workflow.max_executors = 1');

sub query { return $node->safe_psql('postgres', $_[0]); }

# A34: Kinds of state: how it is left, what is true when nothing of it is found, and whether it is found
# in a shared transaction, and in execute(), all the same.
my @kinds = (
	[ 'temporary table', 'CREATE TEMP TABLE kept AS SELECT 1 AS i', q{to_regclass('pg_temp.kept') IS NULL}, 0, 1 ],
	[ 'on commit drop', 'CREATE TEMP TABLE dropped ON COMMIT DROP AS SELECT 1 AS i', q{to_regclass('pg_temp.dropped') IS NULL}, 0, 1 ],
	[ 'on commit delete rows', 'CREATE TEMP TABLE emptied ON COMMIT DELETE ROWS AS SELECT 1 AS i', q{to_regclass('pg_temp.emptied') IS NULL}, 0, 1 ],
	[ 'temporary function', 'CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql RETURN 1', q{to_regprocedure('pg_temp.f()') IS NULL}, 0, 1 ],
	[ 'SET', q{SET work_mem = '77kB'}, q{current_setting('work_mem') <> '77kB'}, 0, 0 ],
	[ 'SET LOCAL', q{SET LOCAL maintenance_work_mem = '1077kB'}, q{current_setting('maintenance_work_mem') <> '1077kB'}, 0, 0 ],
	[ 'setting of its own', q{SELECT set_config('my.setting', 'x', false)}, q{coalesce(current_setting('my.setting', true), '') = ''}, 0, 0 ],
	[ 'SET ROLE', 'SET ROLE lesser', 'current_user = session_user', 0, 2 ],
	[ 'read only', 'SET TRANSACTION READ ONLY', q{current_setting('transaction_read_only') = 'off'}, 0, 0 ],
	[ 'SET CONSTRAINTS', 'SET CONSTRAINTS ALL DEFERRED', 'is_checked_at_once()', 0, 1 ],
	[ 'SET CONSTRAINTS of one', 'SET CONSTRAINTS child_i_fkey DEFERRED', 'is_checked_at_once()', 0, 1 ],
	[ 'prepared statement', 'PREPARE left_behind AS SELECT 1', q{NOT EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'left_behind')}, 0, 1 ],
	[ 'cursor', 'DECLARE left_open CURSOR FOR SELECT 1', q{NOT EXISTS (SELECT FROM pg_cursors WHERE name = 'left_open')}, 0, 1 ],
	[ 'held cursor', 'DECLARE left_held CURSOR WITH HOLD FOR SELECT 1', q{NOT EXISTS (SELECT FROM pg_cursors WHERE name = 'left_held')}, 0, 1 ],
	[ 'sequence', q{SELECT nextval('numbers')}, q{raises('SELECT currval(''numbers'')', '55000')}, 0, 1 ],
	[ 'lastval', q{SELECT nextval('numbers')}, q{raises('SELECT lastval()', '55000')}, 0, 1 ],
	[ 'large object', 'SELECT lo_open((SELECT loid FROM object), 131072)', q{raises('SELECT loread(0, 1)', '42704')}, 0, 1 ],
	[ 'session lock', 'SELECT pg_advisory_lock(77)', 'is_not_locked(77)', 1, 1 ],
	[ 'shared session lock', 'SELECT pg_advisory_lock_shared(78)', 'is_not_locked(78)', 1, 1 ],
	[ 'transaction lock', 'SELECT pg_advisory_xact_lock(79)', 'is_not_locked(79)', 1, 1 ],
	[ 'time', 'INSERT INTO times SELECT now()', '(SELECT max(t) <> now() FROM times)', 1, 1 ]);
my $kinds = encode_json([ map { { name => $_->[0], leave => $_->[1], look => "SELECT $_->[2]" } } @kinds ]);

query(qq{
	CREATE EXTENSION pg_workflow;
	CREATE ROLE lesser;
	CREATE TABLE parent (i int PRIMARY KEY);
	CREATE TABLE child (i int CONSTRAINT child_i_fkey REFERENCES parent DEFERRABLE INITIALLY IMMEDIATE);
	CREATE SEQUENCE numbers;
	CREATE TABLE times (t timestamptz);
	CREATE TABLE object AS SELECT lo_create(0) AS loid;
	GRANT ALL ON ALL TABLES IN SCHEMA public TO lesser;
	GRANT ALL ON SEQUENCE numbers TO lesser;
	CREATE FUNCTION raises(statement text, code text) RETURNS boolean LANGUAGE plpgsql AS \$\$
	BEGIN
		EXECUTE statement;
		RETURN false;
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE = code;
	END \$\$;
	CREATE FUNCTION is_checked_at_once() RETURNS boolean LANGUAGE plpgsql AS \$\$
	BEGIN
		BEGIN
			INSERT INTO child VALUES (99);
			DELETE FROM child;
			RETURN false;
		EXCEPTION WHEN foreign_key_violation THEN
			RETURN true;
		END;
	END \$\$;
	CREATE FUNCTION is_not_locked(id int) RETURNS boolean LANGUAGE sql
		RETURN NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = id AND pid = pg_backend_pid());
	CREATE TABLE kinds AS SELECT * FROM jsonb_to_recordset(\$kinds\$$kinds\$kinds\$) AS k (name text, leave text, look text);
	GRANT SELECT ON kinds TO lesser;
	ALTER DATABASE postgres SET lo_compat_privileges = on;
	CREATE FUNCTION leave(kind text) RETURNS boolean LANGUAGE plpgsql AS \$\$
	BEGIN
		EXECUTE (SELECT leave FROM kinds WHERE name = kind);
		RETURN true;
	END \$\$;
	CREATE FUNCTION look(kind text) RETURNS boolean LANGUAGE plpgsql AS \$\$
	DECLARE
		nothing boolean;
	BEGIN
		EXECUTE (SELECT look FROM kinds WHERE name = kind) INTO nothing;
		RETURN nothing;
	END \$\$});

sub step
{
	my ($id, $call, %more) = @_;

	return { id => $id, type => 'sql', sql => "SELECT $call", result => 'value',
		input_mapping => { kind => '${workflow.input.kind}', n => '${workflow.input.n}' }, %more };
}
my @chain = (step('s1', 'leave(input.kind)'), step('s2', 'look(input.kind)'));
my @lesser = (step('s1', 'leave(input.kind)', settings => { role => 'lesser' }), $chain[1]);
my $share = { max_steps => 10, max_ms => 3600000 };
my %definitions = (
	own => { steps => \@chain },
	shared => { steps => \@chain, commit => $share },
	lesser => { steps => \@lesser },
	lesser_shared => { steps => \@lesser, commit => $share },
	one_thread => { steps => [ { id => 'p', type => 'parallel', parallel_steps => \@chain } ] },
	one_thread_shared => { steps => [ { id => 'p', type => 'parallel', parallel_steps => \@chain } ], commit => $share },
	# of two executions each
	others => { steps => [ step('s2', 'CASE WHEN input.n::int = 1 THEN leave(input.kind) ELSE look(input.kind) END') ] },
	others_shared => { steps => [ step('s2', 'CASE WHEN input.n::int = 1 THEN leave(input.kind) ELSE look(input.kind) END') ], commit => $share });
foreach my $name (sort keys %definitions)
{
	my $definition = encode_json({ name => $name, %{ $definitions{$name} } });

	query("SELECT workflow.define(\$definition\$$definition\$definition\$)");
}

# Start executions of a workflow for kinds; one that is left and one that looks, in this order,
# where they are two.  Gives what was found: kinds whose last step said so, or failed.
sub found
{
	my ($workflow, @names) = @_;
	my $names = join ', ', map { "'$_->[0]'" } @names;
	my $number = $workflow =~ /^others/ ? 2 : 1;
	my $ids = query(qq{SELECT string_agg(id::text, ', ') FROM (SELECT workflow.start('$workflow',
		jsonb_build_object('kind', k.name, 'n', n), parallel => false) AS id
		FROM kinds AS k, generate_series(1, $number) AS n WHERE k.name IN ($names) ORDER BY k.name, n) AS s});

	query("SELECT FROM workflow.wait($_, '180 s')") foreach split /, /, $ids;
	return query(qq{SELECT coalesce(string_agg(concat_ws(' ', w.input ->> 'kind', w.error ->> 'message'), ', ' ORDER BY w.id), ''),
			(SELECT count(DISTINCT s.xmin::text) < count(*) FROM workflow.step_executions AS s WHERE s.execution_id IN ($ids) AND s.step_type = 'sql')
		FROM workflow.executions AS w
		LEFT JOIN workflow.step_executions AS s ON s.execution_id = w.id AND s.step_id = 's2'
		WHERE w.id IN ($ids) AND (s.output IS DISTINCT FROM 'true'::jsonb)});
}

my @bound = grep { $_->[3] } @kinds;
my @free = grep { !$_->[3] } @kinds;
foreach my $mode ('own', 'lesser', 'one_thread', 'others')
{
	# a lesser role may not become another one
	my @possible = grep { $mode ne 'lesser' || $_->[0] ne 'SET ROLE' } @kinds;

	is(found($mode, @possible), '|f', "$mode: nothing is found, no transaction is shared");
	is(found("${mode}_shared", grep { !$_->[3] } @possible), '|t', "$mode: nor when transactions are shared")
	  if exists $definitions{"${mode}_shared"};
}
is(found('shared', @free), '|t', 'shared: nothing of what does not belong to the transaction is found');
is(found('shared', $_), "$_->[0]|t", "shared: $_->[0] belongs to the transaction") foreach @bound;
foreach my $kind ('SET CONSTRAINTS', 'SET CONSTRAINTS of one')
{
	is(found('shared', [$kind]), '|f', "shared: $kind ends the transaction with the step");
}
is(query('SELECT count(DISTINCT executor_pid) FROM workflow.step_executions'), 1, 'all that in one executor');

# a step that has used SET CONSTRAINTS and failed
my $definition = encode_json({ name => 'fails', commit => $share, steps => [
	{ id => 's1', sql => 'SET CONSTRAINTS ALL DEFERRED; SELECT 1 / 0', on_failure => 'ignore' },
	{ id => 's2', sql => 'SELECT is_checked_at_once()', result => 'value' } ] });
query("SELECT workflow.define(\$definition\$$definition\$definition\$)");
my $id = run_execution($node, 'postgres', 'fails');
is(step_rows($node, 'postgres', $id), "s1 failed 22012\ns2 completed true", 'SET CONSTRAINTS of a step that fails');

# --- DISCARD ALL, LOAD (A33) ---

define_sql($node, 'postgres', 'discards', { sql => 'DISCARD ALL', transaction => 'none', result => 'none' },
	q{SELECT current_setting('application_name') || ' ' || current_setting('exit_on_error')}, 'SELECT 3');
$id = run_execution($node, 'postgres', 'discards');
is(step_rows($node, 'postgres', $id), "s1 completed {\"row_count\": 0}\ns2 completed pg_workflow executor off\ns3 completed 3", 'DISCARD ALL takes nothing of ours');

# --- execute(): it is the session's transaction, and its session ---

foreach my $kind (@kinds)
{
	my ($name, $leave, $look, $bound, $inline) = @$kind;
	my ($status, $out, $err) = $node->psql('postgres', "SELECT workflow.execute('own', '{\"kind\": \"$name\", \"n\": 1}')");

	$inline == 2 ? like($err, qr/cannot leave another role behind inside execute/, "execute(), $name: refused")
	  : is($out, $inline ? 'false' : 'true', "execute(), $name: " . ($inline ? 'belongs to the session' : 'is undone')) || diag($err);
}

$node->stop;
done_testing();

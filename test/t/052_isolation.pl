# The transaction of a step's SQL: isolation, read only, deferrable; said by the
# step, its definition, its settings, or the role's.  Two executions that look at
# the same rows and then each write another one show write skew, unless they are
# serializable: then one of them is tried again and sees what the other has done.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('isolation', 'workflow.max_executors = 4', 'timezone = UTC');

# both have looked before either writes; a second attempt finds that it is so
$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_workflow;
	CREATE ROLE careful LOGIN SUPERUSER;
	ALTER ROLE careful SET default_transaction_isolation = 'serializable';
	CREATE ROLE careful_here LOGIN SUPERUSER;
	ALTER ROLE careful_here IN DATABASE postgres SET default_transaction_isolation = 'serializable';
	CREATE ROLE reader LOGIN SUPERUSER;
	ALTER ROLE reader SET default_transaction_read_only = on;
	ALTER ROLE reader SET default_transaction_deferrable = on;
	CREATE TABLE doctors (name text PRIMARY KEY, on_call boolean);
	CREATE TABLE notes (note text);
	CREATE SEQUENCE arrived;
	CREATE FUNCTION go_off(who text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		others integer := (SELECT count(*) FROM doctors WHERE on_call AND name <> who);
	BEGIN
		PERFORM nextval('arrived');
		WHILE (SELECT last_value FROM arrived) < 2 LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		IF others > 0 THEN
			UPDATE doctors SET on_call = false WHERE name = who;
			-- both have written before either commits: that is where it fails
			PERFORM pg_advisory_xact_lock_shared(99);
		END IF;
		RETURN current_setting('transaction_isolation');
	END $$});

# Lets them commit.
my $gate = $node->background_psql('postgres');

# How many are on call in the end, and the levels their steps saw.
# The row that wait() returns, or what is asked of it.  It waits in READ COMMITTED only, whatever
# the database says meanwhile.
sub waited
{
	return $node->safe_psql('postgres', "SET default_transaction_isolation = 'read committed';\nSELECT $_[0]");
}

sub on_call
{
	my ($name, $definition, $step, $role, $parallel, $steps) = @_;
	my @ids;

	$parallel //= 'NULL';
	$steps //= 'STEP, {"id": "after", "type": "set", "output": "${off.output}"}';
	$steps =~ s/STEP/{"id": "off", "type": "sql", "sql": "SELECT go_off(input.who)", "input_mapping": {"who": "\${workflow.input.who}"}, "result": "value" $step}/;

	$node->safe_psql('postgres', 'TRUNCATE doctors; INSERT INTO doctors SELECT n, true FROM unnest(ARRAY[$$ada$$, $$bob$$]) AS n; ALTER SEQUENCE arrived RESTART; SELECT setval($$arrived$$, 1, false)');
	$node->safe_psql('postgres', qq{SELECT workflow.define('{"name": "$name", $definition "steps": [$steps]}')});
	$gate->query_safe('SELECT pg_advisory_lock(99)');
	push @ids, $node->safe_psql('postgres', qq{SET ROLE $role; SELECT workflow.start('$name', '{"who": "$_"}', parallel => $parallel)}) for ('ada', 'bob');
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}), "$name: both have written");
	$gate->query_safe('SELECT pg_advisory_unlock(99)');
	my $seen = waited("string_agg(w.status || ' ' || (w.output #>> '{}'), ', ') FROM unnest(ARRAY[" . join(',', @ids) . "]::bigint[]) AS i, workflow.wait(i, '300 s') AS w");
	my $retried = $node->safe_psql('postgres', "SELECT count(*) FROM workflow.step_executions WHERE on_failure = 'retried' AND error_type <> '40001' AND execution_id IN (" . join(',', @ids) . ")");
	is($retried, 0, "$name: only serialization failures are tried again");
	return $node->safe_psql('postgres', 'SELECT count(*) FROM doctors WHERE on_call') . ": $seen";
}

my $serializable = '1: completed serializable, completed serializable';
my $level = '"transaction": {"isolation": "serializable"}';

is(on_call('skew', '', '', 'postgres'), '0: completed read committed, completed read committed', 'read committed: nobody is left on call');
is(on_call('repeatable', '', ', "transaction": {"isolation": "repeatable read"}', 'postgres'),
	'0: completed repeatable read, completed repeatable read', 'nor with repeatable read');
is(on_call('by_step', '', ", $level", 'postgres'), $serializable, 'serializable by the step');
is(on_call('by_definition', "$level,", '', 'postgres'), $serializable, 'by the definition');
is(on_call('by_settings', '"settings": {"default_transaction_isolation": "serializable"},', '', 'postgres'), $serializable, 'by settings');
is(on_call('by_role', '', '', 'careful'), $serializable, 'by the settings of the role');
is(on_call('batched', qq{$level, "commit": {"max_steps": 10},}, '', 'postgres'), $serializable, 'where steps may share a transaction');
is(on_call('step_first', "$level,", ', "transaction": {"isolation": "read committed"}', 'careful'),
	'0: completed read committed, completed read committed', 'the step goes before its definition, and that before the role');

# --- the step that its transaction is lost behind, wherever it stands ---

is( on_call('behind_block', '', ", $level", 'postgres', undef, '{"id": "p", "type": "parallel", "parallel_steps": [{"id": "x", "sql": "SELECT 1"},
		{"id": "y", "sql": "SELECT 1"}]}, STEP, {"id": "after", "type": "set", "output": "${off.output}"}'),
	$serializable, 'behind a block');
is( on_call('behind_condition', '', ", $level", 'postgres', undef, '{"id": "l", "type": "loop", "while": {"sql": "SELECT input.i < 1"},
		"input_mapping": {"i": "${loop.index}"}, "loop_body": [STEP], "result": "outputs"}, {"id": "after", "type": "set", "output": "${l.output[0]}"}'),
	$serializable, 'behind the condition of a loop');
is( $node->safe_psql('postgres', q{SELECT string_agg(DISTINCT s.step_id || ' ' || s.status || ' ' || COALESCE(s.error_type, '') || ' ' || e.recoveries, ', ')
	FROM workflow.step_executions AS s JOIN workflow.executions AS e ON e.id = s.execution_id WHERE e.workflow LIKE 'behind%' AND s.step_id IN ('off', 'p', 'l')}),
	'l completed  0, off completed  0, off failed 40001 0, p completed  0', 'and its row says so');

# --- the database says so, or of a role in this database; and children one after the other ---

is(on_call('by_role_here', '', '', 'careful_here'), $serializable, 'by the settings of the role in this database');
is(on_call("off_$_->[0]", $_->[1], $_->[2], $_->[3], 'false'), $serializable, "with parallel = off, by the $_->[0]")
  foreach [ 'step', '', ", $level", 'postgres' ], [ 'definition', "$level,", '', 'postgres' ], [ 'role', '', '', 'careful' ];
is(on_call('off_skew', '', '', 'postgres', 'false'), '0: completed read committed, completed read committed', 'which alone does not change it');

my $seen = q{"sql": "SELECT current_setting('transaction_isolation')", "result": "value"};
$node->safe_psql('postgres', q{SELECT workflow.define($${"name": "levels", "steps": [
	{"id": "block", "type": "parallel", "parallel_steps": [
		{"id": "a", SEEN, "transaction": {"isolation": "serializable"}},
		{"id": "b", SEEN, "transaction": {"isolation": "read committed"}}, {"id": "c", SEEN}]},
	{"id": "each", "type": "loop", "collection": [1, 2], "loop_config": {"execution_mode": "parallel"}, "loop_body": ["d", "e"]},
	{"id": "d", SEEN, "transaction": {"isolation": "repeatable read"}}, {"id": "e", SEEN},
	{"id": "ask", "type": "conditional", "condition": {"sql": "SELECT current_setting('transaction_isolation') = 'read committed'"},
		"if_true_step": {"id": "yes", "type": "set", "output": 1}, "if_false_step": {"id": "no", "type": "set", "output": 1}}]}$$)} =~ s/SEEN/$seen/gr);

# What the steps of it saw.
sub levels
{
	my ($role, $parallel) = @_;
	my $id = $node->safe_psql('postgres', "SET ROLE $role; SELECT workflow.start('levels', parallel => $parallel)");

	is(waited("status FROM workflow.wait($id, '300 s')"), 'completed', "levels of $role");
	return $node->safe_psql('postgres', qq{SELECT string_agg(DISTINCT step_id || ' ' || COALESCE(output #>> '{}', ''), ', ')
		FROM workflow.step_executions WHERE execution_id = $id AND step_id <> ALL ('{block,each,ask}')});
}
my $mixed = sub { "a serializable, b read committed, c $_[0], d repeatable read, e $_[0], " . ($_[0] eq 'read committed' ? 'yes 1' : 'no 1') };
foreach my $parallel ('true', 'false')
{
	is(levels('postgres', $parallel), $mixed->('read committed'), "each step has its own, parallel => $parallel");
	is(levels($_, $parallel), $mixed->('serializable'), "those of $_ the role's, parallel => $parallel") foreach 'careful', 'careful_here';
}

$node->safe_psql('postgres', q{ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'});
is(on_call('by_database', '', '', 'postgres'), $serializable, 'by the settings of the database');
is(on_call('off_database', '', '', 'postgres', 'false'), $serializable, '... with parallel = off');
is(levels('postgres', $_), $mixed->('serializable'), "... as without a word, parallel => $_") foreach 'true', 'false';
$node->safe_psql('postgres', 'ALTER ROLE careful_here IN DATABASE postgres SET default_transaction_isolation = $$read committed$$');
is(on_call('by_both', '', '', 'careful_here'), '0: completed read committed, completed read committed', 'the role\'s here go before the database\'s');
# execute() has what the session has
$node->safe_psql('postgres', qq{SELECT workflow.define(\$\${"name": "show", "steps": [{"id": "a", "type": "sql", $seen}]}\$\$)});
sub inside { return ($node->psql('postgres', q{SELECT workflow.execute('show') #>> '{}'}, extra_params => [ '-U', $_[0] ]))[1]; }
is(inside('postgres'), 'serializable', 'in execute(), by the database');
is(inside('careful_here'), 'read committed', 'by the role here');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET default_transaction_isolation');
is(inside('postgres') . ', ' . inside('careful'), 'read committed, serializable', 'by the role, or by nobody');
is(on_call('by_database', '', '', 'postgres'), '0: completed read committed, completed read committed', 'and executors begin with what holds now');

# --- read only: the step's SQL, not the engine ---

sub only_step
{
	my ($sql, $transaction, $role) = @_;

	$sql =~ s/'/''/g;
	$node->safe_psql('postgres', qq{SELECT workflow.define('{"name": "only", "steps": [{"id": "a", "type": "sql", "sql": "$sql", "result": "value" $transaction}]}')});
	my $id = $node->safe_psql('postgres', "SET ROLE $role; SELECT workflow.start('only')");
	return waited("status, output, error_type FROM workflow.wait($id, '300 s')");
}

my $show = q{SELECT concat_ws(' ', current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('transaction_deferrable'))};
my $write = q{INSERT INTO notes VALUES ('written') RETURNING note};
is(only_step($write, ', "transaction": {"read_only": true}', 'postgres'), 'failed||25006', 'read only: it cannot write');
is(only_step($show, ', "transaction": {"read_only": true}', 'postgres'), 'completed|"read committed on off"|', 'and is recorded');
is(only_step($show, ', "transaction": {"isolation": "serializable", "read_only": true, "deferrable": true}', 'postgres'),
	'completed|"serializable on on"|', 'deferrable: waits for a safe snapshot, and is recorded');
is(only_step("CREATE TEMP TABLE x (i int); $show", ', "transaction": {"isolation": "serializable", "deferrable": true}', 'postgres'),
	'completed|"serializable off on"|', 'what the step before has left does not take its snapshot');
is(only_step($show, ', "transaction": {"isolation": "serializable", "read_only": true, "deferrable": true}', 'postgres'),
	'completed|"serializable on on"|', 'in the same executor');

# --- a role, or a database, whose transactions are read only: our own statements are not ---

is(only_step($write, '', 'reader'), 'failed||25006', 'read only by the role');
is(only_step($write, ', "transaction": {"isolation": "read committed", "read_only": false}', 'reader'), 'completed|"written"|', 'but not where the step says so');
is(only_step('VACUUM notes', ', "transaction": "none"', 'reader') =~ /^completed/ ? 'completed' : 'failed', 'completed', 'outside a transaction');

# --- execute() has the caller's transaction ---

$node->safe_psql('postgres', qq{SELECT workflow.define('{"name": "strict", $level, "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1", "result": "value"}]}')});
my ($code, $out, $err) = $node->psql('postgres', q{SELECT workflow.execute('strict')});
like($err, qr/step "a" cannot run inside execute\(\).*SERIALIZABLE/s, 'it refuses a step that wants more');
is($node->safe_psql('postgres', q{BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT workflow.execute('strict'); COMMIT}), 1, 'and runs it where it gets it');
# ... also where it is the settings that ask
sub strict_settings
{
	my ($name, $settings, $sql) = @_;

	$node->safe_psql('postgres', qq{SELECT workflow.define('{"name": "$name", "settings": $settings, "steps": [{"id": "a", "type": "sql", "sql": "$sql", "result": "value"}]}')});
	return ($node->psql('postgres', "SELECT workflow.execute('$name')"))[2];
}
like(strict_settings('strict_settings', '{"default_transaction_isolation": "repeatable read"}', 'SELECT 1'),
	qr/step "a" cannot run inside execute\(\).*REPEATABLE READ/s, 'it refuses a step whose settings want more');
is($node->safe_psql('postgres', q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT workflow.execute('strict_settings'); COMMIT}), 1, 'and runs it where it gets it');
like(strict_settings('reads', '{"default_transaction_read_only": "on"}', 'DELETE FROM notes'),
	qr/cannot execute DELETE in a read-only transaction/, 'and what its settings want to be read only writes nothing');

# --- what define() says ---

is( $node->safe_psql('postgres', q{SELECT string_agg(path || ': ' || message, E'\n' ORDER BY path) FROM workflow.validate('{"name": "x", "transaction": {"isolation": "strict"},
		"settings": {"transaction_isolation": "serializable"}, "steps": [
		{"id": "a", "type": "sql", "sql": "SELECT 1", "transaction": {"readonly": true}}, {"id": "b", "type": "sql", "sql": "SELECT 1", "transaction": "all"},
		{"id": "c", "type": "sql", "sql": "SELECT 1", "transaction": {"read_only": "yes"}}, {"id": "d", "type": "set", "output": 1, "transaction": {}}]}') WHERE severity = 'error'}),
	join("\n",
		'settings.transaction_isolation: setting "transaction_isolation" is about a whole transaction, not a step\'s SQL',
		'steps[0].transaction.readonly: unknown field "readonly"',
		'steps[1].transaction: "transaction" must be "step" or "none", not "all"',
		'steps[2].transaction.read_only: "read_only" must be a boolean, not a string',
		'steps[3].transaction: field "transaction" does not belong here',
		'transaction.isolation: "isolation" must be "read committed", "repeatable read" or "serializable", not "strict"'),
	'each problem at its path');
like($node->safe_psql('postgres', q{SELECT workflow.explain('strict')}), qr/serializable/, 'explain() says it');

$gate->quit;
$node->stop;
done_testing();

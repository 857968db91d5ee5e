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
		END IF;
		RETURN current_setting('transaction_isolation');
	END $$});

# How many are on call in the end, and the levels their steps saw.
sub on_call
{
	my ($name, $definition, $step, $role) = @_;
	my @ids;

	$node->safe_psql('postgres', 'TRUNCATE doctors; INSERT INTO doctors SELECT n, true FROM unnest(ARRAY[$$ada$$, $$bob$$]) AS n; ALTER SEQUENCE arrived RESTART; SELECT setval($$arrived$$, 1, false)');
	$node->safe_psql('postgres', qq{SELECT workflow.define('{"name": "$name", $definition "steps": [
		{"id": "off", "type": "sql", "sql": "SELECT go_off(input.who)", "input_mapping": {"who": "\${workflow.input.who}"}, "result": "value" $step},
		{"id": "after", "type": "set", "output": "\${off.output}"}]}')});
	push @ids, $node->safe_psql('postgres', qq{SET ROLE $role; SELECT workflow.start('$name', '{"who": "$_"}')}) for ('ada', 'bob');
	my $seen = $node->safe_psql('postgres', "SELECT string_agg(w.status || ' ' || (w.output #>> '{}'), ', ') FROM unnest(ARRAY[" . join(',', @ids) . "]::bigint[]) AS i, workflow.wait(i, '300 s') AS w");
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

# --- read only: the step's SQL, not the engine ---

sub only_step
{
	my ($sql, $transaction, $role) = @_;

	$sql =~ s/'/''/g;
	$node->safe_psql('postgres', qq{SELECT workflow.define('{"name": "only", "steps": [{"id": "a", "type": "sql", "sql": "$sql", "result": "value" $transaction}]}')});
	my $id = $node->safe_psql('postgres', "SET ROLE $role; SELECT workflow.start('only')");
	return $node->safe_psql('postgres', "SELECT status, output, error_type FROM workflow.wait($id, '300 s')");
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

$node->stop;
done_testing();

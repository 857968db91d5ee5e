# Each type of step and each thing that a session can ask for, once; what every other test presumes.
# It waits for states, as long as they take: it is what can be run where the server forgets its
# caches all the time (make instrumented WITH=caches).

use strict;
use warnings FATAL => 'all';

use Test::More;

use WorkflowTest;

my @settings = ('workflow.max_executors = 3', 'workflow.short_wait = 0', 'workflow.step_timeout = 0');
push @settings, split /;/, $ENV{PGWF_SETTING} // '';
my $node = workflow_cluster('once', @settings);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub start
{
	my ($name, $input, $more) = @_;

	return sql("SELECT workflow.start('$name', '$input'" . ($more // '') . ')');
}

# How it ends, and what it puts out.
sub ends
{
	my ($id) = @_;

	return sql("SELECT concat_ws(' ', status, error_type, output) FROM workflow.wait($id, '1 h')");
}

sub wait_until
{
	my ($query, $name) = @_;

	return ok($node->poll_query_until('postgres', $query), $name);
}

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_workflow;
	CREATE TABLE seen (id bigint, what text);
	CREATE TABLE gate (open boolean);
	CREATE FUNCTION once(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		IF (SELECT count(*) FROM workflow.step_executions WHERE step_id = 'again' AND status = 'failed') = 0 THEN
			RAISE EXCEPTION 'not yet' USING ERRCODE = '40001';
		END IF;
		RETURN to_jsonb(input ->> 'n');
	END $$;
	SELECT workflow.register_agent('echo', 'once(jsonb)', timeout_seconds => 36000);
	SELECT workflow.define('{"name": "all", "steps": [
		{"id": "sql", "sql": "INSERT INTO seen VALUES ($1::bigint, $2) RETURNING what", "params": ["${workflow.execution_id}", "${workflow.input.text}"], "result": "value"},
		{"id": "set", "type": "set", "output": {"said": "${sql.output}", "twice": "${workflow.input.n * 2}"}},
		{"id": "again", "type": "agent", "agent_name": "echo", "input_mapping": {"n": "${set.output.twice}"},
			"retry": {"errors": ["40001"], "max_retries": 3, "type": "fixed_delay", "jitter": false, "initial_delay_ms": 50, "max_delay_ms": 50}},
		{"id": "if", "type": "conditional", "condition": {"sql": "SELECT input.twice > 4"}, "input_mapping": {"twice": "${set.output.twice}"},
			"if_true_step": {"id": "yes", "type": "set", "output": "yes"}, "if_false_step": {"id": "no", "sql": "SELECT 1 / 0"}},
		{"id": "block", "type": "parallel", "parallel_steps": [{"id": "left", "sql": "SELECT 1"}, {"id": "right", "sql": "SELECT 2"}]},
		{"id": "fork", "type": "fork_join", "branches": {"a": [{"id": "a1", "sql": "SELECT 3"}, {"id": "a2", "type": "set", "output": "a"}], "b": [{"id": "b1", "sql": "SELECT 4"}]}},
		{"id": "one", "type": "loop", "collection": [1, 2], "loop_body": [{"id": "o", "sql": "SELECT $1::int", "params": ["${loop.item}"], "result": "value"}]},
		{"id": "beside", "type": "loop", "execution_mode": "parallel", "collection": [1, 2, 3], "loop_body": [{"id": "p", "type": "set", "output": "${loop.item + 1}"}]},
		{"id": "end", "type": "succeed", "output": {"again": "${again.output}", "if": "${yes.output}", "fork": "${a2.output}"}}]}');
	SELECT workflow.define('{"name": "undoes", "on_failure": "told", "steps": [
		{"id": "u1", "sql": "SELECT 1", "compensate": {"id": "undo", "sql": "INSERT INTO seen VALUES (input.id, $$undone$$)", "input_mapping": {"id": "${workflow.execution_id}"}}},
		{"id": "u2", "type": "fail", "error": "Enough", "message": "of it"},
		{"id": "told", "sql": "INSERT INTO seen VALUES (input.id, $$told$$)", "input_mapping": {"id": "${workflow.execution_id}"}}]}');
	SELECT workflow.define('{"name": "steered", "dead_letter": {}, "steps": [{"id": "s1", "sql": "SELECT 1"},
		{"id": "s2", "sql": "SELECT 1 / (SELECT count(*) FROM gate)"}, {"id": "s3", "sql": "SELECT 3"}]}');
	SELECT workflow.define('{"name": "sleeps", "steps": [{"id": "z", "sql": "SELECT pg_sleep(36000)"}]}')});

my $put_out = '{"if": "yes", "fork": "a", "again": "6"}';
my $id = start('all', '{"text": "me", "n": 3}');
is(ends($id), "completed $put_out", 'every type of step');
is(sql("SELECT string_agg(what, ' ') FROM seen WHERE id = $id"), 'me', 'its effect is there, once');
is(sql("SELECT count(*), count(*) FILTER (WHERE status = 'failed') FROM workflow.step_executions WHERE execution_id = $id"), '21|1', 'and a row for each attempt');
is(ends(start('all', '{"text": "one", "n": 3}', ', parallel => false')), "completed $put_out", 'one after the other');
is(sql(q{SELECT workflow.execute('all', '{"text": "here", "n": 3}')}), $put_out, 'in the session');

$id = start('undoes', '{}');
is(ends($id), 'failed Enough', 'it fails');
is(sql("SELECT string_agg(what, ' ') FROM seen WHERE id = $id"), 'undone told', 'what it did is undone, and it is told');

$id = start('steered', '{}', q{, start_at => 'infinity', tenant => 't'});
sql("SELECT workflow.hold_step($id, 's2'), workflow.pause($id, 'a while'); UPDATE workflow.executions SET start_at = now() WHERE id = $id");
is(sql("SELECT workflow.resume($id)"), 'pending', 'paused and resumed');
wait_until("SELECT status = 'waiting' FROM workflow.executions WHERE id = $id", 'it waits in front of a step');
isnt(sql("SELECT reason FROM workflow.why($id) LIMIT 1"), '', 'and one can be told why');
sql("SELECT workflow.skip_step($id, 's3', '33'), workflow.release_step($id, 's2')");
is(ends($id), 'failed 22012', 'released, it fails');
is(sql("SELECT status FROM workflow.dead_letters WHERE execution_id = $id"), 'pending', 'as a dead letter');
sql('INSERT INTO gate VALUES (true)');
is(sql("SELECT workflow.retry($id)"), 'pending', 'it is retried');
is(ends($id), 'completed 33', 'and ends with what was said for a step');

$id = start('sleeps', '{}');
wait_until("SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id AND step_id = 'z'", 'a step runs');
is(sql("SELECT workflow.cancel($id, 'enough')"), 'cancelling', 'cancelled');
is(ends($id), 'cancelled Cancelled', 'it ends');

sql(q{SELECT workflow.drain('a while')});
$id = start('steered', '{}');
is(sql("SELECT status FROM workflow.wait($id, '0 s')"), 'pending', 'drained, it is not begun');
sql(q{SELECT workflow.undrain(), workflow.block('steered', 'no')});
wait_until("SELECT status = 'blocked' FROM workflow.executions WHERE id = $id", 'blocked');
sql(q{SELECT workflow.unblock('steered')});
like(ends($id), qr/^completed/, 'and let go');

$node->restart;
is(ends(start('all', '{"text": "anew", "n": 3}')), "completed $put_out", 'after a restart');
foreach my $view (split /\n/, sql(q{SELECT oid::regclass FROM pg_class WHERE relnamespace = 'workflow'::regnamespace AND relkind = 'v' ORDER BY relname}))
{
	like(sql("SELECT count(v::text) FROM $view AS v"), qr/^\d+$/, "there is $view");
}
is(sql(q{SELECT string_agg(check_name || ': ' || detail, ', ') FROM workflow.verify() WHERE status = 'error'}), '', 'verify() finds nothing');
is(sql(q{SELECT length(workflow.report()) > 1000 AND length(workflow.timeline((SELECT max(id) FROM workflow.executions))) > 100}), 't', 'pictures are drawn');
sql(q{SELECT workflow.prune('0 s')});
sql('DROP EXTENSION pg_workflow CASCADE');
pass('and all of it goes');

$node->stop;
done_testing();

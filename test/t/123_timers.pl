# Steps that wait for a time: in the middle of it the server, the scheduler and the executors go,
# politely and not, an execution is paused, a standby is promoted.  Each ends once, when its time
# has come and not before, and the time is the one that it was when it began.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use WorkflowTest;

my $node = PostgreSQL::Test::Cluster->new('timers');
$node->init(allows_streaming => 1);
workflow_settings($node, 'workflow.max_executors = 3', 'restart_after_crash = on', 'autovacuum = off');
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub wait_until
{
	my ($query, $name) = @_;

	return ok($node->poll_query_until('postgres', $query), $name);
}

# What waits for so long is in memory, longer in a row.
sub short_wait
{
	my ($value) = @_;

	sql("ALTER SYSTEM SET workflow.short_wait = '$value'");
	$node->reload;
	wait_until("SELECT current_setting('workflow.short_wait') = '$value'", "workflow.short_wait is $value");
	sql('SELECT count(workflow.recycle_executor(pid)) FROM workflow.executors');
	return;
}

# What its definition promises of each execution, by name: as many waits, and as many effects.
my %promised = (chain => 1, branches => 3, line => 3, cycle => 3);

sub all_is_right
{
	my ($name) = @_;

	wait_until(q{SELECT count(*) = 0 FROM workflow.executions WHERE status <> 'completed'}, "$name: all complete");
	is(sql(q{SELECT string_agg(DISTINCT e.workflow, ' ') FROM workflow.executions AS e JOIN promised AS p ON p.workflow = e.workflow
		WHERE p.times <> (SELECT count(*) FROM effects AS f WHERE f.id = e.id)
		OR p.times <> (SELECT count(DISTINCT (f.scope, f.number)) FROM effects AS f WHERE f.id = e.id)}), '', "$name: each effect is there once");
	is(sql(q{SELECT string_agg(DISTINCT e.workflow, ' ') FROM workflow.executions AS e JOIN promised AS p ON p.workflow = e.workflow
		WHERE p.times <> (SELECT count(*) FROM workflow.step_executions AS s WHERE s.execution_id = e.id AND s.step_type = 'wait'
			AND s.status = 'completed' AND s.attempt = 1)}), '', "$name: each wait has one row");
	is(sql(q{SELECT count(*) FROM workflow.step_executions WHERE step_type = 'wait' AND (retry_at IS NOT NULL
		OR completed_at < (output ->> 'waited_until')::timestamptz)}), 0, "$name: none ended before its time");
	# the time is from when it began, whoever has gone on with it
	is(sql(q{SELECT count(*) FROM workflow.step_executions AS s JOIN workflow.executions AS e ON e.id = s.execution_id
		WHERE s.step_type = 'wait' AND (s.output ->> 'waited_until')::timestamptz
			<> COALESCE((e.input ->> 'until')::timestamptz, s.started_at + (e.input ->> 'seconds')::numeric * interval '1 s')}), 0, "$name: nothing has moved a time");
	is(sql(q{SELECT count(*) FROM effects AS f JOIN workflow.executions AS e USING (id) WHERE f.at < e.started_at + (e.input ->> 'seconds')::numeric * interval '1 s'}), 0,
		"$name: nothing behind one was done before");
	is(sql('SELECT count(*) FROM workflow.waits'), 0, "$name: nothing is left of the waits");
	is(sql(q{SELECT string_agg(check_name || ': ' || detail, E'\n') FROM workflow.verify() WHERE check_name IN ('waits', 'open steps', 'statuses', 'steps') AND status = 'error'}),
		'', "$name: verify() finds nothing");
	return;
}

install_extension($node, 'postgres');
sql(q{
	CREATE TABLE effects (id bigint, scope text, number int, at timestamptz DEFAULT clock_timestamp());
	CREATE TABLE promised (workflow text, times int)});
sql("INSERT INTO promised VALUES ('$_', $promised{$_})") foreach sort keys %promised;
my $wait = q{{"id": "w", "type": "wait", "seconds": "${workflow.input.seconds}"}};

sub effect { return qq({"id": "b", "sql": "INSERT INTO effects VALUES (input.id, input.scope, input.number)",
	"input_mapping": {"id": "\${workflow.execution_id}", "scope": "", "number": "$_[0]"}}); }
my $loop = sprintf '{"id": "l", "type": "loop", "collection": [0, 1, 2], "execution_mode": "%%s", "loop_body": [%s, %s]}', $wait, effect('${loop.index}');
sql(sprintf q{SELECT workflow.define('{"name": "chain", "steps": [%s, %s]}')}, $wait, effect('0'));
sql(sprintf q{SELECT workflow.define('{"name": "branches", "steps": [%s]}')}, sprintf $loop, 'parallel');
sql(sprintf q{SELECT workflow.define('{"name": "line", "steps": [%s]}')}, sprintf $loop, 'sequential');
sql(q{SELECT workflow.define('{"name": "cycle", "start_step": "n", "steps": {
	"n": {"type": "set", "assign": {"n": "${(vars.n ?? -1) + 1}"}, "next_step": "w"},
	"w": {"type": "wait", "seconds": "${workflow.input.seconds}", "max_visits": 5, "next_step": "b"},
	"b": {"type": "sql", "sql": "INSERT INTO effects VALUES (input.id, '''', input.number)", "input_mapping": {"id": "${workflow.execution_id}", "number": "${vars.n}"}, "next_step": "c"},
	"c": {"type": "conditional", "condition": {"expression": "${vars.n} < 2"}, "if_true_step": "n", "if_false_step": "e"},
	"e": {"type": "set", "output": 1}}}')});
sql(q{SELECT workflow.define('{"name": "at", "steps": [{"id": "w", "type": "wait", "until": "${workflow.input.until}"}]}')});
sql(q{SELECT workflow.define('{"name": "at_once", "steps": [{"id": "l", "type": "loop", "collection": "${workflow.input.items}", "execution_mode": "parallel", "result": "counts",
	"loop_body": [{"id": "w", "type": "wait", "until": "${workflow.input.until}"}]}]}')});

# --- whoever goes in the middle ---

my %blows = (
	'the server stops and starts' => sub { $node->restart; },
	'the server is killed' => sub { $node->stop('immediate'); $node->start; },
	'the scheduler ends' => sub { sql('SELECT pg_terminate_backend(pid) FROM workflow.scheduler_state()'); },
	'the scheduler is killed' => sub { kill KILL => sql('SELECT pid FROM workflow.scheduler_state()'); },
	'executors end' => sub { sql('SELECT count(pg_terminate_backend(pid)) FROM workflow.executors'); },
	'an executor is killed' => sub { kill KILL => sql('SELECT min(pid) FROM workflow.executors'); });

foreach my $short ('0', '1h')
{
	short_wait($short);
	foreach my $blow (sort keys %blows)
	{
		my $name = "short_wait $short, $blow";
		sql(q{SELECT count(workflow.start(p.workflow, jsonb_build_object('seconds', 0.4 + n * 0.3), parallel => n % 2 = 0)) FROM promised AS p, generate_series(1, 3) AS n});
		wait_until("SELECT count(*) > 3 FROM workflow.step_executions WHERE status = 'waiting'", "$name: some wait");
		$blows{$blow}->();
		all_is_right($name);
	}
}

# --- paused for longer than the wait, and for less ---

foreach my $short ('0', '1h')
{
	short_wait($short);
	my $id = sql(q{SELECT workflow.start('chain', '{"seconds": 1}')});

	wait_until("SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $id AND status = 'waiting'", "short_wait $short: it waits");
	sql("SELECT workflow.pause($id)");
	wait_until("SELECT status = 'paused' AND clock_timestamp() > s.retry_at + interval '0.2 s' FROM workflow.execution_status
		JOIN (SELECT execution_id, retry_at FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'w') AS s USING (execution_id)", 'paused, its time goes by');
	is(sql("SELECT status FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'w'"), 'waiting', 'the step waits on');
	my $resumed = sql("SELECT clock_timestamp() FROM workflow.resume($id)");
	all_is_right("short_wait $short, resumed");
	is(sql("SELECT completed_at > '$resumed' FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'w'"), 't', 'it ended then');
	$id = sql(q{SELECT workflow.start('chain', '{"seconds": 2}')});
	wait_until("SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $id AND status = 'waiting'", "short_wait $short: another waits");
	sql("SELECT workflow.pause($id)");
	wait_until("SELECT status = 'paused' FROM workflow.executions WHERE id = $id", 'paused');
	sql("SELECT workflow.resume($id)");
	all_is_right("short_wait $short, resumed in time");
}

# --- a thousand at the same time ---

short_wait('0');
my $until = sql(q{SELECT clock_timestamp() + interval '15 s'});
sql("SELECT count(workflow.start('at', jsonb_build_object('until', '$until'))) FROM generate_series(1, 1000)");
sql("SELECT workflow.start('at_once', jsonb_build_object('until', '$until', 'items', (SELECT jsonb_agg(n) FROM generate_series(1, 1000) AS n)), parallel => true)");
wait_until(q{SELECT count(*) = 2000 FROM workflow.step_executions WHERE step_type = 'wait' AND output ->> 'waited_until' IS NULL AND status = 'waiting'
	OR step_type = 'wait' AND (output ->> 'waited_until')::timestamptz = '} . $until . q{'}, 'two thousand wait for the same time');
all_is_right('two thousand');
diag(sql("SELECT format('2000 due at once: the last ended %s s after their time', round(extract(epoch FROM max(s.completed_at) - '$until'), 3))
	FROM workflow.step_executions AS s WHERE (s.output ->> 'waited_until')::timestamptz = '$until'"));

# --- a standby takes over ---

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('timers_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my $id = sql(q{SELECT workflow.start('chain', '{"seconds": 2}')});
my $long = sql(q{SELECT workflow.start('chain', '{"seconds": 3600}')});
wait_until("SELECT count(*) = 2 FROM workflow.step_executions WHERE execution_id IN ($id, $long) AND status = 'waiting'", 'two wait on the primary');
my $before = sql("SELECT retry_at FROM workflow.step_executions WHERE execution_id = $long");
$node->wait_for_catchup($standby);
$node->stop('immediate');
$standby->promote;
$node = $standby;
is(sql("SELECT status FROM workflow.wait($id, '60 s')"), 'completed', 'one goes on with the other server');
is(sql("SELECT status, retry_at = '$before' FROM workflow.step_executions WHERE execution_id = $long"), 'waiting|t', 'the other one waits for the same time');
sql("SELECT workflow.skip_step($long, 'w')");
is(sql("SELECT status FROM workflow.wait($long, '60 s')"), 'completed', 'until it is skipped');
is(sql("SELECT count(*) FROM effects WHERE id IN ($id, $long)"), 2, 'each has its effect');
is(sql(q{SELECT string_agg(check_name || ': ' || detail, E'\n') FROM workflow.verify() WHERE check_name IN ('waits', 'open steps', 'statuses', 'steps') AND status = 'error'}), '',
	'verify() finds nothing');
$standby->stop;

done_testing();

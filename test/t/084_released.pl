# The version before as it was released, and this one: files and libraries are exchanged under data
# of every kind and executions that run, up and back.  Each step's effects are there once, and the
# older engine goes on with what the newer one leaves.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use UpdateTest;
use WorkflowTest;

my $released = "$ENV{OUT}/released/install";
plan skip_all => slurp_file("$ENV{OUT}/released.log") unless -e "$released/bin/postgres";

my $this = common_installation();
my @folders = private_installation($released);
my $node = workflow_cluster('released', 'workflow.max_executors = 4', 'workflow.short_wait = 0',
	"shared_preload_libraries = 'pg_cron, pg_workflow'", "cron.database_name = 'postgres'", 'cron.use_background_workers = on');

$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron; CREATE ROLE alice LOGIN; CREATE DATABASE other');
install_extension($node, 'postgres');
my $before = $node->safe_psql('postgres', 'SELECT workflow.version()');
my $steps = join ', ', map { qq({"id": "s$_", "sql": "INSERT INTO effects VALUES (\$1::bigint, 's$_')", "params": ["\${workflow.execution_id}"]}) } 1 .. 10;
my $held = q({"id": "h", "sql": "INSERT INTO effects VALUES ($1::bigint, 'h')", "params": ["${workflow.execution_id}"]});
$node->safe_psql('postgres', qq{
	SELECT workflow.grant_usage('alice');
	CREATE TABLE effects (execution_id bigint, step text);
	GRANT INSERT ON effects TO alice;
	SET ROLE alice;
	SELECT workflow.define(\$d\${"name": "chain", "steps": [$steps]}\$d\$);
	SELECT workflow.define(\$d\${"name": "gated", "steps": [{"id": "gate", "sql": "SELECT pg_advisory_xact_lock_shared(1)"}, $steps]}\$d\$);
	SELECT workflow.define('{"name": "fails", "dead_letter": true, "steps": [{"id": "a", "sql": "SELECT 1 / 0"}]}');
	SELECT workflow.define('{"name": "retried", "steps": [{"id": "b", "sql": "SELECT 1 / 0",
		"retry": {"max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000}}]}');
	SELECT workflow.define(\$d\${"name": "held", "steps": [$held]}\$d\$);
	SELECT workflow.define(\$d\${"name": "beside", "steps": [{"id": "p", "type": "parallel", "parallel_steps": [$held, {"id": "q", "sql": "SELECT 1"}]}]}\$d\$);
	RESET ROLE;
	SELECT workflow.register_agent('agent', sql => 'SELECT 1 AS x')});

# Executions in every status that lasts, and what else there is to keep.
my $completed = run_execution($node, 'postgres', 'chain', 'alice');
run_execution($node, 'postgres', 'fails', 'alice');
my $retried = $node->safe_psql('postgres', q{SET ROLE alice; SELECT workflow.start('retried')});
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $retried AND retry_at > now()")
  or die 'it does not wait for its retry';
my @held = map { $node->safe_psql('postgres', qq{SET ROLE alice; BEGIN;
	SELECT workflow.start('$_', parallel => true);
	DO \$\$ BEGIN PERFORM workflow.hold_step(max(id), 'h') FROM workflow.executions; END \$\$;
	COMMIT}) } 'held', 'beside';
my $waiting = join ', ', $retried, @held;
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM workflow.step_executions WHERE step_id = 'q' AND status = 'completed'})
  or die 'the branch beside it does not end';
my $paused = $node->safe_psql('postgres', q{SET ROLE alice; BEGIN;
	SELECT workflow.start('chain', idempotency_key => 'key');
	DO $$ BEGIN PERFORM workflow.pause(max(id), 'for the test') FROM workflow.executions; END $$;
	COMMIT});
$node->safe_psql('postgres', qq{
	SELECT workflow.cancel(workflow.start('chain', start_at => 'infinity'), 'for the test');
	SELECT workflow.schedule('nightly', 'chain', '17 3 * * *');
	SELECT workflow.roll_up_statistics()});

# What has to be the same, whichever version looks.
sub contents
{
	return $node->safe_psql('postgres', join ";\n",
	  q{SELECT name, version, owner, status, definition FROM workflow.definitions ORDER BY id},
	  q{SELECT name, owner, sql FROM workflow.agents ORDER BY name},
	  # what waits for long has no status of its own in the version before
	  q{SELECT execution_id, workflow, version, CASE WHEN status IN ('pending', 'running', 'waiting') THEN 'open' ELSE status END, role,
			input, output, error_type FROM workflow.execution_status
		WHERE workflow <> 'gated' ORDER BY execution_id},
	  q{SELECT execution_id, step_id, attempt, s.status, s.output, s.error FROM workflow.step_executions AS s JOIN workflow.executions AS e ON e.id = execution_id
		WHERE e.workflow <> 'gated' ORDER BY execution_id, s.started_at},
	  q{SELECT name, workflow, cron, enabled FROM workflow.schedules ORDER BY name},
	  q{SELECT execution_id, status FROM workflow.dead_letters ORDER BY id});
}
my $contents = contents();

# Executions that have begun and some that have not, when the session's lock keeps them.
my ($gate, $back, $started) = (undef, undef, 0);

sub start_gated
{
	$gate = $node->background_psql('postgres');
	$gate->query_safe('SELECT pg_advisory_lock(1)');
	$node->safe_psql('postgres', q{SET ROLE alice; SELECT workflow.start('gated') FROM generate_series(1, 10)});
	$node->poll_query_until('postgres', q{SELECT count(*) = 4 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
	  or die 'the steps do not run';
	$started += 10;
	return;
}

# The server goes down in the middle of all that, and comes back.
sub crash
{
	$node->stop('immediate');
	eval { $_->quit } foreach grep { defined } $gate, $back;
	$node->start;
	return;
}

sub all_completed
{
	my ($what) = @_;

	ok($node->poll_query_until('postgres', qq{SELECT count(*) = $started FROM workflow.executions WHERE workflow = 'gated' AND status = 'completed'}), $what);
	is($node->safe_psql('postgres', q{SELECT count(*), count(DISTINCT (execution_id, step)) FROM effects JOIN workflow.executions AS e ON e.id = execution_id
		WHERE workflow = 'gated'}), join('|', ($started * 10) x 2), 'each step once');
	is(contents(), $contents, 'all else is as it was');
	return;
}

# What is said when SQL fails.
sub refusal
{
	my ($database, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $status == 0 ? '' : $err;
}

my $version = q{SELECT extversion FROM pg_extension WHERE extname = 'pg_workflow'};

# --- the new files, and the library of the version before ---

start_gated();
install_files($this, @folders);
my $after = $node->safe_psql('postgres', q{SELECT default_version FROM pg_available_extensions WHERE name = 'pg_workflow'});
isnt($after, $before, "from $before to $after");
like(refusal('other', 'CREATE EXTENSION pg_workflow'), qr/55000: cannot install version \Q$after\E .* its library has version \Q$before\E.*HINT:  Restart the server/s,
	'CREATE EXTENSION before the restart');
like(refusal('postgres', 'ALTER EXTENSION pg_workflow UPDATE'), qr/55000: cannot install version \Q$after\E .* its library has version \Q$before\E.*HINT:  Restart the server/s,
	'ALTER EXTENSION before the restart');
is($node->safe_psql('postgres', $version), $before, 'nothing has changed');
my $more = $node->safe_psql('postgres', q{SELECT workflow.execute('short') IS NOT NULL});
is($more, 't', 'and it works');

# --- the new library, and the objects of the version before ---

$contents = contents();
crash();
is($node->safe_psql('postgres', 'SELECT workflow.version()'), $after, 'after the restart it is the new library');
like(refusal('postgres', q{SELECT workflow.start('chain')}), qr/has version \Q$before\E in this database, but its library has version \Q$after\E.*HINT:  Run ALTER EXTENSION/s,
	'which says what to do');
$node->safe_psql('postgres', 'ALTER EXTENSION pg_workflow UPDATE');
all_completed('what ran before goes on');
is($node->safe_psql('postgres', q{SELECT * FROM workflow.verify(full => true) WHERE status = 'error'}), '', 'verify() finds no error');
is($node->safe_psql('postgres', q{SET ROLE alice; SELECT workflow.start('chain', idempotency_key => 'key')}), $paused, 'idempotency keys hold');
$node->safe_psql('postgres', q{SELECT workflow.set_role_limits('alice', max_running => 100)});
ok($node->poll_query_until('postgres', qq{SELECT count(*) = 3 FROM workflow.executions AS e JOIN workflow.waits AS w ON w.execution_id = e.id
	WHERE e.status = 'waiting' AND e.id IN ($waiting)}), 'what waits does so in a table');

# --- back, while everything runs ---

start_gated();
$back = $node->background_psql('postgres', on_error_stop => 0);
$back->query_until(qr/go/, "\\echo go\nALTER EXTENSION pg_workflow UPDATE TO '$before';\n");
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^ALTER EXTENSION' AND wait_event_type = 'Extension'})
  or die 'it does not wait';
$gate->quit;
is($back->query('SELECT 1'), '1', 'it ends with the steps that ran');
like($back->{stderr}, qr/WARNING:  limits of roles are lost.*WARNING:  executions that wait are queued/s, 'what has no place is named');
is($node->safe_psql('postgres', $version), $before, "back to $before");
like(refusal('postgres', q{SELECT workflow.start('chain')}), qr/HINT:  Run ALTER EXTENSION/, 'which the newer library does not serve');
is($node->safe_psql('postgres', q{SELECT count(*) > 0 FROM workflow.executions WHERE status IN ('pending', 'running')}), 't', 'some wait');
install_files($released, @folders);
crash();
is($node->safe_psql('postgres', 'SELECT workflow.version()'), $before, 'it is the library of the version before');
all_completed('and goes on with what the newer one has left');
$node->safe_psql('postgres', "SELECT workflow.resume($paused)");

# what waited in the table does so in its memory, until it is let or its time has come
$node->safe_psql('postgres', "SELECT workflow.release_step($_, 'h')") foreach @held;
ok(wait_for_status($node, 'postgres', $_, 'completed'), 'what was held goes on when it is released') foreach @held;
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT execution_id) FROM effects WHERE step = 'h'"), '2|2', 'once');
ok(wait_for_status($node, 'postgres', $retried, 'running'), 'what waits for its retry waits');
$node->safe_psql('postgres', "SELECT workflow.pause($retried); UPDATE workflow.step_executions SET retry_at = now() WHERE execution_id = $retried;
	SELECT workflow.resume($retried)");
ok(wait_for_status($node, 'postgres', $retried, 'failed'), 'and is tried again');
is($node->safe_psql('postgres', "SELECT string_agg(attempt || ' ' || status, ', ' ORDER BY attempt) FROM workflow.step_executions WHERE execution_id = $retried"),
	'1 failed, 2 failed', 'once');

# --- the library of the version before, and new objects ---

install_files($this, @folders);
$node->restart;
$node->safe_psql('postgres', 'ALTER EXTENSION pg_workflow UPDATE');
start_gated();
install_files($released, @folders);
crash();
like(refusal('postgres', q{SELECT workflow.start('chain')}), qr/has version \Q$after\E in this database, but its library has version \Q$before\E.*HINT/s,
	'an older library says what to do');
$node->safe_psql('postgres', "ALTER EXTENSION pg_workflow UPDATE TO '$before'");
ok($node->poll_query_until('postgres', "SELECT status = 'completed' FROM workflow.executions WHERE id = $paused"), 'what was paused has gone on');
$contents = contents();
all_completed('which can also be done with it');

unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;
done_testing();

# pg_cancel_backend(), pg_terminate_backend() and recycle_executor() on processes that are not in
# a step they could interrupt: executors that are idle, start, wait for a standby or are in C code,
# the scheduler, the launcher, and a session in execute().  The other rows of the table in
# docs/reliability.md, "When an administrator steps in"; those of steps are in 048_signals.pl.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use lib 't';
use StuckTest;
use WorkflowTest;

my $node = workflow_cluster('signals_around', 'workflow.cancel_grace = 600s', 'workflow.max_executors = 1',
	'wal_level = replica', 'max_wal_senders = 2');
install_stubborn($node);

sub query { return $node->safe_psql('postgres', $_[0]); }

sub wait_until
{
	my ($sql, $name) = @_;

	$node->poll_query_until('postgres', $sql) or die $name;
	return;
}

my $executors = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_workflow executor'};
my %ways = (cancel => 'pg_cancel_backend', terminate => 'pg_terminate_backend', recycle => 'workflow.recycle_executor');

# What became of an execution: its end, effects, rows, recoveries.
query('CREATE TABLE effects (execution_id bigint, step_id text)');
sub outcome
{
	my ($id) = @_;

	# a statement of its own: the rest of the same one would see what was there before
	query("SELECT FROM workflow.wait($id, '180 s')");
	return query(qq{SELECT concat_ws(' ', w.status, w.error_type), w.recoveries,
		(SELECT string_agg(step_id, ' ' ORDER BY step_id) FROM effects WHERE execution_id = $id),
		(SELECT string_agg(concat_ws(' ', step_id || '/' || attempt, status, error_type), ', ' ORDER BY completed_at)
			FROM workflow.step_executions WHERE execution_id = $id)
		FROM workflow.executions AS w WHERE w.id = $id});
}

sub effect
{
	my ($step, $more) = @_;

	return { sql => "INSERT INTO effects SELECT input.e, '$step'" . ($more // ''), result => 'none',
		input_mapping => { e => '${workflow.execution_id}' } };
}
define_sql($node, 'postgres', 'plain', effect('s1'), effect('s2'));
my $plain = 'completed|0|s1 s2|s1/1 completed, s2/1 completed';

# --- idle ---

foreach my $way (sort keys %ways)
{
	run_execution($node, 'postgres', 'short');
	wait_until("SELECT count(*) = 1 FROM workflow.executors WHERE state = 'idle'", 'it is idle');
	my $pid = query($executors);
	query("SELECT $ways{$way}($pid)");
	wait_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid", 'it goes') if $way ne 'cancel';
	is(outcome(query(q{SELECT workflow.start('plain')})), $plain, "idle, $way: nothing happens");
	is(query("SELECT count(*) FROM ($executors) AS e WHERE pid = $pid"), $way eq 'cancel' ? 1 : 0, "idle, $way: the process");
}

# --- a step waits for its next attempt: no executor is at it ---

query('CREATE SEQUENCE calls');
define_sql($node, 'postgres', 'delayed', effect('s1'),
	{ %{ effect('s2', q{ WHERE 1 / (nextval('calls') - 1) >= 0}) }, retry => { max_retries => 1, initial_delay_ms => 2000 } });
foreach my $way (sort keys %ways)
{
	query('ALTER SEQUENCE calls RESTART');
	my $id = query(q{SELECT workflow.start('delayed')});

	wait_until("SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $id AND on_failure = 'retried'", 'it waits');
	query("SELECT $ways{$way}(pid) FROM ($executors) AS e");
	is(outcome($id), 'completed|0|s1 s2|s1/1 completed, s2/1 failed 22012, s2/2 completed', "delay before a retry, $way: nothing happens");
}

# --- an executor that starts ---

# who starts reads the settings of roles, and who is there already does not
my $session = $node->background_psql('postgres');
$session->query_safe('SELECT count(*) FROM workflow.executors');
foreach my $way (sort keys %ways)
{
	my $locker = $node->background_psql('postgres');
	my ($id, $pid) = (0, 0);

	query("SELECT workflow.recycle_executor(pid) FROM ($executors) AS e");
	wait_until("SELECT count(*) = 0 FROM ($executors) AS e", 'nobody is there');
	$locker->query_safe('BEGIN; LOCK TABLE pg_db_role_setting');
	($id) = $session->query_safe(q{SELECT workflow.start('plain')}) =~ /(\d+)/;
	# five that fail to start are the role's fault
	foreach my $round (1 .. ($way eq 'terminate' ? 7 : 1))
	{
		my $found;

		for (my $tries = 0; !defined $found && $tries < 3000; $tries++)
		{
			($found) = $session->query_safe(qq{SELECT pg_sleep(0.05), e.pid FROM workflow.executors AS e JOIN pg_locks AS l ON l.pid = e.pid
				WHERE e.state = 'starting' AND NOT l.granted AND e.pid <> $pid}) =~ /(\d+)/;
		}
		die 'no executor is about to start' if !defined $found;
		$pid = $found;
		$session->query_safe("SELECT $ways{$way}($pid)");
	}
	$locker->query_safe('COMMIT');
	$locker->quit;
	is(outcome($id), $plain, "starting, $way: it, or another one, does the work");
	is(query("SELECT count(*) FROM workflow.step_executions WHERE execution_id = $id AND executor_pid = $pid"), $way eq 'cancel' ? 2 : 0,
		"starting, $way: which of them") if $way ne 'recycle';
}
$session->quit;

# --- C code that looks at no interrupts ---

define_sql($node, 'postgres', 'spins', effect('s1'), effect('s2', q{ FROM spin('spin')}));
my %spins = (
	cancel => 'failed 57014|0|s1|s1/1 completed, s2/1 failed 57014',
	terminate => $plain,
	recycle => $plain);
foreach my $way (sort keys %ways)
{
	unlet_spin('spin');
	my $id = query(q{SELECT workflow.start('spins')});

	wait_for_spin($node, $id);
	query("SELECT $ways{$way}(pid) FROM ($executors) AS e");
	is(query("SELECT status FROM workflow.executions WHERE id = $id"), 'running', "C code, $way: not before it returns");
	let_spin('spin');
	is(outcome($id), $spins{$way}, "C code, $way: then as in any step");
}

# --- a commit that waits for a standby: it is one, as in any session ---

define_sql($node, 'postgres', 'single', effect('s1'));
query(q{ALTER SYSTEM SET synchronous_standby_names = 'nowhere'});
$node->reload;
wait_until(q{SELECT current_setting('synchronous_standby_names') = 'nowhere'}, 'reloaded');
foreach my $way ('cancel', 'terminate')
{
	my $id = query(q{SET synchronous_commit = local; SELECT workflow.start('single')});

	wait_until(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow executor' AND wait_event = 'SyncRep'},
		'it waits for the standby');
	query("SELECT $ways{$way}(pid) FROM ($executors) AS e");
	is(outcome($id), 'completed|0|s1|s1/1 completed', "waits for a standby, $way: it has committed, once");
}
query(q{SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names});
$node->reload;
wait_until(q{SELECT current_setting('synchronous_standby_names') = ''}, 'reloaded');

# --- the scheduler and the launcher ---

query('CREATE TABLE gate ()');
define_sql($node, 'postgres', 'gated', effect('s1'), effect('s2', q{ FROM pg_advisory_xact_lock_shared(1)}));
foreach my $kind ('scheduler', 'launcher')
{
	foreach my $way ('cancel', 'terminate')
	{
		my $gate = $node->background_psql('postgres');
		my $pid = worker_pid($node, $kind, $kind eq 'scheduler' ? 'postgres' : undef);

		$gate->query_safe('SELECT pg_advisory_lock(1)');
		my $id = query(q{SELECT workflow.start('gated')});
		wait_until(q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}, 'it is at the gate');
		query("SELECT $ways{$way}($pid)");
		wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow $kind' AND pid <> $pid", 'another one')
		  if $way eq 'terminate';
		$gate->quit;
		is(outcome($id), $plain, "$kind, $way: what runs comes to its end");
		is(query("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_workflow $kind' AND pid = $pid"),
			$way eq 'cancel' ? 1 : 0, "$kind, $way: the process");
		my ($status, $out, $err) = $node->psql('postgres', "SELECT workflow.recycle_executor($pid)");
		like($err, qr/PID $pid is not a workflow executor/, "$kind: not an executor") if $way eq 'cancel';
	}
}

# --- a scheduler that is terminated again and again: the next one comes at once, and the log says each time what ended it ---

my $log_start = -s $node->logfile;
foreach my $round (1 .. 6)
{
	my $pid = worker_pid($node, 'scheduler', 'postgres');

	query("SELECT pg_terminate_backend($pid)");
	wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler' AND pid <> $pid", 'another one');
	# what is delayed is what has failed
	is(query('SELECT failures, failing_since IS NULL FROM workflow.scheduler_state()'), '|t', "terminated $round times: that is no failure");
}
is(outcome(query(q{SELECT workflow.start('plain')})), $plain, 'what is started then runs');
is(scalar(() = slurp_file($node->logfile, $log_start) =~ /terminating background worker "pg_workflow scheduler" due to administrator command/g),
	6, 'the log says so each time');

# --- execute() in a session: it is the session's statement, whatever the definition says of failures ---

define_sql($node, 'postgres', 'lenient', effect('s1'),
	{ sql => 'SELECT pg_sleep(3600)', on_failure => 'ignore', retry => { max_retries => 3, type => 'immediate' } }, effect('s3'));
foreach my $way ('cancel', 'terminate')
{
	my $before = query('SELECT count(*) FROM effects');
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_until(qr/go/, "\\echo go\nSELECT workflow.execute('lenient');\n\\echo :SQLSTATE\n\\echo done\n");
	wait_until(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event = 'PgSleep'}, 'it sleeps');
	query(qq{SELECT $ways{$way}(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event = 'PgSleep'});
	like($session->query_until(qr/done/, ''), qr/57014/, 'execute(), cancel: the statement is cancelled') if $way eq 'cancel';
	wait_until(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'}, 'it has ended');
	eval { $session->quit };
	is(query(q{SELECT count(*) FROM effects}) - $before, 0, "execute(), $way: nothing of it is left");
	is(query(q{SELECT count(*) FROM workflow.executions WHERE workflow = 'lenient'}), 0, "execute(), $way: nor its row");
}

$node->stop;
done_testing();

# What the tests of crash recovery share: workflows whose steps leave a trace in a
# table, questions that fail while the server is away, and the oracle that compares
# the traces with the rows of steps.
#
# Each step that runs SQL inserts one row into "effects": execution, step, and the
# indexes of the loops around it.  The row and the step's row are one transaction,
# so whatever happens there is one of each or none.

package CrashTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use JSON::PP;
use PatientPsql;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;
use Watchdog;

our @EXPORT = qw(
  crash_cluster effects_table gated_effects close_gate open_gate wait_at_gate
  wait_until ways_to_go step agent_step define_workflow define_mixed try_sql check_effects
  check_finished check_pool check_completes diagnose postmaster_pid
);

my $json = JSON::PP->new->canonical;

sub postmaster_pid
{
	my ($node) = @_;

	return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
}

# A running cluster with database "w", the extension and the effects in it; settings are lines
# of postgresql.conf, before them perhaps a hash of what Cluster->new() takes, and as "init" a list
# of what initdb does.  Killed processes lose nothing the kernel has, so fsync would only cost time.
sub crash_cluster
{
	my ($name, @settings) = @_;
	my %more = ref $settings[0] ? %{ shift @settings } : ();
	my $init = delete $more{init};
	my $node = PostgreSQL::Test::Cluster->new($name, %more);

	$node->init($init ? (extra => $init) : ());
	$node->append_conf('postgresql.conf',
		join("\n",
			"shared_preload_libraries = 'pg_workflow'",
			"max_worker_processes = 20",
			"workflow.max_executors = 5",
			"restart_after_crash = on",
			"fsync = off",
			"log_line_prefix = '%m [%p] %b '", @settings, ''));
	$node->start;
	$node->safe_psql('postgres', 'CREATE DATABASE w');
	$node->safe_psql('w', 'CREATE EXTENSION pg_workflow');
	effects_table($node, 'w');
	return $node;
}

# The table and the function of the steps: a moment of work, so that a kill finds
# somebody at it.  The result depends on nothing but the arguments.
sub effects_table
{
	my ($node, $database) = @_;

	$node->safe_psql(
		$database, q{
		CREATE TABLE effects (execution_id bigint, step_id text, place text, pid int DEFAULT pg_backend_pid());
		CREATE FUNCTION effect(execution_id bigint, step_id text, place text) RETURNS text
		LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO effects VALUES ($1, $2, $3);
			PERFORM pg_sleep(random() * 0.01);
			RETURN $2 || ':' || $3;
		END $$;
		CREATE FUNCTION effect_agent(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
		BEGIN
			RETURN to_jsonb(effect((input ->> 'e')::bigint, input ->> 's', input ->> 'p'));
		END $$;
		SELECT workflow.register_agent('effect', function => 'effect_agent(jsonb)');
	});
	return;
}

# Steps that say in the server log that they are tried, which no rollback takes back, and stand
# still at a gate: a row in "gates" makes them wait for an advisory lock that the test
# holds.  The step "stubborn" stands there until it is cancelled twice.
sub gated_effects
{
	my ($node, $database) = @_;

	$node->safe_psql(
		$database, q{
		CREATE TABLE gates (step_id text, place text);
		CREATE SEQUENCE orders;
		ALTER TABLE effects ADD COLUMN n int DEFAULT nextval('orders');
		CREATE OR REPLACE FUNCTION effect(execution_id bigint, step_id text, place text) RETURNS text
		LANGUAGE plpgsql AS $$
		BEGIN
			RAISE LOG 'trying %: % %.', $1, $2, $3;
			INSERT INTO effects VALUES ($1, $2, $3);
			IF EXISTS (SELECT FROM gates AS g WHERE g.step_id = $2 AND g.place = $3) THEN
				BEGIN
					PERFORM pg_advisory_xact_lock_shared(1);
				EXCEPTION WHEN query_canceled THEN
					IF $2 <> 'stubborn' THEN
						RAISE;
					END IF;
					PERFORM pg_advisory_xact_lock_shared(1);
				END;
			END IF;
			RETURN $2 || ':' || $3;
		END $$;
	});
	return;
}

my $gatekeeper;

# Steps, each "id place", are to stand at the gate.
sub close_gate
{
	my ($node, @steps) = @_;

	$node->safe_psql('w', 'TRUNCATE gates; INSERT INTO gates VALUES '
		  . join(', ', map { "('" . join("', '", split / /) . "')" } @steps));
	$gatekeeper = $node->background_psql('w');
	$gatekeeper->query_safe('SELECT pg_advisory_lock(1)');
	return;
}

# It may have gone with the server.
sub open_gate
{
	eval { $gatekeeper->quit };
	return;
}

# Wait until a query gives true; no test of its own unless it fails.
sub wait_until
{
	my ($node, $sql, $name) = @_;

	$node->poll_query_until('w', $sql) and return;
	fail($name);
	diagnose($node, 'w');
	return;
}

# Wait until so many steps stand at the gate, in other processes than these; returns the
# processes of all.
sub wait_at_gate
{
	my ($node, $count, @others) = @_;
	my $others = join ',', 0, @others;

	wait_until($node, qq{SELECT count(*) = $count FROM pg_locks
		WHERE locktype = 'advisory' AND NOT granted AND pid NOT IN ($others)}, 'steps stand at the gate');
	return split /\n/, $node->safe_psql('w',
		q{SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted ORDER BY pid});
}

# The ways to go, by name, for so many steps that stand at the gate in these processes.  Each
# leaves the gate open, when they stand there again.
sub ways_to_go
{
	my ($node) = @_;

	return (
		'immediate stop' => sub {
			$node->stop('immediate');
			open_gate();
			$node->start;
		},
		'kill -9' => sub {
			my ($count, @pids) = @_;
			kill 'KILL', $pids[0];
			# the lock goes with the server, not before
			wait_until($node, q{SELECT count(*) = 0 FROM pg_locks
				WHERE locktype IN ('advisory', 'transactionid') AND granted AND pid <> pg_backend_pid()},
				'the server restarts');
			open_gate();
		},
		'SIGTERM of the executors' => sub {
			my ($count, @pids) = @_;
			kill 'TERM', @pids;
			wait_at_gate($node, $count, @pids) if $count;
			open_gate();
		},
		'SIGTERM of the scheduler' => sub {
			my ($count, @pids) = @_;
			my $scheduler = $node->safe_psql('w',
				"SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'");
			kill 'TERM', $scheduler;
			wait_until($node, qq{SELECT count(*) = 1 FROM pg_stat_activity
				WHERE backend_type = 'pg_workflow scheduler' AND pid <> $scheduler}, 'another scheduler takes over');
			wait_at_gate($node, $count, @pids) if $count;
			open_gate();
		});
}

# Where a step is, for its trace: 0, 1 or 2 loops around it.
my @place = ('-', 'i${loop.index}', 'i${loop.parent.index}i${loop.index}');

# A step of SQL that leaves a trace, inside so many loops.
sub step
{
	my ($id, $loops, %more) = @_;

	return $id => {
		type => 'sql',
		sql => "SELECT effect(input.e, '$id', input.p)",
		result => 'value',
		input_mapping => { e => '${workflow.execution_id}', p => $place[$loops] },
		%more
	};
}

# The same by an agent.
sub agent_step
{
	my ($id, $loops, %more) = @_;

	return $id => {
		type => 'agent',
		agent_name => 'effect',
		input_mapping => { e => '${workflow.execution_id}', s => $id, p => $place[$loops] },
		%more
	};
}

sub define_workflow
{
	my ($node, $database, $name, $start, $steps, %more) = @_;
	my $document = $json->encode({ name => $name, start_step => $start, steps => $steps, %more });

	$document =~ s/'/''/g;
	$node->safe_psql($database, "SELECT workflow.define('$document')");
	return;
}

# The workflow "mixed": a chain with a block of a step, an agent and a parallel loop in it, and a
# step that is skipped.
sub define_mixed
{
	my ($node, $database) = @_;

	define_workflow($node, $database, 'mixed', 'm1', {
		step('m1', 0, next_step => 'm2'),
		m2 => { type => 'parallel', parallel_steps => [ 'ma', 'mb', 'ml' ], next_step => 'm3' },
		step('ma', 0), agent_step('mb', 0),
		ml => { type => 'loop', loop_config => { collection => [ 1, 2, 3 ], loop_body => [ 'mc', 'md' ], execution_mode => 'parallel' } },
		step('mc', 1), step('md', 1),
		step('m3', 0, when => 'false', next_step => 'm4'), step('m4', 0) });
	return;
}

# The answer to a question, undef when the server could not give one.
sub try_sql
{
	my ($node, $database, $sql) = @_;
	my ($status, $out) = $node->psql($database, $sql, on_error_die => 0, on_error_stop => 1,
		stderr => \my $ignored);

	return $status == 0 ? $out : undef;
}

# What a question that must have no rows has.
sub none
{
	my ($node, $database, $sql, $name) = @_;

	is($node->safe_psql($database, "$sql LIMIT 20"), '', $name);
	return;
}

# Effects and completed rows of steps that leave a trace are the same set, and
# nothing is there twice.  $where chooses executions.
sub check_effects
{
	my ($node, $database, $where, $name) = @_;
	my $rows = qq{
		(SELECT s.execution_id, s.step_id,
			coalesce(nullif((SELECT string_agg('i' || m[1], '' ORDER BY n)
				FROM regexp_matches(s.scope, '\\[(\\d+)\\]', 'g') WITH ORDINALITY AS t(m, n)), ''), '-') AS place
		FROM workflow.step_executions s JOIN workflow.executions e ON e.id = s.execution_id
		WHERE s.status = 'completed' AND $where
		AND (s.agent_name = 'effect' OR s.step_id IN (SELECT step_id FROM effects)))};
	my $effects = qq{(SELECT f.execution_id, f.step_id, f.place
		FROM effects f JOIN workflow.executions e ON e.id = f.execution_id WHERE $where)};

	none($node, $database, "SELECT * FROM $effects x GROUP BY 1, 2, 3 HAVING count(*) > 1",
		"$name: no effect is there twice");
	none($node, $database, "SELECT *, count(*) FROM $rows x GROUP BY 1, 2, 3 HAVING count(*) > 1",
		"$name: no step is there twice");
	none($node, $database, "SELECT * FROM ($effects EXCEPT ALL $rows) x", "$name: no effect without its row");
	none($node, $database, "SELECT * FROM ($rows EXCEPT ALL $effects) x", "$name: no row without its effect");
	cmp_ok($node->safe_psql($database, "SELECT count(*) FROM $effects x"), '>', 0, "$name: there are effects");
	return;
}

# All executions have ended, and nothing in them is open.
sub check_finished
{
	my ($node, $database, $name) = @_;

	none($node, $database, q{SELECT id, workflow, status, error_type, error FROM workflow.executions
		WHERE status NOT IN ('completed', 'failed', 'cancelled', 'timed_out')}, "$name: every execution has ended");
	none($node, $database, q{SELECT e.id, e.workflow, e.status, s.scope, s.step_id
		FROM workflow.executions e JOIN workflow.step_executions s ON s.execution_id = e.id
		WHERE s.status = 'running'}, "$name: no container is open");
	none($node, $database, q{SELECT id, workflow FROM workflow.executions WHERE completed_at IS NULL},
		"$name: the end has a time");
	none($node, $database, q{SELECT * FROM workflow.verify(full => true)
		WHERE area = 'data' AND status <> 'ok'}, "$name: verify() finds nothing");
	return;
}

# Every executor's slot belongs to a living process without a run.
sub check_pool
{
	my ($node, $database, $name) = @_;

	ok( $node->poll_query_until(
			$database, q{
			SELECT NOT EXISTS (SELECT FROM workflow.executors WHERE state <> 'idle')
			AND (SELECT count(*) FROM workflow.executors)
				= (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_workflow executor')
			AND NOT EXISTS (SELECT FROM workflow.activity)}),
		"$name: no slot or executor is left over");
	return;
}

# Everything ends, and well, each effect is there once, and nothing is left over.
sub check_completes
{
	my ($node, $name) = @_;

	ok($node->poll_query_until('w', q{SELECT NOT EXISTS (SELECT FROM workflow.executions
		WHERE status NOT IN ('completed', 'failed', 'cancelled', 'timed_out'))}), "$name: everything ends")
	  or diagnose($node, 'w');
	is($node->safe_psql('w', 'SELECT string_agg(DISTINCT status::text, $$,$$) FROM workflow.executions'), 'completed', "$name: well");
	check_effects($node, 'w', 'true', $name);
	check_finished($node, 'w', $name);
	check_pool($node, 'w', $name);
	return;
}

# What an execution that hangs looks like, for the log.
sub diagnose
{
	my ($node, $database) = @_;

	foreach my $sql (
		q{SELECT id, workflow, status, recoveries, probation, recovered_at FROM workflow.executions
			WHERE status IN ('pending', 'running', 'waiting', 'cancelling') ORDER BY id LIMIT 20},
		q{SELECT s.execution_id, s.scope, s.step_id, s.status, s.scope_outcome, s.started_at, s.completed_at
			FROM workflow.step_executions s JOIN workflow.executions e ON e.id = s.execution_id
			WHERE e.status IN ('running', 'waiting', 'cancelling') ORDER BY 1, started_at LIMIT 100},
		q{SELECT pid, state, runs_done FROM workflow.executors},
		q{SELECT pid, backend_type, wait_event, state, query FROM pg_stat_activity WHERE backend_type LIKE 'pg_workflow%'})
	{
		diag(try_sql($node, $database, $sql) // 'no answer');
	}
	return;
}

1;

# Whoever may use workflows cannot have code of theirs run as the extension's owner:
# with a schema in front of the search_path in which every function, operator, type and
# relation of pg_catalog is a trap, all that can be called is called, looked at and run
# in the background, and no trap is sprung by the owner.  What there is to call comes
# from the catalogs: a function that is not called here fails the test.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('search_path', 'track_functions = all', 'workflow.max_executors = 4',
	"shared_preload_libraries = 'pg_cron, pg_workflow'", "cron.database_name = 'postgres'");

install_extension($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_cron;
	CREATE ROLE alice LOGIN;
	CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
	CREATE ROLE friend ROLE alice;
	GRANT USAGE ON SCHEMA cron TO alice;
	SELECT workflow.grant_usage('alice');
	GRANT EXECUTE ON ALL ROUTINES IN SCHEMA workflow TO alice;
	CREATE FUNCTION public.called(jsonb) RETURNS jsonb LANGUAGE sql RETURN '{"a": 1}'::jsonb;
});

# --- the traps (A2) ---

$node->safe_psql('postgres', q{
SET check_function_bodies = off;
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.sprung(what text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS
$$BEGIN IF current_user = 'postgres' THEN RAISE LOG 'TRAP: %', what; END IF; RETURN true; END$$;

DO $do$
DECLARE
	o record;
	spring text;
	made bigint[] := '{0,0,0,0,0}';
BEGIN
	-- what a function in PL/pgSQL cannot take ("any", internal, cstring) is left out
	FOR o IN SELECT p.*, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
			 FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = pronamespace
			 WHERE n.nspname IN ('pg_catalog', 'workflow') AND prokind = 'f' LOOP
		spring := format('PERFORM evil.sprung(%L); RETURN%s;', 'function ' || o.proname,
			CASE WHEN NOT o.proretset AND o.proallargtypes IS NULL AND o.prorettype <> 'void'::regtype THEN ' NULL' END);
		BEGIN
			EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L',
				o.proname, o.arguments, o.result, 'BEGIN ' || spring || ' END');
			made[1] := made[1] + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	FOR o IN SELECT p.oid, proname, pg_get_function_arguments(p.oid) AS arguments
			 FROM pg_proc AS p JOIN pg_aggregate AS a ON a.aggfnoid = p.oid
			 WHERE pronamespace = 'pg_catalog'::regnamespace AND aggkind = 'n' LOOP
		BEGIN
			EXECUTE format('CREATE OR REPLACE FUNCTION evil.state(text%s) RETURNS text LANGUAGE plpgsql AS %L',
				', ' || NULLIF(o.arguments, ''), format('BEGIN PERFORM evil.sprung(%L); RETURN NULL; END', 'aggregate'));
			EXECUTE format('CREATE AGGREGATE evil.%I(%s) (SFUNC = evil.state, STYPE = text)', o.proname,
				COALESCE(NULLIF(o.arguments, ''), '*'));
			made[2] := made[2] + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	FOR o IN SELECT *, CASE WHEN oprleft <> 0 THEN oprleft::regtype END AS l, oprright::regtype AS r
			 FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION evil.operator_%s(%s%s) RETURNS %s LANGUAGE plpgsql AS %L', o.oid,
				o.l || ', ', o.r, o.oprresult::regtype,
				format('BEGIN PERFORM evil.sprung(%L); RETURN %s OPERATOR(pg_catalog.%s) %s; END', 'operator ' || o.oprname,
					CASE WHEN o.l IS NOT NULL THEN '$1' END, o.oprname, CASE WHEN o.l IS NULL THEN '$1' ELSE '$2' END));
			EXECUTE format('CREATE OPERATOR evil.%s (%sRIGHTARG = %s, FUNCTION = evil.operator_%s)', o.oprname,
				'LEFTARG = ' || o.l || ', ', o.r, o.oid);
			made[3] := made[3] + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	FOR o IN SELECT c.oid::regclass AS original, relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
			 WHERE nspname IN ('pg_catalog', 'workflow') AND relkind IN ('r', 'v') LOOP
		BEGIN
			EXECUTE format('CREATE VIEW evil.%I AS SELECT * FROM %s WHERE evil.sprung(%L)', o.relname, o.original, 'relation ' || o.relname);
			EXECUTE format('GRANT SELECT ON evil.%I TO PUBLIC', o.relname);
			made[4] := made[4] + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	FOR o IN SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typname !~ '^_' LOOP
		BEGIN
			EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.%1$I CHECK (evil.sprung(%L))', o.typname, 'type ' || o.typname);
			made[5] := made[5] + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	IF made[1] < 1500 OR made[2] < 50 OR made[3] < 700 OR made[4] < 150 OR made[5] < 40 THEN
		RAISE EXCEPTION 'traps: % functions, % aggregates, % operators, % relations, % types',
			made[1], made[2], made[3], made[4], made[5];
	END IF;
END$do$;

ALTER ROLE alice SET search_path = evil, pg_catalog, pg_temp;
ALTER ROLE monitor SET search_path = evil, pg_catalog, pg_temp;
});

# Traps the owner has sprung since a place in the log.
sub traps
{
	my ($since) = @_;
	my %traps = map { $_ => 1 } slurp_file($node->logfile, $since) =~ /TRAP: (.*)/g;
	return join(', ', sort keys %traps);
}

my $start = -s $node->logfile;
$node->safe_psql('postgres', q{SET search_path = evil, pg_catalog;
	SELECT lower('A'), 'a'::text = 'b'::text, 'a'::text IN ('b'), 1::pg_catalog.int4::evil.int4, max(relname::text) FROM pg_class WHERE relname = 'pg_am'});
is(traps($start), 'aggregate, function lower, operator =, relation pg_class, type int4, type text', 'the traps work');
$start = -s $node->logfile;

# --- what there is ---

# A3: Settings that change what a statement means, beside the path.
$node->safe_psql('postgres', "ALTER ROLE alice SET $_") foreach
	'standard_conforming_strings = off', 'escape_string_warning = off', 'transform_null_equals = on', 'array_nulls = off',
	'gin_fuzzy_search_limit = 1', 'datestyle = German', 'intervalstyle = sql_standard', 'extra_float_digits = -15';

# Run SQL as a role, in a transaction of its own; what it returns, or the error.
sub as_role
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ], on_error_stop => 1);
	return $status == 0 ? $out : $err;
}

# The same, which must succeed.
sub call
{
	my ($sql) = @_;
	my $result = as_role('alice', $sql);
	unlike($result, qr/ERROR/, $sql) if $result =~ /ERROR/;
	return $result;
}

# All that a plain member of pg_monitor may call, about some executions.
sub monitor_calls
{
	my ($when, @ids) = @_;
	my @calls = (
		q{workflow.version()}, q{workflow.role_name(r)}, q{workflow.role_missing(r)}, q{workflow.role_oid(r)}, q{workflow.role_regrole(r)},
		q{workflow.role_of(1::pg_catalog.oid)}, q{workflow.role_of('alice'::pg_catalog.regrole)}, q{workflow.role_hash(r)},
		(map { "workflow.role_$_(r, q)" } qw(cmp eq ne lt le gt ge)),
		q{workflow.breaker_memory('agent')}, q{workflow.executor_slots()}, q{workflow.scheduler_state()}, q{workflow.engine_counters()},
		q{workflow.plan_steps(1)}, q{workflow.schedule_jobs()}, q{workflow.drained()}, q{workflow.current_alerts()}, q{workflow.script_objects()},
		q{workflow.lock_holder(1, NULL)}, q{workflow.no_workers(10)}, q{workflow.no_workers('alice'::pg_catalog.regrole::pg_catalog.oid)},
		q{workflow.verify(true)}, q{workflow.verify(false)}, q{workflow.verify_checks()}, q{workflow.report()},
		q{workflow.statistics('1 year', 10)}, q{workflow.add_histograms('{}', '{}')}, q{workflow.histogram_percentile('{}', 0.5)},
		q{workflow.paused_time('{}'::pg_catalog.tstzmultirange, pg_catalog.now(), pg_catalog.now(), pg_catalog.now(), pg_catalog.now())},
		q{workflow.scope_level('a.b', 1)}, q{workflow.scope_children('', 'a', 1, false)},
		q{workflow.retry_help(-1)}, q{workflow.replay_help(-1)},
		(map { my $id = $_; map { "workflow.$_($id)" } qw(timeline timeline_svg diagram report why metrics progress retry_help) } @ids),
		(map { "workflow.timeline($_, 60, true, 3)" } @ids),
		(map { "workflow.replay_help($_)" } split /\n/, $node->safe_psql('postgres', 'SELECT dead_letter_id FROM workflow.dead_letter_status')));
	my $errors = ($node->psql('postgres',
		join('; ', map { "SELECT x FROM (SELECT 'alice'::workflow.role AS r, 'nobody'::workflow.role AS q) AS y, LATERAL (SELECT $_) AS x" } @calls),
		extra_params => [ '-U', 'monitor' ]))[2];

	is($errors, '', "$when: " . scalar(@calls) . ' calls as monitor');
	return;
}

# The views, and what members of pg_monitor may call without usage.
sub look
{
	my ($when, @ids) = @_;

	monitor_calls($when, @ids);
	for my $role ('alice', 'monitor')
	{
		my @views = split /\n/, $node->safe_psql('postgres', qq{SELECT oid::regclass FROM pg_class
			WHERE relnamespace = 'workflow'::regnamespace AND relkind IN ('r', 'v') AND has_table_privilege('$role', oid, 'SELECT')});
		my $errors = ($node->psql('postgres', join('; ', map { "SELECT pg_catalog.row_to_json(v) FROM $_ AS v" } @views),
			extra_params => [ '-U', $role ]))[2];
		is($errors, '', "$when: " . scalar(@views) . " tables and views as $role");
	}
	return;
}

my $id;
call($_) foreach
	q{SELECT workflow.role_name(r), workflow.role_missing(r), workflow.role_oid(r), workflow.role_regrole(r), workflow.role_of(1::pg_catalog.oid),
		workflow.role_of(r::pg_catalog.regrole), workflow.role_in('alice'), workflow.role_out(r), workflow.role_send(r), workflow.role_hash(r),
		workflow.role_cmp(r, q), workflow.role_eq(r, q), workflow.role_ne(r, q), workflow.role_lt(r, q), workflow.role_le(r, q), workflow.role_gt(r, q), workflow.role_ge(r, q)
		FROM (SELECT 'alice'::workflow.role AS r, 'nobody'::workflow.role AS q) AS x},
	q{SELECT workflow.version(), workflow.evaluate('1 + 1'), workflow.evaluate_condition('1 == 1')},
	q{SELECT * FROM workflow.validate('{"name": "a", "steps": 1}')},
	q{SELECT workflow.register_agent('agent', 'public.called(pg_catalog.jsonb)')},
	q{SELECT workflow.register_agent('agent', 'public.called(pg_catalog.jsonb)', description => 'again', circuit_breaker => '{}')},
	q{SELECT workflow.register_agent('sql_agent', sql => 'SELECT 1 AS one')},
	q{SELECT workflow.set_agent_status('sql_agent', 'inactive'), workflow.drop_agent('sql_agent')},
	q{SELECT workflow.define('{"name": "chain", "notify": true, "steps": [
		{"id": "a", "sql": "SELECT $1::pg_catalog.int4 AS n", "params": ["${workflow.input.n}"]},
		{"id": "b", "agent_name": "agent"},
		{"id": "l", "type": "loop", "collection": [1, 2, 3], "loop_body": ["c"], "loop_config": {"execution_mode": "parallel"}},
		{"id": "c", "sql": "SELECT 1"}]}')},
	q{SELECT workflow.define('{"name": "fails", "dead_letter": true, "steps": [
		{"id": "a", "sql": "SELECT 1 OPERATOR(pg_catalog./) 0", "retry": {"max_retries": 1, "type": "immediate"}}]}')},
	q{SELECT workflow.define('{"name": "undone", "steps": [
		{"id": "a", "sql": "SELECT 1", "compensate": "undo"}, {"id": "b", "sql": "SELECT 1 OPERATOR(pg_catalog./) 0"},
		{"id": "undo", "sql": "SELECT 2"}]}')},
	q{SELECT workflow.define('{"name": "slow", "steps": [{"id": "a", "sql": "SELECT pg_catalog.pg_sleep(3600)"}, {"id": "b", "sql": "SELECT 1"}]}')},
	q{SELECT workflow.define('{"name": "old", "steps": [{"id": "a", "sql": "SELECT 1"}]}', 'draft'), workflow.set_status('old', 1, 'archived')},
	q{SELECT workflow.set_owner('old', 'friend'), workflow.reassign_owned('friend', 'alice')},
	q{SELECT workflow.grant_execute('chain', 'friend'), workflow.revoke_execute('chain', 'friend'), workflow.grant_execute('chain', 'friend', 'steer')},
	q{SELECT workflow.explain('chain'), workflow.diagram('chain')},
	q{SELECT workflow.execute('chain', '{"n": 1}')},
	q{CALL workflow.run('chain', '{"n": 1}', timeout => '5 minutes')},
	q{CALL workflow.run('chain', '{"n": 1}', timeout => '5 minutes', parallel => false)};
my $completed = call(q{SELECT workflow.start('chain', '{"n": 1}', tenant => 't', idempotency_key => 'k', priority => 7)});
is(call(qq{SELECT status FROM workflow.wait($completed, '5 minutes')}), 'completed', 'an execution');
my $undone = call(q{SELECT workflow.start('undone')});
my $failed = call(q{SELECT workflow.start('fails')});
is(call(qq{SELECT status FROM workflow.wait($undone, '5 minutes')}), 'failed', 'one that is undone');
is(call(qq{SELECT status FROM workflow.wait($failed, '5 minutes')}), 'failed', 'one that fails');
call(qq{SELECT workflow.timeline($_), workflow.timeline_svg($_), workflow.diagram($_), workflow.report($_), workflow.report(),
	workflow.metrics($_), workflow.progress($_)}), call("SELECT * FROM workflow.why($_)") foreach $completed, $undone, $failed;
call("SELECT workflow.erase($undone)");
look('executions have ended', $completed, $undone, $failed);

# steering
my $letter = call('SELECT dead_letter_id FROM workflow.dead_letter_status LIMIT 1');
call(qq{SELECT workflow.replay_help($letter), workflow.replay_possible($letter)});
call(qq{SELECT workflow.retry_help($failed), workflow.retry_possible($failed), workflow.retry($failed, reason => 'again')});
is(call(qq{SELECT status FROM workflow.wait($failed, '5 minutes')}), 'failed', 'and once more');
call($_) foreach
	qq{SELECT workflow.replay($letter)}, q{SELECT workflow.replay_all()},
	q{SELECT workflow.block('chain', 'why not'), workflow.unblock('chain')};
$id = call(q{SELECT workflow.start('slow', start_at => 'infinity')});
call($_) foreach
	"SELECT workflow.pause($id, 'p', '1 hour'), workflow.resume($id)",
	"SELECT workflow.hold_step($id, 'b'), workflow.skip_step($id, 'b', '1'), workflow.hold_step($id, 'b'), workflow.release_step($id, 'b'), workflow.skip_step($id, 'a'), workflow.release_step($id, 'a')",
	"SELECT * FROM workflow.why($id)",
	q{SELECT workflow.pause_executions('slow'), workflow.resume_executions('slow')},
	"SELECT workflow.cancel($id, 'c', true)",
	q{SELECT workflow.retry_executions('slow'), workflow.cancel_executions('fails')};
$id = call(q{SELECT workflow.start('slow')});
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM workflow.activity WHERE workflow = 'slow'}) or die 'a step does not run';
call("SELECT * FROM workflow.why($id)");
look('a step runs', $id);
call($_) foreach
	"SELECT workflow.drain_executor(executor_pid), workflow.recycle_executor(executor_pid) FROM workflow.activity",
	"SELECT workflow.pause($id)", "SELECT workflow.cancel($id)", "SELECT status FROM workflow.wait($id, '5 minutes')",
	q{SELECT workflow.drain('d'), workflow.drained(), workflow.undrain()},
	q{SELECT workflow.reset_breaker('agent'), workflow.breaker_memory('agent')};

# schedules
call($_) foreach
	q{SELECT workflow.schedule('s', 'slow', '17 3 * * *', overlap => 'queue', enabled => false)},
	q{SELECT workflow.schedule('s', 'slow', '17 3 * * *', overlap => 'queue', description => 'd')},
	q{SELECT workflow.sync_schedules(), workflow.pause_schedule('s'), workflow.schedule_tick('s'), workflow.resume_schedule('s'), workflow.schedule_tick('s')},
	q{SELECT workflow.next_runs('17 3 * * *')};
$id = call(q{SELECT workflow.run_schedule_now('s')});
my $next = call(q{SELECT workflow.run_schedule_now('s')});
call("SELECT * FROM workflow.why($next)");
look('one waits for another of its schedule', $id, $next);
call("SELECT workflow.cancel($id)");
$node->poll_query_until('postgres', "SELECT start_at IS NULL OR start_at < 'infinity' FROM workflow.executions WHERE id = $next")
  or die 'what was queued does not run';
call("SELECT workflow.cancel($next)");
call(q{SELECT workflow.unschedule('s')});
# an end in an executor of that role lets the next one run
call(q{SELECT workflow.schedule('e', 'chain', '17 3 * * *', '{"n": 1}', overlap => 'queue', enabled => false)});
$id = call(q{SELECT workflow.run_schedule_now('e')});
$next = call(q{SELECT workflow.run_schedule_now('e')});
is(call("SELECT status FROM workflow.wait($next, '5 minutes')"), 'completed', 'the end of an execution lets the next of its schedule run');

# housekeeping, in the foreground and as scheduled
call($_) foreach
	q{SELECT workflow.roll_up_statistics()},
	q{SELECT workflow.statistics_between('-infinity', 'infinity'), workflow.statistics('1 year', 10)},
	q{SELECT workflow.schedule_housekeeping('10 years')};
$id = call(q{SELECT workflow.run_schedule_now('housekeeping')});
is(call("SELECT status FROM workflow.wait($id, '5 minutes')"), 'completed', 'housekeeping');
call($_) foreach
	q{SELECT workflow.unschedule('housekeeping')},
	q{SELECT workflow.discard(dead_letter_id) FROM workflow.dead_letter_status WHERE status OPERATOR(pg_catalog.=) 'pending'},
	q{SELECT workflow.histogram_percentile(workflow.add_histograms('{}', '{}'), 0.5), workflow.histogram_bound('1 s')};
look('at the end');
call($_) foreach
	q{SELECT workflow.current_alerts()}, q{TABLE workflow.metrics},
	q{SELECT workflow.lock_holder(1, NULL), workflow.no_workers(10), workflow.engine_counters(), workflow.executor_slots(), workflow.executors_of(1), workflow.plan_steps(1)},
	q{SELECT workflow.verify(true), workflow.verify_checks(), workflow.script_objects()},
	q{SELECT workflow.reset_engine_statistics()},
	q{SELECT workflow.executions_to_steer('{pending}', '{pending}', NULL, NULL, NULL, NULL, NULL, NULL, 10), workflow.workflow_to_steer('chain', 'pending')},
	q{SELECT workflow.prune('0 seconds', max_executions => 3)}, q{CALL workflow.prune_all('0 seconds')};
# these ask whether the caller owns the extension; triggers want to be fired by one
like(as_role('alice', $_), qr/ERROR/, $_) foreach
	q{SELECT workflow.grant_usage('alice')}, q{SELECT workflow.revoke_usage('alice')}, q{SELECT workflow.extension_ready()},
	q{SELECT workflow.set_role_limits('alice', 1)};
$node->safe_psql('postgres', q{SELECT workflow.revoke_usage('monitor'); UPDATE workflow.definitions SET status = status});
like(($node->psql('postgres', q{UPDATE workflow.definitions SET name = name}))[2], qr/ERROR/, 'definitions do not change');

# --- and what became of it ---

# the statistics of executors come when they are idle; what raises an error is not counted, nor what is inlined
$node->poll_query_until('postgres', q{
	SELECT count(*) = 0 FROM pg_proc AS p LEFT JOIN pg_stat_user_functions AS s ON s.funcid = p.oid
	WHERE p.pronamespace = 'workflow'::regnamespace AND p.prokind IN ('f', 'p') AND s.calls IS NULL AND p.prosqlbody IS NULL
		AND p.proname <> ALL ('{refuse_change,drain_changed,extension_ready,role_recv}')})
  or die 'timed out';
is($node->safe_psql('postgres', q{
	SELECT p.oid::regprocedure FROM pg_proc AS p LEFT JOIN pg_stat_user_functions AS s ON s.funcid = p.oid
	WHERE p.pronamespace = 'workflow'::regnamespace AND p.prokind IN ('f', 'p') AND s.calls IS NULL AND p.prosqlbody IS NULL
		AND p.proname <> ALL ('{refuse_change,drain_changed,extension_ready,role_recv}')}),
	'', 'there is no function that was not called');
is(traps($start), '', 'no trap was sprung by the owner');

# the same for what a plain member of pg_monitor may call, which is more than there was once
$node->safe_psql('postgres', 'SELECT pg_stat_reset()');
$id = call(q{SELECT workflow.start('chain', '{"n": 1}')});
call("SELECT status FROM workflow.wait($id, '5 minutes')");
monitor_calls('for all of them', $id);
is($node->safe_psql('postgres', q{
	SELECT p.oid::regprocedure FROM pg_proc AS p LEFT JOIN pg_stat_user_functions AS s ON s.funcid = p.oid
	WHERE p.pronamespace = 'workflow'::regnamespace AND p.prokind IN ('f', 'p') AND has_function_privilege('monitor', p.oid, 'EXECUTE') AND s.calls IS NULL AND p.prosqlbody IS NULL}),
	'', 'monitor has called all that it may');
is(traps($start), '', 'and sprung no trap as the owner');
unlike(slurp_file($node->logfile, $start), qr/(?:scheduler|executor|launcher) .*ERROR/, 'nothing has failed in the background');

# --- whose settings they are afterwards (A8) ---

my $mine = q{current_setting('search_path') || ' ' || current_setting('datestyle') || ' ' || current_user};
is(call(qq{SELECT workflow.define('{"name": "x", "steps": [{"id": "a", "sql": "SELECT 1"}]}'); SELECT pg_catalog.concat($mine)} =~ s/current_setting/pg_catalog.current_setting/gr =~ s/\|\|/OPERATOR(pg_catalog.||)/gr) =~ s/^1\n//r,
	'evil, pg_catalog, pg_temp German, DMY alice', 'the settings are the caller\'s again');
is(call(q{BEGIN; SAVEPOINT a;
	DO $$BEGIN PERFORM workflow.cancel(-1); EXCEPTION WHEN OTHERS THEN NULL; END$$;
	DO $$BEGIN PERFORM workflow.start('no such workflow'); EXCEPTION WHEN OTHERS THEN NULL; END$$;
	ROLLBACK TO a; SHOW search_path; SHOW datestyle; COMMIT; SHOW search_path}),
	"evil, pg_catalog, pg_temp\nGerman, DMY\nevil, pg_catalog, pg_temp", 'after errors, too');

# --- triggers fire, whatever the session says (A6) ---

$node->safe_psql('postgres', q{SELECT workflow.schedule('r', 'endless', '17 3 * * *', overlap => 'queue', enabled => false)});
($id, $next) = map { $node->safe_psql('postgres', q{SELECT workflow.run_schedule_now('r')}) } 1 .. 2;
$node->safe_psql('postgres', "SET session_replication_role = replica; SELECT workflow.cancel($id)");
ok(wait_for_status($node, 'postgres', $next, 'running'), 'a schedule goes on when a replica cancels its execution');
$node->safe_psql('postgres', "SELECT workflow.cancel($next)");

# --- an index over a function of somebody's (A7) ---

$node->safe_psql('postgres', q{
	CREATE FUNCTION public.shortened(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN left($1, 3); END$$;
	CREATE INDEX ON workflow.executions (public.shortened(workflow));
	CREATE INDEX ON workflow.step_executions (public.shortened(step_id)) WHERE public.shortened(status) = 'com'});
$id = call(q{SELECT workflow.start('chain', '{"n": 1}')});
is(call("SELECT status FROM workflow.wait($id, '5 minutes')"), 'completed', 'functions in indexes');
is(traps($start), '', 'find nothing of the caller\'s either');

$node->stop;
done_testing();

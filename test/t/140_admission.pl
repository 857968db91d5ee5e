# Blocks and limits with many executors and starters, and across crashes.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use WorkflowTest;

my $node = workflow_cluster('admission', 'workflow.max_executors = 6', 'autovacuum = off',
	'workflow.cancel_grace = 200ms');

sub sql
{
	return $node->safe_psql('postgres', @_);
}

# Wait until a query returns true.
sub wait_until
{
	my ($query, $name) = @_;

	return ok($node->poll_query_until('postgres', $query), $name);
}

# A server that stops in the middle and comes back.
sub crash
{
	$node->stop('immediate');
	$node->start;
	return;
}

# Each step notes how many of its kind run beside it, and for how long there were too many.
sql(q{
	CREATE EXTENSION pg_workflow;
	CREATE TABLE gate (open boolean);
	INSERT INTO gate VALUES (false);
	CREATE TABLE done (workflow text, tenant text, n int);
	CREATE FUNCTION wait_at_gate() RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		WHILE NOT (SELECT open FROM gate) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		RETURN 1;
	END $$;
	CREATE VIEW running AS
		SELECT workflow, COALESCE(tenant, '') AS tenant, count(*) FROM workflow.executions
		WHERE status IN ('running', 'cancelling') GROUP BY 1, 2;
	-- the most executions that ran at one time, by the times in the rows
	CREATE FUNCTION most_at_once(name text, of_tenant text DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
		WITH e AS (
			SELECT s.started_at, e.completed_at FROM workflow.executions AS e
			JOIN workflow.step_executions AS s ON s.execution_id = e.id
			WHERE e.workflow = name AND (of_tenant IS NULL OR e.tenant = of_tenant))
		SELECT max((SELECT count(*) FROM e AS b WHERE b.started_at <= a.started_at AND b.completed_at > a.started_at))
		FROM e AS a $$;
	SELECT workflow.define('{"name": "two", "max_running": 2, "steps": [{"id": "a", "sql": "SELECT wait_at_gate()"}]}');
	SELECT workflow.define('{"name": "free", "steps": [{"id": "a", "sql": "SELECT 1"}]}');
	SELECT workflow.define('{"name": "nap", "max_running": 3, "steps": [{"id": "a", "sql": "SELECT pg_sleep(0.005)"}]}');
	SELECT workflow.define('{"name": "tenants", "steps": [{"id": "a", "sql": "SELECT pg_sleep(0.005)"}]}');
	SELECT workflow.define('{"name": "only", "max_running": 1, "when_full": "refuse", "steps": [{"id": "a", "sql": "SELECT wait_at_gate()"}]}');
});

# --- max_running of a definition ---

sql("SELECT workflow.start('two', priority => i % 3) FROM generate_series(1, 10) AS i");
wait_until("SELECT count(*) = 8 FROM workflow.executions WHERE workflow = 'two' AND status = 'pending' AND limited",
	'what is too many is set aside');
is(sql("SELECT count FROM running WHERE workflow = 'two'"), '2', 'two run');
is(sql("SELECT count(*) FROM workflow.queue WHERE workflow = 'two' AND limited"), '8', 'the queue says so');
my $free = run_execution($node, 'postgres', 'free');
is(sql("SELECT status FROM workflow.executions WHERE id = $free"), 'completed', 'others are not concerned');

crash();
wait_until("SELECT count(*) = 2 FROM workflow.activity WHERE workflow = 'two'", 'two go on after a crash');
$free = run_execution($node, 'postgres', 'free');
is(sql("SELECT string_agg(status || count, ' ' ORDER BY status) FROM (SELECT status, count(*) FROM workflow.executions WHERE workflow = 'two' GROUP BY 1) AS s"),
	'pending8 running2', 'and no more than that');

# cancelling one makes room for another, and for the most urgent
my $victim = sql("SELECT min(id) FROM workflow.executions WHERE workflow = 'two' AND status = 'running'");
my $urgent = sql("SELECT min(id) FROM workflow.executions WHERE workflow = 'two' AND status = 'pending' AND priority = 2");
sql("SELECT workflow.cancel($victim)");
wait_for_status($node, 'postgres', $urgent, 'running')
  or die 'timed out';
is(sql("SELECT count FROM running WHERE workflow = 'two'"), '2', 'a cancelled one makes room for the most urgent');

# one that waits can be cancelled
my $waiting = sql("SELECT max(id) FROM workflow.executions WHERE workflow = 'two' AND status = 'pending'");
is(sql("SELECT workflow.cancel($waiting)"), 'cancelled', 'one that waits can be cancelled');

# a new version with a higher limit takes effect at once
sql(q{SELECT workflow.define('{"name": "two", "max_running": 4, "steps": [{"id": "a", "sql": "SELECT wait_at_gate()"}]}')});
wait_until("SELECT count = 4 FROM running WHERE workflow = 'two'", 'a higher limit takes effect at once');

# and so does a block, for those that are set aside, too
sql("SELECT workflow.block('two')");
wait_until("SELECT count(*) = 4 FROM workflow.executions WHERE workflow = 'two' AND status = 'blocked'", 'those that wait become blocked');
crash();
wait_until("SELECT count(*) = 4 FROM workflow.activity WHERE workflow = 'two'", 'what ran goes on, though blocked');
is(sql("SELECT count(*) FROM workflow.executions WHERE workflow = 'two' AND status = 'blocked'"), '4', 'blocked ones are blocked after a crash');
sql("SELECT workflow.unblock('two')");
wait_until("SELECT count(*) = 4 FROM workflow.executions WHERE workflow = 'two' AND status = 'pending' AND limited", 'unblocked, they wait for room again');
sql("UPDATE gate SET open = true");
wait_until("SELECT count(*) = 8 FROM workflow.executions WHERE workflow = 'two' AND status = 'completed'", 'all are run in the end');

# --- many starters, many executors (A165) ---

my @starters = map {
	$node->background_psql('postgres')
} 1 .. 4;
$_->query_safe("SELECT workflow.start('nap', tenant => 't' || i % 3) FROM generate_series(1, 40) AS i") foreach @starters;
$_->quit foreach @starters;
wait_until("SELECT count(*) = 160 FROM workflow.executions WHERE workflow = 'nap' AND status = 'completed'", '160 executions under a limit of 3');
cmp_ok(sql("SELECT most_at_once('nap')"), '<=', 3, 'never more than 3 at one time');

$node->append_conf('postgresql.conf', 'workflow.max_running_per_tenant = 2');
$node->reload;
sql("SELECT workflow.start('tenants', tenant => CASE WHEN i % 3 > 0 THEN 't' || i % 3 END) FROM generate_series(1, 150) AS i");
wait_until("SELECT count(*) = 150 FROM workflow.executions WHERE workflow = 'tenants' AND status = 'completed'", '150 executions of three tenants');
cmp_ok(sql("SELECT most_at_once('tenants', 't1')"), '<=', 2, 'never more than 2 of a tenant');
cmp_ok(sql("SELECT most_at_once('tenants', 't2')"), '<=', 2, 'nor of the other');

# both limits at once, and a crash in the middle
sql("UPDATE gate SET open = false");
sql("SELECT workflow.start('two', tenant => 't' || i % 3) FROM generate_series(1, 30) AS i");
wait_until("SELECT sum(count) = 4 AND max(count) <= 2 FROM running WHERE workflow = 'two'", 'both limits hold');
crash();
wait_until("SELECT count(*) = 4 FROM workflow.activity WHERE workflow = 'two'", 'the same four after a crash');
is(sql("SELECT sum(count) = 4 AND max(count) <= 2 FROM running WHERE workflow = 'two'"), 't', 'both limits still hold');
sql("UPDATE gate SET open = true");
wait_until("SELECT count(*) = 38 FROM workflow.executions WHERE workflow = 'two' AND status = 'completed'", 'and all are run');

# the limit is taken away while many wait
sql("UPDATE gate SET open = false");
sql("SELECT workflow.start('two', tenant => 'one') FROM generate_series(1, 5) AS i");
wait_until("SELECT count(*) = 3 FROM workflow.executions WHERE workflow = 'two' AND limited AND status = 'pending'", 'three wait');
$node->append_conf('postgresql.conf', 'workflow.max_running_per_tenant = 0');
$node->reload;
wait_until("SELECT count = 4 FROM running WHERE workflow = 'two'", 'a setting takes effect with a reload');

# --- the database ---

$node->append_conf('postgresql.conf', 'workflow.max_running = 5');
$node->reload;
sql("SELECT workflow.start('free') FROM generate_series(1, 50)");
wait_until("SELECT count(*) = 52 FROM workflow.executions WHERE workflow = 'free' AND status = 'completed'", 'one at a time beside the four');
sql("SELECT workflow.start('tenants', tenant => 'x') FROM generate_series(1, 50)");
sql("UPDATE gate SET open = true");
wait_until("SELECT count(*) = 200 FROM workflow.executions WHERE workflow = 'tenants' AND status = 'completed'", 'executions wait for room in the database');
$node->append_conf('postgresql.conf', 'workflow.max_running = 0');
$node->reload;

# --- refuse ---

sql("UPDATE gate SET open = false");
my $only = sql("SELECT workflow.start('only', idempotency_key => 'k')");
my ($rc, $out, $err) = $node->psql('postgres', "SELECT workflow.start('only')");
like($err, qr/workflow "only" has as many executions as it may have/, 'what is too many is refused');
is(sql("SELECT workflow.start('only', idempotency_key => 'k')"), $only, 'the same once more is not too many');
wait_for_status($node, 'postgres', $only, 'running')
  or die 'timed out';
my $late = sql("SELECT workflow.start('only', start_at => now())");
is(sql("SELECT status, error_type FROM workflow.wait($late, '60 s')"), 'failed|WorkflowFull', 'what could not be refused fails');
sql("UPDATE gate SET open = true");
wait_for_status($node, 'postgres', $only, 'completed')
  or die 'timed out';
run_execution($node, 'postgres', 'only');
is(sql("SELECT count(*) FROM workflow.executions WHERE workflow = 'only' AND status = 'completed'"), '2', 'and there is room again');

# --- the limit is one for all roles: it is about the workflow, whoever starts it ---

sql("UPDATE gate SET open = false");
sql(q{CREATE ROLE amy LOGIN; CREATE ROLE ben LOGIN; SELECT workflow.grant_usage('amy'), workflow.grant_usage('ben');
	GRANT SELECT ON gate TO amy, ben});
my $of_amy = sql("SET ROLE amy; SELECT workflow.start('only')");
wait_for_status($node, 'postgres', $of_amy, 'running') or die 'it does not run';
like(($node->psql('postgres', "SET ROLE ben; SELECT workflow.start('only')"))[2], qr/WorkflowFull: "max_running" is 1/, 'one role keeps the others out');
sql("SELECT workflow.cancel($of_amy)");
wait_for_status($node, 'postgres', $of_amy, 'cancelled') or die 'it is not cancelled';
my $of_ben = sql("SET ROLE ben; SELECT workflow.start('only')");
ok(wait_for_status($node, 'postgres', $of_ben, 'running'), 'until the owner of the workflow makes room');

# what waits takes turns
sql(q{SELECT workflow.define('{"name": "turns", "max_running": 1, "steps": [{"id": "a", "sql": "SELECT wait_at_gate()"}]}')});
sql("SET ROLE amy; SELECT workflow.start('turns') FROM generate_series(1, 9)");
wait_until("SELECT count(*) = 8 FROM workflow.executions WHERE workflow = 'turns' AND status = 'pending' AND limited", 'one of amy runs, others wait');
$of_ben = sql("SET ROLE ben; SELECT workflow.start('turns')");
wait_until("SELECT limited FROM workflow.executions WHERE id = $of_ben", 'and one of ben');
sql("UPDATE gate SET open = true");
wait_until("SELECT count(*) = 10 FROM workflow.executions WHERE workflow = 'turns' AND status = 'completed'", 'all are run');
cmp_ok(sql("SELECT count(*) FROM workflow.executions AS e, workflow.executions AS b WHERE b.id = $of_ben AND e.workflow = 'turns' AND e.started_at < b.started_at"),
	'<=', 2, 'ben had his turn before all of amy had run');

# --- limits of all kinds at once: of the workflow 4, of a tenant 2, of a role 3 ---

$node->append_conf('postgresql.conf', 'workflow.max_running_per_tenant = 2');
$node->reload;
sql("UPDATE gate SET open = false");
sql(q{SELECT workflow.define('{"name": "kinds", "max_running": 4, "steps": [{"id": "a", "sql": "SELECT wait_at_gate()"}]}')});
sql(q{SELECT workflow.set_role_limits('amy', max_running => 3)});
sql("SET ROLE amy; SELECT workflow.start('kinds', tenant => 'a') FROM generate_series(1, 4)");
wait_until("SELECT count(*) = 2 FROM workflow.executions WHERE workflow = 'kinds' AND limited", 'the tenant is full');
sql("SET ROLE amy; SELECT workflow.start('kinds', tenant => 'b') FROM generate_series(1, 4)");
wait_until("SELECT count(*) = 5 FROM workflow.executions WHERE workflow = 'kinds' AND limited", 'the role is full');
sql("SET ROLE ben; SELECT workflow.start('kinds', tenant => 'b') FROM generate_series(1, 3)");
wait_until("SELECT count(*) = 7 FROM workflow.executions WHERE workflow = 'kinds' AND limited", 'the workflow is full');
sql("SET ROLE ben; SELECT workflow.start('kinds') FROM generate_series(1, 2)");
wait_until("SELECT count(*) = 9 FROM workflow.executions WHERE workflow = 'kinds' AND limited", 'for those without a tenant as well');

# who runs, and whether all limits are kept
my $kinds = q{SELECT count(*), count(*) FILTER (WHERE tenant = 'a') <= 2 AND count(*) FILTER (WHERE tenant = 'b') <= 2
		AND count(*) FILTER (WHERE role = 'amy'::regrole) <= 3
	FROM workflow.executions WHERE workflow = 'kinds' AND status IN ('running', 'cancelling')};
is(sql($kinds), '4|t', 'four run, and no limit is passed');
crash();
wait_until("SELECT count(*) = 4 FROM workflow.activity WHERE workflow = 'kinds'", 'the same four after a crash');
is(sql($kinds), '4|t', 'and no limit is passed');
# whichever of them ends, somebody waits for that
foreach my $of ("role = 'ben'::regrole", "tenant = 'b'", "tenant = 'a'")
{
	my $id = sql("SELECT min(id) FROM workflow.executions WHERE workflow = 'kinds' AND status = 'running' AND $of");

	$id = sql("SELECT min(id) FROM workflow.executions WHERE workflow = 'kinds' AND status = 'running'") if $id eq '';
	sql("SELECT workflow.cancel($id)");
	wait_for_status($node, 'postgres', $id, 'cancelled') or die 'it is not cancelled';
	wait_until("SELECT count(*) = 4 FROM workflow.executions WHERE workflow = 'kinds' AND status = 'running'", "of $of one has ended: another runs");
	is(sql($kinds), '4|t', 'and no limit is passed');
}
sql(q{SELECT workflow.set_role_limits('amy')});
sql("UPDATE gate SET open = true");
wait_until("SELECT count(*) = 10 FROM workflow.executions WHERE workflow = 'kinds' AND status = 'completed'", 'all others are run');
$node->append_conf('postgresql.conf', 'workflow.max_running_per_tenant = 0');
$node->reload;

# --- what is paused counts for no limit, but for its schedule ---

sql("UPDATE gate SET open = false");
sql(q{SELECT workflow.define('{"name": "lunch", "max_running": 1, "steps": [{"id": "a", "sql": "SELECT wait_at_gate()"}, {"id": "b", "sql": "SELECT 1"}]}')});
sql(q{SELECT workflow.schedule('lunches', 'lunch', '0 0 1 1 *', overlap => 'queue', enabled => false)});
my $paused = sql("SELECT workflow.run_schedule_now('lunches')");
wait_for_status($node, 'postgres', $paused, 'running') or die 'it does not run';
my $beside = sql("SELECT workflow.start('lunch')");
wait_until("SELECT limited FROM workflow.executions WHERE id = $beside", 'one runs, another waits for room');
my $next = sql("SELECT workflow.run_schedule_now('lunches')");
is(sql("SELECT string_agg(reason, ' ' ORDER BY e) FROM unnest(ARRAY[$beside, $next]) AS e, workflow.why(e)"), 'no room deferred',
	'and the next one of its schedule waits for that');
sql("SELECT workflow.pause($paused)");
sql("UPDATE gate SET open = true");
wait_for_status($node, 'postgres', $beside, 'completed') or die 'it does not end';
is(sql("SELECT status FROM workflow.executions WHERE id = $paused"), 'paused', 'what is paused leaves its room to others');
is(sql("SELECT start_at FROM workflow.executions WHERE id = $next"), 'infinity', 'but not to those of its schedule');
is(sql("SELECT running, queued FROM workflow.schedules WHERE name = 'lunches'"), '1|1', 'which says so');
sql("SELECT workflow.resume($paused)");
wait_until("SELECT count(*) = 2 FROM workflow.executions WHERE id IN ($paused, $next) AND status = 'completed'", 'until it goes on and ends');

$node->stop;
done_testing();

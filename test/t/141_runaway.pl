# A workflow that keeps getting stuck is blocked by itself; unblocked, it may be started again.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use lib 't';
use StuckTest;
use WorkflowTest;

my $node = workflow_cluster('runaway', 'workflow.cancel_grace = 200ms', 'workflow.max_executors = 3');

install_stubborn($node);

sub as_role { return $node->safe_psql('postgres', $_[1], extra_params => [ '-U', $_[0] ]); }
sub sql { return as_role('postgres', $_[0]); }

sub wait_until
{
	my ($query, $name) = @_;

	return ok($node->poll_query_until('postgres', $query), $name);
}

sub ended { return sql("SELECT status, error_type FROM workflow.wait($_[0], '60 s')"); }

sql(q{
	SELECT workflow.define('{"name": "runaway", "steps": [{"id": "a", "sql": "SELECT swallow()"}]}');
	SELECT workflow.define('{"name": "runaway_2", "steps": [{"id": "a", "sql": "SELECT swallow()"}]}');
});

# Get one stuck: start it, as a role perhaps, wait until it runs, cancel it.
sub get_stuck
{
	my ($workflow, $role) = @_;
	my $id = as_role($role // 'postgres', "SELECT workflow.start('$workflow', '{\"stick\": true}')");

	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id AND wait_event = 'PgSleep'")
	  or die "execution $id does not run";
	sql("SELECT workflow.cancel($id)");
	return ended($id);
}

# --- acceptance example 5: five stuck, the sixth refused, lifted, accepted ---

is(get_stuck('runaway'), 'cancelled|Cancelled', "number $_ is cancelled") foreach 1 .. 4;
is(sql("SELECT count(*) FROM workflow.blocked_workflows"), '0', 'four are not enough');
my $short = sql("SELECT workflow.start('short')");
is(ended($short), 'completed|', 'others are not affected');

# the fifth, while others of the workflow run, are claimed, and are deferred
my $runs = sql("SELECT workflow.start('runaway')");
my $runs_too = sql("SELECT workflow.start('runaway')");
wait_until("SELECT count(*) = 2 FROM workflow.activity WHERE wait_event = 'PgSleep'", 'two more run');
my $deferred = sql("SELECT workflow.start('runaway', start_at => now() + '1 hour')");
my $fifth = sql("SELECT workflow.start('runaway')");
wait_until("SELECT count(*) = 3 FROM workflow.activity WHERE wait_event = 'PgSleep'", 'all executors are busy');
my @claimed = split /\n/, sql("SELECT workflow.start('runaway') FROM generate_series(1, 3)");
wait_until("SELECT count(*) = 6 FROM workflow.executions WHERE workflow = 'runaway' AND status = 'running'", 'three more are claimed');
sql("SELECT workflow.cancel($fifth)");
is(ended($fifth), 'cancelled|Cancelled', 'the fifth is cancelled');
wait_until("SELECT count(*) = 1 FROM workflow.blocked_workflows WHERE workflow = 'runaway' AND unblocked_at IS NULL", 'the workflow is blocked');
is(sql("SELECT kind, reason, stuck_count, blocked_by FROM workflow.blocked_workflows"),
	'automatic|5 attempts got stuck within 3600 seconds|5|', 'and says why');
is(sql("SELECT action, subject FROM workflow.audit_log WHERE action = 'block'"), 'block|runaway', 'so does the audit log');
like(slurp_file($node->logfile), qr/WARNING:  workflow "runaway" is blocked: 5 attempts/, 'and the server log');
my ($rc, $out, $err) = $node->psql('postgres', "SELECT workflow.start('runaway')");
like($err, qr/workflow "runaway" is blocked\nDETAIL:  WorkflowBlocked: at .*, automatically: 5 attempts got stuck/, 'the sixth is refused');
is(ended($_), 'blocked|WorkflowBlocked', 'one that had not begun is blocked') foreach @claimed;
is(sql("SELECT string_agg(status, ' ') FROM workflow.executions WHERE id IN ($runs, $runs_too)"), 'running running', 'those that run go on');
sql("UPDATE workflow.executions SET start_at = now() WHERE id = $deferred");
is(ended(sql("SELECT workflow.start('short')")), 'completed|', 'others are not affected');
is(ended($deferred), 'blocked|WorkflowBlocked', 'a deferred one is blocked when it is due');

# a crash changes nothing
$node->stop('immediate');
$node->start;
($rc, $out, $err) = $node->psql('postgres', "SELECT workflow.start('runaway')");
like($err, qr/workflow "runaway" is blocked/, 'still blocked after a crash');
is(ended($_), 'blocked|WorkflowBlocked', 'and so are the executions') foreach (@claimed, $deferred);
wait_until("SELECT count(*) = 2 FROM workflow.activity WHERE execution_id IN ($runs, $runs_too) AND wait_event = 'PgSleep'", 'those that ran go on');

# lifted: what waits runs, and the count begins anew
sql("SELECT workflow.cancel(id) FROM unnest(ARRAY[$claimed[0], $claimed[1]]) AS id");
is(ended($_), 'cancelled|Cancelled', 'a blocked one can be cancelled') foreach @claimed[0, 1];
sql("SELECT workflow.unblock('runaway', 'repaired')");
wait_until("SELECT count(*) = 2 FROM workflow.executions WHERE id IN ($claimed[2], $deferred) AND status = 'running'", 'those that were blocked run');
sql("SELECT workflow.cancel(id) FROM unnest(ARRAY[$runs, $claimed[2], $deferred, $runs_too]) AS id");
is(ended($_), 'cancelled|Cancelled', 'cancelled') foreach ($runs, $claimed[2], $deferred, $runs_too);
my $again = sql("SELECT workflow.start('runaway')");
wait_until("SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $again AND wait_event = 'PgSleep'", 'it may be started again');
is(sql("SELECT count(*) FROM workflow.blocked_workflows WHERE unblocked_at IS NULL"), '0', 'what got stuck before does not count');
sql("SELECT workflow.cancel($again)");
is(ended($again), 'cancelled|Cancelled', 'one more');
my $blocks = "SELECT count(*) FROM workflow.blocked_workflows WHERE workflow = 'runaway'";
for (1 .. 5)
{
	last if sql($blocks) == 2;
	get_stuck('runaway');
}
is(sql($blocks), '2', 'five since then: blocked again, history is kept');

# --- by somebody else: blocked for him, not for the owner and others (A74) ---

sql(q{
	CREATE ROLE alice LOGIN;
	CREATE ROLE bob LOGIN;
	SELECT workflow.grant_usage('alice'), workflow.grant_usage('bob');
	SELECT workflow.define('{"name": "shared", "steps": [{"id": "a", "sql": "SELECT swallow()", "when": "${workflow.input.stick ?? false}"}]}');
});
my $hers = as_role('alice', "SELECT workflow.start('shared', start_at => now() + '1 hour')");
my $his = as_role('bob', "SELECT workflow.start('shared', start_at => now() + '1 hour')");
is(get_stuck('shared', 'alice'), 'cancelled|Cancelled', "number $_ of alice is cancelled") foreach 1 .. 5;
wait_until("SELECT count(*) = 1 FROM workflow.blocked_workflows WHERE workflow = 'shared' AND role = 'alice'::regrole AND unblocked_at IS NULL", 'the workflow is blocked for alice');
($rc, $out, $err) = $node->psql('postgres', "SELECT workflow.start('shared')", extra_params => [ '-U', 'alice' ]);
like($err, qr/workflow "shared" is blocked\nDETAIL:  WorkflowBlocked: at .*, automatically: 5 attempts got stuck/, 'alice is refused');
like(slurp_file($node->logfile), qr/WARNING:  workflow "shared" is blocked for role "alice": 5 attempts/, 'the server log says for whom');
sql("UPDATE workflow.executions SET start_at = now() WHERE id IN ($hers, $his)");
# a scheduler need not notice what is changed by hand, the next one does
kill 'TERM', worker_pid($node, 'scheduler', 'postgres');
is(ended($hers), 'blocked|WorkflowBlocked', 'what she has queued is blocked');
is(ended($his), 'completed|', 'what bob has queued runs');
is(ended(sql("SELECT workflow.start('shared')")), 'completed|', 'the owner starts it');
is(ended(as_role('bob', "SELECT workflow.start('shared')")), 'completed|', 'and so does bob');
is(as_role('alice', "SELECT count(*) FROM workflow.blocked_workflows WHERE workflow = 'shared'"), '1', 'alice sees that it is blocked');
is(as_role('bob', "SELECT count(*) FROM workflow.blocked_workflows WHERE workflow = 'shared'"), '0', 'bob does not');
is(as_role('alice', "SELECT reason FROM workflow.why($hers)"), 'blocked', 'why() tells her');
is(sql("SELECT subject FROM workflow.alerts WHERE condition = 'workflow blocked' AND subject LIKE 'shared%'"), 'shared for alice', 'an alert tells everybody else');
is(sql("SELECT workflow.unblock('shared', 'spoken to')"), 't', 'unblock() lifts it');
is(ended($hers), 'completed|', 'and hers runs');
ok(as_role('alice', "SELECT workflow.start('shared')") > 0, 'she may start it again');

# 0: never
$node->append_conf('postgresql.conf', 'workflow.stuck_threshold = 0');
$node->reload;
get_stuck('runaway_2') foreach 1 .. 5;
is(sql("SELECT count(*) FROM workflow.blocked_workflows WHERE workflow = 'runaway_2'"), '0', 'not when it is switched off');

$node->stop('immediate');
done_testing();

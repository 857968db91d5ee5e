# wait() where waiting would never end: in a step, whatever the way it got there, in a
# session that the execution waits for, and in sessions whose executions wait for the others.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('wait_cycle', 'workflow.max_executors = 2', 'deadlock_timeout = 100ms');
install_extension($node, 'postgres');

# --- in a step: parents that start a child and wait for it (A170) ---

$node->safe_psql('postgres', q{
	CREATE EXTENSION dblink;
	CREATE FUNCTION child() RETURNS bigint LANGUAGE sql AS $$SELECT workflow.start('short')$$;
	CREATE FUNCTION older() RETURNS bigint LANGUAGE sql
		AS $$SELECT min(id) FROM workflow.executions WHERE workflow = 'short'$$;
	CREATE FUNCTION nested() RETURNS text LANGUAGE plpgsql AS $$
		BEGIN
			EXECUTE 'DO ''BEGIN PERFORM workflow.wait(older()); END''';
			RETURN 'waited';
		END $$;
	CREATE FUNCTION caught() RETURNS text LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM workflow.wait(older());
			RETURN 'waited';
		EXCEPTION WHEN object_not_in_prerequisite_state THEN
			RETURN SQLERRM;
		END $$;
	CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$
		DECLARE
			output jsonb;
		BEGIN
			COMMIT;
			CALL workflow.run('short', '{}', output);
		END $$;
	CREATE FUNCTION inside() RETURNS jsonb LANGUAGE sql AS $$SELECT workflow.execute('waits')$$;
	SELECT child()});
define_sql($node, 'postgres', 'waits', 'SELECT (workflow.wait(older())).status');
define_sql($node, 'postgres', 'waits_from', 'SELECT status FROM workflow.wait(older())');
define_sql($node, 'postgres', 'waits_briefly', q{SELECT status FROM workflow.wait(child(), '1 ms')});
define_sql($node, 'postgres', 'waits_nested', 'SELECT nested()');
define_sql($node, 'postgres', 'waits_inside', 'SELECT inside()');
define_sql($node, 'postgres', 'runs', { sql => q{CALL workflow.run('short')}, transaction => 'none', result => 'none' });
define_sql($node, 'postgres', 'runs_itself', { sql => q{CALL workflow.run('runs_itself')}, transaction => 'none', result => 'none' });
define_sql($node, 'postgres', 'runs_later', { sql => 'CALL commits()', transaction => 'none', result => 'none' });
define_sql($node, 'postgres', 'catches', 'SELECT caught()');
foreach my $workflow (qw(waits waits_from waits_briefly waits_nested waits_inside runs runs_itself runs_later))
{
	# more of them than there are executors
	my $ids = $node->safe_psql('postgres', "SELECT string_agg(workflow.start('$workflow')::text, ',') FROM generate_series(1, 3)");

	$node->safe_psql('postgres', "SELECT count(workflow.wait(id)) FROM workflow.executions WHERE id IN ($ids)");
	is($node->safe_psql('postgres', qq{SELECT count(*), min(error ->> 'sqlstate'),
			bool_and(error ->> 'message' ~ 'cannot be called in a step that a worker runs'), bool_and(error ->> 'hint' ~ 'sub-workflow')
			FROM workflow.executions WHERE id IN ($ids) AND status = 'failed'}),
		'3|55000|t|t', "$workflow: refused, with a hint");
}
my $id = run_execution($node, 'postgres', 'catches');
like($node->safe_psql('postgres', "SELECT output FROM workflow.step_executions WHERE execution_id = $id"),
	qr/workflow.wait\(\) cannot be called/, 'a step may deal with the error');
is($node->safe_psql('postgres', q{SELECT workflow.execute('waits')}), '"completed"',
	'wait() inside execute() in a session is the session\'s own wait');
# through another connection it cannot be seen: an executor that sleeps in a session of its own
# that waits. Not for ever: the step's time limit ends it.
define_sql($node, 'postgres', 'around',
	{ sql => q{SELECT * FROM dblink('host=' || split_part(current_setting('unix_socket_directories'), ',', 1)
		|| ' port=' || current_setting('port') || ' dbname=postgres', 'SELECT status FROM workflow.wait(older())') AS d (status text)},
		timeout_seconds => 60 });
$id = run_execution($node, 'postgres', 'around');
is(step_rows($node, 'postgres', $id), 's1 completed completed', 'through dblink it is another session');

# --- a session waits for what waits for its snapshot ---

$node->safe_psql('postgres', q{
	CREATE TABLE t (i int, j int);
	CREATE TABLE p (i int) PARTITION BY RANGE (i);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
	CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
	CREATE INDEX t_i ON t (i);
	INSERT INTO t VALUES (1, 1)});
my %concurrently = (
	create => 'CREATE INDEX CONCURRENTLY ON t (j)',
	reindex => 'REINDEX TABLE CONCURRENTLY t',
	detach => 'ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY');
define_sql($node, 'postgres', $_, 'SELECT pg_advisory_xact_lock(1)',
	{ sql => $concurrently{$_}, transaction => 'none', result => 'none' }) foreach keys %concurrently;
define_sql($node, 'postgres', 'updates', 'SELECT pg_advisory_xact_lock(1)', 'UPDATE t SET j = 2 RETURNING j');
my $gate = $node->background_psql('postgres');

# Start an execution that waits at the gate, and what waits for it; then open the gate, and
# say how that ended.
sub wait_for
{
	my ($workflow, $before, $call) = @_;
	my ($id, $answer);
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$gate->query_safe('SELECT pg_advisory_lock(1)');
	$id = $node->safe_psql('postgres', "SELECT workflow.start('$workflow')");
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
	  or die 'it is not at the gate';
	$call =~ s/ID/$id/;
	$session->query_until(qr/go/, "$before\n\\echo go\n$call;\n\\echo :SQLSTATE :LAST_ERROR_MESSAGE\n\\echo done\n");
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE state = 'active'
			AND wait_event_type = 'Extension' AND backend_type = 'client backend'})
	  or die 'nobody waits for it';
	$gate->query_safe('SELECT pg_advisory_unlock(1)');
	$answer = $session->query_until(qr/done/, "\n");
	$session->query_until(qr/over/, "ROLLBACK;\n\\echo over\n") if $before =~ /BEGIN/;
	$session->quit;
	$node->safe_psql('postgres', "SELECT FROM workflow.wait($id)");
	is($node->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE id = $id"), 'completed',
		"$workflow completes");
	return $answer;
}

foreach my $workflow (sort keys %concurrently)
{
	like(wait_for($workflow, '', "SELECT status FROM workflow.wait(ID)"), qr/completed/,
		"$workflow: a wait that is all there is to a statement lets go of its snapshot");
	$node->safe_psql('postgres', 'ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10)') if $workflow eq 'detach';
}
like(wait_for('create', 'BEGIN; SELECT 1;', "SELECT 'it has ' || (workflow.wait(ID)).status"), qr/it has completed/,
	'in a transaction that has nothing else open, too');
# The wait ends with an error, whose hint names what waits without a snapshot.
sub is_refused
{
	my ($what, @call) = @_;
	my $from = -s $node->logfile;

	like(wait_for(@call), qr/40P01 execution \d+ waits for this session, which waits for it/, "$what: an error");
	like(slurp_file($node->logfile, $from), qr/HINT: .* use CALL workflow\.run\(\), which waits outside of transactions/, "$what: the hint");
	return;
}
is_refused('not in a statement that reads a table', 'create', '', "SELECT (SELECT count(*) FROM t), (SELECT status FROM workflow.wait(ID))");
is_refused('nor in a function', 'create', '', 'DO $$ BEGIN PERFORM workflow.wait(ID); END $$');
is_refused('nor beside a cursor', 'reindex', 'BEGIN; DECLARE c CURSOR FOR SELECT * FROM t; FETCH c;', 'SELECT workflow.wait(ID)');
is_refused('a lock is as good as a snapshot', 'updates', 'BEGIN; LOCK TABLE t;', 'SELECT workflow.wait(ID)');
# and that does: the same index, and it comes to its end
define_sql($node, 'postgres', 'creates', { sql => $concurrently{create}, transaction => 'none', result => 'none' });
is(($node->psql('postgres', q{CALL workflow.run('creates')}))[0], 0, 'CALL workflow.run() waits for it');
unlike(wait_for('updates', 'BEGIN; SELECT pg_advisory_xact_lock(2);', 'SELECT workflow.wait(ID)'), qr/40P01/,
	'one that nobody waits for is not');

# one of two processes that stand between the step and the session
my $between = $node->background_psql('postgres');
$between->query_safe('BEGIN; LOCK TABLE t IN ROW EXCLUSIVE MODE; SELECT pg_advisory_lock(3)');
define_sql($node, 'postgres', 'chain', 'SELECT pg_advisory_xact_lock(1)', 'LOCK TABLE t');
$gate->query_safe('SELECT pg_advisory_lock(1)');
$id = $node->safe_psql('postgres', "SELECT workflow.start('chain')");
my $waiter = $node->background_psql('postgres', on_error_stop => 0);
$waiter->query_safe('BEGIN; SELECT pg_advisory_xact_lock(4)');
$between->query_until(qr/go/, "\\echo go\nSELECT pg_advisory_lock(4);\n");
$waiter->query_until(qr/go/, "\\echo go\nSELECT workflow.wait($id);\n\\echo :SQLSTATE\n\\echo done\n");
$gate->query_safe('SELECT pg_advisory_unlock(1)');
like($waiter->query_until(qr/done/, "\n"), qr/40P01/, 'a session between them hides nothing');
$waiter->query_until(qr/over/, "ROLLBACK;\n\\echo over\n");
$waiter->quit;
$between->query_safe('COMMIT');
$between->quit;
$node->safe_psql('postgres', "SELECT FROM workflow.wait($id)");

# --- sessions that wait for executions that wait for the other sessions ---

# A ring: session i holds what the execution needs that session i - 1 waits for.  Whoever is
# first to see it ends with the error, with the lock, and so all others get what they wait for.
sub ring
{
	my ($name, @members) = @_;
	my (@sessions, @ids, @outcomes);

	$gate->query_safe('SELECT pg_advisory_lock(1)');
	foreach my $i (0 .. $#members)
	{
		my $next = 100 + ($i + 1) % @members;
		my $workflow = "ring_$members[$i]->{kind}_$next";

		define_sql($node, 'postgres', $workflow, 'SELECT pg_advisory_xact_lock_shared(1)', $members[$i]->{needs}->($next));
		push @ids, $node->safe_psql('postgres', "SELECT workflow.start('$workflow')");
		push @sessions, $node->background_psql('postgres', on_error_stop => 0);
		$sessions[$i]->query_safe($members[$i]->{holds}->(100 + $i));
	}
	$node->poll_query_until('postgres', "SELECT count(*) = @{[scalar @members]} FROM pg_locks
		WHERE locktype = 'advisory' AND objid = 1 AND NOT granted") or die 'they are not at the gate';
	foreach my $i (0 .. $#members)
	{
		$sessions[$i]->query_until(qr/go/, "\\echo go\nSELECT 'ended ' || status FROM workflow.wait($ids[$i]);\n"
			  . "\\echo :SQLSTATE :LAST_ERROR_MESSAGE\nROLLBACK;\n\\echo done\n");
	}
	$node->poll_query_until('postgres', "SELECT count(*) = @{[scalar @members]} FROM pg_stat_activity
		WHERE state = 'active' AND wait_event_type = 'Extension' AND backend_type = 'client backend'") or die 'they do not wait';
	$gate->query_safe('SELECT pg_advisory_unlock(1)');
	@outcomes = map { $_->query_until(qr/done/, "\n") } @sessions;
	is(scalar(grep { /40P01 execution \d+ waits for this session, which waits for it/ } @outcomes), 1, "$name: one gives in");
	is(scalar(grep { /ended completed/ } @outcomes), $#members, "$name: the others get what they wait for")
	  or diag(join "\n", @outcomes);
	$_->quit foreach @sessions;
	is($node->safe_psql('postgres', "SELECT count(*) FROM workflow.executions AS e, workflow.wait(e.id) AS w
		WHERE e.id IN (@{[join ', ', @ids]}) AND w.status = 'completed'"), scalar @members, "$name: the executions complete");
	return;
}

my $locks = { kind => 'lock', holds => sub { "BEGIN; SELECT pg_advisory_xact_lock($_[0])" },
	needs => sub { "SELECT pg_advisory_xact_lock($_[0])" } };
my $tables = { kind => 'table', holds => sub { "BEGIN; LOCK TABLE ring_$_[0]" }, needs => sub { "UPDATE ring_$_[0] SET j = 2 RETURNING j" } };
my $snapshots = { kind => 'index', holds => sub { "BEGIN; DECLARE c CURSOR FOR SELECT * FROM ring_$_[0]; FETCH c; SELECT pg_advisory_xact_lock($_[0])" },
	needs => sub { { sql => "CREATE INDEX CONCURRENTLY ON ring_$_[0] (j)", transaction => 'none', result => 'none' } } };

foreach my $i (100 .. 102)
{
	$node->safe_psql('postgres', "CREATE TABLE ring_$i (j int); INSERT INTO ring_$i VALUES (1)");
}
$node->append_conf('postgresql.conf', 'workflow.max_executors = 4');
$node->restart;
$gate = $node->background_psql('postgres');
ring('two sessions', $locks, $locks);
ring('three sessions', $locks, $locks, $locks);
ring('two sessions, locks of tables', $tables, $tables);
ring('two sessions, a snapshot and a lock', $snapshots, $locks);
ring('three sessions, a snapshot among locks', $locks, $snapshots, $tables);

# executions of one run come one after the other: what comes later waits for what the first needs
define_sql($node, 'postgres', 'same_run', { sql => 'SELECT CASE WHEN input.first::boolean THEN pg_advisory_xact_lock(5)::text END',
	input_mapping => { first => '${workflow.input.first}' } });
$node->append_conf('postgresql.conf', 'workflow.max_executors = 1');
$node->restart;
$gate = $node->background_psql('postgres');
$waiter = $node->background_psql('postgres', on_error_stop => 0);
$waiter->query_safe('SELECT pg_advisory_lock(5)');
$id = $node->safe_psql('postgres', q{SELECT min(workflow.start('same_run', jsonb_build_object('first', n = 1))) + 1 FROM generate_series(1, 40) AS n});
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) or die 'the first does not wait';
like($waiter->query_until(qr/done/, "SELECT workflow.wait($id);\n\\echo :SQLSTATE\n\\echo done\n"), qr/40P01/,
	'what is behind another execution in its run waits for what that one needs');
$waiter->query_until(qr/done/, "SELECT pg_advisory_unlock(5);\n\\echo done\n");
is($node->safe_psql('postgres', "SELECT status FROM workflow.wait($id)"), 'completed', 'and goes on when that has it');

# run() holds nothing but advisory locks of the session, which it does not let go of
define_sql($node, 'postgres', 'needs', 'SELECT pg_advisory_xact_lock(5)');
like($waiter->query_until(qr/done/, "SELECT pg_advisory_lock(5);\nCALL workflow.run('needs');\n\\echo :SQLSTATE :LAST_ERROR_MESSAGE\n\\echo done\n"),
	qr/40P01 execution \d+ waits for this session/, 'run() for what needs an advisory lock of the session');
like(slurp_file($node->logfile), qr/DETAIL:  Its step needs an advisory lock that this session holds.*\n.*HINT:  Let go of the session's advisory locks/,
	'says which kind of lock it is');
$waiter->query_until(qr/done/, "SELECT pg_advisory_unlock(5);\n\\echo done\n");

# who has stopped waiting, in whatever way, is not taken for one that waits: this session has for
# an execution that waits for the other session
define_sql($node, 'postgres', 'six', 'SELECT pg_advisory_xact_lock(6)');
define_sql($node, 'postgres', 'seven', 'SELECT pg_advisory_xact_lock(7)');
$node->append_conf('postgresql.conf', 'workflow.max_executors = 2');
$node->restart;
my $other = $node->background_psql('postgres');
$other->query_safe('BEGIN; SELECT pg_advisory_xact_lock(6)');
$waiter = $node->background_psql('postgres', on_error_stop => 0);
$waiter->query_safe('SELECT pg_advisory_lock(7)');
$id = $node->safe_psql('postgres', q{SELECT workflow.start('six')});
my $seven = $node->safe_psql('postgres', q{SELECT workflow.start('seven')});
$node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) or die 'they do not wait';
foreach my $how ("SELECT workflow.wait($id, '10 ms')", "SET statement_timeout = '10ms'; SELECT workflow.wait($id); RESET statement_timeout",
	"BEGIN; SET LOCAL statement_timeout = '200ms'; DO \$\$ BEGIN PERFORM workflow.wait($id); EXCEPTION WHEN query_canceled THEN NULL; END \$\$")
{
	$waiter->query_until(qr/done/, "$how;\n\\echo done\n");
	is($other->query_safe("SELECT status FROM workflow.wait($seven, '500 ms')"), 'running', "not seen as waiting behind: $how");
}
$waiter->quit;
$other->query_safe('COMMIT');
$other->quit;
is($node->safe_psql('postgres', "SELECT string_agg(w.status, ',') FROM workflow.wait($id) AS w"), 'completed', 'and it goes on');

# run() holds nothing
define_sql($node, 'postgres', 'index', { sql => 'CREATE INDEX CONCURRENTLY ON t (j)', transaction => 'none', result => 'none' });
$node->safe_psql('postgres', q{CALL workflow.run('index')});
pass('run() waits outside of transactions');
eval { $gate->quit };
$node->stop;
done_testing();

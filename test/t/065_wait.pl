# workflow.wait() and cancel() in different sessions: a wait ends when the cancel has
# committed, not before, and ends by itself when it is interrupted.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('wait', 'max_prepared_transactions = 1');
install_extension($node, 'postgres');

my $waits = q{SELECT count(*) FROM pg_stat_activity WHERE query ~ 'workflow.wait' AND state = 'active'
	AND wait_event_type = 'Extension' AND backend_type = 'client backend'};

# Start several sessions that wait for an execution.
sub waiters
{
	my ($count, $call) = @_;
	my @waiters = map { $node->background_psql('postgres', on_error_stop => 0) } 1 .. $count;

	$_->query_until(qr/go/, "\\echo go\n$call;\n\\echo done\n") foreach @waiters;
	$node->poll_query_until('postgres', $waits, $count) or die 'they do not wait';
	return @waiters;
}

# pending, running, and in a transaction that has not ended
foreach my $kind ('pending', 'running')
{
	my $id = $kind eq 'pending'
	  ? $node->safe_psql('postgres', "SELECT workflow.start('endless', start_at => 'infinity')")
	  : start_endless($node, 'postgres');
	my @waiters = waiters(3, "SELECT 'ended ' || (workflow.wait($id)).status");
	my $session = $node->background_psql('postgres');

	$session->query_safe("BEGIN; SELECT workflow.cancel($id); ROLLBACK");
	$session->query_safe("BEGIN; SELECT workflow.cancel($id)");
	is($node->safe_psql('postgres', $waits), 3, "$kind: nobody is woken by a cancel that has not committed");
	is($node->safe_psql('postgres', "SELECT (workflow.wait($id, '10 ms')).status"), $kind, "$kind: nor told");
	$session->query_safe('COMMIT');
	$session->quit;
	like($_->query_until(qr/done/, "\n"), qr/ended cancelled/, "$kind: all are told when it has") foreach @waiters;
	$_->quit foreach @waiters;
}

# in a transaction that is prepared first; the wait does not look by itself meanwhile
my $id = $node->safe_psql('postgres', "SELECT workflow.start('endless', start_at => 'infinity')");
my ($waiter) = waiters(1, "SET deadlock_timeout = '1 h';\nSELECT 'ended ' || (workflow.wait($id)).status");
$node->safe_psql('postgres', "BEGIN; SELECT workflow.cancel($id); PREPARE TRANSACTION 'cancel'");
$node->safe_psql('postgres', "COMMIT PREPARED 'cancel'");
like($waiter->query_until(qr/done/, "\n"), qr/ended cancelled/, 'who waits is told when a prepared cancel is committed');
$waiter->quit;

# cancel() from many sessions at once
$id = start_endless($node, 'postgres');
my @cancels = map { $node->background_psql('postgres') } 1 .. 4;
foreach my $session (@cancels)
{
	# not waited for: what is echoed before the answer may arrive together with it
	$session->{stdin} .= "SELECT workflow.cancel($id);\n\\echo done\n";
	$session->{run}->pump_nb;
}
like($_->query_until(qr/done/, "\n"), qr/cancel(ling|led)/, 'cancel() from several sessions') foreach @cancels;
$_->quit foreach @cancels;
ok(wait_for_status($node, 'postgres', $id, 'cancelled'), 'it is cancelled');

# interrupted
$id = $node->safe_psql('postgres', "SELECT workflow.start('endless', start_at => 'infinity')");
foreach my $case ("SET statement_timeout = '50ms'; SELECT workflow.wait($id)", "SET statement_timeout = '50ms'; SELECT workflow.wait($id, '1 year')")
{
	my ($result, $stdout, $stderr) = $node->psql('postgres', $case, timeout => 60);
	like($stderr, qr/canceling statement due to statement timeout/, 'statement_timeout ends a wait');
}
is($node->safe_psql('postgres', "SELECT (workflow.wait($id, '50 ms')).status"), 'pending', 'its own timeout, too');
($waiter) = waiters(1, "SELECT workflow.wait($id)");
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
	WHERE query ~ 'SELECT workflow.wait' AND pid <> pg_backend_pid()});
ok($node->poll_query_until('postgres', $waits, 0), 'and so does pg_cancel_backend()');
eval { $waiter->quit };

# A195: an error of the wait, or one after it, that is caught: the statement goes on, with a snapshot.
# A function that is not volatile has the statement's, and these end without asking for another.
$node->safe_psql('postgres', q{
	CREATE FUNCTION caught_in_wait(id bigint) RETURNS void STABLE LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM workflow.wait(id);
	EXCEPTION WHEN query_canceled THEN
		NULL;
	END $$;
	CREATE FUNCTION caught_after_wait(id bigint) RETURNS void STABLE LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM workflow.wait(id, '10 ms');
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END $$;
	CREATE FUNCTION caught_in_cursor(id bigint) RETURNS void STABLE LANGUAGE plpgsql AS $$
	DECLARE
		waits CURSOR FOR SELECT workflow.wait(id);
		execution record;
	BEGIN
		OPEN waits;
		BEGIN
			FETCH waits INTO execution;
		EXCEPTION WHEN query_canceled THEN
			NULL;
		END;
	END $$;
	CREATE FUNCTION caught_deeper(id bigint) RETURNS void STABLE LANGUAGE plpgsql AS $$
	BEGIN
		BEGIN
			PERFORM caught_in_wait(id);
			PERFORM caught_after_wait(id);
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END $$});
foreach my $function (qw(caught_in_wait caught_after_wait caught_in_cursor caught_deeper))
{
	foreach my $before ('', 'BEGIN; SAVEPOINT s;', "BEGIN; DECLARE c CURSOR FOR SELECT $function($id);")
	{
		my $call = $before =~ /CURSOR/ ? 'FETCH c' : "SELECT $function($id)";
		my $session = $node->background_psql('postgres', on_error_stop => 0);

		# all of it may be there at once
		my $said = $session->query_until(qr/go/, "$before\n\\echo go\n$call;\nSELECT 'it is ' || (workflow.wait($id, '1 ms')).status;\n\\echo done\n");
		if ($function ne 'caught_after_wait')
		{
			$node->poll_query_until('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE state = 'active'
				AND wait_event_type = 'Extension' AND backend_type = 'client backend'}, 1) or die 'it does not wait';
			$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
				WHERE wait_event_type = 'Extension' AND backend_type = 'client backend'});
		}
		$said .= $session->query_until(qr/done/, "\n") unless $said =~ /done/;
		like($said, qr/it is pending/, "$function(): the session goes on" . ($before ? ": $before" : ''));
		$session->quit;
	}
}

# run() and execute() raise what the step has raised: all of it
$node->safe_psql('postgres', q{CREATE FUNCTION refuse(because text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'refused: %', because USING ERRCODE = 'P4711', DETAIL = 'There are 3 of them.', HINT = 'Ask for less.',
		SCHEMA = 'shop', TABLE = 'orders', COLUMN = 'amount', DATATYPE = 'money', CONSTRAINT = 'enough';
END $$;
CREATE FUNCTION call_execute() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.execute('refuses');
END $$});
define_sql($node, 'postgres', 'refuses', q{SELECT 1}, q{SELECT refuse('too much')});
my $step_context = qr/PL\/pgSQL function refuse\(text\) line 3 at RAISE\nSQL statement "SELECT refuse\('too much'\)"/;
my ($result, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY verbose\nCALL workflow.run('refuses')");
like($stderr, qr/ERROR:  P4711: execution \d+ of workflow "refuses" ended with status "failed": refused: too much/,
	'run(): SQLSTATE and message');
like($stderr, qr/DETAIL:  Step "s2", error type "P4711"\.\nThere are 3 of them\./, 'run(): detail');
like($stderr, qr/HINT:  Ask for less\./, 'run(): hint');
like($stderr, qr/CONTEXT:  $step_context\n/, 'run(): context');
my $names = qr/SCHEMA NAME:  shop\nTABLE NAME:  orders\nCOLUMN NAME:  amount\nDATATYPE NAME:  money\nCONSTRAINT NAME:  enough\n/;
like($stderr, $names, 'run(): schema, table, column, data type and constraint');
($result, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT workflow.execute('refuses')");
like($stderr, $names, 'execute(): the same');
($result, $stdout, $stderr) = $node->psql('postgres', "SELECT workflow.execute('refuses')");
like($stderr, qr/DETAIL:  There are 3 of them\.\nHINT:  Ask for less\.\nCONTEXT:  $step_context\nstep "s2" of workflow "refuses" \(version 1\)$/,
	'execute(): detail, hint and context');
($result, $stdout, $stderr) = $node->psql('postgres', "SELECT call_execute()");
like($stderr, qr/CONTEXT:  $step_context\nstep "s2" of workflow "refuses" \(version 1\)\nPL\/pgSQL function call_execute\(\) line 3 at RETURN$/,
	'execute() in a function: what has called it is there once');

# the server goes down
($waiter) = waiters(1, "SELECT workflow.wait($id)");
$node->stop('fast');
pass('a wait does not keep the server from stopping');
eval { $waiter->quit };
done_testing();

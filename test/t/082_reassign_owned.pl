# reassign_owned(): what is the extension's own stays, jobs of pg_cron go along, here and in
# another database, and what cannot be done with things of a role that is gone says what helps.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('reassign_owned', 'workflow.max_executors = 4', 'workflow.cancel_grace = 600s', 'max_worker_processes = 30',
	"shared_preload_libraries = 'pg_cron, pg_workflow'", "cron.database_name = 'postgres'", 'cron.use_background_workers = on');

$node->safe_psql('postgres', q{CREATE EXTENSION pg_cron; CREATE DATABASE other;
	CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN; CREATE ROLE chief LOGIN SUPERUSER;
	GRANT USAGE ON SCHEMA cron TO alice, bob, carol; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO alice, bob, carol});
install_extension($node, $_) for ('postgres', 'other');
$node->safe_psql($_, q{SELECT workflow.grant_usage('alice'), workflow.grant_usage('bob'), workflow.grant_usage('carol')}) for ('postgres', 'other');

# Returns what is selected, and what is said.
sub call
{
	my ($database, $sql) = @_;
	my (undef, $out, $err) = $node->psql($database, $sql, on_error_stop => 0);
	return ($out, $err);
}

sub query
{
	return $node->safe_psql(@_);
}

sub jobs
{
	return query('postgres', "SELECT string_agg(username, ' ' ORDER BY jobid) FROM cron.job WHERE database = '$_[0]'");
}

my $define = q{SELECT workflow.define('{"name": "of_%s", "steps": [{"id": "a", "sql": "SELECT current_user"}]}')};
my $audited = q{SELECT count(*) FROM workflow.audit_log WHERE action = 'reassign_owned'};

for my $database ('postgres', 'other')
{
	my ($out, $err);

	# --- what has a name of the extension's ---

	query($database, q{SELECT workflow.schedule_housekeeping('90 days')});
	query($database, sprintf $define, 'postgres');
	($out, $err) = call($database, q{SELECT workflow.reassign_owned('postgres', 'bob')});
	is($out, 3, "$database: other workflows of it are given");
	like($err, qr/NOTICE:  what is the extension's stays with role "postgres": workflow "pg_workflow\.housekeeping", schedule "housekeeping"\nHINT:  .*superusers/,
		'the housekeeping is not given, which is said');
	is(query($database, q{SELECT (SELECT string_agg(DISTINCT owner::text, ' ') FROM workflow.definitions WHERE name ~ '^pg_workflow') || ' ' || (SELECT role FROM workflow.schedules)}),
		'postgres postgres', 'neither the workflow nor its schedule');
	is(jobs($database), 'postgres', 'nor the job');
	like((call($database, q{SET ROLE bob; SELECT workflow.unschedule('housekeeping')}))[1], qr/does not exist/, 'so that another cannot stop it');
	is((call($database, q{SELECT workflow.reassign_owned('postgres', 'bob')}))[0], 0, 'a second time there is nothing');
	($out, $err) = call($database, q{SELECT workflow.reassign_owned('postgres', 'chief')});
	is("$out $err", '2 ', 'another superuser takes it over, and nothing is said');
	is(jobs($database), 'chief', 'with the job');
	query($database, q{SELECT workflow.reassign_owned('chief', 'postgres'), workflow.unschedule('housekeeping')});

	# --- a schedule and its job ---

	query($database, 'SET ROLE alice; ' . sprintf $define, 'alice');
	query($database, q{SET ROLE alice; SELECT workflow.schedule('s', 'of_alice', '0 0 1 1 *'), workflow.schedule('paused', 'of_alice', '0 0 1 1 *', enabled => false)});
	($out, $err) = call($database, q{SELECT workflow.reassign_owned('alice', 'carol')});
	is("$out $err", '3 ', 'schedules are given, and nothing is said');
	is(jobs($database), 'carol', 'with their jobs');
	($out, $err) = call($database, q{BEGIN; SELECT workflow.reassign_owned('carol', 'alice'); SELECT workflow.reassign_owned('alice', 'bob'); SELECT workflow.reassign_owned('bob', 'carol'); COMMIT});
	unlike($err, qr/\S/, 'and again, several times in one transaction');
	is(jobs($database), 'carol', 'the last one has the job');
	query($database, q{BEGIN; SET ROLE carol; SELECT workflow.schedule('of_this_transaction', 'of_alice', '0 0 1 1 *'); RESET ROLE; SELECT workflow.reassign_owned('carol', 'bob'); COMMIT});
	is(jobs($database), 'bob bob', 'of one of the same transaction, too');
	query($database, q{SELECT workflow.unschedule('of_this_transaction'), workflow.reassign_owned('bob', 'carol')});
	query('postgres', "UPDATE cron.job SET username = 'postgres' WHERE database = '$database'");
	($out, $err) = call($database, q{SELECT workflow.reassign_owned('carol', 'alice')});
	like($err, qr/WARNING:  job "\S+" of pg_cron belonged to role "postgres"/, 'a job that was neither one\'s is reported');
	query($database, q{SELECT workflow.reassign_owned('alice', 'carol')});

	# --- what changes nothing ---

	my $entries = query($database, $audited);
	is(query($database, q{SELECT workflow.reassign_owned('alice', 'bob'), workflow.reassign_owned('bob', 'bob'), workflow.set_owner('of_alice', 'carol')}),
		'0|0|1', 'what changes nothing');
	is(query($database, $audited), $entries, 'is not in the audit log');
	is(query($database, q{SELECT count(*) FROM workflow.audit_log WHERE action = 'set_owner'}), 0, 'nor is giving a workflow to its owner');
}

# --- roles that do not exist ---

my $number = query('postgres', q{SELECT 'carol'::regrole::oid});
query($_, 'DROP OWNED BY carol') for ('postgres', 'other');
query('template1', 'DROP ROLE carol');
my $gone = "carol (missing $number)";

for my $database ('postgres', 'other')
{
	query($database, sprintf($define, 'all') =~ s/of_all/free/r);
	like((call($database, $_->[0]))[1], $_->[1], "$database: $_->[0]") foreach
		[ q{SELECT workflow.resume_schedule('paused')},
			qr/ERROR:  schedule "paused" cannot be resumed\nDETAIL:  It belongs to role \Q$gone\E: there is no such role\.\nHINT:  .*reassign_owned\('\Q$gone\E', '\.\.'\)/ ],
		[ q{SELECT workflow.resume_schedule('s')}, qr/ERROR:  schedule "s" cannot be resumed/ ],
		[ q{SELECT workflow.run_schedule_now('s')}, qr/ERROR:  schedule "s" cannot be run\nDETAIL:  It belongs to role \Q$gone\E/ ],
		[ q{SELECT workflow.schedule('s', 'free', '0 0 1 1 *')}, qr/ERROR:  schedule "s" belongs to another role\nHINT:  .*does not exist.*reassign_owned/ ],
		[ q{SELECT workflow.sync_schedules()}, qr/WARNING:  schedule "s" belongs to role \Q$gone\E: there is no such role\nHINT:  .*reassign_owned\('\Q$gone\E', '\.\.'\).*unschedule\('s'\)/ ],
		[ q{SELECT workflow.grant_usage(0::regrole)}, qr/ERROR:  role with OID 0 does not exist/ ],
		[ q{SELECT workflow.revoke_usage(999999::oid::regrole)}, qr/ERROR:  role with OID 999999 does not exist/ ],
		[ q{SELECT workflow.reassign_owned('carol (missing 7)', 'bob')}, qr/ERROR:  role carol \(missing 7\) does not exist, and nothing belongs to it/ ],
		[ q{SELECT workflow.reassign_owned('nobody', 'bob')}, qr/ERROR:  role nobody does not exist, and nothing belongs to it/ ];
	unlike((call($database, q{SELECT workflow.pause_schedule('s')}))[1], qr/\S/, 'pause_schedule() is possible');
}

# A155: a role of that name is another one
query('postgres', 'CREATE ROLE carol LOGIN IN ROLE bob; GRANT USAGE ON SCHEMA cron TO carol; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO carol');
for my $database ('postgres', 'other')
{
	query($database, q{SELECT workflow.grant_usage('carol')});
	my ($out, $err) = call($database, q{SELECT workflow.reassign_owned('carol', 'bob')});
	is($out, 0, "$database: what belongs to an earlier role of the name is not given");
	like($err, qr/NOTICE:  what belongs to another role "carol", which does not exist any more, is not given: \Q$gone\E\n/, 'which is said');
	($out, $err) = call($database, q{SET ROLE carol; SELECT workflow.reassign_owned('carol', 'bob')});
	is("$out $err", '0 ', 'not to who may not give it');
	($out, $err) = call($database, qq{SELECT workflow.reassign_owned('$gone', 'carol')});
	is("$out $err", '6 ', 'it is given under its full name: four workflows and two schedules');
	($out, $err) = call($database, q{SELECT workflow.resume_schedule('paused') > now()});
	is("$out $err", 't ', 'and its schedules can be resumed');
	is(jobs($database), 'carol', 'with a job');
}

# --- many at once: what is nobody's, or cannot be retried, holds up nothing else ---

query('other', q{CREATE ROLE dave LOGIN; SELECT workflow.grant_usage('dave')});
my $failing = q{SELECT workflow.define('{"name": "%s", "dead_letter": true, "steps": [{"id": "a", "sql": "SELECT 1 / 0"}]}')};
query('other', 'SET ROLE alice; ' . sprintf $failing, 'fails');
query('other', 'SET ROLE dave; ' . sprintf $failing, 'of_dave');
query('other', q{SET ROLE alice; SELECT workflow.define('{"name": "undone", "steps": [
	{"id": "a", "sql": "SELECT 1 / $1::int", "params": ["${workflow.input.a}"], "compensate": {"id": "c", "sql": "SELECT 1"}},
	{"id": "b", "sql": "SELECT 1 / 0"}]}')});
query('other', "SET ROLE $_->[0]; SELECT workflow.start('$_->[1]', '$_->[2]')") foreach
	['dave', 'fails', '{}'], ['alice', 'fails', '{}'], ['alice', 'of_dave', '{}'], ['alice', 'undone', '{"a": 1}'], ['alice', 'undone', '{"a": 0}'];

# All have failed, so often retried.
sub settled
{
	$node->poll_query_until('other', q{SELECT count(*) = 0 FROM workflow.executions WHERE status IN ('pending', 'running')}) or die 'it does not settle';
	return query('other', q{SELECT string_agg(concat_ws(' ', workflow, role, status, retries), ', ' ORDER BY id) FROM workflow.executions WHERE workflow IN ('fails', 'of_dave', 'undone')});
}
is(settled(), 'fails dave failed 0, fails alice failed 0, of_dave alice failed 0, undone alice failed 0, undone alice failed 0', 'all have failed');
$gone = 'dave (missing ' . query('other', q{SELECT 'dave'::regrole::oid}) . ')';
query('other', 'DROP OWNED BY dave');
query('template1', 'DROP ROLE dave');

sub bulk
{
	my ($call, $count, $notice, $name) = @_;
	my ($out, $err) = call('other', "SELECT $call");
	is($out, $count, "$call: $name");
	like($err, $notice, 'of the first that is left out a notice says why');
	is(() = $err =~ /NOTICE/g, 1, 'of the first only');
	return;
}
bulk(q{workflow.retry_executions('fails')}, 1,
	qr/NOTICE:  execution \d+ cannot be retried, and is left out\nDETAIL:  It belongs to role \Q$gone\E: .*\nHINT:  .*reassign_owned/, 'the other one is retried');
bulk(q{workflow.retry_executions('undone')}, 1, qr/DETAIL:  Steps of it have been undone/, 'one was compensated');
bulk(q{workflow.retry_executions('of_dave')}, 0, qr/DETAIL:  Its workflow belongs to role \Q$gone\E: .*\nHINT:  .*set_owner/, 'its workflow is nobody\'s');
is(settled(), "fails $gone failed 0, fails alice failed 1, of_dave alice failed 0, undone alice failed 0, undone alice failed 1", 'so often were they retried');
bulk(q{workflow.retry_executions()}, 2, qr/left out/, 'of all workflows');
settled();
bulk(q{workflow.retry_executions(max_executions => 1)}, 1, qr/left out/, 'what is left out does not count');
settled();
is((call('other', q{SELECT workflow.cancel_executions(), workflow.pause_executions(), workflow.resume_executions()}))[0], '0|0|0', 'nothing else is open');

bulk(q{workflow.replay_all('fails')}, 1,
	qr/NOTICE:  dead letter \d+ cannot be replayed, and is left out\nDETAIL:  It belongs to role \Q$gone\E: .*\nHINT:  .*reassign_owned\('\Q$gone\E'/, 'the other one is replayed');
bulk(q{workflow.replay_all('of_dave')}, 0, qr/DETAIL:  Its workflow belongs to role \Q$gone\E: .*\nHINT:  .*set_owner\('of_dave'/, 'its workflow is nobody\'s');
settled();
bulk(q{workflow.replay_all()}, 1, qr/left out/, 'of all workflows');
settled();

my %letter = split /[|\n]/, query('other', q{SELECT workflow, id FROM workflow.dead_letters WHERE role = 'alice'::regrole});
my $help = q{SELECT help FROM workflow.dead_letter_status AS l, workflow.why(l.execution_id) AS w WHERE l.dead_letter_id = %d AND w.reason = 'dead letter'};
is(query('other', sprintf $help, $letter{of_dave}), "-- SELECT workflow.set_owner('of_dave', '..'); then SELECT workflow.replay($letter{of_dave})",
	'why() of a dead letter whose workflow is nobody\'s');
is(query('other', 'GRANT pg_monitor TO bob; SET ROLE bob; ' . sprintf $help, $letter{fails}), "SELECT workflow.replay($letter{fails})", 'of one that is somebody\'s, to pg_monitor');
like((call('other', "SELECT workflow.replay($letter{of_dave})"))[1],
	qr/ERROR:  dead letter \d+ cannot be replayed\nDETAIL:  Its workflow belongs to role \Q$gone\E.*\nHINT:  .*set_owner\('of_dave'/, 'replay() says the same');
query('other', qq{SELECT workflow.set_owner('of_dave', 'alice'), workflow.reassign_owned('$gone', 'alice')});
my ($all, $said) = call('other', q{SELECT workflow.retry_executions('fails', max_executions => 1), workflow.replay_all('of_dave')});
is("$all $said", '1|1 ', 'given to somebody they can be retried and replayed');
settled();

# --- an execution that is given away while a step of it runs still ---

# A196: no further step of it runs as the former owner
query('postgres', q{CREATE ROLE gina LOGIN; CREATE ROLE hugo LOGIN; SELECT workflow.grant_usage('gina'), workflow.grant_usage('hugo');
	CREATE TABLE done (n serial, execution bigint, step text, who text DEFAULT current_user);
	GRANT INSERT ON done TO gina, hugo; GRANT USAGE ON SEQUENCE done_n_seq TO gina, hugo;
	CREATE FUNCTION stands(e bigint, s text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO done (execution, step) VALUES (e, s);
		BEGIN
			PERFORM pg_advisory_xact_lock_shared(1);
		EXCEPTION WHEN query_canceled THEN	-- once
			PERFORM pg_advisory_xact_lock_shared(1);
		END;
		RETURN s;
	END $$;
	-- 0 when another step stands there
	CREATE FUNCTION behind_gate(retries int) RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		WHILE retries = 0 AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		RETURN retries;
	END $$});
my $steps = q{{"id": "a", "sql": "SELECT stands($1, 'a')", "params": ["${workflow.execution_id}"]},
	{"id": "b", "sql": "INSERT INTO done (execution, step) VALUES ($1, 'b')", "params": ["${workflow.execution_id}"]}};
# not when it is retried
my $ends_it = q{{"id": "retries", "sql": "SELECT behind_gate(retries) FROM workflow.executions WHERE id = $1", "params": ["${workflow.execution_id}"], "result": "value"},
	{"id": "c", "type": "fail", "error": "Told", "message": "to fail", "when": "${retries.output} == 0"}};
my %shapes = (
	chain => qq{{"name": "chain", "steps": [$steps]}},
	items => qq{{"name": "items", "steps": [{"id": "each", "type": "loop", "collection": [1, 2], "loop_body": [$steps]}]}},
	fork => qq{{"name": "fork", "steps": [{"id": "block", "type": "fork_join", "branches": {"one": [$steps], "two": [{"id": "d", "sql": "SELECT 1"}]}}]}},
	ends => qq{{"name": "ends", "steps": [{"id": "block", "type": "fork_join", "branches": {"one": [$steps], "two": [$ends_it]}}]}});
query('postgres', "SET ROLE gina; SELECT workflow.define(\$definition\$$shapes{$_}\$definition\$)") for sort keys %shapes;
my $give = q{SELECT workflow.reassign_owned('gina', 'hugo')};
my $gatekeeper = $node->background_psql('postgres');

# What is called while step "a" of an execution of gina's stands at the gate, which is opened then.
sub given_away
{
	my ($workflow, $expected, $name, @calls) = @_;
	my $id;

	$gatekeeper->query_safe('SELECT pg_advisory_lock(1)');
	$id = query('postgres', "SET ROLE gina; SELECT workflow.start('$workflow')");
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) or die 'no step stands at the gate';
	foreach my $call (@calls)
	{
		my $sql = $call =~ s/ID/$id/gr;

		if ($sql =~ /^UNTIL (.*)/) { $node->poll_query_until('postgres', "SELECT $1 FROM workflow.executions WHERE id = $id") or die "not $1"; }
		else { query('postgres', $sql); }
	}
	$gatekeeper->query_safe('SELECT pg_advisory_unlock(1)');
	if ($calls[-1] =~ /control/)
	{
		$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM workflow.activity)') or die 'it is not paused';
		query('postgres', "SELECT workflow.resume($id)");
	}
	is(query('postgres', "SELECT status, error FROM workflow.wait($id, '60 s')"), 'completed|', "$name: it completes");
	is(query('postgres', "SELECT string_agg(step || ' ' || who, ', ' ORDER BY n) FROM done WHERE execution = $id"), $expected, 'who has run its steps');
	is(query('postgres', "SELECT role FROM workflow.executions WHERE id = $id"), 'hugo', 'it is the other role\'s');
	is(query('postgres', q{SELECT workflow.reassign_owned('hugo', 'gina') > 0}), 't', 'given back');
	return;
}
my $paused = 'SELECT workflow.pause(ID)';
my $resumed = 'SELECT workflow.resume(ID)';
given_away('chain', 'a gina, b hugo', 'paused, given away, resumed', $paused, $give, $resumed);
given_away('chain', 'a gina, b hugo', 'which the scheduler sees one after the other', $paused, 'UNTIL NOT control', $give, 'UNTIL NOT control', $resumed, q{UNTIL status = 'running'});
given_away('chain', 'a gina, b hugo', 'in one transaction', "BEGIN; $paused; $give; $resumed; COMMIT", q{UNTIL status = 'running'});
given_away('items', 'a gina, b hugo, a hugo, b hugo', 'in an iteration', $paused, 'UNTIL NOT control', $give, 'UNTIL NOT control');
given_away('items', 'a gina, b hugo, a hugo, b hugo', 'in an iteration, in one transaction', "BEGIN; $paused; $give; $resumed; COMMIT", q{UNTIL status = 'running'});
given_away('fork', 'a gina, b hugo', 'a branch of it, paused', $paused, 'UNTIL NOT control', $give, $resumed, q{UNTIL status = 'running'});
given_away('ends', 'a gina, a hugo, b hugo', 'failed, given away and retried', q{UNTIL status = 'failed'}, $give, q{SELECT workflow.retry(ID, from_step => 'block')}, q{UNTIL status = 'running'});
$gatekeeper->quit;

unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;
done_testing();

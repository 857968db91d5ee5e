# Why nothing moves: each row of the table in docs/troubleshooting.md has a test here that brings
# it about; why() says it first and what helps, and the alert of the row is there.

use strict;
use warnings FATAL => 'all';

use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('why', 'workflow.max_executors = 1', 'wal_level = replica', 'max_wal_senders = 3',
	'workflow.cancel_grace = 1s', 'max_prepared_transactions = 3');

# whoever looks is not to wait
$ENV{PGOPTIONS} = join ' ', map { "-c workflow.alert_$_" } qw(offline=0 queue_wait=0 lock_wait=0 paused=0 held=0 frozen=5);
install_extension($node, 'postgres');
define_sql($node, 'postgres', 'locks', 'SELECT pg_advisory_xact_lock(1)', 'SELECT 2');
$node->safe_psql('postgres', q{SELECT workflow.define('{"name": "full", "max_running": 1, "steps": [{"id": "a", "sql": "SELECT pg_sleep(3600)"}]}')});
$node->safe_psql('postgres', q{SELECT workflow.define('{"name": "sets", "steps": [{"id": "a", "type": "set", "output": 1}, {"id": "b", "type": "set", "output": 2}]}')});

# The rows: reason, then all alerts.
my %alerts;
foreach my $line (split /\n/, slurp_file("$FindBin::Bin/../../docs/troubleshooting.md") =~ s/.*^## Why nothing moves$(.*?)^## .*/$1/msr)
{
	my @cells = split /\s*\|\s*/, $line;

	next unless @cells >= 5 && $cells[1] =~ s/^`(.*)`$/$1/;
	$alerts{ $cells[1] } = [ $cells[4] =~ /`([^`]+)`/g ];
}

# why() says it of an execution, before anything else, and what helps; the alert is there.
sub is_why
{
	my ($on, $id, $reason, $alert, $name) = @_;

	ok($on->poll_query_until('postgres', "SELECT reason = '$reason' AND help IS NOT NULL AND detail IS NOT NULL FROM workflow.why($id) LIMIT 1"),
		"$name: why() says $reason");
	ok($on->poll_query_until('postgres', "SELECT count(*) > 0 FROM workflow.alerts WHERE condition = '$alert'"),
		"$name: there is the alert $alert");
	return;
}

sub start
{
	my ($workflow, $more) = @_;

	return $node->safe_psql('postgres', "SELECT workflow.start('$workflow'" . ($more ? ", $more" : '') . ')');
}

sub cancel
{
	$node->safe_psql('postgres', "SELECT workflow.cancel($_)") foreach @_;
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM workflow.executions WHERE status IN ('pending', 'running', 'cancelling')")
	  or die 'it does not end';
	return;
}

# One that runs and has come to a step that is held: nothing is queued.
sub start_held
{
	my $id;

	$node->safe_psql('postgres', 'SELECT workflow.drain()');
	$id = start('locks');
	$node->safe_psql('postgres', "SELECT workflow.hold_step($id, 's2'); SELECT workflow.undrain()");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $id AND status = 'completed'")
	  or die 'it does not come to its step';
	return $id;
}

sub release
{
	my ($id) = @_;

	$node->safe_psql('postgres', "SELECT workflow.release_step($id, 's2')");
	ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
	return;
}

sub reload
{
	$node->safe_psql('postgres', "ALTER SYSTEM $_[0]; SELECT pg_reload_conf()");
	return;
}

# The setting keeps workers down to so many; two are the launchers'.
sub workers
{
	my ($count) = @_;

	$node->append_conf('postgresql.conf', "max_worker_processes = $count");
	$node->restart;
	return;
}

my %tests = (
	'role' => sub {
		$node->safe_psql('postgres', 'CREATE ROLE gone LOGIN');
		$node->safe_psql('postgres', "SELECT workflow.grant_usage('gone')");
		my $id = $node->safe_psql('postgres', "SET ROLE gone; SELECT workflow.start('short', start_at => 'infinity')");
		$node->safe_psql('postgres', 'DROP OWNED BY gone; DROP ROLE gone');
		is_why($node, $id, 'role', 'owner missing', 'its role was dropped');
		$node->safe_psql('postgres', q{SELECT workflow.reassign_owned('gone (missing)', 'postgres')});
		is($node->safe_psql('postgres', "SELECT reason FROM workflow.why($id) LIMIT 1"), 'deferred', 'given to another it is not the role any more');
		cancel($id);
	},
	'disabled' => sub {
		foreach my $how ('DATABASE postgres', 'SYSTEM')
		{
			my $id = start_held();
			my $held = $id;

			$node->safe_psql('postgres', "ALTER $how SET workflow.enabled = off");
			$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
			$node->poll_query_until('postgres', q{SELECT reason = 'disabled' FROM workflow.no_workers('postgres'::regrole::oid)})
			  or die 'timed out';
			is_why($node, $id, 'disabled', 'disabled', "$how, of one that runs");
			$id = start('short');
			is_why($node, $id, 'disabled', 'disabled', $how);
			$node->safe_psql('postgres', "ALTER $how RESET workflow.enabled");
			$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
			ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
			release($held);
		}
	},
	'drained' => sub {
		my $id = start_held();

		$node->safe_psql('postgres', q{SELECT workflow.drain('new disks', mode => 'steps')});
		is_why($node, $id, 'drained', 'drained', 'drain(), of one that runs');
		$node->safe_psql('postgres', 'SELECT workflow.undrain()');
		release($id);
		$node->safe_psql('postgres', q{SELECT workflow.drain('new disks')});
		$id = start('short');
		is_why($node, $id, 'drained', 'drained', 'drain()');
		$node->safe_psql('postgres', 'SELECT workflow.undrain()');
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
	},
	'blocked' => sub {
		my $id;

		$node->safe_psql('postgres', 'SELECT workflow.drain()');
		$id = start('short');
		$node->safe_psql('postgres', q{SELECT workflow.block('short', 'wrong'); SELECT workflow.undrain()});
		is_why($node, $id, 'blocked', 'workflow blocked', 'block()');
		$node->safe_psql('postgres', q{SELECT workflow.unblock('short')});
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
	},
	'paused' => sub {
		my $id = start('short', q{start_at => 'infinity'});

		$node->safe_psql('postgres', "SELECT workflow.pause($id)");
		is_why($node, $id, 'paused', 'execution paused', 'pause()');
		cancel($id);
	},
	'held' => sub {
		my $id = start_held();

		is_why($node, $id, 'held', 'step held', 'hold_step()');
		release($id);
	},
	'no room' => sub {
		my @ids = map { start('full') } 1 .. 2;

		is_why($node, $ids[1], 'no room', 'queue wait', 'max_running of the workflow');
		cancel(@ids);
		reload('SET workflow.max_running = 1');
		@ids = map { start('endless') } 1 .. 2;
		is_why($node, $ids[1], 'no room', 'queue wait', 'workflow.max_running');
		reload('RESET workflow.max_running');
		cancel(@ids);
		reload('SET workflow.max_running_per_tenant = 1');
		@ids = map { start('endless', q{tenant => 'acme'}) } 1 .. 2;
		is_why($node, $ids[1], 'no room', 'queue wait', 'workflow.max_running_per_tenant');
		reload('RESET workflow.max_running_per_tenant');
		cancel(@ids);
		$node->safe_psql('postgres', q{CREATE ROLE limited LOGIN; SELECT workflow.grant_usage('limited'), workflow.set_role_limits('limited', max_running => 1)});
		@ids = map { $node->safe_psql('postgres', q{SET ROLE limited; SELECT workflow.start('endless')}) } 1 .. 2;
		is_why($node, $ids[1], 'no room', 'queue wait', 'max_running of the role');
		is($node->safe_psql('postgres', "SELECT detail FROM workflow.why($ids[1]) LIMIT 1"),
			'1 of role limited run (its max_running is 1)', 'max_running of the role: no other limit is named');
		cancel(@ids);
		$node->safe_psql('postgres', q{SELECT workflow.set_role_limits('limited', max_executors => 1)});
		@ids = map { $node->safe_psql('postgres', q{SET ROLE limited; SELECT workflow.start('endless')}) } 1 .. 2;
		ok($node->poll_query_until('postgres', "SELECT reason = 'no executor' AND detail ~ 'role limited' FROM workflow.why($ids[1]) LIMIT 1"),
			'max_executors of the role: why() says no executor');
		cancel(@ids);
	},
	'no executor' => sub {
		my @ids = map { start('endless') } 1 .. 2;

		is_why($node, $ids[1], 'no executor', 'no executor', 'all are busy');
		reload('SET workflow.max_executors_per_database = 1');
		ok($node->poll_query_until('postgres', "SELECT detail ~ 'max_executors_per_database' FROM workflow.why($ids[1]) LIMIT 1"), 'all that the database may have');
		reload('RESET workflow.max_executors_per_database');
		cancel(@ids);
		workers(3);
		@ids = start('short');
		is_why($node, $ids[0], 'no executor', 'no executor', 'no worker is to be had');
		like($node->safe_psql('postgres', "SELECT detail, help FROM workflow.why($ids[0])"),
			qr/max_worker_processes is 3.*ALTER SYSTEM SET max_worker_processes = 11/, 'max_worker_processes is in the way');
		workers(20);
		ok(wait_for_status($node, 'postgres', $ids[0], 'completed'), 'and then it goes on');
	},
	'no scheduler' => sub {
		my $id;

		workers(2);
		$id = start('short');
		is_why($node, $id, 'no scheduler', 'no scheduler', 'no worker for the scheduler');
		ok($node->poll_query_until('postgres', "SELECT since IS NOT NULL AND detail ~ 'is tried again (at once|at 20)' FROM workflow.why($id) LIMIT 1"),
			'since when, and when it is tried again');
		workers(20);
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');

		# the launcher is stopped
		my $launcher = worker_pid($node, 'launcher');

		kill 'STOP', $launcher;
		kill 'TERM', worker_pid($node, 'scheduler', 'postgres');
		$id = start('short');
		is_why($node, $id, 'no scheduler', 'no scheduler', 'SIGSTOP of the launcher');
		ok($node->poll_query_until('postgres', "SELECT since IS NOT NULL AND detail ~ 'process $launcher' AND help ~ 'kill -CONT $launcher\$' FROM workflow.why($id) LIMIT 1"),
			'who is to start it, and does not');
		kill 'CONT', $launcher;
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');

		# databases in which the launcher starts none; new sessions cannot connect to the first
		foreach my $case ([ 'ALLOW_CONNECTIONS', 'true', 'false', 'the database does not accept connections' ],
			[ 'IS_TEMPLATE', 'false', 'true', 'the database is a template, where nothing runs' ])
		{
			my ($option, $usual, $other, $detail) = @$case;
			my $session = $node->background_psql('postgres');
			my $query = 'SELECT reason, detail, help FROM workflow.why(ID) LIMIT 1';
			my $answer = '';

			$session->query_safe('SELECT workflow.version()');
			$node->safe_psql('template1', "ALTER DATABASE postgres $option $other");
			$id = $session->query_safe(q{SELECT workflow.start('short')});
			for (my $tries = 0; $answer !~ /^no scheduler/ && $tries < 1800; $tries++)
			{
				$session->query_safe('SELECT pg_sleep(0.1)');
				$answer = $session->query_safe($query =~ s/ID/$id/r);
			}
			is($answer, "no scheduler|$detail|ALTER DATABASE postgres $option $usual", "$option $other");
			$node->safe_psql('template1', "ALTER DATABASE postgres $option $usual");
			$session->quit;
			ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
		}
	},
	'scheduler fails' => sub {
		my $id;

		$node->safe_psql('postgres', q{
			CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not on my watch'; END $$;
			CREATE TRIGGER refuse BEFORE UPDATE ON workflow.executions FOR EACH ROW WHEN (NEW.status = 'running') EXECUTE FUNCTION refuse()});
		$id = start('short');
		is_why($node, $id, 'scheduler fails', 'scheduler fails', 'a trigger that raises an error');
		ok($node->poll_query_until('postgres',
				"SELECT since IS NOT NULL AND detail ~ 'not on my watch; after [2-9] in a row the next is started at 20' FROM workflow.why($id) LIMIT 1"),
			'what it said, how often, and when it comes back');
		$node->safe_psql('postgres', 'DROP TRIGGER refuse ON workflow.executions');
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
	},
	'done again' => sub {
		# as the server would say it
		$node->safe_psql('postgres', q{
			CREATE FUNCTION extend() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN
				RAISE disk_full USING MESSAGE = format('could not extend file "%s": No space left on device', TG_TABLE_NAME);
			END $$});
		foreach my $table ('executions', 'step_executions')
		{
			my $id;

			$node->safe_psql('postgres', "CREATE TRIGGER extend BEFORE UPDATE OR INSERT ON workflow.$table FOR EACH ROW WHEN (NEW.status <> 'pending') EXECUTE FUNCTION extend()");
			$id = start('short');
			is_why($node, $id, 'done again', 'done again', "no room on the disk for $table");
			ok($node->poll_query_until('postgres',
					"SELECT since IS NOT NULL AND detail ~ 'could not extend file \"$table\": No space left on device' FROM workflow.why($id) LIMIT 1"),
				'what the server said');
			$node->safe_psql('postgres', "DROP TRIGGER extend ON workflow.$table");
			ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
			ok($node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM workflow.alerts WHERE condition = 'done again')}),
				'and the alert goes');
		}
	},
	'not taken up' => sub {
		my $session = $node->background_psql('postgres');
		my $file = PostgreSQL::Test::Utils::tempdir() . '/row';
		# as pg_restore does it, while there is a scheduler
		my $reload = sub {
			my ($id, $change) = @_;

			$node->safe_psql('postgres', "COPY (SELECT (jsonb_populate_record(e, '$change')).* FROM workflow.executions AS e WHERE id = $id) TO '$file'");
			cancel($id);
			$node->safe_psql('postgres', "DELETE FROM workflow.step_executions WHERE execution_id = $id; DELETE FROM workflow.executions WHERE id = $id; COPY workflow.executions FROM '$file'");
		};
		my $help = sub {
			my ($id) = @_;

			$node->safe_psql('postgres', $node->safe_psql('postgres', "SELECT help FROM workflow.why($id) LIMIT 1"));
			ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
			is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.alerts WHERE condition = 'not taken up'}), '0', 'and the alert goes');
		};
		my $id;

		$session->query_safe('SELECT pg_advisory_lock(1)');
		$id = start('locks');
		$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id AND wait_event = 'advisory'") or die;
		$reload->($id, '{}');
		is_why($node, $id, 'not taken up', 'not taken up', 'a running one that was loaded');
		$session->quit;
		$help->($id);

		# a scheduler that has not claimed anything is told of nothing, either
		$id = start('short', "start_at => 'infinity'");
		$node->restart;
		wait_for_schedulers($node, 'postgres') or die;
		$reload->($id, '{"start_at": null}');
		is_why($node, $id, 'not taken up', 'queue wait', 'a pending one that was loaded');
		$help->($id);
	},
	'row locked' => sub {
		my $session = $node->background_psql('postgres');
		my $id = start_endless($node, 'postgres');

		$session->query_safe("BEGIN; SELECT FROM workflow.executions WHERE id = $id FOR UPDATE");
		is_why($node, $id, 'row locked', 'row locked', 'a session idle in its transaction');
		$session->quit;
		cancel($id);

		# known limit: an executor that wants to write its row waits, and keeps the place
		my $gate = $node->background_psql('postgres');
		my $behind;
		$gate->query_safe('SELECT pg_advisory_lock(1)');
		$id = start('locks');
		$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id AND wait_event = 'advisory'") or die;
		$session = $node->background_psql('postgres');
		$session->query_safe("SET idle_in_transaction_session_timeout = '20 s'; BEGIN; SELECT FROM workflow.executions WHERE id = $id FOR UPDATE");
		$gate->quit;
		is_why($node, $id, 'row locked', 'row locked', 'at its end');
		$behind = start('short');
		is_why($node, $behind, 'no executor', 'no executor', 'behind it');
		ok(wait_for_status($node, 'postgres', $_, 'completed'), "the server's time limit ends it") foreach $id, $behind;
		eval { $session->quit };
	},
	'table locked' => sub {
		# whichever table of ours it is: both answer, and what one of them cannot read is known
		my $held = start_held();

		foreach my $table (split /\n/, $node->safe_psql('postgres', q{SELECT relname FROM pg_class
			WHERE relnamespace = 'workflow'::regnamespace AND relkind = 'r' ORDER BY 1}))
		{
			my $session = $node->background_psql('postgres');
			my ($known, %says, %reads);

			$session->query_safe("BEGIN; LOCK TABLE workflow.$table IN ACCESS EXCLUSIVE MODE");
			$known = $node->safe_psql('postgres', "SELECT unreadable FROM workflow.locked_tables WHERE table_name = '$table'") eq 't' ? 1 : 0;
			foreach my $read ([ 'why', "workflow.reasons($held)", "workflow.why($held)", 'reason' ],
				[ 'alerts', 'workflow.current_alerts()', 'workflow.alerts', 'condition' ])
			{
				my ($name, $function, $answer, $column) = @$read;

				$reads{$name} = $node->psql('postgres', "SET lock_timeout = '200ms'; SELECT count(*) FROM $function", stderr => \my $error) == 0 ? 1 : 0;
				$node->psql('postgres', "SET lock_timeout = '10s'; SELECT count(*) FILTER (WHERE $column = 'table locked') > 0, count(*) > 0 FROM $answer",
					stdout => \$says{$name}, stderr => \$error);
			}
			is($known, $reads{why} && $reads{alerts} ? 0 : 1, "$table: it is known that one of them cannot read it, or that both can");
			is($says{alerts}, 't|t', "$table: alerts answers, and says so");
			like($says{why}, $known && $table ne 'executor_history' ? qr/^t\|t$/ : qr/^[tf]\|t$/, "$table: why() answers, and says so if need be");
			is($reads{why}, 1, "$table: only alerts reads it") if $table eq 'executor_history';
			$session->quit;
		}

		# both locks at once has VACUUM that gives pages at the end back: it lets go of who waits for it
		my $keeper = $node->background_psql('postgres');
		my $vacuum = $node->background_psql('postgres');
		my $unreadable = q{SELECT bool_or(unreadable) FROM workflow.locked_tables WHERE table_name = 'executions'};

		$keeper->query_safe('SELECT pg_advisory_lock(67)');
		$vacuum->query_safe('BEGIN; LOCK TABLE workflow.executions IN SHARE UPDATE EXCLUSIVE MODE; LOCK TABLE workflow.executions IN ACCESS EXCLUSIVE MODE');
		is($node->safe_psql('postgres', $unreadable), 't', 'a session that does nothing is no VACUUM');
		$vacuum->query_until(qr/go/, "\\echo go\nSELECT pg_advisory_xact_lock(67);\n");
		ok($node->poll_query_until('postgres', $unreadable, 'f'), 'one at work is waited for');
		$keeper->quit;
		$vacuum->quit;
		release($held);
		# what the session keeps, and what is wanted behind it
		foreach my $case ([ 'LOCK TABLE workflow.executions IN SHARE MODE' ], [ 'LOCK TABLE workflow.executions IN ACCESS EXCLUSIVE MODE' ],
			[ 'LOCK TABLE workflow.step_executions IN SHARE MODE' ], [ 'LOCK TABLE workflow.step_executions IN ACCESS EXCLUSIVE MODE' ],
			[ 'LOCK TABLE workflow.definitions IN ACCESS EXCLUSIVE MODE' ], [ 'REINDEX INDEX workflow.executions_pkey' ],
			[ 'LOCK TABLE workflow.executions IN EXCLUSIVE MODE', 'keeper' ],
			[ 'SELECT count(*) FROM workflow.executions', undef, 'LOCK TABLE workflow.executions IN ACCESS EXCLUSIVE MODE' ],
			[ 'SELECT count(*) FROM workflow.executions', 'keeper', 'LOCK TABLE workflow.executions IN ACCESS EXCLUSIVE MODE' ])
		{
			my ($keeps, $prepared, $wants) = @$case;
			my $name = join ', ', $keeps, ($prepared ? 'prepared' : ()), $wants // ();
			my $session = $node->background_psql('postgres');
			my $behind = $node->background_psql('postgres');
			my $id;

			# an executor is there, which has written and read everything once
			run_execution($node, 'postgres', 'short');
			$node->safe_psql('postgres', 'SELECT workflow.drain()');
			$id = start('short');
			# it has waited for long
			$node->safe_psql('postgres', "UPDATE workflow.executions SET created_at = created_at - interval '1 h' WHERE id = $id");
			$session->query_safe("BEGIN; $keeps");
			$session->query_safe("PREPARE TRANSACTION '$prepared'") if $prepared;
			if ($wants)
			{
				$behind->query_until(qr/wants/, "\\echo wants\nBEGIN; $wants; COMMIT;\n");
				$node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted') or die;
			}
			$node->safe_psql('postgres', 'SELECT workflow.undrain()');
			is_why($node, $id, 'table locked', 'table locked', $name);
			is($node->safe_psql('postgres', "SELECT count(*) FROM workflow.why($id) WHERE reason IN ('done again', 'not taken up')"), 0, "$name: no other cause is named");
			like($node->safe_psql('postgres', "SELECT detail FROM workflow.why($id) LIMIT 1"),
				$prepared ? qr/prepared transaction keeper/ : qr/process \d+ \(postgres, .*, idle in transaction\)/, "$name: who keeps it");
			$node->safe_psql('postgres', $node->safe_psql('postgres', "SELECT help FROM workflow.why($id) LIMIT 1"));
			ok(wait_for_status($node, 'postgres', $id, 'completed'), "$name: and then it goes on");
			ok($node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM workflow.alerts WHERE condition = 'table locked')}), "$name: the alert goes");
			$_->quit foreach $session, $behind;
		}

		# a scheduler that has not been able to look at what runs yet knows of it all the same
		foreach my $keeps ('LOCK TABLE workflow.executions IN SHARE MODE', 'SELECT FROM workflow.executions WHERE id = %s FOR UPDATE')
		{
			my $session = $node->background_psql('postgres');
			my $id = start_endless($node, 'postgres');
			my $pid = worker_pid($node, 'scheduler', 'postgres');

			$node->safe_psql('postgres', "UPDATE workflow.executions SET started_at = started_at - interval '1 h' WHERE id = $id");
			$session->query_safe('BEGIN; ' . $keeps =~ s/%s/$id/r);
			kill 'TERM', $pid;
			$node->poll_query_until('postgres', "SELECT pid <> $pid FROM workflow.scheduler_state()") or die;
			ok($node->poll_query_until('postgres', "SELECT reason IN ('table locked', 'row locked') FROM workflow.why($id) LIMIT 1"), "$keeps, the scheduler has restarted");
			is($node->safe_psql('postgres', "SELECT count(*) FROM workflow.why($id) WHERE reason IN ('done again', 'not taken up')"), 0, 'and knows of it');
			is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.alerts WHERE condition = 'not taken up'}), 0, 'no alert says that it does not');
			$session->quit;
			cancel($id);
		}
	},
	'replica' => sub {
		my $id;

		$node->safe_psql('postgres', 'CREATE DATABASE publisher');
		install_extension($node, 'publisher');
		$node->safe_psql('publisher', 'CREATE PUBLICATION flows FOR TABLE workflow.executions');
		$node->safe_psql('postgres', q{CREATE SUBSCRIPTION flows CONNECTION '} . $node->connstr
			  . q{ dbname=publisher' PUBLICATION flows WITH (create_slot = false, slot_name = NONE, enabled = false)});
		$id = start('short');
		is_why($node, $id, 'replica', 'replica', 'a subscription');
		$node->safe_psql('postgres', 'DROP SUBSCRIPTION flows');
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
	},
	'lock' => sub {
		my $session = $node->background_psql('postgres');
		my $id;

		$session->query_safe('SELECT pg_advisory_lock(1)');
		$id = start('locks');
		is_why($node, $id, 'lock', 'lock wait', 'a lock of a session');
		$session->quit;
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
		$node->safe_psql('postgres', q{BEGIN; SELECT pg_advisory_xact_lock(1); PREPARE TRANSACTION 'keeper'});
		$id = start('locks');
		is_why($node, $id, 'lock', 'lock wait', 'a lock of a prepared transaction');
		$node->safe_psql('postgres', $node->safe_psql('postgres', "SELECT help FROM workflow.why($id) LIMIT 1"));
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
	},
	'frozen' => sub {
		my $id = start_endless($node, 'postgres');
		my $pid = worker_pid($node, 'executor', 'postgres');

		ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM workflow.alerts WHERE condition ~ 'frozen'}), 'who sleeps is not frozen');
		kill 'STOP', $pid;
		is_why($node, $id, 'frozen', 'executor frozen', 'SIGSTOP of an executor');
		kill 'CONT', $pid;
		ok($node->poll_query_until('postgres', "SELECT reason = 'running' FROM workflow.why($id) LIMIT 1"), 'and then it goes on');
		# it has the only place
		my $behind = start('short');
		kill 'STOP', $pid;
		is_why($node, $behind, 'frozen', 'executor frozen', 'SIGSTOP of the executor that it waits for');
		kill 'CONT', $pid;
		ok($node->poll_query_until('postgres', "SELECT reason = 'no executor' FROM workflow.why($behind) LIMIT 1"), 'and then it is busy');
		$pid = worker_pid($node, 'scheduler', 'postgres');
		kill 'STOP', $pid;
		$node->safe_psql('postgres', "SELECT workflow.cancel($id)");
		is_why($node, $id, 'frozen', 'scheduler frozen', 'SIGSTOP of the scheduler');
		kill 'CONT', $pid;
		ok(wait_for_status($node, 'postgres', $id, 'cancelled'), 'and then it goes on');
		ok(wait_for_status($node, 'postgres', $behind, 'completed'), 'and the other begins');

		# wherever the executor stands: it has not begun with it, it is between two steps, it connects
		$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM workflow.executors WHERE state = 'idle'}) or die;
		$pid = worker_pid($node, 'executor', 'postgres');
		kill 'STOP', $pid;
		$id = start('short');
		is_why($node, $id, 'frozen', 'executor frozen', 'SIGSTOP of an idle executor');
		is($node->safe_psql('postgres', "SELECT help FROM workflow.why($id) LIMIT 1"), "-- on the machine of the server: kill -CONT $pid", 'it says which');
		kill 'CONT', $pid;
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
		# not anywhere there: it may have a lock in hand that readers of its rows wait for
		my $rows = $node->background_psql('postgres');
		$rows->query_safe('BEGIN; LOCK TABLE workflow.step_executions IN SHARE MODE');
		$id = start('sets');
		$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE pid = $pid AND NOT granted") or die;
		kill 'STOP', $pid;
		$rows->quit;
		is_why($node, $id, 'frozen', 'executor frozen', 'SIGSTOP between two steps');
		is($node->safe_psql('postgres', 'SELECT count(*) FROM workflow.activity'), 0, 'it is at none');
		kill 'CONT', $pid;
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
		$node->safe_psql('postgres', q{CREATE ROLE slow LOGIN; SELECT workflow.grant_usage('slow')});
		my ($keeper, $starter) = map { $node->background_psql('postgres') } 1 .. 2;
		$keeper->query_safe('BEGIN; LOCK TABLE pg_db_role_setting IN ACCESS EXCLUSIVE MODE');
		$id = $starter->query_safe(q{SET ROLE slow; SELECT workflow.start('short')});
		$pid = '';
		for (my $tries = 0; $pid eq '' && $tries < 1800; $tries++)
		{
			$pid = $keeper->query_safe(q{SELECT x.pid FROM pg_sleep(0.1), workflow.executors AS x
				WHERE x.state = 'starting' AND EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = x.pid AND NOT l.granted)});
		}
		kill 'STOP', $pid;
		$_->quit foreach $keeper, $starter;
		is_why($node, $id, 'frozen', 'executor frozen', 'SIGSTOP while it connects');
		kill 'CONT', $pid;
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
	},
	'standby' => sub {
		my $standby = PostgreSQL::Test::Cluster->new('why_standby');
		my $id;

		reload('SET workflow.enabled = off');
		$node->poll_query_until('postgres', q{SELECT reason = 'disabled' FROM workflow.no_workers('postgres'::regrole::oid)})
		  or die 'timed out';
		$id = start('short');
		$node->backup('base');
		$standby->init_from_backup($node, 'base', has_streaming => 1);
		$standby->start;
		is_why($standby, $id, 'standby', 'standby', 'a standby');
		$standby->stop;
		reload('RESET workflow.enabled');
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'on the primary it goes on');
	},
	'not preloaded' => sub {
		my $id = start_held();
		my $held = $id;

		$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
		$node->restart;
		is_why($node, $id, 'not preloaded', 'not preloaded', 'without the library, of one that runs');
		$id = start('short');
		is_why($node, $id, 'not preloaded', 'not preloaded', 'without the library');
		$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_workflow'");
		$node->restart;
		ok(wait_for_status($node, 'postgres', $id, 'completed'), 'and then it goes on');
		release($held);
	});

ok(keys %alerts > 0, 'there is a table');
is(join(', ', sort keys %tests), join(', ', sort keys %alerts), 'each row has a test, and each test a row');
is($node->safe_psql('postgres', 'SELECT count(*) FROM workflow.alerts'), 0, 'there is no alert when all is well');
my %seen;
{
	no warnings 'redefine';
	my $check = \&is_why;

	*is_why = sub { $seen{ $_[2] }{ $_[3] } = 1; $check->(@_) };
	$tests{$_}->() foreach sort keys %tests;
}
foreach my $reason (sort keys %alerts)
{
	is(join(', ', sort keys %{ $seen{$reason} }), join(', ', sort @{ $alerts{$reason} }), "$reason: its alerts");
}
$node->stop;
done_testing();

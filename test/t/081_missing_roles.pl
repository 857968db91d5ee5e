# A dump is restored where roles are missing, and where another role has the number of
# one: every row is kept, what belonged to them belongs to nobody, and nobody else gets it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my @settings = ('workflow.max_executors = 4', "shared_preload_libraries = 'pg_cron, pg_workflow'", "cron.database_name = 'postgres'");
my $source = workflow_cluster('source', @settings);
my $target = workflow_cluster('target', @settings);
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';

install_extension($source, 'postgres');
$source->safe_psql('postgres', q{
	CREATE EXTENSION pg_cron;
	CREATE ROLE alice LOGIN;
	CREATE ROLE absent LOGIN;
	CREATE ROLE dropped LOGIN;
	CREATE ROLE "Old (missing)" LOGIN;
	GRANT USAGE ON SCHEMA cron TO absent;
	SELECT workflow.grant_usage(rolname::text::regrole) FROM (VALUES ('alice'), ('absent'), ('dropped'), ('"Old (missing)"')) AS r (rolname)});

my $definition = q('{"name": "%s", "steps": [{"id": "a", "sql": "SELECT session_user"}]}');

# Something of a role's in each table that names one.
sub populate
{
	my ($role, $name) = @_;
	my $document = sprintf($definition, "of_$name");
	my $wait = $source->safe_psql('postgres', qq{SET ROLE "$role";
		SELECT workflow.define($document) \\gset
		SELECT workflow.register_agent('agent_$name', sql => 'SELECT 1') \\gset
		SELECT workflow.start('of_$name', start_at => 'infinity') AS later \\gset
		SELECT workflow.start('of_$name', start_at => 'infinity', idempotency_key => 'key') AS paused \\gset
		SELECT workflow.pause(:paused, 'for the test') \\gset
		SELECT workflow.start('of_$name')});
	$source->safe_psql('postgres', "SELECT workflow.wait($wait, '5 minutes')");
	return $wait;
}
my %done = map { $_ => populate($_, lc($_ =~ s/\W//gr)) } 'alice', 'absent', 'dropped', 'Old (missing)';
$source->safe_psql('postgres', q{SET ROLE alice;
	SELECT workflow.define('{"name": "shared", "steps": [{"id": "a", "sql": "SELECT 1"}]}');
	SELECT workflow.revoke_execute('shared', '-'), workflow.grant_execute('shared', 'absent'), workflow.grant_execute('shared', '"Old (missing)"'),
		workflow.grant_execute('shared', 'dropped')});
$source->safe_psql('postgres', q{SELECT workflow.set_role_limits('-', max_running => 100);
	INSERT INTO workflow.role_limits (role, max_payload_bytes, set_by) VALUES ('absent', 1, 'alice')});
$source->safe_psql('postgres', q{SET ROLE absent;
	SELECT workflow.schedule('nightly', 'of_absent', '17 3 * * *'), workflow.block('of_absent', 'for the test')});
$source->safe_psql('postgres', q{
	SELECT workflow.unblock('of_absent');
	SELECT workflow.roll_up_statistics();
	ALTER ROLE "Old (missing)" RENAME TO "New (missing)";
	DROP OWNED BY dropped});
$source->safe_psql('postgres', 'DROP ROLE dropped');

# Two roles of one name, one after the other, that did the same.
my @twins;
foreach (1, 2)
{
	$source->safe_psql('postgres', q{CREATE ROLE twin LOGIN; SELECT workflow.grant_usage('twin')});
	push @twins, $source->safe_psql('postgres', q{SELECT oid FROM pg_roles WHERE rolname = 'twin'});
	my $id = $source->safe_psql('postgres', q{SET ROLE twin; SELECT workflow.start('of_alice', idempotency_key => 'order 1')});
	$source->safe_psql('postgres', "SELECT workflow.wait($id, '5 minutes')");
	$source->safe_psql('postgres', q{
		INSERT INTO workflow.blocked_workflows (workflow, role, kind, reason, stuck_count) VALUES ('of_twins', 'twin', 'automatic', 'stuck', 3);
		INSERT INTO workflow.role_limits (role, max_pending, set_by) VALUES ('twin', 1000, 'alice');
		SELECT workflow.roll_up_statistics();
		DROP OWNED BY twin});
	$source->safe_psql('postgres', 'DROP ROLE twin');
}
my @written = map { "twin (missing $_)" } @twins;
is($source->safe_psql('postgres', q{SELECT role FROM workflow.executions WHERE idempotency_key = 'order 1' ORDER BY id}),
	join("\n", @written), 'dropped roles of one name are told apart');
my $gone = $source->safe_psql('postgres', q{SELECT DISTINCT owner FROM workflow.definitions WHERE name = 'of_dropped'});
like($gone, qr/^dropped \(missing \d+\)$/, 'a dropped role shows with the number it had');
my %oid = split /[\n|]/, $source->safe_psql('postgres', "SELECT rolname, oid FROM pg_roles WHERE rolname IN ('absent', 'alice')");

# Every column that names a role is of the type that is restored by name.
is($source->safe_psql('postgres', q{SELECT attrelid::regclass || '.' || attname FROM pg_attribute JOIN pg_extension ON attrelid = ANY (extconfig)
	WHERE extname = 'pg_workflow' AND atttypid IN ('regrole'::regtype, 'oid'::regtype) AND attnum > 0}),
	'', 'no table that is dumped has a column of a type that is not');
is($source->safe_psql('postgres', q{SELECT owner FROM workflow.definitions WHERE name ~ '^of_' ORDER BY id}),
	"alice\nabsent\n$gone\n\"New (missing)\"", 'a dropped role shows as such, a renamed one by its name of now');

# All rows.
my @tables = split /\n/, $source->safe_psql('postgres', q{SELECT c.oid::regclass FROM pg_extension AS x, unnest(x.extconfig) AS t
	JOIN pg_class AS c ON c.oid = t WHERE x.extname = 'pg_workflow' AND c.relkind = 'r' ORDER BY 1});
sub contents
{
	my ($node, $database) = @_;
	my @rows = map { $node->safe_psql($database, "SELECT '$_', t::text FROM $_ AS t ORDER BY t::text") } @tables;
	return join "\n", @rows;
}

# --- another cluster ---

# there the next role gets the number that one has here
$target->stop;
command_ok([ 'pg_resetwal', '-o', $oid{absent}, $target->data_dir ], 'pg_resetwal');
$target->start;
$target->safe_psql('postgres', 'CREATE ROLE mallory LOGIN');
is($target->safe_psql('postgres', "SELECT oid FROM pg_roles WHERE rolname = 'mallory'"), $oid{absent}, 'another role has the number');
$target->safe_psql('postgres', q{
	CREATE ROLE dropped LOGIN;
	CREATE ROLE alice LOGIN;
	CREATE ROLE "New (missing)" LOGIN;
	CREATE DATABASE plain;
	CREATE DATABASE custom;
	CREATE DATABASE data_only;
	ALTER SYSTEM SET workflow.enabled = off;
	SELECT pg_reload_conf()});

# switched off, the engine of the source has ended and writes nothing: not that executors leave, either
$source->safe_psql('postgres', 'DROP EXTENSION pg_cron; ALTER DATABASE postgres SET workflow.enabled = off');
my $before = contents($source, 'postgres');
(my $expected = $before) =~ s/\babsent(?=[,)])/"absent (missing)"/g;
my @from = ('-h', $source->host, '-p', $source->port);
my @to = ('-h', $target->host, '-p', $target->port);
command_ok([ 'pg_dump', @from, '-f', "$dump.plain", 'postgres' ], 'pg_dump, plain');
command_ok([ 'pg_dump', @from, '-F', 'custom', '--no-owner', '-f', "$dump.custom", 'postgres' ], 'pg_dump, custom, --no-owner');
command_ok([ 'pg_dump', @from, '--data-only', '-f', "$dump.data", 'postgres' ], 'pg_dump, --data-only');
unlike(slurp_file("$dump.plain"), qr/\b$oid{$_}\b/, "no number of $_ in it") foreach 'absent', 'alice';

# rights of missing roles cannot be granted, so errors are looked at one by one
my ($out, $err) = ('', '');
IPC::Run::run([ 'psql', '-X', '-q', @to, '-d', 'plain', '-f', "$dump.plain" ], '>', \$out, '2>', \$err);
is(join("\n", grep { !/role "absent" does not exist/ } $err =~ /ERROR: .*/g), '', 'psql: no error but that rights cannot be given to who is missing');
IPC::Run::run([ 'pg_restore', '-j', '2', @to, '-d', 'custom', "$dump.custom" ], '>', \$out, '2>', \$err);
is(join("\n", grep { !/role "absent" does not exist/ } $err =~ /ERROR: .*/g), '', 'pg_restore: the same');
$target->safe_psql('data_only', 'CREATE EXTENSION pg_workflow');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', @to, '-d', 'data_only', '-f', "$dump.data" ], 'psql, data only');
is(contents($target, $_), $expected, "$_: every row is there") foreach 'plain', 'custom', 'data_only';

is($target->safe_psql('plain', q{SELECT owner, workflow.role_missing(owner), owner::oid = 1 FROM workflow.definitions WHERE name ~ '^of_' ORDER BY id}),
	"alice|f|f\nabsent (missing)|t|t\n$gone|t|t\n\"New (missing)\"|f|f",
	'what was dropped there is nobody\'s here, though a role has its name');

# --- nobody's things (A153) ---

$target->safe_psql('plain', "SELECT workflow.grant_usage('mallory'), workflow.grant_usage('dropped'), workflow.grant_usage('alice')");
for my $role ('mallory', 'dropped')
{
	is($target->safe_psql('plain', "SET ROLE $role; SELECT count(*) FROM workflow.execution_status"), 0, "$role sees no execution");
	is($target->safe_psql('plain', "SET ROLE $role; SELECT count(*) FROM workflow.step_status"), 0, 'no step');
	is($target->safe_psql('plain', "SET ROLE $role; SELECT count(*) FROM workflow.schedules WHERE input IS NOT NULL"), 0, 'no schedule');
	like(($target->psql('plain', "SET ROLE $role; SELECT workflow.cancel($done{absent})"))[2], qr/does not exist/, 'and steers none');
}
like(($target->psql('plain', "SET ROLE $_; SELECT workflow.start('shared')"))[2],
	qr/permission denied for workflow "shared"\nDETAIL:  Role "$_" may not start it/, "$_ may not start what who is missing was granted") foreach 'mallory', 'dropped';
$target->safe_psql('plain', q{SELECT workflow.grant_usage('"New (missing)"'); SET ROLE "New (missing)"; SELECT workflow.start('shared', start_at => 'infinity')});
is($target->safe_psql('plain', 'SET ROLE alice; SELECT count(*) FROM workflow.execution_status'), 3, 'alice sees her own');
like(($target->psql('plain', 'SET ROLE mallory; SELECT workflow.define(' . sprintf($definition, 'of_absent') . ')'))[2],
	qr/must be owner of workflow "of_absent".*does not exist/s, 'definitions stay whose they were');

# a superuser that writes to such a row leaves it nobody's, by name
$target->safe_psql('plain', sprintf($definition, 'of_absent') =~ s/^/SELECT workflow.define(/r =~ s/session_user/current_user/r . ')');
is($target->safe_psql('plain', q{SELECT version, owner FROM workflow.definitions WHERE name = 'of_absent' ORDER BY version}),
	"1|absent (missing)\n2|absent (missing)", 'a further version belongs to the same nobody');

# what is to run fails
$target->safe_psql('plain', "UPDATE workflow.executions SET start_at = NULL WHERE status = 'pending' AND workflow = 'of_absent'");
$target->safe_psql('postgres', 'ALTER SYSTEM RESET workflow.enabled; SELECT pg_reload_conf()');
ok($target->poll_query_until('plain', q{SELECT count(*) = 1 FROM workflow.executions WHERE workflow = 'of_absent' AND status = 'failed'}), 'it fails');
is($target->safe_psql('plain', q{SELECT error_type, error ->> 'message' FROM workflow.executions WHERE workflow = 'of_absent' AND status = 'failed'}),
	'RoleCannotRun|role "absent (missing)" does not exist', 'and says whose it is');
my $id = $target->safe_psql('plain', q{SET ROLE alice; SELECT workflow.start('of_alice')});
is($target->safe_psql('plain', "SELECT status, output FROM workflow.wait($id, '5 minutes')"), 'completed|{"rows": [{"session_user": "alice"}], "row_count": 1}', 'others run');

# --- what is said of it ---

is($target->safe_psql('plain', q{SELECT owner, kind, count FROM workflow.owners WHERE missing ORDER BY owner::text, place}),
	"absent (missing)|workflow|1\nabsent (missing)|agent|1\nabsent (missing)|schedule|1\nabsent (missing)|open execution|1\n" .
	"$gone|workflow|1\n$gone|agent|1\n$gone|open execution|2", 'workflow.owners');
is($target->safe_psql('plain', q{SELECT condition, subject, value FROM workflow.alerts WHERE condition = 'owner missing' ORDER BY subject}),
	"owner missing|absent (missing)|4\nowner missing|$gone|4", 'an alert for each');
my $paused = $target->safe_psql('plain', q{SELECT id FROM workflow.executions WHERE workflow = 'of_absent' AND status = 'paused'});
my $deferred = $target->safe_psql('plain', q{SELECT id FROM workflow.executions WHERE workflow = 'of_dropped' AND status = 'pending'});
is($target->safe_psql('plain', "SELECT reason, detail, help FROM workflow.why($deferred) LIMIT 1"),
	"role|there is no such role: $gone|-- SELECT workflow.reassign_owned('$gone', '..')", 'why()');
like(($target->psql('plain', q{SET ROLE alice; SELECT workflow.start('of_absent')}))[2],
	qr/ERROR:  workflow "of_absent" cannot be started\nDETAIL:  .*absent \(missing\).*\nHINT:  .*workflow\.set_owner\('of_absent'/, 'its workflows cannot be started');
like(($target->psql('plain', q{SELECT workflow.run_schedule_now('nightly')}))[2], qr/ERROR/, 'its schedules start nothing');

# A154: nobody vouches for what its workflows and agents would do as others
$target->safe_psql('plain', q{SET ROLE alice; SELECT workflow.define('{"name": "calls", "steps": [{"id": "a", "agent_name": "agent_dropped"}]}')});
my $call_id = $target->safe_psql('plain', q{SET ROLE alice; SELECT workflow.start('calls')});
$target->safe_psql('plain', "SELECT workflow.wait($call_id, '5 minutes')");
is($target->safe_psql('plain', "SELECT status, error_type, error ->> 'message' FROM workflow.executions WHERE id = $call_id"),
	'failed|AgentNotTrusted|agent "agent_dropped" belongs to a role that does not exist', 'its agents are not called');
my $failed = $target->safe_psql('plain', q{INSERT INTO workflow.executions (definition_id, workflow, version, status, role, input, completed_at)
	SELECT id, name, version, 'failed', 'alice'::regrole, '{}', now() FROM workflow.definitions WHERE name = 'of_dropped' RETURNING id});
like(($target->psql('plain', "SET ROLE alice; SELECT workflow.retry($failed)"))[2],
	qr/execution $failed cannot be retried\nDETAIL:  Its workflow belongs to role dropped \(missing \d+\).*\nHINT:  .*set_owner/, 'its workflows are not retried');
my $letter = $target->safe_psql('plain', qq{INSERT INTO workflow.dead_letters (execution_id, workflow, version, role, priority, execution_status, first_failed_at, last_failed_at, input, retry_history)
	VALUES (-1, 'of_alice', 1, '$gone', 0, 'failed', now(), now(), '{}', '[]') RETURNING id});
like(($target->psql('plain', "SELECT workflow.replay($letter)"))[2],
	qr/dead letter $letter cannot be replayed\nDETAIL:  It belongs to role \Q$gone\E.*\nHINT:  .*reassign_owned\('\Q$gone\E'/, 'its dead letters are not replayed');
$target->safe_psql('plain', "DELETE FROM workflow.executions WHERE id IN ($failed, $call_id); DELETE FROM workflow.dead_letters WHERE id = $letter");

# --- giving it to somebody ---

# Call as a role; what is returned, or the error.
sub as_role
{
	my ($node, $database, $role, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, "SET ROLE $role; $sql", on_error_stop => 1);
	return $status == 0 ? $out : $err;
}
$target->safe_psql('postgres', q{CREATE ROLE bob LOGIN; CREATE ROLE member LOGIN IN ROLE alice, bob; CREATE ROLE carol LOGIN;
	CREATE EXTENSION pg_cron; GRANT USAGE ON SCHEMA cron TO bob, carol; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO bob, carol});
$target->safe_psql('plain', q{SELECT workflow.grant_usage('bob'), workflow.grant_usage('member'), workflow.grant_usage('carol')});
like(as_role($target, 'plain', 'bob', $_->[0]), $_->[1], "$_->[0] as bob") foreach
	[ q{SELECT workflow.reassign_owned('absent', 'bob')}, qr/permission denied for what belongs to role absent \(missing\)/ ],
	[ q{SELECT workflow.reassign_owned('alice', 'bob')}, qr/permission denied for what belongs to role "alice"/ ],
	[ q{SELECT workflow.reassign_owned('bob', 'alice')}, qr/must be able to SET ROLE "alice"/ ],
	[ q{SELECT workflow.set_owner('of_absent', 'bob')}, qr/must be owner of workflow "of_absent".*does not exist/s ],
	[ q{SELECT workflow.set_owner('of_alice', 'bob')}, qr/must be owner of workflow "of_alice"/ ];
like(($target->psql('plain', $_->[0]))[2], $_->[1], $_->[0]) foreach
	[ q{SELECT workflow.reassign_owned('nobody', 'bob')}, qr/role nobody does not exist, and nothing belongs to it/ ],
	[ q{SELECT workflow.reassign_owned('absent', 'nobody')}, qr/role "nobody" does not exist/ ],
	[ q{SELECT workflow.reassign_owned('absent', 12345::oid::regrole)}, qr/role with OID 12345 does not exist/ ],
	[ q{SELECT workflow.set_owner('no such workflow', 'bob')}, qr/workflow "no such workflow" does not exist/ ];

is($target->safe_psql('plain', q{SELECT workflow.set_owner('of_absent', 'bob')}), 2, 'set_owner: two versions');
is($target->safe_psql('plain', q{SELECT DISTINCT owner FROM workflow.definitions WHERE name = 'of_absent'}), 'bob', 'are bob\'s');
$id = $target->safe_psql('plain', q{SET ROLE alice; SELECT workflow.start('of_absent', version => 1)});
is($target->safe_psql('plain', "SELECT status FROM workflow.wait($id, '5 minutes')"), 'completed', 'and can be started');
is($target->safe_psql('plain', q{SELECT role FROM workflow.schedule_entries}), 'absent (missing)', 'the rest is not');
is($target->safe_psql('plain', q{SELECT workflow.reassign_owned('absent', 'bob')}), 5, 'reassign_owned: three executions, the agent, the schedule');
is($target->safe_psql('plain', q{SELECT count(*) FROM workflow.owners WHERE owner::text = 'absent (missing)'}), 0, 'nothing is left');
is($target->safe_psql('plain', "SET ROLE bob; SELECT count(*) FROM workflow.execution_status WHERE workflow = 'of_absent'"), 3, 'bob sees the executions, those that have ended too');
is($target->safe_psql('postgres', q{SELECT username FROM cron.job WHERE database = 'plain'}), 'bob', 'the job is bob\'s');
$target->safe_psql('plain', "SELECT workflow.retry(execution_id) FROM workflow.execution_status WHERE workflow = 'of_absent' AND status = 'failed'");
$target->safe_psql('plain', "UPDATE workflow.executions SET start_at = NULL WHERE id = $paused; SELECT workflow.resume($paused)");
ok(wait_for_status($target, 'plain', $paused, 'completed'), 'what was paused runs');
ok($target->poll_query_until('plain', q{SELECT count(*) = 0 FROM workflow.executions WHERE workflow = 'of_absent' AND status <> 'completed'}), 'what had failed, too');
is($target->safe_psql('plain', "SELECT output -> 'rows' -> 0 ->> 'session_user' FROM workflow.execution_status WHERE execution_id = $paused"), 'bob', 'as bob');
is($target->safe_psql('plain', "SELECT action, subject_type, subject, before ->> 'owner', after ->> 'owner' FROM workflow.audit_log WHERE action ~ 'owne' ORDER BY id"),
	"set_owner|workflow|of_absent|absent (missing)|bob\nreassign_owned|role|absent (missing)|absent (missing)|bob", 'both are in the audit log');
is($target->safe_psql('plain', "SELECT DISTINCT role FROM workflow.statistics_days WHERE workflow = 'of_absent' AND role::text ~ 'absent'"), 'absent (missing)', 'statistics stay whose they were');

# two of one name, with the same idempotency key and the same block
is($target->safe_psql('plain', qq{SELECT count(*) FROM workflow.executions WHERE role::text IN ('$written[0]', '$written[1]')}), 2, 'twins stay two');
$target->safe_psql('plain', q{SET ROLE carol; SELECT workflow.start('of_alice', idempotency_key => 'order 1', start_at => 'infinity')});
is($target->safe_psql('plain', qq{SELECT workflow.reassign_owned('$written[1]', 'carol')}), 2, 'by the number only one of them is given, and what is blocked');
is($target->safe_psql('plain', q{SELECT count(*), count(idempotency_key) FROM workflow.executions WHERE role = 'carol'::regrole}), '2|1', 'who has a key keeps it at its own');
is($target->safe_psql('plain', qq{SELECT role FROM workflow.executions WHERE role::text ~ 'twin'}), $written[0], 'the other is not');
is($target->safe_psql('data_only', q{SELECT workflow.reassign_owned('twin (missing)', 'carol')}), 3, 'without a number all of the name');
is($target->safe_psql('data_only', q{SELECT count(*), min(id) FILTER (WHERE idempotency_key IS NOT NULL) = min(id) FROM workflow.executions WHERE role = 'carol'::regrole}), '2|t', 'the first keeps the key');
is($target->safe_psql('data_only', q{SELECT role, unblocked_at IS NULL FROM workflow.blocked_workflows WHERE workflow = 'of_twins' AND role = 'carol'::regrole}), 'carol|t', 'one block of the two');
is($source->safe_psql('postgres', q{CREATE ROLE heir LOGIN; SELECT workflow.reassign_owned('twin', 'heir')}), 3, 'the same where they were dropped');

# a role that is blocked does not free itself
$target->safe_psql('plain', q{CREATE ROLE rogue LOGIN IN ROLE carol; SELECT workflow.grant_usage('rogue');
	SET ROLE alice; SELECT workflow.define('{"name": "runaway", "steps": [{"id": "a", "sql": "SELECT 1"}]}');
	SET ROLE rogue; SELECT workflow.start('runaway', start_at => 'infinity'); RESET ROLE;
	INSERT INTO workflow.blocked_workflows (workflow, role, kind, reason, stuck_count) VALUES ('runaway', 'rogue', 'automatic', 'stuck', 3);
	INSERT INTO workflow.blocked_workflows (workflow, role, kind, reason, unblocked_at) VALUES ('of_alice', 'rogue', 'automatic', 'stuck', now())});
$target->safe_psql('plain', q{SET ROLE rogue; SELECT workflow.reassign_owned('rogue', 'carol')});
is($target->safe_psql('plain', q{SELECT workflow, role, unblocked_at IS NULL FROM workflow.blocked_workflows WHERE role IN ('rogue'::regrole, 'carol'::regrole) AND workflow IN ('runaway', 'of_alice') ORDER BY id}),
	"runaway|rogue|t\nof_alice|rogue|f\nrunaway|carol|t", 'it stays blocked, as what it gave does, and what was lifted is history');
like(as_role($target, 'plain', $_, q{SELECT workflow.start('runaway')}), qr/is blocked/, "$_ cannot start it") foreach 'rogue', 'carol';

# of a role that exists, by who may be both
is(as_role($target, 'plain', 'member', q{SELECT workflow.set_owner('of_alice', 'bob')}), 1, 'set_owner by a member of both');
my $busy = $target->background_psql('plain');
$busy->query_safe('SELECT pg_advisory_lock(1)');
$target->safe_psql('plain', q{SET ROLE alice; SELECT workflow.define('{"name": "locks", "steps": [{"id": "a", "sql": "SELECT pg_advisory_xact_lock(1), current_user"}]}')});
my $running = $target->safe_psql('plain', q{SET ROLE alice; SELECT workflow.start('locks')});
$target->poll_query_until('plain', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) or die 'the step does not run';
my ($status, $moved, $notice) = $target->psql('plain', q{SET ROLE member; SELECT workflow.reassign_owned('alice', 'bob') > 0});
is("$status|$moved", '0|t', 'reassign_owned by a member of both');
like($notice, qr/NOTICE:  1 executions of role "alice" run this moment and stay its own/, 'what runs stays');
$busy->quit;
ok(wait_for_status($target, 'plain', $running, 'completed'), 'to its end');
is($target->safe_psql('plain', "SELECT role FROM workflow.executions WHERE id = $running"), 'alice', 'as it began');

# --- DROP ROLE ---

$target->safe_psql('plain', q{SELECT workflow.reassign_owned('carol', 'bob')});

$target->safe_psql('plain', q{SET ROLE carol; SELECT workflow.define('{"name": "of_carol", "steps": [{"id": "a", "sql": "SELECT current_user"}]}'), workflow.start('of_carol', start_at => 'infinity')});
$target->safe_psql('plain', q{SET ROLE carol; SELECT workflow.schedule('of_carol', 'of_carol', '17 3 * * *')});
$target->safe_psql('postgres', 'ALTER ROLE carol RENAME TO "Caroline"; DROP OWNED BY "Caroline"');
$target->safe_psql('plain', 'DROP OWNED BY "Caroline"; CREATE ROLE idle');
my $dropped = ($target->psql('plain', 'DROP ROLE "Caroline", idle'))[2];
like($dropped, qr{^psql:<stdin>:1: WARNING:  role "Caroline" owned 1 workflow, 1 schedule and 1 open execution of pg_workflow in this database
DETAIL:  That is nobody's now, and cannot be run.
HINT:  Give it to another role: SELECT workflow\.reassign_owned\('carol \(missing \d+\)', '\.\.'\)\.$}, 'a warning, of those that owned something');
my ($call) = $dropped =~ /SELECT (workflow.*?)'\.\.'/;
is($target->safe_psql('plain', "SELECT ${call}'bob')"), 3, 'what it advises works') if $call;
is($target->safe_psql('postgres', q{SELECT count(*) FROM cron.job WHERE database = 'plain' AND username = 'bob'}), 2, 'with the job');
is(($target->psql('postgres', 'CREATE ROLE idle; DROP ROLE idle'))[2], '', 'nothing is said in a database without the extension');

# --- the type ---

is($target->safe_psql('plain', q{SELECT r, workflow.role_name(r), workflow.role_missing(r), r = 'alice'::regrole
	FROM unnest('{alice,Alice,"\"Alice\"","alice (missing)","\"a (missing)\"","\"a (missing)\" (missing)"}'::workflow.role[]) WITH ORDINALITY AS x (r, n) ORDER BY n}),
	join("\n", 'alice|alice|f|t', 'alice|alice|f|t', '"Alice" (missing)|Alice (missing)|t|f', 'alice (missing)|alice (missing)|t|f',
		'"a (missing)" (missing)|a (missing) (missing)|t|f', '"a (missing)" (missing)|a (missing) (missing)|t|f'), 'reads what it writes');
like(($target->psql('plain', "SELECT '$_'::workflow.role"))[2], qr/invalid name of a role/, "refuses '$_'") foreach 'a.b', '"a', '', 'a (missing 0)', 'a (missing 4294967296)', 'a (missing 7', 'a (missing -1)';
is($target->safe_psql('plain', q{SELECT count(DISTINCT r), count(*) FILTER (WHERE r OPERATOR(workflow.=) 'x (missing)') FROM (VALUES ('x'::workflow.role), ('x (missing)'), ('y'), ('alice'), ('alice (missing)')) AS v (r)}),
	'4|2', 'nobodies differ by name');
is($target->safe_psql('plain', q{SELECT string_agg(r::text, ',' ORDER BY r), count(DISTINCT r), count(DISTINCT workflow.role_hash(r))
	FROM unnest('{x (missing),x (missing 7),x (missing 8),y (missing 7),"\"a (missing 7)\" (missing 9)"}'::workflow.role[]) AS r}),
	'x (missing),x (missing 7),y (missing 7),x (missing 8),"a (missing 7)" (missing 9)|5|5', 'and by number');
is($target->safe_psql('plain', q{SELECT convert_from(workflow.role_send(r), 'UTF8') FROM unnest('{alice,x}'::workflow.role[]) AS r}),
	"alice\nx (missing)", 'the binary format is the text');

unlike(slurp_file($_->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed') foreach $source, $target;
$_->stop foreach $source, $target;
done_testing();

# Definitions put together at random: blocks, branches, loops and conditionals in each other, with
# jumps back and forth, ends of scopes, errors caught, ignored and retried, of steps and of whole
# containers.  Executors, one thread that forks nothing, and execute() come to the same outcome by
# the same rows, and so do the first two once more when what has failed is retried.
#
# The same two runs are made each time: PGWF_SEED makes another one, PGWF_DEFINITIONS a longer one.

use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my @seeds = defined $ENV{PGWF_SEED} ? $ENV{PGWF_SEED} : (1, 2);
my $count = $ENV{PGWF_DEFINITIONS} // 50;

# --- what a definition is made of ---

my ($name, $number, $deepest);

sub one_of { return $_[ int(rand(@_)) ] }
sub with_chance { return rand() < $_[0] }
sub between { return $_[0] + int(rand($_[1] - $_[0] + 1)) }
sub new_id { return $_[0] . ++$number }

# The steps before a place, so many at most.
sub newest
{
	my ($place, $most) = @_;
	my @before = @{ $place->{before} };

	return @before > $most ? @before[ -$most .. -1 ] : @before;
}

# Something to read: what comes before in the same line or around it, an iteration, the input.
sub reference
{
	my ($place) = @_;
	my @known = map { ("\${$_.output ?? 'none'}", "\${$_.status}") } newest($place, 3);

	push @known, '${loop.index}' if $place->{loops};
	push @known, '${vars.' . one_of('p', 'q') . ' ?? 0}' if $place->{assigns};
	return one_of(1, 'text', '${workflow.input.a}', @known);
}

sub condition
{
	my ($place) = @_;
	my @known = map { ("\${$_.status} == 'completed'", "\${$_.output} != null") } newest($place, 2);

	push @known, 'loop.index > 0', 'loop.index % 2 == 0' if $place->{loops};
	return one_of('true', 'false', 'workflow.input.a == 1', '1 / 0 > 2', @known);
}

sub retry_policy
{
	my (@errors) = @_;
	my $delay = one_of(0, 0, 20);

	return { errors => [ one_of(@errors) ], type => 'fixed_delay', jitter => JSON::PP::false,
		max_retries => between(1, 2), initial_delay_ms => $delay, max_delay_ms => $delay || 1 };
}

# A place further in.
sub inside
{
	my ($place, %change) = @_;

	return { %$place, before => [ @{ $place->{before} } ], depth => $place->{depth} + 1, %change };
}

sub leaf
{
	my ($place) = @_;

	if (with_chance(0.25))
	{
		my $step = { id => new_id('v'), type => 'set', output => reference($place) };

		$step->{assign} = { one_of('p', 'q') => reference($place) } if with_chance(0.6);
		$place->{assigns} = 1 if $step->{assign};
		return $step;
	}
	# execute() cannot wait
	return { id => new_id('w'), type => 'wait', seconds => one_of(0, '${workflow.input.wait}'), output => reference($place) } if with_chance(0.1);

	my $id = new_id('s');
	my $key = join '.', "\${workflow.input.run} $name $id", map { '${loop' . '.parent' x $_ . '.index}' } 0 .. $place->{loops} - 1;
	my $sql = one_of('SELECT input.x', 'SELECT input.x', 'SELECT 1 / 0', 'SELECT input.x; SELECT from_call(input.k, ' . between(2, 4) . ')');
	my $step = { id => $id, type => 'sql', sql => $sql, result => 'value', input_mapping => { k => $key, x => reference($place) } };

	$step->{retry} = retry_policy('all', 'P0042', '22*') if with_chance(0.4);
	$step->{compensate} = { id => new_id('c'), type => 'sql', sql => one_of('SELECT input.x', 'SELECT 1 / 0'), result => 'value',
		input_mapping => { x => reference($place) } } if with_chance(0.1);
	return $step;
}

sub container
{
	my ($place) = @_;
	my $kind = one_of('parallel', 'fork_join', 'loop', 'while', 'conditional', 'switch');
	my $step;

	if ($kind eq 'parallel')
	{
		$step = { id => new_id('p'), type => 'parallel', parallel_steps => [ map { random_step(inside($place)) } 1 .. between(2, 3) ] };
		$step->{min_success} = 1 if with_chance(0.3);
		$step->{max_parallelism} = between(1, 2) if with_chance(0.3);
	}
	elsif ($kind eq 'fork_join')
	{
		$step = { id => new_id('f'), type => 'fork_join', join_policy => one_of('all', 'any', 'majority'),
			branches => { map { $_ => line(inside($place)) } 'a', 'b' } };
	}
	elsif ($kind eq 'loop')
	{
		$step = { id => new_id('l'), type => 'loop', collection => one_of('${workflow.input.list}', [ 5, 6 ], [1], []),
			result => one_of('iterations', 'outputs', 'counts'), on_error => one_of('continue', 'collect') };
		$step->{execution_mode} = one_of('parallel', 'sequential');
		$step->{on_error} = 'stop' if $step->{execution_mode} eq 'sequential' && with_chance(0.3);
		$step->{batch_size} = one_of(1, 10) if with_chance(0.3);
		$step->{loop_body} = line(inside($place, loops => $place->{loops} + 1));
	}
	elsif ($kind eq 'while')
	{
		$step = { id => new_id('w'), type => 'loop', while => 'loop.index < ' . between(1, 3),
			on_error => one_of('stop', 'continue', 'collect') };
		$step->{loop_body} = line(inside($place, loops => $place->{loops} + 1));
	}
	elsif ($kind eq 'conditional')
	{
		$step = { id => new_id('k'), type => 'conditional', condition => condition($place), if_true_step => line(inside($place)) };
		$step->{condition} = { sql => one_of('SELECT true', 'SELECT false', 'SELECT 1 / 0 = 1') } if with_chance(0.3);
		$step->{if_false_step} = line(inside($place)) if with_chance(0.7);
	}
	else
	{
		$step = { id => new_id('k'), type => 'conditional', switch => [ { when => condition($place), step => random_step(inside($place)) } ] };
		$step->{default} = random_step(inside($place)) if with_chance(0.6);
	}
	$step->{retry} = retry_policy('all', 'all', 'JoinFailed', 'LoopFailed', 'P0042') if with_chance(0.25);
	return $step;
}

sub random_step
{
	my ($place) = @_;
	my $step = $place->{depth} >= $deepest || with_chance(0.4 + 0.08 * $place->{depth}) ? leaf($place) : container($place);

	$step->{when} = condition($place) if with_chance(0.1);
	$step->{on_failure} = one_of('ignore', { default => 7 }) if with_chance(0.2);
	return $step;
}

# Steps that follow each other.  An end of the scope may stand among them, and a way back.
sub line
{
	my ($place, $least) = @_;
	my @steps;

	for (1 .. between($least // 1, 3))
	{
		my $step = with_chance(0.07) && $place->{depth} > 0
		  ? { id => new_id('e'), type => one_of('fail', 'succeed'), ends => 'scope', output => reference($place) }
		  : random_step($place);

		push @steps, $step;
		push @{ $place->{before} }, $step->{id};
	}
	if (with_chance(0.3) && $place->{depth} > 0 && $steps[0]{type} !~ /fail|succeed/)
	{
		my $turns = new_id('turns');

		# the first step is on a cycle, with a counter or without
		$steps[0]{max_visits} = between(1, 4);
		push @steps, { id => new_id('v'), type => 'set', assign => { $turns => "\${(vars.$turns ?? 0) + 1}" } } if with_chance(0.6);
		push @steps, { id => new_id('k'), type => 'conditional', switch => [ {
			when => $steps[-1]{assign} && $steps[-1]{assign}{$turns} ? "vars.$turns < " . between(1, 4) : condition($place),
			next_step => $steps[0]{id} } ] };
	}
	for my $i (0 .. $#steps - 1)
	{
		next if $steps[$i]{type} =~ /fail|succeed/ || !with_chance(0.12);
		$steps[$i]{catch} = [ { next_step => $steps[ between($i + 1, $#steps) ]{id}, as => 'caught' } ];
		$steps[$i]{catch}[0]{errors} = [ one_of('P0042', 'all', 'JoinFailed') ] if with_chance(0.5);
	}
	return \@steps;
}

sub definition
{
	$number = 0;
	$deepest = between(1, 4);
	my $definition = { name => $name, steps => line({ depth => 0, loops => 0, before => [] }, 2) };

	$definition->{commit} = { max_steps => 5, max_ms => 20 } if with_chance(0.2);
	return $definition;
}

# --- run, and compare ---

my $node = workflow_cluster('random_workflows');
my $json = JSON::PP->new->canonical->allow_nonref;

# How often a key was asked for, whatever is rolled back: a sequence for each, found by its hash.
sub make_database
{
	my ($database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, q{
		CREATE EXTENSION pg_workflow;
		DO $$ BEGIN
			FOR i IN 0 .. 2999 LOOP EXECUTE format('CREATE SEQUENCE calls_%s MINVALUE -9223372036854775808 START 0', i); END LOOP;
		END $$;
		CREATE FUNCTION from_call(key text, call int) RETURNS int LANGUAGE plpgsql AS $$
		DECLARE
			mark bigint := hashtextextended(key, 1) & -256;
			place int := abs(hashtext(key) % 3000);
			value bigint;
			n int;
		BEGIN
			LOOP
				PERFORM pg_advisory_lock(54, place);
				EXECUTE 'SELECT last_value FROM calls_' || place INTO value;
				EXIT WHEN value = 0 OR value & -256 = mark;
				PERFORM pg_advisory_unlock(54, place);
				place := (place + 1) % 3000;
			END LOOP;
			n := (value & 255) + 1;
			PERFORM setval(('calls_' || place)::regclass, mark | n), pg_advisory_unlock(54, place);
			IF n < call THEN
				RAISE EXCEPTION 'call % of %', n, call USING ERRCODE = 'P0042';
			END IF;
			RETURN n;
		END $$;
		CREATE TABLE runs (name text, run text, id bigint, result jsonb, PRIMARY KEY (name, run));
		CREATE FUNCTION input(run text) RETURNS jsonb LANGUAGE sql RETURN jsonb_build_object('run', run, 'a', 1, 'list', '[0, 1, 2]'::jsonb,
			'wait', CASE run WHEN 'execute' THEN 0 ELSE 0.02 END);
		CREATE PROCEDURE run(name text) LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO runs SELECT name, 'on', workflow.start(name, input('on'), parallel => true);
			INSERT INTO runs SELECT name, 'off', workflow.start(name, input('off'), parallel => false);
			COMMIT;
			BEGIN
				INSERT INTO runs SELECT name, 'execute', NULL, jsonb_build_object('output', workflow.execute(name, input('execute')));
				UPDATE runs AS r SET id = (SELECT max(e.id) FROM workflow.executions AS e WHERE e.workflow = r.name AND e.inline)
				WHERE r.name = run.name AND r.run = 'execute';
			EXCEPTION WHEN OTHERS THEN
				INSERT INTO runs VALUES (name, 'execute', NULL, jsonb_build_object('message', SQLERRM));
			END;
		END $$;
		-- without what has to differ: who it was, when, and on whose behalf
		CREATE FUNCTION plain(jsonb) RETURNS text LANGUAGE sql RETURN
			regexp_replace(regexp_replace($1::text, ', "context": "([^"\\\\]|\\\\.)*"', '', 'g'), '"k": "(on|off|execute) ', '"k": "', 'g');
		CREATE VIEW rows AS SELECT execution_id AS id, scope, step_id, visit, attempt,
			plain(to_jsonb(s) - '{execution_id,started_at,completed_at,retry_at,executor_pid}'::text[]) AS row FROM workflow.step_executions AS s;
		CREATE VIEW differences AS
			SELECT a.name, b.run, d.this, d.other FROM runs AS a JOIN runs AS b ON a.name = b.name AND a.run = 'on' AND b.run <> 'on' AND b.id IS NOT NULL,
				LATERAL (SELECT x.row AS this, y.row AS other FROM (SELECT * FROM rows WHERE id = a.id) AS x
					FULL JOIN (SELECT * FROM rows WHERE id = b.id) AS y USING (scope, step_id, visit, attempt)
					WHERE x.row IS DISTINCT FROM y.row) AS d
			UNION ALL
			SELECT a.name, b.run, x.outcome, y.outcome FROM runs AS a JOIN runs AS b ON a.name = b.name AND a.run = 'on' AND b.run <> 'on',
				LATERAL (SELECT CASE e.status WHEN 'completed' THEN plain(jsonb_build_object('output', coalesce(e.output, 'null')))
					ELSE concat_ws(' ', CASE b.run WHEN 'off' THEN e.status END, e.error ->> 'message') END AS outcome
					FROM workflow.executions AS e WHERE e.id = a.id) AS x,
				LATERAL (SELECT CASE WHEN b.run = 'execute' THEN coalesce(b.result ->> 'message', plain(b.result))
					ELSE (SELECT CASE e.status WHEN 'completed' THEN plain(jsonb_build_object('output', coalesce(e.output, 'null')))
						ELSE concat_ws(' ', e.status, e.error ->> 'message') END FROM workflow.executions AS e WHERE e.id = b.id) END AS outcome) AS y
			WHERE x.outcome IS DISTINCT FROM y.outcome});
	return;
}

foreach my $seed (@seeds)
{
	my $database = 'w' . $seed;
	my $defined = 0;

	srand($seed);
	make_database($database);
	for my $i (1 .. $count)
	{
		my ($status, $error);

		$name = "random-$i";
		my $document = $json->encode(definition());
		$document =~ s/'/''/g;
		($status, undef, $error) = $node->psql($database, "SELECT workflow.define('$document')");

		# a reference may look where nothing can have run before
		next if $status != 0 && $error =~ /has \d+ error.*reference/s;
		is($status, 0, "seed $seed: $name is valid") or diag($error);
		$defined++;
		$node->safe_psql($database, "CALL run('$name')");
	}
	cmp_ok($defined, '>', $count / 2, "seed $seed: most can be defined");
	my $ended = q{SELECT NOT EXISTS (SELECT FROM workflow.executions WHERE status NOT IN ('completed', 'failed'))};

	ok($node->poll_query_until($database, $ended), "seed $seed: all end");
	is($node->safe_psql($database, 'SELECT * FROM differences LIMIT 20'), '', "seed $seed: the same by executors, one thread and execute()");
	is($node->safe_psql($database, q{SELECT count(DISTINCT status) FROM workflow.executions}), 2, "seed $seed: some complete, others fail");

	# what is undone cannot go on
	$node->safe_psql($database, q{DELETE FROM runs WHERE run = 'execute';
		SELECT workflow.retry(r.id) FROM runs AS r JOIN workflow.executions AS e USING (id)
		WHERE e.status = 'failed' AND NOT EXISTS (SELECT FROM workflow.compensations AS c
			WHERE c.execution_id = r.id AND c.compensation_started_at IS NOT NULL)});
	ok($node->poll_query_until($database, $ended), "seed $seed: all end once more");
	is($node->safe_psql($database, 'SELECT * FROM differences LIMIT 20'), '', "seed $seed: the same when what failed is retried");
	is($node->safe_psql($database, q{SELECT count(*) FROM workflow.step_executions WHERE status IN ('running', 'waiting')}), 0, "seed $seed: nothing is open");
	is($node->safe_psql($database, 'SELECT count(*) FROM workflow.waits'), 0, "seed $seed: nothing waits");
}
$node->stop;
done_testing();

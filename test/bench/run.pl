# The engine's speed beside the floor of the same machine: figures as ratios to what
# bare one-row transactions reach seconds before and after, medians of several rounds.
#
# usage: run.pl RESULTS.json BIN CONNECTION..; run by run.sh.  Prints a table, writes JSON,
# asserts no time; it dies when an execution did not complete or an effect is missing.

use strict;
use warnings FATAL => 'all';

use IO::Handle;
use Time::HiRes qw(time);

my ($json_file, $bin, @connection) = @ARGV;
my $rounds = $ENV{PGWF_BENCH_ROUNDS} // 3;
my @sizes = split ' ', $ENV{PGWF_BENCH_EXECUTORS} // '1 2 4 8 16';
my $scale = $ENV{PGWF_BENCH_SCALE} // 1;
my @psql = ("$bin/psql", '-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', @connection);
my @results;

# --- talking to the server ---

sub sql
{
	my ($text) = @_;

	open(my $out, '-|', @psql, '-c', $text) or die "psql: $!";
	my $answer = do { local $/; <$out> } // '';
	close($out) or die "failed: $text\n";
	chomp $answer;
	return $answer;
}

# The same statement in several sessions at once.
sub sessions
{
	my ($count, $text) = @_;
	my @children;

	for (1 .. $count)
	{
		my $pid = fork() // die "fork: $!";
		if ($pid == 0)
		{
			open(STDOUT, '>', '/dev/null');
			exec(@psql, '-c', $text) or die "psql: $!";
		}
		push @children, $pid;
	}
	foreach my $pid (@children)
	{
		waitpid($pid, 0);
		die "failed: $text\n" if $?;
	}
}

sub sized { my ($size) = @_; return int($size / $scale) || 1 }

sub clean
{
	sql('TRUNCATE effects, measured, workflow.executions, workflow.step_executions, workflow.waits');
	sql('CHECKPOINT');
}

sub executors
{
	my ($count) = @_;

	sql("ALTER SYSTEM SET workflow.max_executors_per_database = $count");
	sql('SELECT pg_reload_conf()');
	# those of the workload before would work along
	sql('SELECT workflow.drain_executor(pid) FROM workflow.executors WHERE pid IS NOT NULL');
	sql(q{DO $$ BEGIN
		WHILE EXISTS (SELECT FROM workflow.executors) LOOP PERFORM pg_sleep(0.01); COMMIT; END LOOP;
	END $$});
}

# --- floors ---

# One-row transactions per second of so many sessions together.
sub bare_loop
{
	my ($sessions, $transactions, $synchronous) = @_;

	clean();
	sessions($sessions, sprintf("CALL bare_loop(%d, '%s')", $transactions / $sessions, $synchronous // 'on'));
	return sql('SELECT count(*) / extract(epoch FROM max(written_at) - min(written_at)) FROM effects');
}

sub bare_batches
{
	my ($sessions, $rows) = @_;

	clean();
	sessions($sessions, sprintf('CALL bare_batches(%d, 50)', $rows / $sessions / 50));
	return sql('SELECT count(*) / extract(epoch FROM max(written_at) - min(written_at)) FROM effects');
}

sub percentiles
{
	return split /\|/, sql(q{SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.95) WITHIN GROUP (ORDER BY ms),
		percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) FROM measured});
}

# --- the engine ---

# Queue executions in one transaction, wait for their end; steps per second from the
# start of the first to the end of the last, by their rows.
sub engine
{
	my ($workflow, $executions, $steps, %more) = @_;
	my $input = $more{input} // q{'{}'};

	clean();
	sql("SELECT count(workflow.start('$workflow', $input)) FROM generate_series(1, $executions)");
	sql(q{SELECT count(*) FROM (SELECT workflow.wait(id, '1 hour') FROM (SELECT id FROM workflow.executions ORDER BY id DESC) AS e OFFSET 0) AS w});
	my ($completed, $effects) = split /\|/, sql(q{SELECT (SELECT count(*) FROM workflow.executions WHERE status = 'completed'), (SELECT count(*) FROM effects)});
	die "$workflow: $completed of $executions executions completed\n" if $completed != $executions;
	die "$workflow: $effects effects instead of " . $executions * $steps . "\n"
	  if !$more{no_effects} && $effects != $executions * $steps;
	return sql("SELECT $executions * $steps / extract(epoch FROM max(completed_at) - min(started_at)) FROM workflow.executions");
}

# --- figures ---

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $middle = int(@sorted / 2);

	return @sorted % 2 ? $sorted[$middle] : ($sorted[ $middle - 1 ] + $sorted[$middle]) / 2;
}

sub least { return (sort { $a <=> $b } @_)[0] }
sub most { return (sort { $a <=> $b } @_)[-1] }

sub number
{
	my ($n) = @_;

	return abs($n) >= 100 ? sprintf('%.0f', $n) : abs($n) >= 10 ? sprintf('%.1f', $n) : sprintf('%.3g', $n);
}

# A line of the table: values and, where there is one, the floor of each round.
sub report
{
	my ($workload, $what, $values, $floors) = @_;
	my %result = (workload => $workload, figure => $what,
		values => [ map { $_ + 0 } least(@$values), median(@$values), most(@$values) ]);
	my $line = sprintf('%-22s %-38s %9s (%s .. %s)', $workload, $what, number(median(@$values)),
		number(least(@$values)), number(most(@$values)));

	if ($floors)
	{
		my @ratios = map { $values->[$_] / $floors->[$_] } 0 .. $#$values;

		$result{floor} = [ map { $_ + 0 } least(@$floors), median(@$floors), most(@$floors) ];
		$result{ratio} = [ least(@ratios), median(@ratios), most(@ratios) ];
		$line .= sprintf('  floor %s  ratio %.2f (%.2f .. %.2f)', number(median(@$floors)), median(@ratios),
			least(@ratios), most(@ratios));
	}
	print "$line\n";
	push @results, \%result;
}

# So many rounds of floor, engine, floor.
sub rounds
{
	my ($workload, $what, $floor, $engine) = @_;
	my (@values, @floors);

	for (1 .. $rounds)
	{
		my $before = $floor->();

		push @values, $engine->();
		push @floors, ($before + $floor->()) / 2;
	}
	report($workload, $what, \@values, \@floors);
}

# --- workloads ---

my %workloads;
my @order;

sub workload
{
	my ($name, $run) = @_;

	$workloads{$name} = $run;
	push @order, $name;
}

# the floors themselves: in the server, and of clients with a round trip per transaction
workload(floor => sub {
	foreach my $size (@sizes)
	{
		report('floor', "bare loop, transactions/s, $size sessions", [ map { bare_loop($size, sized(10000)) } 1 .. $rounds ]);
		clean();
		report('floor', "pgbench, transactions/s, $size clients", [ map { pgbench(3, 'INSERT INTO effects (step) VALUES (1)', $size) } 1 .. $rounds ]);
	}
});

# 1,000 ten-step chains queued up front
foreach my $kind ('', '_relaxed', '_noop', '_agent')
{
	workload("chain$kind" => sub {
		my $count = sized(1000);

		foreach my $size ($kind eq '' ? @sizes : grep { $_ == 1 || $_ == 8 || $_ == 16 } @sizes)
		{
			executors($size);
			rounds("chain$kind", "steps/s, $size executors",
				sub { bare_loop($size, $count * 10, $kind eq '_relaxed' ? 'off' : 'on') },
				sub { engine("chain$kind", $count, 10, no_effects => $kind eq '_noop') });
		}
	});
}

# the shapes that other engines publish
workload(shapes => sub {
	my $count = sized(2000);

	executors(8);
	foreach my $shape ([ three => 3, $count ], [ hundred => 100, $count / 20 ], [ fan_out_10 => 10, $count / 4 ])
	{
		my ($workflow, $steps, $executions) = @$shape;

		rounds('shapes', "$workflow, workflows/s",
			sub { bare_loop(8, $executions * $steps) / $steps },
			sub { engine($workflow, $executions, $steps) / $steps });
	}
});

# one chain of ten on an idle server
workload(latency => sub {
	my (%engine, %floor, %inline);
	my @names = ('p50', 'p95', 'p99');

	executors(8);
	for (1 .. $rounds)
	{
		foreach my $part ([ \%floor, 'bare_latency(200)' ], [ \%engine, "latency('chain', 200)" ], [ \%inline, "inline_latency('chain', 200)" ])
		{
			clean();
			sql("CALL $part->[1]");
			my @percentiles = percentiles();
			push @{ $part->[0]{ $names[$_] } }, $percentiles[$_] foreach 0 .. $#names;
		}
	}
	report('latency', "start to completed, ms, $_", $engine{$_}, $floor{$_}) foreach @names;
	report('latency', "execute(), ms, $_", $inline{$_}, $floor{$_}) foreach @names;
});

workload(fan_out => sub {
	executors(8);
	foreach my $case ([ 'loop_parallel', sized(1000), 'fan-out and join' ], [ 'loop_parallel', sized(100000), 'parallel loop' ])
	{
		my ($workflow, $items, $name) = @$case;

		rounds('fan_out', "$name of $items, children/s",
			sub { bare_loop(8, $items) },
			sub { engine($workflow, 1, $items, input => "(SELECT jsonb_build_object('items', jsonb_agg(i)) FROM generate_series(1, $items) AS i)") });
	}
	rounds('fan_out', 'nested 100 x 100, children/s',
		sub { bare_loop(8, 10000) },
		sub { engine('nested', 1, 10000, input => q{(SELECT jsonb_build_object('items', jsonb_agg(i)) FROM generate_series(1, 100) AS i)}) });
});

# does a step cost more the more there were before?
workload(long => sub {
	executors(1);
	foreach my $case ([ loop_sequential => sized(100000) ], [ ten_thousand => 10000 ])
	{
		my ($workflow, $steps) = @$case;
		my (@speeds, @floors, @deciles);

		for (1 .. $rounds)
		{
			my $before = bare_loop(1, 10000);

			push @speeds, engine($workflow, 1, $steps,
				input => "(SELECT jsonb_build_object('items', jsonb_agg(i)) FROM generate_series(1, $steps) AS i)");
			push @deciles, sql(q{WITH d AS (SELECT ntile(10) OVER (ORDER BY id) AS n, written_at FROM effects),
				t AS (SELECT n, extract(epoch FROM max(written_at) - min(written_at)) AS s FROM d GROUP BY n)
				SELECT max(s) FILTER (WHERE n = 10) / max(s) FILTER (WHERE n = 1) FROM t});
			push @floors, ($before + bare_loop(1, 10000)) / 2;
		}
		report('long', "$workflow of $steps, steps/s", \@speeds, \@floors);
		report('long', "$workflow, last decile / first", \@deciles);
	}
});

# start() itself; nothing runs meanwhile
workload(start => sub {
	my $seconds = 5;
	my (@one, @floors, @bulk, @bulk_floors);
	my $bulk = sized(100000);

	sql('ALTER DATABASE postgres SET workflow.enabled = off');
	sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'});
	for (1 .. $rounds)
	{
		clean();
		push @floors, pgbench($seconds, 'INSERT INTO effects (step) VALUES (1)', 8);
		push @one, pgbench($seconds, "SELECT workflow.start('one')", 8);
		clean();
		my $began = time;
		sql("SELECT count(workflow.start('one')) FROM generate_series(1, $bulk)");
		push @bulk, $bulk / (time - $began);
		$began = time;
		sql("DO \$\$ BEGIN FOR i IN 1..$bulk LOOP INSERT INTO effects (step) VALUES (1); END LOOP; END \$\$");
		push @bulk_floors, $bulk / (time - $began);
	}
	clean();
	sql('ALTER DATABASE postgres RESET workflow.enabled');
	sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'});
	report('start', 'start() from 8 clients, /s', \@one, \@floors);
	report('start', "$bulk by one query, /s", \@bulk, \@bulk_floors);
});

# transactions per second of so many clients
sub pgbench
{
	my ($seconds, $statement, $clients) = @_;
	my $script = "$json_file.sql";

	open(my $file, '>', $script) or die "$script: $!";
	print $file "$statement;\n";
	close($file);
	my @options = map { $_ eq '-d' ? () : $_ } @connection;
	my $answer = `$bin/pgbench -n -M prepared -c $clients -j 2 -T $seconds -f $script @options 2>/dev/null`;
	unlink $script;
	$answer =~ /tps = ([0-9.]+)/ or die "pgbench: $answer\n";
	return $1;
}

# what waits, and what has ended, costs the others nothing
workload(waiting => sub {
	my $rows = sized(1000000);
	my %latency;

	executors(8);
	foreach my $state ('empty', 'pending', 'completed', 'pruned')
	{
		if ($state eq 'empty')
		{
			clean();
		}
		elsif ($state eq 'pruned')
		{
			my $began = time;

			1 while sql("SELECT workflow.prune('0', max_executions => 50000)") > 0;
			report('waiting', 'pruned executions/s', [ $rows / (time - $began) ]);
			sql('VACUUM workflow.executions, workflow.step_executions');
		}
		else
		{
			clean();
			# as start() and an executor would write them, without the time that takes
			sql("INSERT INTO workflow.executions (definition_id, workflow, version, status, role, start_at, started_at, completed_at, input)
				SELECT d.id, d.name, d.version, '$state', 'postgres', CASE '$state' WHEN 'pending' THEN now() + interval '1 year' END,
					CASE '$state' WHEN 'completed' THEN now() END, CASE '$state' WHEN 'completed' THEN now() END, '{}'
				FROM workflow.definitions AS d, generate_series(1, $rows) WHERE d.name = 'one'");
			sql('VACUUM ANALYZE workflow.executions');
			sql('CHECKPOINT');
		}
		sql('TRUNCATE measured');
		my $began = worker_ticks();
		my $slept = time;
		sql('SELECT pg_sleep(5)');
		my $ticks = worker_ticks() - $began;
		sql("CALL latency('chain', 100)");
		my ($p50, undef, $p99) = percentiles();
		$latency{$state} = $p50;
		report('waiting', "$rows $state: latency p50, ms", [$p50], [ $latency{empty} ]);
		report('waiting', "$rows $state: idle CPU, %", [ $ticks / (time - $slept) ]);
	}
	clean();
});

# processor time of scheduler and executors, in hundredths of a second
sub worker_ticks
{
	my $ticks = 0;

	foreach my $pid (split /\n/, sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pg_workflow %'}))
	{
		open(my $stat, '<', "/proc/$pid/stat") or next;
		my @fields = split ' ', <$stat>;

		$ticks += $fields[13] + $fields[14];
	}
	return $ticks;
}

# private memory of scheduler and executors after many steps
workload(memory => sub {
	my $portion = sized(100000) / 10;

	executors(2);
	sql('ALTER SYSTEM SET workflow.executor_max_runs = 0');
	sql('SELECT pg_reload_conf()');
	engine('chain_relaxed', $portion, 10);
	my ($first, $contexts) = memory();
	engine('chain_relaxed', $portion, 10) for 1 .. 9;
	my ($last, $last_contexts) = memory();
	report('memory', 'private kB of all workers, ' . $portion * 10 . ' steps', [$first]);
	report('memory', 'the same, ' . $portion * 100 . ' steps', [$last], [$first]);
	report('memory', 'contexts of executors, bytes, ' . $portion * 100 . ' steps', [$last_contexts], [$contexts]);
	sql('ALTER SYSTEM RESET workflow.executor_max_runs');
	sql('SELECT pg_reload_conf()');
});

sub memory
{
	my $kilobytes = 0;

	foreach my $pid (split /\n/, sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pg_workflow %'}))
	{
		open(my $rollup, '<', "/proc/$pid/smaps_rollup") or next;
		while (my $line = <$rollup>)
		{
			$kilobytes += $1 if $line =~ /^Private_\w+:\s+(\d+) kB/;
		}
	}
	return ($kilobytes, sql('SELECT COALESCE(sum(memory_bytes), 0) FROM workflow.executors'));
}

# a plain queue: one-step executions, one commit each
workload(queue => sub {
	my $count = sized(50000);

	foreach my $size (8, 16)
	{
		executors($size);
		rounds('queue', "executions/s, $size executors",
			sub { bare_loop($size, $count) },
			sub { engine('one', $count, 1) });
	}
});

# the same with up to fifty in one commit, and without effects
workload(queue_batched => sub {
	my $count = sized(50000);

	foreach my $size (2, 8)
	{
		executors($size);
		rounds('queue_batched', "executions/s, $size executors",
			sub { bare_batches($size, $count) },
			sub { engine('one_batched', $count, 1) });
		rounds('queue_batched', "without effects, /s, $size executors",
			sub { bare_batches($size, $count) },
			sub { engine('one_noop', $count, 1, no_effects => 1) });
	}
	executors(8);
	rounds('queue_batched', 'chains of ten, steps/s, 8 executors',
		sub { bare_batches(8, $count) },
		sub { engine('chain_batched', $count / 10, 10) });
});

# What waits for an hour: a million executions, and a hundred thousand iterations of one loop.  The
# engine brings a tenth of the million there, the others are copies of their rows.
workload(parked => sub {
	my $count = sized(100000);
	my $copies = 9;
	my $many = $count * (1 + $copies);

	executors(8);
	sql('TRUNCATE broken');
	clean();
	restart_scheduler();
	my $ready = restart_scheduler();
	my $empty = scheduler_memory();

	sql('INSERT INTO broken DEFAULT VALUES');
	my $began = time;
	sql("SELECT count(workflow.start('parked')) FROM generate_series(1, $count)");
	poll("SELECT count(*) = $count FROM workflow.waits");
	report('parked', "executions that come to wait, /s", [ $count / (time - $began) ]);
	copy_rows('executions', 'id', $count, $copies);
	copy_rows('step_executions', 'execution_id', $count, $copies);
	copy_rows('waits', 'execution_id', $count, $copies);
	sql("SELECT setval('workflow.executions_id_seq', (SELECT max(id) FROM workflow.executions))");
	sql('VACUUM ANALYZE workflow.executions, workflow.step_executions, workflow.waits');
	idle_and_ready("$many executions", $empty, $ready);
	fires("of $many executions", 'SELECT execution_id, thread FROM workflow.waits ORDER BY execution_id LIMIT 1000');

	# woken by a session, beside plain starts
	my $some = sized(20000);
	my (@woken, @started);
	for (1 .. $rounds)
	{
		my ($first, $start) = (0, 0);

		$began = time;
		$first = sql("SELECT min(s) FROM (SELECT workflow.start('one') AS s FROM generate_series(1, $some) OFFSET 0) AS s");
		poll("SELECT count(*) = 0 FROM workflow.executions WHERE id >= $first AND status IN ('pending', 'running')");
		push @started, $some / (time - $began);
		sql('TRUNCATE broken');
		$began = time;
		sql("SELECT count(workflow.skip_step(id, 'a')) FROM (SELECT id FROM workflow.executions WHERE status = 'waiting' ORDER BY id LIMIT $some) AS e");
		poll("SELECT count(*) = 0 FROM workflow.executions WHERE status IN ('pending', 'running')");
		push @woken, $some / (time - $began);
	}
	report('parked', "woken by a session, of $many, /s; beside start()", \@woken, \@started);

	clean();
	restart_scheduler();
	$empty = scheduler_memory();
	sql('INSERT INTO broken DEFAULT VALUES');
	$began = time;
	sql("SELECT workflow.start('parked_loop', (SELECT jsonb_build_object('items', jsonb_agg(i)) FROM generate_series(1, $count) AS i))");
	poll("SELECT count(*) = $count FROM workflow.waits");
	report('parked', "iterations of one loop that come to wait, /s", [ $count / (time - $began) ]);
	poll(q{SELECT count(*) = 1 FROM workflow.executions WHERE status = 'waiting'});
	idle_and_ready("$count iterations", $empty, $ready);
	fires("of $count iterations", 'SELECT execution_id, thread FROM workflow.waits ORDER BY thread LIMIT 1000');
	sql('TRUNCATE broken');
	clean();
	restart_scheduler();
});

sub poll
{
	my ($query) = @_;

	sql("DO \$\$ BEGIN WHILE NOT ($query) LOOP COMMIT; PERFORM pg_sleep(0.02); END LOOP; END \$\$");
}

sub scheduler { return sql(q{SELECT pid FROM workflow.scheduler_state()}) }

sub scheduler_memory
{
	open(my $status, '<', '/proc/' . scheduler() . '/status') or die "no scheduler\n";
	my ($kilobytes) = join('', <$status>) =~ /^RssAnon:\s+(\d+)/m;
	return $kilobytes;
}

# Milliseconds from the end of one scheduler until the next one has run an execution.
sub restart_scheduler
{
	my $began = time;

	sql(q{SELECT pg_terminate_backend(pid, 10000) FROM workflow.scheduler_state()});
	sql(q{CALL workflow.run('one')});
	return (time - $began) * 1000;
}

# So many more of the rows of a table, under other numbers.
sub copy_rows
{
	my ($table, $id, $count, $copies) = @_;
	my $columns = sql("SELECT string_agg(CASE attname WHEN '$id' THEN 'r.$id + 10000000 * c' ELSE 'r.' || quote_ident(attname) END, ', ' ORDER BY attnum)
		FROM pg_attribute WHERE attrelid = 'workflow.$table'::regclass AND attnum > 0 AND NOT attisdropped");

	sql("INSERT INTO workflow.$table OVERRIDING SYSTEM VALUE SELECT $columns FROM (SELECT * FROM workflow.$table WHERE $id IN (SELECT execution_id FROM workflow.waits) AND $id < 10000000) AS r, generate_series(1, $copies) AS c");
}

# What they cost while nothing happens.
sub idle_and_ready
{
	my ($what, $empty, $ready) = @_;
	my (@ready, $ticks);

	push @ready, restart_scheduler() for 1 .. $rounds;
	report('parked', "scheduler, private kB, $what", [ scheduler_memory() ], [$empty]);
	report('parked', "restart to ready, ms, $what", \@ready, [ ($ready) x $rounds ]);
	$ticks = worker_ticks();
	sleep 10;
	report('parked', "processor time in 10 s, ms, $what", [ (worker_ticks() - $ticks) * 10 ]);
}

# A thousand fall due in one second: how late are they?
sub fires
{
	my ($what, $which) = @_;
	my (@p50, @p99, @most);

	for (1 .. $rounds)
	{
		sql("TRUNCATE due; INSERT INTO due SELECT execution_id, thread, clock_timestamp() + interval '3 s' + row_number() OVER () * interval '1 ms' FROM ($which) AS w");
		sql(q{UPDATE workflow.step_executions AS s SET retry_at = d.at FROM due AS d WHERE s.execution_id = d.execution_id AND s.scope = d.thread AND s.retry_at > now()});
		sql(q{UPDATE workflow.waits AS w SET until = d.at FROM due AS d WHERE w.execution_id = d.execution_id AND w.thread = d.thread});
		# the scheduler has not been told of that: the next one finds it
		restart_scheduler();
		poll(q{SELECT count(*) = 1000 FROM due AS d JOIN workflow.step_executions AS s ON s.execution_id = d.execution_id AND s.scope = d.thread AND s.started_at >= d.at});
		my @late = split /\|/, sql(q{SELECT percentile_cont('{0.5,0.99,1}'::float8[]) WITHIN GROUP (ORDER BY extract(epoch FROM s.started_at - d.at) * 1000)
			FROM due AS d JOIN workflow.step_executions AS s ON s.execution_id = d.execution_id AND s.scope = d.thread AND s.started_at >= d.at}) =~ s/[{}]//gr =~ s/,/|/gr;
		push @p50, $late[0];
		push @p99, $late[1];
		push @most, $late[2];
	}
	report('parked', "late, ms, p50, 1,000 in a second $what", \@p50);
	report('parked', "late, ms, p99, 1,000 in a second $what", \@p99);
	report('parked', "late, ms, most, 1,000 in a second $what", \@most);
}

# the views, read once a second by somebody who watches
workload(watched => sub {
	my $count = sized(10000);
	my %views = (
		'live views' => [ 'activity', 'executors', 'queue_depth', '(SELECT * FROM workflow.queue LIMIT 20)', 'engine_statistics' ],
		'metrics and alerts' => [ 'metrics', 'alerts' ]);

	executors(8);
	foreach my $name (sort keys %views)
	{
		# each row as text, so that each column is worked out
		my $query = 'SELECT ' . join(', ', map { '(SELECT count(v::text) FROM ' . (/^\(/ ? $_ : "workflow.$_") . ' AS v)' } @{ $views{$name} });

		rounds('watched', "steps/s, $name once a second",
			sub { engine('chain', $count, 10) },
			sub { watched($query, sub { engine('chain', $count, 10) }) });
	}
});

# Do something while a session repeats a query every second.
sub watched
{
	my ($query, $run) = @_;
	my $pid = open(my $session, '|-', "exec @psql >/dev/null") // die "psql: $!";

	$session->autoflush;
	print $session "$query \\watch 1\n";
	my $result = $run->();
	kill 'TERM', $pid;
	close($session);
	return $result;
}

# what a step costs, whatever the machine
workload(budget => sub {
	my $count = sized(1000);
	my $steps = $count * 10;
	my @columns = ('wal_records', 'wal_fpi', 'wal_bytes', 'wal_sync');

	# processes report late what they have done for the workload before, but when they leave
	executors(1);
	sql(q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'});
	engine('chain', 10, 10);
	clean();
	sql(q{SELECT pg_stat_reset_shared('wal'), pg_stat_reset()});
	my $before = sql('SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()');
	sql("SELECT count(workflow.start('chain')) FROM generate_series(1, $count)");
	sql(q{SELECT count(*) FROM (SELECT workflow.wait(id, '1 hour') FROM (SELECT id FROM workflow.executions ORDER BY id DESC) AS e OFFSET 0) AS w});
	# processes that leave report what they have done
	executors(1);
	sql(q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'});
	my @wal = split /\|/, sql('SELECT ' . join(', ', @columns) . ' FROM pg_stat_wal');
	report('budget', "$columns[$_] per step", [ $wal[$_] / $steps ]) foreach 0 .. $#columns;
	report('budget', 'commits per step', [ (sql('SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()') - $before) / $steps ]);
	foreach my $table ('executions', 'step_executions')
	{
		my ($dead, $updated, $hot, $buffers) = split /\|/, sql("SELECT n_dead_tup, n_tup_upd, n_tup_hot_upd,
			heap_blks_read + heap_blks_hit + COALESCE(idx_blks_read + idx_blks_hit, 0) + COALESCE(toast_blks_read + toast_blks_hit, 0)
			FROM pg_stat_user_tables JOIN pg_statio_user_tables USING (relid) WHERE relid = 'workflow.$table'::regclass");

		report('budget', "$table: dead tuples per step", [ $dead / $steps ]);
		report('budget', "$table: updates per step", [ $updated / $steps ]);
		report('budget', "$table: buffers touched per step", [ $buffers / $steps ]);
	}
});

# --- all of it ---

sub json
{
	my ($value) = @_;

	return '[' . join(', ', map { json($_) } @$value) . ']' if ref $value eq 'ARRAY';
	return '{' . join(', ', map { qq("$_": ) . json($value->{$_}) } sort keys %$value) . '}' if ref $value eq 'HASH';
	return $value if $value =~ /^-?[0-9.]+(e-?[0-9]+)?$/;
	return qq("$value");
}

$| = 1;
print '# settings: ', sql(q{SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name)
	FROM pg_settings WHERE source = 'configuration file' AND name ~ '^(fsync|synchronous|shared_buffers|max_wal|checkpoint_timeout|autovacuum|workflow)'}), "\n";
print "# $rounds rounds; median (least .. most); floor: bare one-row transactions before and after with as many sessions\n";
foreach my $name ($ENV{PGWF_BENCH} ? split(' ', $ENV{PGWF_BENCH}) : @order)
{
	my $run = $workloads{$name} or die "there is no workload \"$name\"; there are @order\n";

	$run->();
}
open(my $file, '>', $json_file) or die "$json_file: $!";
print $file json(\@results), "\n";
close($file);
print "# JSON in $json_file\n";

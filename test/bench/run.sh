#!/bin/sh
#
# run.sh
#	  Steps per second of the engine beside a bare loop of one-row transactions.
#
# NOTES
#	  Run by "make bench".  A private cluster with fsync and synchronous_commit
#	  on.  For each number of executors: the bare loop with as many sessions, the
#	  engine, the bare loop again; PGWF_BENCH_ROUNDS rounds (3).  The ratio is
#	  of the engine to the mean of the two loops around it, per round.
#
#	  Engine: PGWF_BENCH_EXECUTIONS (1000) executions of a chain of ten steps,
#	  each inserting one row, queued in one transaction; steps / (end of the last
#	  execution - start of the first), as the rows say.  The number of rows in
#	  the table is checked.  Loop: transactions / (last row - first row).
#
#	  It prints a table and writes JSON; it asserts no time.  It fails when an
#	  execution did not complete or rows are missing.

set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/common.sh"

rounds=${PGWF_BENCH_ROUNDS:-3}
executions=${PGWF_BENCH_EXECUTIONS:-1000}
sizes=${PGWF_BENCH_EXECUTORS:-1 2 4 8 16}
steps=$((executions * 10))
here=$root/test/bench

sql()
{
	cluster_psql bench postgres -At "$@" || die "the benchmark failed; server log: $scratch/bench/log/server.log"
}

# bare_loop SESSIONS: transactions per second
bare_loop()
{
	sql -c 'TRUNCATE effects; CHECKPOINT' >/dev/null
	session=0
	while [ $session -lt "$1" ]; do
		cluster_psql bench postgres -c "CALL bare_loop($((steps / $1)))" &
		session=$((session + 1))
	done
	wait
	sql <<'EOT'
SELECT round(count(*) / extract(epoch FROM max(written_at) - min(written_at))) FROM effects;
EOT
}

# engine EXECUTORS: steps per second
engine()
{
	sql -c 'TRUNCATE effects, workflow.executions, workflow.step_executions; CHECKPOINT' >/dev/null
	# one wait per execution would measure waiting: wait for the last queued, then for all
	sql -v n="$executions" >/dev/null <<'EOT'
SELECT count(workflow.start('chain')) FROM generate_series(1, :n);
SELECT count(*) FROM (SELECT workflow.wait(id, '10 minutes') FROM (SELECT id FROM workflow.executions ORDER BY id DESC) AS e OFFSET 0) AS w;
EOT
	problem=$(sql -v n="$executions" <<'EOT'
SELECT format('%s of %s executions completed, %s rows', completed, :n, effects)
FROM (SELECT count(*) FILTER (WHERE status = 'completed') AS completed FROM workflow.executions) AS e,
	(SELECT count(*) AS effects FROM effects) AS f
WHERE completed <> :n OR effects <> :n * 10;
EOT
	)
	[ -z "$problem" ] || die "engine with $1 executors: $problem"
	sql -v n="$executions" <<'EOT'
SELECT round(:n * 10 / extract(epoch FROM max(completed_at) - min(started_at))) FROM workflow.executions;
EOT
}

"$root/test/prepare.sh" || exit 1
PG_CONFIG=$(find_pg_config)
[ -n "$PG_CONFIG" ] || die "no pg_config with server headers"
build
largest=$(echo "$sizes" | tr ' ' '\n' | sort -n | tail -n 1)
cluster_start bench "${PGWF_PORT:-55433}" "fsync = on" "synchronous_commit = on" \
	"shared_buffers = 512MB" "max_wal_size = 8GB" "checkpoint_timeout = 1h" "autovacuum = off" \
	"max_connections = 100" "workflow.max_executors = $largest" \
	"workflow.max_executors_per_database = $largest"
trap 'cluster_stop bench' EXIT
trap 'exit 1' HUP INT TERM
sql -f "$here/setup.sql"

out=$scratch/bench/results
: >"$out"
echo "# $("$PG_CONFIG" --version); $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors"
echo "# fsync $(sql -c 'SHOW fsync'), synchronous_commit $(sql -c 'SHOW synchronous_commit'), wal_sync_method $(sql -c 'SHOW wal_sync_method'), data on $(df --output=fstype "$scratch" | tail -n 1)"
echo "# $executions executions of ten steps, one inserted row each; $rounds rounds, medians (least .. most)"
for size in $sizes; do
	sql -c "ALTER SYSTEM SET workflow.max_executors_per_database = $size" -c 'SELECT pg_reload_conf()' >/dev/null
	round=1
	while [ "$round" -le "$rounds" ]; do
		before=$(bare_loop "$size") || exit 1
		speed=$(engine "$size") || exit 1
		after=$(bare_loop "$size") || exit 1
		echo "$size $round $before $speed $after" >>"$out"
		round=$((round + 1))
	done
done

awk -v executions="$executions" '
	function sorted(list, n,    i, j, t)
	{
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && list[j - 1] > list[j]; j--)
			{ t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
	}
	function median(list, n) { return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2 }
	function finish(    i)
	{
		if (n == 0)
			return
		sorted(engine, n); sorted(ratio, n); sorted(loop, 2 * n)
		printf "%9d %9.0f (%6.0f .. %6.0f) %9.0f (%6.0f .. %6.0f) %7.2f (%.2f .. %.2f)\n", size,
			median(engine, n), engine[1], engine[n], median(loop, 2 * n), loop[1], loop[2 * n],
			median(ratio, n), ratio[1], ratio[n]
		json = json sprintf("%s{\"executors\": %d, \"engine\": [%.0f, %.0f, %.0f], \"loop\": [%.0f, %.0f, %.0f], \"ratio\": [%.3f, %.3f, %.3f]}",
			json == "" ? "" : ", ", size, engine[1], median(engine, n), engine[n],
			loop[1], median(loop, 2 * n), loop[2 * n], ratio[1], median(ratio, n), ratio[n])
	}
	BEGIN { printf "%9s %29s %29s %22s\n", "executors", "engine, steps/s", "bare loop, transactions/s", "ratio" }
	$1 != size { finish(); n = 0; size = $1 }
	{ n++; engine[n] = $4; loop[2 * n - 1] = $3; loop[2 * n] = $5; ratio[n] = $4 / (($3 + $5) / 2) }
	END {
		finish()
		printf "{\"workload\": \"chain\", \"executions\": %d, \"steps\": %d, \"figures\": \"least, median, most\", \"results\": [%s]}\n",
			executions, executions * 10, json
	}
' "$out"

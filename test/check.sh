#!/bin/sh
#
# check.sh
#	  Everything that tests: prepare, build, run, sum up.
#
# NOTES
#	  Run by "make check", which passes REGRESS and ISOLATION.  One line per test
#	  as it ends; what failed is shown at the end, with what was skipped and why; the
#	  last line but nothing is "N passed, N failed".  Exit code 1 when anything failed.
#
#	  PGWF_SUITES chooses suites (default: all): lint unit compile dist regress
#	  isolation docs browser modes tap.  PGWF_TESTS chooses TAP files by a shell pattern.
#	  PGWF_JOBS is the number of TAP files at once (default: processors).
#	  PGWF_SETTING is one more setting of the servers that run regress, isolation and modes.
#	  PGWF_COMPILE are the versions to compile against besides the one that is
#	  tested (default: 16 17 18).
#
#	  Three lanes run beside each other, each in a function check_LANE: "sources"
#	  (lint, unit, compile, dist), "sql" (regress, isolation, docs, browser, modes) and
#	  "tap".
#
#	  Unit tests, compile checks and lint run as the caller; everything with a
#	  server runs as the servers' user in a copy of the test inputs, because the
#	  tree may be unreadable for that user.  Each of regress and isolation has
#	  one database for all its tests, in the order of the Makefile.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/test/common.sh"

jobs=${PGWF_JOBS:-$(nproc)}
suites=${PGWF_SUITES:-lint unit compile dist regress isolation docs browser modes tap}
started=$(date +%s)

wanted()
{
	case " $suites " in
		*" $1 "*) return 0 ;;
	esac
	return 1
}

# passed N | failed N: counted in a file, since suites run in subshells
passed()
{
	echo "passed $1" >>"$results"
}

failed()
{
	echo "failed $1" >>"$results"
}

# skipped NAME REASON: said again at the end, since nobody reads the lines of what is well
skipped()
{
	echo "# skipped: $1: $2" >>"$skipping"
}

# failed_lines STATUS FILE GREP..: so many lines of a program's output are failures, one at least
# when it has failed or was ended
failed_lines()
{
	status=$1
	file=$2
	shift 2
	lines=$(grep -c "$@" "$file")
	[ "$lines" -gt 0 ] || [ "$status" -eq 0 ] || {
		lines=1
		show "$file"
	}
	failed "$lines"
}

# show FILE [LINES]: part of a log of a failed test, for the end
show()
{
	[ -s "$1" ] || return 0
	{
		echo
		echo "--- $1"
		tail -n "${2:-80}" "$1"
	} >>"$failures"
}

# beside FUNCTION ..: run them at the same time; what failed is shown in this order, and
# one that does not come to its end has failed
beside()
{
	running=
	for function; do
		(
			failures=$failures.$function
			: >"$failures"
			"$function"
			exit 0
		) &
		running="$running $!"
	done
	for process in $running; do
		wait "$process" || failed 1
	done
	for function; do
		cat "$failures.$function" >>"$failures"
	done
}

# One at a time in a scratch folder.
make_scratch
if [ -z "${PGWF_LOCKED:-}" ]; then
	PGWF_LOCKED=yes flock -n -E 75 -o "$scratch/check.lock" "$0" "$@"
	status=$?
	[ $status -ne 75 ] ||
		die "another make check runs in $scratch: wait for it, or set PGWF_SCRATCH to another folder"
	exit $status
fi

prepare
export PG_CONFIG
check=$scratch/check
cluster_stop check
rm -rf "${check:?}" "$scratch/check-out"
mkdir -p "$check" "$scratch/check-out"
out=$scratch/check-out
results=$out/results
failures=$out/failures
failing=$out/failing
skipping=$out/skipping
: >"$results"
: >"$failures"
: >"$failing"
: >"$skipping"

# What the tests of other people's programs need is installed while the library is built.
# Who cannot install it gets the suite without, and is told so.
prepare_parts()
{
	"$root/test/prepare.sh" parts >"$out/parts.log" 2>&1 || {
		cat "$out/parts.log"
		[ "$(id -u)" -ne 0 ] || failed 1
	}
}

if wanted dist || wanted tap && (cd "$root/test/t" && grep -q '^use PartsTest' ${PGWF_TESTS:-*.pl}); then
	prepare_parts &
	parts_pid=$!
fi

echo "# $("$PG_CONFIG" --version), $(nproc) processors, logs in $out"
build
echo "# built"

# tap_verdict NAME LOG STATUS SECONDS: a line, and the counts, of a TAP program
# that prove has run
tap_verdict()
{
	ok=$(grep -c '^ok ' "$2")
	not_ok=$(grep -c '^not ok ' "$2")
	skips=$(grep -c '^ok .*# skip' "$2")
	if [ "$3" -eq 0 ]; then
		note=
		if [ "$skips" -gt 0 ]; then
			note=", $skips skipped"
			sed -n "s|^ok .*# skip |# skipped: $1: |p" "$2" | sort -u >>"$skipping"
		fi
		if grep -q '^1\.\.0' "$2"; then
			lacks=$(sed -n 's/^1\.\.0 *# *SKIP *//p' "$2")
			note=", skipped: $lacks"
			skipped "$1" "$lacks"
		fi
		echo "ok $1 ($ok tests$note, $4 s)"
	else
		[ "$not_ok" -gt 0 ] || not_ok=1
		echo "not ok $1 ($ok passed, $not_ok failed, $4 s)"
		grep '^not ok ' "$2" | head -n 5 | sed "s|^|# failed: $1: |" >>"$failing"
		show "$2"
		failed "$not_ok"
	fi
	passed "$ok"
}

# --- lane "sources" ---

compile_checks()
{
	major=$(pg_major)
	others=$(echo ${PGWF_COMPILE-16 17 18} | tr ' ' '\n' | grep -vx "$major")
	for version in $major $others; do
		[ "$version" = "$major" ] || "$root/test/compat.sh" fetch "$version" 2>/dev/null
		nice "$root/test/compat.sh" compile "$version" >"$out/compile-$version.log" 2>&1
		case $? in
			0) passed 1 ;;
			77) skipped "compile for $version" "its headers cannot be had" ;;
			*)
				failed 1
				show "$out/compile-$version.log"
				;;
		esac
		head -n 1 "$out/compile-$version.log"
	done
}

dist_checks()
{
	mkdir -p "$out/dist"
	if ! lacks=$(git -C "$root" rev-parse --verify HEAD 2>&1 >/dev/null && pgxn --version 2>&1 >/dev/null); then
		echo "ok dist (skipped: $lacks)"
		skipped dist "$lacks"
		return
	fi
	bad=0
	nice "$root/test/dist/run.sh" "$out/dist" >"$out/dist.log" 2>&1 </dev/null || bad=1
	grep '^not ok' "$out/dist.log"
	good=$(grep -c '^ok' "$out/dist.log")
	[ $bad -eq 0 ] || bad=$(grep -c '^not ok' "$out/dist.log" | sed 's/^0$/1/')
	[ "$bad" -gt 0 ] && show "$out/dist.log" || echo "ok dist ($good checks)"
	passed "$good"
	failed "$bad"
}

check_sources()
{
	if wanted lint; then
		"$root/test/lint.sh" >"$out/lint.log"
		status=$?
		cat "$out/lint.log"
		passed "$(grep -c '^ok' "$out/lint.log")"
		failed_lines $status "$out/lint.log" '^not ok'
	fi
	if wanted unit; then
		begin=$(date +%s)
		"$root/test/unit/run.sh" "$out/unit" >"$out/unit.log" 2>&1 </dev/null
		tap_verdict "unit" "$out/unit.log" $? $(($(date +%s) - begin))
		begin=$(date +%s)
		"$root/test/fuzz/run.sh" -r "$out/fuzz" >"$out/fuzz.log" 2>&1 </dev/null
		tap_verdict "fuzz corpora" "$out/fuzz.log" $? $(($(date +%s) - begin))
	fi
	if wanted compile; then
		compile_checks
	fi
	if wanted dist; then
		dist_checks
	fi
}

# --- inputs for everything that runs as the servers' user ---
mkdir -p "$out/input"
cp -R "$root/sql" "$root/expected" "$root/test" "$root/docs" "$out/input/"
cp -R "$root/README.md" "$out/input/" 2>/dev/null
mkdir -p "$out/regress" "$out/isolation" "$out/tap"
[ "$(id -u)" -ne 0 ] || chown -R postgres "$out/input" "$out/regress" "$out/isolation" "$out/tap"
pgxs=$("$PG_CONFIG" --pgxs)
pgxs_src=${pgxs%/makefiles/pgxs.mk}

# --- lane "sql" ---

# regress_lines SUITE: pg_regress' lines of results in our form, as they come
# ("test x ... ok 12 ms" until 15, "ok 1 - x 12 ms" from 16 on)
regress_lines()
{
	# in the shell, since not every awk prints before its input ends
	set -f
	while IFS= read -r line; do
		# shellcheck disable=SC2086
		set -- "$1" $line
		case $line in
			"test "*" ... ok "*) verdict="ok $1/$3" ;;
			"test "*" ... "*) verdict="not ok $1/$3" ;;
			"ok "*" ms") verdict="ok $1/$5" ;;
			"not ok "*" ms") verdict="not ok $1/$6" ;;
			*) continue ;;
		esac
		time=${line% ms}
		echo "$verdict (${time##* } ms)"
	done
}

# regress SUITE PROGRAM INPUT TESTS: run a list with pg_regress or its isolation
# twin.  sql/install.sql is the first and creates the extension for the others.
regress()
{
	suite=$1
	program=$2
	input=$3
	tests=$4
	# shellcheck disable=SC2086
	as_server "$pgxs_src/$program" --bindir="$(cluster_bin "$cluster")" \
		--host="$scratch/$cluster/socket" --port="$(cluster_port "$cluster")" --user=postgres \
		--inputdir="$input" --outputdir="$out/$suite" \
		--dbname="pgwf_$suite" $tests 2>&1 </dev/null |
		tee "$out/$suite.log" | regress_lines "$suite" >"$out/$suite.lines.fifo"
}

run_regress()
{
	rm -f "$out/$1.lines.fifo"
	mkfifo "$out/$1.lines.fifo"
	tee "$out/$1.lines" <"$out/$1.lines.fifo" &
	tee_pid=$!
	regress "$@"
	wait $tee_pid
	good=$(grep -c '^ok' "$out/$1.lines")
	bad=$(grep -c '^not ok' "$out/$1.lines")
	asked=$(echo "$4" | tr ' ' '\n' | grep -c '^[^-]')
	if [ $((good + bad)) -lt "$asked" ]; then
		echo "not ok $1: only $((good + bad)) of $asked tests ran"
		show "$out/$1.log"
		bad=$((asked - good))
	fi
	passed "$good"
	failed "$bad"
	if [ "$bad" -gt 0 ]; then
		sed -n 's/^not ok/# failed:/p' "$out/$1.lines" >>"$failing"
		show "$out/$1.log" 20
		show "$out/$1/regression.diffs" 400
		show "$scratch/$cluster/log/server.log" 40
	fi
}

# check_cluster NAME [SETTING ..]: start a cluster for tests in SQL
check_cluster()
{
	cluster=$1
	shift
	cluster_start "$cluster" "${PGWF_PORT:-55431}" "workflow.max_executors = 8" "workflow.notify = on" \
		"shared_preload_libraries = 'pg_cron, pg_workflow'" "cron.use_background_workers = on" \
		${PGWF_SETTING:+"$PGWF_SETTING"} "$@"
}

# Modes are regress once more, without parallelism and with one executor.
# Not run again:
# - what no executor has a part in: definitions, rights, what start() writes;
# - what is about things that go on at the same time (children that meet, that are
#   cancelled, paused, held or timed out beside each other): with one after the
#   other another child is the one that runs, and the rest have not begun.
#   t/040_pool.pl, t/100_crash.pl and sql/modes.sql have these containers in all modes,
#   sql/stops.sql pauses, holds, drains and cancels in all.
not_in_modes="expression definitions agents start api_errors security
	parallel fork_join timeouts timeout_strategy cancel cancel_compensate
	pause retry_execution"
# timeline and views show two children that run, timers has two that wait beside each other
not_without_parallelism="$not_in_modes timeline views timers"
# schedules has a step that sleeps in the only executor, views two
not_with_one_executor="$not_in_modes schedules views"

# mode NAME SETTING "LEFT OUT": in a cluster of its own, everything of $REGRESS that is not left out
mode()
{
	cluster_stop "$1"
	check_cluster "$1" "$2"
	tests=
	for test in $REGRESS; do
		case " $(echo $3) " in
			*" $test "*) ;;
			*) tests="$tests $test" ;;
		esac
	done
	run_regress "$1" test/regress/pg_regress "$out/input" "$tests"
	cluster_stop "$1"
}

parallel_off()
{
	mode parallel_off "workflow.parallel = off" "$not_without_parallelism"
}

one_executor()
{
	mode one_executor "workflow.max_executors_per_database = 1" "$not_with_one_executor"
}

check_modes()
{
	mkdir -p "$out/parallel_off" "$out/one_executor"
	[ "$(id -u)" -ne 0 ] || chown postgres "$out/parallel_off" "$out/one_executor"
	beside parallel_off one_executor
}

check_sql()
{
	if wanted regress && [ -n "${REGRESS:-}" ]; then
		run_regress regress test/regress/pg_regress "$out/input" "$REGRESS"
	fi
	if wanted isolation && [ -n "${ISOLATION:-}" ]; then
		run_regress isolation test/isolation/pg_isolation_regress "$out/input/test" "--load-extension=pg_workflow $ISOLATION"
	fi
	if wanted docs; then
		"$root/test/docs/run.sh" check >"$out/docs.log" 2>&1 </dev/null
		status=$?
		cat "$out/docs.log"
		passed "$(grep -c '^ok' "$out/docs.log")"
		failed_lines $status "$out/docs.log" -v '^ok\|^ '
	fi
	if wanted browser; then
		mkdir -p "$out/browser"
		"$root/test/prepare.sh" browser >"$out/browser.log" 2>&1 &&
			"$root/test/browser/run.sh" check "$out/browser" >"$out/browser.log" 2>&1 </dev/null
		status=$?
		grep -E '^(not ok|skipped)' "$out/browser.log"
		sed -n 's/^skipped:\{0,1\} */# skipped: browser: /p' "$out/browser.log" >>"$skipping"
		good=$(grep -c '^ok' "$out/browser.log")
		bad=$(grep -c '^not ok' "$out/browser.log")
		if [ "$bad" -eq 0 ] && { [ "$good" -eq 0 ] || [ $status -ne 0 ]; }; then
			bad=1
		fi
		[ "$bad" -gt 0 ] && show "$out/browser.log" || echo "ok browser ($good checks)"
		passed "$good"
		failed "$bad"
	fi
	cluster_stop check
	if wanted modes && [ -n "${REGRESS:-}" ]; then
		check_modes
	fi
}

# --- lane "tap" ---

# installation NAME ..: make what a test needs besides ours.  Only exit code 77 says that it cannot be had.
installation()
{
	name=$1
	shift
	"$root/test/$name.sh" "$out/$name" "$@" >"$out/$name.log" 2>&1
	case $? in
		0 | 77) ;;
		*)
			echo "not ok test/$name.sh"
			show "$out/$name.log"
			failed 1
			;;
	esac
}

check_tap()
{
	wanted tap || return
	tests=$(cd "$out/input/test/t" && ls ${PGWF_TESTS:-*.pl})

	# t/084 is about the version before, and t/085 goes from an older server: each says why it
	# does not where that cannot be had
	case $tests in
		*084_released.pl*) installation released "${PREVIOUS_COMMIT:-}" ;;
	esac
	case $tests in
		*085_pg_upgrade.pl*) installation older ;;
	esac

	# one_tap FILE: run by xargs below, in a process of its own
	cat >"$out/one_tap.sh" <<'EOT'
name=$(basename "$1" .pl)
mkdir -p "$OUT/tap/$name"
begin=$(date +%s)
cd "$INPUT/test" || exit 1
TESTDIR="$OUT/tap/$name" TESTDATADIR="$OUT/tap/$name/data" TESTLOGDIR="$OUT/tap/$name/log" \
	prove -v --merge "t/$name.pl" >"$OUT/tap/$name.log" 2>&1 </dev/null
echo "$? $(($(date +%s) - begin))" >"$OUT/tap/$name.status"
echo "$name"
EOT
	# the same installation, with fault points in the library (src/shared/fault.h)
	make -s -j "$(nproc)" -C "$root" PG_CONFIG="$PG_CONFIG" faults ||
		die "make faults failed"
	cp -al "$scratch/check/install" "$out/faults" &&
		cp --remove-destination "$root/build/faults/pg_workflow.so" "$out/faults$("$PG_CONFIG" --pkglibdir)/" ||
		die "cannot make an installation with fault points"
	# clusters begin as copies of one: Cluster.pm does that from PostgreSQL 17 on, and before it
	# calls an initdb that does
	as_server "$(cluster_bin check)/initdb" -D "$out/tap/template" -A trust -N >"$out/initdb.log" 2>&1 ||
		die "initdb failed, see $out/initdb.log"
	mkdir "$out/bin"
	cat >"$out/bin/initdb" <<EOT
#!/bin/sh
[ "\$# \$1 \$3 \$4 \$5" != "5 -D -A trust -N" ] || exec cp -RPp "$out/tap/template" "\$2"
exec "$(cluster_bin check)/initdb" "\$@"
EOT
	chmod 755 "$out/bin/initdb"
	# a session in the background has to end within that time, on a slow machine too
	export_for_tap="PGWF_FAULTS=$out/faults PATH=$out/bin:$(cluster_bin check):$PATH OUT=$out INPUT=$out/input
		INITDB_TEMPLATE=$out/tap/template
		LC_ALL=C.UTF-8 LANG=C.UTF-8 PG_TEST_PORT_DIR=$out/tap/portlock
		PG_TEST_TIMEOUT_DEFAULT=${PG_TEST_TIMEOUT_DEFAULT:-900}
		PG_REGRESS=$pgxs_src/test/regress/pg_regress
		PERL5LIB=$pgxs_src/test/perl:$out/input/test/t"
	# shellcheck disable=SC2086
	echo "$tests" |
		as_server env $export_for_tap xargs -P "$jobs" -n 1 sh "$out/one_tap.sh" |
		while read -r name; do
			read -r status seconds <"$out/tap/$name.status"
			tap_verdict "t/$name" "$out/tap/$name.log" "$status" "$seconds"
			if [ "$status" -ne 0 ]; then
				find "$out/tap/$name" -path '*log*' -name '*.log' ! -name 'regress_log*' |
					while read -r log; do
						show "$log" 40
					done
			fi
		done
	# somebody has ended what ran them
	for test in $tests; do
		name=${test%.pl}
		[ -f "$out/tap/$name.status" ] || {
			echo "not ok t/$name (it was not run, or not to its end)"
			show "$out/tap/$name.log"
			failed 1
		}
	done
}

# a cluster has a copy of the installation, and so of what others have in it
[ -z "${parts_pid:-}" ] || wait "$parts_pid"
if wanted regress || wanted isolation || wanted docs || wanted browser || wanted tap; then
	check_cluster check
fi
beside check_sources check_sql check_tap

# --- the end ---
if [ -s "$failures" ]; then
	cat "$failures"
fi
good=$(awk '$1 == "passed" { n += $2 } END { print n + 0 }' "$results")
bad=$(awk '$1 == "failed" { n += $2 } END { print n + 0 }' "$results")
[ "$good" -gt 0 ] || bad=$((bad + 1))
echo
cat "$skipping" "$failing"
echo "# $(($(date +%s) - started)) seconds"
echo "$good passed, $bad failed"
[ "$bad" -eq 0 ]

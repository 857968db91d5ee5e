#!/bin/sh
#
# run.sh
#	  Runs the examples of README.md and docs/*.md and compares what they show
#	  with what they do; then looks for what is not documented.
#
# NOTES
#	  usage: run.sh CLUSTER [FILE ..]
#	  CLUSTER is the name of a running private cluster (cluster.sh, check.sh).
#	  One database per file.  PGWF_DOCS_UPDATE=1 writes what was seen into the
#	  files instead of complaining.  See examples.pl for what is compared.
#
#	  What the examples of a page have run to its end is run again by workers, one step
#	  after the other, and by execute(), and must come to the same: see modes.sql.
#
#	  One line per file, "ok" or "not ok", with what differs below it, and one for its
#	  modes; exit code 1 when anything does.

set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/common.sh"

[ $# -ge 1 ] || die "usage: run.sh CLUSTER [FILE ..]"
cluster=$1
shift
[ -d "$scratch/$cluster" ] || die "there is no cluster \"$cluster\""
[ $# -gt 0 ] || set -- "$root/README.md" "$root"/docs/*.md
work=$scratch/$cluster/docs
mkdir -p "$work"
broken=0

# docs/scheduling.md needs pg_cron, which check.sh has preloaded for the database postgres.
cluster_psql "$cluster" postgres -c 'CREATE EXTENSION IF NOT EXISTS pg_cron' >"$work/cron.log" 2>&1

# verdict NAME FILE-WITH-PROBLEMS NOTE
verdict()
{
	if [ -s "$2" ]; then
		echo "not ok $1"
		sed 's/^/    /' "$2"
		broken=1
	else
		echo "ok $1 ($3)"
	fi
}

for file; do
	page=$(basename "$file" .md)
	book=pgwf_docs_$(echo "$page" | tr -c 'A-Za-z0-9\n' '_' | tr 'A-Z' 'a-z')
	blocks=$(perl "$root/test/docs/examples.pl" script "$file" "$work/$page.sql") ||
		die "cannot read $file"
	[ "$blocks" -gt 0 ] || continue
	cluster_psql "$cluster" postgres -c "DROP DATABASE IF EXISTS $book" \
		-c "CREATE DATABASE $book" >"$work/$page.log" 2>&1 &&
		cluster_psql "$cluster" "$book" -c 'CREATE EXTENSION pg_workflow' >>"$work/$page.log" 2>&1 ||
		{ cat "$work/$page.log"; die "cannot prepare database $book"; }
	begin=$(date +%s%3N)
	(
		# for what is run in a shell
		PATH=$(cluster_bin "$cluster"):$PATH
		PGHOST=$scratch/$cluster/socket
		PGPORT=$(cluster_port "$cluster")
		PGUSER=postgres
		PGDATABASE=$book
		export PATH PGHOST PGPORT PGUSER PGDATABASE
		cd "$root" && cluster_psql "$cluster" "$book" -v ON_ERROR_STOP=0 -P pager=off
	) <"$work/$page.sql" >"$work/$page.out" 2>&1
	perl "$root/test/docs/examples.pl" compare "$file" "$work/$page.out" >"$work/$page.diff" 2>&1
	verdict "docs/$page" "$work/$page.diff" "$blocks examples, $(($(date +%s%3N) - begin)) ms"
	begin=$(date +%s%3N)
	cluster_psql "$cluster" "$book" -f "$root/test/docs/modes.sql" >"$work/$page.modes" 2>&1
	examples=$(sed -n 's/^# \([0-9]*\) examples$/\1/p' "$work/$page.modes")
	grep -v '^# [0-9]* examples$' "$work/$page.modes" >"$work/$page.diff"
	[ -n "$examples" ] || echo "the comparison came to no end" >>"$work/$page.diff"
	[ "$page" != definitions ] || [ "${examples:-0}" -ge 30 ] ||
		echo "only $examples examples were compared" >>"$work/$page.diff"
	[ "$examples" = 0 ] || verdict "docs/$page in three modes" "$work/$page.diff" \
		"$examples executions, $(($(date +%s%3N) - begin)) ms"
	cluster_psql "$cluster" postgres -c "DROP DATABASE $book" >"$work/$page.log" 2>&1
done

# --- what there is, and what the documentation says there is ---
cluster_psql "$cluster" postgres -c 'DROP DATABASE IF EXISTS pgwf_docs_catalog' \
	-c 'CREATE DATABASE pgwf_docs_catalog' >"$work/catalog.log" 2>&1 &&
	cluster_psql "$cluster" pgwf_docs_catalog -c 'CREATE EXTENSION pg_workflow' >>"$work/catalog.log" 2>&1 ||
	{ cat "$work/catalog.log"; die "cannot prepare database pgwf_docs_catalog"; }
cluster_psql "$cluster" pgwf_docs_catalog -At -f "$root/test/docs/catalog.sql" >"$work/catalog" 2>&1
perl "$root/test/docs/coverage.pl" "$root" "$work/catalog" >"$work/coverage.diff" 2>&1
"$root/test/docs/daily.sh" "$cluster" pgwf_docs_catalog >"$work/daily.diff" 2>&1
verdict "docs/daily.sql" "$work/daily.diff" "each macro as three roles"
verdict "docs/coverage" "$work/coverage.diff" "$(wc -l <"$work/catalog") objects"
cluster_psql "$cluster" postgres -c 'DROP DATABASE pgwf_docs_catalog' >"$work/catalog.log" 2>&1
exit $broken

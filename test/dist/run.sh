#!/bin/sh
#
# run.sh
#	  What PGXN gets: the zip of "make dist", its META.json, and whether pgxnclient
#	  installs and tests what is in it.
#
# NOTES
#	  usage: run.sh OUT
#	  OUT is a folder to write to.  Needs pgxnclient (prepare.sh parts) and a work tree
#	  of git, which an unpacked zip is not.  One line per check, "ok" or "not ok".
#
#	  pgxnclient builds what it installs, not optimised to save time, into the copy of
#	  an installation that has lost the extension before; it runs a few of the tests.

set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/common.sh"

[ $# -eq 1 ] || die "usage: run.sh OUT"
out=$1
broken=0
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$root/pg_workflow.control")
zip=$root/build/pg_workflow-$version.zip
unpacked=$out/unpacked/pg_workflow-$version
meta=$root/test/dist/meta.pl

# check NAME COMMAND ..: a line with its verdict
check()
{
	what=$1
	shift
	if "$@" >"$out/check.log" 2>&1 </dev/null; then
		echo "ok dist: $what"
	else
		echo "not ok dist: $what"
		sed 's/^/    /' "$out/check.log" | tail -n 20
		broken=1
	fi
}

# What is committed, and the scripts that are built, are in it.
complete()
{
	{
		git -C "$root" ls-tree -r --name-only HEAD
		(cd "$root" && ls pg_workflow--*.sql)
	} | sort >"$out/wanted.list"
	(cd "$unpacked" && find . -type f) | sed 's,^\./,,' | sort | diff "$out/wanted.list" -
}

# What is wrong with a META.json is found: each of these, planted.
planted()
{
	rm -rf "$out/planted"
	mkdir "$out/planted"
	cp -R "$unpacked" "$out/planted/"
	while read -r change; do
		sed "$change" "$unpacked/META.json" >"$out/planted/pg_workflow-$version/META.json"
		! cmp -s "$unpacked/META.json" "$out/planted/pg_workflow-$version/META.json" &&
			! perl "$meta" "$out/planted/pg_workflow-$version" || {
			echo "not found: $change"
			return 1
		}
	done <<EOC
s/"version": "$version"/"version": "1.1"/
/"abstract"/d
s/"name": "pg_workflow"/"name": "pg workflow"/
s,"https:[^"]*licence","none",
s/pg_workflow--$version.sql/pg_workflow.sql/
s/README.md/README.txt/
s/"stable"/"final"/
s/"15.0.0"/"15"/
s/"tags"/"labels"/
EOC
}

lost()
{
	find "$scratch/dist/install" -name 'pg_workflow*' | grep -q . || return 1
	find "$scratch/dist/install" -name 'pg_workflow*' -exec rm {} +
}

# pgxn COMMAND ..: with the server's pg_config, and without what our make has told its children
client()
{
	command=$1
	shift
	env -u MAKELEVEL COPT=-O0 DESTDIR="$scratch/dist/install" pgxn "$command" \
		--yes --make=make --pg_config="$PG_CONFIG" "$@" "$zip"
}

check "make dist" make -s -C "$root" PG_CONFIG="$PG_CONFIG" dist
rm -rf "$out/unpacked"
check "the zip can be unpacked" /usr/bin/python3 -m zipfile -e "$zip" "$out/unpacked"
check "it is complete" complete
check "META.json is as PGXN's specification wants it" perl "$meta" "$unpacked"
check "one that is not would be found" planted
check "a server" cluster_start dist "${PGWF_PORT:-55431}" "workflow.max_executors = 8" "workflow.notify = on" \
	"shared_preload_libraries = 'pg_cron, pg_workflow'" "cron.use_background_workers = on"
cluster_stop dist
check "which has lost the extension" lost
MAKEFLAGS=-j$(nproc)
export MAKEFLAGS
check "pgxn install" client install --nosudo
check "the server with what it has installed" cluster_run dist
MAKEFLAGS='REGRESS=install\ helpers\ sequence ISOLATION=start'
check "pgxn check" client check -h "$scratch/dist/socket" -p "$(cluster_port dist)" -U postgres
cluster_stop dist
exit $broken

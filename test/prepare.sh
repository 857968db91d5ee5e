#!/bin/sh
#
# prepare.sh
#	  Installs what building and testing need and is missing.
#
# NOTES
#	  usage: prepare.sh [fuzz | browser | parts | coverage | instrumented]	(also what
#	  the fuzzer, test/browser, the tests of other people's programs, coverage.sh or
#	  instrumented.sh need)
#	         prepare.sh roots			(what roots.sh needs, and nothing else)
#	  Quick when everything is there, and then needs neither root nor network.
#	  Uses apt; as an ordinary user it prints the command that root has to run
#	  and fails.
#
#	  It completes the PostgreSQL that PG_CONFIG names.  Without one it takes, in
#	  this order, a version that has everything, one with server and headers, one
#	  with a server, and the distribution's; of equals the newest, and only one
#	  whose missing packages can be had.
#
#	  No cluster is created, started or restarted: while packages are installed,
#	  a drop-in of createcluster.conf keeps Debian from making a "main" cluster
#	  and a policy-rc.d keeps its services still.  Both are removed afterwards.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/test/common.sh"

# What apt would install of a package; empty when it has none.
candidate_of()
{
	apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9]\)/\1/p'
}

# The packages that one of Debian's versions lacks.
lacking()
{
	if [ -x "/usr/lib/postgresql/$1/bin/pg_config" ]; then
		missing_files "/usr/lib/postgresql/$1/bin/pg_config" | cut -d ' ' -f 1 | sort -u
	else
		echo "postgresql-$1 postgresql-server-dev-$1 postgresql-$1-cron"
	fi
}

# The versions that may be completed, the best first.
majors()
{
	for major in $(debian_majors postgres); do
		[ ! -f "/usr/include/postgresql/$major/server/postgres.h" ] || echo "$major"
	done
	debian_majors postgres
	candidate_of postgresql | sed 's/[^0-9].*//'
}

# The version to complete, when none has everything: the first that can be.
major_to_complete()
{
	for major in $(majors); do
		[ "$major" -ge $oldest_major ] || continue
		for package in $(lacking "$major"); do
			[ -n "$(candidate_of "$package")" ] || continue 2
		done
		echo "$major"
		return
	done
	# apt will say what it does not have
	echo $oldest_major
}

# The packages to complete a PostgreSQL with; fails when packages are no help.
postgresql_packages()
{
	[ -z "$(find_pg_config)" ] || return 0
	if [ -z "${PG_CONFIG:-}" ]; then
		lacking "$(major_to_complete)"
		return
	fi
	programs=$("$PG_CONFIG" --bindir 2>/dev/null || dirname "$PG_CONFIG")
	major=$(echo "$programs" | sed -n 's,^/usr/lib/postgresql/\([0-9]*\)/bin$,\1,p')
	if [ "${major:-0}" -lt $oldest_major ]; then
		echo "PG_CONFIG is $PG_CONFIG, which does not lead to:" >&2
		missing_files "$PG_CONFIG" | sed 's/^[^ ]*/   /' >&2
		return 1
	fi
	lacking "$major"
}

# What tests of other people's programs need, and is missing: see test/t/18*.pl, test/dist.
parts_packages()
{
	command -v promtool >/dev/null || echo prometheus
	command -v prometheus-postgres-exporter >/dev/null || echo prometheus-postgres-exporter
	command -v pgbouncer >/dev/null || echo pgbouncer
	/usr/bin/python3 -c 'import psycopg' 2>/dev/null || echo python3-psycopg
	/usr/bin/python3 -c 'import psycopg2' 2>/dev/null || echo python3-psycopg2
	command -v java >/dev/null || echo default-jre-headless
	command -v ecj >/dev/null || echo ecj
	[ -e /usr/share/java/postgresql.jar ] || echo libpostgresql-jdbc-java
	# Debian's is for Debian's servers
	share=$("$(find_pg_config)" --sharedir 2>/dev/null)
	[ -e "$share/extension/pgtap.control" ] ||
		echo "$share" | sed -n 's,^/usr/share/postgresql/\([0-9]*\)$,postgresql-\1-pgtap,p'
	command -v pgxn >/dev/null || echo pgxnclient
	NODE_PATH=${NODE_PATH:-}:/usr/share/nodejs node -e 'require("pg")' 2>/dev/null || echo node-pg
}

can_be_installed()
{
	apt-get -s -q --no-install-recommends install "$@" >/dev/null 2>&1
}

# Without what cannot be installed here: its tests are skipped, and say what they lack.
leave_out_unavailable()
{
	# shellcheck disable=SC2086
	[ -n "$missing" ] && ! can_be_installed $missing || return 0
	wanted=$missing
	missing=
	for package in $wanted; do
		if can_be_installed "$package"; then
			missing="$missing $package"
		else
			echo "cannot be installed here: $package"
		fi
	done
}

# Everything that is missing, in $missing.
look()
{
	if [ "$1" = roots ]; then
		missing=
		for program in debootstrap git; do
			command -v $program >/dev/null || missing="$missing $program"
		done
		return
	fi
	missing=$(postgresql_packages) || exit 1
	pkg-config --exists libcjson 2>/dev/null || missing="$missing pkg-config libcjson-dev"
	echo 'int main(void) { return 0; }' | gcc -x c -o /dev/null - 2>/dev/null ||
		missing="$missing gcc libc6-dev"
	command -v nm >/dev/null || missing="$missing binutils"
	command -v prove >/dev/null && perl -MTest::More -MTime::HiRes -MJSON::PP -e 1 2>/dev/null ||
		missing="$missing perl"
	perl -MIPC::Run -e 1 2>/dev/null || missing="$missing libipc-run-perl"
	perl -MDBD::Pg -e 1 2>/dev/null || missing="$missing libdbd-pg-perl"
	if [ "$(id -u)" -eq 0 ]; then
		command -v runuser >/dev/null || missing="$missing util-linux"
		id postgres >/dev/null 2>&1 || missing="$missing postgresql-common"
	fi
	if [ "$1" = fuzz ] && ! echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return 0; }' |
		${CLANG:-clang} -x c -fsanitize=fuzzer -o /dev/null - 2>/dev/null; then
		missing="$missing clang libclang-rt-$(apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9]*\).*/\1/p' | head -n 1)-dev"
	fi
	if [ "$1" = instrumented ]; then
		command -v valgrind >/dev/null || missing="$missing valgrind"
		[ -e /usr/include/zlib.h ] || missing="$missing zlib1g-dev"
		command -v xml2-config >/dev/null || missing="$missing libxml2-dev"
		command -v bzip2 >/dev/null || missing="$missing bzip2"
	fi
	if [ "$1" = coverage ] && ! command -v lcov >/dev/null; then
		missing="$missing lcov"
	fi
	if [ "$1" = browser ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then
		missing="$missing chromium"
	fi
	[ "$1" != parts ] || missing="$missing $(parts_packages)"
	# shellcheck disable=SC2086
	missing=$(echo $missing)
}

purpose=${1:-}
look "$purpose"
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || die "Missing (Debian's names): $missing"

# A bare system has no package lists yet, and without them no versions to choose from.
if [ "$(id -u)" -eq 0 ] && [ -z "$(candidate_of postgresql)" ]; then
	apt-get -q update >/dev/null || die "apt-get update failed"
	look "$purpose"
fi
[ "$purpose" != parts ] || leave_out_unavailable
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "Packages are missing that only root can install.  Run as root:" >&2
	echo >&2
	echo "    apt-get update && apt-get install --no-install-recommends $missing" >&2
	echo >&2
	exit 1
fi

echo "installing: $missing"

drop_in=/etc/postgresql-common/createcluster.d/pg_workflow.conf
policy=/usr/sbin/policy-rc.d
made_policy=

restore()
{
	rm -f "$drop_in"
	[ -z "$made_policy" ] || rm -f "$policy"
}
trap restore EXIT
trap 'exit 1' HUP INT TERM

# not over one that is there
if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
	printf '#!/bin/sh\n# made by pg_workflow while it installs packages\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	made_policy=yes
fi

# Again with new lists when it fails.  Another apt, as of unattended upgrades, is waited for.
log=$(mktemp)
install_packages()
{
	for attempt in 1 2; do
		DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
			-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install "$@" >"$log" 2>&1 && return
		[ $attempt -eq 2 ] || apt-get -q update >>"$log" 2>&1 || break
	done
	cat "$log"
	die "apt-get failed"
}

# postgresql-common first: the drop-in goes into its folder
case $missing in
	*postgresql*)
		[ -d /etc/postgresql-common ] || install_packages postgresql-common
		mkdir -p "$(dirname "$drop_in")"
		echo "create_main_cluster = false" >"$drop_in"
		;;
esac
# shellcheck disable=SC2086
install_packages $missing
rm -f "$log"

look "$purpose"
[ "$purpose" != parts ] || leave_out_unavailable >/dev/null
[ -z "$missing" ] || die "installed, and yet not found: $missing"

#!/bin/sh
#
# prepare.sh
#	  Installs what building and testing need and is missing.
#
# NOTES
#	  usage: prepare.sh [fuzz | browser]	(also what the fuzzer, or test/browser, needs)
#	  Quick when everything is there.  Uses apt; as an ordinary user it prints
#	  the command that root has to run and fails.
#
#	  No cluster is created, started or restarted: while packages are installed,
#	  a drop-in of createcluster.conf keeps Debian from making a "main" cluster
#	  and a policy-rc.d keeps its services still.  Both are removed afterwards.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/test/common.sh"

missing=
need()
{
	missing="$missing $*"
}

# The version to use: what is installed, else the distribution's.
version=${PGWF_PG_VERSION:-}
PG_CONFIG=$(find_pg_config)
if [ -n "$PG_CONFIG" ]; then
	version=$(pg_major)
elif [ -z "$version" ]; then
	version=$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sed 's,.*postgresql/\([0-9]*\)/.*,\1,' | sort -n | tail -n 1)
fi

# A bare system has no package lists yet.
if [ -z "$version" ] && command -v apt-cache >/dev/null; then
	if [ "$(id -u)" -eq 0 ] && [ -z "$(apt-cache policy postgresql 2>/dev/null | sed -n 's/.*Candidate: *//p')" ]; then
		apt-get -q update >/dev/null || die "apt-get update failed"
	fi
	version=$(apt-cache policy postgresql | sed -n 's/.*Candidate: *\([0-9]*\).*/\1/p')
fi

[ -n "$PG_CONFIG" ] || need "postgresql-${version:-15}" "postgresql-server-dev-${version:-15}"
if [ -z "$PG_CONFIG" ] || [ ! -f "$("$PG_CONFIG" --sharedir)/extension/pg_cron.control" ]; then
	need "postgresql-${version:-15}-cron"
fi
pkg-config --exists libcjson 2>/dev/null || need pkg-config libcjson-dev
command -v gcc >/dev/null || need gcc libc6-dev
command -v nm >/dev/null || need binutils
command -v prove >/dev/null || need perl
perl -MIPC::Run -e 1 2>/dev/null || need libipc-run-perl
[ "$(id -u)" -ne 0 ] || command -v runuser >/dev/null || need util-linux

if [ "${1:-}" = fuzz ] && ! echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return 0; }' |
	${CLANG:-clang} -x c -fsanitize=fuzzer -o /dev/null - 2>/dev/null; then
	need clang "libclang-rt-$(apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9]*\).*/\1/p' | head -n 1)-dev"
fi

if [ "${1:-}" = browser ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then
	need chromium
fi

[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	die "Missing (Debian's names):$missing"
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "Packages are missing that only root can install.  Run as root:" >&2
	echo >&2
	echo "    apt-get update && apt-get install --no-install-recommends$missing" >&2
	echo >&2
	exit 1
fi

echo "installing:$missing"

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

log=$(mktemp)
install_packages()
{
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
		-o Dpkg::Use-Pty=0 install "$@" >"$log" 2>&1
}

# postgresql-common first: the drop-in goes into its folder
if ! install_packages postgresql-common; then
	apt-get -q update >"$log" 2>&1 && install_packages postgresql-common || {
		cat "$log"
		die "apt-get failed"
	}
fi
mkdir -p "$(dirname "$drop_in")"
echo "create_main_cluster = false" >"$drop_in"
# shellcheck disable=SC2086
install_packages $missing || {
	apt-get -q update >"$log" 2>&1 && install_packages $missing || {
		cat "$log"
		die "apt-get failed"
	}
}
rm -f "$log"

#!/bin/sh
#
# older.sh
#	  An installation of the oldest PostgreSQL that is supported, with this
#	  extension, on a machine with a newer one: what pg_upgrade begins with.
#
# NOTES
#	  usage: older.sh FOLDER
#	  The packages of the suite of Debian that has that version are fetched and
#	  checked by apt with a configuration of its own, and only unpacked:
#	  nothing is installed.  What libraries the server needs and this machine has
#	  no more are put beside it.  The installation is FOLDER/server, with its bin/
#	  and lib/; PostgreSQL::Test::Cluster takes it as install_path.
#
#	  Exit code 77, and a line that says why, when this machine's is the oldest,
#	  or no packages can be had.  All else is a failure.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/test/common.sh"

[ $# -eq 1 ] || {
	sed -n '8s/^#	  //p' "$0"
	exit 2
}
suite=bookworm
libraries="libicu72 libldap-2.5-0 libxml2 libssl3 libpq5"

skip()
{
	echo "$*"
	exit 77
}

# Without an archive, or a way to it.  Where its lists have come it does not have what this script says.
no_packages()
{
	tail -n 20 "$folder/apt.log"
	ls "$folder/apt/lists/"*_Packages* >/dev/null 2>&1 &&
		die "suite $suite does not have the packages of PostgreSQL $oldest_major"
	skip "the packages of PostgreSQL $oldest_major cannot be had"
}

prepare
[ "$(pg_major)" -gt $oldest_major ] || skip "PostgreSQL $oldest_major is the oldest there is"
folder=$1
rm -rf "${folder:?}"
mkdir -p "$folder"
# shellcheck disable=SC2086
apt_private "$folder/apt" $suite download postgresql-$oldest_major postgresql-client-$oldest_major \
	postgresql-server-dev-$oldest_major postgresql-$oldest_major-cron $libraries >"$folder/apt.log" 2>&1 ||
	no_packages
for package in "$folder/apt/cache/"*.deb; do
	dpkg-deb -x "$package" "$folder/root" || die "cannot unpack $package"
done
rm -rf "$folder/apt"
installation=$folder/root/usr/lib/postgresql/$oldest_major
ln -s "root/usr/lib/postgresql/$oldest_major" "$folder/server"

# What is not here under its name, and what that needs in turn.
LD_LIBRARY_PATH=$installation/lib
PG_CONFIG=$installation/bin/pg_config
export LD_LIBRARY_PATH PG_CONFIG
not_found()
{
	for program in "$installation/bin/"* "$installation/lib/pg_cron.so"; do
		ldd "$program" 2>/dev/null
	done | sed -n 's/^[[:space:]]*\([^ ]*\) => not found$/\1/p' | sort -u
}

while names=$(not_found) && [ -n "$names" ]; do
	for name in $names; do
		cp "$folder/root/usr/lib/"*"/$name" "$installation/lib/$name" ||
			die "$name is not here, and in none of the packages"
	done
done

mkdir -p "$folder/source/test"
cp -R "$root/Makefile" "$root/pg_workflow.control" "$root/META.json" "$root/src" "$folder/source/" &&
	cp "$root/test/common.sh" "$folder/source/test/" || die "cannot copy the sources"
find "$folder/source/src" -name '*.o' -delete
# the headers are of before C23, in which their "bool (*walker) ()" takes no arguments
make -s -j "$(nproc)" -C "$folder/source" with_llvm=no COPT=-std=gnu17 install >"$folder/make.log" 2>&1 || {
	tail -n 20 "$folder/make.log"
	die "cannot build for PostgreSQL $oldest_major"
}

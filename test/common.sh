# common.sh
#	  What the scripts in test/ share: where things are, who runs servers, how
#	  a private installation and a private cluster are made.
#
# NOTES
#	  Sourced by sh scripts, which set $root (the repository) before.
#
#	  Nothing here touches the system's PostgreSQL installation or one of its
#	  clusters.  PostgreSQL finds its files relative to its own executable, so a
#	  copy of the installation in a scratch folder plus "make install DESTDIR="
#	  is an installation with the extension in it, on every version and without
#	  root.  Each cluster has its own copy, socket directory and port.

scratch=${PGWF_SCRATCH:-/tmp/pg_workflow-$(id -u)}

# What the caller's shell has for other purposes is not for our servers: a mask, a
# language (a server translates by LANGUAGE whatever the locale), libpq's settings.
umask 022
LC_ALL=C.UTF-8
export LC_ALL
unset LANGUAGE CDPATH $(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p')

oldest_major=15

die()
{
	echo "$*" >&2
	exit 1
}

# missing_files PG_CONFIG [build]: what it does not lead to of what testing (or
# building alone) needs, as lines "PACKAGE FILE" with the Debian package that has
# the file; nothing when everything is there.  The files themselves are asked for: a
# pg_config comes with libpq-dev, and PGXS with the client, and neither means that
# there are headers or a server.
missing_files()
{
	major=$("$1" --version 2>/dev/null | sed -n '1s/^PostgreSQL \([0-9]*\).*/\1/p')
	if [ "${major:-0}" -lt $oldest_major ]; then
		echo "postgresql-$oldest_major PostgreSQL-$oldest_major-or-later"
		return
	fi
	pgxs=$("$1" --pgxs)
	{
		echo "postgresql-client-$major $pgxs"
		echo "postgresql-server-dev-$major $("$1" --includedir-server)/postgres.h"
		echo "postgresql-$major $("$1" --sharedir)/errcodes.txt"
		if [ "${2:-test}" = test ]; then
			bin=$("$1" --bindir)
			libraries=$("$1" --pkglibdir)
			for name in psql pg_isready pg_dump pg_restore pg_basebackup; do
				echo "postgresql-client-$major $bin/$name"
			done
			for name in regress/pg_regress isolation/pg_isolation_regress perl/PostgreSQL/Test/Cluster.pm; do
				echo "postgresql-client-$major ${pgxs%/makefiles/pgxs.mk}/test/$name"
			done
			for name in postgres initdb pg_ctl pg_upgrade; do
				echo "postgresql-$major $bin/$name"
			done
			echo "postgresql-$major-cron $libraries/pg_cron.so"
			echo "postgresql-$major-cron $("$1" --sharedir)/extension/pg_cron.control"
		fi
	} | while read -r package file; do
		[ -e "$file" ] || echo "$package $file"
	done
}

# Debian's versions that have a file below bin/, the newest first.
debian_majors()
{
	ls -d /usr/lib/postgresql/*/bin/"$1" 2>/dev/null | sed 's,.*/\([0-9]*\)/bin/.*,\1,' | sort -rn
}

# find_pg_config [build]: the one to test (or to build) with, empty when none has
# everything: the one that PG_CONFIG names, or else Debian's versions, the newest
# first, and last what the caller's path has.
find_pg_config()
{
	for candidate in ${PG_CONFIG:-$(debian_majors pg_config | sed 's,.*,/usr/lib/postgresql/&/bin/pg_config,') pg_config}; do
		if [ -z "$(missing_files "$candidate" "${1:-test}")" ]; then
			echo "$candidate"
			return
		fi
	done
}

# prepare [PURPOSE]: installs what is missing, and sets PG_CONFIG.
prepare()
{
	"$root/test/prepare.sh" "$@" || exit 1
	PG_CONFIG=$(find_pg_config)
}

# The archive that this machine's apt has its release from; empty without apt.
apt_mirror()
{
	release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	apt-get update --print-uris 2>/dev/null |
		sed -n "s,^'\(.*\)/dists/$release/InRelease'.*,\1,p" | head -n 1
}

# apt_private FOLDER SUITE download|source PACKAGE ..: packages of a suite of Debian, or their
# sources, as files in FOLDER/cache, from $PGWF_MIRROR or the archive of this machine's apt.  apt has lists, a cache and a
# configuration of its own for that; nothing is installed, and root is not needed.  A mirror that
# lags behind is good enough, so the age of its lists is not checked; their signatures are.
apt_private()
{
	apt_dir=$1
	mirror=${PGWF_MIRROR:-$(apt_mirror)}
	[ -n "$mirror" ] || return 1
	mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial" \
		"$apt_dir/etc/preferences.d" || return 1
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	kind=deb
	[ "$3" = download ] || kind=deb-src
	echo "$kind [signed-by=$keyring] $mirror $2 main" >"$apt_dir/sources.list"
	: >"$apt_dir/status"
	cat >"$apt_dir/apt.conf" <<EOT
Dir::State "$apt_dir";
Dir::State::lists "$apt_dir/lists";
Dir::State::status "$apt_dir/status";
Dir::Cache "$apt_dir/cache";
Dir::Etc::sourcelist "$apt_dir/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "$apt_dir/etc/preferences.d";
APT::Sandbox::User "";
APT::Get::List-Cleanup "false";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Retries "2";
Acquire::http::Timeout "20";
EOT
	shift 2
	APT_CONFIG=$apt_dir/apt.conf
	export APT_CONFIG
	apt-get -q update &&
		(cd "$apt_dir/cache" && rm -f ./*.deb && apt-get -q --download-only "$@")
	status=$?
	unset APT_CONFIG
	return $status
}

pg_major()
{
	"$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'
}

# Servers refuse root: run a command as the one that owns the clusters, in a
# folder that user can read.
as_server()
{
	if [ "$(id -u)" -eq 0 ]; then
		(cd "$scratch" && exec runuser -u postgres -- "$@")
	else
		"$@"
	fi
}

# A folder of ours under $scratch: ours to write, the servers' to read.
make_scratch()
{
	mkdir -p "$scratch" 2>/dev/null
	[ -O "$scratch" ] && [ ! -L "$scratch" ] ||
		die "$scratch belongs to somebody else: set PGWF_SCRATCH to another folder"
	chmod 755 "$scratch"
}

# A folder that belongs to the servers' user.
make_server_folder()
{
	mkdir -p "$1" && chmod "${2:-755}" "$1" || die "cannot create $1"
	if [ "$(id -u)" -eq 0 ]; then
		chown postgres "$1"
	fi
}

# make_installation FOLDER: copy PostgreSQL there and install the extension into
# the copy.  Needs a built tree and $PG_CONFIG.  FOLDER/bin leads to its programs,
# whatever $PG_CONFIG is when they are called.
make_installation()
{
	rm -rf "$1"
	for folder in $("$PG_CONFIG" --bindir --sharedir); do
		mkdir -p "$1$(dirname "$folder")"
		cp -R "$folder" "$1$folder" || die "cannot copy $folder"
	done
	libraries=$("$PG_CONFIG" --pkglibdir)
	mkdir -p "$1$libraries"
	find "$libraries" -maxdepth 1 -type f -exec cp {} "$1$libraries/" \;
	if [ "$("$PG_CONFIG" --libdir)" != "$libraries" ]; then
		mkdir -p "$1$("$PG_CONFIG" --libdir)"
	fi
	ln -s ".$("$PG_CONFIG" --bindir)" "$1/bin"
	make -s -C "$root" PG_CONFIG="$PG_CONFIG" DESTDIR="$1" install >/dev/null ||
		die "make install failed"
}

# Build the tree, quietly unless something is wrong.
build()
{
	mkdir -p "$root/build"
	make -s -j "$(nproc)" -C "$root" PG_CONFIG="$PG_CONFIG" >"$root/build/make.log" 2>&1 || {
		cat "$root/build/make.log"
		die "make failed"
	}
}

# --- clusters: everything of cluster NAME is under $scratch/NAME ---

cluster_bin()
{
	echo "$scratch/$1/install/bin"
}

cluster_port()
{
	cat "$scratch/$1/port"
}

# cluster_stop NAME: does nothing when it does not run
cluster_stop()
{
	[ -f "$scratch/$1/data/postmaster.pid" ] || return 0
	as_server "$(cluster_bin "$1")/pg_ctl" -D "$scratch/$1/data" -m fast -w -s stop ||
		as_server "$(cluster_bin "$1")/pg_ctl" -D "$scratch/$1/data" -m immediate -w -s stop
}

# cluster_start NAME PORT [SETTING ..]: a new cluster in place of the old one
cluster_start()
{
	name=$1
	port=$2
	shift 2
	make_scratch
	cluster_stop "$name"
	rm -rf "${scratch:?}/$name"
	mkdir -p "$scratch/$name"
	make_installation "$scratch/$name/install"
	make_server_folder "$scratch/$name/data" 700
	make_server_folder "$scratch/$name/socket" 700
	make_server_folder "$scratch/$name/log"
	echo "$port" >"$scratch/$name/port"
	as_server "$(cluster_bin "$name")/initdb" -D "$scratch/$name/data" -U postgres -A trust \
		-E UTF8 --locale=C.UTF-8 >"$scratch/$name/initdb.log" 2>&1 || {
		cat "$scratch/$name/initdb.log"
		die "initdb failed"
	}
	{
		echo "listen_addresses = ''"
		echo "port = $port"
		echo "unix_socket_directories = '$scratch/$name/socket'"
		echo "shared_preload_libraries = 'pg_workflow'"
		echo "max_worker_processes = 40"
		echo "log_line_prefix = '%m [%p] %b %q%d %u '"
		for setting; do
			echo "$setting"
		done
	} | as_server tee -a "$scratch/$name/data/postgresql.conf" >/dev/null
	cluster_run "$name"
}

# cluster_run NAME: start the server of an existing cluster
cluster_run()
{
	as_server "$(cluster_bin "$1")/pg_ctl" -D "$scratch/$1/data" -w -s \
		-l "$scratch/$1/log/server.log" start || {
		tail -n 30 "$scratch/$1/log/server.log"
		die "the server did not start"
	}
}

# cluster_psql NAME DATABASE [ARGUMENT ..]: as its superuser
cluster_psql()
{
	name=$1
	database=$2
	shift 2
	"$(cluster_bin "$name")/psql" -X -q -v ON_ERROR_STOP=1 -h "$scratch/$name/socket" \
		-p "$(cluster_port "$name")" -U postgres -d "$database" "$@"
}

#!/bin/sh
#
# roots.sh
#	  The first commands on machines that are not ours: "make demo" and .ci/run in
#	  roots that debootstrap makes.
#
# NOTES
#	  usage: roots.sh [-k] [-c COMMAND,..] [ROOT ..]
#	  Roots of Debian 12, all without -k removed afterwards:
#		bare		git and make
#		libpq		and libpq-dev: a pg_config without server or headers
#		server		and a server without headers, with its "main" cluster
#		two			and a server with headers beside a newer one without
#	  Commands, by default all:
#		demo		make demo and make demo-stop; in "two" also with the newer
#					server's pg_config
#		offline		the same without network, as an ordinary user
#		check		.ci/run; PGWF_SUITES, PGWF_TESTS and REGRESS are passed on
#	  What is committed is what is tested.  One line per root, "ok" or "not ok"; exit
#	  code 1 when one fails.  Logs and the first root, which the others are copies
#	  of, stay in $PGWF_SCRATCH/roots.  Needs root, debootstrap and a network.
#
#	  The shell in a root is that of somebody else: a locale that is not there,
#	  another language, another server in libpq's variables, a strict umask.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/test/common.sh"

suite=bookworm
newer_suite=trixie
major=15
newer_major=17
commands=demo,offline,check
keep=
while getopts c:k option; do
	case $option in
		c) commands=$OPTARG ;;
		k) keep=yes ;;
		*)
			sed -n '8,20s/^#	  //p' "$0"
			exit 2
			;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- bare libpq server two

[ "$(id -u)" -eq 0 ] || die "roots.sh makes roots: it has to run as root"
command -v debootstrap >/dev/null || die "roots.sh needs debootstrap"
mirror=$(apt_mirror)
[ -n "$mirror" ] || die "roots.sh takes packages from where this machine's apt does, and there is no apt"

make_scratch
roots=$scratch/roots
mkdir -p "$roots/archives/partial"

# in_root [-n] FOLDER COMMAND: in a root, with nothing of this machine but its
# kernel and, without -n, its network.  What is left running ends with it.
in_root()
{
	network=
	if [ "$1" = -n ]; then
		network=--net
		shift
	fi
	unshare --mount --pid --ipc $network --fork --kill-child sh -c '
		mount --make-rprivate / &&
		mount -t proc proc "$1/proc" &&
		mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm" &&
		mount --bind "$2" "$1/var/cache/apt/archives" &&
		exec chroot "$1" /usr/bin/env -i sh -c "$3"' sh "$1" "$roots/archives" "
			export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
			export HOME=/root LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 LANGUAGE=de
			export PGHOST=/nowhere PGPORT=1 PGUSER=nobody PGDATABASE=nothing PGOPTIONS=--nothing
			umask 077
			$passed_on
			$2" </dev/null
}

passed_on=
for name in PGWF_SUITES PGWF_TESTS REGRESS; do
	value=$(printenv $name) && passed_on="$passed_on export $name='$value';"
done

install_in()
{
	folder=$1
	shift
	in_root "$folder" "apt-get -q update && DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install $*"
}

# The root that all begin with.
make_base()
{
	[ ! -f "$roots/base/made" ] || return 0
	rm -rf --one-file-system "$roots/base"
	# what it mounts goes with it, also when it is interrupted
	unshare --mount debootstrap --variant=minbase --include=git,make,ca-certificates \
		$suite "$roots/base" "$mirror" &&
		# apt goes out as it does here, and nobody needs a root after a power cut
		apt-config dump Acquire::http Acquire::https >"$roots/base/etc/apt/apt.conf.d/90outside" &&
		echo force-unsafe-io >"$roots/base/etc/dpkg/dpkg.cfg.d/unsafe-io" &&
		touch "$roots/base/made"
}

# make_root NAME: with the packages that are there before we come
make_root()
{
	folder=$roots/$1
	rm -rf --one-file-system "$folder"
	cp -a "$roots/base" "$folder" || return 1
	printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
	chmod 755 "$folder/usr/sbin/policy-rc.d"
	case $1 in
		bare) ;;
		libpq) install_in "$folder" libpq-dev ;;
		server) install_in "$folder" postgresql-$major ;;
		two)
			install_in "$folder" postgresql-$major postgresql-server-dev-$major &&
				echo "deb $mirror $newer_suite main" >>"$folder/etc/apt/sources.list" &&
				install_in "$folder" postgresql-$newer_major libpq-dev
			;;
		*) die "there is no root \"$1\"" ;;
	esac || return 1
	rm "$folder/usr/sbin/policy-rc.d"
	(umask 077 && git clone -q "$root" "$folder/work") && in_root "$folder" "useradd -m somebody"
}

# What must be as before: clusters that are there, and how packages start theirs.
fingerprint()
{
	(cd "$roots/$1" && ls usr/sbin/policy-rc.d 2>/dev/null
	 find var/lib/postgresql etc/postgresql etc/postgresql-common/createcluster.d -type f \
		-printf '%p %s %T@\n' 2>/dev/null | sort)
}

demo="make demo && make demo-stop"

# command NAME COMMAND: run it; its standard output is the log
command_in()
{
	case $2 in
		demo)
			in_root "$roots/$1" "cd /work && $demo" || return 1
			[ "$1" != two ] ||
				in_root "$roots/$1" "cd /work && make PG_CONFIG=/usr/lib/postgresql/$newer_major/bin/pg_config demo && make demo-stop"
			;;
		offline)
			in_root "$roots/$1" "cp -R /work /home/somebody/work && chown -R somebody: /home/somebody" &&
				in_root -n "$roots/$1" "cd /home/somebody/work && runuser -u somebody -- sh -c '$demo'"
			;;
		check)
			in_root "$roots/$1" "cd /work && CI=true bash .ci/run"
			;;
		*) die "there is no command \"$2\"" ;;
	esac
}

# verdict NAME: everything in one root, and a line about it
verdict()
{
	name=$1
	log=$roots/$name.log
	make_root "$name" >"$log" 2>&1 || {
		echo "not ok $name: the root could not be made, see $log"
		return 1
	}
	before=$(fingerprint "$name")
	done=
	for command in $(echo "$commands" | tr ',' ' '); do
		begin=$(date +%s)
		command_in "$name" "$command" >"$log" 2>&1 || {
			mv "$log" "$roots/$name-$command.log"
			echo "not ok $name: ${done}$command failed, see $roots/$name-$command.log"
			return 1
		}
		done="$done$command $(sed -n 's/^\([0-9]* passed, [0-9]* failed\)$/\1 in /p' "$log")$(($(date +%s) - begin)) s, "
		mv "$log" "$roots/$name-$command.log"
	done
	after=$(fingerprint "$name")
	[ "$before" = "$after" ] || {
		echo "not ok $name: ${done}but clusters that are not ours, or how they start, changed"
		printf '%s\n--- after\n%s\n' "$before" "$after" | sed 's/^/    /'
		return 1
	}
	echo "ok $name: ${done%, }"
}

make_base >"$roots/base.log" 2>&1 || {
	tail -n 20 "$roots/base.log"
	die "debootstrap failed, see $roots/base.log"
}
broken=0
for name; do
	verdict "$name" || broken=1
	[ -n "$keep" ] || rm -rf --one-file-system "${roots:?}/$name"
done
exit $broken

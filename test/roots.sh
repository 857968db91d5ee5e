#!/bin/sh
#
# roots.sh
#	  The first commands on machines that are not ours: "make demo" and "make check"
#	  in roots that debootstrap makes.
#
# NOTES
#	  usage: roots.sh [-k] [-s] [-c COMMAND,..] [ROOT ..]
#	  Roots, all without -k removed afterwards:
#		15 17 18	git and make, in the suite of Debian that has this PostgreSQL
#		libpq		as 15, and libpq-dev: a pg_config without server or headers
#		server		as 15, and a server without headers, with its "main" cluster
#		two			as 15, and a server with headers beside a newer one without
#	  By default all but 17 and 18.  Commands, by default all:
#		demo		make demo and make demo-stop; in "two" also with the newer
#					server's pg_config
#		offline		the same without network, as an ordinary user
#		check		make check; PGWF_SUITES, PGWF_TESTS, PGWF_JOBS and REGRESS are
#					passed on
#	  What is committed is what is tested.  One line per root, "ok" or "not ok"; exit
#	  code 1 when one fails.  Logs and the first roots, which the others are copies
#	  of, stay in $PGWF_SCRATCH/roots.  Needs root and a network.
#
#	  -s is what "make check PG='15 17 18'" does: make demo in the first root, make
#	  check in each, side by side, since one alone leaves processors idle; their
#	  output is shown as it comes, with the root in front, and their sums are
#	  added up.  What is about the sources and not the server (lint, the
#	  pictures in a browser, compiling for versions that no root has) is checked in
#	  the first only.
#
#	  The shell in a root is that of somebody else: a locale that is not there,
#	  another language, another server in libpq's variables, a strict umask.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/test/common.sh"

major=15
newer_major=17
commands=demo,offline,check
keep=
summed=
while getopts c:ks option; do
	case $option in
		c) commands=$OPTARG ;;
		k) keep=yes ;;
		s) summed=yes ;;
		*)
			sed -n '8,25s/^#	  //p' "$0"
			exit 2
			;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- 15 libpq server two

# Which of Debian's suites has a version.
suite_of()
{
	case $1 in
		17) echo trixie ;;
		18) echo forky ;;
		15 | libpq | server | two) echo bookworm ;;
		16) die "no suite of Debian has PostgreSQL 16: test/compat.sh compiles for it" ;;
		*) die "there is no root \"$1\"" ;;
	esac
}

[ "$(id -u)" -eq 0 ] || die "roots.sh makes roots: it has to run as root"
for name; do
	suite_of "$name" >/dev/null
done
"$root/test/prepare.sh" roots || exit 1
mirror=$(apt_mirror)
[ -n "$mirror" ] || die "roots.sh takes packages from where this machine's apt does, and there is no apt"

make_scratch
roots=$scratch/roots
mkdir -p "$roots"

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
		exec chroot "$1" /usr/bin/env -i sh -c "$3"' sh "$1" "$archives" "
			export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
			export HOME=/root LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 LANGUAGE=de
			export PGHOST=/nowhere PGPORT=1 PGUSER=nobody PGDATABASE=nothing PGOPTIONS=--nothing
			umask 077
			$passed_on
			$checked
			$2" </dev/null
}

passed_on=
for name in PGWF_SUITES PGWF_TESTS PGWF_JOBS; do
	value=$(printenv $name) && passed_on="$passed_on export $name='$value';"
done
checked=
make_check="make check ${REGRESS:+REGRESS='$REGRESS'}"

install_in()
{
	folder=$1
	shift
	in_root "$folder" "apt-get -q update && DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install $*"
}

# make_base SUITE: the root that all of a suite begin with
make_base()
{
	base=$roots/base-$1
	[ ! -f "$base/made" ] || return 0
	rm -rf --one-file-system "$base"
	# a suite that is newer than debootstrap is made as the others are; what is
	# mounted meanwhile goes with it, also when it is interrupted
	script=/usr/share/debootstrap/scripts
	[ -e "$script/$1" ] && script=$script/$1 || script=$script/sid
	unshare --mount debootstrap --variant=minbase --include=git,make,ca-certificates \
		"$1" "$base" "$mirror" "$script" &&
		# apt goes out as it does here, and nobody needs a root after a power cut
		apt-config dump Acquire::http Acquire::https >"$base/etc/apt/apt.conf.d/90outside" &&
		# a mirror of a suite that moves may be behind
		echo 'Acquire::Check-Valid-Until "false";' >>"$base/etc/apt/apt.conf.d/90outside" &&
		echo force-unsafe-io >"$base/etc/dpkg/dpkg.cfg.d/unsafe-io" &&
		touch "$base/made"
}

# make_root NAME: with the packages that are there before we come
make_root()
{
	folder=$roots/$1
	suite=$(suite_of "$1")
	archives=$roots/archives-$suite
	mkdir -p "$archives/partial"
	rm -rf --one-file-system "$folder"
	cp -a "$roots/base-$suite" "$folder" || return 1
	printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
	chmod 755 "$folder/usr/sbin/policy-rc.d"
	case $1 in
		15 | 17 | 18) ;;
		libpq) install_in "$folder" libpq-dev ;;
		server) install_in "$folder" postgresql-$major ;;
		two)
			install_in "$folder" postgresql-$major postgresql-server-dev-$major &&
				echo "deb $mirror $(suite_of $newer_major) main" >>"$folder/etc/apt/sources.list" &&
				install_in "$folder" postgresql-$newer_major libpq-dev
			;;
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
			in_root "$roots/$1" "cd /work && $make_check"
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

# shown NAME COMMAND: run it and show its output; false when it fails
shown()
{
	log=$roots/$1-$2.log
	status=$roots/$1-$2.status
	{
		command_in "$1" "$2" 2>&1
		echo $? >"$status"
	} | tee "$log" | sed -u "s/^/$1: /"
	read -r code <"$status"
	rm -f "$status"
	return "$code"
}

# summed NAME: make check in one root, and in the first what needs one root only.  Writes
# lines as make check does for its sum, which are added up when all have ended.
summed()
{
	begin=$(date +%s)
	make_root "$1" >"$roots/$1.log" 2>&1 || {
		tail -n 20 "$roots/$1.log"
		echo "not ok $1: the root could not be made"
		echo "0 passed, 1 failed" >>"$roots/$1.sums"
		return
	}
	echo "$1: a root with git and make, made in $(($(date +%s) - begin)) s"
	before=$(fingerprint "$1")
	if [ "$1" = "$first" ]; then
		shown "$1" demo && echo "1 passed, 0 failed" >>"$roots/$1.sums" || {
			echo "not ok $1: make demo"
			echo "0 passed, 1 failed" >>"$roots/$1.sums"
		}
	fi
	shown "$1" check
	# one that came to no end has failed
	grep -x '[0-9]* passed, [0-9]* failed' "$roots/$1-check.log" >>"$roots/$1.sums" ||
		echo "0 passed, 1 failed" >>"$roots/$1.sums"
	[ "$before" = "$(fingerprint "$1")" ] || {
		echo "not ok $1: clusters that are not ours, or how they start, changed"
		echo "0 passed, 1 failed" >>"$roots/$1.sums"
	}
}

started=$(date +%s)
for suite in $(for name; do suite_of "$name"; done | sort -u); do
	make_base "$suite" >"$roots/base-$suite.log" 2>&1 || {
		tail -n 20 "$roots/base-$suite.log"
		die "debootstrap failed, see $roots/base-$suite.log"
	}
done

if [ -n "$summed" ]; then
	first=$1
	others=$(echo 16 17 18 | tr ' ' '\n' | grep -vxF "$(printf '%s\n' "$@")" | tr '\n' ' ')
	sums=
	for name; do
		if [ "$name" = "$first" ]; then
			checked="export PGWF_COMPILE='$others';"
		else
			checked="export PGWF_COMPILE='' PGWF_SUITES='${PGWF_SUITES:-unit compile regress isolation docs modes tap}';"
		fi
		: >"$roots/$name.sums"
		sums="$sums $roots/$name.sums"
		summed "$name" &
	done
	wait
	for name; do
		[ -s "$roots/$name.sums" ] || echo "0 passed, 1 failed" >"$roots/$name.sums"
	done
	echo
	# shellcheck disable=SC2086
	awk -v "seconds=$(($(date +%s) - started))" '
		{ good += $1; bad += $3 }
		END { print "# " seconds " seconds"; print good " passed, " bad " failed"; exit bad > 0 }' $sums
	status=$?
	for name; do
		[ -n "$keep" ] || rm -rf --one-file-system "${roots:?}/$name"
	done
	exit $status
fi

broken=0
for name; do
	verdict "$name" || broken=1
	[ -n "$keep" ] || rm -rf --one-file-system "${roots:?}/$name"
done
exit $broken

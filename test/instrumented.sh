#!/bin/sh
#
# instrumented.sh
#	  The suite with a server that looks harder: built from source for that, with
#	  assertions.
#
# NOTES
#	  usage: instrumented.sh sanitizers | valgrind | caches
#	  sanitizers	AddressSanitizer and UBSan in the server and in our library;
#				suites regress, isolation, modes and tap
#	  valgrind	every process of the server in valgrind, with the server's
#				suppressions; suites regress and isolation
#	  caches	debug_discard_caches = 1: whatever the server may forget it forgets at
#				once.  A start() takes a second then, so it is a short suite that waits
#				as long as that takes: t/006
#	  PGWF_SUITES, PGWF_TESTS and REGRESS choose as for check.sh, which it calls.
#	  Left out unless PGWF_TESTS names them are tests of other people's programs, and
#	  some that AddressSanitizer's own memory and preloading get in the way of (126,
#	  127, 155, 166).
#
#	  The source is what this machine's release of Debian has, without its patches: a
#	  patched one installs contrib modules where the packages have theirs.  It is
#	  built once and stays in $PGWF_SCRATCH/instrumented.  Needs a network.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/test/common.sh"

mode=${1:-}
case $mode in
	sanitizers)
		build=sanitizers
		flags="-Og -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
			-fno-sanitize=alignment"
		suites="regress isolation modes tap"
		;;
	valgrind)
		build=valgrind
		flags="-Og -g -DUSE_VALGRIND"
		suites="regress isolation"
		;;
	caches)
		build=valgrind
		flags="-Og -g -DUSE_VALGRIND"
		suites=tap
		PGWF_TESTS=${PGWF_TESTS:-006_everything_once.pl}
		PG_TEST_TIMEOUT_DEFAULT=3600
		export PG_TEST_TIMEOUT_DEFAULT
		;;
	*)
		sed -n '9,23s/^#	  //p' "$0"
		exit 2
		;;
esac

# memory that a process has when it ends is no leak of ours, and longjmp ends many functions
ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:log_path=stderr
UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS UBSAN_OPTIONS

prepare instrumented
make_scratch
major=$(pg_major)
folder=$scratch/instrumented
# extensions of a server whose path does not name it are in folders that do
built=$folder/pgsql-$build
mkdir -p "$folder"

build_server()
{
	release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	apt_private "$folder/apt" "$release" source "postgresql-$major" >"$folder/apt.log" 2>&1 || {
		tail -n 5 "$folder/apt.log"
		die "the source of PostgreSQL $major cannot be had"
	}
	rm -rf "$folder/source"
	mkdir "$folder/source"
	tar -x -j -f "$folder/apt/cache/"postgresql-*.orig.tar.bz2 -C "$folder/source" --strip-components 1 &&
		cd "$folder/source" || die "cannot unpack the source"
	# make makes the server's headers where it is not called by another make
	unset MAKELEVEL MAKEFLAGS MFLAGS
	(
		./configure --prefix="$built" --enable-cassert --enable-debug --enable-tap-tests --without-readline --with-libxml \
			--with-system-tzdata=/usr/share/zoneinfo CFLAGS="$(echo $flags)" &&
			for part in . src/test/regress src/test/isolation src/test/perl contrib/amcheck contrib/dblink \
				contrib/auto_explain contrib/passwordcheck; do
				make -s -j "$(nproc)" -C $part && make -s -C $part install || exit 1
			done
	) >"$folder/build-$build.log" 2>&1 || die "cannot build the server, see $folder/build-$build.log"
	cp "$("$PG_CONFIG" --pkglibdir)/pg_cron.so" "$built/lib/" &&
		cp "$("$PG_CONFIG" --sharedir)/extension/"pg_cron* "$built/share/extension/" || die "cannot copy pg_cron"
	if [ $build = valgrind ]; then
		mv "$built/bin/postgres" "$built/bin/postgres.server"
		cp "$folder/source/src/tools/valgrind.supp" "$built/"
	fi
	touch "$built/made"
}

# The server's programs call what is called postgres.
set_program()
{
	logs=$folder/valgrind
	rm -rf "$logs"
	make_server_folder "$logs"
	if [ "$mode" = valgrind ]; then
		cat >"$built/bin/postgres" <<EOT
#!/bin/sh
case "\$*" in
	*-V*|*--version*) exec "\${0%/*}/postgres.server" "\$@" ;;
esac
exec valgrind --quiet --suppressions="$built/valgrind.supp" --leak-check=no --gen-suppressions=all \\
	--trace-children=yes --error-markers=VALGRINDERROR-BEGIN,VALGRINDERROR-END --num-callers=30 \\
	--log-file="$logs/%p.log" "\${0%/*}/postgres.server" "\$@"
EOT
	elif [ "$build" = valgrind ]; then
		printf '#!/bin/sh\nexec "${0%%/*}/postgres.server" "$@"\n' >"$built/bin/postgres"
	else
		return
	fi
	chmod 755 "$built/bin/postgres"
}

[ -e "$built/made" ] || build_server
set_program
PG_CONFIG=$built/bin/pg_config
PGWF_SUITES=${PGWF_SUITES:-$suites}
PGWF_TESTS=${PGWF_TESTS:-$(cd "$root/test/t" && grep -L '^use PartsTest' ./*.pl | sed 's,^./,,' | grep -v '^126_\|^127_\|^155_\|^166_')}
PGWF_SETTING=
[ "$mode" != caches ] || PGWF_SETTING="debug_discard_caches = 1"
export PG_CONFIG PGWF_SUITES PGWF_TESTS PGWF_SETTING

make -s -C "$root" clean
"$root/test/check.sh" | tee "$folder/check.log"
make -s -C "$root" clean
tail -n 1 "$folder/check.log" | grep -q ' passed, 0 failed$'
status=$?
# what was found where no test has noticed
if grep -rlE "VALGRINDERROR-BEGIN|AddressSanitizer|runtime error:" "$logs" "$scratch/check/log" \
	"$scratch/parallel_off/log" "$scratch/one_executor/log" "$scratch/check-out/tap" 2>/dev/null |
	grep . ; then
	echo "these logs have findings"
	status=1
fi
exit $status

#!/bin/sh
#
# released.sh
#	  An installation of PostgreSQL with the version before this one, as it was
#	  released: its library and its scripts.
#
# NOTES
#	  usage: released.sh FOLDER COMMIT
#	  Sources come out of the repository's history; where that does not have the
#	  commit (a shallow clone, an unpacked archive) it says so with exit code 77.
#	  What is made is FOLDER/install; see make_installation in common.sh.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/test/common.sh"

[ $# -eq 2 ] || {
	sed -n '8s/^#	  //p' "$0"
	exit 2
}
git -C "$root" cat-file -e "$2^{commit}" 2>/dev/null || {
	echo "the history has no commit $2"
	exit 77
}
prepare
rm -rf "${1:?}"
mkdir -p "$1/source"
git -C "$root" archive "$2" | tar -x -C "$1/source" || die "cannot unpack $2"
root=$1/source
build
make_installation "$1/install"

#!/bin/sh
#
# run.sh
#	  What a browser makes of workflow.report() and timeline_svg(): nothing of a
#	  name or an error becomes more than text, and all of the text is there.
#
# NOTES
#	  usage: run.sh CLUSTER OUT
#	  CLUSTER is the name of a running private cluster, OUT a folder to write to.
#	  Needs Chromium (prepare.sh browser).  One line per check, "ok" or "not ok".
#	  The pages are loaded without a sandbox, which root may not have, and from
#	  files; nothing is fetched by them.
#
#	  The charts of diagram() are drawn by Mermaid: a release of it from npm's
#	  registry, known here by its sum, stays in the scratch folder.  Where it
#	  cannot be had, a line says "skipped", and why.

set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/common.sh"

[ $# -eq 2 ] || die "usage: run.sh CLUSTER OUT"
cluster=$1
out=$2
browser=$(command -v chromium chromium-browser google-chrome | head -n 1)
[ -n "$browser" ] || die "there is no Chromium"
broken=0
mermaid=10.9.3
package_of_mermaid=https://registry.npmjs.org/mermaid/-/mermaid-$mermaid.tgz
sum_of_mermaid=57cd17d62b1212f01ec082f7c619b3feb566736ec25658dcb1b5b193195625663fd6441ae1738006aa43976a902c62b3a4a9ba59b4df5042889819547c5600af

# check NAME CONDITION ..: a line with the verdict of a command
check()
{
	name=$1
	shift
	if "$@"; then
		echo "ok browser/$name"
	else
		echo "not ok browser/$name"
		broken=1
	fi
}

# Mermaid as $out/mermaid.min.js; else why not, in $out/mermaid.log.
fetch_mermaid()
{
	kept=$scratch/mermaid-$mermaid.min.js
	if [ ! -s "$kept" ]; then
		/usr/lib/apt/apt-helper download-file "$package_of_mermaid" "$out/mermaid.tgz" "SHA512:$sum_of_mermaid" \
			>"$out/mermaid.log" 2>&1 &&
			tar -xzf "$out/mermaid.tgz" -C "$out" package/dist/mermaid.min.js >>"$out/mermaid.log" 2>&1 &&
			mv "$out/package/dist/mermaid.min.js" "$kept" || return 1
	fi
	cp "$kept" "$out/mermaid.min.js"
}

# look PAGE [OPTION]: the document as the browser has it after loading, in PAGE.dom
look()
{
	timeout 600 "$browser" ${2:-} --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
		--user-data-dir="$out/profile" --dump-dom "file://$out/$1" >"$out/$1.dom" 2>"$out/$1.log"
}

has()
{
	grep -qF -- "$2" "$out/$1.dom"
}

lacks()
{
	! grep -qiE -- "$2" "$out/$1.dom"
}

# The SVGs are looked at as they are and inside the reports.  An element that a
# name or an error became would be in the document as one; text is escaped there.
no_elements()
{
	lacks "$1" '<(script|img|b|iframe|a|foreignobject|object|embed)[ />]' && lacks "$1" 'data-owned'
}

cluster_psql "$cluster" postgres -c 'DROP DATABASE IF EXISTS pgwf_browser' -c 'CREATE DATABASE pgwf_browser' >"$out/psql.log" 2>&1 &&
	cluster_psql "$cluster" pgwf_browser -v out="$out" -f "$root/test/browser/pictures.sql" \
		-f "$root/test/browser/charts.sql" >>"$out/psql.log" 2>&1 || {
	cat "$out/psql.log"
	echo "not ok browser/pictures: they could not be made"
	exit 1
}

for page in hostile.html overview.html paused.html hostile.svg waiting.html cancelled.svg empty.svg; do
	look "$page"
	check "$page loads" has "$page" '</svg>'
	check "$page has no element of others" no_elements "$page"
	check "$page is well-formed" lacks "$page" 'parsererror'
	check "$page fetches nothing" lacks "$page" '(src|href)="|url\('
done
for page in hostile.html hostile.svg; do
	check "$page shows the name" has "$page" '&lt;script&gt;document.body.dataset.owned = 1&lt;/script&gt;'
	check "$page shows the error" has "$page" '&lt;img src=x onerror='
	check "$page shows right-to-left text" has "$page" 'שלום'
	check "$page has no control characters" sh -c "! LC_ALL=C grep -qE '$(printf '[\001-\010\013-\037]')' '$out/$page.dom'"
	check "$page shows failed attempts" has "$page" 'stubborn (3 attempts'
	check "$page says what it leaves out" has "$page" ' more, '
	check "$page is not large" [ "$(wc -c <"$out/$page")" -lt 100000 ]
done
look widths.html
check "widths.html marks texts that are cut off" sh -c "grep -qE '<p style=\"width:300px\" data-marks=\"[1-9]' '$out/widths.html.dom'"
check "widths.html marks no others" has widths.html '<p style="width:100000px" data-marks="0">'
check "hostile.html forbids scripts" has hostile.html "default-src 'none'"
check "hostile.html shows the steps" has hostile.html '<details open=""><summary>Steps of execution'
check "hostile.html shows the facts" has hostile.html '<details open=""><summary>Facts about execution'
check "hostile.html says why" has hostile.html '-- mend the cause; then SELECT workflow.retry('
check "overview.html has a dead letter" has overview.html '<h2>Dead letters</h2>'
check "overview.html has the drill-down closed" has overview.html '<details><summary>Steps of execution'
check "paused.html lists what is paused" has paused.html '<h2>Paused executions</h2>'
check "paused.html shows why" has paused.html '&lt;script&gt;document.body.dataset.owned = 4'
check "waiting.html tells of the next attempt" has waiting.html 'next attempt at'
check "cancelled.svg says so" has cancelled.svg 'cancelled'
check "empty.svg says so" has empty.svg 'Nothing of it has run.'
# Mermaid's own words and signs are in labels only, as numbers
check "hostile.mmd has no sign of others" sh -c "! grep -qE -- '%%|<b>|<i>|\"end |]}' '$out/hostile.mmd'"
check "hostile.mmd shows the condition" grep -q '#34;end --#62; #93;#125;' "$out/hostile.mmd"
if fetch_mermaid; then
	cp "$root/test/browser/charts.js" "$out/"
	look charts.html --virtual-time-budget=600000
	check "charts.html draws all charts" grep -qE '^[1-9][0-9]* charts$' "$out/charts.html.dom"
	sed -n 's,^ok chart: ,ok browser/chart: ,p; s,^not ok chart: ,not ok browser/chart: ,p' "$out/charts.html.dom"
	! grep -q '^not ok chart' "$out/charts.html.dom" || broken=1
else
	echo "skipped browser/charts: Mermaid $mermaid cannot be fetched: $(grep -v '^W:' "$out/mermaid.log" | tail -n 1)"
fi
cluster_psql "$cluster" postgres -c 'DROP DATABASE pgwf_browser' >>"$out/psql.log" 2>&1
exit $broken

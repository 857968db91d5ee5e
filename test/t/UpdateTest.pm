# What the tests of updates share: the catalogs as they describe an installed extension,
# and servers whose library and scripts are exchanged.

package UpdateTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Basename 'dirname';
use File::Find;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(catalog_rows catalog_differences private_installation common_installation install_files);

# Each row of the catalogs that is about the extension, as object|what|value: nothing in
# it depends on when and in which order objects were made.
my $catalog_rows = q{
WITH members AS MATERIALIZED (
    SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS x ON x.oid = d.refobjid
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND x.extname = 'pg_workflow'),
-- members and what is part of them
relations AS MATERIALIZED (
    SELECT c.* FROM pg_class AS c
    WHERE c.oid IN (SELECT objid FROM members WHERE classid = 'pg_class'::regclass)
       OR c.oid IN (SELECT i.indexrelid FROM pg_index AS i JOIN members AS m ON m.objid = i.indrelid)),
everything AS MATERIALIZED (
    SELECT classid, objid FROM members
    UNION SELECT 'pg_class'::regclass, oid FROM relations
    UNION SELECT 'pg_policy'::regclass, p.oid FROM pg_policy AS p JOIN relations AS r ON r.oid = p.polrelid
    UNION SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger AS t JOIN relations AS r ON r.oid = t.tgrelid
    UNION SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef AS a JOIN relations AS r ON r.oid = a.adrelid
    UNION SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite AS w JOIN relations AS r ON r.oid = w.ev_class
    UNION SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint AS k
        WHERE k.conrelid IN (SELECT oid FROM relations)
           OR k.contypid IN (SELECT objid FROM members WHERE classid = 'pg_type'::regclass))
SELECT (pg_identify_object(classid, objid, 0)).identity, 'member', (pg_identify_object(classid, objid, 0)).type FROM members
UNION ALL
SELECT (pg_identify_object(classid, objid, 0)).identity, 'comment', obj_description(objid, classid::regclass::text)
FROM everything WHERE obj_description(objid, classid::regclass::text) IS NOT NULL
UNION ALL
SELECT p.oid::regprocedure::text, 'definition', CASE p.prokind WHEN 'a' THEN
    (SELECT row(a.aggfnoid::regprocedure, a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggtranstype::regtype, a.agginitval)::text
     FROM pg_aggregate AS a WHERE a.aggfnoid = p.oid) ELSE pg_get_functiondef(p.oid) END
FROM pg_proc AS p JOIN members AS m ON m.objid = p.oid
UNION ALL
SELECT p.oid::regprocedure::text, 'details', row(p.prosrc, p.probin, p.procost, p.prorows, p.provolatile, p.proisstrict, p.proleakproof,
    p.prosecdef, p.proparallel, p.proretset, p.prorettype::regtype, p.proconfig)::text
FROM pg_proc AS p JOIN members AS m ON m.objid = p.oid
UNION ALL
SELECT r.oid::regclass::text, 'details', row(r.relkind, r.reloptions, r.relreplident, r.relrowsecurity, r.relforcerowsecurity,
    r.relpersistence, r.relhasindex, r.reltablespace)::text FROM relations AS r
UNION ALL
SELECT r.oid::regclass::text, 'definition', pg_get_viewdef(r.oid) FROM relations AS r WHERE r.relkind = 'v'
UNION ALL
SELECT r.oid::regclass::text, 'definition', row(pg_get_indexdef(r.oid), i.indisvalid, i.indisreplident, i.indisclustered, i.indimmediate)::text
FROM relations AS r JOIN pg_index AS i ON i.indexrelid = r.oid
UNION ALL
SELECT r.oid::regclass::text, 'definition', row(s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle)::text
FROM relations AS r JOIN pg_sequence AS s ON s.seqrelid = r.oid
UNION ALL
SELECT r.oid::regclass || '.' || a.attname, 'column', row(row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum),
    format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage, a.attcompression,
    a.attcollation::regcollation, coalesce(a.attstattarget, -1),
    ARRAY(SELECT o FROM unnest(a.attoptions) AS o WHERE o LIKE 'n\_distinct%'),
    (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d WHERE (d.adrelid, d.adnum) = (a.attrelid, a.attnum)),
    (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(a.attacl) AS x), col_description(r.oid, a.attnum))::text
FROM relations AS r JOIN pg_attribute AS a ON a.attrelid = r.oid
WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT (pg_identify_object('pg_constraint'::regclass, k.oid, 0)).identity, 'constraint', row(k.contype, pg_get_constraintdef(k.oid), k.convalidated)::text
FROM pg_constraint AS k JOIN everything AS e ON (e.classid, e.objid) = ('pg_constraint'::regclass, k.oid)
UNION ALL
SELECT (pg_identify_object('pg_trigger'::regclass, t.oid, 0)).identity, 'trigger', pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
FROM pg_trigger AS t JOIN relations AS r ON r.oid = t.tgrelid
UNION ALL
SELECT (pg_identify_object('pg_policy'::regclass, p.oid, 0)).identity, 'policy', row(p.polcmd, p.polpermissive, p.polroles::regrole[],
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))::text
FROM pg_policy AS p JOIN relations AS r ON r.oid = p.polrelid
UNION ALL
SELECT t.oid::regtype::text, 'type', row(t.typlen, t.typtype, t.typcategory, t.typalign, t.typstorage, t.typbasetype::regtype, t.typnotnull,
    t.typdefault, t.typcollation::regcollation, t.typinput::regproc, t.typoutput::regproc, t.typreceive::regproc, t.typsend::regproc)::text
FROM pg_type AS t JOIN members AS m ON m.objid = t.oid AND m.classid = 'pg_type'::regclass
UNION ALL
SELECT (pg_identify_object('pg_cast'::regclass, c.oid, 0)).identity, 'cast', row(c.castfunc::regprocedure, c.castcontext, c.castmethod)::text
FROM pg_cast AS c JOIN members AS m ON m.objid = c.oid
UNION ALL
SELECT o.oid::regoperator::text, 'operator', row(o.oprcode, o.oprcom::regoperator, o.oprnegate::regoperator, o.oprcanmerge, o.oprcanhash,
    o.oprrest, o.oprjoin)::text
FROM pg_operator AS o JOIN members AS m ON m.objid = o.oid
UNION ALL
SELECT (pg_identify_object('pg_opclass'::regclass, o.oid, 0)).identity, 'operator class', row(o.opcdefault, o.opcintype::regtype, o.opcfamily =
    (SELECT f.oid FROM pg_opfamily AS f WHERE (f.opfname, f.opfmethod) = (o.opcname, o.opcmethod)))::text
FROM pg_opclass AS o JOIN members AS m ON m.objid = o.oid
UNION ALL
SELECT (pg_identify_object(e.classid, e.objid, 0)).identity, 'rights', (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(
    CASE e.classid WHEN 'pg_proc'::regclass THEN (SELECT proacl FROM pg_proc WHERE oid = e.objid)
                   WHEN 'pg_class'::regclass THEN (SELECT relacl FROM pg_class WHERE oid = e.objid)
                   WHEN 'pg_type'::regclass THEN (SELECT typacl FROM pg_type WHERE oid = e.objid)
                   WHEN 'pg_namespace'::regclass THEN (SELECT nspacl FROM pg_namespace WHERE oid = e.objid) END) AS x)
FROM everything AS e
UNION ALL
SELECT (pg_identify_object(i.classoid, i.objoid, i.objsubid)).identity, 'rights as dumped',
    i.privtype::text || ' ' || (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(i.initprivs) AS x)
FROM pg_init_privs AS i JOIN everything AS e ON (e.classid, e.objid) = (i.classoid, i.objoid)
UNION ALL
SELECT t.id::regclass::text, 'dumped', t.condition
FROM pg_extension AS x, unnest(x.extconfig, x.extcondition) AS t (id, condition) WHERE x.extname = 'pg_workflow'
UNION ALL
SELECT 'extension', 'details', row(x.extrelocatable, x.extnamespace::regnamespace)::text FROM pg_extension AS x WHERE x.extname = 'pg_workflow'
UNION ALL
-- numbers of rules are not the same, nor are those of columns where some were dropped
SELECT DISTINCT (pg_identify_object(d.classid, d.objid, d.objsubid)).identity, 'depends on',
    d.deptype::text || ' ' || (pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid)).identity
FROM pg_depend AS d JOIN everything AS e ON (e.classid, e.objid) = (d.classid, d.objid)
};

# The rows, without those that say which version it is; as they would be after a change.
sub catalog_rows
{
	my ($node, $database, $change) = @_;
	my $rows = $node->safe_psql($database, 'BEGIN; ' . ($change // '') . qq{;
		SET LOCAL search_path = pg_catalog;
		SELECT r.identity || '|' || r.what || '|' || replace(coalesce(r.value, ''), E'\\n', ' ')
		FROM ($catalog_rows) AS r (identity, what, value);
		ROLLBACK});
	my @rows = sort split /\n/, $rows;

	die "only " . @rows . " rows" if @rows < 1000;
	return @rows;
}

# What is in the one list and not in the other, "-" and "+" before it.
sub catalog_differences
{
	my ($is, $should) = @_;
	my %is = map { $_ => 1 } @$is;
	my %should = map { $_ => 1 } @$should;

	return join "\n", (map { "- $_" } grep { !$is{$_} } @$should), (map { "+ $_" } grep { !$should{$_} } @$is);
}

# An installation of this test's own, for its clusters, whose scripts and library it may
# exchange: the folders they are in.  A copy of the one that all tests have, or another.
sub private_installation
{
	my ($model) = @_;
	my $own = PostgreSQL::Test::Utils::tempdir() . '/install';

	PostgreSQL::Test::Utils::system_or_bail('cp', '-R', $model // common_installation(), $own);
	$ENV{PATH} = "$own/bin:$ENV{PATH}";
	return folders($own);
}

# The one that all tests have.
sub common_installation
{
	$ENV{PATH} =~ m{([^:]+/check/install)/bin:} or die 'no installation in PATH';
	return $1;
}

# Where an installation has the extension's scripts, and its library.
sub folders
{
	my ($installation) = @_;
	my %folder;

	find(sub { $folder{$1} = $File::Find::dir if /^pg_workflow\.(control|so)$/ }, $installation);
	return @folder{qw(control so)};
}

# Install the extension's files of one installation in folders of another, as "make install"
# does: who has loaded the library keeps what was there.
sub install_files
{
	my ($from, @to) = @_;
	my ($scripts, $library) = folders($from);

	PostgreSQL::Test::Utils::system_or_bail('cp', '--remove-destination', glob("$scripts/pg_workflow*"), $to[0]);
	PostgreSQL::Test::Utils::system_or_bail('cp', '--remove-destination', "$library/pg_workflow.so", $to[1]);
	return;
}

1;

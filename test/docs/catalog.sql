--
-- catalog.sql
--	  What the documentation must name, one line per object: kind, name, detail.
--
-- NOTES
--	  Run by run.sh in a database with the extension, unaligned, tuples only, on a
--	  cluster that has the defaults of all settings of ours.
--
SET search_path = pg_catalog;

-- some are set for tests
SELECT 'setting', name, CASE source WHEN 'default' THEN current_setting(name) ELSE boot_val END, context
FROM pg_settings WHERE name LIKE 'workflow.%' ORDER BY name;

-- what types are made of: nobody calls it by name
CREATE TEMPORARY VIEW part_of_type AS
SELECT p.oid, p.proname FROM pg_proc AS p
WHERE p.pronamespace = 'workflow'::regnamespace
  AND (EXISTS (SELECT FROM pg_type AS t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
       OR EXISTS (SELECT FROM pg_operator AS o WHERE o.oprcode = p.oid)
       OR EXISTS (SELECT FROM pg_amproc AS a WHERE a.amproc = p.oid)
       OR EXISTS (SELECT FROM pg_cast AS c WHERE c.castfunc = p.oid));

-- as a reader wants them: no casts in defaults, no IN, short names of types
SELECT 'routine', p.proname,
       format('workflow.%s(%s)', p.proname,
              replace(regexp_replace(pg_get_function_arguments(p.oid),
                                     '::[a-z ]+(?=,|$)|\mIN ', '', 'g'),
                      'timestamp with time zone', 'timestamptz'))
FROM pg_proc AS p
WHERE p.pronamespace = 'workflow'::regnamespace AND p.prorettype <> 'trigger'::regtype
  AND p.proname <> 'extension_ready' AND p.oid NOT IN (SELECT t.oid FROM part_of_type AS t)
ORDER BY p.proname;

SELECT 'relation', c.relname, string_agg(a.attname, ' ' ORDER BY a.attnum)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'v')
  AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY c.relname ORDER BY c.relname;

SELECT 'internal', proname FROM pg_proc
WHERE pronamespace = 'workflow'::regnamespace
  AND (prorettype = 'trigger'::regtype OR proname = 'extension_ready')
UNION ALL
SELECT 'internal', proname FROM part_of_type
UNION ALL
SELECT 'internal', typname FROM pg_type
WHERE typnamespace = 'workflow'::regnamespace AND (typtype = 'd' OR typtype = 'b' AND typcategory <> 'A')
ORDER BY 2;

SELECT 'check', check_name, area FROM workflow.verify_checks();

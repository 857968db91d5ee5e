/*
 * The type of columns that name a role: its identity, and its name beside it.
 *
 * Such a column is dumped and restored by name.  Where the role does not exist the row
 * is kept, and belongs to nobody; see src/api/role_type.c.
 */

CREATE TYPE workflow.role;

CREATE FUNCTION workflow.role_in(cstring) RETURNS workflow.role
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_in';
COMMENT ON FUNCTION workflow.role_in(cstring) IS
'of the type workflow.role, input: by name, quoted where it has to be; with (missing) behind it, a '
'role that does not exist; (missing 16384): that was dropped, and had this number';

CREATE FUNCTION workflow.role_out(workflow.role) RETURNS cstring
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_out';
COMMENT ON FUNCTION workflow.role_out(workflow.role) IS
'of the type workflow.role, output: the name of now; of one that does not exist that of then, with '
'(missing), and the number that it had';

CREATE FUNCTION workflow.role_recv(internal) RETURNS workflow.role
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_recv';
COMMENT ON FUNCTION workflow.role_recv(internal) IS 'of the type workflow.role, binary input: text';

CREATE FUNCTION workflow.role_send(workflow.role) RETURNS bytea
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_send';
COMMENT ON FUNCTION workflow.role_send(workflow.role) IS
'of the type workflow.role, binary output: text';

CREATE TYPE workflow.role (
    INPUT = workflow.role_in, OUTPUT = workflow.role_out,
    RECEIVE = workflow.role_recv, SEND = workflow.role_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = main);
COMMENT ON TYPE workflow.role IS
'a role, read and written by name; one that does not exist, since it was dropped or since the rows '
'were restored without it, is written as name (missing) and has no rights. Converts to oid by '
'itself';

/* --- casts --- */

CREATE FUNCTION workflow.role_oid(workflow.role) RETURNS oid
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_oid';
COMMENT ON FUNCTION workflow.role_oid(workflow.role) IS
'cast: OID of a role, also of one that has been dropped; 1, which no role has, when only the name '
'is known';

CREATE FUNCTION workflow.role_regrole(workflow.role) RETURNS regrole
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_oid';
COMMENT ON FUNCTION workflow.role_regrole(workflow.role) IS 'cast: as role_oid()';

CREATE FUNCTION workflow.role_of(oid) RETURNS workflow.role
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_from_oid';
COMMENT ON FUNCTION workflow.role_of(oid) IS 'cast: the role with this OID, and its name of now';

CREATE FUNCTION workflow.role_of(regrole) RETURNS workflow.role
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_from_oid';
COMMENT ON FUNCTION workflow.role_of(regrole) IS 'cast: the role, and its name of now';

CREATE CAST (workflow.role AS oid) WITH FUNCTION workflow.role_oid(workflow.role) AS IMPLICIT;
CREATE CAST (workflow.role AS regrole) WITH FUNCTION workflow.role_regrole(workflow.role) AS ASSIGNMENT;
CREATE CAST (oid AS workflow.role) WITH FUNCTION workflow.role_of(oid) AS ASSIGNMENT;
CREATE CAST (regrole AS workflow.role) WITH FUNCTION workflow.role_of(regrole) AS IMPLICIT;
COMMENT ON CAST (workflow.role AS oid) IS 'the identity of the role';
COMMENT ON CAST (workflow.role AS regrole) IS 'the identity of the role';
COMMENT ON CAST (oid AS workflow.role) IS 'the role and its name of now';
COMMENT ON CAST (regrole AS workflow.role) IS 'the role and its name of now';

CREATE FUNCTION workflow.role_name(workflow.role) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_name';
COMMENT ON FUNCTION workflow.role_name(workflow.role) IS
'name of a role, without quotes; of one that does not exist with (missing) behind it, or (missing '
'16384), the number it had where it was dropped';

CREATE FUNCTION workflow.role_missing(workflow.role) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_missing';
COMMENT ON FUNCTION workflow.role_missing(workflow.role) IS
'whether a role does not exist: it was dropped, or rows of it were restored without it';

/* --- order --- */

CREATE FUNCTION workflow.role_eq(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_eq';
CREATE FUNCTION workflow.role_ne(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_ne';
CREATE FUNCTION workflow.role_lt(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_lt';
CREATE FUNCTION workflow.role_le(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_le';
CREATE FUNCTION workflow.role_gt(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_gt';
CREATE FUNCTION workflow.role_ge(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_ge';
CREATE FUNCTION workflow.role_cmp(workflow.role, workflow.role) RETURNS integer
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_cmp';
CREATE FUNCTION workflow.role_hash(workflow.role) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_hash';
COMMENT ON FUNCTION workflow.role_eq(workflow.role, workflow.role) IS
'operator: the same role; of roles that do not exist, by name and number where only that is known';
COMMENT ON FUNCTION workflow.role_ne(workflow.role, workflow.role) IS 'operator: not the same role';
COMMENT ON FUNCTION workflow.role_lt(workflow.role, workflow.role) IS
'operator: before, in the order of indexes';
COMMENT ON FUNCTION workflow.role_le(workflow.role, workflow.role) IS
'operator: before or the same';
COMMENT ON FUNCTION workflow.role_gt(workflow.role, workflow.role) IS
'operator: behind, in the order of indexes';
COMMENT ON FUNCTION workflow.role_ge(workflow.role, workflow.role) IS
'operator: behind or the same';
COMMENT ON FUNCTION workflow.role_cmp(workflow.role, workflow.role) IS
'operator class: less, equal or greater than 0';
COMMENT ON FUNCTION workflow.role_hash(workflow.role) IS 'operator class: hash value';

CREATE OPERATOR workflow.= (FUNCTION = workflow.role_eq,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.=), NEGATOR = OPERATOR(workflow.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR workflow.<> (FUNCTION = workflow.role_ne,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.<>), NEGATOR = OPERATOR(workflow.=),
    RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR workflow.< (FUNCTION = workflow.role_lt,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.>), NEGATOR = OPERATOR(workflow.>=),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR workflow.<= (FUNCTION = workflow.role_le,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.>=), NEGATOR = OPERATOR(workflow.>),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR workflow.> (FUNCTION = workflow.role_gt,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.<), NEGATOR = OPERATOR(workflow.<=),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR workflow.>= (FUNCTION = workflow.role_ge,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.<=), NEGATOR = OPERATOR(workflow.<),
    RESTRICT = scalargesel, JOIN = scalargejoinsel);

CREATE OPERATOR CLASS workflow.role_ops DEFAULT FOR TYPE workflow.role USING btree AS
    OPERATOR 1 workflow.<, OPERATOR 2 workflow.<=, OPERATOR 3 workflow.=,
    OPERATOR 4 workflow.>=, OPERATOR 5 workflow.>,
    FUNCTION 1 workflow.role_cmp(workflow.role, workflow.role);
CREATE OPERATOR CLASS workflow.role_ops DEFAULT FOR TYPE workflow.role USING hash AS
    OPERATOR 1 workflow.=,
    FUNCTION 1 workflow.role_hash(workflow.role);
COMMENT ON OPERATOR workflow.= (workflow.role, workflow.role) IS 'the same role';
COMMENT ON OPERATOR workflow.<> (workflow.role, workflow.role) IS 'not the same role';
COMMENT ON OPERATOR workflow.< (workflow.role, workflow.role) IS 'before, in the order of indexes';
COMMENT ON OPERATOR workflow.<= (workflow.role, workflow.role) IS 'before or the same';
COMMENT ON OPERATOR workflow.> (workflow.role, workflow.role) IS 'behind, in the order of indexes';
COMMENT ON OPERATOR workflow.>= (workflow.role, workflow.role) IS 'behind or the same';
COMMENT ON OPERATOR CLASS workflow.role_ops USING btree IS
'roles by identity, those that do not exist here by number and name';
COMMENT ON OPERATOR FAMILY workflow.role_ops USING btree IS
'roles by identity, those that do not exist here by number and name';
COMMENT ON OPERATOR CLASS workflow.role_ops USING hash IS
'roles by identity, those that do not exist here by number and name';
COMMENT ON OPERATOR FAMILY workflow.role_ops USING hash IS
'roles by identity, those that do not exist here by number and name';

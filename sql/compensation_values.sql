--
-- A compensation sees variables and the outputs of other steps as they were when the
-- step it undoes completed, whatever came later and in whatever way the steps ran
--
SET client_min_messages = warning;
CREATE TABLE test.undone (id bigint GENERATED ALWAYS AS IDENTITY, entry text);
GRANT ALL ON test.undone TO PUBLIC;
CREATE FUNCTION test.undo(entry text) RETURNS text LANGUAGE sql AS $$ INSERT INTO test.undone (entry) VALUES (entry) RETURNING entry $$;
SELECT workflow.register_agent('undo', sql => 'SELECT test.undo(input.entry)') \g /dev/null

-- a loop that assigns, and a step behind each assignment
SELECT workflow.define($${"name": "cv_loop", "steps": [
  {"id": "each", "type": "loop", "collection": ["x", "y", "z"], "loop_body": [
     {"id": "b", "type": "set", "assign": {"b": "${loop.item}", "all": "${(vars.all ?? []) + [loop.item]}"}, "output": "b ${loop.item}"},
     {"id": "insert", "type": "sql", "sql": "SELECT $1", "params": ["${vars.b}"], "result": "value",
      "compensate": {"id": "u_insert", "type": "sql", "sql": "SELECT test.undo(concat_ws(' ', $1::text, $2::text, $3::text, $4::text, $5::text, $6::text))",
                     "params": ["${vars.b}", "${len(vars.all)}", "${b.output}", "${insert.output}", "${loop.item}", "${vars.late ?? 'not yet'}"]}}]},
  {"id": "late", "type": "set", "assign": {"b": "after", "late": "set"},
   "compensate": {"id": "u_late", "agent_name": "undo", "input_mapping": {"entry": "${vars.b}, ${vars.late}, ${each.output.total_count}"}}},
  {"id": "end", "type": "fail"}]}$$) \g /dev/null

-- nested: an iteration that sets, iterations inside of it that set, too; the containers are undone as well
SELECT workflow.define($${"name": "cv_nested", "steps": [
  {"id": "o", "type": "loop", "collection": [1, 2], "loop_body": [
     {"id": "so", "type": "set", "assign": {"o": "o${loop.item}"}},
     {"id": "i", "type": "loop", "collection": ["a", "b"], "loop_body": [
        {"id": "si", "type": "set", "assign": {"i": "${vars.o}${loop.item}"}},
        {"id": "work", "type": "sql", "sql": "SELECT 1", "compensate": "u_work"}],
      "compensate": "u_i"},
     {"id": "behind", "type": "set", "assign": {"o": "behind ${vars.o}"}}]},
  {"id": "end", "type": "fail"},
  {"id": "u_work", "type": "sql", "sql": "SELECT test.undo($1)", "params": ["work ${vars.o} ${vars.i} ${loop.parent.item} ${loop.item}"]},
  {"id": "u_i", "type": "sql", "sql": "SELECT test.undo($1)", "params": ["i ${vars.o} ${vars.i} ${i.output.total_count}"]}]}$$) \g /dev/null

-- a cycle: each visit's own output, status, error and variables; what stands inside a container that is visited again
SELECT workflow.define($${"name": "cv_cycle", "start_step": "init", "steps": {
  "init": {"type": "set", "assign": {"n": 0}, "next_step": "g"},
  "g":    {"type": "sql", "sql": "SELECT 10 / ($1::int - 1)", "params": ["${vars.n}"], "result": "value", "on_failure": "ignore", "max_visits": 9, "next_step": "s"},
  "s":    {"type": "sql", "sql": "SELECT $1::int", "params": ["${vars.n}"], "result": "value", "max_visits": 9, "compensate": "u_s", "next_step": "if"},
  "if":   {"type": "conditional", "max_visits": 9, "condition": "${vars.n} != 9", "if_true_step": ["inner", "deep"], "compensate": "u_if", "next_step": "fork"},
  "inner": {"type": "set", "output": "inner ${vars.n}"},
  "deep": {"type": "sql", "sql": "SELECT 1", "compensate": "u_deep"},
  "fork": {"type": "parallel", "max_visits": 9, "parallel_steps": ["p1", "p2"], "next_step": "tail"},
  "p1":   {"type": "sql", "sql": "SELECT 1", "compensate": "u_p1"},
  "p2":   {"type": "set", "output": "p2 ${vars.n}"},
  "tail": {"type": "sql", "sql": "SELECT 1", "max_visits": 9, "compensate": "u_tail", "next_step": "count"},
  "count": {"type": "set", "max_visits": 9, "assign": {"n": "${vars.n + 1}"}, "next_step": "again"},
  "again": {"type": "conditional", "max_visits": 9, "condition": "${vars.n} < 3", "if_true_step": {"next_step": "g"}, "next_step": "end"},
  "end":  {"type": "fail"},
  "u_s":  {"type": "sql", "sql": "SELECT test.undo($1)", "params": ["s ${vars.n} ${s.output} of ${g.status} ${g.output ?? 'null'} ${g.error.type ?? 'none'}, tail ${tail.status ?? 'none'}"],
           "when": "${vars.n} != 9 and ${g.status} != 'skipped'"},
  "u_if": {"type": "sql", "sql": "SELECT test.undo($1)", "params": ["if ${vars.n} ${inner.output} ${if.output.branch_taken}"], "when": "${vars.n} == 1"},
  "u_deep": {"type": "sql", "sql": "SELECT test.undo($1)", "params": ["deep ${vars.n} ${inner.output} ${s.output} ${g.status}"]},
  "u_p1": {"agent_name": "undo", "input_mapping": {"entry": "p1 ${vars.n} ${s.output} ${inner.output}"}},
  "u_tail": {"type": "sql", "sql": "SELECT test.undo($1)", "params": ["tail ${vars.n} ${p2.output} ${inner.output} ${s.output}"]}}}$$) \g /dev/null

-- variables of branches and of iterations beside others, and those around them; an error that was caught
SELECT workflow.define($${"name": "cv_beside", "steps": [
  {"id": "first", "type": "set", "assign": {"v": "outer"}},
  {"id": "rounds", "type": "loop", "collection": [1, 2], "loop_body": [
     {"id": "sv", "type": "set", "assign": {"v": "round ${loop.item}"}},
     {"id": "fork", "type": "fork_join", "branches": {
        "left": [{"id": "l1", "type": "set", "assign": {"own": "l1 in ${vars.v}"}},
                 {"id": "l2", "type": "sql", "sql": "SELECT 1", "compensate": {"id": "u_l2", "type": "sql", "sql": "SELECT test.undo($1)", "params": ["l2 ${vars.own}, ${vars.v}"]}},
                 {"id": "l3", "type": "set", "assign": {"own": "l3", "v": "mine"}},
                 {"id": "l4", "type": "sql", "sql": "SELECT 1", "compensate": {"id": "u_l4", "type": "sql", "sql": "SELECT test.undo($1)", "params": ["l4 ${vars.own}, ${vars.v}, ${l1.status}"]}}],
        "right": [{"id": "par", "type": "loop", "execution_mode": "parallel", "collection": [7, 8], "loop_body": [
                    {"id": "q1", "type": "set", "assign": {"own": "${vars.v} ${loop.item}"}},
                    {"id": "q2", "type": "sql", "sql": "SELECT 1", "compensate": {"id": "u_q2", "type": "sql", "sql": "SELECT test.undo($1)", "params": ["q2 ${vars.own} ${vars.v}"]}},
                    {"id": "q3", "type": "set", "assign": {"own": "too late"}}]}]}},
     {"id": "wrong", "type": "sql", "sql": "SELECT 1 / 0", "catch": [{"as": "e", "next_step": "kept"}]},
     {"id": "kept", "type": "sql", "sql": "SELECT 1", "compensate": {"id": "u_kept", "type": "sql", "sql": "SELECT test.undo($1)", "params": ["kept ${vars.v}, ${vars.e.scope}"]}}]},
  {"id": "last", "type": "set", "assign": {"v": "last", "e": "none"}},
  {"id": "end", "type": "fail"}]}$$) \g /dev/null

-- values that do not fit into a row as they are
SELECT workflow.define($${"name": "cv_large", "steps": [
  {"id": "each", "type": "loop", "collection": [1, 2, 3], "loop_body": [
     {"id": "make", "type": "sql", "sql": "SELECT string_agg(md5($1::text || i), '') FROM generate_series(1, 5000) AS i", "params": ["${loop.item}"], "result": "value"},
     {"id": "keep", "type": "set", "assign": {"big": {"n": "${loop.item}", "text": "${make.output}"}}},
     {"id": "use", "type": "sql", "sql": "SELECT 1", "compensate": {"id": "u_use", "type": "sql", "params": ["${vars.big}", "${make.output}"],
      "sql": "SELECT test.undo(concat_ws(' ', ($1::jsonb) ->> 'n', length(($1::jsonb) ->> 'text'), ($1::jsonb) ->> 'text' = $2::text))"}}]},
  {"id": "end", "type": "fail"}]}$$) \g /dev/null

-- the same, many steps in one transaction
SELECT workflow.define(jsonb_set(document, '{name}', to_jsonb(name || '_batched')) || '{"commit": {"max_steps": 50}}')
FROM workflow.definitions WHERE name LIKE 'cv%' \g /dev/null

CREATE PROCEDURE test.show_undone(workflow text) LANGUAGE plpgsql AS $$
DECLARE
    seen text;
    before text;
    mode text;
    kind text;
    status text;
    dummy text;
    output jsonb;
    n int;
BEGIN
    FOREACH kind IN ARRAY ARRAY['', '_batched'] LOOP
        FOREACH mode IN ARRAY ARRAY['on', 'off'] LOOP
            TRUNCATE test.undone;
            PERFORM set_config('workflow.parallel', mode, false);
            CALL test.go(workflow || kind, '{}', status, output, dummy, dummy);
            SELECT count(*) FILTER (WHERE c.status <> 'completed') INTO n FROM workflow.compensations AS c WHERE execution_id = test.id();
            -- what ran beside each other was undone in any order
            SELECT string_agg(entry, E'\n' ORDER BY CASE WHEN workflow = 'cv_beside' THEN entry END COLLATE "C", id) INTO seen FROM test.undone;
            seen := format('%s, %s not undone: %s%s', status, n, E'\n', seen);
            IF before IS NULL THEN
                RAISE INFO '%', seen;
            ELSIF seen <> before THEN
                RAISE INFO '% with parallel = %: %', workflow || kind, mode, seen;
            END IF;
            before := seen;
        END LOOP;
    END LOOP;
    PERFORM set_config('workflow.parallel', 'on', false);
END $$;

SET client_min_messages = info;
CALL test.show_undone('cv_loop');
CALL test.show_undone('cv_nested');
CALL test.show_undone('cv_cycle');
CALL test.show_undone('cv_beside');
CALL test.show_undone('cv_large');
SET client_min_messages = warning;

-- an execution that was retried, twice, the second time from an earlier step: what completed before is undone as of then
CREATE TABLE test.open (what text);
GRANT ALL ON test.open TO PUBLIC;
SELECT workflow.define($${"name": "cv_retried", "start_step": "each", "steps": {
  "each": {"type": "loop", "collection": [1, 2, 3], "loop_body": ["sv", "work", "check"], "next_step": "after"},
  "sv": {"type": "set", "assign": {"v": "v${loop.item}"}},
  "work": {"type": "sql", "sql": "SELECT 1", "compensate": "u_work"},
  "check": {"type": "sql", "sql": "SELECT 1 / count(*) FROM test.open WHERE what = 'check' OR $1 < 2", "params": ["${loop.item}"]},
  "after": {"type": "sql", "sql": "SELECT count(*) FROM test.open", "result": "value", "next_step": "sa"},
  "sa": {"type": "set", "assign": {"v": "after ${after.output}"}, "next_step": "again"},
  "again": {"type": "sql", "sql": "SELECT 1", "compensate": "u_again", "next_step": "last"},
  "last": {"type": "set", "assign": {"v": "last"}, "next_step": "end"},
  "end": {"type": "sql", "sql": "SELECT 1 / 0"},
  "u_work": {"type": "sql", "sql": "SELECT test.undo($1), 1 / (SELECT count(*) FROM test.open WHERE what = 'undo')", "params": ["work ${vars.v}"]},
  "u_again": {"type": "sql", "sql": "SELECT test.undo($1), 1 / (SELECT count(*) FROM test.open WHERE what = 'undo')", "params": ["again ${vars.v} ${after.output}"]}}}$$) \gset
CREATE PROCEDURE test.retry(from_step text, flag text) LANGUAGE plpgsql AS $$
DECLARE
    undone text;
    status text;
BEGIN
    INSERT INTO test.open VALUES (flag);
    PERFORM workflow.retry(test.id(), from_step);
    COMMIT;
    SELECT w.status INTO status FROM workflow.wait(test.id(), '60 seconds') AS w;
    SELECT string_agg(entry, ', ' ORDER BY id) INTO undone FROM test.undone;
    RAISE INFO '%: %', status, undone;
END $$;
INSERT INTO test.open VALUES ('nothing');
TRUNCATE test.undone;
CALL test.go('cv_retried') \gset
SELECT step_id, status, count(*) FROM workflow.compensations WHERE execution_id = test.id() AND status IS NOT NULL GROUP BY 1, 2 ORDER BY 1;
SET client_min_messages = info;
CALL test.retry(NULL, 'check');
CALL test.retry('after', 'undo');
SET client_min_messages = warning;

-- one that is cancelled, in the middle of a loop
SELECT workflow.define($${"name": "cv_cancelled", "steps": [
  {"id": "each", "type": "loop", "collection": [1, 2, 3, 4], "loop_body": [
     {"id": "sv", "type": "set", "assign": {"v": "v${loop.item}"}},
     {"id": "work", "type": "sql", "sql": "SELECT 1", "compensate": {"id": "u_work", "type": "sql", "sql": "SELECT test.undo($1)", "params": ["${vars.v}"]}},
     {"id": "wait", "type": "sql", "sql": "SELECT pg_sleep(600)", "when": "${loop.item} == 3"}]}]}$$) \gset
TRUNCATE test.undone;
SELECT workflow.start('cv_cancelled') AS id \gset
DO $$ BEGIN
    FOR i IN 1 .. 3000 LOOP
        EXIT WHEN EXISTS (SELECT FROM workflow.activity WHERE step_id = 'wait');
        PERFORM pg_sleep(0.01);
        COMMIT;
    END LOOP;
END $$;
SELECT workflow.cancel(:id, compensate => true);
SELECT status FROM workflow.wait(:id, '60 seconds');
SELECT string_agg(entry, ', ' ORDER BY id) AS undone FROM test.undone;
TABLE test.wrong;

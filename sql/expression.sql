--
-- Expressions of definitions: conditions, mappings, exact numbers, errors
--

-- Result of an expression, or its error, without ending the script.
CREATE FUNCTION pg_temp.try(expression text, context jsonb DEFAULT '{}') RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  RETURN workflow.evaluate(expression, context)::text;
EXCEPTION WHEN data_exception OR syntax_error THEN
  RETURN sqlstate || ': ' || sqlerrm;
END $$;

CREATE TABLE expression_context (context jsonb);
INSERT INTO expression_context VALUES ('{
  "workflow": {"execution_id": 7, "name": "order", "version": 2,
               "input": {"threshold": 50, "mode": "fast", "a b": {"c-d": 1}, "größe": "groß",
                         "schemas": {"eu": {"vat": 0.19}, "us": {"vat": 0}}, "empty": null, "big": 9007199254740993}},
  "steps": {
    "step-1": {"status": "completed",
               "output": {"score": 85, "status": "success", "ready": true, "message": "an error occurred",
                          "tags": ["urgent", "new"],
                          "results": [{"name": "first", "score": 0.9}, {"name": "second", "score": 0.5}]}},
    "analyze": {"status": "completed", "output": {"score": 85, "label": "is true and null"}},
    "broken": {"status": "failed", "output": null, "error": {"type": "Timeout", "message": "too late"}},
    "list": {"status": "completed", "output": [1, 2.0, "three", null, [4], {"five": 5}]}},
  "loop": {"item": {"type": "eu", "n": 3}, "index": 2, "total": 3,
           "parent": {"item": "outer", "index": 0, "total": 1, "parent": {"item": "outermost"}}},
  "vars": {"count": 10, "names": ["x", "y"]}}');

-- the thirteen published condition cases
SELECT condition, workflow.evaluate_condition(condition, context) AS result, expected
FROM expression_context, (VALUES
  (1, '${step-1.output.score} > 80', true),
  (2, '${step-1.output.status} == ''success''', true),
  (3, '${step-1.output.score} < 100', true),
  (4, '${step-1.output.score} > 80 and ${step-1.output.ready} == true', true),
  (5, '${step-1.output.score} > 90 or ${step-1.output.ready}', true),
  (6, '''error'' in ${step-1.output.message}', true),
  (7, '''urgent'' in ${step-1.output.tags}', true),
  (8, '${step-1.output.results[0].score} > 0.8', true),
  (9, '${step-1.output.results[1].name} == ''second''', true),
  (10, '${workflow.input.threshold} >= 50', true),
  (11, '${workflow.input.mode} == ''fast''', true),
  (12, '${step-1.output.score} > 90', false),
  (13, '${step-1.output.status} == ''failed''', false)) AS published (n, condition, expected)
ORDER BY n;

-- what the published code got wrong
SELECT jsonb_typeof(workflow.evaluate('${step-1.output}', context)) AS whole_output,
       workflow.evaluate('${list.output[0]}', context) AS element,
       workflow.evaluate('${step-1.output.results[0]}', context) AS nested_element
FROM expression_context;
SELECT workflow.evaluate_condition('${analyze.output.score} > 80', context) AS any_step_id,
       workflow.evaluate_condition('${step-1.output.message} contains ''error''', context) AS contains,
       workflow.evaluate_condition('''error'' contains ${step-1.output.message}', context) AS reversed,
       workflow.evaluate_condition('len(${step-1.output.tags}) == 2', context) AS len,
       workflow.evaluate_condition('${analyze.output.label} == ''is true and null''', context) AS keywords_in_strings,
       workflow.evaluate_condition('''is true and null'' == ${analyze.output.label}', context) AS keywords_in_literals
FROM expression_context;

-- references
SELECT expression, pg_temp.try(expression, context) AS result
FROM expression_context, unnest(ARRAY[
  'workflow.input.threshold',
  'workflow.execution_id', 'workflow.name', 'workflow.version', 'workflow.started_at',
  'step-1.output',
  '${step-1.output.tags}', '${step-1.outputs.tags}', '${step-1.status}', '${broken.error.message}', '${analyze.error}',
  '${broken.output}', '${broken.output.x}', '${nowhere.output}', '${nowhere.output.x.y}',
  'analyze.output.totl', 'analyze.output.score.x', 'list.output.x', 'list.output[0].x',
  'list.output[-1]', 'list.output[-6]', 'list.output[-7]', 'list.output[5]["five"]', 'list.output[6]', 'list.output[1.0]',
  'list.output[1.5]', 'list.output[99999999999]', 'list.output["0"]', 'list.output[true]', 'list.output[null]',
  'list.output[analyze.output.nothing]',
  'analyze.output[0]', 'analyze.output["score"]', 'analyze.output["scor"]',
  'workflow.input["a b"]["c-d"]', '${workflow.input["a b"].c-d}', 'workflow.input.größe', '${workflow.input["gr\u00f6\u00dfe"]}',
  '${workflow.input.schemas[loop.item.type].vat}', '${workflow.input.schemas[${loop.item.type}]}',
  'loop.item.n', 'loop.index', 'loop.total', 'loop.is_first', 'loop.is_last', 'loop.index + 1 == loop.total',
  'loop.parent.item', 'loop.parent.is_first', 'loop.parent.parent.item', 'loop.parent.parent.parent.item',
  'vars.count * 2', 'vars.names[vars.count - 9]', 'vars.missing']) WITH ORDINALITY AS e (expression, n)
ORDER BY n;
SELECT workflow.evaluate('loop.item');
SELECT workflow.evaluate('${workflow.input.x}');

-- text with references inside, types, escapes
SELECT expression, pg_temp.try(expression, context) AS result
FROM expression_context, unnest(ARRAY[
  '${loop.item}', ' ${loop.item}', '${analyze.output.score}', 'score ${analyze.output.score}, ${step-1.output.ready} ${workflow.input.empty}',
  '${step-1.output.tags}${step-1.output.status}', '$${literal} ${vars.count}', '$5 for ${vars.count}', '${''$''}${vars.count}',
  '${workflow.input.größe} ✓ ${workflow.input.größe}', '${vars.count + 1}', '${vars.count + 1} of ${len(vars.names)}',
  '${nowhere.output.x ?? ''none''}', '${workflow.input.empty ?? ''none''}', '${workflow.input.empty}', 'is ${nowhere.output ?? vars.missing ?? [1, "}"]}',
  '${"}"}', '${workflow.input.big}', 'big: ${workflow.input.big}', '${(nowhere.output.x + 1) ?? ''no sum''}',
  '${nowhere.output.x == null}', '${nowhere.output.x} != null']) WITH ORDINALITY AS e (expression, n)
ORDER BY n;

-- a missing reference is null in a condition, and ?? works there too
SELECT condition, workflow.evaluate_condition(condition, context) AS result
FROM expression_context, unnest(ARRAY[
  '${nowhere.output.y} == null', '${nowhere.output.y} != null', '${broken.output.x.y.z} == null', '${nowhere.output}', 'not ${nowhere.output}',
  '${nowhere.output.y} ?? 5 > 4', '${list.output[nowhere.output]} == null', 'len(${nowhere.output}) == 0', '${workflow.input.empty}',
  '${step-1.output.ready}', 'true or 1', 'false and 1', 'false or 1', 'true and 1', 'not ''x''', '1', '${step-1.output}',
  '${nowhere.output.y} > 1', '1 / 0 == 1', '''x'' in ${nowhere.output}', '${list.output[true]} == null']) WITH ORDINALITY AS c (condition, n)
ORDER BY n;

-- exact numbers
SELECT expression, workflow.evaluate(expression, context) AS result
FROM expression_context, unnest(ARRAY[
  '9007199254740993', '9007199254740992 + 1', 'workflow.input.big == 9007199254740993', 'workflow.input.big == 9007199254740992', 'workflow.input.big - 1',
  '0.1 + 0.2', '0.1 + 0.2 == 0.3', '123456789012345678901234567890 * 10 + 1', '123456789012345678901234567890 - 123456789012345678901234567889',
  '0.000000000000000000000000000001 + 1', '1.0', '1 == 1.0', '1.10 + 1', '7 / 2', '1 / 3', '7 % 3', '-7 % 3', '7.5 % 2', '1e3', '1.5E-3', '-5', '- 5', '-vars.count',
  '2 * -3', '1 - -1', '10 - 3 - 2', '100 / 10 / 2']) WITH ORDINALITY AS e (expression, n)
ORDER BY n;
SELECT pg_temp.try('1 / 0'), pg_temp.try('1 % 0'), pg_temp.try('1 / (0.1 + 0.2 - 0.3)');
SELECT pg_temp.try('workflow.input * workflow.input', jsonb_build_object('workflow', jsonb_build_object('input', ('1' || repeat('0', 100000))::numeric)));

-- precedence
SELECT expression, workflow.evaluate(expression) AS result
FROM unnest(ARRAY[
  '1 + 2 * 3', '(1 + 2) * 3', '2 * 3 % 4', '1 + 1 == 2', 'true or true and false', '(true or true) and false', 'not true == false', 'not (true and false)',
  'not false and false', '(1 < 2) == true', 'null ?? 1 + 2', '(null ?? 1) + 2', 'null ?? 2 > 1', 'null ?? null ?? 3', 'not 1 in [2]', '1 not in [2]',
  '1 + 1 in [2]', '[1] + [2] contains 2', '"a" + "b" in "cab"', 'len([1] + [2, 3]) * 2']) WITH ORDINALITY AS e (expression, n)
ORDER BY n;
SELECT pg_temp.try('1 < 2 == true');

-- equality and order
SELECT expression, workflow.evaluate(expression) AS result
FROM unnest(ARRAY[
  'null == null', 'null == false', 'null == 0', '"1" == 1', 'true == 1', '[] == null', '[1, 2.0] == [1.0, 2]', '[1, 2] == [2, 1]', '[] == []', '[] != [[]]',
  '"a" < "b"', '"Z" < "a"', '"a" < "ä"', '"a" < "aa"', '"" < "a"', '"a" <= "a"', '2 < 10', '"2" < "10"', '1.0 >= 1', '-1 > -2']) WITH ORDINALITY AS e (expression, n)
ORDER BY n;
SELECT workflow.evaluate('workflow.input.l == workflow.input.r', jsonb_build_object('workflow', jsonb_build_object('input', jsonb_build_object('l', l, 'r', r)))) AS result, l, r
FROM (VALUES ('{"a": 1, "b": [2]}'::jsonb, '{"b": [2.0], "a": 1.00}'::jsonb), ('{"a": 1}', '{"a": 2}'), ('{}', '{}'), ('{}', '[]'), ('{"a": null}', '{}')) AS pairs (l, r);

-- membership
SELECT expression, pg_temp.try(expression, context) AS result
FROM expression_context, unnest(ARRAY[
  '2 in [1, 2.0]', '"2" in [1, 2]', 'null in [1, null]', '[4] in list.output', '[5] in list.output', 'list.output contains list.output[5]', 'true in []',
  '"" in ""', '"" in "a"', '"b" in ""', '"aab" in "aaab"', '"ß" in "groß"', '"abc" contains "d"', '"abc" contains "abc"', '"abc" not in "ab"',
  '"score" in analyze.output', '"85" in analyze.output', 'analyze.output contains "label"', '1 in analyze.output', '1 in "1"', '"x" in null', '"x" not in null', 'null in "x"', '"x" in 5'])
  WITH ORDINALITY AS e (expression, n)
ORDER BY n;

-- len
SELECT expression, pg_temp.try(expression, context) AS result
FROM expression_context, unnest(ARRAY[
  'len("")', 'len("äöü€😀")', 'len([])', 'len([1, [2, 3]])', 'len(analyze.output)', 'len(list.output)', 'len(null)', 'len(5)', 'len(true)', 'len(nowhere.output)'])
  WITH ORDINALITY AS e (expression, n)
ORDER BY n;

-- strings and escapes
SELECT expression, pg_temp.try(expression) AS result
FROM unnest(ARRAY[
  '''it\''s''', '"it''s"', '"\"\\\/"', '"\u00e4\u20ac\ud83d\ude00" == "ä€😀"', '"\n\t"', '"a" + ''b''', '"\u0000"', '"\ud800"', '"\x"', '"open'])
  WITH ORDINALITY AS e (expression, n)
ORDER BY n;

-- every operator with every pair of types
CREATE TABLE expression_types (n int, name text, value text);
INSERT INTO expression_types VALUES (1, 'null', 'null'), (2, 'bool', 'true'), (3, 'num', '2'), (4, 'str', '"a"'), (5, 'arr', '[2]'), (6, 'obj', 'vars');
CREATE FUNCTION pg_temp.pair(operator text, l text, r text) RETURNS text
LANGUAGE sql AS $$
  SELECT CASE WHEN result LIKE '22%' THEN '-' ELSE result END
  FROM pg_temp.try(replace(l, 'vars', 'vars.o') || ' ' || operator || ' ' || replace(r, 'vars', 'vars.o'), '{"vars": {"o": {"a": 1}}}') AS result;
$$;
SELECT operator, l.name AS "left",
       pg_temp.pair(operator, l.value, 'null') AS null, pg_temp.pair(operator, l.value, 'true') AS bool,
       pg_temp.pair(operator, l.value, '2') AS num, pg_temp.pair(operator, l.value, '"a"') AS str,
       pg_temp.pair(operator, l.value, '[2]') AS arr, pg_temp.pair(operator, l.value, 'vars') AS obj
FROM unnest(ARRAY['==', '!=', '<', '<=', '>', '>=', 'in', 'not in', 'contains', '+', '-', '*', '/', '%', 'and', 'or', '??'])
     WITH ORDINALITY AS o (operator, n), expression_types l
ORDER BY o.n, l.n;
SELECT value, pg_temp.try('not ' || replace(value, 'vars', 'vars.o'), '{"vars": {"o": {"a": 1}}}') AS not,
       pg_temp.try('-(' || replace(value, 'vars', 'vars.o') || ')', '{"vars": {"o": {"a": 1}}}') AS minus
FROM expression_types ORDER BY n;

-- the messages for operands that do not fit
SELECT expression, pg_temp.try(expression) AS result
FROM unnest(ARRAY['"a" > 1', 'null < 1', '[1] >= [1]', 'true < false', '1 + "a"', '[1] + 1', '"a" - "b"', 'null * 2', 'true and "x"', '1 or true', 'not []', '-"a"', 'len(1)', '1 in 1'])
     WITH ORDINALITY AS e (expression, n)
ORDER BY n;

-- steps whose ids are words of references, with and without the prefix
SELECT workflow.evaluate('${steps.output.output}', '{"steps": {"output": {"output": 1}}}') AS a,
       workflow.evaluate('${steps.output.output.x}', '{"steps": {"output": {"output": {"x": 2}}}}') AS b,
       workflow.evaluate('${steps.status.status}', '{"steps": {"status": {"status": "completed"}}}') AS c,
       workflow.evaluate('${steps.error.error.message}', '{"steps": {"error": {"error": {"message": "m"}}}}') AS d,
       workflow.evaluate('${steps.outputs.outputs[0]}', '{"steps": {"outputs": {"output": [3]}}}') AS e,
       workflow.evaluate('${steps.output.status}', '{"steps": {"output": {"status": "failed"}}}') AS f,
       workflow.evaluate('${steps.output.output}', '{"steps": {"steps": {"output": {"output": 4}}}}') AS g,
       workflow.evaluate('${output.output}', '{"steps": {"output": {"output": 5}}}') AS h;
SELECT workflow.evaluate('${steps.output.nothing}', '{"steps": {"output": {"output": 1}}}');
SELECT workflow.define($${"name": "named_output", "steps": [
  {"id": "output", "type": "set", "output": {"x": 1}}, {"id": "error", "type": "set", "output": 2, "when": "${steps.output.status} == 'completed'"},
  {"id": "status", "type": "set", "output": ["${steps.output.output.x}", "${steps.error.error}", "${steps.error.output}", "${steps.output.outputs}"]}],
  "output": "${steps.status.output}"}$$) \gset
SELECT workflow.execute('named_output');
SELECT workflow.define($${"name": "named_steps", "steps": [
  {"id": "steps", "type": "set", "output": {"output": 1}}, {"id": "output", "type": "set", "output": ["${steps.output.output}", "${steps.steps.output}"]}]}$$) \gset
SELECT workflow.execute('named_steps');
SELECT path, message FROM workflow.validate('{"name": "x", "steps": [{"id": "a", "type": "set", "output": "${steps.output.output}"}]}');

-- errors show the place
SELECT workflow.evaluate('1 + ');
SELECT workflow.evaluate('1 + * 2');
SELECT workflow.evaluate('"größe" = 1');
SELECT workflow.evaluate('(1 + 2');
SELECT workflow.evaluate('Grüße, ${check.output.totl} and ${other.output}', '{"steps": {"check": {"output": {"total": 1}}}}');
SELECT workflow.evaluate('Grüße, ${check.output.total');
SELECT workflow.evaluate('Grüße, ${check.result}');
SELECT workflow.evaluate('${}');
SELECT workflow.evaluate('');
SELECT workflow.evaluate('lower("x")');
SELECT workflow.evaluate('true && false');
SELECT workflow.evaluate_condition('${a.output} > ');
SELECT workflow.evaluate_condition('1 > 0 and "ä" > 2');
SELECT workflow.evaluate('1; DROP TABLE x');

-- limits
SELECT workflow.evaluate(repeat('(', 99) || '1' || repeat(')', 99));
SELECT pg_temp.try(repeat('(', 1000000) || '1');
SELECT pg_temp.try(repeat('not ', 1000000) || '1');
SELECT workflow.evaluate('1' || repeat(' + 1', 900));
SELECT pg_temp.try('1' || repeat(' + 1', 100000));
SELECT pg_temp.try(repeat('9', 1001)), pg_temp.try('1e9999');
SELECT length(workflow.evaluate('"' || repeat('x', 1000000) || '"')::text);
SELECT workflow.evaluate(NULL), workflow.evaluate('1', NULL);

DROP TABLE expression_context, expression_types;

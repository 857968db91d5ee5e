-- A step of all containers in each other, so many levels deep: for sql/pictures.sql and charts.sql.
CREATE FUNCTION nest(levels int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    step jsonb := '{"id": "innermost", "sql": "SELECT 1"}';
BEGIN
    FOR i IN REVERSE levels .. 1 LOOP
        step := jsonb_build_object('id', 'level' || i) || CASE i % 4
            WHEN 0 THEN jsonb_build_object('type', 'loop', 'collection', '[1]'::jsonb, 'loop_body', jsonb_build_array(step, jsonb_build_object('id', 'after' || i, 'sql', 'SELECT 1')))
            WHEN 1 THEN jsonb_build_object('type', 'parallel', 'parallel_steps', jsonb_build_array(step, jsonb_build_object('id', 'beside' || i, 'sql', 'SELECT 1')))
            WHEN 2 THEN jsonb_build_object('type', 'conditional', 'condition', 'true', 'then', step)
            ELSE jsonb_build_object('type', 'fork_join', 'fork_join_config', jsonb_build_object('branches', jsonb_build_object(
                'left', jsonb_build_array(step), 'right', jsonb_build_array(jsonb_build_object('id', 'right' || i, 'sql', 'SELECT 1'))))) END;
    END LOOP;
    RETURN step;
END $$;

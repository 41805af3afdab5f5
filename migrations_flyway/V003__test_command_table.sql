-- What each test command must do, and what came of it. Columns as the story gives them.
-- The UNIQUE constraint carries the index that the story names: one index, not two. Storage: see commandbus.command.

CREATE TABLE public.test_command (
    id           SERIAL PRIMARY KEY,
    command_id   UUID NOT NULL,
    payload      JSONB NOT NULL DEFAULT '{}',
    behavior     JSONB NOT NULL,
    created_at   TIMESTAMPTZ DEFAULT NOW(),
    processed_at TIMESTAMPTZ,
    attempts     INTEGER DEFAULT 0,
    result       JSONB,
    CONSTRAINT idx_test_command_command_id UNIQUE (command_id)
) WITH (
    fillfactor = 45, autovacuum_vacuum_threshold = 100000, autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_threshold = 20000, autovacuum_analyze_scale_factor = 0.05
);

COMMENT ON TABLE public.test_command IS 'One row per test command: the behavior it must show and the result it gave';
COMMENT ON COLUMN public.test_command.id IS 'Row number, in the order of sending';
COMMENT ON COLUMN public.test_command.command_id IS 'The command (commandbus.command.command_id)';
COMMENT ON COLUMN public.test_command.payload IS 'Data that the sender attached; no behavior reads it';
COMMENT ON COLUMN public.test_command.behavior IS 'What the handler must do: type and its parameters (commands/rules/behaviors.py)';
COMMENT ON COLUMN public.test_command.created_at IS 'When it was sent (server clock)';
COMMENT ON COLUMN public.test_command.processed_at IS 'When its success was accepted; empty before, and for commands that never succeed';
COMMENT ON COLUMN public.test_command.attempts IS 'Attempts begun over the command''s whole life; an operator''s retry does not reset it';
COMMENT ON COLUMN public.test_command.result IS 'What the accepted attempt returned';

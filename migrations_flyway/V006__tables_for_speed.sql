-- Tables made for a fast worker, and the load test's own domain.
-- Every command is updated at least twice. Where the new version of a row fits on its page and no indexed column
-- changed, PostgreSQL leaves the indexes alone (HOT). So no index mentions status or updated_at, and pages keep room for
-- one more version of every row: in a full drain 50 gives 100 % HOT updates of command and 45 gives 96 % of test_command
-- (its row grows by the result); 55 gives 86 to 90 % and 82 to 86 %, 75 costs a quarter of the speed.
--
-- What pages use instead of an index over status: commandbus.parked (the troubleshooting queue), ix_audit_rare (FAILED,
-- CANCELED, rejected), the queue table (PENDING, IN_PROGRESS), and reltuples less these (COMPLETED).

SELECT pgmq.create('loadtest__commands');
SELECT pgmq.create('loadtest__replies');
COMMENT ON TABLE pgmq.q_loadtest__commands IS 'Commands of domain loadtest: what a load test sends; emptied between runs';
COMMENT ON TABLE pgmq.a_loadtest__commands IS 'Messages of load test commands that were parked, failed or refused';
COMMENT ON TABLE pgmq.q_loadtest__replies IS 'Replies of domain loadtest; nobody reads them';
COMMENT ON TABLE pgmq.a_loadtest__replies IS 'Replies of domain loadtest that were archived: none';

ALTER TABLE commandbus.command SET (fillfactor = 50);
ALTER TABLE public.test_command SET (fillfactor = 45);
ALTER TABLE pgmq.q_test__commands SET (fillfactor = 55);
ALTER TABLE pgmq.q_loadtest__commands SET (fillfactor = 55);

-- A queue table turns over completely: its dead rows are what receive has to step over, so they are cleared often and at
-- full speed. The big tables are vacuumed by a fixed number of changes: a fraction of them would come ever more rarely.
ALTER TABLE pgmq.q_test__commands SET (
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_threshold = 20000, autovacuum_analyze_scale_factor = 0);
ALTER TABLE pgmq.q_loadtest__commands SET (
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_threshold = 20000, autovacuum_analyze_scale_factor = 0);
ALTER TABLE commandbus.command SET (
    autovacuum_vacuum_threshold = 100000, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_threshold = 20000,
    autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE public.test_command SET (
    autovacuum_vacuum_threshold = 100000, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_threshold = 20000,
    autovacuum_analyze_scale_factor = 0.05);

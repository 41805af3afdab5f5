-- What operators do with messages, by name (messages.py runs them).

-- name: take
SELECT pgmq.archive(%(queue)s, %(msg_ids)s::BIGINT[]) AS msg_id;

-- name: put_back
SELECT commandbus.put_back_messages(%(queue)s, %(msg_ids)s::BIGINT[]) AS new;

-- name: send_lost
SELECT commandbus.send_lost_message(%(domain)s, %(message)s::JSONB, %(operator)s, %(reason)s) AS answer;

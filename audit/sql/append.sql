-- How entries get into the log on PostgreSQL. The application's role may call the functions at the end and read
-- the tables, no more: what it cannot do, nobody can make it do. The schema's name is put in by the migration.
--
-- Worked out here: an entry's number, its place in time, its bytes, their hash, the tree over them. Taken from the
-- caller: who, what, about what, which facts (any JSON object: audit.verify reads them strictly), which encrypted
-- bodies, the time (never before the last entry's), and what the anchor says, which lies outside the database.
--
-- Appending means one wait for the disk, with the head locked, so writers that meet share it: whoever finds the head
-- locked leaves its events in audit_waiting, and the next one to hold the head enters all that wait. Nothing is
-- visible, and nobody is told of success, before the commit that holds it is on the disk.

CREATE UNLOGGED TABLE audit_waiting (
    ticket text PRIMARY KEY,
    told json NOT NULL,
    offered timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

CREATE FUNCTION audit_refuse(rule text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'LG001', MESSAGE = rule;
END $$;

-- The root over a packed frontier of at least one subtree: RFC 9162, from the smallest to the largest.
CREATE FUNCTION audit_root(frontier bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    result bytea := substring(frontier FROM length(frontier) - 31);
BEGIN
    FOR place IN REVERSE length(frontier) / 32 - 2 .. 0 LOOP
        result := sha256('\x01' || substring(frontier FROM place * 32 + 1 FOR 32) || result);
    END LOOP;
    RETURN result;
END $$;

CREATE FUNCTION audit_grown(head audit_loghead, leaf_hash bytea) RETURNS audit_loghead LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    node bytea := leaf_hash;
    pairs bigint := head.size + 1;
    kept int := length(head.frontier);
BEGIN
    WHILE pairs & 1 = 0 LOOP  -- each trailing zero bit of the new size is one complete pair to be joined
        node := sha256('\x01' || substring(head.frontier FROM kept - 31 FOR 32) || node);
        kept := kept - 32;
        pairs := pairs >> 1;
    END LOOP;
    head.size := head.size + 1;
    head.frontier := substring(head.frontier FROM 1 FOR kept) || node;
    RETURN head;
END $$;

-- The head, locked for the rest of the transaction; NULL where another one holds it.
CREATE FUNCTION audit_locked_head() RETURNS audit_loghead LANGUAGE plpgsql AS $$
DECLARE
    head audit_loghead;
BEGIN
    SELECT * INTO head FROM audit_loghead FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND NOT EXISTS (SELECT 1 FROM audit_loghead) THEN
        INSERT INTO audit_loghead (id, size, frontier) VALUES (1, 0, '') ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM audit_loghead FOR UPDATE SKIP LOCKED;
    END IF;
    RETURN head;
END $$;

CREATE FUNCTION audit_check(head audit_loghead, anchored bigint, anchored_root bytea) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    held bigint;
    bits int := length(replace(head.size::bit(64)::text, '0', ''));
BEGIN
    SELECT coalesce(max(entry.index) + 1, 0) INTO held FROM audit_logentry entry;
    IF head.size <> held THEN
        PERFORM audit_refuse('entries are missing at the end of the log');
    ELSIF length(head.frontier) <> 32 * bits THEN
        PERFORM audit_refuse('the log''s head is damaged: the stored subtree roots do not fit the stored size');
    ELSIF anchored IS NULL THEN
        IF EXISTS (SELECT 1 FROM audit_checkpoint) THEN
            PERFORM audit_refuse('the log was anchored, but the anchor is gone');
        END IF;
    ELSIF head.size < anchored THEN
        PERFORM audit_refuse(format('the log holds %s entries but its anchor vouches for %s: an older state was restored',
            head.size, anchored));
    ELSIF head.size = anchored AND audit_root(head.frontier) <> anchored_root THEN
        PERFORM audit_refuse('the log and its anchor tell different histories');
    END IF;
END $$;

-- The time of the next entry: never before the last one, so that order in the log is order in time.
CREATE FUNCTION audit_time(head audit_loghead, untimed boolean, moment timestamptz) RETURNS timestamptz
LANGUAGE plpgsql AS $$
DECLARE
    last_at timestamptz;
BEGIN
    SELECT entry.at INTO last_at FROM audit_logentry entry WHERE entry.index = head.size - 1;
    IF last_at IS NULL OR (moment >= last_at AND NOT untimed) THEN
        RETURN date_trunc('second', moment);
    ELSIF NOT untimed AND last_at - moment > interval '60 seconds' THEN
        PERFORM audit_refuse('the clock stands before the last entry of the log');
    END IF;
    RETURN last_at;
END $$;

-- One entry's bytes: canonical JSON (RFC 8785), its members in their order.
CREATE FUNCTION audit_leaf(place bigint, moment timestamptz, event json) RETURNS bytea LANGUAGE plpgsql AS $$
BEGIN
    IF json_typeof((event ->> 'facts')::json) <> 'object' THEN
        PERFORM audit_refuse('facts are an object');
    END IF;
    RETURN convert_to(concat(
        '{"action":', to_json(event ->> 'action'), ',"by":', to_json(event ->> 'by'),
        ',"event":', to_json(event ->> 'event'), ',"facts":', event ->> 'facts', ',"index":', place,
        ',"subject":', to_json(event ->> 'subject'),
        ',"time":"', to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '","version":1}'
    ), 'UTF8');
END $$;

CREATE FUNCTION audit_keep_bodies(bodies json) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF json_array_length(bodies) > 0 THEN
        INSERT INTO audit_body (id, kind, key_id, nonce, salt, cipher, erased)
        SELECT body ->> 'id', body ->> 'kind', body ->> 'key_id', decode(body ->> 'nonce', 'hex'),
               decode(body ->> 'salt', 'hex'), decode(body ->> 'cipher', 'hex'), false
        FROM json_array_elements(bodies) AS body;
    END IF;
END $$;

-- The events that are not in the log yet, entered one after the other; the head as it is then.
CREATE FUNCTION audit_enter(head audit_loghead, told json, moment timestamptz) RETURNS audit_loghead LANGUAGE plpgsql
AS $$
DECLARE
    event json;
    moved timestamptz;
    leaf bytea;
    hash bytea;
BEGIN
    FOR event IN SELECT json_array_elements(told) LOOP
        CONTINUE WHEN EXISTS (SELECT 1 FROM audit_logentry entry WHERE entry.event_id = event ->> 'event');
        moved := audit_time(head, (event ->> 'untimed')::boolean, moment);
        leaf := audit_leaf(head.size, moved, event);
        hash := sha256('\x00' || leaf);
        INSERT INTO audit_logentry (index, leaf, leaf_hash, event_id, action, by, subject, at)
        VALUES (head.size, leaf, hash, event ->> 'event', event ->> 'action', event ->> 'by', event ->> 'subject', moved);
        PERFORM audit_keep_bodies(event -> 'bodies');
        head := audit_grown(head, hash);
    END LOOP;
    RETURN head;
END $$;

-- All that wait, each whole or not at all. What one of them is refused for is told to that one alone ("mine").
CREATE FUNCTION audit_enter_waiting(head audit_loghead, moment timestamptz, mine text) RETURNS audit_loghead
LANGUAGE plpgsql AS $$
DECLARE
    waiting audit_waiting;
    since timestamptz := clock_timestamp() - interval '60 seconds';
BEGIN
    DELETE FROM audit_waiting old WHERE old.offered < since;  -- of writers that died, or gave up long ago
    FOR waiting IN SELECT * FROM audit_waiting ORDER BY offered, ticket LOOP
        BEGIN
            head := audit_enter(head, waiting.told, moment);
            DELETE FROM audit_waiting done WHERE done.ticket = waiting.ticket;
        EXCEPTION WHEN OTHERS THEN
            IF waiting.ticket = mine THEN
                RAISE;
            END IF;
        END;
    END LOOP;
    RETURN head;
END $$;

CREATE FUNCTION audit_indexes(told json) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(
        SELECT entry.index FROM json_array_elements(told) WITH ORDINALITY AS events (event, place)
        JOIN audit_logentry entry ON entry.event_id = event ->> 'event' ORDER BY place
    );
END $$;

-- What the application calls.

-- Append events, durably; their numbers. NULL where the head is locked: they wait under this ticket then, for
-- audit_collect.
CREATE FUNCTION audit_append(
    own_ticket text, told json, moment timestamptz, anchored bigint, anchored_root bytea
) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = SCHEMA, pg_temp AS $$
DECLARE
    head audit_loghead := audit_locked_head();
BEGIN
    IF head.id IS NULL THEN
        PERFORM set_config('synchronous_commit', 'off', true);  -- nothing to keep yet
        INSERT INTO audit_waiting (ticket, told) VALUES (own_ticket, audit_append.told);
        RETURN NULL;
    END IF;
    PERFORM set_config('synchronous_commit', 'on', true);  -- whatever the server's, the role's or the session's
    PERFORM audit_check(head, anchored, anchored_root);
    head := audit_enter(audit_enter_waiting(head, moment, NULL), told, moment);
    UPDATE audit_loghead SET size = head.size, frontier = head.frontier;
    RETURN audit_indexes(told);
END $$;

-- Wait until the events under this ticket are in the log, entered by another one or now by this one; their numbers.
-- It looks again and again: writers that wait for a lock are woken one after the other, those that look all at once.
CREATE FUNCTION audit_collect(
    own_ticket text, told json, moment timestamptz, anchored bigint, anchored_root bytea
) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = SCHEMA, pg_temp AS $$
DECLARE
    head audit_loghead;
    patience interval := coalesce(nullif(current_setting('lock_timeout'), '0'), '10s')::interval;
    began timestamptz := clock_timestamp();
    pause float := 0.0005;
BEGIN
    LOOP
        IF NOT EXISTS (SELECT 1 FROM audit_waiting waiting WHERE waiting.ticket = own_ticket) THEN
            RETURN audit_indexes(told);
        END IF;
        head := audit_locked_head();
        EXIT WHEN head.id IS NOT NULL;
        IF clock_timestamp() - began > patience THEN
            PERFORM audit_refuse('another one keeps the log locked');
        END IF;
        PERFORM pg_sleep(pause);
        pause := least(pause * 2, 0.004);
    END LOOP;
    PERFORM set_config('synchronous_commit', 'on', true);
    PERFORM audit_check(head, anchored, anchored_root);
    head := audit_enter_waiting(head, moment, own_ticket);
    UPDATE audit_loghead SET size = head.size, frontier = head.frontier;
    RETURN audit_indexes(told);
END $$;

CREATE FUNCTION audit_withdraw(own_ticket text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = SCHEMA, pg_temp AS $$
    DELETE FROM audit_waiting WHERE ticket = own_ticket
$$;

-- A copy of a signed checkpoint, for exports; the anchor outside the database is the one that counts.
CREATE FUNCTION audit_keep_checkpoint(signed_size bigint, signed_note bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = SCHEMA, pg_temp AS $$
BEGIN
    IF signed_size > (SELECT max(size) FROM audit_loghead) THEN
        PERFORM audit_refuse('a checkpoint over entries that are not here');
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);  -- lost in a crash it is made anew from the anchors
    INSERT INTO audit_checkpoint (size, note, at) VALUES (signed_size, signed_note, date_trunc('second', now()))
    ON CONFLICT DO NOTHING;
END $$;

-- Destroys a body and its salt; the entry that speaks of it stays, with its hash.
CREATE FUNCTION audit_erase_body(body_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = SCHEMA, pg_temp AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    UPDATE audit_body SET erased = true, cipher = '', salt = '', nonce = '' WHERE id = body_id;
    RETURN FOUND;
END $$;

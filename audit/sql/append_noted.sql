-- One call for what comes together before a prompt leaves: a copy of the signed checkpoint, and the entry "sending".
-- The copy first, because it lets its transaction go without waiting for the disk; appending then waits for it again.

CREATE FUNCTION audit_append_noted(
    own_ticket text, told json, moment timestamptz, anchored bigint, anchored_root bytea,
    signed_size bigint, signed_note bytea
) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = SCHEMA, pg_temp AS $$
BEGIN
    PERFORM audit_keep_checkpoint(signed_size, signed_note);
    RETURN audit_append(own_ticket, told, moment, anchored, anchored_root);
END $$;

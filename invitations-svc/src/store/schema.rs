//! The tables that Diesel's query builder reads. The ledger's statements are written out where they are.

diesel::table! {
    member (member_id) {
        member_id -> Uuid,
        name -> Text,
        email -> Text,
        locale -> Text,
        time_zone -> Text,
        invitation_policy -> SmallInt,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    sent (inviter_id, id) {
        inviter_id -> Uuid,
        id -> Uuid,
        recipient_id -> Uuid,
        note -> Text,
        lifecycle -> SmallInt,
        sent_at -> Timestamptz,
        expires_at -> Timestamptz,
        closed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    received (recipient_id, id) {
        recipient_id -> Uuid,
        id -> Uuid,
        inviter_id -> Uuid,
        note -> Text,
        lifecycle -> SmallInt,
        folder -> SmallInt,
        sequence -> BigInt,
        sent_at -> Timestamptz,
        expires_at -> Timestamptz,
        closed_at -> Nullable<Timestamptz>,
        emailed_at -> Timestamptz,
        reminders -> Bool,
        reminders_left -> SmallInt,
        replies -> SmallInt,
        due_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    connection (member_id, other_id) {
        member_id -> Uuid,
        other_id -> Uuid,
        connected_at -> Timestamptz,
    }
}

diesel::table! {
    reply (inviter_id, invitation_id, number) {
        inviter_id -> Uuid,
        invitation_id -> Uuid,
        number -> SmallInt,
        text -> Text,
        replied_at -> Timestamptz,
    }
}

diesel::table! {
    audit (member_id, id) {
        member_id -> Uuid,
        id -> Uuid,
        actor -> Text,
        action -> SmallInt,
        detail -> Text,
        note -> Text,
    }
}

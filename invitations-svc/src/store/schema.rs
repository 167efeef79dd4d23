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
        accepted_at -> Nullable<Timestamptz>,
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
        accepted_at -> Nullable<Timestamptz>,
        emailed_at -> Timestamptz,
        reminders -> Bool,
    }
}

diesel::table! {
    connection (member_id, other_id) {
        member_id -> Uuid,
        other_id -> Uuid,
        connected_at -> Timestamptz,
    }
}

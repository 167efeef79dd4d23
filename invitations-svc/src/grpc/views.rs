//! Rows as the wire shows them.

use jiff::Timestamp;
use proto::invitations::v1 as pb;
use shell::clock::to_proto;
use uuid::Uuid;

use crate::{
    domain::{
        ids::created_at,
        invitation::{Received, ReceivedState, Sent, SentState},
        member::{InvitationPolicy, Member},
    },
    store::connections::Summary,
};

pub(super) fn sent(row: &Sent, now: Timestamp) -> pb::SentInvitation {
    let state = match row.state(now) {
        SentState::Pending => pb::SentState::Pending,
        SentState::Accepted => pb::SentState::Accepted,
        SentState::Expired => pb::SentState::Expired,
    };
    pb::SentInvitation {
        invitation_id: row.id.to_string(),
        inviter_id: row.inviter_id.to_string(),
        recipient_id: row.recipient_id.to_string(),
        note: row.note.clone(),
        state: state.into(),
        create_time: Some(to_proto(created_at(row.id))),
        send_time: Some(to_proto(row.sent_at)),
        expire_time: Some(to_proto(row.expires_at)),
        accept_time: row.accepted_at.map(to_proto),
    }
}

pub(super) fn received(row: &Received, now: Timestamp) -> pb::ReceivedInvitation {
    let state = match row.state(now) {
        ReceivedState::Pending => pb::ReceivedState::Pending,
        ReceivedState::Ignored => pb::ReceivedState::Ignored,
        ReceivedState::Accepted => pb::ReceivedState::Accepted,
        ReceivedState::Expired => pb::ReceivedState::Expired,
    };
    pb::ReceivedInvitation {
        invitation_id: row.id.to_string(),
        inviter_id: row.inviter_id.to_string(),
        recipient_id: row.recipient_id.to_string(),
        note: row.note.clone(),
        state: state.into(),
        send_time: Some(to_proto(row.sent_at)),
        expire_time: Some(to_proto(row.expires_at)),
        accept_time: row.accepted_at.map(to_proto),
    }
}

pub(super) fn connection(member_id: Uuid, other_id: Uuid, at: Timestamp) -> pb::Connection {
    pb::Connection {
        member_id: member_id.to_string(),
        other_id: other_id.to_string(),
        connect_time: Some(to_proto(at)),
    }
}

pub(super) fn summary(summary: Summary) -> pb::ConnectionSummary {
    pb::ConnectionSummary {
        total_count: summary.total,
        shared_count: summary.shared,
        names: summary.names,
    }
}

pub(super) fn member(row: Member) -> pb::Member {
    let policy = match row.invitation_policy {
        InvitationPolicy::Everyone => pb::InvitationPolicy::Everyone,
        InvitationPolicy::KnowsMyEmail => pb::InvitationPolicy::KnowsMyEmail,
    };
    pb::Member {
        member_id: row.member_id.to_string(),
        name: row.name,
        email: row.email,
        locale: row.locale,
        time_zone: row.time_zone,
        invitation_policy: policy.into(),
        update_time: Some(to_proto(row.updated_at)),
    }
}

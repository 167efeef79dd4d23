//! Rows as the wire shows them.

use jiff::Timestamp;
use proto::invitations::v1 as pb;
use shell::clock::to_proto;
use uuid::Uuid;

use crate::{
    domain::{
        ids::created_at,
        invitation::{Folder, Listed, Received, ReceivedState, Sent, SentState},
        member::{InvitationPolicy, Member},
        transition::Reply,
    },
    store::connections::Summary,
};

/// Before every expiry. The answer to an act shows the invitation as it was decided, also when it is told again after
/// its time ran out; the rules have judged the time already.
pub(super) const AS_DECIDED: Timestamp = Timestamp::MIN;

/// As the inviter sees it; none where it has vanished.
pub(super) fn sent(row: &Sent, now: Timestamp) -> Option<pb::SentInvitation> {
    let state = row.state(now)?;
    let accepted_at = row.closed_at.filter(|_| state == SentState::Accepted);
    let state = match state {
        SentState::Pending => pb::SentState::Pending,
        SentState::Accepted => pb::SentState::Accepted,
        SentState::Withdrawn => pb::SentState::Withdrawn,
        SentState::Expired => pb::SentState::Expired,
    };
    Some(pb::SentInvitation {
        invitation_id: row.id.to_string(),
        inviter_id: row.inviter_id.to_string(),
        recipient_id: row.recipient_id.to_string(),
        note: row.note.clone(),
        state: state.into(),
        create_time: Some(to_proto(created_at(row.id))),
        send_time: Some(to_proto(row.sent_at)),
        expire_time: Some(to_proto(row.expires_at)),
        accept_time: accepted_at.map(to_proto),
    })
}

/// As the recipient sees it; none where it has vanished or was never seen.
pub(super) fn received(row: &Received, now: Timestamp) -> Option<pb::ReceivedInvitation> {
    let state = row.state(now)?;
    let accepted_at = row.closed_at.filter(|_| state == ReceivedState::Accepted);
    let state = match state {
        ReceivedState::Pending => pb::ReceivedState::Pending,
        ReceivedState::Ignored => pb::ReceivedState::Ignored,
        ReceivedState::Declined => pb::ReceivedState::Declined,
        ReceivedState::Accepted => pb::ReceivedState::Accepted,
        ReceivedState::Expired => pb::ReceivedState::Expired,
    };
    Some(pb::ReceivedInvitation {
        invitation_id: row.id.to_string(),
        inviter_id: row.inviter_id.to_string(),
        recipient_id: row.recipient_id.to_string(),
        note: row.note.clone(),
        state: state.into(),
        send_time: Some(to_proto(row.sent_at)),
        expire_time: Some(to_proto(row.expires_at)),
        accept_time: accepted_at.map(to_proto),
        etag: etag(row.sequence),
        reply_count: i32::try_from(row.replies).unwrap_or(i32::MAX),
    })
}

/// As the recipient sees those in `folder`; none where it is not theirs to see.
pub(super) fn listed(rows: Vec<Listed>, recipient_id: Uuid, folder: Folder) -> Vec<pb::ReceivedInvitation> {
    let state = match folder {
        Folder::Inbox => pb::ReceivedState::Pending,
        Folder::Archived => pb::ReceivedState::Ignored,
        Folder::Declined => pb::ReceivedState::Declined,
        Folder::Barred => return Vec::new(),
    };
    let recipient_id = recipient_id.to_string();
    let shown = rows.into_iter().map(|row| pb::ReceivedInvitation {
        invitation_id: row.id.to_string(),
        inviter_id: row.inviter_id.to_string(),
        recipient_id: recipient_id.clone(),
        note: row.note,
        state: state.into(),
        send_time: Some(to_proto(row.sent_at)),
        expire_time: Some(to_proto(row.expires_at)),
        accept_time: None,
        etag: etag(row.sequence),
        reply_count: i32::try_from(row.replies).unwrap_or(i32::MAX),
    });
    shown.collect()
}

/// Tells one state of a received invitation from another.
fn etag(sequence: i64) -> String {
    format!("v{sequence}")
}

/// The sequence number that an etag stands for; none where it is none of ours.
pub(super) fn read_etag(etag: &str) -> Option<i64> {
    etag.strip_prefix('v')?.parse().ok()
}

pub(super) fn reply(reply: &Reply) -> pb::Reply {
    pb::Reply {
        invitation_id: reply.invitation_id.to_string(),
        number: i32::try_from(reply.number).unwrap_or(i32::MAX),
        text: reply.text.clone(),
        reply_time: Some(to_proto(reply.at)),
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
        names: summary.named.into_iter().map(|(_, name)| name).collect(),
    }
}

pub(super) fn member(row: Member) -> pb::Member {
    let policy = match row.invitation_policy {
        InvitationPolicy::Everyone => pb::InvitationPolicy::Everyone,
        InvitationPolicy::KnowsMyEmail => pb::InvitationPolicy::KnowsMyEmail,
        InvitationPolicy::Nobody => pb::InvitationPolicy::Nobody,
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

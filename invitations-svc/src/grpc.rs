//! The wire: proto to domain and back. A handler parses, submits and prints.

mod connections;
pub mod errors;
mod feed;
mod invitations;
mod members;
mod operators;
mod paging;
mod repeat;
mod views;

use std::{sync::Arc, time::Duration};

use proto::invitations::v1::{
    connection_service_server::ConnectionServiceServer, feed_service_server::FeedServiceServer,
    invitation_service_server::InvitationServiceServer, member_service_server::MemberServiceServer,
    operator_service_server::OperatorServiceServer,
};
use shell::{clock::Clock, gate::Role, postgres::Database, signing::Keyring};
use tokio_util::sync::CancellationToken;
use tonic::service::{Routes, RoutesBuilder};

pub use self::feed::Follow;
use crate::{
    domain::{
        invitation::{Listed, Sent},
        policy::Policy,
    },
    ledger::Ledger,
    pages::Pages,
    store::pages::{ReceivedPage, SentPage},
    workers::erasure::Eraser,
};

/// Domain of every error (google.rpc.ErrorInfo).
pub const DOMAIN: &str = "invitations.v1";

/// Names of the services, for health.
pub const SERVICES: [&str; 5] = [
    "invitations.v1.InvitationService",
    "invitations.v1.ConnectionService",
    "invitations.v1.MemberService",
    "invitations.v1.OperatorService",
    "invitations.v1.FeedService",
];

/// Which role each rpc asks for; one of several, where it stands here several times.
#[rustfmt::skip]
pub const PERMISSIONS: &[(&str, Role)] = &[
    ("/invitations.v1.InvitationService/SendInvitation", Role::MemberClient),
    ("/invitations.v1.InvitationService/BatchSendInvitations", Role::MemberClient),
    ("/invitations.v1.InvitationService/SendInvitationStream", Role::MemberClient),
    ("/invitations.v1.InvitationService/GetSentInvitation", Role::MemberClient),
    ("/invitations.v1.InvitationService/ListSentInvitations", Role::MemberClient),
    ("/invitations.v1.InvitationService/GetReceivedInvitation", Role::MemberClient),
    ("/invitations.v1.InvitationService/ListReceivedInvitations", Role::MemberClient),
    ("/invitations.v1.InvitationService/ListReplies", Role::MemberClient),
    ("/invitations.v1.InvitationService/AcceptInvitation", Role::MemberClient),
    ("/invitations.v1.InvitationService/ReplyToInvitation", Role::MemberClient),
    ("/invitations.v1.InvitationService/IgnoreInvitation", Role::MemberClient),
    ("/invitations.v1.InvitationService/RestoreInvitation", Role::MemberClient),
    ("/invitations.v1.InvitationService/DeclineInvitation", Role::MemberClient),
    ("/invitations.v1.InvitationService/WithdrawInvitation", Role::MemberClient),
    ("/invitations.v1.InvitationService/StopReminders", Role::MemberClient),
    ("/invitations.v1.ConnectionService/ListConnections", Role::MemberClient),
    ("/invitations.v1.ConnectionService/GetConnectionSummary", Role::MemberClient),
    ("/invitations.v1.ConnectionService/RemoveConnection", Role::MemberClient),
    ("/invitations.v1.MemberService/UpsertMembers", Role::MemberClient),
    ("/invitations.v1.MemberService/GetMember", Role::MemberClient),
    ("/invitations.v1.MemberService/EraseMember", Role::MemberClient),
    ("/invitations.v1.OperatorService/GetAccount", Role::Operator),
    ("/invitations.v1.OperatorService/GrantQuota", Role::Operator),
    ("/invitations.v1.OperatorService/ImposeRestriction", Role::Operator),
    ("/invitations.v1.OperatorService/LiftRestriction", Role::Operator),
    ("/invitations.v1.OperatorService/LiftBan", Role::Operator),
    ("/invitations.v1.OperatorService/ExplainSend", Role::Operator),
    ("/invitations.v1.OperatorService/ListAudit", Role::Operator),
    // Everybody's transitions are shown to the second only.
    ("/invitations.v1.FeedService/WatchTransitions", Role::MemberClient),
    ("/invitations.v1.FeedService/WatchTransitions", Role::Feed),
];

/// The numbers that the wire is held to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest note, in characters.
    pub note_chars: usize,
    /// Longest reply, in characters.
    pub reply_chars: usize,
    /// Invitations in one batch.
    pub batch_items: usize,
    /// Items of one stream that are under way at once.
    pub stream_in_flight: usize,
    /// Longest time for one item of a stream.
    pub patience: Duration,
}

/// Largest request of most rpcs, in bytes.
const MESSAGE_LIMIT: usize = 64 * 1024;

/// Largest BatchSendInvitations request, in bytes: as many invitations as a setting allows, with long notes.
const BATCH_LIMIT: usize = 4 * 1024 * 1024;

/// Largest UpsertMembers request, in bytes: 100 members with long names.
const MEMBERS_LIMIT: usize = 512 * 1024;

/// What the handlers work with.
#[derive(Clone)]
pub struct Rooms {
    /// Takes mutations.
    pub ledger: Ledger,
    /// Answers reads.
    pub database: Database,
    /// Reads pages of the inviters' books.
    pub sent_pages: Pages<SentPage, Sent>,
    /// Reads pages of the recipients' books.
    pub received_pages: Pages<ReceivedPage, Listed>,
    /// Tells the time.
    pub clock: Clock,
    /// Signs page tokens and accept links, seals cursors.
    pub keys: Keyring,
    /// The numbers to judge by.
    pub policy: Arc<Policy>,
    /// The numbers that the wire is held to.
    pub limits: Limits,
    /// Erases what erased members left behind.
    pub eraser: Eraser,
    /// What streams of the feed work with.
    pub follow: Follow,
    /// Ends streams.
    pub stop: CancellationToken,
}

/// The services.
pub fn routes(rooms: &Rooms) -> Routes {
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(
            InvitationServiceServer::new(invitations::Service(rooms.clone()))
                .max_decoding_message_size(BATCH_LIMIT),
        )
        .add_service(
            ConnectionServiceServer::new(connections::Service(rooms.clone()))
                .max_decoding_message_size(MESSAGE_LIMIT),
        )
        .add_service(
            MemberServiceServer::new(members::Service(rooms.clone()))
                .max_decoding_message_size(MEMBERS_LIMIT),
        )
        .add_service(
            OperatorServiceServer::new(operators::Service(rooms.clone()))
                .max_decoding_message_size(MESSAGE_LIMIT),
        )
        .add_service(
            FeedServiceServer::new(feed::Service(rooms.clone())).max_decoding_message_size(MESSAGE_LIMIT),
        );
    routes.routes()
}

#[cfg(test)]
mod tests {
    use proto::invitations::v1::{
        CONNECTION_SERVICE_RPCS, FEED_SERVICE_RPCS, INVITATION_SERVICE_RPCS, MEMBER_SERVICE_RPCS,
        OPERATOR_SERVICE_RPCS,
    };
    use proto::invitations::v1::{
        connection_service_server::SERVICE_NAME as CONNECTIONS, feed_service_server::SERVICE_NAME as FEED,
        invitation_service_server::SERVICE_NAME as INVITATIONS,
        member_service_server::SERVICE_NAME as MEMBERS, operator_service_server::SERVICE_NAME as OPERATORS,
    };

    use super::*;

    #[test]
    fn every_rpc_asks_for_a_role() {
        let mut rpcs = [
            INVITATION_SERVICE_RPCS,
            CONNECTION_SERVICE_RPCS,
            MEMBER_SERVICE_RPCS,
            OPERATOR_SERVICE_RPCS,
            FEED_SERVICE_RPCS,
        ]
        .concat();
        let mut permitted: Vec<&str> = PERMISSIONS.iter().map(|(rpc, _)| *rpc).collect();
        rpcs.sort_unstable();
        permitted.sort_unstable();
        permitted.dedup();
        assert_eq!(rpcs, permitted);
    }

    #[test]
    fn health_knows_every_service() {
        assert_eq!(SERVICES, [INVITATIONS, CONNECTIONS, MEMBERS, OPERATORS, FEED]);
    }
}

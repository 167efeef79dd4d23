//! MemberService.

use std::{collections::HashSet, time::Instant};

use proto::invitations::v1 as pb;
use shell::{errors::from_database, fields::Violations, gate};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{DOMAIN, Rooms, errors, repeat::request_key, views};
use crate::{
    domain::{
        command::{Act, Command, Erase},
        member::{InvitationPolicy, Member},
        refusal::Refusal,
        transition::Answer,
    },
    store,
    workers::erasure::Unfinished,
};

/// Longest display name, in characters.
const NAME_CHARS: usize = 100;

/// Members in one call at most.
const MEMBERS: usize = 100;

pub(super) struct Service(pub(super) Rooms);

#[tonic::async_trait]
impl pb::member_service_server::MemberService for Service {
    async fn upsert_members(
        &self,
        request: Request<pb::UpsertMembersRequest>,
    ) -> Result<Response<pb::UpsertMembersResponse>, Status> {
        let (caller, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let key = request_key(
            &mut violations,
            &caller,
            "UpsertMembers",
            &request.request_id,
            &request,
        );
        let members = self.read_members(&mut violations, &request.members);
        let command = violations.into_result(
            DOMAIN,
            Command {
                request: key,
                act: Act::Upsert(members),
            },
        )?;
        // Who was erased and becomes known again has nothing of before that somebody could still answer.
        if let Act::Upsert(members) = &command.act {
            let member_ids = members.iter().map(|member| member.member_id).collect();
            self.erase(member_ids, deadline).await?;
        }
        let Answer::Upserted(members) = errors::answer(self.0.ledger.submit(command, deadline).await)? else {
            return Err(errors::wrong_answer());
        };
        Ok(Response::new(pb::UpsertMembersResponse {
            members: members.into_iter().map(views::member).collect(),
        }))
    }

    async fn erase_member(
        &self,
        request: Request<pb::EraseMemberRequest>,
    ) -> Result<Response<pb::EraseMemberResponse>, Status> {
        let (caller, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let member_id = violations.uuid("member_id", &request.member_id);
        let key = request_key(
            &mut violations,
            &caller,
            "EraseMember",
            &request.request_id,
            &request,
        );
        violations.into_result(DOMAIN, ())?;
        let act = Act::Erase(Erase {
            member_id,
            by: caller.name.clone(),
            entropy: rand::random(),
        });
        let command = Command { request: key, act };
        errors::answer(self.0.ledger.submit(command, deadline).await)?;
        // From here on it goes on by itself; the caller hears when it is done.
        self.erase(vec![member_id], deadline).await?;
        Ok(Response::new(pb::EraseMemberResponse {}))
    }

    async fn get_member(
        &self,
        request: Request<pb::GetMemberRequest>,
    ) -> Result<Response<pb::GetMemberResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let mut violations = Violations::default();
        let id = violations.uuid("member_id", &request.get_ref().member_id);
        let id = violations.into_result(DOMAIN, id)?;
        let found = self
            .0
            .database
            .run(deadline, move |db| store::members::by_ids(db, &[id]))
            .await;
        let member = found.map_err(|error| from_database(DOMAIN, &error))?.pop();
        let member = member.ok_or_else(|| errors::refused(Refusal::MemberNotFound))?;
        Ok(Response::new(pb::GetMemberResponse {
            member: Some(views::member(member)),
        }))
    }
}

impl Service {
    async fn erase(&self, member_ids: Vec<Uuid>, deadline: Instant) -> Result<(), Status> {
        let erased = self.0.eraser.erase(member_ids, deadline).await;
        erased.map_err(|error| match error {
            Unfinished::Database(error) => from_database(DOMAIN, &error),
            Unfinished::Ledger(error) => errors::undecided(error),
        })
    }

    fn read_members(&self, violations: &mut Violations, members: &[pb::Member]) -> Vec<Member> {
        if members.is_empty() || members.len() > MEMBERS {
            violations.add("members", format!("must name 1 to {MEMBERS} members"));
            return Vec::new();
        }
        let members: Vec<Member> = members
            .iter()
            .enumerate()
            .map(|(at, member)| self.read_member(violations, at, member))
            .collect();
        let mut seen = HashSet::new();
        for (at, member) in members.iter().enumerate() {
            if !member.member_id.is_nil() && !seen.insert(member.member_id) {
                violations.add(format!("members[{at}].member_id"), "must name each member once");
            }
        }
        members
    }

    fn read_member(&self, violations: &mut Violations, at: usize, member: &pb::Member) -> Member {
        let field = |name: &str| format!("members[{at}].{name}");
        Member {
            member_id: violations.uuid(&field("member_id"), &member.member_id),
            name: violations.line(&field("name"), &member.name, NAME_CHARS),
            email: violations.email(&field("email"), &member.email),
            locale: violations.locale(&field("locale"), &member.locale),
            time_zone: violations.time_zone(&field("time_zone"), &member.time_zone),
            invitation_policy: match pb::InvitationPolicy::try_from(member.invitation_policy) {
                Ok(pb::InvitationPolicy::Unspecified | pb::InvitationPolicy::Everyone) => {
                    InvitationPolicy::Everyone
                }
                Ok(pb::InvitationPolicy::KnowsMyEmail) => InvitationPolicy::KnowsMyEmail,
                Ok(pb::InvitationPolicy::Nobody) => InvitationPolicy::Nobody,
                Err(_) => {
                    violations.add(field("invitation_policy"), "must be a value of InvitationPolicy");
                    InvitationPolicy::Everyone
                }
            },
            updated_at: self.0.clock.now(),
        }
    }
}

//! Three members to play with. Their ids are fixed, so that a printed command works on every machine.

use anyhow::Context;
use proto::invitations::v1::Member;
use tests::clients::Invitations;

pub(crate) struct Person {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) email: &'static str,
}

pub(crate) const ADA: Person = Person {
    id: "a0000000-0000-4000-8000-000000000001",
    name: "Ada Adler",
    email: "ada@example.com",
};
pub(crate) const BEN: Person = Person {
    id: "b0000000-0000-4000-8000-000000000002",
    name: "Ben Berger",
    email: "ben@example.com",
};
pub(crate) const CLEO: Person = Person {
    id: "c0000000-0000-4000-8000-000000000003",
    name: "Cleo Costa",
    email: "cleo@example.com",
};

/// Tells invitations-svc of the three, again and again without harm.
pub(crate) async fn seed(clients: &Invitations) -> anyhow::Result<()> {
    let members = [ADA, BEN, CLEO].map(|person| Member {
        member_id: person.id.to_owned(),
        name: person.name.to_owned(),
        email: person.email.to_owned(),
        locale: "en".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        ..Member::default()
    });
    clients
        .upsert(members.to_vec())
        .await
        .context("cannot create the members")?;
    Ok(())
}

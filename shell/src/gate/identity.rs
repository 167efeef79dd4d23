//! Who calls, and what they may do. One table names the role that each rpc asks for; one of several, where an rpc stands
//! in it several times.

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use tonic::{Code, Status};

use crate::errors;

/// What a client may be trusted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Acts for members: any member that it names.
    MemberClient,
    /// Queues and cancels emails.
    Notifier,
    /// Sees and does what no member may know.
    Operator,
    /// Follows everybody's transitions.
    Feed,
}

impl Role {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "member-client" => Some(Self::MemberClient),
            "notifier" => Some(Self::Notifier),
            "operator" => Some(Self::Operator),
            "feed" => Some(Self::Feed),
            _ => None,
        }
    }
}

/// A client whose identity was checked.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its name; request ids are kept apart by it.
    pub name: Arc<str>,
    roles: Arc<[Role]>,
}

impl Caller {
    /// PERMISSION_DENIED, ROLE_MISSING unless the client has one of `roles`.
    pub fn require(&self, roles: &[Role], domain: &str) -> Result<(), Status> {
        if roles.iter().any(|role| self.roles.contains(role)) {
            return Ok(());
        }
        let message = format!(
            "the client {} does not have the role this rpc asks for",
            self.name
        );
        Err(errors::refusal(
            Code::PermissionDenied,
            domain,
            "ROLE_MISSING",
            &message,
        ))
    }
}

/// How callers are told apart.
#[derive(Debug, Clone)]
pub enum Identities {
    /// Everybody who can reach the port may do everything: for loopback only.
    Loopback,
    /// Bearer tokens, known by their SHA-256.
    Tokens(Arc<HashMap<[u8; 32], Caller>>),
}

impl Identities {
    /// Reads a file of tokens. Each line: client name, roles separated by commas, SHA-256 of its token in hex.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|wrong| format!("{}: {wrong}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut callers = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (hash, caller) = read_line(line).ok_or_else(|| {
                format!("line {number}: must be a client name, roles (member-client, notifier, operator, feed) separated by commas, and the token's SHA-256 in hex")
            })?;
            if callers.insert(hash, caller).is_some() {
                return Err(format!("line {number}: this token stands on a line before, too"));
            }
        }
        if callers.is_empty() {
            return Err("names no client".to_owned());
        }
        Ok(Self::Tokens(Arc::new(callers)))
    }

    pub(super) fn caller(&self, headers: &HeaderMap, domain: &str) -> Result<Caller, Status> {
        match self {
            Self::Loopback => Ok(Caller {
                name: "loopback".into(),
                roles: [Role::MemberClient, Role::Notifier, Role::Operator, Role::Feed].into(),
            }),
            Self::Tokens(callers) => bearer(headers)
                .and_then(|token| callers.get(&<[u8; 32]>::from(Sha256::digest(token))))
                .cloned()
                .ok_or_else(|| {
                    let message =
                        "send `authorization: Bearer TOKEN` with a token from this service's token file";
                    errors::refusal(Code::Unauthenticated, domain, "TOKEN_MISSING_OR_WRONG", message)
                }),
        }
    }
}

fn read_line(line: &str) -> Option<([u8; 32], Caller)> {
    let mut words = line.split_whitespace();
    let (name, roles, hash) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || hash.len() != 64 || !hash.is_ascii() {
        return None;
    }
    let roles: Option<Vec<Role>> = roles.split(',').map(Role::parse).collect();
    let bytes: Option<Vec<u8>> = (0..32)
        .map(|i| u8::from_str_radix(&hash[2 * i..2 * i + 2], 16).ok())
        .collect();
    Some((
        bytes?.try_into().ok()?,
        Caller {
            name: name.into(),
            roles: roles?.into(),
        },
    ))
}

/// The one bearer token of a call; none when there are two.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.as_bytes();
    if values.next().is_some() {
        return None;
    }
    value.strip_prefix(b"Bearer ")
}

/// The roles one of which each rpc asks for.
pub(super) struct Permissions(HashMap<&'static str, Vec<Role>>);

impl Permissions {
    pub(super) fn new(table: &[(&'static str, Role)]) -> Self {
        let mut roles: HashMap<&'static str, Vec<Role>> = HashMap::new();
        for (rpc, role) in table {
            roles.entry(rpc).or_default().push(*role);
        }
        Self(roles)
    }

    /// None where there is no such rpc.
    pub(super) fn roles(&self, path: &str) -> Option<&[Role]> {
        self.0.get(path).map(Vec::as_slice)
    }

    /// The rpc's path for metrics and logs; one word for all that are not ours.
    pub(super) fn name(&self, path: &str) -> &'static str {
        self.0.get_key_value(path).map_or("unknown", |(path, _)| *path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `secret`.
    const HASH: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    fn called_with(identities: &Identities, values: &[&str]) -> Result<Caller, Code> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().expect("a header value"));
        }
        identities
            .caller(&headers, "test.v1")
            .map_err(|status| status.code())
    }

    #[test]
    fn a_token_names_its_client_and_its_roles() {
        let identities =
            Identities::parse(&format!("# clients\n\nweb member-client {HASH}\n")).expect("well formed");
        let caller = called_with(&identities, &["Bearer secret"]).expect("known");
        assert_eq!(&*caller.name, "web");
        assert!(caller.require(&[Role::MemberClient], "test.v1").is_ok());
        let refused = caller.require(&[Role::Notifier], "test.v1");
        assert_eq!(refused.expect_err("not its role").code(), Code::PermissionDenied);
    }

    #[test]
    fn an_rpc_that_stands_in_the_table_twice_asks_for_one_of_two_roles() {
        let table = [
            ("/x", Role::MemberClient),
            ("/y", Role::Operator),
            ("/x", Role::Feed),
        ];
        let permissions = Permissions::new(&table);
        let allowed = |roles: &str, rpc: &str| {
            let identities = Identities::parse(&format!("web {roles} {HASH}")).expect("well formed");
            let caller = called_with(&identities, &["Bearer secret"]).expect("known");
            let asked = permissions.roles(rpc).expect("it is in the table");
            caller.require(asked, "test.v1").is_ok()
        };
        for (roles, x, y) in [
            ("member-client", true, false),
            ("feed", true, false),
            ("operator", false, true),
            ("notifier", false, false),
            ("notifier,feed", true, false),
        ] {
            assert_eq!((allowed(roles, "/x"), allowed(roles, "/y")), (x, y), "{roles}");
        }
        assert!(permissions.roles("/z").is_none());
    }

    #[test]
    fn no_token_a_wrong_one_and_two_are_refused() {
        let identities = Identities::parse(&format!("web member-client {HASH}")).expect("well formed");
        for values in [
            &[][..],
            &["Bearer wrong"],
            &["secret"],
            &["Bearer secret", "Bearer secret"],
        ] {
            assert_eq!(
                called_with(&identities, values).expect_err("refused"),
                Code::Unauthenticated,
                "{values:?}"
            );
        }
    }

    #[test]
    fn a_malformed_token_file_names_the_line() {
        for wrong in ["web member-client short", "web king 00", "web", ""] {
            assert!(Identities::parse(wrong).is_err(), "{wrong}");
        }
        assert!(
            Identities::parse("\nweb")
                .expect_err("malformed")
                .starts_with("line 2")
        );
    }
}

//! The contract as a small state machine of its own, written from its words: what each act is answered with, and what
//! each member sees afterwards.

use jiff::{SignedDuration, Timestamp};

pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Members are named by their place.
pub(crate) type Who = usize;

/// The limits of a run: small, so that programs meet them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) day: usize,
    pub(crate) week: usize,
    pub(crate) lifetime: usize,
    pub(crate) outstanding: usize,
    pub(crate) connections: usize,
    pub(crate) pair: usize,
    pub(crate) pair_days: i32,
    pub(crate) open_days: i32,
    pub(crate) replies: usize,
    pub(crate) strikes: usize,
    pub(crate) strike_days: i32,
    pub(crate) silent: bool,
}

/// Who may invite a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Everyone,
    KnowsMyEmail,
    Nobody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    Missing,
    Right,
    Wrong,
}

/// What a member asks for. Invitations are named by their place in the order of their making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Send {
        from: Who,
        to: Who,
        note: String,
        address: Address,
    },
    Accept {
        by: Who,
        invitation: usize,
    },
    Reply {
        by: Who,
        invitation: usize,
    },
    Ignore {
        by: Who,
        invitation: usize,
    },
    Restore {
        by: Who,
        invitation: usize,
    },
    Decline {
        by: Who,
        invitation: usize,
    },
    Withdraw {
        by: Who,
        invitation: usize,
    },
    StopReminders {
        by: Who,
        invitation: usize,
    },
    Disconnect {
        by: Who,
        from: Who,
    },
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The send made or renewed this invitation.
    Sent(usize),
    /// The send accepted the other's.
    Connected,
    Ok,
    Refused(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lifecycle {
    Pending,
    Accepted,
    Withdrawn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folder {
    Inbox,
    Archived,
    Declined,
    Nowhere,
}

#[derive(Debug, Clone)]
struct Invitation {
    from: Who,
    to: Who,
    lifecycle: Lifecycle,
    folder: Folder,
    note: String,
    note_received: String,
    expires: Timestamp,
    replies: usize,
    /// The two are connected by it.
    connects: bool,
}

/// One of two as the inviter of the other.
#[derive(Debug, Clone, Default)]
struct Direction {
    sends: Vec<Timestamp>,
    barred: bool,
    email_required: bool,
    struck: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Account {
    policy: Policy,
    sends: Vec<Timestamp>,
    strikes: Vec<Timestamp>,
    step: usize,
    restriction: Option<(Kind, Option<Timestamp>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Email,
    Suspended,
}

/// The ladder of the runs: `email:1,suspend:2,suspend`.
pub(crate) const LADDER: &str = "email:1,suspend:2,suspend";

/// What an invitation looks like: its place, and a state as the wire names it.
pub(crate) type Seen = (usize, &'static str, String);

pub(crate) struct Contract {
    limits: Limits,
    accounts: Vec<Account>,
    directions: Vec<Vec<Direction>>,
    connected: Vec<(Who, Who)>,
    invitations: Vec<Invitation>,
}

impl Contract {
    pub(crate) fn new(policies: &[Policy], limits: Limits) -> Self {
        let account = |policy: &Policy| Account {
            policy: *policy,
            sends: Vec::new(),
            strikes: Vec::new(),
            step: 0,
            restriction: None,
        };
        Self {
            limits,
            accounts: policies.iter().map(account).collect(),
            directions: vec![vec![Direction::default(); policies.len()]; policies.len()],
            connected: Vec::new(),
            invitations: Vec::new(),
        }
    }

    pub(crate) fn set_policy(&mut self, who: Who, policy: Policy) {
        self.accounts[who].policy = policy;
    }

    pub(crate) fn count(&self) -> usize {
        self.invitations.len()
    }

    /// Invitations that wait for an answer.
    pub(crate) fn open_at(&self, now: Timestamp) -> Vec<usize> {
        (0..self.invitations.len())
            .filter(|at| self.is_open(*at, now))
            .collect()
    }

    /// Who sent an invitation, to whom.
    pub(crate) fn sides(&self, invitation: usize) -> (Who, Who) {
        let it = &self.invitations[invitation];
        (it.from, it.to)
    }

    pub(crate) fn ask(&mut self, ask: &Ask, now: Timestamp) -> Told {
        match ask {
            Ask::Send {
                from,
                to,
                note,
                address,
            } => self.send(*from, *to, note, *address, now),
            Ask::Disconnect { by, from } => {
                self.disconnect(*by, *from);
                Told::Ok
            }
            Ask::Withdraw { by, invitation } | Ask::StopReminders { by, invitation } => {
                self.recall(*by, *invitation, matches!(ask, Ask::Withdraw { .. }), now)
            }
            Ask::Accept { by, invitation }
            | Ask::Reply { by, invitation }
            | Ask::Ignore { by, invitation }
            | Ask::Restore { by, invitation }
            | Ask::Decline { by, invitation } => self.answer(ask, *by, *invitation, now),
        }
    }

    fn are_connected(&self, one: Who, two: Who) -> bool {
        self.connected.contains(&(one, two)) || self.connected.contains(&(two, one))
    }

    fn connections(&self, who: Who) -> usize {
        self.connected
            .iter()
            .filter(|(one, two)| *one == who || *two == who)
            .count()
    }

    fn is_open(&self, invitation: usize, now: Timestamp) -> bool {
        let it = &self.invitations[invitation];
        it.lifecycle == Lifecycle::Pending && it.expires > now
    }

    fn open(&self, from: Who, to: Who, now: Timestamp) -> Option<usize> {
        (0..self.invitations.len()).find(|at| {
            let it = &self.invitations[*at];
            (it.from, it.to) == (from, to) && self.is_open(*at, now)
        })
    }

    fn restricted(&self, who: Who, now: Timestamp) -> Option<Kind> {
        let (kind, until) = self.accounts[who].restriction?;
        until.is_none_or(|until| until > now).then_some(kind)
    }

    fn has_quota(&self, who: Who, now: Timestamp) -> bool {
        let sends = &self.accounts[who].sends;
        recent(sends, DAY, now) < self.limits.day
            && recent(sends, DAY * 7, now) < self.limits.week
            && sends.len() < self.limits.lifetime
    }

    fn connect(&mut self, invitation: usize) -> Result<(), Told> {
        let Invitation { from, to, .. } = self.invitations[invitation];
        if [from, to]
            .iter()
            .any(|who| self.connections(*who) >= self.limits.connections)
        {
            return Err(Told::Refused("CONNECTION_LIMIT_REACHED"));
        }
        self.invitations[invitation].lifecycle = Lifecycle::Accepted;
        self.invitations[invitation].connects = true;
        self.connected.push((from, to));
        Ok(())
    }

    fn disconnect(&mut self, one: Who, two: Who) {
        if !self.are_connected(one, two) {
            return;
        }
        self.connected
            .retain(|pair| *pair != (one, two) && *pair != (two, one));
        for it in &mut self.invitations {
            it.connects &= (it.from, it.to) != (one, two) && (it.from, it.to) != (two, one);
        }
        for (from, to) in [(one, two), (two, one)] {
            let direction = &mut self.directions[from][to];
            *direction = Direction {
                struck: direction.struck,
                ..Direction::default()
            };
        }
    }

    fn send(&mut self, from: Who, to: Who, note: &str, address: Address, now: Timestamp) -> Told {
        // 5, 6, 7
        if self.are_connected(from, to) {
            return Told::Refused("ALREADY_CONNECTED");
        }
        if let Some(theirs) = self.open(to, from, now) {
            return self
                .connect(theirs)
                .map_or_else(|told| told, |()| Told::Connected);
        }
        let restriction = self.restricted(from, now);
        if restriction == Some(Kind::Suspended) {
            return Told::Refused("INVITING_RESTRICTED");
        }
        // 8
        let needs_address = self.directions[from][to].email_required
            || restriction == Some(Kind::Email)
            || self.accounts[to].policy == Policy::KnowsMyEmail;
        let has_quota = self.has_quota(from, now);
        match address {
            _ if !needs_address => {}
            Address::Missing => return Told::Refused("EMAIL_REQUIRED"),
            Address::Right | Address::Wrong if !has_quota => {
                return Told::Refused("INVITATION_LIMIT_REACHED");
            }
            Address::Wrong => {
                self.accounts[from].sends.push(now);
                return Told::Refused("EMAIL_REQUIRED");
            }
            Address::Right => {}
        }
        // 9, 10
        let window = DAY * self.limits.pair_days;
        if recent(&self.directions[from][to].sends, window, now) >= self.limits.pair {
            return Told::Refused("INVITATION_ALREADY_SENT");
        }
        let own = self.open(from, to, now);
        let waiting = (0..self.invitations.len())
            .filter(|at| self.invitations[*at].from == from && self.is_open(*at, now))
            .count();
        let is_full = own.is_none() && waiting >= self.limits.outstanding;
        if !has_quota || is_full || self.connections(from) >= self.limits.connections {
            return Told::Refused("INVITATION_LIMIT_REACHED");
        }
        self.accounts[from].sends.push(now);
        self.directions[from][to].sends.push(now);
        // 11
        let is_hidden = self.directions[from][to].barred || self.accounts[to].policy == Policy::Nobody;
        if is_hidden && !self.limits.silent {
            return Told::Refused("CANNOT_INVITE_MEMBER");
        }
        // 12, 13
        self.directions[to][from].barred = false;
        let expires = now + DAY * self.limits.open_days;
        let at = own.unwrap_or(self.invitations.len());
        if own.is_none() {
            self.invitations.push(Invitation {
                from,
                to,
                lifecycle: Lifecycle::Pending,
                folder: if is_hidden { Folder::Nowhere } else { Folder::Inbox },
                note: String::new(),
                // Once the two are connected they may both know of it, also where it only looked sent.
                note_received: note.to_owned(),
                expires,
                replies: 0,
                connects: false,
            });
        }
        let it = &mut self.invitations[at];
        it.note = note.to_owned();
        it.expires = expires;
        if !is_hidden {
            it.note_received = note.to_owned();
            it.folder = Folder::Inbox;
        }
        Told::Sent(at)
    }

    fn recall(&mut self, by: Who, invitation: usize, takes_back: bool, now: Timestamp) -> Told {
        let is_open = self.is_open(invitation, now);
        let it = &mut self.invitations[invitation];
        if it.from != by {
            return Told::Refused("INVITATION_NOT_FOUND");
        }
        match it.lifecycle {
            Lifecycle::Accepted => return Told::Refused("INVITATION_CLOSED"),
            Lifecycle::Withdrawn if takes_back => return Told::Ok,
            Lifecycle::Withdrawn => return Told::Refused("INVITATION_CLOSED"),
            Lifecycle::Pending if !is_open => return Told::Refused("INVITATION_EXPIRED"),
            Lifecycle::Pending => {}
        }
        if takes_back {
            it.lifecycle = Lifecycle::Withdrawn;
            let to = it.to;
            self.directions[by][to].email_required = true;
        }
        Told::Ok
    }

    fn answer(&mut self, ask: &Ask, by: Who, invitation: usize, now: Timestamp) -> Told {
        let is_open = self.is_open(invitation, now);
        let it = &mut self.invitations[invitation];
        if it.to != by || it.lifecycle == Lifecycle::Withdrawn {
            return Told::Refused("INVITATION_NOT_FOUND");
        }
        if it.lifecycle == Lifecycle::Accepted {
            return match ask {
                Ask::Accept { .. } if it.connects => Told::Ok,
                _ => Told::Refused("INVITATION_CLOSED"),
            };
        }
        if it.folder == Folder::Nowhere {
            return Told::Refused("INVITATION_NOT_FOUND");
        }
        if !is_open {
            return Told::Refused("INVITATION_EXPIRED");
        }
        match ask {
            Ask::Decline { .. } => match it.folder {
                Folder::Inbox => return Told::Refused("IGNORE_FIRST"),
                Folder::Declined => return Told::Ok,
                Folder::Archived | Folder::Nowhere => {
                    it.folder = Folder::Declined;
                    let from = it.from;
                    self.strike(from, by, now);
                }
            },
            _ if it.folder == Folder::Declined => return Told::Refused("INVITATION_DECLINED"),
            Ask::Accept { .. } => return self.connect(invitation).map_or_else(|told| told, |()| Told::Ok),
            Ask::Reply { .. } if it.replies >= self.limits.replies => {
                return Told::Refused("REPLY_LIMIT_REACHED");
            }
            Ask::Reply { .. } => it.replies += 1,
            Ask::Ignore { .. } => it.folder = Folder::Archived,
            Ask::Restore { .. } => it.folder = Folder::Inbox,
            Ask::Send { .. } | Ask::Withdraw { .. } | Ask::StopReminders { .. } | Ask::Disconnect { .. } => {
                unreachable!("these are no answers")
            }
        }
        Told::Ok
    }

    fn strike(&mut self, from: Who, by: Who, now: Timestamp) {
        let window = DAY * self.limits.strike_days;
        let direction = &mut self.directions[from][by];
        direction.barred = true;
        if direction.struck.is_some_and(|at| at + window > now) {
            return;
        }
        direction.struck = Some(now);
        let account = &mut self.accounts[from];
        account.strikes.push(now);
        if recent(&account.strikes, window, now) < self.limits.strikes {
            return;
        }
        account.restriction = Some(match account.step {
            0 => (Kind::Email, Some(now + DAY)),
            1 => (Kind::Suspended, Some(now + DAY * 2)),
            _ => (Kind::Suspended, None),
        });
        account.step += 1;
        account.strikes.clear();
    }

    /// The inviter's book, newest first.
    pub(crate) fn sent(&self, who: Who, now: Timestamp) -> Vec<Seen> {
        let mine = self
            .invitations
            .iter()
            .enumerate()
            .filter(|(_, it)| it.from == who);
        let seen = |(at, it): (usize, &Invitation)| {
            let state = match it.lifecycle {
                Lifecycle::Accepted => "ACCEPTED",
                Lifecycle::Withdrawn => "WITHDRAWN",
                Lifecycle::Pending if it.expires <= now => "EXPIRED",
                Lifecycle::Pending => "PENDING",
            };
            (at, state, it.note.clone())
        };
        mine.map(seen).rev().collect()
    }

    /// Everything that the recipient sees when they look at each invitation, newest first.
    pub(crate) fn received(&self, who: Who, now: Timestamp) -> Vec<Seen> {
        let mine = self.invitations.iter().enumerate().filter(|(_, it)| it.to == who);
        let seen = |(at, it): (usize, &Invitation)| {
            let state = match (it.lifecycle, it.folder) {
                (Lifecycle::Withdrawn, _) => return None,
                (Lifecycle::Accepted, _) => "ACCEPTED",
                (Lifecycle::Pending, Folder::Nowhere) => return None,
                (Lifecycle::Pending, _) if it.expires <= now => "EXPIRED",
                (Lifecycle::Pending, Folder::Inbox) => "PENDING",
                (Lifecycle::Pending, Folder::Archived) => "IGNORED",
                (Lifecycle::Pending, Folder::Declined) => "DECLINED",
            };
            Some((at, state, format!("{} {}", it.note_received, it.replies)))
        };
        mine.filter_map(seen).rev().collect()
    }

    /// Members whom `who` is connected to, in their order.
    pub(crate) fn connected_to(&self, who: Who) -> Vec<Who> {
        (0..self.accounts.len())
            .filter(|other| self.are_connected(who, *other))
            .collect()
    }
}

/// How many of `times` the last `length` holds.
fn recent(times: &[Timestamp], length: SignedDuration, now: Timestamp) -> usize {
    times.iter().filter(|at| **at > now - length).count()
}

//! What an attempt's end means.

use std::sync::Arc;

use super::relay::{Blame, blame};

/// How far an attempt got. The body begins only after its mark is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The email is put together.
    Compose = 0,
    /// Connecting: greeting, EHLO, TLS, authentication.
    Connect = 1,
    Mail = 2,
    Rcpt = 3,
    Data = 4,
    /// From the body's first byte to the final reply.
    Body = 5,
}

impl Step {
    const ALL: [Self; 6] = [
        Self::Compose,
        Self::Connect,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Body,
    ];

    /// The step that a row names by its number.
    pub(crate) fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as i16 == code)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) step: Step,
    /// The server's reply code; none where the connection failed, fell silent or said something unheard of.
    pub(crate) code: Option<u16>,
    /// The enhanced status code that the server's words begin with.
    pub(crate) enhanced: Option<Enhanced>,
    /// The server's words or the fault's, for the email's history.
    pub(crate) text: String,
    /// Host and port of the mail server that was tried.
    pub(crate) relay: Option<Arc<str>>,
}

impl Ending {
    /// What the server said in numbers: `550 5.1.1`.
    pub(crate) fn codes(&self) -> String {
        let codes = [
            self.code.map(|code| code.to_string()),
            self.enhanced.map(|code| code.to_string()),
        ];
        codes.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// An enhanced status code (RFC 3463), e.g. 5.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Enhanced {
    pub(crate) class: u8,
    pub(crate) subject: u16,
    pub(crate) detail: u16,
}

impl Enhanced {
    /// The code that a text begins with.
    pub(crate) fn at_start_of(text: &str) -> Option<Self> {
        let code = text.split_whitespace().next()?;
        let mut parts = code.split('.');
        let mut number = |most: u16| {
            let part = parts.next()?;
            let digits = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            let number: u16 = digits.then(|| part.parse().ok())??;
            (number <= most).then_some(number)
        };
        let class = u8::try_from(number(5)?)
            .ok()
            .filter(|class| [2, 4, 5].contains(class))?;
        let (subject, detail) = (number(999)?, number(999)?);
        parts.next().is_none().then_some(Self {
            class,
            subject,
            detail,
        })
    }

    /// Whether it is about rules or the login (5.7.x), or about the sender's address (5.1.7, 5.1.8).
    pub(crate) fn is_about_us(self) -> bool {
        matches!((self.class, self.subject, self.detail), (5, 7, _) | (5, 1, 7 | 8))
    }

    /// Whether it says for good that the recipient's mailbox does not exist or is switched off. 5.1.7 and 5.1.8 are about
    /// the sender's.
    pub(crate) fn names_a_dead_mailbox(self) -> bool {
        match (self.class, self.subject, self.detail) {
            (5, 1, 7 | 8) => false,
            (5, 1, _) | (5, 2, 1) => true,
            _ => false,
        }
    }
}

impl std::fmt::Display for Enhanced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// What that means for the email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The server took it.
    Sent,
    /// Not taken, and may be later.
    Delayed,
    /// Not taken, and never will be.
    Refused,
    /// Not taken, because there is no such mailbox, or it is switched off.
    NoMailbox,
    /// Not taken, by a fault of the server's or of ours as its client.
    RelayFault,
    /// Not taken, by such a fault, unless it means this email.
    Suspected,
    /// The server may or may not have taken it.
    Unknown,
}

/// Judges an ending (RFC 5321, section 4.2.1; RFC 3463).
///
/// A refusal while connecting is about the relay, not about this email, so it only delays. A reply that is neither 2xx,
/// 4xx nor 5xx says nothing.
pub(crate) fn verdict(ending: &Ending) -> Verdict {
    match (blame(ending), ending.step) {
        // Each try whose body begins counts for the cap of the reader's day, so it must not come as often as a pause ends.
        (Some(Blame::RelayOrEmail), _) | (Some(Blame::Relay), Step::Body) => return Verdict::Suspected,
        (Some(Blame::Relay), _) => return Verdict::RelayFault,
        (None, _) => {}
    }
    match (ending.step, ending.code.map(|code| code / 100)) {
        (Step::Compose, _) => Verdict::Refused,
        (Step::Connect, _) => Verdict::Delayed,
        (Step::Mail | Step::Rcpt | Step::Data | Step::Body, Some(5)) => refusal(ending.enhanced),
        (Step::Mail | Step::Rcpt | Step::Data, _) => Verdict::Delayed,
        (Step::Body, Some(2)) => Verdict::Sent,
        (Step::Body, Some(4)) => Verdict::Delayed,
        (Step::Body, _) => Verdict::Unknown,
    }
}

fn refusal(enhanced: Option<Enhanced>) -> Verdict {
    if enhanced.is_some_and(Enhanced::names_a_dead_mailbox) {
        Verdict::NoMailbox
    } else {
        Verdict::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(step: Step, code: Option<u16>, text: &str) -> Ending {
        Ending {
            step,
            code,
            enhanced: Enhanced::at_start_of(text),
            text: text.to_owned(),
            relay: None,
        }
    }

    fn check(step: Step, code: Option<u16>, expected: Verdict) {
        assert_eq!(verdict(&ended(step, code, "")), expected, "{step:?} {code:?}");
    }

    #[test]
    fn only_a_2xx_after_the_body_is_sent() {
        check(Step::Body, Some(250), Verdict::Sent);
        for step in [Step::Connect, Step::Mail, Step::Rcpt, Step::Data] {
            check(step, Some(250), Verdict::Delayed);
        }
    }

    #[test]
    fn silence_before_the_body_is_a_delay_and_after_it_unknown() {
        for step in [Step::Connect, Step::Mail, Step::Rcpt, Step::Data] {
            check(step, None, Verdict::Delayed);
        }
        check(Step::Body, None, Verdict::Unknown);
        check(Step::Body, Some(354), Verdict::Unknown);
    }

    #[test]
    fn a_4xx_delays_and_a_5xx_refuses() {
        for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Body] {
            check(step, Some(451), Verdict::Delayed);
        }
        for step in [Step::Rcpt, Step::Data, Step::Body] {
            check(step, Some(550), Verdict::Refused);
        }
    }

    #[test]
    fn a_relay_that_lets_nobody_in_refuses_no_email() {
        check(Step::Connect, Some(554), Verdict::Delayed);
    }

    #[test]
    fn a_mailbox_that_is_not_there_is_told_from_other_refusals() {
        let check = |code, text: &str, expected| {
            for step in [Step::Rcpt, Step::Data, Step::Body] {
                assert_eq!(
                    verdict(&ended(step, Some(code), text)),
                    expected,
                    "{step:?} {code} {text}"
                );
            }
        };
        check(550, "5.1.1 no such user", Verdict::NoMailbox);
        check(550, "5.1.10 null MX", Verdict::NoMailbox);
        check(550, "5.2.1 mailbox disabled", Verdict::NoMailbox);
        check(550, "no such user", Verdict::Refused);
        check(552, "5.2.2 mailbox full", Verdict::Refused);
        check(552, "5.3.4 too big", Verdict::Refused);
        check(450, "4.1.1 try later", Verdict::Delayed);
        check(450, "4.7.1 greylisted", Verdict::Delayed);
    }

    #[test]
    fn before_a_reader_is_named_a_refusal_ends_no_email() {
        for text in [
            "5.1.0 sender rejected",
            "5.1.1 nobody",
            "5.1.10 null MX",
            "5.2.1 disabled",
        ] {
            assert_eq!(
                verdict(&ended(Step::Mail, Some(550), text)),
                Verdict::RelayFault,
                "{text}"
            );
        }
        for (code, text) in [
            (550, ""),
            (553, "sender address rejected"),
            (555, "5.5.4 unknown parameter"),
        ] {
            assert_eq!(
                verdict(&ended(Step::Mail, Some(code), text)),
                Verdict::Suspected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_a_server_says_in_numbers_has_no_words() {
        let codes = |code, text| ended(Step::Rcpt, code, text).codes();
        assert_eq!(codes(Some(550), "5.1.1 ben.berger: unknown"), "550 5.1.1");
        assert_eq!(codes(Some(550), "ben.berger: unknown"), "550");
        assert_eq!(codes(None, "timed out"), "");
    }

    #[test]
    fn what_is_the_servers_fault_or_ours_is_not_the_email_s() {
        let check = |step, code, text: &str, expected| {
            assert_eq!(
                verdict(&ended(step, Some(code), text)),
                expected,
                "{step:?} {code} {text}"
            );
        };
        for step in [Step::Mail, Step::Rcpt, Step::Data] {
            check(step, 421, "4.3.2 going down", Verdict::RelayFault);
        }
        check(Step::Body, 421, "4.3.2 going down", Verdict::Suspected);
        let rules = [
            (554, "5.7.1 you may not relay"),
            (550, "5.7.515 sender does not authenticate"),
        ];
        for (code, text) in rules {
            check(Step::Mail, code, text, Verdict::RelayFault);
            for step in [Step::Rcpt, Step::Data, Step::Body] {
                check(step, code, text, Verdict::Suspected);
            }
        }
        for code in [454, 530, 534, 535, 538] {
            check(Step::Connect, code, "", Verdict::RelayFault);
        }
    }

    #[test]
    fn an_enhanced_code_is_three_numbers_at_the_beginning() {
        let read = |text| Enhanced::at_start_of(text).map(|code| (code.class, code.subject, code.detail));
        assert_eq!(read("5.1.1 <x> no such user"), Some((5, 1, 1)));
        assert_eq!(read("4.7.515"), Some((4, 7, 515)));
        for none in [
            "", "no 5.1.1", "5.1", "5.1.1.1", "6.1.1", "5.1000.1", "5.+1.1", "5..1",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}

//! Every step of a transfer × everything that can go wrong there, on the real program: what becomes of the email, what its
//! history says, how many copies go to its reader, whether the mail server is left alone.

use std::time::{Duration, Instant};

use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{Nullable, SmallInt, Text},
};
use futures_util::{StreamExt, stream};
use proto::notify::v1::EmailState;
use tests::{
    emails::{Post, initial},
    http,
    smtp_sink::{At, Encryption, Fault, SmtpSink},
};

/// Cells that run at once.
const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than between two looks at the queue: what would go out after all has done so.
const STILL: Duration = Duration::from_millis(1_500);

/// A fault is met once, then the server does its duty. Behind each bar: the attempts, as step and reply code (`-`: none),
/// where the email stands, and how many copies of it went out; with two servers by each of them, the faulty one first.
/// `paused`: the faulty one is left alone. An email that waits for its only server stands `open`.
const MATRIX: &str = "
connect later    | connect:450 body:250  sent 1         | body:250           sent 0+1
connect nobody   | connect:554 body:250  sent 1         | body:250           sent 0+1
connect goodbye  | connect:421           open 0 paused  | body:250           sent 0+1 paused
connect denied   | connect:554           open 0 paused  | body:250           sent 0+1 paused
connect babble   | connect:-   body:250  sent 1         | body:250           sent 0+1
connect drop     | connect:-   body:250  sent 1         | body:250           sent 0+1
connect silence  | connect:-   body:250  sent 1         | body:250           sent 0+1
connect trickle  | connect:-   body:250  sent 1         | body:250           sent 0+1
connect halfway  | connect:-   body:250  sent 1         | body:250           sent 0+1
ehlo    later    | connect:451 body:250  sent 1         | body:250           sent 0+1
ehlo    lines    | connect:451 body:250  sent 1         | body:250           sent 0+1
ehlo    nobody   | connect:550 body:250  sent 1         | body:250           sent 0+1
ehlo    goodbye  | connect:421           open 0 paused  | body:250           sent 0+1 paused
ehlo    denied   | connect:550           open 0 paused  | body:250           sent 0+1 paused
ehlo    babble   | connect:-   body:250  sent 1         | body:250           sent 0+1
ehlo    drop     | connect:-   body:250  sent 1         | body:250           sent 0+1
ehlo    silence  | connect:-   body:250  sent 1         | body:250           sent 0+1
ehlo    trickle  | connect:-   body:250  sent 1         | body:250           sent 0+1
ehlo    halfway  | mail:-      body:250  sent 1         | body:250           sent 0+1
mail    later    | mail:451    body:250  sent 1         | mail:451 body:250  sent 1+0
mail    lines    | mail:451    body:250  sent 1         | mail:451 body:250  sent 1+0
mail    nobody   | mail:550              open 0 paused  | body:250           sent 0+1 paused
mail    refusal  | mail:571    body:250  sent 1         | body:250           sent 0+1
mail    goodbye  | mail:421              open 0 paused  | body:250           sent 0+1 paused
mail    denied   | mail:550              open 0 paused  | body:250           sent 0+1 paused
mail    login    | mail:530              open 0 paused  | body:250           sent 0+1 paused
mail    babble   | mail:-      body:250  sent 1         | body:250           sent 0+1
mail    drop     | mail:-      body:250  sent 1         | body:250           sent 0+1
mail    silence  | mail:-      body:250  sent 1         | body:250           sent 0+1
mail    trickle  | mail:-      body:250  sent 1         | body:250           sent 0+1
mail    halfway  | rcpt:-      body:250  sent 1         | body:250           sent 0+1
rcpt    later    | rcpt:451    body:250  sent 1         | rcpt:451 body:250  sent 1+0
rcpt    lines    | rcpt:451    body:250  sent 1         | rcpt:451 body:250  sent 1+0
rcpt    nobody   | rcpt:550              dead 0         | rcpt:550           dead 0+0
rcpt    refusal  | rcpt:571              dead 0         | rcpt:571           dead 0+0
rcpt    latin    | rcpt:550              dead 0         | rcpt:550           dead 0+0
rcpt    goodbye  | rcpt:421              open 0 paused  | body:250           sent 0+1 paused
rcpt    denied   | rcpt:550    body:250  sent 1         | body:250           sent 0+1
rcpt    babble   | rcpt:-      body:250  sent 1         | body:250           sent 0+1
rcpt    drop     | rcpt:-      body:250  sent 1         | body:250           sent 0+1
rcpt    silence  | rcpt:-      body:250  sent 1         | body:250           sent 0+1
rcpt    trickle  | rcpt:-      body:250  sent 1         | body:250           sent 0+1
rcpt    halfway  | data:-      body:250  sent 1         | body:250           sent 0+1
data    later    | data:451    body:250  sent 1         | data:451 body:250  sent 1+0
data    lines    | data:451    body:250  sent 1         | data:451 body:250  sent 1+0
data    nobody   | data:550              dead 0         | data:550           dead 0+0
data    goodbye  | data:421              open 0 paused  | body:250           sent 0+1 paused
data    denied   | data:550    body:250  sent 1         | body:250           sent 0+1
data    babble   | data:-      body:250  sent 1         | body:250           sent 0+1
data    drop     | data:-      body:250  sent 1         | body:250           sent 0+1
data    silence  | data:-      body:250  sent 1         | body:250           sent 0+1
data    trickle  | data:-      body:250  sent 1         | body:250           sent 0+1
data    halfway  | body:-      body:250  sent 1         | body:-   body:250  sent 1+0
body    later    | body:451    body:250  sent 1         | body:451 body:250  sent 1+0
body    lines    | body:451    body:250  sent 1         | body:451 body:250  sent 1+0
body    nobody   | body:550              dead 0         | body:550           dead 0+0
body    refusal  | body:571              dead 0         | body:571           dead 0+0
body    latin    | body:550              dead 0         | body:550           dead 0+0
body    bare     | body:250              sent 1         | body:250           sent 1+0
body    taken    | body:271              sent 1         | body:271           sent 1+0
body    goodbye  | body:421              open 0 paused  | body:421 body:250  sent 0+1 paused
body    denied   | body:550    body:250  sent 1         | body:550 body:250  sent 1+0
body    babble   | body:-      body:250  sent 1         | body:-   body:250  sent 1+0
body    drop     | body:-      body:250  sent 2         | body:-   body:250  sent 2+0
body    lose     | body:-      body:250  sent 1         | body:-   body:250  sent 1+0
body    silence  | body:-      body:250  sent 2         | body:-   body:250  sent 2+0
body    trickle  | body:-      body:250  sent 2         | body:-   body:250  sent 2+0
body    halfway  | body:250              sent 1         | body:250           sent 1+0
";

fn at(name: &str) -> At {
    match name {
        "connect" => At::Connect,
        "ehlo" => At::Ehlo,
        "mail" => At::Mail,
        "rcpt" => At::Rcpt,
        "data" => At::Data,
        "body" => At::Body,
        other => panic!("no step is named {other}"),
    }
}

fn fault(at: At, name: &str) -> Fault {
    match (name, at) {
        ("later", At::Connect) => Fault::Reply("450 4.3.2 busy"),
        ("later", _) => Fault::Reply("451 4.3.0 later"),
        ("lines", _) => Fault::Reply("451-4.3.0 not now,\r\n451 4.3.0 later"),
        ("nobody", At::Connect) => Fault::Reply("554 5.3.2 no service"),
        ("nobody", _) => Fault::Reply("550 5.1.1 nobody"),
        ("goodbye", _) => Fault::ReplyThenDrop("421 4.3.2 going down"),
        ("denied", At::Connect) => Fault::Reply("554 5.7.1 not you"),
        ("denied", _) => Fault::Reply("550 5.7.1 not you"),
        ("refusal", _) => Fault::Reply("571 no"),
        ("latin", _) => Fault::Reply("550 5.1.1 unbekannter Empf\u{e4}nger"),
        ("bare", _) => Fault::Reply("250"),
        ("taken", _) => Fault::Reply("271 angenommen, sch\u{f6}ne Gr\u{fc}\u{df}e"),
        ("login", _) => Fault::Reply("530 who are you"),
        ("babble", _) => Fault::Reply("what?"),
        ("drop", _) => Fault::Drop,
        ("lose", _) => Fault::DropAndLose,
        ("silence", _) => Fault::Silence,
        ("trickle", At::Connect) => Fault::Trickle("220 sink"),
        ("trickle", At::Data) => Fault::Trickle("354 go on"),
        ("trickle", _) => Fault::Trickle("250 ok"),
        ("halfway", At::Connect) => Fault::ReplyThenDrop("220 sink"),
        ("halfway", At::Data) => Fault::ReplyThenDrop("354 go on"),
        ("halfway", _) => Fault::ReplyThenDrop("250 ok"),
        (other, _) => panic!("no failure is named {other}"),
    }
}

#[derive(QueryableByName)]
struct Attempt {
    #[diesel(sql_type = SmallInt)]
    step: i16,
    #[diesel(sql_type = Nullable<SmallInt>)]
    code: Option<i16>,
}

impl Attempt {
    fn shown(&self) -> String {
        let step =
            ["compose", "connect", "mail", "rcpt", "data", "body"][usize::from(self.step.unsigned_abs())];
        let code = self.code.map_or("-".to_owned(), |code| code.to_string());
        format!("{step}:{code}")
    }
}

/// Extensions that a server offers.
type Offers = &'static [&'static str];

/// One cell as it stands in the matrix, when it does not change any more or [`PATIENCE`] is over.
async fn outcome(offers: Offers, at: At, fault: Fault, servers: usize, expected: &str) -> String {
    let mut sinks = Vec::new();
    for _ in 0..servers {
        sinks.push(SmtpSink::start_with(Encryption::None, offers).await);
    }
    sinks[0].script(at, fault);
    let urls: Vec<String> = sinks.iter().map(SmtpSink::url).collect();
    let post = Post::start("matrix", |launch, _| {
        launch
            .flag("--smtp-url", urls.join(" "))
            .flag("--retry-delays", "0,0")
            // Shorter than the shortest reply that trickles, which takes 7 seconds.
            .flag("--smtp-command-seconds", "5")
            .flag("--smtp-final-reply-seconds", "5")
    })
    .await;
    let email = initial();
    let queued = post.queue(&email).await.expect("applied");
    let end = Instant::now() + PATIENCE;
    let mut waits_since = None;
    loop {
        let state = post.queue(&email).await.expect("applied").state();
        let attempts: Vec<Attempt> =
            sql_query("SELECT step, code FROM attempt WHERE email_id = $1::uuid ORDER BY n")
                .bind::<Text, _>(&queued.email_id)
                .load(&mut post.database.connect())
                .expect("the history can be read");
        let attempts: Vec<String> = attempts.iter().map(Attempt::shown).collect();
        let copies: Vec<String> = sinks.iter().map(|sink| sink.copies().to_string()).collect();
        let state = match state {
            EmailState::Open => "open",
            EmailState::Sent => "sent",
            EmailState::Dead => "dead",
            EmailState::Uncertain => "uncertain",
            _ => "other",
        };
        let mut shown = format!("{} {state} {}", attempts.join(" "), copies.join("+"));
        if is_paused(&post, &sinks[0]).await {
            shown.push_str(" paused");
        }
        if shown != expected {
            waits_since = None;
        }
        let waits_since = waits_since.get_or_insert_with(Instant::now);
        let settled = state != "open" || (shown == expected && waits_since.elapsed() > STILL);
        if settled || Instant::now() > end {
            assert_eq!(sinks[0].unmet(), 0, "the fault was met: {at:?} {fault:?}");
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn is_paused(post: &Post, sink: &SmtpSink) -> bool {
    let metrics = http::get(&post.service.page("/metrics")).await.expect("served");
    let line = format!("smtp_relay_paused{{relay=\"{}\"}} ", sink.addr());
    let value = metrics.body.lines().find_map(|found| found.strip_prefix(&line));
    value.expect("each mail server has this metric") == "1"
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

// More threads than one: while a cell looks into its database, the mail servers of the others answer in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_failure_at_every_step_has_its_outcome() {
    check(&["PIPELINING", "8BITMIME"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_failure_has_the_same_outcome_where_each_command_waits_for_its_answer() {
    check(&["8BITMIME"]).await;
}

async fn check(offers: Offers) {
    let cells: Vec<(String, usize, String)> = MATRIX
        .lines()
        .filter(|line| !line.is_empty())
        .flat_map(|line| {
            let columns: Vec<String> = line.split('|').map(words).collect();
            let [name, one, two] = columns.try_into().expect("three columns");
            [(name.clone(), 1, one), (name, 2, two)]
        })
        .collect();
    assert_eq!(cells.len(), 2 * 68);
    let wrong: Vec<String> = stream::iter(cells)
        .map(async |(name, servers, expected)| {
            let (step, failure) = name.split_once(' ').expect("a step and a failure");
            let at = at(step);
            let found = outcome(offers, at, fault(at, failure), servers, &expected).await;
            (found != expected).then(|| format!("{name}, {servers} servers: {found}; expected {expected}"))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

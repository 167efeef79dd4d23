//! Several mail servers, and what is done about one that does not work.

use std::time::{Duration, Instant};

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::BigInt};
use proto::notify::v1::{EmailState, QueueEmail, email_command::Command};
use tests::{
    emails::{Post, initial},
    http,
    processes::Launch,
    smtp_sink::{At, Fault, SmtpSink},
};

const PATIENCE: Duration = Duration::from_secs(30);

fn to(launch: Launch, sinks: &[&SmtpSink]) -> Launch {
    sinks
        .iter()
        .fold(launch, |launch, sink| launch.flag("--smtp-url", sink.url()))
}

async fn queue(post: &Post, count: usize) -> Vec<QueueEmail> {
    let emails: Vec<QueueEmail> = std::iter::repeat_with(initial).take(count).collect();
    let commands = emails.iter().cloned().map(Command::Queue).collect();
    post.apply(commands).await.expect("applied");
    emails
}

async fn metric(post: &Post, name: &str, sink: &SmtpSink) -> u64 {
    let metrics = http::get(&post.service.page("/metrics")).await.expect("served");
    let line = format!("{name}{{relay=\"{}\"}} ", sink.addr());
    let value = metrics.body.lines().find_map(|found| found.strip_prefix(&line));
    value.map_or(0, |value| value.parse().expect("a number"))
}

/// Panics when it is not paused within half a minute.
async fn until_paused(post: &Post, sink: &SmtpSink) {
    let end = Instant::now() + PATIENCE;
    while metric(post, "smtp_relay_paused", sink).await == 0 {
        assert!(Instant::now() < end, "never paused");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count(post: &Post, what: &str) -> i64 {
    let found: Count = sql_query(format!("SELECT count(*) AS count FROM {what}"))
        .get_result(&mut post.database.connect())
        .expect("rows can be counted");
    found.count
}

/// Longer than between two looks at the queue.
async fn a_while() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_mail_server_that_refuses_us_is_left_alone_and_no_attempt_is_burnt() {
    let sink = SmtpSink::start().await;
    sink.always(At::Mail, Fault::Reply("550 5.7.1 not you"));
    let post = Post::start("refuses_us", |launch, _| {
        to(launch, &[&sink])
            .flag("--retry-delays", "0")
            .flag("--smtp-connections", "16")
    })
    .await;
    queue(&post, 100).await;
    until_paused(&post, &sink).await;
    // What was begun before the pause ends.
    a_while().await;
    let asked = sink.verbs().iter().filter(|verb| *verb == "MAIL").count();
    assert!(
        (1..=16).contains(&asked),
        "as many as are sent at once asked, at most: {asked}"
    );
    a_while().await;
    let again = sink.verbs().iter().filter(|verb| *verb == "MAIL").count();
    assert_eq!(again, asked, "nobody asks during the pause");
    assert_eq!(
        count(&post, "due WHERE failures = 0 AND lease_until IS NULL"),
        100
    );
    assert_eq!(sink.received().len(), 0);
}

#[tokio::test]
async fn what_a_servers_own_fault_held_up_goes_when_its_pause_ends() {
    let sink = SmtpSink::start().await;
    sink.always(At::Rcpt, Fault::ReplyThenDrop("421 4.3.2 going down"));
    let post = Post::start("own_fault", |launch, _| {
        to(launch, &[&sink]).flag("--retry-delays", "86400")
    })
    .await;
    queue(&post, 20).await;
    until_paused(&post, &sink).await;
    a_while().await;
    assert!(count(&post, "attempt WHERE code = 421") > 0);
    let minute = "due WHERE lease_until IS NULL AND failures = 0 AND run_at < now() + interval '61 seconds'";
    assert_eq!(
        count(&post, minute),
        20,
        "the pause is a minute, and no email waits longer"
    );
}

#[tokio::test]
async fn the_history_tells_what_a_server_said_that_an_email_passed_by() {
    let (preferred, next) = (SmtpSink::start().await, SmtpSink::start().await);
    let post = Post::start("passed_by", |launch, _| to(launch, &[&preferred, &next])).await;
    preferred.script(At::Connect, Fault::Reply("554 5.3.2 no service"));
    let sent = queue(&post, 1).await;
    post.until(&sent[0], EmailState::Sent).await;
    preferred.script(At::Connect, Fault::Drop);
    next.script(At::Rcpt, Fault::Reply("550 5.1.1 nobody"));
    let dead = queue(&post, 1).await;
    post.until(&dead[0], EmailState::Dead).await;
    let told = |code: u16, words: &str| {
        let words = words.replace("FIRST", &preferred.addr().to_string());
        count(
            &post,
            &format!("attempt WHERE code = {code} AND reply = '{words}'"),
        )
    };
    let taken = "taken; before that FIRST at Connect: 554 5.3.2 no service";
    assert_eq!(told(250, taken), 1);
    let refused = "5.1.1 nobody; before that FIRST at Connect: the connection was closed";
    assert_eq!(told(550, refused), 1);
    assert_eq!(
        count(&post, &format!("attempt WHERE relay = '{}'", next.addr())),
        2
    );
}

#[tokio::test]
async fn what_a_server_has_against_one_email_stops_no_other_until_a_second_one_meets_it() {
    let sink = SmtpSink::start().await;
    let post = Post::start("suspect", |launch, _| {
        to(launch, &[&sink])
            .flag("--retry-delays", "1")
            .flag("--smtp-connections", "1")
    })
    .await;
    sink.script(At::Body, Fault::Reply("550 5.7.1 looks like spam"));
    sink.script(At::Body, Fault::Reply("550 5.7.1 looks like spam"));
    let suspect = queue(&post, 1).await;
    sink.until(|sink| sink.unmet() == 0).await;
    for email in queue(&post, 20).await.iter().chain(&suspect) {
        post.until(email, EmailState::Sent).await;
    }
    assert_eq!(metric(&post, "smtp_relay_paused", &sink).await, 0);
    assert_eq!(metric(&post, "smtp_relay_faults_total", &sink).await, 2);

    sink.always(At::Body, Fault::Reply("550 5.7.1 you again"));
    queue(&post, 20).await;
    until_paused(&post, &sink).await;
    a_while().await;
    assert_eq!(count(&post, "attempt WHERE code = 550"), 4, "two more asked");
    assert_eq!(count(&post, "due WHERE failures = 0"), 20);
}

#[tokio::test]
async fn after_a_pause_one_email_tries_and_the_others_wait_for_it() {
    let sink = SmtpSink::start().await;
    sink.always(At::Connect, Fault::Drop);
    let post = Post::start("trial", |launch, _| {
        to(launch, &[&sink]).flag("--retry-delays", "0,0,0,0,0,0")
    })
    .await;
    let emails = queue(&post, 50).await;
    until_paused(&post, &sink).await;
    sink.mend();
    sink.script(At::Connect, Fault::Wait);
    // The pause of 5 seconds ends, and somebody tries.
    sink.until(|sink| sink.waiting() == 1).await;
    assert_eq!(sink.waiting(), 1);
    a_while().await;
    assert_eq!(sink.open(), 1, "one tries, and nobody else");
    assert_eq!(metric(&post, "smtp_relay_paused", &sink).await, 1);
    sink.let_go();
    for email in &emails {
        post.until(email, EmailState::Sent).await;
    }
    assert_eq!(sink.copies(), 50);
    assert_eq!(metric(&post, "smtp_relay_paused", &sink).await, 0);
}

#[tokio::test]
async fn a_trial_that_fails_begins_a_longer_pause() {
    let sink = SmtpSink::start().await;
    sink.always(At::Connect, Fault::Drop);
    let post = Post::start("trial_fails", |launch, _| {
        to(launch, &[&sink]).flag("--retry-delays", "0,0,0,0,0,0")
    })
    .await;
    queue(&post, 50).await;
    until_paused(&post, &sink).await;
    a_while().await;
    let before = sink.connections();
    sink.until(|sink| sink.connections() > before).await;
    a_while().await;
    assert_eq!(sink.connections(), before + 1, "one tried, and nobody else");
    assert!(
        post.service.log().contains("\"seconds\":10"),
        "the second pause is twice the first"
    );
}

#[tokio::test]
async fn no_more_connections_are_open_than_allowed_and_idle_ones_count() {
    let sink = SmtpSink::start().await;
    for _ in 0..3 {
        sink.script(At::Body, Fault::Wait);
    }
    let post = Post::start("bounded", |launch, _| {
        to(launch, &[&sink]).flag("--smtp-connections", "3")
    })
    .await;
    let emails = queue(&post, 200).await;
    sink.until(|sink| sink.waiting() == 3).await;
    a_while().await;
    assert_eq!(
        (sink.waiting(), sink.open()),
        (3, 3),
        "the others wait for a place"
    );
    assert_eq!(metric(&post, "smtp_connections_open", &sink).await, 3);
    sink.let_go();
    for email in &emails {
        post.until(email, EmailState::Sent).await;
    }
    assert_eq!(sink.most_open(), 3);
    assert!(
        sink.connections() <= 6,
        "{} connections for 200 emails",
        sink.connections()
    );
    assert_eq!(sink.copies(), 200);
}

#[tokio::test]
async fn what_finds_the_preferred_server_full_goes_to_the_next() {
    let (preferred, next) = (SmtpSink::start().await, SmtpSink::start().await);
    preferred.script(At::Body, Fault::Wait);
    let post = Post::start("full", |launch, _| {
        to(launch, &[&preferred, &next]).flag("--smtp-connections", "1")
    })
    .await;
    let first = queue(&post, 1).await;
    preferred.until(|sink| sink.waiting() == 1).await;
    let others = queue(&post, 20).await;
    for email in &others {
        post.until(email, EmailState::Sent).await;
    }
    assert_eq!((preferred.received().len(), next.copies()), (1, 20));
    preferred.let_go();
    post.until(&first[0], EmailState::Sent).await;
}

#[tokio::test]
async fn the_preferred_server_is_used_again_once_it_works() {
    let (preferred, next) = (SmtpSink::start().await, SmtpSink::start().await);
    preferred.always(At::Ehlo, Fault::Drop);
    let post = Post::start("preferred", |launch, _| to(launch, &[&preferred, &next])).await;
    let emails = queue(&post, 50).await;
    for email in &emails {
        post.until(email, EmailState::Sent).await;
    }
    assert_eq!((preferred.copies(), next.copies()), (0, 50));
    assert_eq!(count(&post, "attempt WHERE code = 250"), 50);
    assert_eq!(count(&post, "attempt"), 50, "going on to the next burns nothing");
    assert_eq!(
        count(&post, &format!("attempt WHERE relay = '{}'", next.addr())),
        50,
        "the history names the server"
    );
    assert_eq!(metric(&post, "smtp_relay_paused", &preferred).await, 1);
    assert!(metric(&post, "smtp_relay_faults_total", &preferred).await >= 5);
    preferred.mend();
    let end = Instant::now() + 2 * PATIENCE;
    while preferred.copies() == 0 {
        assert!(Instant::now() < end, "the preferred server is never tried again");
        let email = queue(&post, 1).await;
        post.until(&email[0], EmailState::Sent).await;
    }
    assert_eq!(metric(&post, "smtp_relay_paused", &preferred).await, 0);
}

#[tokio::test]
async fn an_idle_connection_that_the_server_gave_up_is_no_fault() {
    let sink = SmtpSink::start().await;
    let post = Post::start("given_up", |launch, _| to(launch, &[&sink])).await;
    let first = queue(&post, 1).await;
    post.until(&first[0], EmailState::Sent).await;
    // Some close with words of their own, which are read as the answer to MAIL.
    let goodbyes = [
        "421 4.4.2 idle for too long",
        "451 4.4.2 Timeout waiting for data from client.",
        "554 5.4.7 idle for too long",
    ];
    for (before, goodbye) in (1..).zip(goodbyes) {
        sink.script(At::Mail, Fault::ReplyThenDrop(goodbye));
        let next = queue(&post, 1).await;
        post.until(&next[0], EmailState::Sent).await;
        assert_eq!((sink.unmet(), sink.connections()), (0, before + 1), "{goodbye}");
        assert_eq!(
            count(&post, "attempt"),
            i64::try_from(before).expect("few") + 1,
            "{goodbye}"
        );
    }
    assert_eq!(metric(&post, "smtp_relay_faults_total", &sink).await, 0);
}

#[tokio::test]
async fn what_waits_at_a_full_server_goes_to_the_other_when_its_pause_ends() {
    let (preferred, next) = (SmtpSink::start().await, SmtpSink::start().await);
    let post = Post::start("pause_ends", |launch, _| {
        to(launch, &[&preferred, &next]).flag("--smtp-connections", "1")
    })
    .await;
    for _ in 0..4 {
        preferred.script(At::Connect, Fault::Drop);
        let email = queue(&post, 1).await;
        post.until(&email[0], EmailState::Sent).await;
    }
    // The fifth that it loses begins its pause.
    preferred.script(At::Connect, Fault::Drop);
    next.script(At::Body, Fault::Wait);
    let held = queue(&post, 1).await;
    next.until(|sink| sink.waiting() == 1).await;
    let waiting = queue(&post, 1).await;
    // The pause is of five seconds.
    post.until(&waiting[0], EmailState::Sent).await;
    assert_eq!((preferred.copies(), next.waiting()), (1, 1));
    next.let_go();
    post.until(&held[0], EmailState::Sent).await;
}

#[tokio::test]
async fn a_dead_second_server_makes_no_fault_of_the_first_cost_an_attempt() {
    let (preferred, next) = (SmtpSink::start().await, SmtpSink::start().await);
    preferred.script(At::Mail, Fault::Reply("530 5.7.0 log in first"));
    next.script(At::Connect, Fault::Drop);
    let post = Post::start("dead_second", |launch, _| {
        to(launch, &[&preferred, &next]).flag("--retry-delays", "86400")
    })
    .await;
    let email = queue(&post, 1).await;
    // The second server is not paused, so the email goes there as soon as it waits no longer.
    post.until(&email[0], EmailState::Sent).await;
    assert_eq!((preferred.unmet(), next.unmet(), next.copies()), (0, 0, 1));
    assert_eq!(count(&post, "attempt WHERE code = 530"), 1);
}

#[tokio::test]
async fn a_server_that_asks_for_a_body_after_it_refused_the_reader_gets_none() {
    let sink = SmtpSink::start().await;
    sink.script(At::Rcpt, Fault::Reply("550 5.1.1 nobody"));
    sink.script(At::Data, Fault::Reply("354 go on"));
    let post = Post::start("eager", |launch, _| to(launch, &[&sink])).await;
    let [refused, next] = [initial(), initial()];
    post.queue(&refused).await.expect("applied");
    post.until(&refused, EmailState::Dead).await;
    post.queue(&next).await.expect("applied");
    post.until(&next, EmailState::Sent).await;
    assert_eq!((sink.unmet(), sink.copies(), sink.connections()), (0, 1, 2));
}

#[tokio::test]
async fn idle_connections_are_closed_with_a_goodbye() {
    let sink = SmtpSink::start().await;
    let post = Post::start("idle", |launch, _| to(launch, &[&sink])).await;
    let email = queue(&post, 1).await;
    post.until(&email[0], EmailState::Sent).await;
    assert_eq!(sink.open(), 1, "it waits for another email");
    // A connection that is parked while a look at the idle ones is under way is closed at the next.
    for _ in 0..2 {
        sink.until(|sink| sink.open() == 0).await;
    }
    assert_eq!(sink.open(), 0);
    assert_eq!(sink.verbs().last().map(String::as_str), Some("QUIT"));
    let none_open = format!("smtp_connections_open{{relay=\"{}\"}} 0", sink.addr());
    post.until_metrics(&[&none_open]).await;
}

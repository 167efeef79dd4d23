//! A real mail server takes the emails, and others than ourselves read them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use proto::notify::v1::{EmailState, QueueEmail, email_command::Command as Told};
use rcgen::{KeyPair, PKCS_ED25519};
use tests::{
    emails::{Post, acceptance, address, initial, reminder, reply},
    mail::Email,
    mta::{self, Postfix, Reading},
    processes,
};

const NAMES: [&str; 5] = [
    "Ben Berger",
    "Jürgen \"Jo\" Müller, jr.",
    "李 小龍",
    "=?utf-8?q?x?= <a@b.example>",
    "Ана-Марија (Ani) Петровић-Јовановић с веома дугим именом које се прелама",
];

/// 100 emails, every kind to every name, the last one to an address that is not ASCII.
fn hundred() -> Vec<QueueEmail> {
    let kinds = [initial, reminder, acceptance, reply];
    let mut emails: Vec<QueueEmail> = (0..100)
        .map(|n| {
            let mut email = kinds[n % 4]();
            let recipient = email.recipient.as_mut().expect("set");
            recipient.name = NAMES[n % 5].to_owned();
            recipient.address = format!("reader{n}@reader.example");
            email
        })
        .collect();
    emails[99].recipient.as_mut().expect("set").address = "jürgen@reader.example".to_owned();
    emails
}

async fn start(postfix: &Postfix, key: &str) -> (Post, String) {
    let mut record = String::new();
    let post = Post::start("mta", |launch, directory| {
        let key_file = directory.join("dkim.pem");
        fs::write(&key_file, key).expect("there is room for a file");
        record = dkim_record(&key_file);
        launch
            .flag("--smtp-url", postfix.url())
            .flag("--bounce-address", "bounces@returns.example")
            .flag("--dkim-key-file", key_file)
            .flag("--dkim-selector", "s2026")
    })
    .await;
    (post, record)
}

/// What the operator is told to put into the DNS.
fn dkim_record(key_file: &Path) -> String {
    let output = Command::new(processes::binary("notify-svc").expect("it is built"))
        .args([
            "dkim-record",
            "--dkim-selector",
            "s2026",
            "--dkim-domain",
            "product.example",
        ])
        .arg("--dkim-key-file")
        .arg(key_file)
        .output()
        .expect("it can be started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("a line of text")
        .trim()
        .to_owned()
}

async fn check(key: &str) {
    let postfix = Postfix::start();
    let (post, record) = start(&postfix, key).await;
    let emails = hundred();
    post.apply(emails.iter().cloned().map(Told::Queue).collect())
        .await
        .expect("applied");
    let files = postfix.delivered("readers", emails.len()).await;
    let readings = mta::read(&files, &record);
    assert_eq!(readings.len(), emails.len());
    for (file, reading) in files.iter().zip(&readings) {
        check_reading(file, reading);
    }
    for email in &emails {
        post.until(email, EmailState::Sent).await;
        let recipient = email.recipient.as_ref().expect("set");
        let reading = readings.iter().find(|reading| reading.to == address(email));
        let reading = reading.unwrap_or_else(|| panic!("{} got nothing", address(email)));
        assert_eq!(reading.to_name, recipient.name);
        let queued = post.queue(email).await.expect("applied");
        assert_eq!(reading.message_id, format!("{}@product.example", queued.email_id));
    }
}

/// Both readers must agree, and the signature hold for this and for nothing else.
fn check_reading(file: &PathBuf, reading: &Reading) {
    let ours = Email::parse(&fs::read(file).expect("it is there")).expect("an email");
    assert_eq!(
        (&ours.subject, &ours.text, &ours.message_id, &ours.to),
        (&reading.subject, &reading.text, &reading.message_id, &reading.to)
    );
    assert_eq!(ours.html.replace("\r\n", "\n"), reading.html);
    assert!(reading.subject.contains("Ada Adler"), "{}", reading.subject);
    assert!(
        reading.text.contains("https://product.example/"),
        "{}",
        reading.text
    );
    assert!(reading.html.contains("Ada Adler"), "{}", reading.html);
    assert_eq!(reading.defects, Vec::<String>::new());
    assert!(reading.signed, "{}", ours.raw);
    assert_eq!(reading.held_when_altered, [false; 2], "{}", ours.raw);
}

#[tokio::test]
async fn a_hundred_emails_signed_with_rsa_are_delivered_read_and_verified_by_others() {
    let key = Command::new("openssl").args(["genrsa", "2048"]).output();
    let key = key
        .expect("openssl is missing: apt-get install -y openssl")
        .stdout;
    check(&String::from_utf8(key).expect("PEM")).await;
}

#[tokio::test]
async fn a_hundred_emails_signed_with_ed25519_are_delivered_read_and_verified_by_others() {
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("ring makes keys");
    check(&key.serialize_pem()).await;
}

#[tokio::test]
async fn an_undeliverable_email_comes_back_to_an_address_that_names_it() {
    let postfix = Postfix::start();
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("ring makes keys");
    let (post, _) = start(&postfix, &key.serialize_pem()).await;
    let mut email = initial();
    email.recipient.as_mut().expect("set").address = "unknown@reader.example".to_owned();
    let queued = post.queue(&email).await.expect("applied");
    post.until(&email, EmailState::Sent).await;
    let files = postfix.delivered("bounces", 1).await;
    let notification = fs::read_to_string(&files[0]).expect("it is ASCII");
    let id = queued.email_id.replace('-', "");
    for line in [
        "Return-Path: <>",
        &format!("To: bounces+{id}@returns.example"),
        "Content-Type: multipart/report; report-type=delivery-status;",
        "Final-Recipient: rfc822; unknown@reader.example",
        "Action: failed",
        "Status: 5.1.1",
        &format!("Message-ID: <{}@product.example>", queued.email_id),
    ] {
        assert!(
            notification.lines().any(|found| found == line),
            "{line} in\n{notification}"
        );
    }
}

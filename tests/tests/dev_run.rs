//! `make run`, as somebody at a terminal meets it.

use std::{
    net::TcpListener,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use tests::{
    clients::Invitations,
    dev_run::{self, Addresses, DevRun, processes_with},
};

const ADA: &str = "a0000000-0000-4000-8000-000000000001";
const BEN: &str = "b0000000-0000-4000-8000-000000000002";

fn start(directory: &Path, addresses: Addresses) -> DevRun {
    DevRun::spawn(Path::new(env!("CARGO_BIN_EXE_dev")), directory, addresses).expect("dev is built")
}

fn start_and_wait(directory: &Path, addresses: Addresses) -> DevRun {
    let mut run = start(directory, addresses);
    run.until_up()
        .unwrap_or_else(|output| panic!("not up:\n{output}"));
    run
}

/// What it prints when it does not start.
fn refusal(directory: &Path, addresses: Addresses) -> String {
    let mut run = start(directory, addresses);
    let status = run.until_end().expect("it ends");
    assert!(!status.success(), "{}", run.output());
    run.output()
}

/// The services and the Postgres of `directory` that live.
fn left_over(directory: &Path) -> Vec<u32> {
    processes_with(directory.to_str().expect("a plain path"))
}

fn assert_nothing_runs(directory: &Path) {
    assert_eq!(left_over(directory), Vec::<u32>::new());
}

fn assert_all_gone(directory: &Path) {
    let end = Instant::now() + Duration::from_secs(20);
    while !left_over(directory).is_empty() {
        assert!(Instant::now() < end, "still there: {:?}", left_over(directory));
        thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn ctrl_c_stops_all_of_it_and_the_next_run_finds_the_data() {
    let home = dev_run::home();
    let (directory, addresses) = (home.path().join("run"), Addresses::free());
    let mut run = start_and_wait(&directory, addresses);
    let clients = Invitations::at(addresses.invitations_grpc);
    let invitation = clients.invite(ADA, BEN).await;
    assert!(run.interrupt().expect("it ends").success(), "{}", run.output());
    assert_nothing_runs(&directory);

    let mut again = start_and_wait(&directory, addresses);
    let kept = Invitations::at(addresses.invitations_grpc)
        .sent(ADA, &invitation.invitation_id)
        .await;
    assert_eq!(kept.expect("found").create_time, invitation.create_time);
    assert!(
        again.terminate().expect("it ends").success(),
        "{}",
        again.output()
    );
    assert_nothing_runs(&directory);
}

#[test]
fn a_second_run_says_that_one_runs() {
    let home = dev_run::home();
    let directory = home.path().join("run");
    let run = start_and_wait(&directory, Addresses::free());
    let refusal = refusal(&directory, Addresses::free());
    assert!(
        refusal.contains(&format!(
            "runs already in this directory, as process {}",
            run.pid()
        )),
        "{refusal}"
    );
}

#[test]
fn ports_that_cannot_be_had_are_named_with_others_before_anything_starts() {
    let home = dev_run::home();
    let (directory, mut addresses) = (home.path().join("run"), Addresses::free());
    let _taken = TcpListener::bind(addresses.notify_http).expect("free");
    addresses.invitations_http = addresses.invitations_grpc;
    let refusal = refusal(&directory, addresses);
    let taken = format!("{} (pages of notify-svc)", addresses.notify_http);
    for told in [&*taken, "INVITATIONS_GRPC_ADDR is the same"] {
        assert!(refusal.contains(told), "{refusal}");
    }
    let others = refusal.lines().find(|line| line.starts_with("Choose others"));
    let others = others.unwrap_or_else(|| panic!("{refusal}"));
    for (kept, variable, address) in [
        (true, "INVITATIONS_GRPC_ADDR", addresses.invitations_grpc),
        (false, "INVITATIONS_HTTP_ADDR", addresses.invitations_http),
        (true, "NOTIFY_GRPC_ADDR", addresses.notify_grpc),
        (false, "NOTIFY_HTTP_ADDR", addresses.notify_http),
    ] {
        assert!(others.contains(&format!(" {variable}=")), "{others}");
        let is_kept = others.contains(&format!(" {variable}={address} "));
        assert_eq!(is_kept, kept, "{others}");
    }
    assert!(!directory.join("postgres").exists());
}

#[test]
fn a_dead_service_is_named_and_the_rest_is_stopped() {
    let home = dev_run::home();
    let directory = home.path().join("run");
    let mut run = start_and_wait(&directory, Addresses::free());
    let mail = directory.join("mail");
    let notify = processes_with(mail.to_str().expect("a plain path"));
    let pid = rustix::process::Pid::from_raw(notify[0] as i32).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
    assert!(!run.until_end().expect("it ends").success());
    assert!(run.output().contains("notify-svc ended"), "{}", run.output());
    assert_nothing_runs(&directory);
}

#[test]
fn a_killed_run_leaves_nothing_running() {
    let home = dev_run::home();
    let directory = home.path().join("run");
    let mut run = start_and_wait(&directory, Addresses::free());
    assert!(!left_over(&directory).is_empty());
    run.kill();
    assert_all_gone(&directory);
}

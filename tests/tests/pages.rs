//! Pages that are read together: each caller gets their own, and nobody's trouble is another's.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl, connection::SimpleConnection, sql_query,
    sql_types::Text,
};
use futures_util::{FutureExt, future::join_all};
use invitations_svc::pages::{self, PageArgs, PageError, Pages};
use proto::invitations::v1::{Folder, ListReceivedInvitationsRequest, ListSentInvitationsRequest};
use shell::postgres;
use tests::{
    clients::{Invitations, request},
    cluster::{self, TestDatabase},
    files, http,
    ledger::count,
    patience::until,
    processes::{Launch, Service},
    system::LINK_KEY,
};

/// Members that have books; one more has none.
const MEMBERS: usize = 60;
/// Callers at once.
const CALLERS: usize = 200;
/// Lists that each caller reads from the first page to the last.
const LISTS: usize = 8;
/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum List {
    Sent,
    Received(Folder),
}

const LISTS_OF_A_MEMBER: [List; 4] = [
    List::Sent,
    List::Received(Folder::Inbox),
    List::Received(Folder::Archived),
    List::Received(Folder::Declined),
];

/// An invitation in a list: its id, whose list it says it is, its note.
type Shown = (String, String, String);

#[tokio::test(flavor = "multi_thread")]
async fn of_thousands_at_once_each_gets_their_own_page() {
    let (service, database) = service("own_pages").await;
    fill(&database);
    let lists = lists(&database);
    let blocker = Blocker::start(&database);
    let walk = |_| walk(&service, &lists);
    let requests: Vec<usize> = join_all((0..CALLERS).map(walk)).await;
    drop(blocker);
    let requests: usize = requests.iter().sum();
    assert!(requests > 3_000, "{requests} requests");
    let read = metric(&service, "pages_batch_requests_sum").await;
    let reads = metric(&service, "pages_batch_requests_count").await;
    assert_eq!(read, requests as f64);
    assert!(reads * 2.0 < read, "{read} pages in {reads} reads");
}

async fn service(hint: &str) -> (Service, TestDatabase) {
    let database = cluster::database(hint);
    let service = Launch::new("invitations-svc", &files::directory())
        .flag("--database-url", &database.url)
        .flag("--link-keys", LINK_KEY)
        .flag("--relay", "off")
        .flag("--feed", "record")
        .flag("--timers", "off")
        .start()
        .await;
    (service, database)
}

/// Books of every size up to 90, in every folder and state, open and expired. A note says in whose book it stands.
fn fill(database: &TestDatabase) {
    let books = |table: &str, owner: &str, other: &str, more: &str, values: &str| {
        format!(
            "INSERT INTO {table} ({owner}, id, {other}, note, lifecycle, sent_at, expires_at{more}) \
             SELECT owner, gen_random_uuid(), gen_random_uuid(), '{table} ' || owner, 1 + n % 5, now(), \
             now() + CASE WHEN n % 7 = 0 THEN interval '-1 day' ELSE interval '100 days' END{values} \
             FROM generate_series(1, {MEMBERS}) AS m, generate_series(1, 3 * m / 2) AS n, \
             LATERAL (SELECT {} AS owner) AS owners",
            member("m")
        )
    };
    let sent = books("sent", "inviter_id", "recipient_id", "", "");
    let received = books(
        "received",
        "recipient_id",
        "inviter_id",
        ", folder, sequence, emailed_at, reminders",
        ", 1 + n / 5 % 4, 1, now(), true",
    );
    let mut connection = database.connect();
    connection.batch_execute(&sent).expect("books are made");
    connection.batch_execute(&received).expect("books are made");
}

fn member(number: &str) -> String {
    format!("('00000000-0000-7000-8000-' || lpad({number}::text, 12, '0'))::uuid")
}

/// What every list holds, newest first, by a read of whole tables.
fn lists(database: &TestDatabase) -> HashMap<(String, List), Vec<Shown>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        list: String,
        #[diesel(sql_type = Text)]
        owner: String,
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Text)]
        note: String,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT 'sent' AS list, inviter_id::text AS owner, id::text AS id, note FROM sent WHERE lifecycle <> 5 \
         UNION ALL SELECT 'folder ' || folder, recipient_id::text, id::text, note FROM received \
         WHERE lifecycle = 1 AND expires_at > now() ORDER BY id DESC",
    )
    .load(&mut database.connect())
    .expect("the tables can be read");
    let mut lists: HashMap<(String, List), Vec<Shown>> = HashMap::new();
    for row in rows {
        let list = match &*row.list {
            "sent" => List::Sent,
            "folder 1" => List::Received(Folder::Inbox),
            "folder 2" => List::Received(Folder::Archived),
            "folder 3" => List::Received(Folder::Declined),
            _ => continue,
        };
        let shown = (row.id, row.owner.clone(), row.note);
        lists.entry((row.owner, list)).or_default().push(shown);
    }
    assert!(lists.len() > 3 * MEMBERS, "{} lists hold something", lists.len());
    lists
}

/// Reads lists from the first page to the last and answers how many requests that took.
async fn walk(service: &Service, lists: &HashMap<(String, List), Vec<Shown>>) -> usize {
    let clients = Invitations::at(service.grpc());
    let mut requests = 0;
    for _ in 0..LISTS {
        let number = rand::random_range(1..=MEMBERS + 1);
        let owner = format!("00000000-0000-7000-8000-{number:012}");
        let list = LISTS_OF_A_MEMBER[rand::random_range(0..LISTS_OF_A_MEMBER.len())];
        let size = rand::random_range(1..=12);
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let (page, next) = page(&clients, &owner, list, size, token).await;
            requests += 1;
            assert!(page.len() <= size as usize);
            found.extend(page);
            token = next;
            if token.is_empty() {
                break;
            }
        }
        let expected = lists.get(&(owner.clone(), list)).map_or(&[][..], Vec::as_slice);
        assert_eq!(found, expected, "{list:?} of {owner} in pages of {size}");
    }
    requests
}

async fn page(
    clients: &Invitations,
    owner: &str,
    list: List,
    page_size: i32,
    page_token: String,
) -> (Vec<Shown>, String) {
    let mut client = clients.invitations.clone();
    match list {
        List::Sent => {
            let message = ListSentInvitationsRequest {
                inviter_id: owner.to_owned(),
                page_size,
                page_token,
            };
            let response = client.list_sent_invitations(request(message)).await;
            let page = response.expect("a page").into_inner();
            let shown = page.invitations.into_iter();
            let shown = shown.map(|shown| (shown.invitation_id, shown.inviter_id, shown.note));
            (shown.collect(), page.next_page_token)
        }
        List::Received(folder) => {
            let message = ListReceivedInvitationsRequest {
                recipient_id: owner.to_owned(),
                folder: folder.into(),
                page_size,
                page_token,
            };
            let response = client.list_received_invitations(request(message)).await;
            let page = response.expect("a page").into_inner();
            let shown = page.invitations.into_iter();
            let shown = shown.map(|shown| (shown.invitation_id, shown.recipient_id, shown.note));
            (shown.collect(), page.next_page_token)
        }
    }
}

async fn metric(service: &Service, name: &str) -> f64 {
    let page = http::get(&service.page("/metrics")).await.expect("served");
    let mut lines = page.body.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{name} is not in\n{}", page.body))
}

/// Holds both books shut for a moment, again and again, so that requests gather.
struct Blocker {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Blocker {
    fn start(database: &TestDatabase) -> Self {
        let mut connection = database.connect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                connection
                    .batch_execute(
                        "BEGIN; LOCK TABLE sent, received IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.03); COMMIT",
                    )
                    .expect("the tables can be locked");
                thread::sleep(Duration::from_millis(5));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Blocker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking());
        }
    }
}

/// A gate that readers pass one statement at a time, and a table of what they were asked.
struct Gate {
    database: TestDatabase,
    connection: PgConnection,
}

impl Gate {
    fn new(hint: &str) -> Self {
        let database = cluster::database(hint);
        let mut connection = database.connect();
        connection
            .batch_execute("CREATE TABLE asked (what integer)")
            .expect("a table is made");
        Self { database, connection }
    }

    /// One reader that has its connection, its queue and its batches of these sizes.
    async fn pages(&mut self, queue: u32, batch: u32) -> Pages<i32, i32> {
        let args = PageArgs {
            page_readers: 1,
            page_batch: batch,
            page_queue: queue,
            page_session: String::new(),
        };
        let pool = postgres::pool(&self.database.url.clone().into(), 1, Vec::new());
        let pages = pages::start("pages", &args, &pool, read);
        assert_eq!(read_connected(&pages, 0).await, Ok(vec![0, 0]));
        self.execute("TRUNCATE asked");
        pages
    }

    fn close(&mut self) {
        self.execute("SELECT pg_advisory_lock(1)");
    }

    fn open(&mut self) {
        self.execute("SELECT pg_advisory_unlock(1)");
    }

    fn execute(&mut self, statement: &str) {
        self.connection
            .batch_execute(statement)
            .expect("the gate can be moved");
    }

    /// Waits until a reader stands before the gate.
    async fn until_one_waits(&self) {
        let waiting = "pg_locks WHERE locktype = 'advisory' AND NOT granted \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        until(PATIENCE, "a reader stands before the gate", async || {
            count(&self.database, waiting) > 0
        })
        .await;
    }

    fn asked(&self) -> i64 {
        count(&self.database, "asked")
    }
}

/// Asked for a number, answers it twice; for some, fails in one of the ways that there are.
fn read(db: &mut PgConnection, asked: &[i32]) -> QueryResult<Vec<QueryResult<Vec<i32>>>> {
    db.batch_execute("SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1)")?;
    let values = asked.iter().map(|what| format!("({what})")).collect::<Vec<_>>();
    db.batch_execute(&format!("INSERT INTO asked VALUES {}", values.join(", ")))?;
    if asked.contains(&REFUSED) {
        db.batch_execute("SELECT 1 / 0")?;
    }
    if asked.contains(&CUT_OFF) {
        db.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")?;
    }
    assert!(!asked.contains(&PANIC), "as asked");
    let page = |what: &i32| match *what {
        DAMAGED => Err(diesel::result::Error::NotFound),
        what => Ok(vec![what, what]),
    };
    Ok(asked.iter().map(page).collect())
}

const REFUSED: i32 = -1;
const CUT_OFF: i32 = -2;
const PANIC: i32 = -3;
const DAMAGED: i32 = -4;

/// Reads, again where the reader had no connection in the half second that it waits for one.
async fn read_connected(pages: &Pages<i32, i32>, what: i32) -> Result<Vec<i32>, PageError> {
    let mut page = Err(PageError::Unavailable);
    until(PATIENCE, "the reader has a connection", async || {
        page = pages.read(what, later()).await;
        page != Err(PageError::Unavailable)
    })
    .await;
    page
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_those_in_it_are_served() {
    let mut gate = Gate::new("full_queue");
    let pages = gate.pages(2, 8).await;
    gate.close();
    let mut first = Box::pin(pages.read(1, later()));
    assert!((&mut first).now_or_never().is_none());
    gate.until_one_waits().await;
    let mut queued = [2, 3].map(|what| Box::pin(pages.read(what, later())));
    for page in &mut queued {
        assert!(page.now_or_never().is_none());
    }
    let refused = pages.read(4, later()).now_or_never();
    assert_eq!(refused, Some(Err(PageError::Overloaded)));
    gate.open();
    assert_eq!(first.await, Ok(vec![1, 1]));
    assert_eq!(join_all(queued).await, [Ok(vec![2, 2]), Ok(vec![3, 3])]);
    assert_eq!(gate.asked(), 3);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_read() {
    let mut gate = Gate::new("nobody_waits");
    let pages = gate.pages(8, 8).await;
    gate.close();
    let mut first = Box::pin(pages.read(1, later()));
    assert!((&mut first).now_or_never().is_none());
    gate.until_one_waits().await;
    let late = pages.read(2, Instant::now() + Duration::from_millis(20));
    let mut gone = Box::pin(pages.read(3, later()));
    assert!((&mut gone).now_or_never().is_none());
    drop(gone);
    let mut last = Box::pin(pages.read(4, later()));
    assert!((&mut last).now_or_never().is_none());
    assert_eq!(late.await, Err(PageError::Late));
    gate.open();
    assert_eq!(first.await, Ok(vec![1, 1]));
    assert_eq!(last.await, Ok(vec![4, 4]));
    assert_eq!(gate.asked(), 2, "of four, two were still waited for");
}

/// What those get who are read together, each asking for one of `asked`, and whether the next one is served.
async fn check(hint: &str, asked: [i32; 3], expected: [Result<Vec<i32>, PageError>; 3]) {
    let mut gate = Gate::new(hint);
    let pages = gate.pages(8, 8).await;
    gate.close();
    let mut first = Box::pin(pages.read(1, later()));
    assert!((&mut first).now_or_never().is_none());
    gate.until_one_waits().await;
    let mut together = asked.map(|what| Box::pin(pages.read(what, later())));
    for page in &mut together {
        assert!(page.now_or_never().is_none());
    }
    gate.open();
    assert_eq!(first.await, Ok(vec![1, 1]));
    assert_eq!(join_all(together).await, expected);
    let loses_connection = asked.iter().any(|what| [CUT_OFF, PANIC].contains(what));
    let next = if loses_connection {
        read_connected(&pages, 9).await
    } else {
        pages.read(9, later()).await
    };
    assert_eq!(next, Ok(vec![9, 9]), "the next one");
}

#[tokio::test]
async fn a_damaged_row_fails_its_own_page_only() {
    let expected = [Ok(vec![5, 5]), Err(PageError::Failed), Ok(vec![6, 6])];
    check("damaged_row", [5, DAMAGED, 6], expected).await;
}

#[tokio::test]
async fn a_page_that_cannot_be_read_fails_alone() {
    for (hint, what) in [("refused_read", REFUSED), ("panicking_read", PANIC)] {
        let expected = [Ok(vec![5, 5]), Err(PageError::Failed), Ok(vec![6, 6])];
        check(hint, [5, what, 6], expected).await;
    }
}

#[tokio::test]
async fn without_a_database_all_are_told_so_and_the_next_is_served() {
    let expected = [(); 3].map(|()| Err(PageError::Unavailable));
    check("cut_off_read", [5, CUT_OFF, 6], expected).await;
}

#[tokio::test]
async fn a_connection_that_was_lost_meanwhile_costs_nobody_their_page() {
    let mut gate = Gate::new("lost_meanwhile");
    let pages = gate.pages(8, 8).await;
    assert_eq!(pages.read(1, later()).await, Ok(vec![1, 1]));
    let mut connection = PgConnection::establish(&gate.database.url).expect("the test's Postgres runs");
    connection
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND query LIKE '%INTO asked%' AND pid <> pg_backend_pid()",
        )
        .expect("sessions can be ended");
    assert_eq!(pages.read(2, later()).await, Ok(vec![2, 2]));
}

//! The private Postgres itself: what the other tests stand on.

use diesel::connection::SimpleConnection;
use tests::cluster::{self, Cluster};

#[test]
fn databases_are_apart() {
    let (one, other) = (cluster::database("apart"), cluster::database("apart"));
    assert_ne!(one.url, other.url);
    one.connect()
        .batch_execute("CREATE TABLE here (id int)")
        .expect("an empty database");
    other
        .connect()
        .batch_execute("SELECT * FROM here")
        .expect_err("the table is in the other one");
}

#[test]
fn a_killed_server_comes_back_with_its_data() {
    let cluster = Cluster::temporary().expect("Postgres starts");
    let database = cluster.database("kept").expect("a new database");
    database
        .connect()
        .batch_execute("CREATE TABLE here (id int)")
        .expect("an empty database");
    let before = cluster.pid();
    cluster.kill();
    assert_eq!(cluster.pid(), None);
    cluster.start().expect("Postgres recovers");
    assert_ne!(cluster.pid(), before);
    database
        .connect()
        .batch_execute("SELECT * FROM here")
        .expect("still there");
}

#[test]
fn a_restarted_server_comes_back_with_open_connections_cut() {
    let cluster = Cluster::temporary().expect("Postgres starts");
    let database = cluster.database("cut").expect("a new database");
    let mut connection = database.connect();
    cluster.restart().expect("Postgres starts again");
    connection
        .batch_execute("SELECT 1")
        .expect_err("its backend is gone");
    database
        .connect()
        .batch_execute("SELECT 1")
        .expect("a new connection");
}

//! What the tests of both services share: a private Postgres, the services as processes, their clients.

pub mod browser;
pub mod clients;
pub mod cluster;
pub mod counting_sink;
pub mod cut;
pub mod deliveries;
pub mod dev_run;
pub mod emails;
pub mod feed;
pub mod files;
pub mod forms;
pub mod guardian;
pub mod http;
pub mod ledger;
pub mod local;
pub mod mail;
pub mod mta;
pub mod operators;
pub mod patience;
pub mod ports;
pub mod preferences;
pub mod processes;
pub mod profile;
pub mod races;
pub mod server_log;
pub mod smtp_sink;
pub mod system;
pub mod transcript;
pub mod watch;

// Brings the libpq that diesel links.
use shell as _;

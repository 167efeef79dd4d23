//! The process's metrics, in the Prometheus text format.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// The recorder of this process; the first call installs it.
pub fn handle() -> &'static PrometheusHandle {
    HANDLE.get_or_init(|| {
        PrometheusBuilder::new()
            .set_buckets(&[
                0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
            ])
            .expect("there are buckets")
            .set_buckets_for_metric(
                Matcher::Suffix("_commands".to_owned()),
                &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0],
            )
            .expect("there are buckets")
            .install_recorder()
            .expect("nobody else installs a recorder")
    })
}

//! Which role each rpc asks for.

use shell::gate::Role;

/// All rpcs; one that is missing here cannot be called.
pub(crate) const PERMISSIONS: &[(&str, Role)] =
    &[("/notify.v1.EmailService/ApplyEmailCommands", Role::Notifier)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rpc_asks_for_a_role() {
        let listed: Vec<&str> = PERMISSIONS.iter().map(|(path, _)| *path).collect();
        assert_eq!(listed, proto::notify::v1::EMAIL_SERVICE_RPCS);
    }
}

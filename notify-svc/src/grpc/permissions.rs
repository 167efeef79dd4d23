//! Which role each rpc asks for.

use shell::gate::Role;

/// All rpcs; one that is missing here cannot be called. One that stands here several times asks for one of its roles.
#[rustfmt::skip]
pub(crate) const PERMISSIONS: &[(&str, Role)] = &[
    ("/notify.v1.EmailService/ApplyEmailCommands", Role::Notifier),
    ("/notify.v1.PreferenceService/GetPreferences", Role::MemberClient),
    ("/notify.v1.PreferenceService/GetPreferences", Role::Operator),
    ("/notify.v1.PreferenceService/UpdatePreferences", Role::MemberClient),
    ("/notify.v1.PreferenceService/UpdatePreferences", Role::Operator),
    ("/notify.v1.PreferenceService/EraseMember", Role::Notifier),
    ("/notify.v1.PreferenceService/EraseMember", Role::Operator),
    ("/notify.v1.DeliveryService/GetEmail", Role::Operator),
    ("/notify.v1.DeliveryService/ListEmails", Role::Operator),
    ("/notify.v1.DeliveryService/RetryEmail", Role::Operator),
    ("/notify.v1.DeliveryService/DropEmail", Role::Operator),
    ("/notify.v1.DeliveryService/ResolveUncertain", Role::Operator),
    ("/notify.v1.DeliveryService/PreviewEmail", Role::Operator),
    ("/notify.v1.DeliveryService/ReportBounce", Role::Operator),
    ("/notify.v1.DeliveryService/ListSuppressions", Role::Operator),
    ("/notify.v1.DeliveryService/RemoveSuppression", Role::Operator),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rpc_asks_for_a_role() {
        let mut listed: Vec<&str> = PERMISSIONS.iter().map(|(path, _)| *path).collect();
        listed.dedup();
        let rpcs = [
            proto::notify::v1::EMAIL_SERVICE_RPCS,
            proto::notify::v1::PREFERENCE_SERVICE_RPCS,
            proto::notify::v1::DELIVERY_SERVICE_RPCS,
        ];
        assert_eq!(listed, rpcs.concat());
    }
}

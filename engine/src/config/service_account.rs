//! Who searches an LDAP directory, raw → checked: nobody, a name with a password, or a TLS client certificate. Called by
//! [`super::ldap`] alone; reads no secret.

use super::checker::{Checker, Place};
use super::profile::{ClientCertificate, ServiceAccount};
use super::raw::RawAuthProfile;
use std::path::{Path, PathBuf};

/// The service account of a profile, or none for an anonymous search.
pub(super) fn service_account(
    checker: &mut Checker,
    place: &Place,
    raw: &mut RawAuthProfile,
) -> Option<ServiceAccount> {
    let options = [("simple", false), ("external", true)];
    let external = checker.choice(place, "bind", raw.bind.as_deref(), false, &options);
    let certificate = (raw.client_certificate_file.take(), raw.client_key_file.take());
    if !external {
        if certificate != (None, None) {
            checker.problem(
                place,
                "a client certificate is for SASL EXTERNAL",
                "add bind = \"external\", or remove client_certificate_file and client_key_file",
            );
        }
        let credential = raw.bind_password_credential.take();
        return simple_bind(
            checker,
            place,
            raw.bind_dn.take(),
            raw.bind_password_file.take(),
            credential,
        );
    }
    if raw.bind_dn.is_some() || raw.bind_password_file.is_some() || raw.bind_password_credential.is_some() {
        checker.problem(
            place,
            "bind = \"external\" with a bind_dn or a service password",
            "remove them: the client certificate says who searches",
        );
    }
    match certificate {
        (Some(certificate_file), Some(key_file)) => Some(ServiceAccount::External(ClientCertificate {
            certificate_file,
            key_file,
        })),
        _ => {
            checker.problem(
                place,
                "bind = \"external\" needs a client certificate",
                "add client_certificate_file and client_key_file",
            );
            None
        }
    }
}

fn simple_bind(
    checker: &mut Checker,
    place: &Place,
    dn: Option<String>,
    file: Option<PathBuf>,
    credential: Option<String>,
) -> Option<ServiceAccount> {
    let credential = credential.and_then(|name| credential_path(checker, place, &name));
    let password_file = match (file, credential) {
        (Some(_), Some(_)) => {
            checker.problem(
                place,
                "the service password is given twice",
                "keep bind_password_file or bind_password_credential",
            );
            return None;
        }
        (file, credential) => file.or(credential),
    };
    match (dn, password_file) {
        (None, None) => None,
        (Some(dn), Some(_)) if dn.is_empty() => {
            checker.problem(place, "bind_dn is empty", "remove it to search without a name");
            None
        }
        (Some(bind_dn), Some(password_file)) => Some(ServiceAccount::Simple { bind_dn, password_file }),
        (Some(_), None) => {
            checker.problem(
                place,
                "bind_dn has no password",
                "add bind_password_credential or bind_password_file",
            );
            None
        }
        (None, Some(_)) => {
            checker.problem(place, "there is a service password but no bind_dn", "add bind_dn");
            None
        }
    }
}

/// A credential's path as systemd lays it out for this service (systemd.exec(5), `LoadCredential`).
fn credential_path(checker: &mut Checker, place: &Place, name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        checker.problem(
            place,
            format!("the credential name {name:?} cannot be used"),
            "name a systemd credential",
        );
        return None;
    }
    Some(Path::new("/run/credentials").join(checker.unit).join(name))
}

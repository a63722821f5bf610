//! How connections are protected, and who is believed.

use crate::fake::{Fake, StripMode};
use crate::rig::*;
use assent_engine::config::profile::{LdapProfile, LdapSecurity, ServiceAccount};
use assent_engine::directory::ldap::{LdapDirectory, tls_config};
use assent_engine::directory::{Lookup, PasswordCheck, Wait};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn with_server(slapd: &Slapd, uri: &str, security: LdapSecurity) -> LdapDirectory {
    let mut profile = slapd.profile();
    profile.servers = vec![server(uri, security)];
    directory(profile)
}

#[tokio::test]
async fn r64_starttls_and_ldaps_work_with_the_profiles_own_authority() {
    let slapd = Slapd::start();
    for server in [slapd.ldap(), slapd.ldaps()] {
        let mut profile = slapd.profile();
        profile.servers = vec![server.clone()];
        let directory = directory(profile);
        assert!(
            matches!(directory.look_up(&user("alice"), Wait::Whole).await, Lookup::Found(_)),
            "{server:?}"
        );
        assert!(
            matches!(check(&directory, "alice", "alicepw").await, PasswordCheck::Passed(_)),
            "{server:?}"
        );
    }
    let log = slapd.log();
    assert!(log.contains("TLS established"));
    assert!(!log.contains("ssf=0\n"), "a bind without protection");
}

#[tokio::test]
async fn r64_a_server_of_another_authority_or_name_is_refused_before_any_bind() {
    let slapd = Slapd::start();
    let other = Dir::new();
    certificates(&other.0);
    let refused = async |directory: LdapDirectory, what: &str| {
        let text = why(directory.look_up(&user("alice"), Wait::Whole).await);
        assert!(text.contains("certificate"), "{what}: {text}");
        assert!(
            matches!(
                check(&directory, "alice", "alicepw").await,
                PasswordCheck::Unreachable(_)
            ),
            "{what}"
        );
    };
    for server in [slapd.ldap(), slapd.ldaps()] {
        let mut profile = slapd.profile();
        profile.servers = vec![server];
        // Another authority of the same name.
        refused(
            LdapDirectory::new(profile.clone(), tls_config(Some(&other.0.join("ca.pem"))).unwrap()),
            "other",
        )
        .await;
        if let Ok(system) = tls_config(None) {
            refused(LdapDirectory::new(profile, system), "system").await;
        }
    }
    // The certificate is localhost's.
    for (uri, security) in [
        (format!("ldaps://127.0.0.1:{}", slapd.port + 1), LdapSecurity::Ldaps),
        (format!("ldap://127.0.0.1:{}", slapd.port), LdapSecurity::StartTls),
    ] {
        refused(with_server(&slapd, &uri, security), &uri).await;
    }
    assert!(!slapd.log().contains(" BIND "));
}

#[tokio::test]
async fn r64_a_server_or_somebody_in_between_that_refuses_starttls_hears_nothing_more() {
    let slapd = Slapd::start();
    for mode in [
        StripMode::Refuse,
        StripMode::Unavailable,
        StripMode::SayYesAndMore,
        StripMode::Rubbish,
        StripMode::Close,
    ] {
        let stripper = Fake::stripping(slapd.port, mode);
        let directory = with_server(
            &slapd,
            &format!("ldap://localhost:{}", stripper.port),
            LdapSecurity::StartTls,
        );
        let text = why(directory.look_up(&user("alice"), Wait::Whole).await);
        assert!(text.contains("StartTLS"), "{mode:?}: {text}");
        if matches!(mode, StripMode::SayYesAndMore) {
            assert!(text.contains("sent more than its answer"), "{text}");
        }
        assert!(
            matches!(
                check(&directory, "alice", "alicepw").await,
                PasswordCheck::Unreachable(_)
            ),
            "{mode:?}"
        );
        let heard = stripper.heard();
        assert!(
            !heard.is_empty() && heard.iter().all(|tag| *tag == 0x77),
            "{mode:?}: {heard:x?}"
        );
    }
    // slapd itself, without certificates.
    let plain = Slapd::with(&person("alice", BASE, "userPassword: alicepw\n"), false);
    let mut profile = plain.profile();
    profile.ca_file = None;
    let directory = LdapDirectory::new(profile, tls_config(Some(&slapd.ca())).unwrap());
    assert!(why(directory.look_up(&user("alice"), Wait::Whole).await).contains("StartTLS"));
    assert!(!plain.log().contains(" BIND "));
}

#[tokio::test]
async fn r64_without_protection_only_loopback_is_spoken_to() {
    let slapd = Slapd::with(&person("alice", BASE, "userPassword: alicepw\n"), false);
    let plain = |uri: &str| {
        let mut profile = slapd.profile();
        profile.servers = vec![server(uri, LdapSecurity::PlainLoopback)];
        LdapDirectory::new(profile, std::sync::Arc::new(no_roots()))
    };
    let here = plain(&format!("ldap://127.0.0.1:{}", slapd.port));
    assert!(matches!(
        check(&here, "alice", "alicepw").await,
        PasswordCheck::Passed(_)
    ));
    // An address of this machine that is not loopback, if it has one.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let outer = probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr());
    if let Ok(outer) = outer
        && !outer.ip().is_loopback()
        && let Ok(listener) = std::net::TcpListener::bind((outer.ip(), 0))
    {
        let there = plain(&format!("ldap://{}", listener.local_addr().unwrap()));
        let text = why(there.look_up(&user("alice"), Wait::Whole).await);
        assert!(text.contains("not on loopback"), "{text}");
        listener.set_nonblocking(true).unwrap();
        let (mut caller, _) = listener.accept().unwrap();
        caller.set_nonblocking(false).unwrap();
        let mut heard = Vec::new();
        std::io::Read::read_to_end(&mut caller, &mut heard).unwrap();
        assert!(heard.is_empty(), "{heard:x?}");
    }
    for (uri, security) in [
        (format!("ldap://127.0.0.1:{}", slapd.port), LdapSecurity::Ldaps),
        (format!("ldaps://127.0.0.1:{}", slapd.port), LdapSecurity::PlainLoopback),
    ] {
        let mut profile = slapd.profile();
        profile.servers = vec![server(&uri, security)];
        let directory = LdapDirectory::new(profile, std::sync::Arc::new(no_roots()));
        assert!(why(directory.look_up(&user("alice"), Wait::Whole).await).contains("scheme"));
    }
}

fn no_roots() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_refused_service_password_is_not_tried_again_until_its_file_changes() {
    let slapd = Slapd::start();
    let file = slapd.dir.secret("service-password", "not the password\n");
    let directory = slapd.directory();
    for _ in 0..4 {
        let text = why(directory.look_up(&user("alice"), Wait::Whole).await);
        assert!(
            text.contains("service bind") && !text.contains("not the password"),
            "{text}"
        );
        assert!(matches!(
            check(&directory, "alice", "alicepw").await,
            PasswordCheck::Unreachable(_)
        ));
    }
    assert_eq!(
        slapd
            .log()
            .matches(&format!(" BIND dn=\"{SERVICE}\" method=128"))
            .count(),
        1
    );
    std::fs::write(&file, "assent service\r\n").unwrap();
    assert!(matches!(
        directory.look_up(&user("alice"), Wait::Whole).await,
        Lookup::Found(_)
    ));
}

#[tokio::test]
async fn r44_a_service_password_file_that_is_empty_open_or_absent_is_named_and_not_used() {
    let slapd = Slapd::start();
    let file = slapd.dir.0.join("service-password");
    let directory = slapd.directory();
    let refused = async |what: &str| {
        let text = why(directory.look_up(&user("alice"), Wait::Whole).await);
        assert!(
            text.contains("service-password") && text.contains(what),
            "{what}: {text}"
        );
        assert!(!text.contains("assent service"), "{text}");
    };
    chmod(&file, 0o644);
    refused("0644").await;
    chmod(&file, 0o600);
    for (content, what) in [
        ("", "one line"),
        ("\n", "one line"),
        ("assent service\nmore\n", "one line"),
    ] {
        std::fs::write(&file, content).unwrap();
        refused(what).await;
    }
    std::fs::remove_file(&file).unwrap();
    refused("No such file").await;
    assert!(!slapd.log().contains(" BIND "));
}

#[tokio::test]
async fn without_a_service_account_the_search_is_anonymous_and_an_empty_one_is_refused() {
    let slapd = Slapd::start();
    let change = |change: fn(&mut LdapProfile)| {
        let mut profile = slapd.profile();
        change(&mut profile);
        directory(profile)
    };
    // This slapd shows nothing to anonymous searches: that is not "nobody".
    let anonymous = change(|profile| profile.service = None);
    let text = why(anonymous.look_up(&user("alice"), Wait::Whole).await);
    assert!(text.contains("search: result 50"), "{text}");
    let empty = change(|profile| {
        if let Some(ServiceAccount::Simple { bind_dn, .. }) = &mut profile.service {
            *bind_dn = " ".to_owned();
        }
    });
    assert!(why(empty.look_up(&user("alice"), Wait::Whole).await).contains("DN is empty"));
}

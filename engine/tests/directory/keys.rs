//! The keys of LDAP profiles: what presets set, and what must not stand together.

use crate::rig::profile_of;
use assent_engine::config::load_auth_profiles;
use assent_engine::config::profile::{AccountRules, CacheLimits, Nesting, ServiceAccount};
use std::path::Path;
use std::time::Duration;

const GOOD: &str = "uris = [\"ldaps://ldap1\"]\nbase = \"ou=people,dc=Example,dc=org\"\n";

fn problems(toml: &str) -> String {
    let text = format!("[[auth_profile]]\nname = \"corp\"\nkind = \"ldap\"\nrealm = \"x\"\n{GOOD}{toml}");
    match load_auth_profiles(Path::new("test.toml"), &text, "test.service") {
        Ok(_) => panic!("accepted: {toml}"),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn a_preset_sets_what_its_directory_needs_and_each_key_outdoes_it() {
    for (preset, login_name, id, accounts, nesting) in [
        ("", "uid", "entryUUID", AccountRules::Any, Nesting::Walk),
        ("openldap", "uid", "entryUUID", AccountRules::OpenLdap, Nesting::Walk),
        ("389ds", "uid", "nsUniqueId", AccountRules::Ds389, Nesting::MemberOf),
        (
            "freeipa",
            "uid",
            "ipaUniqueID",
            AccountRules::FreeIpa,
            Nesting::MemberOf,
        ),
        (
            "active-directory",
            "sAMAccountName",
            "objectGUID",
            AccountRules::ActiveDirectory,
            Nesting::TokenGroups,
        ),
    ] {
        let key = match preset {
            "" => String::new(),
            name => format!("preset = \"{name}\"\n"),
        };
        let profile = profile_of(&format!("{GOOD}{key}"), &[]);
        assert_eq!(profile.login_names, [login_name], "{preset}");
        assert_eq!(profile.id_attribute, id, "{preset}");
        assert_eq!((profile.accounts, profile.nesting), (accounts, nesting), "{preset}");
        assert_eq!(profile.user_filter.is_some(), !preset.is_empty(), "{preset}");
        assert_eq!(profile.groups.base, "dc=example,dc=org", "{preset}");
        assert_eq!((profile.max_binds, profile.cache), (32, None), "{preset}");
        let own = format!(
            "{GOOD}{key}login_names = [\"mail\", \"uid\"]\nid_attribute = \"employeeNumber\"\nuser_filter = \"(a=b)\"\n\
             account_rules = \"any\"\nnested_by = \"walk\"\ngroup_base = \"ou=g,o=x\"\ngroup_filter = \"(c=d)\"\n\
             group_members = [\"memberUid\"]\nmax_binds = 7\ncache_seconds = 30\nstale_seconds = 600\n\
             attribute_map = {{ Mobile = \"telephoneNumber\" }}\n"
        );
        let own = profile_of(&own, &[]);
        assert_eq!(own.login_names, ["mail", "uid"]);
        assert_eq!(
            (own.id_attribute.as_str(), own.user_filter.as_deref()),
            ("employeeNumber", Some("(a=b)"))
        );
        assert_eq!((own.accounts, own.nesting), (AccountRules::Any, Nesting::Walk));
        assert_eq!(
            (own.groups.base.as_str(), own.groups.filter.as_deref()),
            ("ou=g,o=x", Some("(c=d)"))
        );
        assert_eq!((own.groups.members, own.max_binds), (vec!["memberUid".to_owned()], 7));
        let (fresh, stale) = (Duration::from_secs(30), Duration::from_secs(600));
        assert_eq!(own.cache, Some(CacheLimits { fresh, stale }));
    }
    let off = profile_of(&format!("{GOOD}preset = \"active-directory\"\nnested = false\n"), &[]);
    assert_eq!(off.nesting, Nesting::Off);
    let one = profile_of(&format!("{GOOD}user_attribute = \"mail\"\n"), &[]);
    assert_eq!(one.login_names, ["mail"]);
}

#[test]
fn sasl_external_needs_a_certificate_and_nothing_else() {
    let external = "bind = \"external\"\nclient_certificate_file = \"/c\"\nclient_key_file = \"/k\"\n";
    let profile = profile_of(&format!("{GOOD}{external}"), &[]);
    assert!(matches!(profile.service, Some(ServiceAccount::External(_))));
    for (toml, expected) in [
        ("bind = \"external\"\n", "needs a client certificate"),
        (
            "bind = \"external\"\nclient_key_file = \"/k\"\n",
            "needs a client certificate",
        ),
        ("client_certificate_file = \"/c\"\n", "is for SASL EXTERNAL"),
        (&format!("{external}bind_dn = \"cn=x\"\n"), "with a bind_dn"),
        ("bind = \"gssapi\"\n", "bind = \"gssapi\" is not known"),
    ] {
        let found = problems(toml);
        assert!(found.contains(expected), "{toml}: {found}");
    }
}

#[test]
fn r61_wrong_keys_of_ldap_profiles_are_named_with_their_mend() {
    for (toml, expected) in [
        (
            "preset = \"edirectory\"",
            "use \"openldap\" or \"389ds\" or \"freeipa\" or \"active-directory\"",
        ),
        ("account_rules = \"x\"", "account_rules = \"x\" is not known"),
        (
            "nested_by = \"in-chain\"",
            "use \"member-of\" or \"token-groups\" or \"walk\"",
        ),
        ("nested = false\nnested_by = \"walk\"", "keep one of them"),
        ("login_names = []", "login_names has 0 attributes"),
        ("login_names = [\"uid)(a\"]", "\"uid)(a\" is no LDAP attribute"),
        ("user_attribute = \"uid\"\nlogin_names = [\"mail\"]", "say the same"),
        ("id_attribute = \"*\"", "\"*\" is no LDAP attribute"),
        ("attribute_map = { mobile = \"a b\" }", "\"a b\" is no LDAP attribute"),
        ("attribute_map = { mobile = \"a\", Mobile = \"b\" }", "twice"),
        ("group_members = []", "group_members has 0 attributes"),
        ("group_members = [\"member=\"]", "is no LDAP attribute"),
        ("group_base = \"nowhere\"", "group_base = \"nowhere\" is no DN"),
        ("user_filter = \"objectClass=person\"", "user_filter is no filter"),
        (
            "user_filter = \"(objectClass=person))(uid=*)\"",
            "user_filter is no filter",
        ),
        ("group_filter = \"(a=\"", "group_filter is no filter"),
        ("timeout_seconds = 0", "use 1 to 30"),
        ("max_binds = 0", "use 1 to 256"),
        ("cache_seconds = 3601", "use 0 to 3600"),
        ("stale_seconds = 604801", "use 0 to 604800"),
    ] {
        let found = problems(toml);
        assert!(found.contains(expected), "{toml}: {found}");
    }
    // None of them belongs to a local profile.
    for key in [
        "preset = \"openldap\"",
        "login_names = [\"uid\"]",
        "attribute_map = { a = \"b\" }",
        "nested = true",
        "group_base = \"dc=x\"",
        "bind = \"simple\"",
        "client_key_file = \"/k\"",
        "max_binds = 3",
        "cache_seconds = 3",
        "stale_seconds = 3",
        "account_rules = \"any\"",
    ] {
        let text = format!("[[auth_profile]]\nname = \"l\"\nkind = \"local\"\n{key}\n");
        let found = load_auth_profiles(Path::new("test.toml"), &text, "test.service").unwrap_err();
        assert!(found.to_string().contains("keys of an LDAP one"), "{key}");
    }
}

//! What the directories of the field have in common with themselves: the presets of LDAP profiles, and the choices that
//! they stand for. Pure; read by the check of a configuration, obeyed by `directory::ldap`. Each choice can also be
//! made by its own key.

/// A kind of directory, by `preset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// `OpenLDAP`.
    OpenLdap,
    /// 389 Directory Server.
    Ds389,
    /// `FreeIPA`.
    FreeIpa,
    /// Active Directory, Samba's too.
    ActiveDirectory,
}

/// By which attributes an account counts as blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountRules {
    /// By those of every kind of directory.
    Any,
    /// `pwdAccountLockedTime`, `pwdReset`, `pwdStartTime`, `pwdEndTime`, `shadowExpire`.
    OpenLdap,
    /// `nsAccountLock`, `accountUnlockTime`, `passwordExpirationTime`.
    Ds389,
    /// Those of 389, and the Kerberos ones.
    FreeIpa,
    /// `userAccountControl`, `msDS-User-Account-Control-Computed`, `accountExpires`.
    ActiveDirectory,
}

/// How the groups of groups are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    /// Not at all: `memberOf` as the directory has it.
    Off,
    /// The directory puts them into `memberOf` itself.
    MemberOf,
    /// By the user's `tokenGroups`, the primary group among them (Active Directory).
    TokenGroups,
    /// By searching for the groups that have the user as a member, then for those that have these, and so on.
    Walk,
}

/// What a preset sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// The attribute that holds the user name.
    pub login_name: &'static str,
    /// The attribute that holds the unique and lasting id.
    pub id_attribute: &'static str,
    /// What a user's entry must match besides.
    pub user_filter: Option<&'static str>,
    /// What a group's entry must match.
    pub group_filter: Option<&'static str>,
    /// How accounts are judged.
    pub accounts: AccountRules,
    /// How nested groups are found.
    pub nesting: Nesting,
}

/// The attributes in which groups list their members, unless the profile says otherwise.
pub const GROUP_MEMBERS: [&str; 2] = ["member", "uniqueMember"];

impl Preset {
    /// The words for them.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("openldap", Self::OpenLdap),
        ("389ds", Self::Ds389),
        ("freeipa", Self::FreeIpa),
        ("active-directory", Self::ActiveDirectory),
    ];
}

impl AccountRules {
    /// The words for them.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("any", Self::Any),
        ("openldap", Self::OpenLdap),
        ("389ds", Self::Ds389),
        ("freeipa", Self::FreeIpa),
        ("active-directory", Self::ActiveDirectory),
    ];
}

impl Nesting {
    /// The words for those that find something.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("member-of", Self::MemberOf),
        ("token-groups", Self::TokenGroups),
        ("walk", Self::Walk),
    ];
}

/// What holds where a profile has neither the key nor a preset.
pub const PLAIN: Defaults = Defaults {
    login_name: "uid",
    id_attribute: "entryUUID",
    user_filter: None,
    group_filter: None,
    accounts: AccountRules::Any,
    nesting: Nesting::Walk,
};

/// What a profile's preset sets.
pub fn defaults(preset: Option<Preset>) -> Defaults {
    // Computers and groups have login names too, and FreeIPA shows each user twice (`cn=compat`): all are kept out.
    match preset {
        None => PLAIN,
        Some(Preset::OpenLdap) => Defaults {
            user_filter: Some("(|(objectClass=person)(objectClass=account))"),
            group_filter: Some(
                "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers))",
            ),
            accounts: AccountRules::OpenLdap,
            ..PLAIN
        },
        Some(Preset::Ds389) => Defaults {
            id_attribute: "nsUniqueId",
            user_filter: Some("(|(objectClass=person)(objectClass=account)(objectClass=nsAccount))"),
            accounts: AccountRules::Ds389,
            nesting: Nesting::MemberOf,
            ..PLAIN
        },
        Some(Preset::FreeIpa) => Defaults {
            id_attribute: "ipaUniqueID",
            user_filter: Some("(&(objectClass=person)(objectClass=posixAccount))"),
            accounts: AccountRules::FreeIpa,
            nesting: Nesting::MemberOf,
            ..PLAIN
        },
        Some(Preset::ActiveDirectory) => Defaults {
            login_name: "sAMAccountName",
            id_attribute: "objectGUID",
            user_filter: Some("(&(objectCategory=person)(objectClass=user))"),
            group_filter: Some("(objectCategory=group)"),
            accounts: AccountRules::ActiveDirectory,
            nesting: Nesting::TokenGroups,
        },
    }
}

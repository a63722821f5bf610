//! Which roles a process has. What a file may say depends on it: keys of absent roles are as unknown as misspelt ones, so
//! that no secret lies where nobody needs it.

use super::section::Section;
use std::fmt;

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The mailbox.
    Relay,
    /// The authenticator's static files.
    App,
    /// The Register Panel.
    Panel,
    /// The registrar.
    Registrar,
    /// The code service.
    Codes,
}

/// All of them.
pub const ALL: [Role; 5] = [Role::Relay, Role::App, Role::Panel, Role::Registrar, Role::Codes];

impl Role {
    /// As it stands in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::App => "app",
            Self::Panel => "panel",
            Self::Registrar => "registrar",
            Self::Codes => "codes",
        }
    }
}

/// The roles of one process, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSet(Vec<Role>);

impl RoleSet {
    /// Every role.
    pub fn all() -> Self {
        Self(ALL.to_vec())
    }

    /// Takes `roles` out of the file.
    pub(super) fn read(root: &mut Section) -> Self {
        let Some(names) = root.texts_if_given("roles").filter(|names| names != &["all"]) else {
            return Self::all();
        };
        if names.is_empty() {
            // Not "all": a template with a hole in it would put the registrar onto the machine that faces the world.
            root.problem(
                "roles",
                "lists no role; write [\"all\"], or some of \"relay\", \"app\", \"panel\", \"registrar\", \"codes\"",
            );
        }
        let mut roles = Vec::new();
        for name in names {
            match ALL.into_iter().find(|role| role.name() == name) {
                Some(role) if roles.contains(&role) => root.problem("roles", &format!("{name:?} is listed twice")),
                Some(role) => roles.push(role),
                None => root.problem(
                    "roles",
                    &format!("there is no role {name:?}; write [\"all\"], or some of \"relay\", \"app\", \"panel\", \"registrar\", \"codes\""),
                ),
            }
        }
        let lacks = |role| !roles.contains(&role);
        if roles.contains(&Role::Codes) && !lacks(Role::Relay) && lacks(Role::Registrar) {
            root.problem(
                "roles",
                "\"codes\" holds secrets that do not belong beside a relay that faces the world: run it beside \"registrar\" or alone",
            );
        }
        if roles.is_empty() { Self::all() } else { Self(roles) }
    }

    /// Whether this process has a role.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether it has one of these.
    pub fn has_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.has(*role))
    }

    /// Whether it answers HTTP: registrar and code service alone do not.
    pub fn listens(&self) -> bool {
        self.has_any(&[Role::Relay, Role::App, Role::Panel])
    }

    /// The name of its directories and unit: `assent-relay`, `assent-registrar` and so on where that role is alone.
    pub fn place(&self) -> &'static str {
        match self.0.as_slice() {
            [Role::Relay] => "assent-relay",
            [Role::App] => "assent-app",
            [Role::Panel] => "assent-panel",
            [Role::Registrar] => "assent-registrar",
            [Role::Codes] => "assent-codes",
            _ => "assent-gateway",
        }
    }
}

impl fmt::Display for RoleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|role| role.name()).collect();
        f.write_str(&names.join(", "))
    }
}

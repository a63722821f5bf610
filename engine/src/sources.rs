//! Whom a question about a user goes to: the real directories, a file of a site's own tests, or a recorded trace. What
//! then follows is the same for all ([`crate::explain`]).

use crate::config::AuthIndex;
use crate::directories::Directories;
use crate::directory::nss::{Nss, NssUser};
use crate::directory::{Lookup, Wait};
use crate::names::UserName;
use crate::policy::Recall;
use assent_proto::cert::Identity;
use assent_proto::text::Outside;

/// How the name service writes a user's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spelling {
    /// Like this.
    As(UserName),
    /// There is no such user.
    Unknown,
    /// It could not say.
    Unreachable(String),
}

/// Who answers.
pub trait Sources {
    /// The user's canonical name.
    fn spelling(&self, user: &UserName) -> impl Future<Output = Spelling>;
    /// What an authentication profile knows of the user.
    fn look_up(&self, profile: AuthIndex, user: &UserName) -> impl Future<Output = Lookup>;
    /// What the agent remembers of the user.
    fn recall(&self, who: &Identity) -> impl Future<Output = Recall>;
}

/// The real ones.
pub struct RealSources<'a> {
    /// The directories of the configuration.
    pub directories: &'a Directories,
    /// The name service.
    pub nss: &'a Nss,
}

impl Sources for RealSources<'_> {
    async fn spelling(&self, user: &UserName) -> Spelling {
        match self.nss.user(user).await {
            NssUser::Found(found) => UserName::new(&Outside::new(found.name.as_bytes())).map_or_else(
                |e| Spelling::Unreachable(format!("it answered with a name that is none: {e}")),
                Spelling::As,
            ),
            NssUser::Unknown => Spelling::Unknown,
            NssUser::Unreachable(why) => Spelling::Unreachable(why),
        }
    }

    async fn look_up(&self, profile: AuthIndex, user: &UserName) -> Lookup {
        self.directories.of(profile).look_up(user, Wait::Whole).await
    }

    async fn recall(&self, _: &Identity) -> Recall {
        Err("what the agent remembers was not asked for".into())
    }
}

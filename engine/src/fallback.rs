//! What one profile's word on a password means for those behind it: the fallback rules, once for every way in.

use crate::config::OnUnreachable;
use crate::directory::{PasswordCheck, Person};
use crate::login::Cause;

/// How it goes on.
pub enum After {
    /// The password is right; whether the account may log in is still to be seen.
    Passed(Box<Person>),
    /// The next profile is asked.
    Next,
    /// The end.
    Denied(Cause),
}

/// Unknown → next; unreachable → as configured; everything else is final.
pub fn after(check: PasswordCheck, on_unreachable: OnUnreachable) -> After {
    match check {
        PasswordCheck::Passed(person) => After::Passed(person),
        PasswordCheck::Unknown => After::Next,
        PasswordCheck::Wrong => After::Denied(Cause::WrongPassword),
        PasswordCheck::Ambiguous => After::Denied(Cause::Ambiguous),
        PasswordCheck::Blocked(account) => After::Denied(Cause::Blocked(account)),
        PasswordCheck::NoPassword => After::Denied(Cause::PasswordNotHere),
        PasswordCheck::Unreachable(why) => match on_unreachable {
            OnUnreachable::Next => After::Next,
            OnUnreachable::Deny => After::Denied(Cause::DirectoryUnreachable(why)),
        },
    }
}

//! What happens to a login, and what it makes happen.

use crate::config::AuthIndex;
use crate::directory::{Account, Lookup, PasswordCheck};
use crate::grants::{Held, Notice};
use crate::ledger::Barred;
use crate::names::UserName;
use crate::policy::Recall;
use assent_proto::cert::{Device, DeviceOwner, Identity};
use assent_proto::code::{CodeMethod, CodePassed, CodeRefused, Offer, Unbelieved};
use assent_proto::registrar::Refused;
use assent_proto::request::Details;
use assent_proto::time::UnixTime;
use assent_proto::verdict::{Approved, Refusal, Rubbish};
use assent_proto::{Id, ShortText};

/// What happened.
pub enum Event {
    /// The module's facts are there.
    Begin,
    /// The name service answered.
    Resolved(NameSearch),
    /// A password was asked for.
    Password(PasswordReply),
    /// A directory judged the password.
    Checked(PasswordCheck),
    /// The password was shown to no directory: too many were wrong before. Until when that is so.
    NotChecked(UnixTime),
    /// The letter that a push alone needs: whether it was `p`.
    Go(bool),
    /// What the agent remembers of the user and the source.
    Weighed(Standing),
    /// The prompt beside a push ended: whether by Enter, and not by a conversation that failed.
    Shown(bool),
    /// A prompt that takes a code ended otherwise than by Enter alone; the code itself stays at the edge.
    CodeTyped(CodeTyped),
    /// What came of asking the code service.
    Code {
        /// Which asking: [`CodeOrder::turn`], or that of the effect.
        turn: u32,
        /// What.
        what: CodeEvent,
    },
    /// A prompt of an enrolment ended; digits stay at the edge.
    EnrolTyped(EnrolTyped),
    /// Whether an enrolment is open.
    EnrolmentOpened(Result<(), EnrolTrouble>),
    /// How an enrolment stands after digits were typed.
    Enrolment(Result<EnrolState, EnrolTrouble>),
    /// What is remembered of somebody, for policies.
    Recalled(Identity, Recall),
    /// What an administrator decided for the user.
    Held(Held),
    /// Whether anything may pass for the user now.
    Admitted(Admission),
    /// A directory answered.
    LookedUp(Lookup),
    /// The devices of the identity.
    Devices(DeviceSearch),
    /// The relay has the push.
    PushSent(PushNumber),
    /// The relay does not have it and will not.
    PushFailed {
        /// Which.
        push: PushNumber,
        /// Why.
        why: String,
    },
    /// An answer that is not believed.
    PushIgnored {
        /// Why.
        why: Rubbish,
        /// Whether there were too many now.
        last: bool,
    },
    /// A device refused, or its answer does not suffice.
    PushRefused(Refusal),
    /// A device approved, and nothing may pass for this user now.
    PushFrozen,
    /// A device approved, verified.
    PushApproved(Approved),
    /// The client, the caller or the terminal is gone.
    Gone(Gone),
    /// Time passed.
    Tick,
    /// The edge failed.
    Internal(String),
}

impl Event {
    /// Its name in traces.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Resolved(_) => "resolved",
            Self::Password(_) => "password",
            Self::Checked(_) => "checked",
            Self::NotChecked(_) => "not_checked",
            Self::Go(_) => "go",
            Self::Weighed(_) => "weighed",
            Self::Shown(_) => "shown",
            Self::CodeTyped(_) => "code_typed",
            Self::Code { what, .. } => match what {
                CodeEvent::Started(_) => "code_started",
                CodeEvent::Sent(_) => "code_sent",
                CodeEvent::Checked(_) => "code_checked",
            },
            Self::EnrolTyped(_) => "enrol_typed",
            Self::EnrolmentOpened(_) => "enrolment_opened",
            Self::Enrolment(_) => "enrolment",
            Self::Recalled(..) => "recalled",
            Self::Held(_) => "held",
            Self::Admitted(_) => "admitted",
            Self::LookedUp(_) => "looked_up",
            Self::Devices(_) => "devices",
            Self::PushSent(_) => "push_sent",
            Self::PushFailed { .. } => "push_failed",
            Self::PushIgnored { .. } => "push_ignored",
            Self::PushRefused(_) => "push_refused",
            Self::PushFrozen => "push_frozen",
            Self::PushApproved(_) => "push_approved",
            Self::Gone(_) => "gone",
            Self::Tick => "tick",
            Self::Internal(_) => "internal",
        }
    }
}

/// What the name service says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameSearch {
    /// The name as it writes it, and the user id.
    Known(UserName, u32),
    /// No such user.
    Unknown,
    /// It did not answer.
    Unreachable(String),
}

/// How the question for a password ended; the password itself stays at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordReply {
    /// Something that can be a password.
    Typed,
    /// Nothing.
    Empty,
    /// The conversation failed.
    Failed,
}

/// How a prompt that takes a code ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeTyped {
    /// By something that can be a code.
    Typed,
    /// By something that cannot.
    NoCode,
    /// By Enter alone.
    Nothing,
    /// The conversation failed.
    Failed,
}

/// How a prompt of an enrolment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrolTyped {
    /// By the letter for a QR code.
    Qr,
    /// By the letter for a link.
    Link,
    /// By six digits.
    Digits,
    /// By something else.
    Other,
    /// By Enter alone.
    Nothing,
    /// The conversation failed.
    Failed,
}

/// How an enrolment stands after digits were typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrolState {
    /// No device has come yet.
    Waiting,
    /// They are not the digits of the device that came.
    Wrong {
        /// Tries left.
        left: u8,
    },
    /// The device is registered.
    Registered(Id),
    /// It is over: too late, too many tries, or ended by somebody else.
    Over,
}

/// Why an enrolment comes to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnrolTrouble {
    /// The registrar could not be asked.
    Unreachable(String),
    /// It refuses, and says why.
    Refused(Refused, String),
    /// Nothing may pass for this user now: "not me" was said.
    Frozen,
    /// An administrator has blocked the user.
    Blocked(Notice),
}

/// What came of asking the code service.
pub enum CodeEvent {
    /// Which methods are ready.
    Started(Result<Vec<Offer>, CodeTrouble>),
    /// Whether a code is on its way.
    Sent(Result<(), CodeTrouble>),
    /// What the typed code is worth.
    Checked(CodeCheck),
}

/// What a typed code is worth.
pub enum CodeCheck {
    /// The code service took it, verified.
    Passed(CodePassed),
    /// It is wrong.
    Wrong {
        /// Tries left.
        left: u8,
    },
    /// Nobody could say.
    Trouble(CodeTrouble),
}

/// Why the code service is of no help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeTrouble {
    /// It could not be asked.
    Unreachable(String),
    /// It refuses.
    Refused(CodeRefused),
    /// Its word is not believed.
    Unbelieved(Unbelieved),
    /// Nothing may pass for this user now: "not me" was said.
    Frozen,
}

/// What is known of an identity's devices.
#[derive(Debug, Clone)]
pub enum DeviceSearch {
    /// These can approve.
    Found(Vec<Device>),
    /// The registrar did not answer.
    Unreachable(String),
    /// The person's requests are frozen, from everywhere or from where this login comes from: "not me" was said.
    Frozen,
    /// The revocation list is too old to go by, or there is none.
    RevocationsStale(String),
}

/// Whether anything may pass for a user now, without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Nobody said "not me".
    Free,
    /// The person's requests are frozen.
    Frozen,
    /// It is not known.
    Unknown(String),
}

/// What the agent remembers that bears on a push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The user approved a login from this address lately.
    pub known_source: bool,
    /// sudo runs in a login session that this user approved here.
    pub approved_session: bool,
    /// Where the address lies, if a data base says so.
    pub place: Option<String>,
    /// The autonomous system that announces the address, if a data base says so.
    pub asn: Option<u32>,
    /// The user approved logins lately, and none from this place.
    pub new_place: bool,
    /// Why no push may leave.
    pub barred: Option<Barred>,
}

/// Who is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The module closed the connection, or its process died.
    Module,
    /// The module saw a signal, or its terminal close.
    Terminal,
    /// The SSH client hung up.
    Client,
    /// An administrator cancelled the login.
    Admin,
}

impl Gone {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Terminal => "terminal",
            Self::Client => "client",
            Self::Admin => "admin",
        }
    }
}

/// What is to be done.
pub enum Effect {
    /// Ask the name service.
    Resolve(UserName),
    /// Ask for the password; answered by [`Event::Password`].
    AskPassword {
        /// The prompt.
        text: String,
    },
    /// Ask.
    Ask {
        /// What for.
        purpose: Purpose,
        /// Whether typed characters show.
        echo: bool,
        /// The prompt.
        text: String,
    },
    /// Make the number of the push to come, and show it between `before` and `after`.
    ShowNumber {
        /// Where.
        how: Show,
        /// How many digits.
        digits: u8,
        /// What stands before it.
        before: String,
        /// What stands behind it.
        after: String,
        /// Whether the prompt takes a code as well.
        takes_code: bool,
    },
    /// Show a line.
    Tell {
        /// Information or error.
        tone: Tone,
        /// The line.
        text: String,
    },
    /// Judge the typed password; answered by [`Event::Checked`].
    CheckPassword {
        /// By whom.
        profile: AuthIndex,
        /// Whose.
        user: UserName,
    },
    /// Ask a directory; answered by [`Event::LookedUp`].
    LookUp {
        /// Which.
        profile: AuthIndex,
        /// Whom for.
        user: UserName,
    },
    /// Say what is remembered of this user, as soon as there is room for one more open push; answered by
    /// [`Event::Weighed`].
    Weigh(Identity),
    /// Say what is remembered of this user, for policies; answered by [`Event::Recalled`].
    Recall(Identity),
    /// Say what an administrator decided for this user in an application; answered by [`Event::Held`].
    FindGrants {
        /// Whom for.
        identity: Identity,
        /// The application's name.
        application: String,
    },
    /// Say whether anything may pass for this user; answered by [`Event::Admitted`].
    Admit(Identity),
    /// Remember that a push was not approved, or a code was wrong.
    NoteDenial,
    /// Find the devices that can approve; answered by [`Event::Devices`].
    FindDevices(Identity),
    /// Send a push.
    Push(Box<PushOrder>),
    /// The push needs no answer any more.
    WithdrawPush,
    /// Ask the code service which methods are ready; answered by [`CodeEvent::Started`].
    StartCode(Box<CodeOrder>),
    /// Have a code sent; answered by [`CodeEvent::Sent`].
    SendCode {
        /// Names the asking.
        turn: u32,
        /// How.
        method: CodeMethod,
    },
    /// Have the typed code judged; answered by [`CodeEvent::Checked`].
    CheckCode {
        /// Names the asking.
        turn: u32,
    },
    /// No code of this login counts any more.
    EndCode,
    /// Open an enrolment; answered by [`Event::EnrolmentOpened`].
    OpenEnrolment {
        /// Who the device will approve for.
        owner: DeviceOwner,
        /// Seconds that it lives.
        ttl: u32,
    },
    /// Ask for the digits, below the link in this form; answered by [`Event::EnrolTyped`].
    ShowEnrolment(LinkAs),
    /// Hand the typed digits over; answered by [`Event::Enrolment`].
    ConfirmEnrolment,
    /// The enrolment is withdrawn.
    EndEnrolment,
    /// The end.
    Finish(Outcome),
}

/// Tells the pushes of one login apart: what is heard late of one that is over is not taken for the next one's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PushNumber(u32);

impl PushNumber {
    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// As traces write it: 1 is the first.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// A push to be signed, sealed and sent.
#[derive(Debug)]
pub struct PushOrder {
    /// Which push of the login it is.
    pub number: PushNumber,
    /// What the person will see.
    pub details: Details,
    /// Who is asked.
    pub devices: Vec<Device>,
}

/// A login for the code service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeOrder {
    /// Names the asking.
    pub turn: u32,
    /// Whose code.
    pub identity: Identity,
    /// The user's name, for messages.
    pub user: ShortText,
    /// The application's name.
    pub app: ShortText,
    /// Which methods would do.
    pub methods: Vec<CodeMethod>,
    /// The mobile number that the directory has.
    pub mobile: Option<ShortText>,
    /// The mail address that the directory has.
    pub mail: Option<ShortText>,
    /// Seconds of life.
    pub ttl: u32,
    /// The language the person reads, as BCP 47.
    pub lang: ShortText,
}

/// What a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The letter that a push alone needs; answered by [`Event::Go`].
    Go,
    /// To show that a push waits; answered by [`Event::Shown`].
    Show,
    /// A code; answered by [`Event::CodeTyped`].
    Code,
    /// Something of an enrolment; answered by [`Event::EnrolTyped`].
    Enrol,
    /// To show that a push waits, or a code: Enter and a failure are answered by [`Event::Shown`], anything else by
    /// [`Event::CodeTyped`].
    ShowOrCode,
}

/// How the link of an enrolment is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkAs {
    /// As a QR code, which needs a terminal in UTF-8.
    Qr,
    /// As text.
    Text,
}

/// How a number is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// In a prompt, answered by [`Event::Shown`]: sshd before OpenSSH 10.3 shows no other text while a push waits.
    Prompt,
    /// In a line.
    Line,
}

/// Information or error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Information.
    Info,
    /// Error.
    Error,
}

/// How a login ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every factor passed.
    Approved,
    /// The auth phase of this PAM handle was approved.
    ApprovedBefore,
    /// Denied.
    Denied {
        /// Why, for the log.
        cause: Cause,
        /// For the user, one line.
        text: String,
    },
    /// The service is none of ours.
    Ignore,
}

/// Why a login was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The user name is none.
    BadName,
    /// The service belongs to no application.
    Unlisted,
    /// Nobody knows the user.
    UnknownUser,
    /// The password is wrong.
    WrongPassword,
    /// The password was shown to no directory: too many were wrong before, for this account or from this source.
    TooManyGuesses(UnixTime),
    /// No password was typed.
    NoPassword,
    /// The profile checks no password of this user.
    PasswordNotHere,
    /// A directory has two users of this name.
    Ambiguous,
    /// The account may not log in.
    Blocked(Account),
    /// An administrator has blocked the user on this host.
    Suspended(Notice),
    /// A bypass was ended before the login was.
    BypassEnded,
    /// A directory could not be asked.
    DirectoryUnreachable(String),
    /// Two profiles mean different people.
    IdentityConflict,
    /// No policy admits the user and there is no default.
    NoPolicy,
    /// A policy denies.
    PolicyDenies(String),
    /// A policy could not tell.
    CannotTell(String),
    /// The letter that a push alone needs was not typed.
    NotAsked,
    /// The caller, who must prove themselves, is not who logged in.
    NotTheCaller,
    /// The user has no device.
    NoDevice,
    /// The user has no device and may register one, and this channel cannot ask.
    CannotEnrol,
    /// The registrar opens or ends no enrolment with a certificate.
    EnrolmentRefused(Refused, String),
    /// The prompt of an enrolment was left.
    EnrolmentLeft,
    /// An enrolment took too long, or somebody else ended it.
    EnrolmentOver,
    /// The digits of the new device were wrong for the last time.
    WrongDigits,
    /// A passkey is asked for, and no device of the user has one that counts.
    NoPasskey,
    /// No push may leave for this user from here now.
    Barred(Barred),
    /// What must be shown beside a push cannot be shown on this channel; no push left.
    CannotShow,
    /// The prompt beside the push failed or was left.
    PromptLeft,
    /// A code cannot be asked for on this channel; none was sent.
    CannotAskCode,
    /// No code was typed.
    NoCodeTyped,
    /// The code was wrong, for the last time.
    WrongCode,
    /// The code came when its time was over.
    CodeTooLate,
    /// The user has no code to give, or no address that one could go to.
    NoCode(CodeRefused),
    /// Too many codes were sent, or typed wrong.
    CodesBarred(CodeRefused),
    /// The code service could not be asked, or could not help.
    CodesUnreachable(String),
    /// sudo without a terminal.
    NoTerminal,
    /// `sudo -n`.
    NonInteractive,
    /// `sudo -l`, `sudo -v`.
    RunsNothing,
    /// The relay or the registrar could not be asked.
    GatewayUnreachable(String),
    /// The person's requests are frozen.
    Frozen,
    /// It is not known which devices are revoked.
    RevocationsStale(String),
    /// The device's answer.
    Refused(Refusal),
    /// Nobody answered.
    NoAnswer,
    /// Too many answers that were not believed.
    TooMuchRubbish,
    /// Nobody waits for the verdict any more.
    Gone,
    /// The login took too long.
    Deadline,
    /// The agent failed.
    Internal(String),
}

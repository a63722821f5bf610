//! What hosts and devices check, one by one, so that each can be left out.

/// One check. The numbers are those of docs/protocol.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// Requests are sealed to the device.
    RequestSeal,
    /// Device 1: the `aad` of the request's box.
    RequestAad,
    /// Device 2, 3: the chain to the pinned root.
    Chain,
    /// Device 4: the statement is signed by the certified key.
    RequestSignature,
    /// Device 5: `host` is the certificate's.
    HostName,
    /// Device 6: `enrol` and `registrar` go together.
    Service,
    /// Device 7: `id` is the one that the relay delivered.
    DeliveredId,
    /// Device 9: `identity` is one of the device's own.
    OwnIdentity,
    /// Device: not shown again while remembered.
    ShownOnce,
    /// Roster: the registrar's reply is to this call (`re`, and sealed to `reply_to`).
    ReplyBound,
    /// Roster: a certificate that does not name the identity is dropped.
    ListIdentity,
    /// Roster: the list is forgotten at a new generation.
    ListFresh,
    /// Host 2: one authenticated answer.
    OneUse,
    /// Host 3: the device was addressed.
    Addressed,
    /// Host 4: the identity is in the certificate.
    CertIdentity,
    /// Host 5: answers are sealed to the host.
    AnswerSeal,
    /// Host 5: the `aad` of the answer's box.
    AnswerAad,
    /// Host 6: signed by the certified key.
    AnswerSignature,
    /// Host 7: `req`.
    Req,
    /// Host 7: `n`.
    Nonce,
    /// Host 7: `id`.
    Id,
    /// Host 7: `device_id`.
    DeviceId,
    /// Host 8: `deny` and `report` refuse.
    Decision,
    /// Host 9: in time.
    Time,
    /// Host 10: the device reaches the level.
    LevelMax,
    /// Host 11: the number.
    NumberMatch,
}

impl Check {
    /// All of them, as the protocol has them.
    pub const ALL: [Self; 26] = [
        Self::RequestSeal,
        Self::RequestAad,
        Self::Chain,
        Self::RequestSignature,
        Self::HostName,
        Self::Service,
        Self::DeliveredId,
        Self::OwnIdentity,
        Self::ShownOnce,
        Self::ReplyBound,
        Self::ListIdentity,
        Self::ListFresh,
        Self::OneUse,
        Self::Addressed,
        Self::CertIdentity,
        Self::AnswerSeal,
        Self::AnswerAad,
        Self::AnswerSignature,
        Self::Req,
        Self::Nonce,
        Self::Id,
        Self::DeviceId,
        Self::Decision,
        Self::Time,
        Self::LevelMax,
        Self::NumberMatch,
    ];

    /// In the words of the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::RequestSeal => "requests are sealed",
            Self::RequestAad => "device 1: `aad` of the request",
            Self::Chain => "device 2, 3: chain to the root",
            Self::RequestSignature => "device 4: signature of the request",
            Self::HostName => "device 5: `host` is the certificate's",
            Self::Service => "device 6: `enrol` is the registrar's",
            Self::DeliveredId => "device 7: `id` as delivered",
            Self::OwnIdentity => "device 9: own identity",
            Self::ShownOnce => "device: not shown again",
            Self::ReplyBound => "list: the reply is to this call",
            Self::ListIdentity => "list: names the identity",
            Self::ListFresh => "list: forgotten at a new generation",
            Self::OneUse => "host 2: one answer",
            Self::Addressed => "host 3: addressed",
            Self::CertIdentity => "host 4: identity in the certificate",
            Self::AnswerSeal => "answers are sealed",
            Self::AnswerAad => "host 5: `aad` of the answer",
            Self::AnswerSignature => "host 6: signature of the answer",
            Self::Req => "host 7: `req`",
            Self::Nonce => "host 7: `n`",
            Self::Id => "host 7: `id`",
            Self::DeviceId => "host 7: `device_id`",
            Self::Decision => "host 8: decision",
            Self::Time => "host 9: in time",
            Self::LevelMax => "host 10: level reached",
            Self::NumberMatch => "host 11: number",
        }
    }
}

/// The checks that are done.
#[derive(Debug, Clone, Copy)]
pub struct Checks(u32);

impl Checks {
    /// All but these.
    pub fn without(left_out: &[Check]) -> Self {
        Self(left_out.iter().fold(u32::MAX, |all, check| all & !bit(*check)))
    }

    /// Whether this one is done.
    pub fn has(self, check: Check) -> bool {
        self.0 & bit(check) != 0
    }

    /// Whether `holds`, or nobody asks.
    pub fn ask(self, check: Check, holds: bool) -> bool {
        holds || !self.has(check)
    }
}

fn bit(check: Check) -> u32 {
    1 << check as u32
}

//! Every trick there is, and which of them a round plays.

use crate::dice::Dice;

macro_rules! tricks {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A trick of one of the adversaries.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mischief { $($(#[$doc])* $name,)* }

        /// All of them.
        pub const ALL: &[Mischief] = &[$(Mischief::$name,)*];
    };
}

tricks! {
    // The relay, with requests.
    RelayAltersRequest,
    RelayGivesRequestToAnotherDevice,
    RelaySwapsRequests,
    RelayRepeatsRequest,
    RelayBringsOldRequest,
    RelayRenamesRequest,
    RelayStretchesRequest,
    RelayInventsRequest,
    RelayDropsRequest,
    // The relay, with answers.
    RelayAltersAnswer,
    RelayNamesAnotherDevice,
    RelayNamesAStranger,
    RelayCrossesAnswers,
    RelayRepeatsAnswer,
    RelayBringsOldAnswer,
    RelayInventsAnswer,
    RelayDelaysAnswer,
    RelayDropsAnswer,
    RelayFloodsWithRubbish,
    // The relay, with the registrar's replies and lists.
    RelayAltersReply,
    RelayRepeatsReply,
    /// The registrar's data base holds certificates that are none: a reply that is truly its own names them.
    ReplyNamesStrangers,
    // The evil host.
    HostAsksForTheSameAnswer,
    HostTakesAnothersName,
    HostTakesAnothersDisplay,
    HostTakesAnothersId,
    HostShowsAnothersCertificate,
    HostAltersItsCertificate,
    HostSignsItsOwnCertificate,
    HostHasAStrangeIssuer,
    HostIsRevoked,
    HostHasExpired,
    HostPlaysRegistrar,
    HostAsksForAnotherIdentity,
    HostChangesSignedRequest,
    HostRepeatsAnothersRequest,
    HostAsksEverybody,
    HostCancelsAnothersPush,
    HostPostsUnderAnothersPush,
    HostClaimsAnothersMailbox,
    HostAnswersAsDevice,
    HostFloods,
    // The evil phone.
    PhoneSignsAnotherNonce,
    PhoneSignsAnotherDigest,
    PhoneSignsAnotherPush,
    PhoneSignsAsAnotherDevice,
    PhoneTypesWrongNumber,
    PhoneTypesNoNumber,
    PhoneTypesNeedlessNumber,
    PhoneGuessesNumbers,
    PhoneApprovesAfterDenying,
    PhoneApprovesForAnother,
    PhoneWasStolen,
    PhoneHasExpired,
    PhoneIsForeign,
    PhoneSealsForAnotherPush,
    PhoneDoesNotSeal,
    PhoneChangesSignedAnswer,
    PhoneSignsAnotherType,
    // The directory.
    DirectorySaysAnotherPerson,
    DirectorySaysNobody,
    DirectorySaysTwo,
    DirectorySaysNothing,
    DirectorySaysBlocked,
}

/// What a round plays: first each trick alone, then up to three at once, and nothing in every fifth round.
pub fn of_round(round: usize, dice: &mut Dice) -> Vec<Mischief> {
    if let Some(trick) = ALL.get(round) {
        return vec![*trick];
    }
    if dice.once_in(5) {
        return Vec::new();
    }
    let mut tricks: Vec<Mischief> = (0..=dice.below(3)).map(|_| ALL[dice.below(ALL.len())]).collect();
    tricks.sort_unstable();
    tricks.dedup();
    tricks
}

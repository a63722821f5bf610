//! What phones sign that should not: the right one with a wrong answer, and wrong ones with a right answer.

use crate::company::{Company, EVES, EXPIRED, FOREIGN, STOLEN, id, text};
use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::mischief::Mischief;
use crate::post::URL;
use crate::seat::Seat;
use assent_proto::answer::{self, Answer, Decision};
use assent_proto::cert::Level;
use assent_proto::relay::Claim;
use assent_proto::request::VerifiedRequest;
use assent_proto::seal::{self, Purpose};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Digest, Id, Nonce, ShortText};

/// What is posted, and in whose name.
pub type Post = (Id, Bytes);

pub struct Hand<'a> {
    pub company: &'a Company,
    pub ledger: &'a mut Ledger,
    /// The login that the request is of.
    pub seat: &'a Seat,
    pub request: &'a VerifiedRequest,
    /// The device that was asked.
    pub device: usize,
}

/// Whether this trick is one of a phone that answers.
pub fn answers(trick: Mischief) -> bool {
    (Mischief::PhoneSignsAnotherNonce..=Mischief::PhoneSignsAnotherType).contains(&trick)
        || trick == Mischief::ReplyNamesStrangers
}

impl Hand<'_> {
    fn right(&self, device: usize, decision: Decision) -> Answer {
        let number = self.seat.number_for(self.request.statement.level).map(text);
        Answer::new(
            self.request,
            self.company.phones[device].id,
            decision,
            number,
            UnixTime::now(),
        )
    }

    /// Signs with a device's keys, and has the judge know.
    fn signed(&mut self, device: usize, answer: &Answer) -> String {
        let document = answer.sign(&self.company.phones[device].keys.sign).unwrap();
        self.ledger.answered(device, answer, &document);
        document
    }

    fn sealed(&self, push: Id, device: Id, res: String) -> Bytes {
        let context = answer::seal_context(&push, &device);
        let kem = &self.request.host.claims().kem;
        seal::seal(kem, Purpose::Answer, &context, &answer::Envelope { res }).unwrap()
    }

    /// Signs and seals as it should be.
    pub fn post(&mut self, device: usize, answer: &Answer) -> Post {
        let (push, named) = (self.request.statement.id, self.company.phones[device].id);
        let res = self.signed(device, answer);
        (named, self.sealed(push, named, res))
    }

    /// The right answer.
    pub fn honest(&mut self, decision: Decision) -> Post {
        let answer = self.right(self.device, decision);
        self.post(self.device, &answer)
    }

    fn with_number(&mut self, number: Option<ShortText>) -> Post {
        let mut answer = self.right(self.device, Decision::Approve);
        answer.num = number;
        self.post(self.device, &answer)
    }

    /// The very answer that `device` should give, signed by `signer`, in each name that may help.
    fn in_other_names(&mut self, signer: usize) -> Vec<Post> {
        let own = self.right(signer, Decision::Approve);
        let mut posts = vec![self.post(signer, &own)];
        let forged = self.right(self.device, Decision::Approve);
        let document = self.signed(signer, &forged);
        let push = self.request.statement.id;
        for named in [self.device, signer] {
            let named = self.company.phones[named].id;
            posts.push((named, self.sealed(push, named, document.clone())));
        }
        posts
    }

    /// What this trick posts in the place of the right answer.
    pub fn plays(&mut self, trick: Mischief, dice: &mut Dice) -> Vec<Post> {
        let (own, push) = (self.company.phones[self.device].id, self.request.statement.id);
        let mut answer = self.right(self.device, Decision::Approve);
        match trick {
            Mischief::PhoneSignsAnotherNonce => answer.n = Nonce::random().unwrap(),
            Mischief::PhoneSignsAnotherDigest => answer.req = Digest::random().unwrap(),
            Mischief::PhoneSignsAnotherPush => answer.id = id(),
            Mischief::PhoneSignsAsAnotherDevice => {
                answer.device_id = self.company.phones[(self.device + 1) % 4].id;
            }
            Mischief::PhoneTypesWrongNumber => {
                let digits = usize::from(self.request.statement.digits.max(3));
                let wrong = format!("{:0digits$}", dice.below(1000));
                let right = self.seat.number_for(Level::Number) == Some(wrong.as_str());
                return vec![self.with_number(Some(text(if right { "1" } else { &wrong })))];
            }
            Mischief::PhoneTypesNoNumber => return vec![self.with_number(None)],
            Mischief::PhoneTypesNeedlessNumber => return vec![self.with_number(Some(text("482")))],
            Mischief::PhoneGuessesNumbers => {
                let digits = usize::from(self.request.statement.digits.max(3));
                let mut posts: Vec<Post> = (0..10)
                    .map(|_| self.with_number(Some(text(&format!("{:0digits$}", dice.below(1000))))))
                    .collect();
                // Sooner or later one is right; it comes too late.
                posts.push(self.honest(Decision::Approve));
                return posts;
            }
            Mischief::PhoneApprovesAfterDenying => {
                let first = if dice.once_in(2) {
                    Decision::Deny
                } else {
                    Decision::Report
                };
                return vec![self.honest(first), self.honest(Decision::Approve)];
            }
            Mischief::PhoneApprovesForAnother => {
                let signer = if self.device == EVES { 0 } else { EVES };
                return self.in_other_names(signer);
            }
            Mischief::PhoneWasStolen => return self.in_other_names(STOLEN),
            Mischief::PhoneHasExpired => return self.in_other_names(EXPIRED),
            Mischief::PhoneIsForeign => return self.in_other_names(FOREIGN),
            Mischief::ReplyNamesStrangers => {
                // One of them: all together would be too much rubbish, and end the login before the last has its say.
                let mut all = vec![STOLEN, EXPIRED, FOREIGN, EVES];
                all.retain(|signer| *signer != self.device);
                let signer = all[dice.below(all.len())];
                return self.in_other_names(signer);
            }
            Mischief::PhoneSealsForAnotherPush => {
                let res = self.signed(self.device, &answer);
                return vec![
                    (own, self.sealed(id(), own, res.clone())),
                    (own, self.sealed(push, id(), res)),
                ];
            }
            Mischief::PhoneDoesNotSeal => {
                let res = self.signed(self.device, &answer);
                let envelope = serde_json::to_vec(&answer::Envelope { res: res.clone() }).unwrap();
                return vec![(own, Bytes(res.into_bytes())), (own, Bytes(envelope))];
            }
            Mischief::PhoneChangesSignedAnswer => {
                let denied = self.right(self.device, Decision::Deny);
                let (denied, approved) = (
                    self.signed(self.device, &denied),
                    answer.sign(&self.company.servers[0].keys.sign).unwrap(),
                );
                // The content of an approval under the signature of a refusal.
                let head = approved.rsplit_once('.').unwrap().0.split_once('.').unwrap().1;
                let (header, signature) = (denied.split_once('.').unwrap().0, denied.rsplit_once('.').unwrap().1);
                return vec![(own, self.sealed(push, own, format!("{header}.{head}.{signature}")))];
            }
            Mischief::PhoneSignsAnotherType => {
                let keys = &self.company.phones[self.device].keys;
                let claim = Claim::sign(&keys.sign, URL, own, UnixTime::now()).unwrap();
                // Signed by the right key, and of the wrong type: a claim, and an answer's content under a claim's header.
                let content = answer.sign(&keys.sign).unwrap();
                let (_, rest) = content.split_once('.').unwrap();
                let (header, _) = claim.split_once('.').unwrap();
                let mixed = format!("{header}.{rest}");
                return vec![
                    (own, self.sealed(push, own, claim)),
                    (own, self.sealed(push, own, mixed)),
                ];
            }
            _ => {}
        }
        vec![self.post(self.device, &answer)]
    }
}

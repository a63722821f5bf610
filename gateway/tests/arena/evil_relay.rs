//! What an evil relay makes of requests and answers on their way.

use crate::company::{Company, EVIL, OWNERS, id, text};
use crate::dice::Dice;
use crate::mischief::Mischief;
use crate::round::Attic;
use assent_proto::relay::{DeviceEvent, Push};
use assent_proto::request::{self, Envelope};
use assent_proto::seal::{self, Purpose};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id};

pub fn flipped(blob: &Bytes, dice: &mut Dice) -> Bytes {
    let mut blob = blob.clone();
    let at = dice.below(blob.0.len());
    blob.0[at] ^= 1 << dice.below(8);
    blob
}

/// Pushes on their way to the relay's data base.
pub fn on_requests(tricks: &[Mischief], pushes: &mut [Push], company: &Company, dice: &mut Dice) {
    for trick in tricks {
        match trick {
            Mischief::RelayAltersRequest => {
                for item in pushes.iter_mut().flat_map(|push| &mut push.to) {
                    item.blob = flipped(&item.blob, dice);
                }
            }
            Mischief::RelayGivesRequestToAnotherDevice => {
                for push in pushes.iter_mut() {
                    push.to.truncate(1);
                    let own = company.phone_of(push.to[0].device).unwrap();
                    let other = (0..4).find(|other| OWNERS[*other] != OWNERS[own]).unwrap();
                    push.to[0].device = company.phones[other].id;
                }
            }
            Mischief::RelaySwapsRequests => {
                if let [one, two] = pushes {
                    std::mem::swap(&mut one.to[0].blob, &mut two.to[0].blob);
                }
            }
            Mischief::RelayStretchesRequest => {
                for push in pushes.iter_mut() {
                    push.expiry = push.expiry.plus(3600);
                }
            }
            _ => {}
        }
    }
}

/// Requests on their way to devices: these come as well, or instead.
pub fn on_events(
    tricks: &[Mischief],
    events: &mut Vec<(usize, DeviceEvent)>,
    company: &Company,
    attic: &Attic,
    dice: &mut Dice,
) {
    for trick in tricks {
        match trick {
            Mischief::RelayRepeatsRequest => events.extend(events.clone()),
            Mischief::RelayRenamesRequest => {
                for (_, event) in events.iter_mut() {
                    if let DeviceEvent::Push { id: name, .. } = event {
                        *name = id();
                    }
                }
            }
            Mischief::RelayBringsOldRequest => {
                for (device, old) in attic.events.iter().rev().take(3) {
                    events.push((*device, old.clone()));
                    // And as the one that waits.
                    let now = events.iter().find_map(|(at, event)| match event {
                        DeviceEvent::Push { id, .. } if at == device => Some(*id),
                        _ => None,
                    });
                    if let (Some(now), DeviceEvent::Push { expiry, left, blob, .. }) = (now, old) {
                        let (expiry, left, blob) = (*expiry, *left, blob.clone());
                        events.push((
                            *device,
                            DeviceEvent::Push {
                                id: now,
                                expiry,
                                left,
                                blob,
                            },
                        ));
                    }
                }
            }
            Mischief::RelayInventsRequest => {
                let device = dice.below(4);
                let (id, expiry) = (id(), UnixTime::now().plus(60));
                let bytes = Bytes(vec![4; 1 + dice.below(1500)]);
                let mut inventions = vec![bytes];
                // Sealed as it should be, and then no envelope, or one of rubbish.
                let phone = &company.phones[device];
                let context = request::seal_context(&id, &phone.id, expiry);
                let kem = &phone.device.claims().kem;
                inventions.push(seal::seal(kem, Purpose::Request, &context, &text("rubbish")).unwrap());
                let envelope = Envelope {
                    req: company.servers[EVIL].document.clone(),
                    host: company.servers[EVIL].document.clone(),
                    issuer: company.issuer.document().to_owned(),
                };
                inventions.push(seal::seal(kem, Purpose::Request, &context, &envelope).unwrap());
                for blob in inventions {
                    events.push((
                        device,
                        DeviceEvent::Push {
                            id,
                            expiry,
                            left: 60,
                            blob,
                        },
                    ));
                }
            }
            _ => {}
        }
    }
}

/// An answer on its way: to which of the round's logins, in whose name, sealed.
pub type Delivery = (usize, Id, Bytes);

/// Answers on their way to hosts.
pub fn on_answers(
    tricks: &[Mischief],
    deliveries: &mut Vec<Delivery>,
    seats: usize,
    company: &Company,
    attic: &Attic,
    dice: &mut Dice,
) {
    for trick in tricks {
        match trick {
            Mischief::RelayAltersAnswer => {
                for (_, _, blob) in deliveries.iter_mut() {
                    *blob = flipped(blob, dice);
                }
            }
            Mischief::RelayNamesAnotherDevice => {
                for (_, device, _) in deliveries.iter_mut() {
                    let at = company.phone_of(*device).unwrap();
                    *device = company.phones[(at + 1 + dice.below(company.phones.len() - 1)) % company.phones.len()].id;
                }
            }
            Mischief::RelayNamesAStranger => deliveries.iter_mut().for_each(|(_, device, _)| *device = id()),
            Mischief::RelayCrossesAnswers => {
                for (seat, ..) in deliveries.iter_mut() {
                    *seat = (*seat + 1) % seats;
                }
            }
            Mischief::RelayRepeatsAnswer => deliveries.extend(deliveries.clone()),
            Mischief::RelayBringsOldAnswer => {
                let old: Vec<Delivery> = attic
                    .answers
                    .iter()
                    .rev()
                    .take(4)
                    .map(|(device, blob)| (dice.below(seats), *device, blob.clone()))
                    .collect();
                deliveries.splice(0..0, old);
            }
            Mischief::RelayInventsAnswer => {
                let blob = Bytes(vec![7; 1 + dice.below(1500)]);
                for at in 0..company.phones.len() {
                    deliveries.insert(0, (dice.below(seats), company.phones[at].id, blob.clone()));
                }
            }
            Mischief::RelayFloodsWithRubbish => {
                let count = 1 + dice.below(20);
                if let Some((seat, device, blob)) = deliveries.first().cloned() {
                    let rubbish = (0..count)
                        .map(|_| (seat, device, flipped(&blob, dice)))
                        .collect::<Vec<_>>();
                    deliveries.splice(0..0, rubbish);
                }
            }
            Mischief::RelayDropsAnswer => deliveries.clear(),
            _ => {}
        }
    }
}

use super::*;
use assent_proto::ShortText;
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000;

fn who(id: &str) -> Identity {
    let text = |text: &str| ShortText::cut(text.to_owned());
    Identity {
        realm: text("example.org"),
        id: text(id),
    }
}

fn from(last: u8) -> SourceKey {
    SourceKey::of(Some(IpAddr::from([192, 0, 2, last])))
}

fn happened(ledger: &mut Ledger, at: u64, from: SourceKey, what: What) {
    ledger.apply(&Entry {
        at: UnixTime(at),
        who: who("anna"),
        from,
        what,
    });
}

fn weigh(ledger: &Ledger, at: u64, from: SourceKey) -> Weight {
    ledger.weigh(&who("anna"), from, None, UnixTime(at))
}

fn approved() -> What {
    What::Approved {
        place: None,
        spot: None,
    }
}

#[test]
fn r7_five_pushes_leave_in_ten_minutes_and_the_sixth_waits_for_the_first_to_grow_old() {
    let mut ledger = Ledger::default();
    for n in 0..5 {
        assert_eq!(weigh(&ledger, NOW + n, from(1)).barred, None, "push {n}");
        happened(&mut ledger, NOW + n, from(1), What::Sent);
    }
    let until = UnixTime(NOW + WINDOW);
    assert_eq!(weigh(&ledger, NOW + 5, from(1)).barred, Some(Barred::Source { until }));
    assert_eq!(
        weigh(&ledger, NOW + WINDOW - 1, from(1)).barred,
        Some(Barred::Source { until })
    );
    assert_eq!(weigh(&ledger, NOW + WINDOW, from(1)).barred, None);
    assert_eq!(weigh(&ledger, NOW + 5, from(2)).barred, None, "another source");
    assert_eq!(ledger.weigh(&who("ben"), from(1), None, UnixTime(NOW + 5)).barred, None);
}

#[test]
fn r7_a_push_that_never_left_is_counted_no_more_and_only_that_one() {
    let mut ledger = Ledger::default();
    for n in 0..5 {
        happened(&mut ledger, NOW + n / 2, from(1), What::Sent);
    }
    assert!(weigh(&ledger, NOW + 5, from(1)).barred.is_some());
    happened(&mut ledger, NOW + 1, from(2), What::Unsent);
    assert!(weigh(&ledger, NOW + 5, from(1)).barred.is_some(), "of another source");
    happened(&mut ledger, NOW + 1, from(1), What::Unsent);
    assert_eq!(weigh(&ledger, NOW + 5, from(1)).barred, None);
    let sent = ledger.entries(UnixTime(NOW + 5));
    assert_eq!(sent.iter().filter(|entry| entry.what == What::Sent).count(), 4);
    assert!(
        sent.iter().all(|entry| entry.what != What::Unsent),
        "written anew, it is gone"
    );
}

#[test]
fn r7_twenty_leave_in_a_day_however_slowly() {
    let mut ledger = Ledger::default();
    for n in 0..20 {
        assert_eq!(weigh(&ledger, NOW + n * 1000, from(1)).barred, None, "push {n}");
        happened(&mut ledger, NOW + n * 1000, from(1), What::Sent);
    }
    let until = UnixTime(NOW + DAY);
    assert_eq!(
        weigh(&ledger, NOW + 40_000, from(1)).barred,
        Some(Barred::Source { until })
    );
    assert_eq!(weigh(&ledger, NOW + DAY, from(1)).barred, None);
}

#[test]
fn r7_an_approval_opens_the_budget_of_its_source_again() {
    let mut ledger = Ledger::default();
    for n in 0..5 {
        happened(&mut ledger, NOW + n, from(1), What::Sent);
        happened(&mut ledger, NOW + n, from(2), What::Sent);
    }
    happened(&mut ledger, NOW + 9, from(1), approved());
    assert_eq!(weigh(&ledger, NOW + 10, from(1)).barred, None);
    assert!(
        weigh(&ledger, NOW + 10, from(2)).barred.is_some(),
        "the other source stays shut"
    );
}

#[test]
fn r87_strangers_share_fifteen_and_the_owner_gets_in_from_where_they_are_known() {
    let mut ledger = Ledger::default();
    happened(&mut ledger, NOW - 10 * DAY, from(200), approved());
    for n in 0..15_u8 {
        assert_eq!(weigh(&ledger, NOW, from(n)).barred, None, "push {n}");
        happened(&mut ledger, NOW, from(n), What::Sent);
    }
    let until = UnixTime(NOW + WINDOW);
    for n in [3, 99, 100] {
        assert_eq!(
            weigh(&ledger, NOW + 1, from(n)).barred,
            Some(Barred::Strangers { until })
        );
    }
    assert_eq!(weigh(&ledger, NOW + 1, from(200)).barred, None);
    assert_eq!(weigh(&ledger, NOW + WINDOW, from(99)).barred, None);
}

#[test]
fn r87_strangers_bar_nobody_from_sudo_and_many_old_addresses_forget_no_stranger() {
    let mut ledger = Ledger::default();
    for n in 0..15_u8 {
        happened(&mut ledger, NOW, from(n), What::Sent);
    }
    assert_eq!(weigh(&ledger, NOW, SourceKey::Local).barred, None);
    assert!(weigh(&ledger, NOW, from(99)).barred.is_some());
    // Approvals that are long over do not keep places that the strangers' pushes need.
    let mut ledger = Ledger::default();
    for n in 0..MOST_SOURCES as u64 - 1 {
        let address = std::net::Ipv4Addr::from_bits(u32::try_from(n).unwrap());
        happened(
            &mut ledger,
            NOW - 2 * KNOWN_FOR,
            SourceKey::Net(address.into()),
            approved(),
        );
    }
    for n in 0..15_u8 {
        assert_eq!(weigh(&ledger, NOW, from(n)).barred, None, "push {n}");
        happened(&mut ledger, NOW, from(n), What::Sent);
    }
    assert!(weigh(&ledger, NOW, from(99)).barred.is_some());
}

#[test]
fn a_source_is_known_for_thirty_days_after_its_last_approval() {
    let mut ledger = Ledger::default();
    assert!(!weigh(&ledger, NOW, from(1)).known_source);
    happened(&mut ledger, NOW, from(1), What::Sent);
    assert!(!weigh(&ledger, NOW, from(1)).known_source, "a push is no approval");
    happened(&mut ledger, NOW, from(1), approved());
    assert!(weigh(&ledger, NOW + KNOWN_FOR - 1, from(1)).known_source);
    assert!(!weigh(&ledger, NOW + KNOWN_FOR, from(1)).known_source);
    assert!(!weigh(&ledger, NOW, from(2)).known_source);
    assert!(
        !ledger.weigh(&who("ben"), from(1), None, UnixTime(NOW)).known_source,
        "another user"
    );
}

#[test]
fn r6_five_wrong_numbers_in_a_row_over_all_logins_stop_pushes_for_an_hour() {
    let mut ledger = Ledger::default();
    for n in 0..5_u8 {
        assert_eq!(weigh(&ledger, NOW, from(n)).barred, None);
        happened(&mut ledger, NOW, from(n), What::WrongNumber);
    }
    let until = UnixTime(NOW + LOCKED_FOR);
    assert_eq!(
        weigh(&ledger, NOW + 1, from(77)).barred,
        Some(Barred::WrongNumbers { until })
    );
    assert_eq!(weigh(&ledger, NOW + LOCKED_FOR, from(77)).barred, None);
    // The row goes on: one more wrong number locks again.
    happened(&mut ledger, NOW + LOCKED_FOR, from(1), What::WrongNumber);
    assert!(weigh(&ledger, NOW + LOCKED_FOR + 1, from(77)).barred.is_some());
    happened(&mut ledger, NOW + 2 * LOCKED_FOR, from(1), approved());
    happened(&mut ledger, NOW + 2 * LOCKED_FOR, from(1), What::WrongNumber);
    assert_eq!(
        weigh(&ledger, NOW + 2 * LOCKED_FOR, from(77)).barred,
        None,
        "an approval ends the row"
    );
}

#[test]
fn an_administrator_opens_everything_again_and_a_push_that_did_not_leave_is_not_counted() {
    let mut ledger = Ledger::default();
    for n in 0..5 {
        happened(&mut ledger, NOW + n, from(1), What::Sent);
        happened(&mut ledger, NOW + n, from(1), What::WrongNumber);
    }
    let fifth = Entry {
        at: UnixTime(NOW + 4),
        who: who("anna"),
        from: from(1),
        what: What::Sent,
    };
    happened(&mut ledger, NOW + 9, from(1), What::Forgiven);
    assert_eq!(weigh(&ledger, NOW + 9, from(1)).barred, None);
    for n in 0..5 {
        happened(&mut ledger, NOW + n, from(1), What::Sent);
    }
    assert!(weigh(&ledger, NOW + 9, from(1)).barred.is_some());
    ledger.take_back(&fifth);
    assert_eq!(weigh(&ledger, NOW + 9, from(1)).barred, None);
}

#[test]
fn a_place_is_new_to_whoever_approved_in_others_alone() {
    let mut ledger = Ledger::default();
    let at = |ledger: &Ledger, place| ledger.weigh(&who("anna"), from(9), place, UnixTime(NOW)).new_place;
    assert!(!at(&ledger, Some("Ankara, TR")), "nothing to compare with");
    let ankara = Some("Ankara, TR".to_owned());
    happened(
        &mut ledger,
        NOW,
        from(1),
        What::Approved {
            place: ankara,
            spot: None,
        },
    );
    assert!(!at(&ledger, Some("Ankara, TR")));
    assert!(at(&ledger, Some("Oslo, NO")));
    assert!(!at(&ledger, None));
}

#[test]
fn r81_a_file_that_is_written_anew_under_a_wrong_clock_loses_nothing_that_lies_ahead() {
    let mut ledger = Ledger::default();
    for _ in 0..5 {
        happened(&mut ledger, NOW, from(1), What::Sent);
    }
    happened(&mut ledger, NOW, from(2), approved());
    let mut anew = Ledger::default();
    for entry in ledger.entries(UnixTime(1000)) {
        anew.apply(&entry);
    }
    assert!(weigh(&anew, NOW, from(1)).barred.is_some());
    assert!(weigh(&anew, NOW, from(2)).known_source);
}

#[test]
fn r81_what_a_wrong_clock_wrote_counts_for_nothing() {
    let mut ledger = Ledger::default();
    for _ in 0..5 {
        happened(&mut ledger, NOW + 3 * DAY, from(1), What::Sent);
        happened(&mut ledger, NOW + 3 * DAY, from(1), What::WrongNumber);
    }
    happened(&mut ledger, NOW + 3 * DAY, from(2), approved());
    assert_eq!(weigh(&ledger, NOW, from(1)).barred, None);
    assert!(!weigh(&ledger, NOW, from(2)).known_source);
}

#[test]
fn an_address_of_version_six_counts_as_its_network_and_a_mapped_one_as_version_four() {
    let key = |text: &str| SourceKey::of(Some(text.parse().unwrap()));
    assert_eq!(key("2001:db8:1:2::7"), key("2001:db8:1:2:ffff::1"));
    assert_ne!(key("2001:db8:1:2::7"), key("2001:db8:1:3::7"));
    assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
    assert_ne!(key("192.0.2.7"), SourceKey::Local);
    for source in [key("2001:db8:1:2::7"), key("192.0.2.7"), SourceKey::Local] {
        let text = serde_json::to_string(&source).unwrap();
        assert_eq!(serde_json::from_str::<SourceKey>(&text).unwrap(), source);
    }
}

#[test]
fn nobody_and_no_source_is_remembered_without_bound() {
    let mut ledger = Ledger::default();
    happened(&mut ledger, NOW - 1, from(255), approved());
    for n in 0..=MOST_SOURCES as u64 {
        let address = std::net::Ipv4Addr::from_bits(u32::try_from(n).unwrap());
        happened(&mut ledger, NOW + n, SourceKey::Net(address.into()), What::Sent);
    }
    let person = &ledger.people[&who("anna")];
    assert_eq!(person.sources.len(), MOST_SOURCES);
    assert!(
        weigh(&ledger, NOW, from(255)).known_source,
        "a flood pushes no known source out"
    );
    for n in 0..=MOST_PEOPLE {
        ledger.apply(&Entry {
            at: UnixTime(NOW + 1000),
            who: who(&n.to_string()),
            from: from(1),
            what: What::Sent,
        });
    }
    assert_eq!(ledger.people.len(), MOST_PEOPLE);
}

const OSLO: Spot = Spot {
    latitude: 5991,
    longitude: 1075,
};
const BERLIN: Spot = Spot {
    latitude: 5252,
    longitude: 1340,
};

#[test]
fn mission_row_19_signals_are_of_the_last_approvals_of_thirty_days_and_the_denials_of_one() {
    let mut ledger = Ledger::default();
    let signals = |ledger: &Ledger, source, country, at| {
        ledger.signals(&who("anna"), from(source), (country, Some(BERLIN)), UnixTime(at))
    };
    let nobody = signals(&ledger, 1, Some("NO"), NOW);
    assert!(nobody.new_address && nobody.new_country && nobody.travel.is_none() && nobody.denials.is_empty());
    let at = |place: &str, spot| What::Approved {
        place: Some(place.into()),
        spot,
    };
    happened(&mut ledger, NOW, from(1), at("NO", Some(OSLO)));
    // Later, and nobody knows where: the place of before stays the last.
    happened(&mut ledger, NOW + 60, from(2), approved());
    let known = signals(&ledger, 1, Some("NO"), NOW + 3600);
    assert!(!known.new_address && !known.new_country);
    let travel = known.travel.unwrap();
    assert!((830..850).contains(&travel.km) && travel.seconds == 3600, "{travel:?}");
    assert!(signals(&ledger, 3, Some("NO"), NOW).new_address);
    assert!(signals(&ledger, 1, Some("DE"), NOW).new_country);
    assert!(signals(&ledger, 1, None, NOW).new_country, "nobody knows where");
    let later = signals(&ledger, 1, Some("NO"), NOW + KNOWN_FOR);
    assert!(later.new_address && later.new_country && later.travel.is_none());
    happened(&mut ledger, NOW, from(9), What::Denied);
    happened(&mut ledger, NOW + 10, from(8), What::Denied);
    // An approval between them wipes none of them out; root does.
    happened(&mut ledger, NOW + 11, from(1), approved());
    assert_eq!(signals(&ledger, 1, None, NOW + 20).denials, [10, 20]);
    assert_eq!(signals(&ledger, 1, None, NOW + DAY).denials, [DAY - 10]);
    for n in 0..=MOST_DENIALS as u64 {
        happened(&mut ledger, NOW + 100 + n, from(9), What::Denied);
    }
    assert_eq!(signals(&ledger, 1, None, NOW + 300).denials.len(), MOST_DENIALS);
    happened(&mut ledger, NOW + 300, SourceKey::Local, What::Forgiven);
    assert!(signals(&ledger, 1, None, NOW + 300).denials.is_empty());
}

#[test]
fn mission_row_19_of_approvals_within_one_second_the_later_is_the_last_also_in_a_file_written_anew() {
    let at = |spot| What::Approved {
        place: None,
        spot: Some(spot),
    };
    // Whatever order a map keeps its sources in.
    for source in 1..=16 {
        let mut ledger = Ledger::default();
        happened(&mut ledger, NOW, from(source + 1), at(OSLO));
        happened(&mut ledger, NOW, from(source), at(BERLIN));
        let mut anew = Ledger::default();
        for entry in ledger.entries(UnixTime(NOW)) {
            anew.apply(&entry);
        }
        for ledger in [ledger, anew] {
            let signals = ledger.signals(&who("anna"), from(source), (None, Some(BERLIN)), UnixTime(NOW + 1));
            assert_eq!(signals.travel.unwrap().km, 0);
        }
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let what = prop_oneof![
        Just(What::Sent),
        Just(What::WrongNumber),
        Just(What::Denied),
        Just(What::Approved {
            place: None,
            spot: None,
        }),
        Just(What::Approved {
            spot: Some(OSLO),
            place: Some("Oslo, NO".into())
        }),
    ];
    (0..3_u64 * DAY, 0..3_u8, 0..4_u8, what).prop_map(|(ago, person, source, what)| Entry {
        at: UnixTime(NOW - ago),
        who: who(&person.to_string()),
        from: from(source),
        what,
    })
}

proptest! {
    /// The file that is written anew says the same as the one that grew.
    #[test]
    fn r2_what_is_kept_over_a_restart_weighs_the_same(mut entries in prop::collection::vec(any_entry(), 0..60)) {
        entries.sort_by_key(|entry| entry.at);
        let (mut grown, mut anew) = (Ledger::default(), Ledger::default());
        for entry in &entries {
            grown.apply(entry);
        }
        for entry in grown.entries(UnixTime(NOW)) {
            anew.apply(&entry);
        }
        for person in 0..3_u8 {
            for source in 0..5_u8 {
                let weigh = |ledger: &Ledger| ledger.weigh(&who(&person.to_string()), from(source), Some("Oslo, NO"), UnixTime(NOW));
                prop_assert_eq!(weigh(&grown), weigh(&anew));
                let place = (Some("Oslo, NO"), Some(BERLIN));
                let signals = |ledger: &Ledger| ledger.signals(&who(&person.to_string()), from(source), place, UnixTime(NOW));
                prop_assert_eq!(signals(&grown), signals(&anew));
            }
        }
    }

    /// Whatever happened, a source gets no sixth push within ten minutes without an approval in between.
    #[test]
    fn r7_no_order_of_tries_gets_more_than_the_budget(gaps in prop::collection::vec(0..400_u64, 1..200)) {
        let mut ledger = Ledger::default();
        let (mut at, mut sent) = (NOW, Vec::new());
        for gap in gaps {
            at += gap;
            if weigh(&ledger, at, from(1)).barred.is_none() {
                happened(&mut ledger, at, from(1), What::Sent);
                sent.push(at);
            }
        }
        for (n, first) in sent.iter().enumerate() {
            let count = |seconds| sent[n..].iter().filter(|at| **at < first + seconds).count();
            prop_assert!(count(WINDOW) <= MOST_IN_WINDOW);
            prop_assert!(count(DAY) <= MOST_IN_DAY);
        }
    }
}

//! R78, T3: whoever reads the relay's data base learns no name, command or address.

use crate::real::{ADDRESS, Asked, COMMAND, answers};
use crate::rig::Gateway;
use assent_proto::answer::Decision;

/// The files of the data base, as an intruder or a backup has them.
fn files(gateway: &Gateway) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in ["relay.db", "relay.db-wal", "relay.db-shm"] {
        bytes.extend(std::fs::read(gateway.dir.join(name)).unwrap_or_default());
    }
    bytes
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn r78_t3_no_name_command_or_address_stands_in_the_relays_data_base() {
    let mut gateway = Gateway::start();
    let host = gateway.join("web-canary").await;
    let device = gateway.enrol(&host, "user-canary").await;
    let mut hears = device.listen(&gateway, None).await;
    let asked = Asked::send(&gateway, &host, &device, "user-canary").await;
    let look = |gateway: &Gateway, when: &str| {
        let bytes = files(gateway);
        assert!(holds(&bytes, &asked.statement.id.0), "the search works {when}");
        // "canary" stands in every name; the realm, the address and the terminal have none.
        for plain in ["canary", "example.org", ADDRESS, "pts/77", "phone", "k7f3q2"] {
            assert!(!holds(&bytes, plain.as_bytes()), "{plain} {when}");
        }
        let serial = asked.device.claims().serial;
        assert!(
            !holds(&bytes, &serial.0) && !holds(&bytes, serial.encode().as_bytes()),
            "a serial {when}"
        );
        assert!(!holds(&bytes, &asked.statement.n.0), "a nonce {when}");
    };
    // What is searched for is really in what was asked.
    let plain = format!("{:?}", asked.statement);
    for word in [COMMAND, ADDRESS, "user-canary", "web-canary", "/home/canary"] {
        assert!(plain.contains(word), "{word}");
    }
    look(&gateway, "while it waits");
    answers(&gateway, &device, &mut hears, Decision::Approve).await;
    look(&gateway, "after the answer");
    host.withdraw(&gateway, asked.statement.id).await;
    look(&gateway, "after the end");
    gateway.kill();
    look(&gateway, "after kill -9");
    gateway.start_again();
    look(&gateway, "after the restart");
}

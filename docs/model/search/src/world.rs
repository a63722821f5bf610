//! The worlds that are searched. Each is small, and each has what some attacks need.

use crate::terms::{Device, Host, Identity, Level, Service};

/// A login, or a question of the registrar, that may begin.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Which honest host asks.
    pub host: Host,
    /// Whose approval.
    pub identity: Identity,
    /// At which level.
    pub level: Level,
    /// The attacker sits at the terminal, and reads the number there; the person does not.
    pub attackers: bool,
}

impl Plan {
    /// The service of its request.
    pub fn service(self) -> Service {
        match self.host {
            Host::Registrar => Service::Enrol,
            Host::Web | Host::Corrupt => Service::Login,
        }
    }
}

/// A world and its bounds.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Its name in the tables.
    pub name: &'static str,
    /// What may begin, each once.
    pub plans: &'static [Plan],
    /// Certified devices.
    pub devices: &'static [Device],
    /// Requests that the attacker's keys sign and a device draws, at most, all devices together.
    pub forged: usize,
    /// Whether the stolen device is revoked at some time.
    pub revokes: bool,
    /// Whether time runs out.
    pub expires: bool,
    /// Whether devices forget what they have drawn.
    pub forgets: bool,
}

const fn plan(host: Host, identity: Identity, level: Level, attackers: bool) -> Plan {
    Plan {
        host,
        identity,
        level,
        attackers,
    }
}

const BASE: World = World {
    name: "",
    plans: &[],
    devices: &[],
    forged: 1,
    revokes: false,
    expires: false,
    forgets: false,
};

/// All of them.
pub const WORLDS: [World; 6] = [
    // Alice logs in, somebody else does in her name, and Mallory in his own.
    World {
        name: "strangers",
        plans: &[
            plan(Host::Web, Identity::Alice, Level::Tap, false),
            plan(Host::Web, Identity::Alice, Level::Tap, true),
            plan(Host::Web, Identity::Mallory, Level::Tap, true),
        ],
        devices: &[Device::Phone, Device::Rogue],
        forged: 2,
        ..BASE
    },
    // Two devices of one person disagree; time runs out; a device forgets.
    World {
        name: "two devices",
        plans: &[plan(Host::Web, Identity::Alice, Level::Tap, false)],
        devices: &[Device::Phone, Device::Tablet, Device::Rogue],
        expires: true,
        forgets: true,
        ..BASE
    },
    // One of Alice's devices is stolen and revoked; hosts hear of it when the relay lets them.
    World {
        name: "stolen",
        plans: &[
            plan(Host::Web, Identity::Alice, Level::Tap, true),
            plan(Host::Web, Identity::Alice, Level::Tap, true),
        ],
        devices: &[Device::Phone, Device::Stolen],
        revokes: true,
        ..BASE
    },
    // Alice and Mallory share an account, so Mallory's device reads its requests.
    World {
        name: "shared",
        plans: &[
            plan(Host::Web, Identity::Team, Level::Tap, true),
            plan(Host::Web, Identity::Alice, Level::Tap, false),
        ],
        devices: &[Device::Phone, Device::Rogue],
        forged: 2,
        ..BASE
    },
    // The number: Alice's own login and one that the attacker began; her tablet reaches a tap alone.
    World {
        name: "numbers",
        plans: &[
            plan(Host::Web, Identity::Alice, Level::Number, false),
            plan(Host::Web, Identity::Alice, Level::Number, true),
        ],
        devices: &[Device::Phone, Device::Tablet, Device::Rogue],
        ..BASE
    },
    // The registrar asks Alice about a device, for which the corrupt host has vouched, while she logs in.
    World {
        name: "registrar",
        plans: &[
            plan(Host::Web, Identity::Alice, Level::Tap, false),
            plan(Host::Registrar, Identity::Alice, Level::Tap, true),
        ],
        devices: &[Device::Phone, Device::Rogue],
        forged: 2,
        ..BASE
    },
];

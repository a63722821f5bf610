//! Who plays: hosts and devices with real certificates, and those that have none that counts.

use assent_proto::cert::{
    self, DAY, Device, DeviceOwner, Host, Identity, Issuance, Issuer, IssuerGrant, IssuerRequest, Issuers, Trust,
};
use assent_proto::enrol::{Enrolment, Token};
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::registrar::HostJoin;
use assent_proto::revocation::{RevocationClaims, Revocations};
use assent_proto::roots::RootSet;
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};

/// In every name that nobody on the way may read.
pub const CANARY: &str = "canary";
pub const REALM: &str = "canary.example";
pub const ADDRESS: &str = "198.51.100.77";
pub const COMMAND: &str = "/usr/sbin/canary-tool";
pub const PEOPLE: [&str; 3] = ["alice-canary", "bob-canary", "eve-canary"];

/// Hosts by number: the evil one; two honest ones; evil ones that are revoked and that have expired.
pub const EVIL: usize = 0;
pub const HONEST: [usize; 2] = [1, 2];
pub const REVOKED_HOST: usize = 3;
pub const EXPIRED_HOST: usize = 4;

/// Devices by number. Alice has two.
pub const EVES: usize = 3;
/// Alice's, stolen and revoked; the thief has its keys.
pub const STOLEN: usize = 4;
/// Alice's old one, whose certificate has ended; found by somebody.
pub const EXPIRED: usize = 5;
/// Certified for Alice by a registrar that nobody here has pinned.
pub const FOREIGN: usize = 6;
/// Who owns which device.
pub const OWNERS: [usize; 7] = [0, 0, 1, 2, 0, 0, 0];

pub struct Server {
    pub id: Id,
    pub name: &'static str,
    pub keys: KeyPair,
    pub document: String,
    /// As its issuer says, whatever the time.
    pub host: Host,
}

pub struct Phone {
    pub id: Id,
    pub keys: KeyPair,
    pub document: String,
    pub device: Device,
}

pub struct Company {
    pub trust: Trust,
    pub issuer: Issuer,
    pub issuers: Issuers,
    pub issuing: KeyPair,
    /// Of the adversaries' own making.
    pub strange: Issuer,
    pub strange_issuing: KeyPair,
    pub servers: Vec<Server>,
    pub phones: Vec<Phone>,
    pub revocations: Revocations,
    token: Token,
}

pub fn text(text: &str) -> ShortText {
    ShortText::new(text).unwrap()
}

pub fn id() -> Id {
    Id::random().unwrap()
}

pub fn identity(person: usize) -> Identity {
    Identity {
        realm: text(REALM),
        id: text(&format!("id-{}", PEOPLE[person])),
    }
}

/// Whether a device may approve for its owner.
pub fn counts(device: usize) -> bool {
    !matches!(device, STOLEN | EXPIRED | FOREIGN)
}

fn long_ago() -> UnixTime {
    UnixTime(UnixTime::now().0 - 100 * DAY)
}

fn issuer_under(root: &SigningKey, pair: &KeyPair) -> Issuer {
    let now = UnixTime::now();
    let wish = IssuerRequest::verify(&IssuerRequest::sign(pair, now).unwrap()).unwrap();
    let grant = IssuerGrant {
        realms: vec![text(REALM)],
        hosts: vec![text("web*")],
        nbf: long_ago(),
        days: 190,
        serial: id(),
    };
    let document = cert::sign_issuer(root, &wish, grant).unwrap();
    Trust::new(vec![root.public()]).verify_issuer(&document, now).unwrap()
}

fn issuance(expired: bool) -> Issuance {
    Issuance {
        nbf: long_ago(),
        days: if expired { 1 } else { 150 },
        serial: id(),
        log_index: 1,
    }
}

impl Company {
    pub fn found() -> Self {
        let (root, strange_root) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let (issuing, strange_issuing) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let issuer = issuer_under(&root, &issuing);
        let trust = Trust::new(vec![root.public()]);
        let token = Token::random(&RootSet::of_key(root.public())).unwrap();
        let mut company = Self {
            issuers: Issuers::under(&trust, [issuer.document()]),
            strange: issuer_under(&strange_root, &strange_issuing),
            revocations: listed(&trust, &issuer, &issuing, Vec::new(), Vec::new()),
            servers: Vec::new(),
            phones: Vec::new(),
            trust,
            issuer,
            issuing,
            strange_issuing,
            token,
        };
        for (at, name) in [
            "web-evil-canary",
            "web1-canary",
            "web2-canary",
            "web3-canary",
            "web4-canary",
        ]
        .into_iter()
        .enumerate()
        {
            let keys = KeyPair::generate().unwrap();
            let id = id();
            let document =
                company.host_document(&company.issuer, &company.issuing, &keys, id, name, at == EXPIRED_HOST);
            let host = company.issuer.verify_host(&document, long_ago()).unwrap();
            company.servers.push(Server {
                id,
                name,
                keys,
                document,
                host,
            });
        }
        for (at, owner) in OWNERS.into_iter().enumerate() {
            let foreign = at == FOREIGN;
            let issuer = if foreign { &company.strange } else { &company.issuer };
            let issuing = if foreign {
                &company.strange_issuing
            } else {
                &company.issuing
            };
            let keys = KeyPair::generate().unwrap();
            let id = id();
            let document = company.device_document(issuer, issuing, &keys, id, owner, at == EXPIRED);
            let device = issuer.verify_device(&document, long_ago()).unwrap();
            company.phones.push(Phone {
                id,
                keys,
                document,
                device,
            });
        }
        let serials = vec![company.phones[STOLEN].device.claims().serial];
        let hosts = vec![company.servers[REVOKED_HOST].id];
        company.revocations = listed(&company.trust, &company.issuer, &company.issuing, serials, hosts);
        company
    }

    pub fn host_document(
        &self,
        issuer: &Issuer,
        issuing: &KeyPair,
        keys: &KeyPair,
        id: Id,
        name: &str,
        expired: bool,
    ) -> String {
        let join = HostJoin::new(&self.token, keys, text(name), UnixTime::now()).unwrap();
        let wish = join.verify(self.token.id, &self.token.secret).unwrap();
        cert::sign_host(issuer, &issuing.sign, id, &wish, issuance(expired)).unwrap()
    }

    fn device_document(
        &self,
        issuer: &Issuer,
        issuing: &KeyPair,
        keys: &KeyPair,
        id: Id,
        owner: usize,
        expired: bool,
    ) -> String {
        let label = text("phone-canary");
        let enrolment = Enrolment::new(&self.token, keys, label, text("arena"), UnixTime::now()).unwrap();
        let wish = enrolment.verify(self.token.id, &self.token.secret).unwrap();
        let owner = DeviceOwner {
            identities: vec![identity(owner)],
            name: text(PEOPLE[owner]),
        };
        cert::sign_device(issuer, &issuing.sign, id, owner, (&wish, None), issuance(expired)).unwrap()
    }

    pub fn server_of(&self, id: Id) -> Option<usize> {
        self.servers.iter().position(|server| server.id == id)
    }

    pub fn phone_of(&self, id: Id) -> Option<usize> {
        self.phones.iter().position(|phone| phone.id == id)
    }
}

fn listed(trust: &Trust, issuer: &Issuer, issuing: &KeyPair, serials: Vec<Id>, hosts: Vec<Id>) -> Revocations {
    let claims = RevocationClaims::new(1, UnixTime::now(), serials, hosts, Vec::new());
    let document = claims.sign(&issuing.sign).unwrap();
    Revocations::verify(trust, issuer.document(), &document).unwrap()
}

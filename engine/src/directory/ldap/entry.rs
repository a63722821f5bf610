//! A search result's entry: bounded, and a person made of it (R58, R66).

use super::account;
use crate::config::profile::LdapProfile;
use crate::directory::{Attributes, Person, Syntax, Values};
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::text::{Outside, visible};
use ldap3::ResultEntry;
use ldap3::asn1::StructureTag;
use std::collections::BTreeMap;

/// Most values of an attribute.
pub const MAX_VALUES: usize = 1000;
/// Longest value.
const MAX_VALUE: usize = 64 * 1024;
/// Longest id.
const MAX_ID: usize = 256;

/// An entry as the server sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub dn: String,
    /// Values by lower-case attribute description.
    attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    /// Reads an entry; the text says what is wrong with it.
    pub fn new(raw: ResultEntry) -> Result<Self, String> {
        let mut parts = raw.0.expect_constructed().ok_or("a malformed entry")?.into_iter();
        let dn = parts.next().and_then(text).ok_or("an entry without a readable name")?;
        let list = parts
            .next()
            .and_then(|list| list.expect_constructed())
            .ok_or("a malformed entry")?;
        let mut attributes = BTreeMap::new();
        for attribute in list {
            let mut parts = attribute
                .expect_constructed()
                .ok_or("a malformed attribute")?
                .into_iter();
            let name = parts
                .next()
                .and_then(text)
                .ok_or("an attribute without a readable name")?;
            let values = parts
                .next()
                .and_then(|set| set.expect_constructed())
                .ok_or("a malformed attribute")?;
            if values.len() > MAX_VALUES {
                return Err(format!(
                    "{} values of {}, more than {MAX_VALUES}",
                    values.len(),
                    visible(&name)
                ));
            }
            let values: Option<Vec<Vec<u8>>> = values.into_iter().map(|value| value.expect_primitive()).collect();
            let values = values.ok_or("a malformed attribute")?;
            if let Some(value) = values.iter().find(|value| value.len() > MAX_VALUE) {
                return Err(format!(
                    "a value of {} with {} bytes, more than {MAX_VALUE}",
                    visible(&name),
                    value.len()
                ));
            }
            if attributes.insert(name.to_ascii_lowercase(), values).is_some() {
                return Err(format!("the attribute {} twice", visible(&name)));
            }
        }
        Ok(Self { dn, attributes })
    }

    /// For tests.
    #[cfg(test)]
    pub fn of(dn: &str, attributes: &[(&str, &[&[u8]])]) -> Self {
        let attributes = attributes
            .iter()
            .map(|(name, values)| (name.to_ascii_lowercase(), values.iter().map(|v| v.to_vec()).collect()))
            .collect();
        Self {
            dn: dn.to_owned(),
            attributes,
        }
    }

    /// The values of an attribute.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes
            .get(&name.to_ascii_lowercase())
            .map_or(&[], Vec::as_slice)
    }

    /// Puts values in the place of an attribute's.
    pub fn set(&mut self, name: &str, values: Vec<Vec<u8>>) {
        self.attributes.insert(name.to_ascii_lowercase(), values);
    }

    /// The one value of an attribute as text. An attribute that is not there has none; one with several, or that is no
    /// text, cannot be told.
    pub fn single(&self, name: &str) -> Result<Option<&str>, String> {
        match self.values(name) {
            [] => Ok(None),
            [value] => std::str::from_utf8(value)
                .map(Some)
                .map_err(|_| format!("{name} is no text")),
            _ => Err(format!("{name} has several values")),
        }
    }

    /// The person, with the account as it stands at `now`; `bound` when the server has just taken the password. The
    /// text says what cannot be told.
    pub fn person(&self, profile: &LdapProfile, now: i64, bound: bool) -> Result<Person, String> {
        let mut attributes = Attributes::default();
        let wanted = profile
            .attributes
            .iter()
            .map(|name| (name, profile.directory_name(name)));
        let login_names = profile.login_names.iter().map(|name| (name, name.as_str()));
        for (ours, theirs) in login_names.chain(wanted) {
            // Active Directory cuts long lists: `memberOf;range=0-1499`. A part of them decides nothing.
            let cut = format!("{};range=", theirs.to_ascii_lowercase());
            if self.attributes.keys().any(|key| key.starts_with(&cut)) {
                return Err(format!("the server sent only a part of {}", visible(theirs)));
            }
            let values = self.values(theirs);
            if !values.is_empty() {
                let values = values.iter().map(|value| Outside::new(value.as_slice())).collect();
                let syntax = match syntax(theirs) {
                    Syntax::Text => syntax(ours),
                    own => own,
                };
                attributes.insert(ours, Values { syntax, values });
            }
        }
        Ok(Person {
            identity: self.identity(profile)?,
            account: account::state(self, profile.accounts, now, bound)?,
            attributes,
        })
    }

    fn identity(&self, profile: &LdapProfile) -> Result<Identity, String> {
        let name = profile.id_attribute.as_str();
        let value = match self.values(name) {
            [value] => value,
            [] => {
                return Err(format!(
                    "the entry has no readable {} to tell users apart by",
                    visible(name)
                ));
            }
            _ => return Err(format!("the entry has several values of {}", visible(name))),
        };
        id_text(name, value)
            .and_then(ShortText::new)
            .map(|id| Identity {
                realm: profile.realm.clone(),
                id,
            })
            .ok_or_else(|| format!("the entry's {} is no id", visible(name)))
    }
}

fn text(element: StructureTag) -> Option<String> {
    String::from_utf8(element.expect_primitive()?).ok()
}

/// How an attribute's values compare.
pub fn syntax(name: &str) -> Syntax {
    match name.to_ascii_lowercase().as_str() {
        "memberof" | "manager" | "member" | "uniquemember" | "owner" | "seealso" | "distinguishedname" => Syntax::Dn,
        "objectguid" | "objectsid" => Syntax::Bytes,
        _ => Syntax::Text,
    }
}

/// The one spelling of an id: a GUID's bytes and a UUID's letters have several.
fn id_text(name: &str, value: &[u8]) -> Option<String> {
    if name.eq_ignore_ascii_case("objectGUID") {
        return guid_text(value);
    }
    let text = std::str::from_utf8(value).ok()?;
    if text.is_empty() || text.len() > MAX_ID || text.trim() != text || text.chars().any(char::is_control) {
        return None;
    }
    Some(if is_uuid(text) {
        text.to_ascii_lowercase()
    } else {
        text.to_owned()
    })
}

/// Active Directory's `objectGUID` as people know it: its first three groups are stored last byte first.
pub fn guid_text(bytes: &[u8]) -> Option<String> {
    let b: &[u8; 16] = bytes.try_into().ok()?;
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::with_capacity(36);
    for (at, from) in order.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
        text.push(digit(b[from] >> 4));
        text.push(digit(b[from] & 15));
    }
    Some(text)
}

/// Whether a text is a UUID in the usual form.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ldap::tests::profile;

    const ID: &[u8] = b"597ae2f6-16a6-1027-98f4-D28B5365DC14";

    #[test]
    fn r58_an_id_has_one_spelling() {
        let lower = "597ae2f6-16a6-1027-98f4-d28b5365dc14";
        assert_eq!(id_text("entryUUID", ID).as_deref(), Some(lower));
        assert_eq!(id_text("ipaUniqueID", b"a-b").as_deref(), Some("a-b"));
        // 389's nsUniqueId is no UUID in the usual form; its case is kept.
        assert_eq!(
            id_text("nsUniqueId", b"66446001-1DD211B2-66225011-2EE211DB").as_deref(),
            Some("66446001-1DD211B2-66225011-2EE211DB")
        );
        for bad in [b"".as_slice(), b" a", b"a ", b"a\nb", b"\xff", &[b'x'; 257]] {
            assert_eq!(id_text("entryUUID", bad), None, "{bad:?}");
        }
    }

    #[test]
    fn r58_an_object_guid_is_shown_as_people_know_it() {
        let bytes = [
            0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
        ];
        assert_eq!(
            id_text("objectguid", &bytes).as_deref(),
            Some("00112233-4455-6677-8899-aabbccddeeff")
        );
        assert_eq!(id_text("objectGUID", &bytes[..15]), None);
    }

    #[test]
    fn r58_without_exactly_one_id_nothing_can_be_told() {
        let good = Entry::of(
            "uid=a",
            &[("entryUUID", &[ID]), ("uid", &[b"a"]), ("department", &[b"IT", b"HR"])],
        );
        let person = good.person(&profile(), 0, false).unwrap();
        assert_eq!(
            person.identity.to_string(),
            "lab.test#597ae2f6-16a6-1027-98f4-d28b5365dc14"
        );
        let department = person.attributes.find("Department").unwrap();
        assert_eq!((department.syntax, department.values.len()), (Syntax::Text, 2));
        let none = Entry::of("uid=a", &[("uid", &[b"a"])]);
        assert!(
            none.person(&profile(), 0, false)
                .unwrap_err()
                .contains("no readable entryUUID")
        );
        let two = Entry::of("uid=a", &[("entryUUID", &[ID, b"x"])]);
        assert!(two.person(&profile(), 0, false).unwrap_err().contains("several values"));
    }

    #[test]
    fn r66_a_list_that_the_server_cut_decides_nothing() {
        let cut = Entry::of(
            "uid=a",
            &[
                ("entryUUID", &[ID]),
                ("memberOf", &[]),
                ("memberOf;range=0-1499", &[b"cn=x"]),
            ],
        );
        assert_eq!(
            cut.person(&profile(), 0, false),
            Err("the server sent only a part of memberOf".to_owned())
        );
        // Another attribute's parts do not matter.
        let other = Entry::of("uid=a", &[("entryUUID", &[ID]), ("member;range=0-1499", &[b"cn=x"])]);
        assert!(other.person(&profile(), 0, false).is_ok());
    }

    #[test]
    fn an_attribute_that_the_directory_calls_otherwise_is_found_under_our_name() {
        let mut profile = profile();
        profile.attributes = vec!["Mobile".to_owned(), "manager".to_owned()];
        profile.attribute_map = [("mobile", "telephoneNumber"), ("manager", "supervisor")]
            .map(|(ours, theirs)| (ours.to_owned(), theirs.to_owned()))
            .into();
        let entry = Entry::of(
            "uid=a",
            &[
                ("entryUUID", &[ID]),
                ("mobile", &[b"wrong"]),
                ("TelephoneNumber", &[b"+1"]),
                ("supervisor", &[b"cn=x"]),
            ],
        );
        let person = entry.person(&profile, 0, false).unwrap();
        assert_eq!(person.attributes.find("mobile").unwrap().values[0].as_bytes(), b"+1");
        assert_eq!(person.attributes.find("manager").unwrap().syntax, Syntax::Dn);
        assert!(person.attributes.find("telephoneNumber").is_none());
    }

    #[test]
    fn names_and_bytes_have_their_own_syntax() {
        for name in ["memberOf", "MEMBEROF", "manager", "member"] {
            assert_eq!(syntax(name), Syntax::Dn, "{name}");
        }
        assert_eq!(syntax("objectSid"), Syntax::Bytes);
        assert_eq!(syntax("department"), Syntax::Text);
    }
}

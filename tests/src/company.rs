//! "Birch & Co", the company that the tests and the demo live in: its people, groups and passwords, as LDIF.
//!
//! | user | department | groups (direct) | |
//! |---|---|---|---|
//! | alice | IT | admins | |
//! | bob | Finance | accounting | |
//! | carol | Sales | field-sales | no mobile number |
//! | dave | IT | contractors | `employeeType: contractor` |
//!
//! `everyone` holds admins, accounting and `sales`, and `sales` holds field-sales: two levels of nesting.

use std::fmt::Write;

/// The directory's suffix.
pub const BASE: &str = "dc=example,dc=org";
/// Who administers the directory; only the rig binds as this.
pub const ADMIN: &str = "cn=admin,dc=example,dc=org";
/// The administrator's password.
pub const ADMIN_PASSWORD: &str = "the rig's own";
/// The service account that may read.
pub const SERVICE: &str = "cn=assent,ou=services,dc=example,dc=org";
/// The service account's password.
pub const SERVICE_PASSWORD: &str = "read-the-directory";

/// Someone who works at Birch & Co.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// Login name.
    pub uid: &'static str,
    /// Full name.
    pub name: &'static str,
    /// Password in the directory.
    pub password: &'static str,
    /// `department` (carried as such, see the schema in [`crate::slapd`]).
    pub department: &'static str,
    /// `title`.
    pub title: &'static str,
    /// `employeeType`.
    pub kind: &'static str,
    /// `mobile`, if any.
    pub mobile: Option<&'static str>,
    /// Linux user id.
    pub number: u32,
}

/// Everyone, in the order of the table above.
pub const PEOPLE: [Person; 4] = [
    Person {
        uid: "alice",
        name: "Alice Ahorn",
        password: "alice-has-maples",
        department: "IT",
        title: "System Engineer",
        kind: "staff",
        mobile: Some("+49 151 5550101"),
        number: 5001,
    },
    Person {
        uid: "bob",
        name: "Bob Buche",
        password: "bob-has-beeches",
        department: "Finance",
        title: "Accountant",
        kind: "staff",
        mobile: Some("+49 151 5550102"),
        number: 5002,
    },
    Person {
        uid: "carol",
        name: "Carol Cedar",
        password: "carol-has-cedars",
        department: "Sales",
        title: "Account Manager",
        kind: "staff",
        mobile: None,
        number: 5003,
    },
    Person {
        uid: "dave",
        name: "Dave Douglas",
        password: "dave-has-firs",
        department: "IT",
        title: "Consultant",
        kind: "contractor",
        mobile: Some("+49 151 5550104"),
        number: 5004,
    },
];

const GROUPS: [(&str, &[&str]); 6] = [
    ("admins", &["uid=alice,ou=people"]),
    ("accounting", &["uid=bob,ou=people"]),
    ("field-sales", &["uid=carol,ou=people"]),
    ("contractors", &["uid=dave,ou=people"]),
    ("sales", &["cn=field-sales,ou=groups"]),
    (
        "everyone",
        &["cn=admins,ou=groups", "cn=accounting,ou=groups", "cn=sales,ou=groups"],
    ),
];

/// The person of this login name.
pub fn person(uid: &str) -> Person {
    let found = PEOPLE.into_iter().find(|person| person.uid == uid);
    found.unwrap_or_else(|| panic!("nobody at Birch & Co has the login name {uid}"))
}

/// The password of a person in the directory.
pub fn password(uid: &str) -> &'static str {
    person(uid).password
}

/// The distinguished name of a person, whether there is one or not.
pub fn dn(uid: &str) -> String {
    format!("uid={uid},ou=people,{BASE}")
}

/// The distinguished name of a group.
pub fn group_dn(name: &str) -> String {
    format!("cn={name},ou=groups,{BASE}")
}

/// A person's entry; `more` lines are added as they are.
pub fn entry(person: &Person, more: &str) -> String {
    let Person {
        uid,
        name,
        password,
        department,
        title,
        kind,
        ..
    } = person;
    let surname = name.rsplit(' ').next().unwrap_or(name);
    let mobile = person
        .mobile
        .map(|number| format!("mobile: {number}\n"))
        .unwrap_or_default();
    format!(
        "dn: {dn}\nobjectClass: inetOrgPerson\nobjectClass: birchPerson\nuid: {uid}\ncn: {name}\nsn: {surname}\n\
         mail: {uid}@example.org\n{mobile}department: {department}\ntitle: {title}\nemployeeType: {kind}\n\
         userPassword: {password}\n{more}\n",
        dn = dn(uid)
    )
}

/// The whole directory.
pub(crate) fn ldif() -> String {
    let mut text = format!(
        "dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Birch & Co\ndc: example\n\n\
         dn: {SERVICE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: assent\n\
         userPassword: {SERVICE_PASSWORD}\n\n"
    );
    let mut units = String::new();
    for unit in ["services", "people", "groups"] {
        let _ = write!(
            units,
            "dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}\n\n"
        );
    }
    // The units come behind the suffix and in front of what lies in them.
    text.insert_str(text.find("\n\n").map_or(0, |at| at + 2), &units);
    for person in &PEOPLE {
        text.push_str(&entry(person, ""));
    }
    for (name, members) in GROUPS {
        let _ = write!(text, "dn: {}\nobjectClass: groupOfNames\ncn: {name}\n", group_dn(name));
        for member in members {
            let _ = writeln!(text, "member: {member},{BASE}");
        }
        text.push('\n');
    }
    text
}

//! The values that an attribute has among the users of `users.toml`, each joined with NSS as at a login. Users whom NSS
//! alone knows are not listed: a network's NSS may have any number.

use super::LocalDirectory;
use crate::directory::{Cut, ValueCounts, ValueLimits};
use crate::names::UserName;
use assent_proto::text::Outside;
use std::collections::BTreeMap;
use tokio::time::Instant;

impl LocalDirectory {
    /// Counts the values of `attribute`.
    pub(in crate::directory) async fn values(
        &self,
        attribute: &str,
        limits: ValueLimits,
    ) -> Result<ValueCounts, String> {
        let deadline = Instant::now() + limits.time;
        let users = self.users()?;
        let mut cut = self.nss.is_some().then_some(Cut::Listed);
        let mut counts: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let mut entries = 0;
        for name in users.names() {
            let Ok(name) = UserName::new(&Outside::new(name.as_bytes())) else {
                continue;
            };
            let Ok(known) = tokio::time::timeout_at(deadline, self.known(&users, &name)).await else {
                cut = Some(Cut::Time);
                break;
            };
            let Ok(known) = known else { continue };
            let Some(values) = known.person.attributes.find(attribute) else {
                continue;
            };
            if entries == limits.entries {
                cut = Some(Cut::Entries);
                break;
            }
            entries += 1;
            for value in &values.values {
                if counts.len() < limits.values || counts.contains_key(value.as_bytes()) {
                    *counts.entry(value.as_bytes().to_vec()).or_default() += 1;
                } else {
                    cut = Some(Cut::Values);
                }
            }
        }
        let counts = counts.into_iter().map(|(value, count)| (Outside::new(value), count));
        Ok(ValueCounts::new(counts.collect(), entries, cut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::profile::LocalProfile;
    use assent_proto::ShortText;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn the_values_of_listed_users_are_counted_and_a_bound_is_told() {
        let dir = std::env::temp_dir().join(format!("assent-local-values-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("users.toml");
        let user = |name: &str, at: u8, mobile: &str| {
            format!(
                "[[user]]\nname = \"{name}\"\nid = \"1b4e28ba-2fa1-11d2-883f-b9a761bde3f{at}\"\nmobile = \"{mobile}\"\n"
            )
        };
        let text = [
            user("alice", 1, "+491515550101"),
            user("bob", 2, "+491515550102"),
            user("carol", 3, "+491515550101"),
        ]
        .concat();
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let profile = LocalProfile {
            name: "local".to_owned(),
            realm: None,
            users_file: file,
            may_be_absent: false,
        };
        let local = LocalDirectory::without_nss(profile, ShortText::new("fleet").unwrap());
        let all = local.values("Mobile", ValueLimits::default()).await.unwrap();
        let shown: Vec<(String, usize)> = all.values.iter().map(|(v, count)| (v.shown(20), *count)).collect();
        assert_eq!(
            shown,
            [("+491515550101".to_owned(), 2), ("+491515550102".to_owned(), 1)]
        );
        assert_eq!((all.entries, all.cut), (3, None));
        let one = ValueLimits {
            values: 1,
            ..ValueLimits::default()
        };
        assert_eq!(local.values("mobile", one).await.unwrap().cut, Some(Cut::Values));
        let two = ValueLimits {
            entries: 2,
            ..ValueLimits::default()
        };
        assert_eq!(local.values("mobile", two).await.unwrap().cut, Some(Cut::Entries));
        std::fs::remove_dir_all(dir).unwrap();
    }
}

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

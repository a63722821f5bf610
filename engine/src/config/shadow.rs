//! Policies that no login can come to, because an earlier one takes everybody whom they would take.

use super::{Action, Application, Factor, MethodIndex, Policy};

/// Each policy that an earlier one hides, with the earlier one: their places in the list.
pub(super) fn shadowed(policies: &[Policy], applications: &[Application]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, policy) in policies.iter().enumerate() {
        let hider = policies[..at]
            .iter()
            .position(|earlier| hides(earlier, policy) && wherever_met(applications, earlier.method, policy.method));
        if let Some(hider) = hider {
            found.push((at, hider));
        }
    }
    found
}

fn hides(earlier: &Policy, later: &Policy) -> bool {
    let attribute = match (&earlier.attribute, &later.attribute) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(earlier), Some(later)) => {
            earlier.name.eq_ignore_ascii_case(&later.name) && earlier.matcher.covers(&later.matcher)
        }
    };
    // A waiver counts for some applications alone.
    let counts = earlier.action != Action::Waive;
    counts && earlier.auth_profile == later.auth_profile && attribute && earlier.conditions.cover(&later.conditions)
}

/// Whether every factor that lists the later policy's method lists the earlier one's too.
fn wherever_met(applications: &[Application], earlier: MethodIndex, later: MethodIndex) -> bool {
    let mut factors = applications
        .iter()
        .flat_map(|application| &application.factors)
        .filter_map(|factor| match factor {
            Factor::Method(methods) if methods.contains(&later) => Some(methods),
            _ => None,
        });
    earlier == later || factors.all(|methods| methods.contains(&earlier))
}

//! A row of the result, and the arithmetic behind it.

use serde::Serialize;

/// What a target is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// `ours` must not be more.
    AtMost,
    /// `ours` must not be less.
    AtLeast,
    /// `ours / peer` must not be more.
    Ratio,
    /// `ours - peer` must not be more.
    Difference,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// What of.
    pub unit: &'static str,
    /// Ours; a median where it was measured many times.
    pub ours: f64,
    /// The other one's.
    pub peer: Option<f64>,
    /// `ours / peer`.
    pub ratio: Option<f64>,
    /// What DESIGN promises.
    pub target: Option<f64>,
    /// What the target is about.
    pub judged: Option<Judged>,
    /// Whether the promise is kept.
    pub holds: Option<bool>,
    /// 95 of 100 were not worse.
    pub ours_p95: Option<f64>,
    /// The other one's.
    pub peer_p95: Option<f64>,
    /// How often it was measured.
    pub times: usize,
    /// What one must know to read it.
    pub note: String,
}

impl Row {
    /// A figure that was measured once.
    pub fn new(name: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self {
            name: name.into(),
            unit,
            ours,
            peer: None,
            ratio: None,
            target: None,
            judged: None,
            holds: None,
            ours_p95: None,
            peer_p95: None,
            times: 1,
            note: String::new(),
        }
    }

    /// The median of many.
    pub fn of(name: impl Into<String>, unit: &'static str, ours: &Samples) -> Self {
        Self {
            ours_p95: Some(ours.at(0.95)),
            times: ours.0.len(),
            ..Self::new(name, unit, ours.median())
        }
    }

    /// Beside another's.
    pub fn beside(mut self, peer: &Samples) -> Self {
        self.peer_p95 = Some(peer.at(0.95));
        self.beside_one(peer.median())
    }

    /// Beside another's, measured once.
    pub fn beside_one(mut self, peer: f64) -> Self {
        self.peer = Some(peer);
        self.ratio = Some(self.ours / peer);
        self
    }

    /// With a promise.
    pub fn judged(mut self, judged: Judged, target: f64) -> Self {
        let value = match judged {
            Judged::AtMost | Judged::AtLeast => Some(self.ours),
            Judged::Ratio => self.ratio,
            Judged::Difference => self.peer.map(|peer| self.ours - peer),
        };
        self.holds = value.map(|value| match judged {
            Judged::AtLeast => value >= target,
            Judged::AtMost | Judged::Ratio | Judged::Difference => value <= target,
        });
        self.judged = Some(judged);
        self.target = Some(target);
        self
    }

    /// With what one must know to read it.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Prints it.
    pub fn print(&self) {
        let verdict = match self.holds {
            Some(true) => "holds ",
            Some(false) => "MISSED",
            None => "      ",
        };
        let peer = self.peer.map_or_else(String::new, |peer| {
            format!(", beside {}", shown(peer, self.peer_p95, self.unit))
        });
        let ratio = self
            .ratio
            .map_or_else(String::new, |ratio| format!(", ratio {ratio:.3}"));
        let target = match (self.judged, self.target) {
            (Some(Judged::AtMost), Some(target)) => format!("  [at most {target:.0} {}]", self.unit),
            (Some(Judged::AtLeast), Some(target)) => format!("  [at least {target:.0} {}]", self.unit),
            (Some(Judged::Ratio), Some(target)) => format!("  [ratio at most {target:.3}]"),
            (Some(Judged::Difference), Some(target)) => format!("  [at most {target:.2} {} more]", self.unit),
            _ => String::new(),
        };
        println!(
            "{verdict} {}: {}{peer}{ratio}{target}",
            self.name,
            shown(self.ours, self.ours_p95, self.unit)
        );
        if !self.note.is_empty() {
            println!("         {}", self.note);
        }
    }
}

fn shown(value: f64, p95: Option<f64>, unit: &str) -> String {
    let p95 = p95.map_or_else(String::new, |p95| format!(" (p95 {p95:.2})"));
    format!("{value:.2}{p95} {unit}")
}

/// Many measurements of one thing.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, value: f64) {
        let at = self.0.partition_point(|kept| *kept <= value);
        self.0.insert(at, value);
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// The one that this share of all does not exceed.
    pub fn at(&self, share: f64) -> f64 {
        let at = position(self.0.len(), share);
        self.0.get(at).copied().unwrap_or(f64::NAN)
    }
}

impl Extend<f64> for Samples {
    fn extend<T: IntoIterator<Item = f64>>(&mut self, values: T) {
        self.0.extend(values);
        self.0.sort_by(f64::total_cmp);
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a few thousand"
)]
fn position(count: usize, share: f64) -> usize {
    ((count as f64 * share) as usize).min(count.saturating_sub(1))
}

/// A count as a figure.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn number(count: u64) -> f64 {
    count as f64
}

/// Milliseconds since a moment.
pub fn ms_since(began: std::time::Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        let mut samples = Samples::default();
        samples.extend(values.iter().copied());
        samples
    }

    #[test]
    fn the_median_and_the_95th_of_a_hundred() {
        let hundred: Vec<f64> = (0..100).rev().map(f64::from).collect();
        let hundred = samples(&hundred);
        assert!((hundred.median() - 50.0).abs() < 1e-9 && (hundred.at(0.95) - 95.0).abs() < 1e-9);
        assert!((samples(&[7.0]).at(0.95) - 7.0).abs() < 1e-9);
        assert!(samples(&[]).median().is_nan());
    }

    #[test]
    fn a_promise_holds_or_does_not_by_what_it_is_about() {
        let row = || Row::of("x", "ms", &samples(&[3.0])).beside(&samples(&[2.0]));
        for (judged, target, holds) in [
            (Judged::AtMost, 3.0, true),
            (Judged::AtMost, 2.9, false),
            (Judged::AtLeast, 3.0, true),
            (Judged::AtLeast, 3.1, false),
            (Judged::Ratio, 1.5, true),
            (Judged::Ratio, 1.4, false),
            (Judged::Difference, 1.0, true),
            (Judged::Difference, 0.9, false),
        ] {
            assert_eq!(row().judged(judged, target).holds, Some(holds), "{judged:?} {target}");
        }
        // Nothing to compare with is no success.
        assert_eq!(Row::new("x", "ms", 1.0).judged(Judged::Ratio, 1.0).holds, None);
        assert_eq!(
            Row::of("x", "ms", &samples(&[])).judged(Judged::AtMost, 1.0).holds,
            Some(false)
        );
    }
}

//! The number of level `number`: made on the host, shown on the terminal, typed on the device. It stands in no request,
//! no push and no log (R4).

use zeroize::Zeroizing;

/// Random bytes from here on would make some digits likelier than others.
const FAIR: u8 = 250;

/// A number of `digits` decimal digits, each equally likely, leading zeros kept (R5).
///
/// # Errors
/// When the system's random generator fails.
pub fn random(digits: u8) -> Result<Zeroizing<String>, getrandom::Error> {
    let mut number = Zeroizing::new(String::with_capacity(usize::from(digits)));
    let mut byte = Zeroizing::new([0_u8; 1]);
    while number.len() < usize::from(digits) {
        getrandom::fill(byte.as_mut_slice())?;
        let [drawn] = *byte;
        if drawn < FAIR {
            number.push(char::from(b'0' + drawn % 10));
        }
    }
    Ok(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_precision_loss)]
mod tests {
    use super::*;

    #[test]
    fn r5_numbers_keep_their_leading_zeros_and_every_digit_is_as_likely_as_another() {
        const DRAWN: u32 = 200_000;
        let mut seen = [[0_u32; 10]; 3];
        let mut leading_zero = false;
        for _ in 0..DRAWN {
            let number = random(3).unwrap();
            assert_eq!(number.len(), 3);
            leading_zero |= number.starts_with('0');
            for (place, digit) in number.bytes().enumerate() {
                seen[place][usize::from(digit - b'0')] += 1;
            }
        }
        assert!(leading_zero);
        let expected = f64::from(DRAWN) / 10.0;
        for place in seen {
            let chi: f64 = place
                .iter()
                .map(|n| (f64::from(*n) - expected).powi(2) / expected)
                .sum();
            // Nine degrees of freedom: a fair source is above this once in 10^9 runs.
            assert!(chi < 61.0, "{place:?}: {chi}");
        }
        assert_eq!(random(6).unwrap().len(), 6);
    }
}

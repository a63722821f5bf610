//! QR codes of links, as rows of modules; whoever shows one draws it.

use qrcode::{Color, EcLevel, QrCode};
use zeroize::Zeroizing;

/// The code of a text, a row a text, `1` for each dark module; `None`: it is too long.
pub fn rows(text: &str) -> Option<Vec<Zeroizing<String>>> {
    // Medium correction: a screen has reflections, and there is room.
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let size = code.width();
    let module = |x: usize, y: usize| if code[(x, y)] == Color::Dark { '1' } else { '0' };
    let row = |y: usize| Zeroizing::new((0..size).map(|x| module(x, y)).collect::<String>());
    Some((0..size).map(row).collect())
}

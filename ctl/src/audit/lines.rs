//! Lines of an audit file, one at a time, whatever the file's size.

use crate::failure::{Done, Failure};
use nix::libc::O_NONBLOCK;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

/// Longest line that is held; what a crash leaves is shorter, and so is every record.
const MAX: u64 = 8 * 1024 * 1024;
/// How often a followed file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A line, without its end.
pub(super) struct Line<'a> {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether it has an end.
    pub whole: bool,
}

/// Hands each line over until `take` breaks.
pub(super) fn each(path: &Path, take: impl FnMut(&Line<'_>) -> ControlFlow<()>) -> Done {
    let unreadable = |e: io::Error| Failure::Input(format!("{} cannot be read: {e}", path.display()));
    let file = open(path).map_err(unreadable)?;
    let kind = file.metadata().map_err(unreadable)?.file_type();
    // A pipe comes from an unpacked log; a device has no end.
    if !kind.is_file() && !kind.is_fifo() {
        return Err(Failure::Input(format!("{} is no file of records", path.display())));
    }
    read(BufReader::new(file), take).map_err(unreadable)
}

fn open(path: &Path) -> io::Result<File> {
    let pipe = std::fs::metadata(path)?.file_type().is_fifo();
    let flags = if pipe { 0 } else { O_NONBLOCK };
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn read(mut file: impl BufRead, mut take: impl FnMut(&Line<'_>) -> ControlFlow<()>) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut number = 0;
    loop {
        bytes.clear();
        if file.by_ref().take(MAX).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(());
        }
        number += 1;
        let whole = bytes.pop_if(|last| *last == b'\n').is_some();
        let cut = !whole && u64::try_from(bytes.len()).unwrap_or(u64::MAX) >= MAX;
        let ended = cut && file.skip_until(b'\n')? > 0;
        let line = Line {
            number,
            bytes: &bytes,
            whole: whole || ended,
        };
        if take(&line).is_break() {
            return Ok(());
        }
    }
}

/// Hands over each line that is added from now on; follows a file that is rotated. Ends when the process does.
pub(super) fn follow(path: &Path, mut take: impl FnMut(&[u8])) -> Done {
    let unreadable = |e: io::Error| Failure::Input(format!("{} cannot be read: {e}", path.display()));
    let mut file = open(path).map_err(unreadable)?;
    let mut at = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
    let mut rest = Vec::new();
    loop {
        std::thread::sleep(LOOK);
        let added = (&file).take(MAX).read_to_end(&mut rest).map_err(unreadable)?;
        at += u64::try_from(added).unwrap_or(0);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            take(&line[..end]);
        }
        let meta = file.metadata().map_err(unreadable)?;
        let now = std::fs::metadata(path).ok();
        let other = now.is_some_and(|now| (now.dev(), now.ino()) != (meta.dev(), meta.ino()));
        if (other && added == 0) || meta.len() < at {
            // Renamed, or copied and cut.
            file = open(path).map_err(unreadable)?;
            (at, rest) = (0, Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_number_and_the_last_may_lack_its_end() {
        let mut seen = Vec::new();
        read(&b"a\n\nbc\nd"[..], |line| {
            seen.push((line.number, line.bytes.to_vec(), line.whole));
            ControlFlow::Continue(())
        })
        .unwrap();
        let expected = [(1, &b"a"[..], true), (2, b"", true), (3, b"bc", true), (4, b"d", false)];
        assert_eq!(seen, expected.map(|(at, bytes, whole)| (at, bytes.to_vec(), whole)));
    }

    #[test]
    fn a_device_without_an_end_is_refused() {
        assert!(each(Path::new("/dev/zero"), |_| ControlFlow::Continue(())).is_err());
    }
}

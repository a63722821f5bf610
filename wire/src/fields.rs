//! Frames as lists of tagged fields: the only code that looks at lengths.

use crate::{Frame, MAX_FIELDS, MAX_FRAME, VERSION};
use zeroize::Zeroizing;

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The frame or one of its fields ends before its length says.
    Truncated,
    /// More than [`MAX_FRAME`] bytes.
    TooLong,
    /// More than [`MAX_FIELDS`] fields.
    TooManyFields,
    /// Another version than [`VERSION`].
    Version(u8),
    /// A message kind that this end does not take.
    Kind(u8),
    /// A known tag twice.
    Repeated(u8),
    /// A field that this kind cannot be without.
    Missing(u8),
    /// A field whose bytes are not of its type.
    Malformed(u8),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated => write!(f, "the frame ends before its length says"),
            Self::TooLong => write!(f, "the frame has more than {MAX_FRAME} bytes"),
            Self::TooManyFields => write!(f, "the frame has more than {MAX_FIELDS} fields"),
            Self::Version(v) => write!(f, "the frame has version {v}, this end speaks {VERSION}"),
            Self::Kind(k) => write!(f, "the frame has the unexpected kind {k}"),
            Self::Repeated(t) => write!(f, "the frame has field {t} twice"),
            Self::Missing(t) => write!(f, "the frame lacks field {t}"),
            Self::Malformed(t) => write!(f, "the frame's field {t} is malformed"),
        }
    }
}

impl std::error::Error for Error {}

/// Builds one frame. Fields that would not fit make [`Writer::finish`] fail; nothing is cut in silence.
pub(crate) struct Writer {
    bytes: Frame,
    fields: usize,
}

impl Writer {
    pub(crate) fn new(kind: u8) -> Self {
        // Room for the largest frame at once: growing would leave copies of a secret behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 + MAX_FRAME));
        bytes.extend_from_slice(&[0, 0, 0, 0, VERSION, kind]);
        Self { bytes, fields: 0 }
    }

    pub(crate) fn bytes(mut self, tag: u8, value: &[u8]) -> Self {
        self.fields += 1;
        let room = (4 + MAX_FRAME).checked_sub(self.bytes.len() + 5);
        if room.is_none_or(|room| value.len() > room) {
            self.fields = MAX_FIELDS + 1;
            return self;
        }
        let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self
    }

    pub(crate) fn optional(self, tag: u8, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.bytes(tag, value),
            None => self,
        }
    }

    pub(crate) fn finish(mut self) -> Result<Frame, Error> {
        if self.fields > MAX_FIELDS {
            return Err(Error::TooLong);
        }
        let len = u32::try_from(self.bytes.len() - 4).map_err(|_| Error::TooLong)?;
        self.bytes[..4].copy_from_slice(&len.to_be_bytes());
        Ok(self.bytes)
    }
}

/// The fields of one frame, borrowed from it.
pub(crate) struct Fields<'a> {
    pub(crate) kind: u8,
    list: Vec<(u8, &'a [u8])>,
}

impl<'a> Fields<'a> {
    /// Splits a frame's body (what stands behind its length).
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        if body.len() > MAX_FRAME {
            return Err(Error::TooLong);
        }
        let (&version, rest) = body.split_first().ok_or(Error::Truncated)?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let (&kind, mut rest) = rest.split_first().ok_or(Error::Truncated)?;
        let mut list = Vec::with_capacity(16);
        while let Some((&tag, tail)) = rest.split_first() {
            let (len, tail) = tail.split_first_chunk::<4>().ok_or(Error::Truncated)?;
            let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| Error::Truncated)?;
            let (value, tail) = tail.split_at_checked(len).ok_or(Error::Truncated)?;
            if list.len() == MAX_FIELDS {
                return Err(Error::TooManyFields);
            }
            list.push((tag, value));
            rest = tail;
        }
        Ok(Self { kind, list })
    }

    pub(crate) fn optional(&self, tag: u8) -> Result<Option<&'a [u8]>, Error> {
        let mut found = self.list.iter().filter(|(t, _)| *t == tag);
        let first = found.next().map(|(_, value)| *value);
        match found.next() {
            Some(_) => Err(Error::Repeated(tag)),
            None => Ok(first),
        }
    }

    pub(crate) fn bytes(&self, tag: u8) -> Result<&'a [u8], Error> {
        self.optional(tag)?.ok_or(Error::Missing(tag))
    }

    pub(crate) fn array<const N: usize>(&self, tag: u8) -> Result<[u8; N], Error> {
        self.bytes(tag)?.try_into().map_err(|_| Error::Malformed(tag))
    }

    pub(crate) fn optional_array<const N: usize>(&self, tag: u8) -> Result<Option<[u8; N]>, Error> {
        self.optional(tag)?
            .map(|value| value.try_into().map_err(|_| Error::Malformed(tag)))
            .transpose()
    }

    pub(crate) fn u8(&self, tag: u8) -> Result<u8, Error> {
        self.array::<1>(tag).map(|[b]| b)
    }

    pub(crate) fn text(&self, tag: u8) -> Result<String, Error> {
        std::str::from_utf8(self.bytes(tag)?)
            .map(str::to_owned)
            .map_err(|_| Error::Malformed(tag))
    }
}

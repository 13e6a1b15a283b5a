//! Bounded decompression of a body with `Content-Encoding: gzip` or `deflate`.

use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// Why a compressed body was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GunzipError {
    /// It is larger than allowed once unpacked.
    #[error("the body has more than {max} bytes once unpacked; send less")]
    TooLong {
        /// The bound, in bytes.
        max: usize,
    },
    /// Neither gzip nor zlib, cut off, or with a wrong checksum.
    #[error("the compressed body is damaged: {0}")]
    Damaged(String),
}

/// Unpacks `body`: gzip (RFC 1952, one or several members) by its first two bytes, else zlib (RFC 1950), which is what
/// HTTP calls `deflate`. Never makes more than `max` bytes and one.
///
/// # Errors
/// See [`GunzipError`].
pub fn gunzip(body: &[u8], max: usize) -> Result<Vec<u8>, GunzipError> {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    if body.starts_with(GZIP) { unpack(MultiGzDecoder::new(body), max) } else { unpack(ZlibDecoder::new(body), max) }
}

fn unpack(packed: impl Read, max: usize) -> Result<Vec<u8>, GunzipError> {
    let mut out = Vec::new();
    let mut bounded = packed.take(u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1));
    bounded.read_to_end(&mut out).map_err(|error| GunzipError::Damaged(reason(&error)))?;
    if out.len() > max {
        return Err(GunzipError::TooLong { max });
    }
    Ok(out)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(plain).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn both_codings_and_the_bound() {
        let plain = b"<methodCall/>".repeat(20);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&plain).unwrap();
        for packed in [gzip(&plain), zlib.finish().unwrap(), [gzip(&plain[..5]), gzip(&plain[5..])].concat()] {
            assert_eq!(gunzip(&packed, plain.len()).unwrap(), plain);
            assert_eq!(gunzip(&packed, plain.len() - 1), Err(GunzipError::TooLong { max: plain.len() - 1 }));
            assert_eq!(gunzip(&packed, 0), Err(GunzipError::TooLong { max: 0 }));
        }
        assert_eq!(gunzip(&gzip(b""), 0).unwrap(), b"");
    }

    #[test]
    fn a_bomb_stops_at_the_bound() {
        let bomb = gzip(&vec![0; 50_000_000]);
        assert!(bomb.len() < 64 * 1024);
        assert_eq!(gunzip(&bomb, 65_536), Err(GunzipError::TooLong { max: 65_536 }));
    }

    #[test]
    fn damage_is_told() {
        let whole = gzip(b"hello hello hello");
        let mut flipped = whole.clone();
        let checksum = flipped.len() - 8;
        flipped[checksum] ^= 1;
        for bad in [&b""[..], b"plain", &whole[..2], &whole[..whole.len() - 1], &flipped] {
            assert!(matches!(gunzip(bad, 1000), Err(GunzipError::Damaged(_))), "{bad:?}");
        }
    }
}

//! A short name for any text: FNV-1a, 128 bits. The same in every version of this program; not a secret's keeper.

/// The hash as 32 hexadecimal digits.
pub(crate) fn of(text: &str) -> String {
    // http://www.isthe.com/chongo/tech/comp/fnv/
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = text.bytes().fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_values() {
        // Of the reference implementation.
        assert_eq!(super::of(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(super::of("a"), "d228cb696f1a8caf78912b704e4a8964");
    }
}

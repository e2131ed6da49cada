//! The field GF(2⁸) with x⁸ + x⁴ + x³ + x² + 1: bytes, whose sum is XOR, with a product that can be undone.
//!
//! All elements but 0 are powers of 2, so that their products and quotients are sums and differences of logarithms.

/// What a product is reduced by.
const POLYNOMIAL: u16 = 0x11d;

/// How many powers of 2 there are before they repeat.
pub(super) const ORDER: u32 = 255;

/// Twice an element.
pub(super) const fn double(element: u8) -> u8 {
    let doubled = (element as u16) << 1;
    (if doubled > 0xff { doubled ^ POLYNOMIAL } else { doubled }) as u8
}

/// The product of two elements, bit by bit: for tables made at compile time.
#[cfg(target_arch = "x86_64")]
pub(super) const fn multiply(a: u8, b: u8) -> u8 {
    let mut product = 0;
    let mut bit = 8;
    while bit > 0 {
        bit -= 1;
        product = double(product);
        if b >> bit & 1 == 1 {
            product ^= a;
        }
    }
    product
}

/// 2ⁿ, for n below 510: the sum of two logarithms need not be reduced.
pub(super) fn power(n: u32) -> u8 {
    static POWERS: [u8; 2 * ORDER as usize] = {
        let mut powers = [1; 2 * ORDER as usize];
        let mut n = 1;
        while n < powers.len() {
            powers[n] = double(powers[n - 1]);
            n += 1;
        }
        powers
    };
    POWERS[n as usize]
}

/// The n below 255 with 2ⁿ = `element`, which must not be 0.
pub(super) fn logarithm(element: u8) -> u32 {
    static LOGARITHMS: [u8; 256] = {
        let mut logarithms = [0; 256];
        let (mut n, mut power) = (0, 1);
        while n < ORDER {
            logarithms[power as usize] = n as u8;
            power = double(power);
            n += 1;
        }
        logarithms
    };
    debug_assert_ne!(element, 0, "0 has no logarithm");
    u32::from(LOGARITHMS[usize::from(element)])
}

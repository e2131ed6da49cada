//! Typing errors: letters wrong, missing, too many, or swapped with their neighbours (optimal string alignment).

/// How many errors lie between two words. Beyond `max`, which is at most [`MAX_TYPOS`], only that it is more counts.
pub(crate) fn typo_distance(a: &str, b: &str, max: usize) -> usize {
    // Most are ASCII, and most of those differ too much in length to be looked at.
    if a.is_ascii() && b.is_ascii() {
        return alignment(a.as_bytes(), b.as_bytes(), max);
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    alignment(&a, &b, max)
}

/// Whether they are a single such error apart, or equal.
pub(crate) fn is_near(a: &str, b: &str) -> bool {
    if a.len().abs_diff(b.len()) > MAX_UTF8_BYTES {
        return false;
    }
    if a.is_ascii() && b.is_ascii() {
        return is_one_off(a.as_bytes(), b.as_bytes());
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    is_one_off(&a, &b)
}

const MAX_UTF8_BYTES: usize = 4;

fn is_one_off<T: PartialEq>(a: &[T], b: &[T]) -> bool {
    let (a, b) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    match (&a[same..], &b[same..]) {
        ([], rest) => rest.len() <= 1,
        ([a0, a1, a @ ..], [b0, b1, b @ ..]) if a.len() == b.len() => {
            a == b && (a1 == b1 || (a0 == b1 && a1 == b0))
        }
        ([_, a @ ..], [_, b @ ..]) if a.len() == b.len() => a == b,
        (a, [_, b @ ..]) => a == b,
        (_, []) => false,
    }
}

/// Most errors that anything here forgives.
const MAX_TYPOS: usize = 2;

/// Only the cells near the diagonal, since all others are beyond `max`: E. Ukkonen, "Algorithms for Approximate String
/// Matching" (1985).
fn alignment<T: PartialEq>(a: &[T], b: &[T], max: usize) -> usize {
    const BAND: usize = 2 * MAX_TYPOS + 1;
    debug_assert!(max <= MAX_TYPOS);
    if a.len().abs_diff(b.len()) > max {
        return max + 1;
    }
    // Cell k of row i is about the first i of `a` and the first i + k - max of `b`.
    let far = [max + 1; BAND + 2];
    let (mut before, mut previous) = (far, far);
    for i in 0..=a.len() {
        let mut row = far;
        for k in 0..=2 * max {
            let Some(j) = (i + k).checked_sub(max).filter(|&j| j <= b.len()) else { continue };
            row[k] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let changed = previous[k] + usize::from(a[i - 1] != b[j - 1]);
                    let left = if k > 0 { row[k - 1] + 1 } else { max + 1 };
                    let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    let swap = if swapped { before[k] + 1 } else { max + 1 };
                    changed.min(previous[k + 1] + 1).min(left).min(swap)
                }
            };
        }
        if row.iter().all(|&distance| distance > max) {
            return max + 1;
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[b.len() + max - a.len()].min(max + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_typing_errors() {
        for (a, b, distance) in [
            ("", "", 0),
            ("a", "", 1),
            ("react", "react", 0),
            ("react", "reacts", 1),
            ("react", "eact", 1),
            ("react", "reakt", 1),
            ("react", "raect", 1),
            ("abcd", "badc", 2),
            ("ca", "abc", 3),
            ("webpack", "wepbakc", 2),
            ("kitten", "sitting", 3),
        ] {
            for max in 0..=MAX_TYPOS {
                for counted in [typo_distance(a, b, max), typo_distance(b, a, max)] {
                    assert_eq!(counted.min(max + 1), distance.min(max + 1), "{a} {b} up to {max}");
                }
            }
            for near in [is_near(a, b), is_near(b, a)] {
                assert_eq!(near, distance <= 1, "{a} {b}");
            }
        }
    }
}

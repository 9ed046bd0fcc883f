//! Passwords as they are stored in a configuration: plain, `{SHA}` with a SHA-1 sum as the reference
//! has it, or `{PBKDF2-SHA256}iterations$salt$hash` with salt and hash in base64.
//!
//! Any thread. Owns, for the slow kind, a digest of the password that was right last, under a key
//! that never leaves this process: a browser sends its password with every request, and only the
//! first is to take as long as a hash must.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What a salted hash begins with.
const SALTED: &str = "{PBKDF2-SHA256}";
/// What a hash of the reference begins with.
const SHA: &str = "{SHA}";
/// Iterations of new hashes: what is advised for this function.
const ITERATIONS: u32 = 600_000;
/// Iterations that are taken: fewer protect nothing, more would keep a processor busy for seconds.
const BOUNDS: std::ops::RangeInclusive<u32> = 1_000..=10_000_000;

/// A password as stored.
pub struct Stored(Kind);

enum Kind {
    Plain(Vec<u8>),
    /// Lower-case hexadecimal SHA-1.
    Sha1(Vec<u8>),
    Salted(Box<Salted>),
    /// Nothing fits.
    Never,
}

struct Salted {
    iterations: u32,
    salt: Vec<u8>,
    hash: [u8; 32],
    key: [u8; 32],
    /// Digest under `key` of what was right.
    right: Mutex<Option<[u8; 32]>>,
    /// Held while a hash is made, so that a flood of wrong passwords takes one processor and not all.
    work: Mutex<()>,
    /// How many are at it or wait for it.
    waiting: AtomicUsize,
}

/// What is to be said of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Right,
    /// It is not.
    Wrong,
    /// Too many passwords wait to be looked at.
    Busy,
}

/// Passwords that may wait to be hashed. With more of them, a flood would take all connections.
const QUEUE: usize = 16;

/// Why a stored password makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "after {SALTED} must stand the number of iterations, a salt and a hash, with $ between; \
     supervisorctl hash_password makes one"
)]
pub struct Malformed;

/// There is no randomness to be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot read /dev/urandom: {0}")]
pub struct NoRandomness(#[from] std::io::Error);

impl Stored {
    /// Reads what is stored; none: nobody logs in.
    ///
    /// # Errors
    /// A salted hash that is not one.
    pub fn read(text: Option<&str>) -> Result<Stored, Malformed> {
        let Some(text) = text else { return Ok(Stored(Kind::Never)) };
        if let Some(rest) = text.strip_prefix(SALTED) {
            return Salted::read(rest).map(|s| Stored(Kind::Salted(Box::new(s)))).ok_or(Malformed);
        }
        Ok(Stored(match text.strip_prefix(SHA) {
            Some(hash) => Kind::Sha1(hash.to_ascii_lowercase().into_bytes()),
            None => Kind::Plain(text.as_bytes().to_vec()),
        }))
    }

    /// Whether a password is the one.
    pub fn fits(&self, password: &[u8]) -> bool {
        self.judge(true, password) == Verdict::Right
    }

    /// The same for a name and its password. What is wrong takes the same time, whichever of the two it
    /// is: a right password under a wrong name is not looked up among those that were right before.
    pub fn judge(&self, name_is_right: bool, password: &[u8]) -> Verdict {
        let fits = match &self.0 {
            Kind::Plain(want) => same(password, want),
            Kind::Sha1(want) => same(hex(&Sha1::digest(password)).as_bytes(), want),
            Kind::Salted(salted) => match salted.fits(name_is_right, password) {
                Some(fits) => fits,
                None => return Verdict::Busy,
            },
            Kind::Never => false,
        };
        if name_is_right & fits { Verdict::Right } else { Verdict::Wrong }
    }
}

impl Salted {
    fn read(text: &str) -> Option<Salted> {
        let mut parts = text.split('$');
        let iterations = parts.next()?.parse().ok().filter(|n| BOUNDS.contains(n))?;
        let salt = STANDARD.decode(parts.next()?).ok().filter(|salt| !salt.is_empty())?;
        let hash = STANDARD.decode(parts.next()?).ok()?.try_into().ok()?;
        if parts.next().is_some() {
            return None;
        }
        Some(Salted {
            iterations,
            salt,
            hash,
            key: random().ok()?,
            right: Mutex::new(None),
            work: Mutex::new(()),
            waiting: AtomicUsize::new(0),
        })
    }

    /// None when too many wait.
    fn fits(&self, name_is_right: bool, password: &[u8]) -> Option<bool> {
        let digest = Sha256::new().chain_update(self.key).chain_update(password).finalize();
        if name_is_right && self.was_right(&digest) {
            return Some(true);
        }
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let fits = (waiting < QUEUE).then(|| {
            let _turn = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            // a browser asks for many things at once: the first of them has it hashed for all
            if name_is_right && self.was_right(&digest) {
                return true;
            }
            let fits = same(&stretch(password, &self.salt, self.iterations), &self.hash);
            if fits && name_is_right {
                *self.right.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest.into());
            }
            fits
        });
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        fits
    }

    fn was_right(&self, digest: &[u8]) -> bool {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.is_some_and(|right| same(digest, &right))
    }
}

/// A new hash of a password, to be stored.
///
/// # Errors
/// No salt can be had.
pub fn hash(password: &str) -> Result<String, NoRandomness> {
    let salt: [u8; 16] = random()?;
    Ok(written(password, &salt, ITERATIONS))
}

fn written(password: &str, salt: &[u8], iterations: u32) -> String {
    let hash = stretch(password.as_bytes(), salt, iterations);
    format!("{SALTED}{iterations}${}${}", STANDARD.encode(salt), STANDARD.encode(hash))
}

fn stretch(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut out = [0; 32];
    pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut out);
    out
}

fn random<const N: usize>() -> Result<[u8; N], std::io::Error> {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Compares in a time that depends on the length of `given` only.
pub fn same(given: &[u8], want: &[u8]) -> bool {
    let mut differs = u8::from(given.len() != want.len());
    for (i, byte) in given.iter().enumerate() {
        let other = want.get(i).copied().unwrap_or(!byte);
        differs = std::hint::black_box(differs | (byte ^ other));
    }
    differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;

    #[test]
    fn the_hash_is_the_one_that_others_make() {
        // Python: hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 4096)
        let text = "{PBKDF2-SHA256}4096$c2FsdA==$xeR41ZKIyEGqUw22hFxMjZYok6ABzk4RpJY4c6qYE0o=";
        assert_eq!(written("password", b"salt", 4096), text);
        let stored = Stored::read(Some(text)).unwrap();
        for _ in 0..2 {
            assert!(stored.fits(b"password"));
            assert!(
                !stored.fits(b"Password") && !stored.fits(b"") && !stored.fits(text.as_bytes())
            );
        }
    }

    #[test]
    fn a_right_password_under_a_wrong_name_is_hashed_like_a_wrong_one() {
        let fresh = || Stored::read(Some(&written("right", b"salt", 20_000))).unwrap();
        // This thread's processor time in microseconds: how busy the machine is does not count. But a
        // virtual processor may stand still meanwhile, so the least of a few is what it takes.
        let used = || {
            let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
            (usage.user_time() + usage.system_time()).num_microseconds()
        };
        let time = |stored: &Stored, name, password: &[u8], verdict| {
            let begun = used();
            assert_eq!(stored.judge(name, password), verdict);
            used() - begun
        };
        let first = (0..3).map(|_| time(&fresh(), true, b"right", Verdict::Right)).min().unwrap();
        let stored = fresh();
        assert!(stored.fits(b"right"));
        let again = (0..3).map(|_| time(&stored, true, b"right", Verdict::Right)).min().unwrap();
        assert!(again < first / 4, "remembered");
        assert!(time(&stored, false, b"right", Verdict::Wrong) > first / 4);
        assert!(time(&stored, true, b"wrong", Verdict::Wrong) > first / 4);
        assert!(time(&stored, false, b"wrong", Verdict::Wrong) > first / 4);
    }

    #[test]
    fn a_flood_of_wrong_passwords_holds_up_nobody_who_was_right_before() {
        let stored = Stored::read(Some(&written("right", b"salt", 20_000))).unwrap();
        assert!(stored.fits(b"right"));
        std::thread::scope(|scope| {
            let flood: Vec<_> =
                (0..QUEUE + 4).map(|_| scope.spawn(|| stored.judge(true, b"wrong"))).collect();
            // those that find no room are told so while the others still wait
            while !flood.iter().any(|f| f.is_finished()) {
                std::thread::yield_now();
            }
            let begun = std::time::Instant::now();
            assert!(stored.fits(b"right"));
            let took = begun.elapsed();
            let verdicts: Vec<_> = flood.into_iter().map(|f| f.join().unwrap()).collect();
            assert!(verdicts.contains(&Verdict::Busy) && verdicts.contains(&Verdict::Wrong));
            assert!(took < begun.elapsed() / 2, "{took:?}");
        });
        assert_eq!(stored.judge(true, b"right"), Verdict::Right);
    }

    #[test]
    fn new_hashes_are_salted_and_fit() {
        let salts: [[u8; 16]; 2] = [random().unwrap(), random().unwrap()];
        let [one, two] = salts.map(|salt| written("pa:ss wörd", &salt, 1000));
        assert_ne!(one, two);
        assert!(Stored::read(Some(&one)).unwrap().fits("pa:ss wörd".as_bytes()));
    }

    #[test]
    fn what_is_no_hash_is_an_error() {
        let hash = "xeR41ZKIyEGqUw22hFxMjZYok6ABzk4RpJY4c6qYE0o=";
        for text in [
            "",
            "4096",
            "4096$c2FsdA==",
            &format!("x$c2FsdA==${hash}"),
            &format!("1$c2FsdA==${hash}"),
            &format!("99999999$c2FsdA==${hash}"),
            &format!("4096$$ {hash}"),
            &format!("4096$c2FsdA==${hash}$x"),
            "4096$c2FsdA==$c2FsdA==",
            "4096$*$*",
        ] {
            let text = format!("{SALTED}{text}");
            assert!(Stored::read(Some(&text)).is_err(), "{text}");
        }
    }
}

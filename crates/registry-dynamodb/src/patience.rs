//! How often, and for how long, something is tried while others are in the way.

use std::time::Duration;

use registry_core::clock::{Clock, Wake};
use registry_core::store::StoreError;

use crate::error::Trouble;

/// The first pause after others were in the way; each further one may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Runs `go` until it has an answer (`None`: others were first), for as long as `patience` at most.
pub(crate) fn until_done<T>(
    clock: &dyn Clock,
    patience: Duration,
    mut go: impl FnMut() -> Result<Option<T>, Trouble>,
) -> Result<T, StoreError> {
    let begun = clock.boot();
    let mut longest = FIRST_PAUSE;
    loop {
        match go() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) | Err(Trouble::Contended) => {}
            Err(
                Trouble::Unclear(error) | Trouble::Refused(error) | Trouble::Credentials(error),
            ) => {
                return Err(error);
            }
        }
        let waited = clock.boot().since(&begun).unwrap_or(patience);
        if waited >= patience {
            return Err(StoreError::Busy {
                holder: None,
                waited,
            });
        }
        if clock.sleep(longest.mul_f64(0.1 + 0.9 * random_share())) == Wake::Stopped {
            return Err(StoreError::Stopped);
        }
        longest = (longest * 2).min(LONGEST_PAUSE);
    }
}

/// Between 0 and 1; one half where the system gives no random numbers (then waiting is only less spread out).
fn random_share() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

//! [`Reload`]: what was made of files, made again when one of them has changed.
//!
//! Certificates and keys are replaced while programs run. Reading them all at each connect would cost milliseconds;
//! asking whether they have changed costs a system call each.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use aquifer_driver::Result;

use crate::{Files, Stat};

/// Makes a thing of files at the first call, and again when a file has appeared, changed or gone.
pub struct Reload<T> {
    made: Mutex<Option<Made<T>>>,
}

struct Made<T> {
    /// The files as they were; `None` for one that could not be had.
    files: Vec<Option<Stat>>,
    thing: T,
}

impl<T: Clone> Reload<T> {
    /// Nothing is made yet.
    #[must_use]
    pub fn new() -> Self {
        Self { made: Mutex::new(None) }
    }

    /// The thing made of files that are now as `paths` say. The same paths in the same order are asked for each
    /// time; a path that is not given any more, or is new, counts as a change. Blocks while files are read, and
    /// while another caller makes it.
    ///
    /// # Errors
    ///
    /// Those of `make`. What was made before is not used any more then: its files are not what they were.
    pub fn get<'p>(
        &self,
        files: &dyn Files,
        paths: impl IntoIterator<Item = Option<&'p Path>>,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        // Before they are read, so that a change in between is seen by the next call.
        let now: Vec<_> = paths.into_iter().map(|path| files.stat(path?).ok()).collect();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref().filter(|made| made.files == now) {
            return Ok(made.thing.clone());
        }
        let thing = make()?;
        *made = Some(Made { files: now, thing: thing.clone() });
        Ok(thing)
    }
}

impl<T: Clone> Default for Reload<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Reload<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GivenFiles;
    use aquifer_driver::{Error, ErrorKind};

    fn file(text: &str) -> GivenFiles {
        GivenFiles(vec![("/key".into(), text.into(), 0o600)])
    }

    #[test]
    fn it_is_made_again_only_when_a_file_has_appeared_changed_or_gone() {
        let reload = Reload::new();
        let mut made = 0;
        let mut get = |files: &GivenFiles| {
            let paths = [Some(Path::new("/key")), None];
            reload.get(files, paths, || {
                made += 1;
                Ok(made)
            })
        };
        assert_eq!(get(&GivenFiles::default()).unwrap(), 1);
        assert_eq!(get(&file("old")).unwrap(), 2);
        assert_eq!(get(&file("old")).unwrap(), 2);
        assert_eq!(get(&file("newer")).unwrap(), 3);
        assert_eq!(get(&GivenFiles::default()).unwrap(), 4);
    }

    #[test]
    fn what_was_made_of_files_that_have_changed_is_not_used_though_the_new_ones_are_bad() {
        let reload = Reload::new();
        let paths = || [Some(Path::new("/key"))];
        assert_eq!(reload.get(&file("good"), paths(), || Ok(1)).unwrap(), 1);
        let bad = || Err(Error::new(ErrorKind::Configuration, "junk"));
        reload.get(&file("bad"), paths(), bad).unwrap_err();
        assert_eq!(reload.get(&file("good"), paths(), || Ok(2)).unwrap(), 1);
    }
}

//! Files that are read again and again, and what was made of them when they last were good.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use ring::digest::{Context, SHA256};
use zeroize::Zeroizing;

/// No file that is watched is longer, in bytes.
const LONGEST_FILE: u64 = 4 << 20;

/// Makes something of the files' contents, or says what is wrong with them; no secret is in what it says.
type Make<T> = Box<dyn Fn(&[Zeroizing<Vec<u8>>]) -> Result<T, String> + Send + Sync>;

/// Something made of files, which changes when they do. What does not read or fit never replaces what did.
pub struct Reloaded<T> {
    files: Vec<PathBuf>,
    make: Make<T>,
    /// Tells what was looked at last, be it good or bad, without keeping it: it may be a key.
    seen: Mutex<Vec<u8>>,
    current: ArcSwap<T>,
}

impl<T> Reloaded<T> {
    /// Reads the files for the first time; what is wrong with them is an error this once.
    pub async fn load(
        files: Vec<PathBuf>,
        make: impl Fn(&[Zeroizing<Vec<u8>>]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let contents = read(&files).await?;
        let current = make(&contents).map_err(|problem| with_names(&files, &problem))?;
        Ok(Self {
            make: Box::new(make),
            seen: Mutex::new(fingerprint(&contents)),
            current: ArcSwap::from_pointee(current),
            files,
        })
    }

    /// What the files came to when they last were good.
    pub fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Looks at the files again. What cannot be used is logged, once, and nothing changes.
    pub async fn reload(&self) {
        let contents = match read(&self.files).await {
            Ok(contents) => contents,
            Err(problem) => {
                if self.is_new(problem.clone().into_bytes()) {
                    tracing::warn!(problem, "what was read from the files before stays in use");
                }
                return;
            }
        };
        if !self.is_new(fingerprint(&contents)) {
            return;
        }
        match (self.make)(&contents) {
            Ok(made) => {
                self.current.store(Arc::new(made));
                tracing::info!(files = ?self.files, "files that changed are in use");
            }
            Err(problem) => {
                let problem = with_names(&self.files, &problem);
                tracing::warn!(problem, "what was read from the files before stays in use");
            }
        }
    }

    /// Whether this was not what was seen last; it is, from now on.
    fn is_new(&self, seen: Vec<u8>) -> bool {
        let mut before = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let new = *before != seen;
        *before = seen;
        new
    }
}

impl<T> fmt::Debug for Reloaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloaded")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

async fn read(files: &[PathBuf]) -> Result<Vec<Zeroizing<Vec<u8>>>, String> {
    let mut contents = Vec::new();
    for file in files {
        let read = async {
            match tokio::fs::metadata(file).await?.len() {
                0..=LONGEST_FILE => tokio::fs::read(file).await,
                _ => Err(io::Error::from(io::ErrorKind::FileTooLarge)),
            }
        };
        let read = read.await;
        contents.push(Zeroizing::new(read.map_err(|error| {
            with_names(std::slice::from_ref(file), &error.to_string())
        })?));
    }
    Ok(contents)
}

fn fingerprint(contents: &[Zeroizing<Vec<u8>>]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for content in contents {
        context.update(&(content.len() as u64).to_be_bytes());
        context.update(content);
    }
    context.finish().as_ref().to_vec()
}

fn with_names(files: &[PathBuf], problem: &str) -> String {
    let names: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    format!("{}: {problem}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(contents: &[Zeroizing<Vec<u8>>]) -> Result<u32, String> {
        let text = String::from_utf8_lossy(&contents[0]);
        text.parse().map_err(|_| "is no number".to_owned())
    }

    #[tokio::test]
    async fn what_is_bad_never_replaces_what_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        write("one");
        let refused = Reloaded::load(vec![file.clone()], number)
            .await
            .unwrap_err();
        assert!(refused.ends_with("number: is no number"), "{refused}");

        write("1");
        let reloaded = Reloaded::load(vec![file.clone()], number).await.unwrap();
        for (text, becomes) in [("2", 2), ("two", 2), ("3", 3), ("", 3)] {
            write(text);
            reloaded.reload().await;
            assert_eq!(*reloaded.current(), becomes, "{text:?}");
        }
        std::fs::remove_file(&file).unwrap();
        reloaded.reload().await;
        assert_eq!(*reloaded.current(), 3, "without the file");
        write("4");
        reloaded.reload().await;
        assert_eq!(*reloaded.current(), 4, "with the file there again");
    }
}

//! Pages of listings: sizes within bounds, tokens that are opaque to callers.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokend_model::ports::Page;
use tokend_vending::Error;

const DEFAULT_SIZE: i32 = 50;
const LARGEST_SIZE: i32 = 1000;

/// What a request asks for; one row more is read, to know whether another page follows.
pub(crate) struct PageRequest {
    size: usize,
    after: Option<String>,
}

impl PageRequest {
    pub(crate) fn new(page_size: i32, page_token: &str) -> Result<Self, Error> {
        let size = match page_size {
            0 => DEFAULT_SIZE,
            size if size < 0 => return Err(Error::invalid("page_size", "must not be negative")),
            size => size.min(LARGEST_SIZE),
        };
        let after = match page_token {
            "" => None,
            token => Some(read(token).ok_or_else(|| {
                Error::invalid(
                    "page_token",
                    "must be a next_page_token from an earlier answer",
                )
            })?),
        };
        Ok(Self {
            size: usize::try_from(size).unwrap_or_default(),
            after,
        })
    }

    /// What to ask storage for.
    pub(crate) fn to_read(&self) -> Page {
        Page {
            after: self.after.clone(),
            limit: self.size as u64 + 1,
        }
    }

    /// Cuts what was read to the page, and makes the next page's token from the last id on it.
    pub(crate) fn cut<T>(&self, rows: &mut Vec<T>, id: impl Fn(&T) -> &str) -> String {
        if rows.len() <= self.size {
            return String::new();
        }
        rows.truncate(self.size);
        rows.last()
            .map(|row| URL_SAFE_NO_PAD.encode(id(row)))
            .unwrap_or_default()
    }

    /// The page of rows that are all in memory, ordered by id here: a database's collation, or a key made of several
    /// ids, orders otherwise than the token is compared, and would lose rows between pages.
    pub(crate) fn take<T>(&self, rows: Vec<T>, id: impl Fn(&T) -> &str) -> (Vec<T>, String) {
        let after = self.after.as_deref().unwrap_or_default();
        let mut rows: Vec<_> = rows.into_iter().filter(|row| id(row) > after).collect();
        rows.sort_by(|one, other| id(one).cmp(id(other)));
        let next = self.cut(&mut rows, id);
        (rows, next)
    }
}

fn read(token: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paged(all: &[&'static str], size: i32) -> Vec<&'static str> {
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = PageRequest::new(size, &token).expect("a token of ours");
            let (rows, next) = page.take(all.to_vec(), |row| row);
            seen.extend(rows);
            if next.is_empty() {
                return seen;
            }
            token = next;
        }
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        // As a database might order them: by language, or by the first part of a key alone.
        for all in [
            ["a", "b", "c", "d", "e"],
            ["a", "B", "c", "D", "e"],
            ["crm/1", "crm/2", "crm-eu/1", "crm-eu/2", "crm_us/1"],
        ] {
            let mut expected = all;
            expected.sort_unstable();
            for size in [1, 2, 5] {
                assert_eq!(paged(&all, size), expected, "{size} a page");
            }
        }
        assert!(PageRequest::new(-1, "").is_err());
        assert!(PageRequest::new(0, "%").is_err());
    }
}

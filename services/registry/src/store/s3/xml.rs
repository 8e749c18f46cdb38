//! What is read of the server's answers, which are small and of a fixed form.

/// The texts of all elements with this name, in order. Elements of one name do not lie in each other.
pub(super) fn all<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&begin)?;
        let (text, after) = after.split_once(&end)?;
        rest = after;
        Some(text)
    })
}

/// The text of the first element with this name.
pub(super) fn first<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    all(xml, name).next()
}

/// A text without entities.
pub(super) fn plain(text: &str) -> String {
    let known = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    known.iter().fold(text.to_owned(), |text, (entity, sign)| text.replace(entity, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_in_order() {
        let xml = "<L><IsTruncated>true</IsTruncated><Contents><Key>a&amp;b</Key></Contents>\
                   <Contents><Key>c</Key></Contents><CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes></L>";
        assert_eq!(all(xml, "Key").map(plain).collect::<Vec<_>>(), ["a&b", "c"]);
        assert_eq!((first(xml, "IsTruncated"), first(xml, "Code")), (Some("true"), None));
        assert_eq!(all(xml, "CommonPrefixes").filter_map(|one| first(one, "Prefix")).collect::<Vec<_>>(), ["d/"]);
        assert_eq!(all("<Key>never closed", "Key").count(), 0);
    }
}

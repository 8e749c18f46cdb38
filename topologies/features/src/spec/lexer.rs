//! Tokens of an aggregate expression, one at a time: what follows `where` is SQL and is taken as it stands.

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    /// Digits and what hangs on them: a number, or a duration.
    Number(&'a str),
    Symbol(char),
    End,
}

/// A text and how far it is read.
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Byte at which the next token or space begins.
    next: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Lexer { text, next: 0 }
    }

    /// The next token, and its position in characters from 1.
    pub fn peek(&self) -> (Token<'a>, usize) {
        let (token, start, _) = self.look();
        (token, self.text[..start].chars().count() + 1)
    }

    /// Goes behind the next token.
    pub fn next(&mut self) {
        self.next = self.look().2;
    }

    /// Takes all up to the parenthesis that closes the one the reader is in, or the end. Quoted ones do not count.
    pub fn raw(&mut self) -> &'a str {
        let (start, mut depth, mut quote) = (self.next, 0_usize, None);
        let rest = &self.text[start..];
        let closing = rest.char_indices().find(|(_, c)| {
            match (quote, c) {
                (Some(open), c) if open == *c => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(*c),
                (None, '(') => depth += 1,
                (None, ')') if depth == 0 => return true,
                (None, ')') => depth -= 1,
                _ => {}
            }
            false
        });
        let length = closing.map_or(rest.len(), |(at, _)| at);
        self.next = start + length;
        &rest[..length]
    }

    /// The next token with its first byte and the one behind it.
    fn look(&self) -> (Token<'a>, usize, usize) {
        let rest = self.text[self.next..].trim_start();
        let start = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return (Token::End, start, start) };
        let (token, length) = match first {
            _ if first.is_alphabetic() || first == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Token::Word(&rest[..length]), length)
            }
            _ if first.is_ascii_digit() || first == '.' => {
                let length = number_length(rest);
                (Token::Number(&rest[..length]), length)
            }
            _ => (Token::Symbol(first), first.len_utf8()),
        };
        (token, start, start + length)
    }
}

/// Length of the number at the start of `text`: digits, letters and a point, and the sign of an exponent.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut length = 0;
    while length < bytes.len() {
        let signed = matches!(bytes[length], b'+' | b'-') && length > 0 && matches!(bytes[length - 1], b'e' | b'E');
        if !signed && !bytes[length].is_ascii_alphanumeric() && bytes[length] != b'.' {
            break;
        }
        length += 1;
    }
    length
}

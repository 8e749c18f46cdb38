//! Reading one aggregate expression.

use super::{Error, Function, Scope, Source, Statistic, nearest};

const FUNCTIONS: [&str; 9] = ["count", "sum", "avg", "min", "max", "stddev", "last", "time_since_last", "coalesce"];

/// What others call our functions.
const ALIASES: [(&str, &str); 8] = [
    ("mean", "avg"),
    ("average", "avg"),
    ("std", "stddev"),
    ("stdev", "stddev"),
    ("stddev_samp", "stddev"),
    ("minimum", "min"),
    ("maximum", "max"),
    ("total", "sum"),
];

/// Parses `text` against `scope`; event columns it names are added to `columns` unless they are there.
pub(super) fn aggregate(
    field: &str,
    text: &str,
    scope: &Scope<'_>,
    columns: &mut Vec<String>,
) -> Result<(Function, Option<f64>), Error> {
    let mut parser = Parser { field, text, scope, tokens: tokens(field, text)?, next: 0 };
    let (name, at) = parser.word("an aggregate such as `count()`")?;
    let parsed = if name.eq_ignore_ascii_case("coalesce") {
        parser.symbol('(', "`(`")?;
        let (name, at) = parser.word("an aggregate such as `avg(column)`")?;
        let function = parser.call(name, at, columns)?;
        parser.symbol(',', "`,` and the number to use for null")?;
        let default = parser.number()?;
        parser.symbol(')', "`)`")?;
        (function, Some(default))
    } else {
        (parser.call(name, at, columns)?, None)
    };
    match parser.tokens.get(parser.next) {
        None => Ok(parsed),
        Some(_) => Err(parser.syntax("the end of the expression")),
    }
}

#[derive(Clone, Copy)]
enum Token<'a> {
    Word(&'a str),
    Number(&'a str),
    Symbol(char),
}

struct Parser<'a> {
    field: &'a str,
    text: &'a str,
    scope: &'a Scope<'a>,
    tokens: Vec<(Token<'a>, usize)>,
    next: usize,
}

impl<'a> Parser<'a> {
    fn call(&mut self, name: &'a str, at: usize, columns: &mut Vec<String>) -> Result<Function, Error> {
        let lower = name.to_ascii_lowercase();
        let statistic = match lower.as_str() {
            "count" => Statistic::Count,
            "sum" => Statistic::Sum,
            "avg" => Statistic::Avg,
            "min" => Statistic::Min,
            "max" => Statistic::Max,
            "stddev" => Statistic::Stddev,
            "last" => Statistic::Last,
            "time_since_last" => {
                self.symbol('(', "`(`")?;
                self.symbol(')', "`)` (`time_since_last` takes no column)")?;
                return Ok(Function::TimeSinceLast);
            }
            "coalesce" => {
                return Err(self.unknown_function(name, at, "`coalesce` cannot stand inside `coalesce`".into()));
            }
            _ => return Err(self.unknown_function(name, at, function_help(&lower))),
        };
        self.symbol('(', "`(`")?;
        if statistic == Statistic::Count && self.peek_symbol(')') {
            self.next += 1;
            return Ok(Function::Count);
        }
        let (column, at) = self.word("a column")?;
        let source = self.column(column, at, columns)?;
        self.symbol(')', "`)`")?;
        Ok(Function::Of(statistic, source))
    }

    fn column(&self, name: &str, at: usize, columns: &mut Vec<String>) -> Result<Source, Error> {
        let (field, text) = (self.field.to_owned(), self.text.to_owned());
        if self.scope.target == Some(name) {
            return Ok(Source::Label);
        }
        if self.scope.numeric.contains(&name) {
            let known = columns.iter().position(|column| column == name);
            return Ok(Source::Column(known.unwrap_or_else(|| {
                columns.push(name.to_owned());
                columns.len() - 1
            })));
        }
        if self.scope.other.contains(&name) {
            return Err(Error::NotNumeric { field, text, at, name: name.into() });
        }
        let candidates = || self.scope.numeric.iter().copied().chain(self.scope.target);
        let help = match nearest(name, candidates()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", listed(candidates())),
        };
        Err(Error::UnknownColumn { field, text, at, name: name.into(), help })
    }

    fn word(&mut self, expected: &'static str) -> Result<(&'a str, usize), Error> {
        match self.tokens.get(self.next) {
            Some(&(Token::Word(word), at)) => {
                self.next += 1;
                Ok((word, at))
            }
            _ => Err(self.syntax(expected)),
        }
    }

    fn number(&mut self) -> Result<f64, Error> {
        let negative = self.peek_symbol('-');
        self.next += usize::from(negative);
        let number = match self.tokens.get(self.next) {
            Some((Token::Number(digits), _)) => digits.parse::<f64>().ok().filter(|number| number.is_finite()),
            _ => None,
        };
        let Some(number) = number else {
            return Err(self.syntax("a number"));
        };
        self.next += 1;
        Ok(if negative { -number } else { number })
    }

    fn symbol(&mut self, symbol: char, expected: &'static str) -> Result<(), Error> {
        if !self.peek_symbol(symbol) {
            return Err(self.syntax(expected));
        }
        self.next += 1;
        Ok(())
    }

    fn peek_symbol(&self, symbol: char) -> bool {
        matches!(self.tokens.get(self.next), Some((Token::Symbol(found), _)) if *found == symbol)
    }

    fn syntax(&self, expected: &'static str) -> Error {
        let (at, found) = match self.tokens.get(self.next) {
            Some((Token::Word(text) | Token::Number(text), at)) => (*at, format!("`{text}`")),
            Some((Token::Symbol(symbol), at)) => (*at, format!("`{symbol}`")),
            None => (self.text.chars().count() + 1, "the end".to_owned()),
        };
        Error::Syntax { field: self.field.into(), text: self.text.into(), at, expected, found }
    }

    fn unknown_function(&self, name: &str, at: usize, help: String) -> Error {
        Error::UnknownFunction { field: self.field.into(), text: self.text.into(), at, name: name.into(), help }
    }
}

fn function_help(name: &str) -> String {
    let aliases = ALIASES.iter().map(|(alias, _)| *alias);
    let near = nearest(name, FUNCTIONS.into_iter().chain(aliases));
    let meant =
        near.map(|near| ALIASES.iter().find(|(alias, _)| *alias == near).map_or(near, |(_, function)| function));
    match meant {
        Some(function) => format!("did you mean `{function}`?"),
        None => format!("there are {}", listed(FUNCTIONS)),
    }
}

fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Cuts the text into tokens with their positions, counted in characters from 1.
fn tokens<'a>(field: &str, text: &'a str) -> Result<Vec<(Token<'a>, usize)>, Error> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text[..text.len() - rest.len()].chars().count() + 1;
        let length = match first {
            '(' | ')' | ',' | '-' => {
                tokens.push((Token::Symbol(first), at));
                1
            }
            _ if first.is_whitespace() => first.len_utf8(),
            _ if first.is_alphabetic() || first == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.push((Token::Word(&rest[..length]), at));
                length
            }
            _ if first.is_ascii_digit() || first == '.' => {
                let length = number_length(rest);
                tokens.push((Token::Number(&rest[..length]), at));
                length
            }
            _ => {
                let (field, text) = (field.to_owned(), text.to_owned());
                return Err(Error::Syntax {
                    field,
                    text,
                    at,
                    expected: "a name, a number, `(`, `)` or `,`",
                    found: format!("`{first}`"),
                });
            }
        };
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// Length of the number at the start of `text`: digits and a point, and an exponent with its sign.
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

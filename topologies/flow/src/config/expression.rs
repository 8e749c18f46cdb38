//! A first look at SQL texts: which columns and functions they mention. Their grammar is checked where they are
//! compiled; this look is what lets a mistyped column be reported with its place and without a query engine.

use super::problem::{BAD_EXPRESSION, LABEL_LEAK, Problem, Problems, UNKNOWN_COLUMN, WRONG_COLUMN_KIND, suggest};
use super::types::{Expression, SourceSchema};
use super::values::Text;

/// Functions over the events of a window.
pub(super) const WINDOWED: &[&str] =
    &["count", "sum", "avg", "min", "max", "stddev", "first", "rate", "distinct", "quantile", "most_frequent"];

/// Functions that give one feature, and look back as far as the entity's longest window.
pub(super) const WINDOWLESS: &[&str] =
    &["last", "time_since_last", "ratio", "decayed_count", "decayed_sum", "decayed_avg"];

/// Words of SQL that are no columns.
const KEYWORDS: &[&str] = &[
    "and", "as", "between", "case", "distinct", "else", "end", "escape", "false", "from", "ilike", "in", "interval",
    "is", "like", "not", "null", "or", "similar", "then", "to", "true", "unknown", "when", "where",
];

/// Words that begin a value of their type: `timestamp '2026-01-01'`.
const TYPED_LITERALS: &[&str] = &["date", "time", "timestamp", "interval"];

/// What an SQL text mentions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mentions {
    /// Columns with their place in the text, in order, repeats included.
    pub columns: Vec<(String, usize)>,
    /// Functions likewise.
    pub functions: Vec<(String, usize)>,
}

impl Mentions {
    /// Whether one of `names` is called.
    pub fn calls(&self, names: &[&str]) -> bool {
        self.functions.iter().any(|(name, _)| names.contains(&name.as_str()))
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token<'t> {
    Word(&'t str),
    Quoted(String),
    Literal,
    Symbol(char),
}

/// Reads a text; the error is a problem at the text's place.
pub(super) fn read(text: &Text) -> Result<(Expression, Mentions), Problem> {
    let mentions = mentions(&text.text).map_err(|message| Problem {
        code: BAD_EXPRESSION,
        message,
        span: text.span,
        help: Some("an expression is SQL: `amount >= 0 and amount < 100000`".to_owned()),
    })?;
    let mut columns: Vec<String> = Vec::new();
    for (column, _) in &mentions.columns {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    Ok((Expression { text: text.text.clone(), span: text.span, columns }, mentions))
}

/// The columns an expression may mention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    /// The source; with no columns known, nothing is checked.
    pub schema: &'a SourceSchema,
    /// The label, where there is one; empty where it could not be read.
    pub target: Option<&'a str>,
    /// Whether the label may be mentioned.
    pub label_allowed: bool,
    /// Whether it has classes, whose numbers nothing can be computed of.
    pub label_has_classes: bool,
}

/// Reads an expression and checks its columns.
pub(super) fn compile(text: &Text, scope: Scope<'_>, problems: &mut Problems) -> (Expression, Mentions) {
    match read(text) {
        Ok((expression, mentions)) => {
            check_columns(text, &mentions, scope, problems);
            (expression, mentions)
        }
        Err(problem) => {
            problems.push(problem);
            let columns = Vec::new();
            (Expression { text: text.text.clone(), span: text.span, columns }, Mentions::default())
        }
    }
}

fn check_columns(text: &Text, mentions: &Mentions, scope: Scope<'_>, problems: &mut Problems) {
    let Scope { schema, target, label_allowed, label_has_classes } = scope;
    for (index, (column, at)) in mentions.columns.iter().enumerate() {
        let repeated = mentions.columns[..index].iter().any(|(earlier, _)| earlier == column);
        let maybe_label = label_allowed && target == Some("");
        if repeated || maybe_label || schema.columns.is_empty() || schema.column(column).is_some() {
            continue;
        }
        let span = problems.place(text.span, *at, column);
        if target == Some(column) {
            if !label_allowed {
                let message = format!("`{column}` is the label, which is not known when an event is judged");
                let help = "only aggregates of entities can use it".to_owned();
                problems.add_help(LABEL_LEAK, span, message, help);
            } else if label_has_classes {
                let message = format!("`{column}` has classes, and an aggregate of their numbers says nothing");
                let help = "aggregate columns of the events".to_owned();
                problems.add_help(WRONG_COLUMN_KIND, span, message, help);
            }
            continue;
        }
        let known = schema.columns.iter().map(|column| column.name.as_str());
        let spelled = known.clone().find(|name| name.to_lowercase() == *column);
        let help = match spelled {
            Some(name) => Some(format!("SQL reads names in lower case; write `\"{name}\"` in double quotes")),
            None => suggest(column, known.chain(target.filter(|_| label_allowed))),
        };
        problems.add_help(UNKNOWN_COLUMN, span, format!("`{column}` is no column of `{}`", schema.path), help);
    }
}

fn mentions(text: &str) -> Result<Mentions, String> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Err("the expression is empty".to_owned());
    }
    let mut found = Mentions::default();
    let mut open: Vec<&str> = Vec::new();
    let mut previous: Option<&Token<'_>> = None;
    for (index, (token, at)) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1).map(|(token, _)| token);
        match token {
            Token::Symbol('(') => open.push(match previous {
                Some(Token::Word(word)) => word,
                _ => "",
            }),
            Token::Symbol(')') if open.pop().is_none() => return Err("a `)` closes nothing".to_owned()),
            Token::Quoted(name) => found.columns.push((name.clone(), *at)),
            Token::Word(word) => {
                let lower = word.to_lowercase();
                let called = next == Some(&Token::Symbol('('));
                let is_aggregate = called && WINDOWED.contains(&lower.as_str());
                let is_keyword = KEYWORDS.contains(&lower.as_str()) && !is_aggregate;
                if is_keyword || names_no_column(&open, previous, next, &lower) {
                } else if called {
                    found.functions.push((lower, *at));
                } else {
                    found.columns.push((lower, *at));
                }
            }
            _ => {}
        }
        previous = Some(token);
    }
    if open.is_empty() { Ok(found) } else { Err("a `(` is never closed".to_owned()) }
}

/// Words that stand for a field of a time, a type or a typed literal.
fn names_no_column(open: &[&str], previous: Option<&Token<'_>>, next: Option<&Token<'_>>, word: &str) -> bool {
    let after = |wanted: &str| matches!(previous, Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
    let inside = |wanted: &str| open.last().is_some_and(|word| word.eq_ignore_ascii_case(wanted));
    let time_field = inside("extract") && previous == Some(&Token::Symbol('('));
    let type_name = (inside("cast") || inside("try_cast")) && after("as");
    let typed_literal = TYPED_LITERALS.contains(&word) && next == Some(&Token::Literal);
    let shorthand_cast = previous == Some(&Token::Symbol(':'));
    time_field || type_name || typed_literal || shorthand_cast
}

fn tokens(text: &str) -> Result<Vec<(Token<'_>, usize)>, String> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, len) = match c {
            c if c.is_whitespace() => (None, c.len_utf8()),
            '\'' => (Some(Token::Literal), quoted(rest, '\'')?.1),
            '"' => {
                let (name, len) = quoted(rest, '"')?;
                (Some(Token::Quoted(name)), len)
            }
            c if c.is_ascii_digit() => (Some(Token::Literal), number_len(rest)),
            c if c.is_alphabetic() || c == '_' => {
                let word = |c: char| c.is_alphanumeric() || c == '_';
                let len = rest.find(|c| !word(c)).unwrap_or(rest.len());
                (Some(Token::Word(&rest[..len])), len)
            }
            ';' => return Err("an expression holds no `;`".to_owned()),
            c => (Some(Token::Symbol(c)), c.len_utf8()),
        };
        tokens.extend(token.map(|token| (token, at)));
        at += len;
    }
    Ok(tokens)
}

/// The text between two quotes, doubled ones inside taken as one, and the length with the quotes.
fn quoted(text: &str, quote: char) -> Result<(String, usize), String> {
    let mut inside = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            inside.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
            inside.push(c);
            chars.next();
        } else {
            return Ok((inside, at + 1));
        }
    }
    Err(format!("a {quote} is never closed"))
}

fn number_len(text: &str) -> usize {
    let mut last = ' ';
    text.find(|c: char| {
        let sign_of_exponent = matches!(c, '+' | '-') && matches!(last, 'e' | 'E');
        // A duration is one word: `30d`.
        let goes_on = c.is_ascii_alphanumeric() || c == '.' || sign_of_exponent;
        last = c;
        !goes_on
    })
    .unwrap_or(text.len())
}

//! Reading one aggregate expression.

mod arguments;
mod functions;

use super::lexer::{Lexer, Token};
use super::{Aggregate, Decayed, Error, Function, Input, Scope, Source, Statistic, Window};
use functions::{FUNCTIONS, simple};

/// An expression, where it stands, and what it may name.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub name: &'a str,
    pub field: &'a str,
    pub text: &'a str,
    pub scope: &'a Scope<'a>,
    pub windows: &'a [Window],
}

/// Reads an aggregate; what it takes of events is added to `inputs` unless it is there.
pub(super) fn aggregate(place: Place<'_>, inputs: &mut Vec<Input>) -> Result<Aggregate, Error> {
    let mut parser = Parser { place, lexer: Lexer::new(place.text), inputs };
    let (name, at) = parser.word("an aggregate such as `count()`")?;
    let aggregate = if name.eq_ignore_ascii_case("coalesce") {
        parser.symbol('(', "`(`")?;
        let (name, at) = parser.word("an aggregate such as `avg(column)`")?;
        let aggregate = parser.call(name, at)?;
        parser.symbol(',', "`,` and the number to use for null")?;
        let default = parser.number()?;
        parser.symbol(')', "`)`")?;
        Aggregate { default: Some(default), ..aggregate }
    } else {
        parser.call(name, at)?
    };
    match parser.lexer.peek().0 {
        Token::End => Ok(aggregate),
        _ => Err(parser.syntax("the end of the expression")),
    }
}

struct Parser<'a, 'i> {
    place: Place<'a>,
    lexer: Lexer<'a>,
    inputs: &'i mut Vec<Input>,
}

impl<'a> Parser<'a, '_> {
    fn call(&mut self, name: &'a str, at: usize) -> Result<Aggregate, Error> {
        let lower = name.to_ascii_lowercase();
        if lower == "coalesce" {
            return Err(self.unknown_function(name, at, "`coalesce` cannot stand inside `coalesce`".into()));
        }
        if !FUNCTIONS.contains(&lower.as_str()) {
            return Err(self.unknown_function(name, at, functions::help(&lower)));
        }
        self.symbol('(', "`(`")?;
        let aggregate = match lower.as_str() {
            "ratio" => self.ratio()?,
            "time_since_last" => self.plain(Function::TimeSinceLast),
            "count" | "rate" => self.count(lower == "rate")?,
            "decayed_count" | "decayed_sum" | "decayed_avg" => self.decayed(&lower)?,
            "distinct" => {
                let source = self.source_of(true)?;
                self.statistic(Statistic::Distinct, source)?
            }
            "quantile" => {
                let source = self.source()?;
                self.symbol(',', "`,` and a share such as `0.95`")?;
                let millionths = self.millionths()?;
                self.statistic(Statistic::Quantile(millionths), source)?
            }
            _ => {
                let source = self.source()?;
                self.statistic(simple(&lower), source)?
            }
        };
        let expected = if lower == "time_since_last" { "`)` (`time_since_last` takes no column)" } else { "`)`" };
        self.symbol(')', expected)?;
        Ok(aggregate)
    }

    fn plain(&self, function: Function) -> Aggregate {
        Aggregate {
            name: self.place.name.into(),
            function,
            per_second: false,
            ratio: None,
            default: None,
            skips_late: false,
        }
    }

    /// `count` or `rate`, of events or of a column.
    fn count(&mut self, per_second: bool) -> Result<Aggregate, Error> {
        let aggregate = if self.at_symbol(')') {
            self.plain(Function::Count)
        } else if self.at_where() {
            self.statistic(Statistic::Count, Of::Events)?
        } else {
            let source = self.source()?;
            self.statistic(if per_second { Statistic::Sum } else { Statistic::Count }, source)?
        };
        Ok(Aggregate { per_second, ..aggregate })
    }

    fn ratio(&mut self) -> Result<Aggregate, Error> {
        let (name, at) = self.word("an aggregate such as `count()`")?;
        let inner = self.call(name, at)?;
        if !inner.windowed() {
            let expected = "an aggregate with a value per window, such as `count()`".to_owned();
            let Place { field, text, .. } = self.place;
            let (field, text, found) = (field.to_owned(), text.to_owned(), format!("`{name}`"));
            return Err(Error::Syntax { field, text, at, expected, found });
        }
        self.symbol(',', "`,` and the window above the line")?;
        let above = self.window()?;
        self.symbol(',', "`,` and the window below the line")?;
        let below = self.window()?;
        Ok(Aggregate { ratio: Some((above, below)), ..inner })
    }

    fn decayed(&mut self, name: &str) -> Result<Aggregate, Error> {
        let of_events = name == "decayed_count" && matches!(self.lexer.peek().0, Token::Number(_));
        let source = if of_events { Of::Events } else { self.source()? };
        if !of_events {
            self.symbol(',', "`,` and a half-life such as `12h`")?;
        }
        let half_life_us = self.half_life()?;
        if of_events && !self.at_where() {
            return Ok(self.plain(Function::DecayedCount { half_life_us }));
        }
        let decayed = match name {
            "decayed_count" => Decayed::Count,
            "decayed_sum" => Decayed::Sum,
            _ => Decayed::Avg,
        };
        self.statistic(Statistic::Decayed(decayed, half_life_us), source)
    }

    /// A statistic of a column whose other arguments are read, with its condition if there is one.
    fn statistic(&mut self, statistic: Statistic, of: Of<'a>) -> Result<Aggregate, Error> {
        let column = match of {
            Of::Label if self.at_where() => return Err(self.syntax("`)` (a label has no columns for a condition)")),
            Of::Label => return Ok(self.plain(Function::Of(statistic, Source::Label))),
            Of::Events => None,
            Of::Column(column) | Of::Text(column) => Some(column.to_owned()),
        };
        let input = Input { column, hashed: matches!(of, Of::Text(_)), condition: self.condition()? };
        let is_same = |other: &Input| {
            let text = |input: &Input| input.condition.as_ref().map(|condition| condition.text.clone());
            other.column == input.column && text(other) == text(&input)
        };
        let known = self.inputs.iter().position(is_same).unwrap_or_else(|| {
            self.inputs.push(input);
            self.inputs.len() - 1
        });
        Ok(self.plain(Function::Of(statistic, Source::Column(known))))
    }

    fn syntax(&self, expected: &str) -> Error {
        let (token, at) = self.lexer.peek();
        let found = match token {
            Token::Word(text) | Token::Number(text) => format!("`{text}`"),
            Token::Symbol(symbol) => format!("`{symbol}`"),
            Token::End => "the end".to_owned(),
        };
        let Place { field, text, .. } = self.place;
        Error::Syntax { field: field.into(), text: text.into(), at, expected: expected.into(), found }
    }

    fn unknown_function(&self, name: &str, at: usize, help: String) -> Error {
        let Place { field, text, .. } = self.place;
        Error::UnknownFunction { field: field.into(), text: text.into(), at, name: name.into(), help }
    }
}

/// What a statistic is of.
#[derive(Clone, Copy)]
enum Of<'a> {
    Events,
    Column(&'a str),
    Text(&'a str),
    Label,
}

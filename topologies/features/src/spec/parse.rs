//! Reading one aggregate expression.

use flow::config::{listed, nearest};

use super::lexer::{Lexer, Token};
use super::{
    Aggregate, Condition, Decayed, Error, Function, Input, Scope, Source, Statistic, Window, parse_duration_us,
};

/// All functions.
const FUNCTIONS: [&str; 18] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "stddev",
    "first",
    "last",
    "distinct",
    "quantile",
    "most_frequent",
    "rate",
    "ratio",
    "decayed_count",
    "decayed_sum",
    "decayed_avg",
    "time_since_last",
    "coalesce",
];

/// What others call our functions.
const ALIASES: [(&str, &str); 18] = [
    ("mean", "avg"),
    ("average", "avg"),
    ("std", "stddev"),
    ("stdev", "stddev"),
    ("stddev_samp", "stddev"),
    ("minimum", "min"),
    ("maximum", "max"),
    ("total", "sum"),
    ("first_value", "first"),
    ("last_value", "last"),
    ("frequency", "rate"),
    ("ewma", "decayed_avg"),
    ("count_distinct", "distinct"),
    ("nunique", "distinct"),
    ("percentile", "quantile"),
    ("median", "quantile"),
    ("mode", "most_frequent"),
    ("most_common", "most_frequent"),
];

/// Parts of one.
const MILLIONTHS: f64 = 1e6;

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
            return Err(self.unknown_function(name, at, function_help(&lower)));
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
        Aggregate { name: self.place.name.into(), function, per_second: false, ratio: None, default: None }
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

    fn condition(&mut self) -> Result<Option<Condition>, Error> {
        if !self.at_where() {
            return Ok(None);
        }
        self.lexer.next();
        let text = self.lexer.raw().trim();
        if text.is_empty() {
            return Err(self.syntax("a condition such as `amount > 100`"));
        }
        Ok(Some(Condition { text: text.to_owned(), aggregate: self.place.name.to_owned() }))
    }

    fn at_where(&self) -> bool {
        matches!(self.lexer.peek().0, Token::Word(word) if word.eq_ignore_ascii_case("where"))
    }

    fn source(&mut self) -> Result<Of<'a>, Error> {
        self.source_of(false)
    }

    /// A column, or the label; one with texts if they will do.
    fn source_of(&mut self, texts: bool) -> Result<Of<'a>, Error> {
        let (name, at) = self.word("a column")?;
        let Place { field, text, scope, .. } = self.place;
        if scope.target == Some(name) {
            return Ok(Of::Label);
        }
        if scope.numeric.contains(&name) {
            return Ok(Of::Column(name));
        }
        if texts && scope.texts.contains(&name) {
            return Ok(Of::Text(name));
        }
        let (field, text) = (field.to_owned(), text.to_owned());
        if scope.texts.contains(&name) || scope.other.contains(&name) {
            let kind =
                if texts { "neither a number nor a boolean nor a text" } else { "neither a number nor a boolean" };
            return Err(Error::Kind { field, text, at, name: name.into(), kind });
        }
        let more = if texts { scope.texts.as_slice() } else { &[] };
        let candidates = || scope.numeric.iter().chain(more).copied().chain(scope.target);
        let help = match nearest(name, candidates()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", listed(candidates())),
        };
        Err(Error::UnknownColumn { field, text, at, name: name.into(), help })
    }

    fn word(&mut self, expected: &str) -> Result<(&'a str, usize), Error> {
        match self.lexer.peek() {
            (Token::Word(word), at) => {
                self.lexer.next();
                Ok((word, at))
            }
            _ => Err(self.syntax(expected)),
        }
    }

    fn number(&mut self) -> Result<f64, Error> {
        let negative = self.at_symbol('-');
        if negative {
            self.lexer.next();
        }
        let number = match self.lexer.peek().0 {
            Token::Number(digits) => digits.parse::<f64>().ok().filter(|number| number.is_finite()),
            _ => None,
        };
        let Some(number) = number else {
            return Err(self.syntax("a number"));
        };
        self.lexer.next();
        Ok(if negative { -number } else { number })
    }

    /// One of the group's windows, in any words.
    fn window(&mut self) -> Result<usize, Error> {
        let length_us = match self.lexer.peek().0 {
            Token::Number(text) => parse_duration_us(text),
            _ => None,
        };
        let windows = self.place.windows;
        match windows.iter().position(|window| Some(window.length_us) == length_us) {
            Some(window) => {
                self.lexer.next();
                Ok(window)
            }
            None => {
                let known = listed(windows.iter().map(|window| window.text.as_str()));
                Err(self.syntax(&format!("one of the windows {known}")))
            }
        }
    }

    /// A share from 0 to 1, in millionths.
    fn millionths(&mut self) -> Result<u32, Error> {
        let found = match self.lexer.peek().0 {
            Token::Number(digits) => digits.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share)),
            _ => None,
        };
        let exact = |share: f64| {
            let millionths = (share * MILLIONTHS).round();
            (millionths / MILLIONTHS == share).then_some(millionths as u32)
        };
        let millionths = found.and_then(exact);
        let millionths =
            millionths.ok_or_else(|| self.syntax("a share from 0 to 1 with at most six decimals, such as `0.95`"))?;
        self.lexer.next();
        Ok(millionths)
    }

    fn half_life(&mut self) -> Result<i64, Error> {
        let found = match self.lexer.peek().0 {
            Token::Number(text) => parse_duration_us(text).filter(|half_life_us| *half_life_us > 0),
            _ => None,
        };
        let half_life_us = found.ok_or_else(|| self.syntax("a half-life such as `12h`"))?;
        self.lexer.next();
        Ok(half_life_us)
    }

    fn symbol(&mut self, symbol: char, expected: &str) -> Result<(), Error> {
        if !self.at_symbol(symbol) {
            return Err(self.syntax(expected));
        }
        self.lexer.next();
        Ok(())
    }

    fn at_symbol(&self, symbol: char) -> bool {
        self.lexer.peek().0 == Token::Symbol(symbol)
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

/// Statistics that take a column and nothing else.
fn simple(name: &str) -> Statistic {
    match name {
        "sum" => Statistic::Sum,
        "avg" => Statistic::Avg,
        "min" => Statistic::Min,
        "max" => Statistic::Max,
        "stddev" => Statistic::Stddev,
        "first" => Statistic::First,
        "most_frequent" => Statistic::MostFrequent,
        _ => Statistic::Last,
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

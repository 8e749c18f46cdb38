//! What stands between the brackets of an aggregate: columns, numbers, windows, conditions.

use flow::config::{listed, nearest};

use super::super::lexer::Token;
use super::super::{Condition, Error, parse_duration_us};
use super::{Of, Parser, Place};

/// Parts of one.
const MILLIONTHS: f64 = 1e6;

impl<'a> Parser<'a, '_> {
    pub fn condition(&mut self) -> Result<Option<Condition>, Error> {
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

    pub fn at_where(&self) -> bool {
        matches!(self.lexer.peek().0, Token::Word(word) if word.eq_ignore_ascii_case("where"))
    }

    pub fn source(&mut self) -> Result<Of<'a>, Error> {
        self.source_of(false)
    }

    /// A column, or the label; one with texts if they will do.
    pub fn source_of(&mut self, texts: bool) -> Result<Of<'a>, Error> {
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

    pub fn word(&mut self, expected: &str) -> Result<(&'a str, usize), Error> {
        match self.lexer.peek() {
            (Token::Word(word), at) => {
                self.lexer.next();
                Ok((word, at))
            }
            _ => Err(self.syntax(expected)),
        }
    }

    pub fn number(&mut self) -> Result<f64, Error> {
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
    pub fn window(&mut self) -> Result<usize, Error> {
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
    pub fn millionths(&mut self) -> Result<u32, Error> {
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

    pub fn half_life(&mut self) -> Result<i64, Error> {
        let found = match self.lexer.peek().0 {
            Token::Number(text) => parse_duration_us(text).filter(|half_life_us| *half_life_us > 0),
            _ => None,
        };
        let half_life_us = found.ok_or_else(|| self.syntax("a half-life such as `12h`"))?;
        self.lexer.next();
        Ok(half_life_us)
    }

    pub fn symbol(&mut self, symbol: char, expected: &str) -> Result<(), Error> {
        if !self.at_symbol(symbol) {
            return Err(self.syntax(expected));
        }
        self.lexer.next();
        Ok(())
    }

    pub fn at_symbol(&self, symbol: char) -> bool {
        self.lexer.peek().0 == Token::Symbol(symbol)
    }
}

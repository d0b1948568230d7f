//! The tokens of a statement, as far as it takes to know what is a word and what is not.
//!
//! It follows Postgres's own scanner in what ends a comment, a literal or a name: where the two
//! disagreed, a statement could hide in what one of them takes for text.

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword, or a name without quotes.
    Word(&'a str),
    /// What stands between double quotes, with inner ones still doubled.
    Quoted(&'a str),
    /// A name that is spelled with escapes.
    UnicodeName,
    /// A string.
    Literal,
    /// Any other character.
    Symbol(u8),
    /// A string, name or comment without an end, or a byte that stands in no statement.
    Malformed,
}

impl Token<'_> {
    /// Whether it is this keyword.
    pub(super) const fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// Whether it is this name, which is in lower case.
    pub(super) fn names(&self, name: &str) -> bool {
        self.is(name) || *self == Token::Quoted(name)
    }

    /// The name that it is.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Word(word) => Some((*word).to_owned()),
            Self::Quoted(name) => Some(name.replace("\"\"", "\"")),
            _ => None,
        }
    }
}

/// Splits a statement, without its white space and its comments.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(sql: &'a str) -> Self {
        Self { sql, at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.sql.as_bytes().get(self.at + ahead).copied()
    }

    /// Skips white space and comments; false where a comment has no end.
    fn skip(&mut self) -> bool {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(byte), _) if is_space(byte) => self.at += 1,
                (Some(b'-'), Some(b'-')) => self.skip_line(),
                (Some(b'/'), Some(b'*')) => {
                    if !self.skip_block() {
                        return false;
                    }
                }
                _ => return true,
            }
        }
    }

    /// Skips a comment that may have others in it.
    fn skip_block(&mut self) -> bool {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return true;
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return false,
            }
        }
    }

    /// Skips to behind the next `quote` that is not doubled (nor escaped), and gives what is before.
    fn until(&mut self, quote: u8, escapes: bool) -> Option<&'a str> {
        let start = self.at;
        loop {
            match self.peek(0)? {
                b'\\' if escapes => self.at += 2,
                byte if byte == quote && self.peek(1) == Some(quote) => self.at += 2,
                byte if byte == quote => {
                    self.at += 1;
                    return Some(&self.sql[start..self.at - 1]);
                }
                _ => self.at += 1,
            }
        }
    }

    /// A word, or the literal or name that it introduces.
    fn word(&mut self) -> Token<'a> {
        let start = self.at;
        while self.peek(0).is_some_and(|byte| is_start(byte) || matches!(byte, b'0'..=b'9' | b'$'))
        {
            self.at += 1;
        }
        let word = &self.sql[start..self.at];
        let unicode = word.eq_ignore_ascii_case("u") && self.peek(0) == Some(b'&');
        if unicode && self.peek(1) == Some(b'"') {
            self.at += 2;
            return self.until(b'"', false).map_or(Token::Malformed, |_| Token::UnicodeName);
        }
        if word.eq_ignore_ascii_case("e") && self.peek(0) == Some(b'\'') {
            return self.escaped();
        }
        // Behind a number, Postgres ends the word before it and opens a string with it.
        if start > 0 && self.sql.as_bytes()[start - 1].is_ascii_digit() && word.contains('$') {
            return Token::Malformed;
        }
        // Those of `b''`, `n''`, `u&''` and `x''` end like any other string, which follows.
        Token::Word(word)
    }

    /// A string with escapes. It goes on in the next literal, escapes and all, where a line ends in
    /// between.
    fn escaped(&mut self) -> Token<'a> {
        loop {
            self.at += 1;
            if self.until(b'\'', true).is_none() {
                return Token::Malformed;
            }
            let mut rest = self.clone();
            if !rest.skip_lines() || rest.peek(0) != Some(b'\'') {
                return Token::Literal;
            }
            *self = rest;
        }
    }

    /// Skips white space and comments to the end of a line; whether one ended.
    fn skip_lines(&mut self) -> bool {
        let start = self.at;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(byte), _) if is_space(byte) => self.at += 1,
                (Some(b'-'), Some(b'-')) => self.skip_line(),
                _ => return self.sql.as_bytes()[start..self.at].iter().any(|it| is_newline(*it)),
            }
        }
    }

    /// Skips a comment to the end of its line.
    fn skip_line(&mut self) {
        while !self.peek(0).is_none_or(is_newline) {
            self.at += 1;
        }
    }

    /// A string between `$tag$`s; nothing where it is not one.
    fn dollar_quoted(&mut self) -> Option<Token<'a>> {
        let tag = self.sql[self.at + 1..].split('$').next()?;
        let mut bytes = tag.bytes();
        let is_tag = bytes.next().is_none_or(is_start)
            && bytes.all(|byte| is_start(byte) || byte.is_ascii_digit());
        let opened = self.at + tag.len() + 2;
        if !is_tag || self.sql.as_bytes().get(opened - 1) != Some(&b'$') {
            return None;
        }
        let delimiter = &self.sql[self.at..opened];
        match self.sql[opened..].find(delimiter) {
            Some(length) => {
                self.at = opened + length + delimiter.len();
                Some(Token::Literal)
            }
            None => {
                self.at = self.sql.len();
                Some(Token::Malformed)
            }
        }
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if !self.skip() {
            self.at = self.sql.len();
            return Some(Token::Malformed);
        }
        let byte = self.peek(0)?;
        if is_start(byte) {
            return Some(self.word());
        }
        if byte == b'$'
            && let Some(token) = self.dollar_quoted()
        {
            return Some(token);
        }
        self.at += 1;
        Some(match byte {
            b'\'' => self.until(b'\'', false).map_or(Token::Malformed, |_| Token::Literal),
            b'"' => self.until(b'"', false).map_or(Token::Malformed, Token::Quoted),
            // In the protocol it ends the statement, and what follows is no statement any more.
            0 => Token::Malformed,
            _ => Token::Symbol(byte),
        })
    }
}

const fn is_start(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..)
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

const fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

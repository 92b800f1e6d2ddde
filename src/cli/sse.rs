//! A parser for server-sent events, as the HTML standard defines them. Pure: bytes in, messages out.
//!
//! [`super::subscription`] feeds it. Bytes may be cut anywhere; what is incomplete when a connection ends is dropped, and
//! its id with it, so the server sends it again.

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Its own id, if it carried one.
    pub(super) id: Option<String>,
    /// The data lines, joined by line feeds.
    pub(super) data: String,
}

/// The state between two pieces of a stream.
#[derive(Debug, Default)]
pub(super) struct Parser {
    started: bool,
    after_carriage_return: bool,
    line: Vec<u8>,
    id: Option<String>,
    data: Option<String>,
    place: Option<String>,
}

impl Parser {
    /// The newest id of the stream, also one that came without a message.
    pub(super) fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Takes the next bytes and gives the messages that they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for &byte in bytes {
            let after_carriage_return = std::mem::replace(&mut self.after_carriage_return, byte == b'\r');
            match byte {
                b'\n' if after_carriage_return => {}
                b'\n' | b'\r' => messages.extend(self.end_of_line()),
                byte => self.line.push(byte),
            }
        }
        messages
    }

    fn end_of_line(&mut self) -> Option<Message> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let line = if std::mem::replace(&mut self.started, true) {
            &line
        } else {
            line.strip_prefix('\u{feff}').unwrap_or(&line)
        };
        if line.is_empty() {
            return self.end_of_message();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // Comments have an empty name; `event`, `retry` and names of the future say nothing to us.
            _ => {}
        }
        None
    }

    fn end_of_message(&mut self) -> Option<Message> {
        let id = self.id.take();
        if id.is_some() {
            self.place.clone_from(&id);
        }
        let data = self.data.take()?;
        Some(Message { id, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: Option<&str>, data: &str) -> Message {
        Message {
            id: id.map(Into::into),
            data: data.into(),
        }
    }

    const STREAM: &str = "\u{feff}retry: 1000\n\ndata: {\"a\":1}\n\n: keep alive\n\nid: 7\r\nevent: x\r\ndata:é\r\ndata: two\r\n\r\nid:8\rdata\r\r";

    fn expected() -> Vec<Message> {
        vec![
            message(None, "{\"a\":1}"),
            message(Some("7"), "é\ntwo"),
            message(Some("8"), ""),
        ]
    }

    #[test]
    fn every_kind_of_line_end_comment_and_field_is_understood() {
        assert_eq!(Parser::default().push(STREAM.as_bytes()), expected());
    }

    #[test]
    fn bytes_may_be_cut_anywhere() {
        for cut in 1..STREAM.len() {
            let (one, two) = STREAM.as_bytes().split_at(cut);
            let mut parser = Parser::default();
            let mut messages = parser.push(one);
            messages.extend(parser.push(two));
            assert_eq!(messages, expected(), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_incomplete_gives_nothing() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(b"id: 9\ndata: half\n"), []);
    }

    #[test]
    fn an_id_belongs_to_its_own_message_only() {
        let messages = Parser::default().push(b"id: 1\ndata: a\n\ndata: b\n\n");
        assert_eq!(messages, [message(Some("1"), "a"), message(None, "b")]);
    }

    #[test]
    fn an_id_without_data_is_a_place_and_no_message() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(b"data: a\n\nid: 7\n"), [message(None, "a")]);
        assert_eq!(parser.place(), None);
        assert_eq!(parser.push(b"\n"), []);
        assert_eq!(parser.place(), Some("7"));
    }
}

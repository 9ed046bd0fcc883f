//! Server-sent events, read from text that comes in pieces. Pure.

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// `event:`; empty without one.
    pub event: String,
    /// `data:`, its lines joined by line feeds.
    pub data: String,
}

/// The state between two pieces.
#[derive(Debug, Default)]
pub struct Reader {
    line: String,
    message: Message,
}

impl Reader {
    /// Takes the next piece and gives the events that it completes. An event without data is none,
    /// as the standard has it; fields other than the two are passed over.
    pub fn feed(&mut self, piece: &str) -> Vec<Message> {
        let mut complete = Vec::new();
        for part in piece.split_inclusive('\n') {
            self.line.push_str(part);
            if let Some(line) = self.line.strip_suffix('\n') {
                let line = line.strip_suffix('\r').unwrap_or(line).to_owned();
                self.line.clear();
                complete.extend(self.take(&line));
            }
        }
        complete
    }

    fn take(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let mut message = std::mem::take(&mut self.message);
            return message.data.pop().map(|_| message);
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.message.event),
            "data" => {
                self.message.data.push_str(value);
                self.message.data.push('\n');
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = ": a comment\n\nevent: A\nid: 1\ndata: x\ndata:y\r\n\r\n:\n\nevent: B\n\ndata\n\ndata: last";

    fn message(event: &str, data: &str) -> Message {
        Message { event: event.into(), data: data.into() }
    }

    #[test]
    fn messages_are_what_has_data() {
        let read = Reader::default().feed(TEXT);
        assert_eq!(read, [message("A", "x\ny"), message("", "")]);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(step in 1usize..12) {
            let mut reader = Reader::default();
            let pieces: Vec<String> =
                TEXT.as_bytes().chunks(step).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
            let read: Vec<Message> = pieces.iter().flat_map(|p| reader.feed(p)).collect();
            prop_assert_eq!(read, [message("A", "x\ny"), message("", "")]);
        }
    }
}

//! Clients: each asks one thing and waits for one answer.

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use super::deed::Ask;
use crate::coordinator::inbox::{Msg, Op, ProcId, Reply};
use crate::rpc::value::{Fault, Value};

/// One client with its open question.
pub struct Client {
    pub ask: Ask,
    pub targets: Vec<ProcId>,
    pub wait: bool,
    /// Results there can be in a list; none where the answer is a single one.
    most: Option<usize>,
    answer: Receiver<Result<Value, Fault>>,
}

/// All who wait.
#[derive(Default)]
pub struct Clients {
    pub open: Vec<Client>,
    /// How often a call was answered.
    pub answered: u64,
}

impl Clients {
    /// A call as a message, from a client that now waits.
    pub fn ask(&mut self, ask: Ask, targets: Vec<ProcId>, wait: bool, op: Op) -> Msg {
        let (reply, answer): (Reply, _) = bounded(1);
        let many = matches!(ask, Ask::StartAll | Ask::StopAll | Ask::SignalAll | Ask::ClearAllLogs);
        let most = many.then_some(targets.len());
        self.open.push(Client { ask, targets, wait, most, answer });
        Msg::Call { op, reply }
    }

    /// Takes the answers that have come.
    pub fn look(&mut self) -> Result<(), String> {
        let mut wrong = None;
        let before = self.open.len();
        self.open.retain(|client| match client.verdict() {
            None => true,
            Some(verdict) => {
                if let Err(text) = verdict {
                    wrong.get_or_insert(text);
                }
                false
            }
        });
        self.answered += (before - self.open.len()) as u64;
        wrong.map_or(Ok(()), Err)
    }
}

impl Client {
    fn verdict(&self) -> Option<Result<(), String>> {
        let what = || format!("{:?} of {:?} (wait: {})", self.ask, self.targets, self.wait);
        let result = match self.answer.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => {
                return Some(Err(format!("{} is never answered", what())));
            }
            Ok(result) => result,
        };
        if self.answer.try_recv() != Err(TryRecvError::Disconnected) {
            return Some(Err(format!("{} may be answered twice", what())));
        }
        let fits = match (&result, self.most) {
            (Ok(Value::Array(items)), Some(most)) => items.len() <= most,
            (Ok(_), Some(_)) => false,
            (Ok(Value::Array(_)), None) => matches!(self.ask, Ask::Adopt),
            (Ok(_) | Err(_), _) => true,
        };
        Some(if fits { Ok(()) } else { Err(format!("{} is answered {result:?}", what())) })
    }
}

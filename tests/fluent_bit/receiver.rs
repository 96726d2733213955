//! A receiver that keeps every byte, and answers each HTTP request.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"e\"\r\nContent-Length: 27\r\n\r\n{\"errors\":false,\"items\":[]}";

pub(crate) struct Receiver {
    pub(crate) port: u16,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&bytes);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let all = Arc::clone(&all);
                thread::spawn(move || serve(stream, &all));
            }
        });
        Self { port, bytes }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no thread has failed")).into_owned()
    }
}

fn serve(mut stream: TcpStream, all: &Mutex<Vec<u8>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        all.lock().expect("no thread has failed").extend(&buffer[..read]);
        request.extend(&buffer[..read]);
        if is_whole(&request) {
            request.clear();
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    }
}

/// Returns true if these bytes are an HTTP request with its whole body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, _)) =
        text.split_once("\r\n\r\n").filter(|(head, _)| head.contains(" HTTP/1.1"))
    else {
        return false;
    };
    let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = request.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
    request.len() - body >= length.unwrap_or(0)
}
